"""A repository's history, read with git on the machine of whoever asks. No message and no name of a file leaves it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from wend.errors import Down, Invalid
from wend.ingest import gitlog, parse
from wend.ingest.gitlog import Commit

Deploys = Literal["commits", "tags", "merges"]
ORDINARY = ("-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-c", "log.mailmap=true")
TAG = "%(refname:short)%00%(objectname)%00%(*objectname)%00%(taggerdate:unix)%00"
HOT = ("hotfix", "hot-fix")
SECOND = 1_000_000  # microseconds
LONGEST_NAME = 150  # characters of a tag


@dataclass(frozen=True)
class Wish:
    """What is asked of a repository. `since`: Unix seconds; what is older is not told."""

    deploys: Deploys | None = None
    tags: str = "*"
    since: int | None = None


@dataclass
class History:
    """What a repository holds: `present`: every commit that counts; `tips`: where they end; `lacks`: what could not be
    read, in words."""

    repo: str
    present: set[str] = field(default_factory=set[str])
    tips: set[str] = field(default_factory=set[str])
    commits: list[Commit] = field(default_factory=list[Commit])
    hot: set[str] = field(default_factory=set[str])
    deployments: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    shallow: bool = False
    lacks: list[str] = field(default_factory=list[str])


# ---------------------------------------------------------------------------------------------- pure


def vanished(
    known: Mapping[str, Sequence[str]], present: Collection[str], tips: Collection[str]
) -> tuple[set[str], set[str]]:
    """(gone, ahead): of the commits `known` elsewhere (with their parents) those that are not here. `ahead` are newer
    than this clone: they descend from a tip of it, or belong to one that does. The others are gone for good."""
    missing = {commit for commit in known if commit not in present}
    children: dict[str, list[str]] = {}
    for commit in missing:
        for parent in known[commit]:
            children.setdefault(parent, []).append(commit)
    newer = reached(tips, children) & missing
    ahead = reached(newer, {commit: list(known[commit]) for commit in missing}) & missing
    return missing - ahead, ahead


def reached(begin: Iterable[str], edges: Mapping[str, Iterable[str]]) -> set[str]:
    """What can be reached over the edges, the beginning included."""
    found, stack = set(begin), list(begin)
    while stack:
        for one in edges.get(stack.pop(), ()):
            if one not in found:
                found.add(one)
                stack.append(one)
    return found


def is_hot(name: str) -> bool:
    """Whether a branch or a tag is called a hotfix."""
    return any(word in name.lower() for word in HOT)


def row(commit: Commit, hot: Collection[str], folders: Sequence[str] | None = None) -> dict[str, Any]:
    """A commit as the API takes it."""
    purpose = "hotfix" if commit.purpose == "planned" and commit.id in hot else commit.purpose
    at = (commit.at or 0) // SECOND  # a count of seconds is taken for nothing else
    about = {"commit": commit.id, "committed_at": at, "parents": list(commit.parents), "purpose": purpose}
    named: dict[str, Any] = {"bets": list(commit.bets)} if commit.bets else {}
    named |= {"folders": folders} if folders else {}
    return {**about, "reverts": commit.reverts, "author": commit.author, **named}


def batches(rows: Iterable[dict[str, Any]], most: int = 1000, room: int = 600_000) -> Iterator[list[dict[str, Any]]]:
    """The rows in parts that the API takes: at most so many, and about so many bytes."""
    part, size = list[dict[str, Any]](), 0
    for one in rows:
        grown = 300 + 70 * len(one.get("parents", ())) + 2 * len(str(one.get("author")))
        grown += sum(2 * len(folder) + 4 for folder in one.get("folders", ()))
        if part and (len(part) >= most or size + grown > room):
            yield part
            part, size = [], 0
        part.append(one)
        size += grown
    if part:
        yield part


# ---------------------------------------------------------------------------------------------- git


class Repository:
    """A repository on this machine: a working copy, a bare one, or a shallow one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text("rev-parse", "--git-dir")

    def run(self, *words: str, ok: tuple[int, ...] = (0,)) -> bytes:
        """What git says. Raises Invalid with git's own words, Down when there is none."""
        try:
            done = subprocess.run(self.argv(*words), env=environment(), capture_output=True, check=False)
        except OSError as error:
            raise Down(f"git cannot be run: {error.strerror}", "install git") from error
        if done.returncode not in ok:
            said = done.stderr.decode("utf-8", "replace").strip()
            raise Invalid(f"{self.path}: git {words[0]}: {said[-300:]}", "name a git repository")
        return done.stdout

    def argv(self, *words: str) -> list[str]:
        return ["git", "--no-pager", "-C", str(self.path), *ORDINARY, *words]

    def text(self, *words: str, ok: tuple[int, ...] = (0,)) -> str:
        return self.run(*words, ok=ok).decode("utf-8", "replace").strip()

    def chunks(self, *words: str, feed: Iterable[str] = ()) -> Generator[bytes]:
        """The same as it comes: a history can be larger than the memory."""
        with tempfile.TemporaryFile() as given:
            given.write("".join(f"{one}\n" for one in feed).encode())
            given.seek(0)
            with subprocess.Popen(self.argv(*words), env=environment(), stdin=given, stdout=subprocess.PIPE) as git:
                assert git.stdout
                while chunk := os.read(git.stdout.fileno(), 2**18):
                    yield chunk
        if git.returncode:
            raise Invalid(f"{self.path}: git {words[0]} ended with code {git.returncode}", "git fsck says more")

    def name(self) -> str:
        """What the repository is called: by its remote `origin`, else by its folder."""
        remote = self.text("config", "--get", "remote.origin.url", ok=(0, 1))
        if remote and "://" not in remote and remote.startswith(("/", ".")):
            remote = Path(remote).name  # a clone of a folder on this machine
        top = Path(self.text("rev-parse", "--absolute-git-dir"))
        folder = top.parent if top.name == ".git" else top
        return parse.repository(remote or folder.name)

    def main(self) -> str | None:
        """The commit at the end of the main branch: the remote's, as far as it was fetched, else what is checked out.
        None in an empty repository."""
        for ref in ("refs/remotes/origin/HEAD", "HEAD"):
            if found := self.text("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", ok=(0, 1, 128)):
                return found
        return None

    def tags(self, pattern: str) -> list[tuple[str, str, int | None]]:
        """(name, commit, seconds when it was made: None for a plain one) of the tags that match, of commits alone."""
        said = self.run("for-each-ref", f"--format={TAG}", "refs/tags").decode("utf-8", "surrogateescape")
        found: list[tuple[str, str, int | None]] = []
        for line in said.split("\0\n"):
            if line.count("\0") != 3:
                continue
            name, _, _, at = line.split("\0")
            if fnmatchcase(name, pattern):
                # peels a tag of a tag, and is empty for one of a tree
                commit = self.text("rev-parse", "--verify", "--quiet", f"refs/tags/{name}^{{commit}}", ok=(0, 1, 128))
                found += [(name, commit, int(at) if at.isdigit() else None)] if commit else []
        return found

    def hot_branches(self) -> list[str]:
        said = self.text("for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes").splitlines()
        return [ref for ref in said if is_hot(ref.partition("/")[2].partition("/")[2])]

    def between(self, *revisions: str, flags: Sequence[str] = ()) -> list[str]:
        """The commits that the revisions reach, as `git rev-list` understands them."""
        found = b"".join(self.chunks("rev-list", *flags, "--stdin", feed=revisions))
        return found.decode().split()


