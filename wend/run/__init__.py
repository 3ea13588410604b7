"""The run plug: start, watch and stop replicas somewhere.

A driver is looked up by name in `DRIVERS`; others may register one under the entry-point group `wend.drivers`.
Calling any verb twice equals calling it once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

DRIVERS = {"local": "wend.run.local:Local"}


@dataclass(frozen=True)
class Mount:
    """One folder of the host as a process sees it. `overlay` is writable, and what is written is thrown away."""

    source: str
    target: str
    mode: Literal["ro", "rw", "overlay"] = "ro"


@dataclass(frozen=True)
class Limits:
    """What a process may use. memory: bytes; pids: count; cpu: cores; seconds: wall clock; file: bytes of one file;
    disk: bytes in all its `rw` mounts (one-offs); log: bytes of output kept. None: no limit. `share`: of the processor
    when there is not enough for all, beside 100 for an app."""

    memory: int | None = 512 * 2**20
    pids: int | None = 512
    cpu: float | None = None
    seconds: float | None = None
    file: int | None = None
    disk: int | None = None
    log: int = 10 * 2**20
    share: int = 100


@dataclass(frozen=True)
class Box:
    """One command and everything it may see: the sandbox writes nothing that is not here.

    `command` is run by `/bin/sh -c` (Procfile convention, with `exec` where it is a simple command).
    `mounts` come on top of the system's read-only folders; `user` names whose uid it gets (an app; stable per name).
    `port`: the process is told `$PORT` (`fixed`, or a free one), and may listen there and nowhere else.
    `reach`: "host:port" or "cidr:port" addresses on this machine or otherwise denied networks that it may connect to
    all the same.
    `secrets`: names of variables whose exact values (6 characters or more) never reach the log; nor does the password
    in one that is an address.
    `naps`: it may be put to sleep, and whatever connects to its port wakes it; then it has `boot` seconds to let the
    first caller in. `grace`: seconds from SIGTERM to SIGKILL.
    """

    command: str
    cwd: str = "/app"
    user: str = "app"
    mounts: tuple[Mount, ...] = ()
    limits: Limits = Limits()
    port: bool = False
    reach: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    grace: float = 10.0
    boot: float = 60.0
    naps: bool = False
    fixed: int = 0


@dataclass(frozen=True)
class Replica:
    """One wanted copy of a process of a release. `id` is unique for ever: APP.RELEASE.PROCESS.INDEX."""

    app: str
    release: int
    process: str
    index: int
    box: Box

    @property
    def id(self) -> str:
        return f"{self.app}.{self.release}.{self.process}.{self.index}"


@dataclass(frozen=True)
class Exit:
    """How a process ended: its code, or the signal that ended it, and whether the kernel did it for want of memory."""

    code: int | None
    signal: int | None = None
    oom: bool = False
    at: float = 0.0

    def __str__(self) -> str:
        if self.oom:
            return "killed: out of memory"
        if self.signal is not None:
            import signal  # late: the words are only needed when something died

            return f"killed by {signal.Signals(self.signal).name}"
        return f"exited with code {self.code}"


@dataclass(frozen=True)
class Status:
    """A replica as it is. `phase`: starting (spawned) · up (running) · asleep (its port wakes it) · backoff
    (waits to restart) · stopping · exited (will not come back by itself) · lost (its shim died; the process may still
    serve). `listens`: every port the process tried to listen on. `rss` bytes, `cpu` seconds."""

    id: str
    app: str
    release: int
    process: str
    index: int
    phase: Literal["starting", "up", "asleep", "backoff", "stopping", "exited", "lost"]
    pid: int | None = None
    port: int | None = None
    listens: tuple[int, ...] = ()
    restarts: int = 0
    exit: Exit | None = None
    started: float = 0.0
    rss: int = 0
    cpu: float = 0.0


@dataclass(frozen=True)
class Step:
    """One thing to do, as data: `start` a replica, `stop` the one with this id, or put it to `sleep`."""

    verb: Literal["start", "stop", "sleep"]
    id: str
    replica: Replica | None = None


@dataclass(frozen=True)
class Line:
    """A line of output: `at` in Unix seconds, `source` is the replica's id, `text` has no line end."""

    at: float
    source: str
    text: str


@dataclass
class Finished:
    """The end of a one-off command: how it ended and its last lines (at most 200)."""

    exit: Exit
    tail: list[str] = field(default_factory=list[str])
    seconds: float = 0.0


class Driver(Protocol):
    """Runs replicas. `can` names what it offers: "sandbox", "limits", "exec", "logs"."""

    can: frozenset[str]

    def plan(self, want: Iterable[Replica], have: Iterable[Status]) -> list[Step]:
        """The steps from `have` to `want`; pure. Starts come before stops; a `lost` or `exited` replica is replaced."""
        ...

    def apply(self, step: Step, env: dict[str, str]) -> None:
        """Do one step; returns once it is under way. `env` never touches a disk. Raises Down when it cannot start."""
        ...

    def status(self, app: str | None = None) -> list[Status]:
        """Every replica known here, of one app or of all."""
        ...

    def logs(self, app: str, lines: int = 100, follow: bool = False) -> Iterator[Line]:
        """The last `lines` lines over all replicas of the app in time order, then, with `follow`, new ones; and while
        there are none, an empty line without a source every few seconds, so that whoever listens can leave."""
        ...

    def idle(self, id: str) -> bool:
        """Whether no connection is open at the replica's port: it can be stopped without cutting anybody off."""
        ...

    def stop(self, app: str) -> None:
        """Stop all of the app's replicas and wait until they are gone."""
        ...
