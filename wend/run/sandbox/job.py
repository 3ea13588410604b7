"""What the shim is told: one box with everything resolved. Travels by marshal, since both ends are one interpreter
and json alone would cost as much start-up time as all the rest."""

from __future__ import annotations

import marshal
import os


class Job:
    """See `wend.run.launch.describe` for where each value comes from. Sizes in bytes, times in seconds; 0 or None:
    no limit. `uid` 0: keep the user. `fd`: the descriptor the command gets as its terminal, or -1."""

    def __init__(self, values: dict[str, object]) -> None:
        self.__dict__.update(values)

    id: str
    group: str
    once: bool
    folder: str
    scratch: str
    log: str
    command: str
    cwd: str
    env: dict[str, str]
    hidden: tuple[bytes, ...]
    home: str
    mounts: tuple[tuple[str, str, str], ...]
    reach: tuple[str, ...]
    without: tuple[str, ...]
    uid: int
    memory: int | None
    pids: int | None
    cpu: float | None
    seconds: float | None
    share: int
    file: int | None
    disk: int | None
    output: int
    port: bool
    fixed: int
    grace: float
    boot: float
    naps: bool
    terminal: int
    input: int
    users: int


def receive(fd: int) -> Job:
    """Read one job: eight bytes of length, then the marshalled table."""
    size = int.from_bytes(exactly(fd, 8), "little")
    return Job(marshal.loads(exactly(fd, size)))


def exactly(fd: int, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = os.read(fd, min(size, 2**20))
        if not part:
            raise OSError(32, "the job was cut off")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def packed(values: dict[str, object]) -> bytes:
    """The bytes that `receive` reads."""
    body = marshal.dumps(values)
    return len(body).to_bytes(8, "little") + body
