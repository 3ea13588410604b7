"""The home as a folder: made, and held by the control plane that runs on it, or by several on one database.

Each holds a place: a folder with its lock, its socket and its `serve.json`. A lock outlives no process; a file with a
number in it does.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from wend.errors import Conflict, Down

FOLDERS = ("run", "repos", "artifacts", "deps", "toolchains", "logs")
PLANES = 9


class Holder(NamedTuple):
    """Who has a place: a process, and the address of the database it shares, if it does."""

    pid: int
    database: str


def make_home(home: Path) -> None:
    """The home and its folders, ours alone. Raises Down when it cannot be written."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
        for name in FOLDERS:
            (home / name).mkdir(exist_ok=True)
        probe = home / "run" / ".probe"
        probe.write_text("")
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise Down(
            f"the home {home} cannot be written: {error.strerror}", "choose another: wend up --home DIR"
        ) from error


def places(home: Path) -> list[Path]:
    """Every place that there is: the first control plane's, and those of others beside it."""
    return [home / "run", *sorted((home / "run" / "planes").glob("[2-9]"))]


def holder(place: Path) -> Holder | None:
    """Who has this place now."""
    try:
        with (place / "lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                pid, _, database = file.read().strip().partition(" ")
                return Holder(int(pid), database)
    except (OSError, ValueError):
        pass
    return None


@contextmanager
def locked(home: Path, database: str = "") -> Generator[Path]:
    """Hold a place in the home for the time of the block: the only one, or with a `database` (its address) the first
    that is free beside planes on the same one. Raises Conflict."""
    (home / "run" / "planes").mkdir(exist_ok=True)
    with (home / "run" / "planes" / "lock").open("a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # one at a time looks for a place
        place = free_place(home, database)
        place.mkdir(exist_ok=True)
        file = (place / "lock").open("a+")
        fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"{os.getpid()} {database}".strip())
        file.flush()
    with file:
        yield place


def free_place(home: Path, database: str) -> Path:
    """Where a plane on this database may be. Raises Conflict."""
    busy = {place: found for place in places(home) if (found := holder(place))}
    strangers = [found for found in busy.values() if not database or found.database != database]
    if strangers or len(busy) == PLANES:
        pid = (strangers or list(busy.values()))[0].pid
        hint = "`wend status` shows it; `wend down` stops it"
        raise Conflict(f"a platform already runs on {home} (process {pid})", hint)
    every = [home / "run", *(home / "run" / "planes" / str(number) for number in range(2, PLANES + 1))]
    return next(place for place in every if place not in busy)
