"""What a push is: the hooks that check it in quarantine, deploy it, and only then move the branch.

Git runs two hooks during a push, each of which hands its streams over a unix socket (see hook.py). *pre-receive*
judges the objects while they are in quarantine, so that a refused push leaves nothing. *proc-receive* deploys, and
answers git with one reason per branch.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import stat
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from wend import judge, pkt
from wend.context import Actor
from wend.errors import Conflict, Refused, WendError
from wend.judge import Tip
from wend.repos import NONE, Repos
from wend.tree import Budget

Say = Callable[[str], None]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Push:
    """A received push of one branch. `old` is forty zeros at the first, `new` when it is deleted; `forced`: `new` does
    not contain `old`, and options["reason"] says why. `tree` is the id of the commit's folder."""

    app: str
    actor: Actor
    ref: str
    old: str
    new: str
    tree: str
    options: dict[str, str]
    repo: Path
    ticket: str
    forced: bool = False

    @property
    def branch(self) -> str:
        return self.ref.removeprefix("refs/heads/")


@dataclass
class Session:
    """One run of receive-pack, known to its hooks by the ticket in their environment."""

    ticket: str
    app: str
    actor: Actor
    repo: Path
    push: Callable[[Push, Say], None]
    moved: Callable[[Push, Say], bool] | None = None
    options: dict[str, str] = field(default_factory=dict[str, str])
    tips: dict[str, Tip] = field(default_factory=dict[str, Tip])
    arrived: bool = False
    refused: str = ""


@dataclass(frozen=True)
class Change:
    """One line of a push: `ref` goes from `old` to `new`; forty zeros mean it is not there."""

    old: str
    new: str
    ref: str

    @property
    def branch(self) -> str | None:
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else None


# ---------------------------------------------------------------------------------------------- pure decisions


def change(line: bytes) -> Change:
    old, new, ref = line.decode("utf-8", "surrogateescape").rstrip("\n").split(" ", 2)
    return Change(old, new, ref)


def read_options(given: list[str]) -> dict[str, str]:
    """`-o key=value` as a dict; a bare `-o key` is there with an empty value."""
    return {key.strip(): value for key, _, value in (option.partition("=") for option in given)}


def allowed(changes: list[Change], budget: Budget) -> None:
    """Refuse what is neither branch nor tag, names that git takes for others (`git push wend main` finds two when there
    is a branch refs/heads/main), and more branches than anyone means to push. Raises Refused."""
    for this in changes:
        if not this.ref.startswith(("refs/heads/", "refs/tags/")):
            raise Refused(f"{this.ref!a} is neither a branch nor a tag; only those are kept", "push a branch")
        if not this.ref.isprintable():
            raise Refused(f"{this.ref!a} has characters that cannot be printed", "rename it with git branch -m")
        if this.new != NONE and this.branch and (this.branch == "HEAD" or this.branch.startswith("refs/")):
            raise Refused(f"git would take a branch called {this.branch} for another one", "push it by another name")
    if len(changes) > budget.refs:
        raise Refused(f"{len(changes)} branches and tags in one push; at most {budget.refs}", "push fewer at a time")
    branches = sum(1 for this in changes if this.branch and this.new != NONE)
    if branches > budget.branches:
        raise Refused(f"{branches} branches in one push; at most {budget.branches}", "push them in smaller groups")


def choose(changes: list[Change], branch: str, live: bool, tips: dict[str, Tip]) -> str:
    """The branch that deploys. Before anything is live, a pushed commit may name its own branch in wend.toml."""
    if not live and branch not in {this.branch for this in changes}:
        for this in changes:
            if this.branch and this.new in tips and tips[this.new].branch == this.branch:
                return this.branch
    return branch


def objection(this: Change, branch: str, live: bool, forced: bool, options: dict[str, str]) -> str | None:
    """Why this change of a branch is refused, in one line; None when it is not."""
    if this.branch == branch and this.new == NONE:
        return f"{branch} is the branch that deploys and stays; `wend destroy` takes the app down"
    if this.branch == branch and forced and not options.get("reason", "").strip():
        return 'this push drops commits that were live; say why: git push --force -o reason="..."'
    if this.branch != branch and not live:
        return (
            f"this app deploys from {branch}, and nothing is live yet: git push wend {this.branch}:{branch},"
            f' or put branch = "{this.branch}" into wend.toml'
        )
    return None


# ---------------------------------------------------------------------------------------------- acts


