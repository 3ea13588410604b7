"""Lay out a commit's tree as plain files, without git's checkout: no filters, no attributes, no hooks, no surprises.

One `ls-tree` and one `cat-file --batch`; what git says is taken as hostile. Symlinks are made last, so that no file
is ever written through one.
"""

from __future__ import annotations

import os
import posixpath
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import IO

from wend.errors import Bug, Invalid, Refused

ENV = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_NO_REPLACE_OBJECTS": "1", "LC_ALL": "C"}
MAX_LINK = 4096


@dataclass(frozen=True)
class Budget:
    """What a tree may cost to lay out: entries, bytes, seconds."""

    entries: int = 100_000
    size: int = 2 * 2**30
    seconds: float = 60.0


@dataclass(frozen=True)
class Entry:
    """One file of a tree: `mode` is git's (100644, 100755 or 120000)."""

    mode: str
    blob: str
    size: int
    path: str


def lay_out(git_dir: Path, tree: str, dest: Path, cancel: Event, budget: Budget | None = None) -> list[Entry]:
    """Write the tree below `dest` (which must be new) and return its entries. Raises Refused, naming the path."""
    budget = budget or Budget()
    end = time.monotonic() + budget.seconds
    with git(git_dir, "cat-file", "--batch", "--buffer") as blobs:  # started first: it warms up while ls-tree runs
        entries = listing(git_dir, tree, budget)
        try:
            write(entries, blobs, dest, end, cancel)
        except BaseException:
            blobs.kill()
            raise
    return entries


def git(git_dir: Path, *args: str) -> subprocess.Popen[bytes]:
    command = ["git", "--no-replace-objects", f"--git-dir={git_dir}", *args]
    env = {**os.environ, **ENV}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)


def listing(git_dir: Path, tree: str, budget: Budget) -> list[Entry]:
    """Every entry of the tree, checked. Stops reading at the budget, so a tree bomb costs no more than that."""
    entries: list[Entry] = []
    total = 0
    with git(git_dir, "ls-tree", "-r", "-z", "-l", "--full-tree", tree) as child:
        for record in records(pipe(child.stdout)):
            entry = parse(record)
            total += entry.size
            entries.append(entry)
            if len(entries) > budget.entries or total > budget.size:
                child.kill()
                limit = f"{budget.entries} files and {budget.size // 2**20} MiB"
                raise Refused(f"the tree is too large: more than {limit}", "keep build results and data out of git")
        problem = pipe(child.stderr).read().decode(errors="replace").strip()
    if child.returncode:
        raise Invalid(f"tree {tree} cannot be read: {problem}", "push the commit again")
    return entries


def records(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while block := stream.read(65536):
        *whole, rest = (rest + block).split(b"\0")
        yield from whole


def parse(record: bytes) -> Entry:
    meta, _, name = record.partition(b"\t")
    mode, kind, blob, size = meta.decode().split()
    path = checked(name)
    if kind == "commit":
        raise Refused(f"{path!r} is a git submodule", "commit its files instead: submodules are not fetched")
    if mode not in ("100644", "100664", "100755", "120000"):
        raise Refused(f"{path!r} has the mode {mode}, which is no plain file", "commit it as a plain file")
    return Entry(mode, blob, int(size), path)


def checked(name: bytes) -> str:
    """The path as text, when it is one that stays inside the tree."""
    try:
        path = name.decode()
    except UnicodeDecodeError as error:
        raise Refused(f"the file name {name!r} is not UTF-8", "rename it and push again") from error
    parts = path.split("/")
    if any(part in ("", ".", "..") or part.lower() == ".git" for part in parts) or len(path) > 1000:
        raise Refused(f"{path[:80]!r} is not a safe path", "rename it and push again")
    return path


def write(entries: list[Entry], blobs: subprocess.Popen[bytes], dest: Path, end: float, cancel: Event) -> None:
    feeder = Thread(target=feed, args=(entries, pipe(blobs.stdin)), daemon=True)
    feeder.start()  # beside the reader: git would block on a full pipe otherwise
    made: set[str] = {""}
    links: list[tuple[Entry, bytes]] = []
    out = pipe(blobs.stdout)
    dest.mkdir(0o755)
    for entry in entries:
        if cancel.is_set() or time.monotonic() > end:
            raise Refused("laying out the files was " + ("cancelled" if cancel.is_set() else "too slow"))
        header = out.readline().split()
        if len(header) != 3 or header[1] != b"blob":
            raise Bug(f"{entry.path}: the repository has no object {entry.blob}", "push again with the whole history")
        folder(dest, posixpath.dirname(entry.path), made)
        if entry.mode == "120000":
            links.append((entry, exactly(out, int(header[2]))))
        else:
            put(out, int(header[2]), f"{dest}/{entry.path}", 0o755 if entry.mode == "100755" else 0o644)
        out.read(1)
    for entry, target in links:
        link(entry, target, dest)
    for entry, _ in links:
        stays_inside(entry, dest)


def feed(entries: list[Entry], stdin: IO[bytes]) -> None:
    try:
        stdin.write(b"".join(entry.blob.encode() + b"\n" for entry in entries))
        stdin.close()
    except OSError:
        return  # the reader has stopped and says why


def folder(dest: Path, path: str, made: set[str]) -> None:
    """Make a folder and those above it. mkdir refuses what exists, so a link or a file in the way cannot be used."""
    if path in made:
        return
    folder(dest, posixpath.dirname(path), made)
    try:
        Path(f"{dest}/{path}").mkdir(0o755)
    except FileExistsError as error:
        raise Refused(f"{path!r} is both a file and a folder", "rename one of them") from error
    made.add(path)


def put(out: IO[bytes], size: int, path: str, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    except FileExistsError as error:
        raise Refused(f"{posixpath.basename(path)!r} is there twice (names that differ only by case?)") from error
    try:
        os.fchmod(handle, mode)
        while size:
            block = memoryview(exactly(out, min(size, 2**20)))
            size -= len(block)
            while block:
                block = block[os.write(handle, block) :]
    finally:
        os.close(handle)


def exactly(out: IO[bytes], size: int) -> bytes:
    data = out.read(size)
    if len(data) != size:
        raise Bug("git stopped in the middle of a file", "push again")
    return data


def link(entry: Entry, raw: bytes, dest: Path) -> None:
    target = raw.decode("utf-8", "replace")
    if len(raw) > MAX_LINK or not target or target.startswith("/") or "\0" in target:
        raise Refused(f"the symlink {entry.path!r} leads out of the repository ({target[:80]!r})", "make it relative")
    try:
        Path(f"{dest}/{entry.path}").symlink_to(target)
    except FileExistsError as error:
        raise Refused(f"{entry.path!r} is there twice (names that differ only by case?)") from error


def stays_inside(entry: Entry, dest: Path) -> None:
    """Asked once all links are there: only the kernel's own view sees through a link that goes by way of another."""
    top = os.path.realpath(dest)
    real = os.path.realpath(f"{dest}/{entry.path}")
    if real != top and not real.startswith(top + "/"):
        raise Refused(f"the symlink {entry.path!r} leads out of the repository", "make it point inside")


def pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise Bug("a pipe to git is missing")
    return stream
