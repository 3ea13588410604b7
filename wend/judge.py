"""Judging the commits of a push while they are in quarantine: the facts come from git, the verdict from tree.py."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from wend import spec, tree
from wend.errors import Invalid, Refused
from wend.repos import NONE, Repos, lines
from wend.tree import Budget, Entry, Finding

BRANCH = re.compile(r"(?!.*(\.\.|//|/\.|\.lock(/|$)))[A-Za-z0-9][A-Za-z0-9._/-]{0,98}[A-Za-z0-9_-]|[A-Za-z0-9]")


@dataclass(frozen=True)
class Tip:
    """A pushed commit that may be laid out. `branch`: the one its wend.toml wants to deploy from, if it says so."""

    commit: str
    tree: str
    forced: bool
    branch: str | None = None


@dataclass(frozen=True)
class Quarantine:
    """Where the new objects are. `names`: git's own variables for it, as its hook was given them."""

    repos: Repos
    repo: Path
    names: dict[str, str]
    budget: Budget
    deadline: float

    def git(self, *words: str, end: bytes = b"\n", feed: bytes = b"") -> Generator[bytes]:
        env = self.repos.env(self.names)
        return lines(["git", "--git-dir", str(self.repo), *words], env, self.deadline, end, feed)


def judge(
    repos: Repos, repo: Path, names: dict[str, str], tips: list[tuple[str, str]], budget: Budget
) -> dict[str, Tip]:
    """What is known of the pushed branch tips (old, new), by new commit. Raises Refused with what was found where.

    The walks run side by side; each is a git process or two."""
    place = Quarantine(repos, repo, names, budget, time.monotonic() + budget.seconds)
    try:
        with ThreadPoolExecutor(max_workers=3) as pool:
            sizes = pool.submit(weigh, place, [new for _, new in tips])
            listings = {new: pool.submit(walk, place, new) for _, new in tips}
            forced = {pair: pool.submit(drops, place, *pair) for pair in tips}
            trees, heavy = sizes.result()
            found = {new: job.result() for new, job in listings.items()}
            tree.refuse([*locate(place, heavy, [new for _, new in tips])], budget)
            return {new: Tip(new, trees[new], forced[old, new].result(), found[new]) for old, new in tips}
    except TimeoutError as error:
        raise Refused(f"checking this push took longer than {budget.seconds:g} s", "push less at a time") from error
    except ValueError as error:
        raise Refused(f"git cannot read what was pushed: {error}", "run git fsck, then push again") from error


def weigh(place: Quarantine, commits: list[str]) -> tuple[dict[str, str], list[tuple[str, int]]]:
    """The tree of each commit, and the new objects (id, size) that are too big. One git process, nothing inflated."""
    new = pack_ids(Path(place.names.get("GIT_QUARANTINE_PATH", "")), place.budget)
    tips = [f"{commit}{part}\n" for commit in commits for part in ("", "^{tree}")]
    ask = "".join(tips) + "".join(f"{oid}\n" for oid in new)
    answers = [line.split() for line in place.git("cat-file", "--batch-check", feed=ask.encode())]
    heads, folders = answers[: len(tips) : 2], answers[1 : len(tips) : 2]
    if any(len(answer) != 3 for answer in answers) or any(head[1] != b"commit" for head in heads):
        raise Refused("a branch must point to a commit", "push the commit itself: git push wend TAG^{commit}:main")
    facts = [(oid.decode(), kind.decode(), int(size)) for oid, kind, size in answers]
    trees = {commit: folder[0].decode() for commit, folder in zip(commits, folders, strict=True)}
    return trees, tree.big(facts, place.budget)


def pack_ids(quarantine: Path, budget: Budget) -> list[str]:
    """Every object that came with the push, read from its pack's index (gitformat-pack, version 2: a table of 256
    running counts after 8 bytes, then the sorted ids, 20 bytes each)."""
    found: list[str] = []
    for index in quarantine.glob("pack/*.idx"):
        with index.open("rb") as file:
            file.seek(8 + 255 * 4)
            count = int.from_bytes(file.read(4), "big")
            tree.over(len(found) + count, budget.objects, "new objects", "push the history in smaller pieces")
            ids = file.read(20 * count)
        found += [ids[at : at + 20].hex() for at in range(0, len(ids), 20)]
    return found


def walk(place: Quarantine, commit: str) -> str | None:
    """Check a commit's listing and links; the branch its wend.toml names. Raises Refused."""
    with closing(place.git("ls-tree", "-r", "-t", "-l", "-z", "--full-tree", commit, end=b"\0")) as records:
        listing = tree.examine(map(tree.entry, records), place.budget)
    wanted = listing.links + ([listing.toml] if listing.toml and listing.toml.size <= spec.MAX_BYTES else [])
    content = contents(place, wanted)
    targets = {link.path: content[link.oid] for link in listing.links}
    tree.refuse(listing.findings + tree.links(targets), place.budget)
    return named_branch(content[listing.toml.oid]) if listing.toml and listing.toml in wanted else None


def contents(place: Quarantine, wanted: list[Entry]) -> dict[str, bytes]:
    """The bytes of small blobs, by id."""
    if not wanted:
        return {}
    ids = list(dict.fromkeys(this.oid for this in wanted))
    sizes = {this.oid: this.size for this in wanted}
    command = ["git", "--git-dir", str(place.repo), "cat-file", "--batch"]
    feed = "".join(f"{oid}\n" for oid in ids).encode()
    left = max(0.1, place.deadline - time.monotonic())
    try:
        data = subprocess.run(
            command, input=feed, env=place.repos.env(place.names), capture_output=True, timeout=left, check=True
        ).stdout
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error
    except subprocess.CalledProcessError as error:
        raise ValueError("cat-file failed") from error
    found, at = dict[str, bytes](), 0
    for oid in ids:
        start = data.index(b"\n", at) + 1
        found[oid] = data[start : start + sizes[oid]]
        at = start + sizes[oid] + 1
    return found


def named_branch(toml: bytes) -> str | None:
    """The branch that a wend.toml names. One that cannot be read names none; the deploy says why."""
    try:
        branch = spec.load(toml).get("branch")
    except Invalid:
        return None
    return branch if isinstance(branch, str) and BRANCH.fullmatch(branch) else None


def drops(place: Quarantine, old: str, new: str) -> bool:
    """Whether `new` leaves out commits that the branch had."""
    if old == NONE:
        return False
    command = ["git", "--git-dir", str(place.repo), "merge-base", "--is-ancestor", old, new]
    left = max(0.1, place.deadline - time.monotonic())
    try:
        done = subprocess.run(command, env=place.repos.env(place.names), capture_output=True, timeout=left, check=False)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error
    return done.returncode != 0


def locate(place: Quarantine, heavy: list[tuple[str, int]], commits: list[str]) -> Iterator[Finding]:
    """Where the objects that are too big are, for the message; looked up only when there are any."""
    if not heavy:
        return
    paths: dict[str, bytes] = {}
    with closing(place.git("rev-list", "--objects", *commits, "--not", "--all")) as records:
        for record in records:
            oid, _, path = record.partition(b" ")
            paths.setdefault(oid.decode(), path)
    fix = "keep it in storage, fetch it in the build, and take it out of the history with git filter-repo"
    for oid, size in heavy:
        where = tree.show(paths.get(oid, b"")) if paths.get(oid) else f"object {oid[:9]}"
        yield Finding(where, f"{size / 2**20:,.0f} MB, at most {place.budget.blob / 2**20:,.0f} MB fit", fix)
