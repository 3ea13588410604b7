"""The bare repositories that pushes arrive in, and the git that is run on them.

Every setting that keeps a hostile push harmless is in one file of ours which git reads as its global configuration;
a repository's own configuration is four constant lines, so nothing that was pushed or left lying about can weaken it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path

from wend import hook, spec
from wend.errors import Bug, Conflict, Down, Invalid, NotFound
from wend.poll import readable

OLDEST = (2, 29)  # the first git with proc-receive
OWN = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
NONE = "0" * 40
STALE = 3600.0  # seconds after which a quarantine that nobody cleaned is garbage

SETTINGS = """\
# Written by Wend at each start.
[core]
\thooksPath = {hooks}
\tsymlinks = false
\tbigFileThreshold = 16m
\tlogAllRefUpdates = true
\tpackedGitWindowSize = 64m
\tpackedGitLimit = 512m
[safe]
\tdirectory = *
[protocol]
\tallow = never
[transfer]
\tfsckObjects = true
\tunpackLimit = 1
[receive]
\tfsckObjects = true
\tunpackLimit = 1
\tmaxInputSize = {pack}
\tprocReceiveRefs = refs/heads
\tadvertisePushOptions = true
\tadvertiseAtomic = true
\tautogc = false
# Mistakes of old clients that are in honest histories and harm nobody.
[receive "fsck"]
\tbadTimezone = ignore
\tmissingSpaceBeforeDate = ignore
\tzeroPaddedFilemode = ignore
[gc]
\tauto = 0
[pack]
\tthreads = 1
[uploadpack]
\tallowFilter = true
"""


class Repos:
    """Where repositories live: `home/repos/APP.git`. Git's own home, with our settings, is `home/run/git`."""

    def __init__(self, home: Path, pack: int = 100 * 2**20) -> None:
        """`pack`: most bytes one push may carry."""
        self.root = home / "repos"
        self.git_home = home / "run" / "git"
        self.socket = home / "run" / "hook.sock"
        self.empty = self.git_home / "empty.git"
        self.pack = pack

    def prepare(self) -> None:
        """Write our settings and hooks and clear what a crash left. Raises Down when git is missing or too old."""
        check_version()
        hooks = self.git_home / "hooks"
        hooks.mkdir(parents=True, exist_ok=True)
        self.root.mkdir(parents=True, exist_ok=True)
        settings = SETTINGS.format(hooks=quoted(str(hooks)), pack=self.pack)
        put(self.git_home / ".gitconfig", settings)
        for name in ("pre-receive", "proc-receive"):
            put(hooks / name, f"#!/bin/sh\nexec {shell(sys.executable)} -I -S {shell(hook.__file__)} {name}\n", 0o755)
        if not self.empty.exists():
            make(self.empty)
        for repo in self.root.glob("*.git"):
            sweep(repo)

    def path(self, app: str) -> Path:
        """Where the app's repository is or would be; a preview's is its app's. Raises Invalid on what cannot be a
        name."""
        return self.root / f"{spec.parent(spec.any_name(app))}.git"

    def open(self, app: str, create: bool = False) -> Path:
        """The app's repository, made on demand with `create`. Raises NotFound."""
        repo = self.path(app)
        if not repo.is_dir():
            if not create:
                raise NotFound(f"there is no app {app!r}", "the first push to this address creates it")
            make(repo)
        own = repo / "config"
        if own.read_text(encoding="utf-8", errors="replace") != OWN:
            own.write_text(OWN, encoding="utf-8")
        (repo / "objects" / "info" / "alternates").unlink(missing_ok=True)
        return repo

    def env(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The whole environment of every git process: nothing of the machine's or the user's settings reaches it."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self.git_home),  # git before 2.32 knows no GIT_CONFIG_GLOBAL and reads ~/.gitconfig
            "XDG_CONFIG_HOME": str(self.git_home / "none"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self.git_home / ".gitconfig"),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_COMMITTER_NAME": "wend",
            "GIT_COMMITTER_EMAIL": "wend@localhost",
            **(extra or {}),
        }

    def run(self, repo: Path, *words: str, feed: bytes = b"", seconds: float = 20.0, ok: Iterable[int] = (0,)) -> bytes:
        """The output of one git command. Raises Bug with git's own words when it ends otherwise."""
        done = subprocess.run(
            ["git", "--git-dir", str(repo), *words],
            input=feed, env=self.env(), capture_output=True, timeout=seconds, check=False,
        )  # fmt: skip
        if done.returncode not in ok:
            said = done.stderr.decode("utf-8", "replace").strip()
            raise Bug(f"git {words[0]} ended with code {done.returncode}: {said[-300:]}")
        return done.stdout

    def ref(self, repo: Path, ref: str) -> str:
        """The commit a ref points to, or forty zeros."""
        return self.run(repo, "rev-parse", "--verify", "--quiet", ref, ok=(0, 1)).decode().strip() or NONE

    def branches(self, repo: Path) -> dict[str, str]:
        """Every branch's ref and commit. There is none before the first deploy went live."""
        said = self.run(repo, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads")
        return dict(line.rsplit(" ", 1) for line in said.decode("utf-8", "surrogateescape").splitlines())

    def file(self, repo: Path, commit: str, name: str, most: int = 2**20) -> bytes | None:
        """A file of a commit, or None when there is none. Raises Invalid when it has more than `most` bytes."""
        ask = f"{commit}:{name}\n".encode()
        head = self.run(repo, "cat-file", "--batch-check=%(objecttype) %(objectsize)", feed=ask)
        kind, _, size = head.decode("utf-8", "replace").strip().partition(" ")
        if kind != "blob":
            return None
        if int(size) > most:
            raise Invalid(f"{name} has {size} bytes; at most {most} are read", "shorten it")
        return self.run(repo, "cat-file", "blob", f"{commit}:{name}")

    def contains(self, repo: Path, old: str, new: str) -> bool:
        """Whether `new` is `old` or a descendant of it."""
        command = ["git", "--git-dir", str(repo), "merge-base", "--is-ancestor", old, new]
        return subprocess.run(command, env=self.env(), capture_output=True, timeout=20, check=False).returncode == 0

    def move(self, repo: Path, ref: str, new: str, old: str, why: str) -> None:
        """Point a ref elsewhere (forty zeros: delete it) when it is at `old`. Raises Conflict when it is not."""
        words = ["-d", ref, old] if new == NONE else [ref, new, old]
        try:
            self.run(repo, "update-ref", "-m", why, *words)
        except Bug as error:
            raise Conflict(f"{ref} cannot be moved from {old[:9]} to {new[:9]}: {error.message}") from error

    def tidy(self, repo: Path) -> None:
        """Put the packs of many pushes together and drop what no branch has held for two days. Safe beside pushes."""
        self.run(repo, "gc", "--quiet", "--prune=2.days.ago", seconds=1800)

    def branch(self, repo: Path) -> str:
        """The branch that deploys: what the repository's HEAD names, so that a clone checks it out."""
        return (repo / "HEAD").read_text(encoding="utf-8").strip().removeprefix("ref: refs/heads/")

    def set_branch(self, repo: Path, branch: str) -> None:
        """Make this the branch that deploys."""
        if branch != self.branch(repo):
            self.run(repo, "symbolic-ref", "HEAD", f"refs/heads/{branch}")


def make(repo: Path) -> None:
    """An empty bare repository, there as a whole or not at all. Two at once make one."""
    draft = Path(tempfile.mkdtemp(prefix=".new-", dir=repo.parent))
    for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
        (draft / folder).mkdir(parents=True)
    (draft / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
    (draft / "config").write_text(OWN, encoding="utf-8")
    try:
        draft.rename(repo)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        if not repo.is_dir():
            raise


def put(file: Path, text: str, mode: int = 0o644) -> None:
    """Write a file at once: another control plane's git may be reading it."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(mode)
    draft.replace(file)


def sweep(repo: Path, older: float = STALE) -> None:
    """Drop quarantines that a killed process left behind (git's own name for them ends in incoming-XXXXXX)."""
    for folder in (repo / "objects").glob("*incoming-*"):
        if time.time() - folder.stat().st_mtime > older:
            shutil.rmtree(folder, ignore_errors=True)


def check_version() -> None:
    """Raise Down when the git here cannot do what a push needs."""
    try:
        said = subprocess.run(["git", "version"], capture_output=True, check=True, timeout=20).stdout.decode()
    except (OSError, subprocess.SubprocessError) as error:
        raise Down(f"git cannot be run: {error}", "install git 2.29 or newer") from error
    found = re.search(r"(\d+)\.(\d+)", said)
    if not found or (int(found[1]), int(found[2])) < OLDEST:
        raise Down(f"this machine has {said.strip()}; pushes need git 2.29 or newer", "install a newer git")


def lines(argv: list[str], env: Mapping[str, str], deadline: float, end: bytes, feed: bytes = b"") -> Generator[bytes]:
    """What a git command prints, cut at `end`, while it prints it; the command dies with the loop that reads it.

    Raises TimeoutError at `deadline` (monotonic seconds) and ValueError when it does not end well."""
    with tempfile.TemporaryFile() as source:
        source.write(feed)
        source.seek(0)
        process = subprocess.Popen(
            argv, env=env, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
    assert process.stdout is not None
    try:
        rest = b""
        while True:
            if not readable([process.stdout.fileno()], deadline - time.monotonic()):
                raise TimeoutError
            chunk = os.read(process.stdout.fileno(), 2**16)
            if not chunk:
                break
            *whole, rest = (rest + chunk).split(end)
            yield from whole
        if process.wait() != 0:
            raise ValueError(f"{argv[3]} ended with code {process.returncode}")
    finally:
        process.stdout.close()
        process.kill()
        process.wait()


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def shell(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
