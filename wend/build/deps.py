"""Dependencies: installed once per content, shared by every release and app that needs the same.

The key is the digest of the recipe, the files it reads, the toolchains and the platform. The installing command sees
those files and no others, so what is under a key cannot depend on anything that the key does not cover, and one app
cannot put something of its own under a key that others share.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wend.build.rules import Table, Tree, Words, fill, fill_all
from wend.build.toolchain import locked
from wend.build.work import Job, Work, disk_size, perform
from wend.run import Mount


@dataclass(frozen=True)
class Deps:
    """An installed set. `env` and `bins` are what it adds to a process; `mounts` what it must see."""

    key: str
    folder: Path
    at: str
    env: dict[str, str]
    bins: tuple[str, ...]
    shows: tuple[tuple[str, str], ...]

    def mounts(self, mode: Any = "ro") -> tuple[Mount, ...]:
        """The folder at its own path, and what a tool insists on finding inside /app. That is a mount and not a link:
        Node resolves a link to its real path first, and bundlers then refuse files outside the project."""
        inside = [Mount(str(self.folder / sub), target, mode) for sub, target in self.shows]
        return (Mount(str(self.folder), str(self.folder)), *inside)


def digest(rule: Table, tree: Tree, root: Path, tools: list[tuple[str, str]]) -> tuple[str, list[str]]:
    """The key, and the files it covers."""
    files = sorted({file for glob in rule["key"] for file in tree.match(glob)})
    body = hashlib.sha256()
    libc = "-".join(platform.libc_ver())
    recipe = {k: rule.get(k) for k in ("name", "command", "env", "bin", "key")}
    body.update(json.dumps([recipe, tools, sys.platform, platform.machine(), libc], sort_keys=True).encode())
    for file in files:
        found = (root / file).lstat()
        data = str((root / file).readlink()).encode() if stat.S_ISLNK(found.st_mode) else (root / file).read_bytes()
        body.update(f"\0{file}\0{found.st_mode:o}\0{len(data)}\0".encode() + data)
    return body.hexdigest()[:32], files


def ensure(work: Work, rule: Table, words: Words, tree: Tree, root: Path) -> Deps:
    """The dependencies of this recipe, installed now if they are not there yet. Raises Refused with the tool's
    words."""
    key, files = digest(rule, tree, root, sorted((tool.kind, tool.version) for tool in work.tools))
    folder = work.room.deps / key
    words = {**words, "deps": str(folder)}
    for tool in work.tools:
        words |= tool.words
    done = marker(folder)
    if done.is_file():
        work.say(f"{rule['title']}: unchanged")
    else:
        with locked(work.room.deps / f".{key}.lock", work.cancel):
            if not done.is_file():
                install(work, rule, words, files, root, folder)
                done.write_text(json.dumps({"size": disk_size(folder)}), encoding="utf-8")
    return described(rule, words, key, folder)


def described(rule: Table, words: Words, key: str, folder: Path) -> Deps:
    bins = tuple(str(folder / one) for one in rule.get("bin", ()))
    shows = tuple((sub, target) for sub, target in rule.get("shows", {}).items() if (folder / sub).is_dir())
    return Deps(key, folder, rule.get("at", "run"), fill_all(rule.get("env", {}), words), bins, shows)


def marker(folder: Path) -> Path:
    """Stands beside a folder that is whole. A folder without it is what a crash left, and is built anew."""
    return folder.with_name(folder.name + ".done")


def install(work: Work, rule: Table, words: Words, files: list[str], root: Path, folder: Path) -> None:
    began = time.monotonic()
    work.say(f"{rule['title']}: installing")
    remove(folder)
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / file, folder / file, follow_symlinks=False)
    folder.mkdir(parents=True, exist_ok=True)
    # The folder is /app to the tool, so that what an editable install or a lockfile says of "." holds at run time.
    mounts = (Mount(str(folder), "/app", "rw"), Mount(str(folder), str(folder), "rw"))
    env = fill_all({**rule.get("env", {}), **rule.get("build", {})}, words)
    command = fill(rule["command"], words)
    perform(work, Job(rule["title"], command, rule["fix"], mounts, env))
    work.say(f"{rule['title']}: installed in {time.monotonic() - began:.1f} s")


def remove(folder: Path) -> None:
    """Delete a folder, also one that holds read-only folders, as Go's module cache does."""

    def open_up(function: Callable[[str], object], path: str, _error: object) -> None:
        parent = Path(path).parent
        parent.chmod(parent.stat().st_mode | stat.S_IRWXU)
        if not Path(path).is_symlink():
            Path(path).chmod(stat.S_IRWXU)
        function(path)

    if folder.exists():
        shutil.rmtree(folder, onerror=open_up)
