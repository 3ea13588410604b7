"""The files of a commit, read out of git a batch at a time: a process for each file would take far longer."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path

from wend.build.rules import MAX_READ, Tree
from wend.repos import Repos

BATCH = 16 * 2**20  # bytes in memory
HISTORY = 256 * 2**20  # bytes of earlier commits that are looked through, the newest first


class Blobs:
    """Reads forward well: the batch that is held begins with the file that was asked for last and not there."""

    def __init__(self, repos: Repos, repo: Path, commit: str) -> None:
        self.repos, self.repo = repos, repo
        said = repos.run(repo, "ls-tree", "-r", "-z", "-l", commit)
        rows = [line.partition(b"\t") for line in said.split(b"\0") if line]
        entries = {name.decode("utf-8", "replace"): about.split() for about, _, name in rows}
        blobs = {name: about for name, about in entries.items() if about[0] in (b"100644", b"100755", b"100664")}
        self.ids = {name: about[2].decode() for name, about in blobs.items()}
        self.sizes = {name: int(about[3]) for name, about in blobs.items()}
        self.names = sorted(self.ids)
        self.held: dict[str, bytes] = {}

    def read(self, name: str) -> str | None:
        """The first MiB of a file as text; None for a link, and what is not there."""
        if name not in self.ids:
            return None
        if name not in self.held:
            self.held = self.batch(name)
        return self.held[name][:MAX_READ].decode("utf-8-sig", "replace")

    def batch(self, first: str) -> dict[str, bytes]:
        """This file and those after it, as many as fit."""
        rest = self.names[bisect_left(self.names, first) :]
        some = next(batches((name, self.sizes[name]) for name in rest))
        bodies = contents(self.repos, self.repo, [(self.ids[name], size) for name, size in some])
        return {name: bodies[self.ids[name]] for name, _ in some}


def history(repos: Repos, repo: Path, commit: str) -> Iterator[tuple[str, str]]:
    """(path, text) of the files that commits no branch has yet bring, and that are not in the last one of them: the
    newest of them, as far as HISTORY goes."""
    said = repos.run(repo, "rev-list", "--objects", commit, "--not", "--branches").decode("utf-8", "replace")
    named = [line.partition(" ") for line in said.splitlines()]
    last = set(Blobs(repos, repo, commit).ids.values())
    new = {id: path for id, _, path in named if path and id not in last}
    kinds = repos.run(repo, "cat-file", "--batch-check", feed="".join(f"{id}\n" for id in new).encode()).decode()
    blobs = [words for line in kinds.splitlines() if (words := line.split())[1] == "blob" and int(words[2]) <= MAX_READ]
    sized = [(id, int(size)) for id, _, size in blobs]
    upto = accumulate(size for _, size in sized)
    for some in batches([one for one, total in zip(sized, upto, strict=True) if total <= HISTORY]):
        for id, body in contents(repos, repo, some).items():
            yield new[id], body.decode("utf-8-sig", "replace")


def batches(sized: Iterable[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    """As many at a time as fit into memory."""
    part, room = list[tuple[str, int]](), BATCH
    for one in sized:
        if part and room < one[1]:
            yield part
            part, room = [], BATCH
        part.append(one)
        room -= one[1]
    if part:
        yield part


def contents(repos: Repos, repo: Path, sized: Iterable[tuple[str, int]]) -> dict[str, bytes]:
    """Object → its bytes, of these blobs with their sizes."""
    some = list(sized)
    said = repos.run(repo, "cat-file", "--batch", feed="".join(f"{id}\n" for id, _ in some).encode())
    at, found = 0, dict[str, bytes]()
    for id, size in some:
        head = said.index(b"\n", at) + 1
        found[id] = said[head : head + size]
        at = head + size + 1
    return found


def tree(repos: Repos, repo: Path, commit: str) -> Tree:
    """The commit's files."""
    blobs = Blobs(repos, repo, commit)
    return Tree(frozenset(blobs.names), blobs.read)
