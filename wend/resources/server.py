"""Servers of our own, for resources that no server was named for: each in a box, at a port that stays.

They are replicas of a driver of their own, so that they outlive the control plane, come back when they crash, and no
app's driver ever sees them.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wend.errors import Down
from wend.run import Box, Limits, Mount, Replica, Step
from wend.run.local import Local
from wend.run.oneoff import run

THERE = frozenset({"starting", "up", "backoff", "lost"})  # lost: without its shim, but it answers as before
STOP_SECONDS = 30.0
START_SECONDS = 60.0


@dataclass(frozen=True)
class Server:
    """One server. `folder` is its /data; `command` finds its port in $PORT; `memory`: bytes, None: no limit."""

    home: Path
    name: str
    folder: Path
    command: str
    memory: int | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """Its port, chosen once."""
        file = self.folder / "port"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(str(free_port()))
        return int(file.read_text())

    def box(self, command: str, serving: bool) -> Box:
        """The server's box, with this command."""
        inside = self.folder / "inside"
        inside.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Box(
            command,
            cwd="/data",
            user=f"@{self.name}",
            mounts=(Mount(str(inside), "/data", "rw"),),
            limits=Limits(memory=self.memory, pids=None),
            port=serving,
            fixed=self.port if serving else 0,
            grace=STOP_SECONDS,
        )

    def start(self) -> None:
        """Start it unless it is there. Raises Down."""
        driver = yard(self.home)
        if self.name not in there(self.home):
            replica = Replica(self.name, 1, "server", 1, self.box(self.command, serving=True))
            driver.apply(Step("start", replica.id, replica), {})

    def stop(self) -> None:
        """Stop it and wait until it is gone."""
        yard(self.home).stop(self.name)

    def once(self, command: str, env: dict[str, str]) -> None:
        """Run one command in its box. Raises Down with its last lines."""
        done = run(self.box(command, serving=False), env, lambda line: None, home=room(self.home))
        if done.exit.code != 0:
            raise Down(f"{self.name} cannot be made: it {done.exit}: {' | '.join(done.tail[-5:])}", "wend doctor")

    def last_words(self) -> str:
        """The end of its log."""
        return " | ".join(line.text for line in yard(self.home).logs(self.name, 3))

    @contextmanager
    def locked(self) -> Generator[None]:
        """Nobody else starts or makes it for the time of the block."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def wait(self, answers: Callable[[], bool]) -> None:
        """Wait until it does. Raises Down."""
        until = time.monotonic() + START_SECONDS
        while not answers():
            if time.monotonic() > until:
                raise Down(f"{self.name} at {self.address} does not start: {self.last_words()}", "wend doctor")
            time.sleep(0.05)


def room(home: Path) -> Path:
    """The folder in the home with everything that resources keep. Its table of users is the platform's: two users must
    never share a number."""
    found = home / "resources"
    table = found / "run" / "uids"
    if not table.is_symlink():
        for folder in (table.parent, home / "run"):
            folder.mkdir(parents=True, exist_ok=True)
        found.chmod(0o711)
        draft = table.with_name(f"uids.{os.getpid()}")
        draft.symlink_to("../../run/uids")
        draft.rename(table)
    return found


def yard(home: Path) -> Local:
    """The driver of the servers."""
    return Local(room(home))


def there(home: Path) -> set[str]:
    """The names of the servers that run, or come back by themselves."""
    return {status.app for status in yard(home).status() if status.phase in THERE}


def stop_all(home: Path) -> None:
    """Stop every server of this home properly."""
    if (home / "resources" / "run").is_dir():
        driver = yard(home)
        for name in sorted({status.app for status in driver.status()}):
            driver.stop(name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
