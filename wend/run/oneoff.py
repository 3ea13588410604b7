"""One command in a box, while somebody waits: builds, release commands, `wend run`."""

from __future__ import annotations

import os
import pty
import secrets
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from wend.errors import Down
from wend.poll import readable
from wend.run import Box, Exit, Finished
from wend.run.launch import command, describe, packed, uid_of
from wend.run.sandbox.log import Log

TAIL = 200


def run(
    box: Box,
    env: dict[str, str],
    say: Callable[[str], None],
    cancel: Event | None = None,
    stdin: int | None = None,
    interactive: bool = False,
    home: Path | None = None,
) -> Finished:
    """Run the box's command to its end; nothing of it survives this call. `say` gets each line of output (with
    `interactive`, which gives the command a terminal, raw pieces as they come). `stdin` is a descriptor it reads.
    Setting `cancel` ends it. `home` keeps the table of users and the scratch folder; without it, a folder that is made
    and removed here does. Raises Down when the box cannot be made, Invalid when a folder is missing."""
    if home is None:
        with tempfile.TemporaryDirectory(prefix="wend-") as temporary:
            return run(box, env, say, cancel, stdin, interactive, Path(temporary))
    return run_in(home, box, env, say, cancel or Event(), stdin, interactive)


def run_in(
    base: Path,
    box: Box,
    env: dict[str, str],
    say: Callable[[str], None],
    cancel: Event,
    stdin: int | None,
    interactive: bool,
) -> Finished:
    name = f"once-{secrets.token_hex(6)}"
    folder = base / "run" / "once" / name
    values = describe(box, env, folder, name, uid_of(base, box.user))
    folder.mkdir(parents=True, mode=0o700)
    master, slave = pty.openpty() if interactive else (-1, -1)
    given = slave if interactive else -1 if stdin is None else stdin
    values |= {"once": True, "terminal": slave, "input": -1 if interactive else given}
    began = time.monotonic()
    try:
        with spawn(given) as process:
            finished = Watch(process, say, cancel, master, stdin).follow(packed(values))
    finally:
        for fd in (master, slave):
            if fd >= 0:
                os.close(fd)
    finished.seconds = time.monotonic() - began
    return finished


def spawn(given: int) -> subprocess.Popen[bytes]:
    """A shim that waits for its job; `given` is a descriptor it is to have, or -1. Raises Down."""
    try:
        return subprocess.Popen(
            command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            pass_fds=[given] if given >= 0 else [],
        )
    except OSError as error:
        raise Down(f"cannot start a process here: {error.strerror}", "wend doctor") from error


@contextmanager
def logged(home: Path, app: str, name: str, size: int) -> Generator[Callable[[str], None]]:
    """Lines told to what this gives stand in the app's logs as those of `name`, under the same cap as a replica's.
    Raises Down."""
    folder = home / "logs" / app
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        log = Log(str(folder / f"{name}.log"), size)
    except OSError as error:
        raise Down(f"cannot keep the log of {name}: {error.strerror}", "wend doctor") from error
    try:
        yield lambda line: log.write(line.encode("utf-8", "replace") + b"\n")
    finally:
        log.close()


class Watch:
    """Follows one shim's lines until it says how the command ended."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        say: Callable[[str], None],
        cancel: Event,
        master: int,
        stdin: int | None,
    ) -> None:
        self.process, self.say, self.cancel, self.master, self.stdin = process, say, cancel, master, stdin
        self.tail: deque[str] = deque(maxlen=TAIL)
        self.rest = b""
        self.end = ""

    def follow(self, job: bytes) -> Finished:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(job)
        self.process.stdin.flush()
        out = self.process.stdout.fileno()
        sources = [out, *([self.master] if self.master >= 0 else [])]
        if self.master >= 0 and self.stdin is not None:
            sources.append(self.stdin)
        while out in sources:
            for fd in readable(sources, 0.1):
                if not self.read(fd, out):
                    sources.remove(fd)
            if self.cancel.is_set() and not self.process.stdin.closed:
                self.process.stdin.close()
        return self.finished()

    def read(self, fd: int, out: int) -> bool:
        """Take what is there; False at its end."""
        try:
            data = os.read(fd, 65536)
        except OSError:
            return False
        if fd == self.stdin:
            os.write(self.master, data or b"\x04")
        elif fd == self.master:
            self.tell(data.decode("utf-8", "replace"))
        else:
            *lines, self.rest = (self.rest + data).split(b"\n")
            for line in lines:
                self.line(line.decode("utf-8", "replace"))
        return bool(data) and not (fd == out and self.end)

    def line(self, line: str) -> None:
        if line.startswith("X "):
            self.end = line
        else:
            self.tell(line[2:])

    def tell(self, text: str) -> None:
        self.tail.append(text)
        self.say(text)

    def finished(self) -> Finished:
        _, code, oom, reason = (self.end or "X -9 0 the shim was killed").split(" ", 3)
        number = int(code)
        if reason and reason != "cancelled":
            self.tell(f"[wend] {reason}")
        ended = Exit(number if number >= 0 else None, -number if number < 0 else None, oom == "1", time.time())
        return Finished(ended, list(self.tail))