def environment() -> dict[str, str]:
    """Nothing of this shell points git elsewhere, and no replacement hides what was committed."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    kept |= {key: os.environ[key] for key in ("GIT_CEILING_DIRECTORIES",) if key in os.environ}
    return kept | {
        "LC_ALL": "C.UTF-8",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
    }


# ---------------------------------------------------------------------------------------------- reading


def read(path: Path, name: str | None, wish: Wish) -> History:
    """The history of the repository there. Raises Invalid."""
    there = Repository(path)
    found = History(name or there.name())
    main = there.main()
    if main is None:
        found.lacks.append("it has no commit yet")
        return found
    found.shallow = there.text("rev-parse", "--is-shallow-repository") == "true"
    if found.shallow:
        found.lacks.append("it is a shallow clone: what is older than it reaches is missing (git fetch --unshallow)")
    tags = there.tags(wish.tags) if wish.deploys == "tags" else []
    found.tips = {main, *(commit for _, commit, _ in tags)}
    found.present = set(there.between(*found.tips))
    since = () if wish.since is None else (f"--since=@{wish.since}",)
    log = there.chunks(*gitlog.WORDS, *since, "--stdin", feed=sorted(found.tips))
    found.commits = [commit for commit in gitlog.commits(log)]
    odd = sum(commit.at is None for commit in found.commits)
    if odd:
        found.lacks.append(f"{odd} commits have a date that cannot be, and are left out")
        found.commits = [commit for commit in found.commits if commit.at is not None]
    found.hot = hotfixes(there, found, main)
    found.deployments = deployments(there, found, wish, main, tags)
    return found


def folders(path: Path, commits: Sequence[Commit]) -> dict[str, list[str]]:
    """Commit → the folders of the files it touched, of those of one parent or none."""
    plain = [commit.id for commit in commits if len(commit.parents) < 2]
    said = gitlog.folders(Repository(path).chunks(*gitlog.FILES, feed=plain), plain)
    return {id: found for id, found in said if found}


def hotfixes(there: Repository, found: History, main: str) -> set[str]:
    """The commits of hotfix branches: those that a merge brought in, and those not merged yet."""
    hot = set[str]()
    for commit in found.commits:
        if len(commit.parents) > 1 and is_hot(commit.joins):
            hot.update(there.between(*commit.parents[1:], f"^{commit.parents[0]}"))
    if branches := there.hot_branches():
        hot.update(there.between(*branches, f"^{main}"))
    return hot


def deployments(
    there: Repository, found: History, wish: Wish, main: str, tags: Iterable[tuple[str, str, int | None]]
) -> list[dict[str, Any]]:
    """The deployments that are concluded from tags, commits or merges of the main branch, as the API takes them."""
    if wish.deploys is None:
        return []
    known = {commit.id: commit for commit in found.commits}
    if wish.deploys == "tags":
        made = [(name[:LONGEST_NAME], id, gitlog.when(str(at).encode()) if at else None) for name, id, at in tags]
    else:
        flags = ["--first-parent", *(["--merges"] if wish.deploys == "merges" else [])]
        made = [(wish.deploys.removesuffix("s"), id, None) for id in there.between(main, flags=flags)]
    rows: list[dict[str, Any]] = []
    for name, id, at in made:
        at = at or (known[id].at if id in known else None)
        if at is not None and (wish.since is None or at >= wish.since * SECOND):
            hot = is_hot(name) or (id in known and (id in found.hot or known[id].purpose == "hotfix"))
            rows.append({"name": clean(name), "commit": id, "at": at // SECOND, "hotfix": hot})
    return rows


def clean(name: str) -> str:
    """A tag's name as text, whatever bytes it is of."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
