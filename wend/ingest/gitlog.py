"""Commits out of `git log`: what a change is, without what it says. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wend.errors import Invalid
from wend.ingest import parse, trailers
from wend.ingest.parse import Purpose

# Each commit as five fields, each ended by a NUL: none of them can hold one.
WORDS = ("log", "-z", "--no-color", "--no-show-signature", "--encoding=UTF-8", "--format=%H%x00%P%x00%ct%x00%aE%x00%B")
FIELDS = 5
# Each commit that is read on the standard input: its id, then its files. Merges have none of their own.
FILES = ("diff-tree", "--stdin", "-r", "-z", "--root", "--name-only", "--no-renames", "--always")
MERGED = re.compile(
    r"Merge (?:(?:remote-tracking )?branch(?:es)? '(?P<branch>[^']+)'|pull request #\d+ from [^/\s]+/(?P<from>\S+))"
)
LONGEST = 254  # characters of an e-mail address


@dataclass(frozen=True)
class Commit:
    """One commit. `at`: when it was committed, Unix microseconds; None when that cannot be. `author`: an e-mail
    address. `purpose` by its message, which is kept nowhere; `joins`: the branch that a merge says it joins; `bets`:
    those whose work it says it is."""

    id: str
    parents: tuple[str, ...]
    at: int | None
    author: str | None
    purpose: Purpose
    reverts: str | None
    joins: str = ""
    bets: tuple[int, ...] = ()


def commits(chunks: Iterable[bytes]) -> Iterator[Commit]:
    """The commits in what `git WORDS` prints, as it comes. Raises Invalid when it is cut off."""
    rest, fields = b"", list[bytes]()
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\0")
        fields += whole
        while len(fields) >= FIELDS:
            yield commit(*fields[:FIELDS])
            del fields[:FIELDS]
    if fields or rest.strip():
        raise Invalid("git's output ended in the middle of a commit", "try again")


def commit(id: bytes, parents: bytes, at: bytes, author: bytes, message: bytes) -> Commit:
    text = message.decode("utf-8", "replace")
    found = MERGED.match(text)
    joins = (found["branch"] or found["from"]) if found else ""
    purpose, reverted = parse.purpose(text, joins), parse.reverts(text)
    who = author.decode("utf-8", "replace").strip()[:LONGEST].lower() or None
    above, bets = tuple(parents.decode().split()), trailers.bets(text)
    return Commit(id.strip().decode(), above, when(at), who, purpose, reverted, joins, bets)


def folders(chunks: Iterable[bytes], ids: Iterable[str]) -> Iterator[tuple[str, list[str] | None]]:
    """What `git FILES` prints for these commits, in their order: of each that has files, their folders."""
    order, rest = iter(ids), b""
    after, id, files = next(order, ""), "", list[str]()
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\0")
        for word in whole:
            if word.decode("utf-8", "replace") == after:
                if id:
                    yield id, parse.folders_of(files)
                id, after, files = after, next(order, ""), []
            else:
                files.append(word.decode("utf-8", "replace"))
    if id:
        yield id, parse.folders_of(files)


def when(seconds: bytes) -> int | None:
    """Unix microseconds of Unix seconds; None for what is no time between 1970 and 2100."""
    try:
        return parse.moment(int(seconds))
    except (ValueError, Invalid):
        return None