def check_turn(repos: Repos, push: Push) -> None:
    """Raise Conflict when the branch has moved to something this push does not contain. A deploy engine that queues
    pushes calls it when their turn has come, and moves the branch before it gives the turn away."""
    in_turn(repos, push, repos.ref(push.repo, push.ref))


def in_turn(repos: Repos, push: Push, now: str) -> None:
    if now not in (push.old, push.new) and (now == NONE or not repos.contains(push.repo, now, push.new)):
        raise Conflict(f"somebody pushed {now[:9]} meanwhile", "git pull --rebase, then push again")


def pushed(session: Session, this: Change, tip: Tip | None) -> Push:
    """What a session's change is to those who act on it; a deleted branch has no tip."""
    tree, forced = (tip.tree, tip.forced) if tip else ("", False)
    return Push(
        session.app, session.actor, this.ref, this.old, this.new, tree,
        session.options, session.repo, session.ticket, forced,
    )  # fmt: skip


def reflog(push: Push) -> str:
    """What the branch's log says of this move."""
    why = f", forced: {push.options['reason']}" if push.forced and push.options.get("reason") else ""
    return pkt.one_line(f"push by {push.actor.name}{why}")


class HookServer:
    """Answers the hooks of running pushes on `home/run/hook.sock`, one thread for each."""

    def __init__(self, repos: Repos, budget: Budget | None = None) -> None:
        self.repos = repos
        self.budget = budget or Budget()
        self.sessions: dict[str, Session] = {}
        self.listener: socket.socket | None = None
        self.voice = ""  # what a person whose push was refused reads last

    def start(self) -> None:
        """Prepare the repositories and listen. Raises Down."""
        self.repos.prepare()
        path = self.repos.socket
        path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with short(path) as name:
            self.listener.bind(name)
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        self.listener.listen(64)
        threading.Thread(target=self.accept, args=(self.listener,), name="hooks", daemon=True).start()

    def close(self) -> None:
        """Stop listening; hooks that are being answered are answered."""
        if self.listener:
            with suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.repos.socket.unlink(missing_ok=True)

    @contextmanager
    def session(
        self,
        app: str,
        actor: Actor,
        repo: Path,
        push: Callable[[Push, Say], None],
        moved: Callable[[Push, Say], bool] | None = None,
    ) -> Generator[Session]:
        """The time in which hooks of one receive-pack are answered. `push` deploys; `moved` is told of the branches
        that do not deploy, once they are kept or deleted, and says whether all went well."""
        session = Session(secrets.token_urlsafe(32), app, actor, repo, push, moved)
        self.sessions[session.ticket] = session
        try:
            yield session
        finally:
            del self.sessions[session.ticket]

    def env(self, session: Session) -> dict[str, str]:
        """The environment of a receive-pack whose hooks find their way here."""
        return self.repos.env({"WEND_TICKET": session.ticket, "WEND_SOCKET": str(self.repos.socket)})

    def accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), name="hook", daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        """One hook: take its streams, find its session, answer with its exit code."""
        with connection:
            connection.settimeout(10)
            try:
                _, streams, _, _ = socket.recv_fds(connection, 1, 3)
                said = read_all(connection)
            except OSError:
                return
            session = self.sessions.get(said.get("WEND_TICKET", ""))
            if session is None or len(streams) != 3:
                for stream in streams:
                    os.close(stream)
                return
            with os.fdopen(streams[0], "rb") as given, os.fdopen(streams[1], "wb") as answer:
                code = self.answer(session, said, given, answer, pkt.Voice(streams[2]))
            with suppress(OSError):
                connection.sendall(bytes([code]))

    def answer(self, session: Session, said: dict[str, str], given: BinaryIO, answer: BinaryIO, say: pkt.Voice) -> int:
        try:
            if said.get("hook") == "pre-receive":
                self.pre_receive(session, said, given)
            else:
                self.proc_receive(session, given, answer, say)
        except WendError as error:
            session.refused = error.message
            say(f"{error.message}\n{error.hint}" if error.hint else error.message)
            self.offer(session, say)
            return 1
        except BrokenPipeError:
            return 1
        except Exception:
            log.exception("hook of %s", session.app)
            say("this is our fault, not yours: the check itself broke; the platform's log has the details")
            return 1
        finally:
            say.close()
        return 0

    def offer(self, session: Session, say: Say) -> None:
        """Where to say what one thinks of a refusal, for who can."""
        if self.voice and session.actor.kind == "human":
            say(self.voice)

    def pre_receive(self, session: Session, said: dict[str, str], given: BinaryIO) -> None:
        """Judge everything that arrived, before git keeps any of it. Raises Refused."""
        session.arrived = True
        count = int(said.get("GIT_PUSH_OPTION_COUNT", "0"))
        session.options = read_options([said.get(f"GIT_PUSH_OPTION_{at}", "") for at in range(count)])
        changes = [change(line) for line in given.read().splitlines()]
        allowed(changes, self.budget)
        names = {key: value for key, value in said.items() if key.startswith("GIT_") and "OPTION" not in key}
        tips = [(this.old, this.new) for this in changes if this.branch and this.new != NONE]
        tips = list(dict.fromkeys(tips))
        session.tips = judge.judge(self.repos, session.repo, names, tips, self.budget)

    def proc_receive(self, session: Session, given: BinaryIO, answer: BinaryIO, say: Say) -> None:
        """Speak git's proc-receive protocol: take the branches' changes, answer each with ok or the reason why not."""
        features = pkt.read_until_flush(given)[0].partition(b"\0")[2].split()
        answer.write(pkt.packet(b"version=1\0atomic\n") + pkt.FLUSH)
        answer.flush()
        changes = [change(line) for line in pkt.read_until_flush(given)]
        verdicts = self.verdicts(session, changes, b"atomic" in features, say)
        if any(verdicts.values()):
            self.offer(session, say)
        for ref, why in verdicts.items():
            line = f"ng {ref} {pkt.one_line(why)}" if why else f"ok {ref}"
            answer.write(pkt.packet(line.encode("utf-8", "surrogateescape")))
        answer.write(pkt.FLUSH)
        answer.flush()

    def verdicts(self, session: Session, changes: list[Change], atomic: bool, say: Say) -> dict[str, str]:
        """Act on each change; ref → reason, empty when it was done. The deploy comes first: with --atomic the rest
        depends on it."""
        branch = self.repos.branch(session.repo)
        here = self.repos.branches(session.repo)
        live = bool(here)
        branch = choose(changes, branch, live, session.tips)
        reasons: dict[str, str] = {}
        for this in sorted(changes, key=lambda this: this.branch != branch):
            if atomic and any(reasons.values()):
                reasons[this.ref] = "atomic push failed"
            else:
                reasons[this.ref] = self.verdict(session, this, branch, here, say)
        return reasons

    def verdict(self, session: Session, this: Change, branch: str, here: dict[str, str], say: Say) -> str:
        """Deploy, keep or delete one branch; the reason when that was refused."""
        tip = session.tips.get(this.new)
        forced = bool(tip and tip.forced)
        why = objection(this, branch, bool(here), forced, session.options)
        if why:
            session.refused = why
            return why
        try:
            if this.branch == branch and tip:
                self.deploy(session, this, tip, here.get(this.ref, NONE), say)
                here[this.ref] = this.new
            else:
                self.keep(session, this, tip, branch, say)
        except WendError as error:
            if error.hint:
                say(f"  try: {error.hint}")
            return error.message
        return ""

    def keep(self, session: Session, this: Change, tip: Tip | None, branch: str, say: Say) -> None:
        """Move or delete a branch that does not deploy. Raises Conflict."""
        push = pushed(session, this, tip)
        self.repos.move(push.repo, push.ref, push.new, push.old, reflog(push))
        if session.moved:
            if not session.moved(push, say):
                self.offer(session, say)
        elif push.new != NONE:
            say(f"{this.branch} is kept, not deployed: this app deploys from {branch}")

    def deploy(self, session: Session, this: Change, tip: Tip, now: str, say: Say) -> None:
        push = pushed(session, this, tip)
        in_turn(self.repos, push, now)
        session.push(push, say)
        with suppress(Conflict):  # an engine with a queue has moved it, and somebody may be ahead of us by now
            self.repos.move(push.repo, push.ref, push.new, now, reflog(push))
        self.repos.set_branch(session.repo, tip.branch or push.branch)


# ---------------------------------------------------------------------------------------------- the socket


@contextmanager
def short(path: Path) -> Generator[str]:
    """A name for this path that fits a socket address (108 bytes) however deep the home is."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        near = Path(f"/proc/self/fd/{folder}")
        yield str(near / path.name) if near.exists() else str(path)
    finally:
        os.close(folder)


def read_all(connection: socket.socket, most: int = 2**20) -> dict[str, str]:
    """The hook's words: KEY=VALUE, separated by NUL, until it has no more to say."""
    data = b""
    while chunk := connection.recv(2**16):
        data += chunk
        if len(data) > most:
            raise OSError("a hook says too much")
    pairs = (item.partition("=") for item in data.decode("utf-8", "surrogateescape").split("\0"))
    return {key: value for key, _, value in pairs}
