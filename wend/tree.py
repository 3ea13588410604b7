"""Whether what was pushed can be laid out on a disk without harm.

Git's own fsck refuses `..`, `.git` and hostile `.gitmodules`; what it lets through is decided here, from facts that
are streamed out of the quarantine without inflating an object. All of it is pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wend.errors import Refused

PLAIN = re.compile(rb"[ -~]+")
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
LINK, MODULE, FOLDER = "120000", "160000", "040000"


@dataclass(frozen=True)
class Budget:
    """How much one push may bring. pack, blob, meta (a commit or a folder's listing), laid_out (all files of the
    commit), listing (all their paths), link: bytes; path, name: bytes; seconds: of checking."""

    pack: int = 100 * 2**20
    blob: int = 100 * 2**20
    meta: int = 10 * 2**20
    objects: int = 1_000_000
    entries: int = 50_000
    laid_out: int = 2**30
    listing: int = 16 * 2**20
    name: int = 255
    path: int = 4096
    depth: int = 100
    link: int = 4095
    branches: int = 20
    refs: int = 1000
    seconds: float = 20.0
    shown: int = 5


@dataclass(frozen=True)
class Entry:
    """One line of a commit's listing, folders included; `size` is 0 for what is not a file."""

    mode: str
    oid: str
    size: int
    path: bytes


@dataclass(frozen=True)
class Finding:
    """One thing that keeps a push out: where (escaped), what is wrong and why it matters, how to mend it."""

    where: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.fix}"


@dataclass
class Listing:
    """What a walk over a commit's entries brought to light."""

    links: list[Entry] = field(default_factory=list[Entry])
    toml: Entry | None = None
    findings: list[Finding] = field(default_factory=list[Finding])


def show(path: bytes, most: int = 80) -> str:
    """A path as it can be printed anywhere: quoted, ASCII only, cut in the middle of nothing."""
    text = ascii(path.decode("utf-8", "backslashreplace"))
    return text if len(text) <= most else f"{text[:most]}… ({len(path)} bytes)"


def entry(line: bytes) -> Entry:
    """One record of `git ls-tree -r -t -l -z`."""
    facts, _, path = line.partition(b"\t")
    mode, _, oid, size = facts.decode().split()
    return Entry(mode, oid, 0 if size == "-" else int(size), path)


# ---------------------------------------------------------------------------------------------- one entry


def fault(path: bytes, budget: Budget) -> tuple[str, str] | None:
    """What is wrong with a path, and the fix; None when nothing is. Folders on the way are entries of their own."""
    name = path.rpartition(b"/")[2]
    if len(name) > budget.name:
        return f"a name of {len(name)} bytes, no file system holds more than {budget.name}", "shorten it"
    if len(path) > budget.path:
        return f"a path of {len(path)} bytes, at most {budget.path} can be opened", "move it up"
    if path.count(b"/") >= budget.depth:
        return f"more than {budget.depth} folders deep", "move it up"
    return None if PLAIN.fullmatch(name) else letters(name)


def letters(name: bytes) -> tuple[str, str] | None:
    """What is wrong with the letters of a name that is not plain ASCII."""
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        return "a name that is not UTF-8, which tools read each in their own way", "rename it with git mv"
    if any(unicodedata.category(letter) in {"Cc", "Zl", "Zp"} for letter in text):
        return "a control character in the name, which can forge lines on a screen or in a log", "rename it with git mv"
    if BIDI & set(text):
        return "a text-direction character in the name, so it reads as another name", "rename it with git mv"
    return None


def fold(path: bytes) -> bytes:
    """Equal for paths that a case- or accent-insensitive file system cannot tell apart."""
    if PLAIN.fullmatch(path):
        return path.lower()
    text = unicodedata.normalize("NFC", path.decode("utf-8", "surrogateescape"))
    return unicodedata.normalize("NFC", text.casefold()).encode("utf-8", "surrogateescape")


# ---------------------------------------------------------------------------------------------- the whole


