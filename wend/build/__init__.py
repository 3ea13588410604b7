"""The build plug: from a commit's tree to an artifact that runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from wend.run import Mount

Say = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """A commit to build. `git_dir` holds its objects; `commit` and `tree` are 40 hex digits."""

    app: str
    git_dir: Path
    commit: str
    tree: str


@dataclass(frozen=True)
class Artifact:
    """What a build made, immutable and shared by all releases that need the same.

    `id` is the content key; `root` the folder the processes see as /app; `mounts` the dependency and toolchain
    folders they need beside it (same path inside as outside); `env` what the path sets (PATH, VIRTUAL_ENV, …);
    `processes` name → shell command, as Procfile and path decide; `release` the release command, if any; `health`
    the path's health default; `size` bytes on disk; `path` the golden path's name; `tools` the toolchains, like
    "python@3.12.4".
    """

    id: str
    root: str
    path: str
    processes: dict[str, str]
    release: str | None = None
    health: str = "/"
    env: dict[str, str] | None = None
    mounts: tuple[Mount, ...] = ()
    size: int = 0
    notes: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


@dataclass(frozen=True)
class Room:
    """Where and how builds happen: the home's folders, and the limits every build is under."""

    artifacts: Path
    deps: Path
    toolchains: Path
    seconds: float = 900.0
    memory: int = 4 * 2**30
    disk: int = 10 * 2**30

    @property
    def paths(self) -> Path:
        """The organisation's own golden paths."""
        return self.artifacts.parent / "paths"


Cancel = Event