def examine(entries: Iterable[Entry], budget: Budget) -> Listing:
    """Walk a commit's entries once. Raises Refused as soon as there are too many, so that a listing of ten thousand
    million files costs no more than the budget."""
    found, seen = Listing(), dict[bytes, bytes]()
    files = listing = 0
    for count, this in enumerate(entries, 1):
        files, listing = files + this.size, listing + len(this.path)
        over(count, budget.entries, "files and folders", "keep dependencies and data out of the repository")
        over(listing, budget.listing, "bytes of file names", "shorten the paths")
        over(files, budget.laid_out, "bytes of files", "keep data out of the repository")
        problem = fault(this.path, budget)
        if problem:
            found.findings.append(Finding(show(this.path), *problem))
            if len(this.path) > budget.path or len(found.findings) > 1000:
                return found  # a path this deep grows with every entry that follows
        note(this, found, budget)
        twin = seen.setdefault(fold(this.path), this.path)
        if twin != this.path:
            what = f"differs from {show(twin)} only in case or accents, so one overwrites the other on some disks"
            found.findings.append(Finding(show(this.path), what, "rename one with git mv"))
    return found


def over(count: int, most: int, what: str, hint: str) -> None:
    if count > most:
        raise Refused(f"this commit holds more than {most:,} {what}", hint)


def note(this: Entry, found: Listing, budget: Budget) -> None:
    """Keep what needs a second look: links, submodules, the app's own file."""
    if this.mode == LINK and this.size > budget.link:
        found.findings.append(Finding(show(this.path), f"a link of {this.size} bytes", "remove it"))
    elif this.mode == LINK:
        found.links.append(this)
    elif this.mode == MODULE:
        fix = f"add the files themselves (git rm --cached {show(this.path)}, then git add) or depend on a package"
        found.findings.append(Finding(show(this.path), "a submodule, which is not fetched here", fix))
    elif this.path == b"wend.toml":
        found.toml = this


def links(targets: Mapping[bytes, bytes]) -> list[Finding]:
    """The links (path → target) that lead out of the tree, directly or by way of others."""
    fix = "point it at a file of this repository with a relative path, or remove it"
    return [
        Finding(show(path), f"a link to {show(target)}, which leads outside the app or in circles", fix)
        for path, target in targets.items()
        if escapes(path, targets)
    ]


def escapes(path: bytes, targets: Mapping[bytes, bytes]) -> bool:
    """Whether opening `path` walks above the top of the tree. A loop counts as well: the kernel gives up on it, but
    tools that resolve names themselves each end somewhere else."""
    here: list[bytes] = []
    ahead, jumps = path.split(b"/")[::-1], 0
    while ahead:
        part = ahead.pop()
        if part == b"..":
            if not here:
                return True
            here.pop()
        elif part not in (b"", b"."):
            here.append(part)
            target = targets.get(b"/".join(here))
            if target is not None:
                jumps += 1
                if target.startswith(b"/") or jumps > 40:  # the kernel's own limit
                    return True
                here.pop()
                ahead.extend(target.split(b"/")[::-1])
    return False


def big(facts: Iterable[tuple[str, str, int]], budget: Budget) -> list[tuple[str, int]]:
    """The objects (id, kind, size) whose content would be too much to hold, as (id, size)."""
    return [
        (oid, size) for oid, kind, size in facts if size > (budget.blob if kind == "blob" else budget.meta)
    ]  # fmt: skip


def refuse(findings: list[Finding], budget: Budget) -> None:
    """Raise Refused naming the first few findings, when there are any."""
    if not findings:
        return
    shown = [f"  {finding}" for finding in findings[: budget.shown]]
    if len(findings) > budget.shown:
        shown.append(f"  and {len(findings) - budget.shown} more")
    count = "one thing" if len(findings) == 1 else f"{len(findings)} things"
    text = "\n".join([f"{count} in this push cannot be laid out:", *shown])
    raise Refused(text, "mend it, git commit --amend, push again")
