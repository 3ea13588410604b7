"""A real git door on loopback with a stand-in for the deploy engine, and a real git client to push to it."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from wend import git
from wend.context import Actor
from wend.errors import Refused
from wend.pipe import Limits
from wend.receive import HookServer, Push, Say, check_turn
from wend.repos import Repos
from wend.tree import Budget

TOKEN = "t0ken"
CLIENT = {
    **{key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ},
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@x", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@x",
    "no_proxy": "*",
}  # fmt: skip


def until(true: Callable[[], object], what: str, seconds: float = 8.0) -> None:
    """Wait for a condition; fail when it does not come about."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s for: {what}"
        time.sleep(0.01)


@dataclass
class Engine:
    """Stands in for the deploy engine: remembers pushes, says a line, and fails or waits when told to."""

    pushes: list[Push] = field(default_factory=list)
    error: Exception | None = None
    gate: threading.Event | None = None
    repos: Repos | None = None
    turn: threading.Lock = field(default_factory=threading.Lock)
    done: int = 0
    refused: list[tuple[str, str, str]] = field(default_factory=list)

    def push(self, push: Push, say: Say) -> None:
        self.pushes.append(push)
        if not self.repos:
            self.deploy(push, say)
            return
        with self.turn:
            check_turn(self.repos, push)
            self.deploy(push, say)
            self.repos.move(push.repo, push.ref, push.new, self.repos.ref(push.repo, push.ref), "live")

    def deploy(self, push: Push, say: Say) -> None:
        say(f"building {push.new[:7]}")
        if self.gate:
            assert self.gate.wait(10)
        if self.error:
            raise self.error
        say("live at http://hello.localhost")
        self.done += 1


@dataclass
class World:
    port: int
    repos: Repos
    hooks: HookServer
    engine: Engine
    tmp: Path

    def url(self, app: str = "hello", token: str = TOKEN) -> str:
        return f"http://x:{token}@127.0.0.1:{self.port}/git/{app}.git"

    def repo(self, app: str = "hello") -> Path:
        return self.repos.root / f"{app}.git"

    def ref(self, ref: str = "refs/heads/main", app: str = "hello") -> str:
        return self.repos.ref(self.repo(app), ref)

    def quarantines(self, app: str = "hello") -> list[Path]:
        return list((self.repo(app) / "objects").glob("*incoming*"))

    def packs(self, app: str = "hello") -> list[Path]:
        return list((self.repo(app) / "objects" / "pack").glob("*.pack"))

    def work(self, name: str = "work", files: dict[str, str] | None = None) -> Work:
        return Work(self, self.tmp / name, files or {"app.py": "print(1)\n"})

    def request(self, head: str, body: bytes = b"", token: str | None = TOKEN) -> bytes:
        """A raw request; everything that is answered until the server closes or is silent for 3 s."""
        with self.connect(head, body, token) as wire:
            return read(wire)

    def connect(self, head: str, body: bytes = b"", token: str | None = TOKEN) -> socket.socket:
        wire = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        auth = f"Authorization: Basic {base64.b64encode(f'x:{token}'.encode()).decode()}\r\n" if token else ""
        wire.sendall(f"{head}\r\nHost: localhost\r\n{auth}\r\n".encode() + body)
        return wire


def read(wire: socket.socket) -> bytes:
    data = b""
    while True:
        try:
            chunk = wire.recv(65536)
        except (TimeoutError, ConnectionResetError):
            return data
        if not chunk:
            return data
        data += chunk


class Work:
    """A developer's working copy."""

    def __init__(self, world: World, path: Path, files: dict[str, str]) -> None:
        self.world, self.path = world, path
        path.mkdir()
        self("init", "-q", "-b", "main")
        self.commit(files)

    def __call__(self, *words: str, feed: bytes | None = None, code: int | None = 0) -> str:
        done = subprocess.run(["git", *words], cwd=self.path, env=CLIENT, input=feed, capture_output=True, timeout=60)
        text = (done.stdout + done.stderr).decode("utf-8", "replace")
        assert code is None or done.returncode == code, text
        return text.strip()

    def raw(self, *words: str, feed: bytes) -> bytes:
        return subprocess.run(
            ["git", *words], cwd=self.path, env=CLIENT, input=feed, capture_output=True, timeout=60, check=True
        ).stdout

    def commit(self, files: dict[str, str], message: str = "work") -> str:
        for name, text in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(text)
        self("add", "-A")
        self("commit", "-qm", message)
        return self("rev-parse", "HEAD")

    def push(self, *words: str, app: str = "hello", code: int | None = 0, token: str = TOKEN) -> str:
        flags = [word for word in words if word.startswith("-")]
        refs = [word for word in words if not word.startswith("-")] or ["HEAD:refs/heads/main"]
        return self("push", *flags, self.world.url(app, token), *refs, code=code)

    def object(self, kind: str, data: bytes) -> str:
        return self("hash-object", "-w", "-t", kind, "--literally", "--stdin", feed=data)

    def tree(self, *entries: tuple[str, bytes, str]) -> str:
        """A tree of (mode, name, id), however hostile."""
        lines = (mode.encode() + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)
        return self.object("tree", b"".join(lines))

    def head(self, tree: str) -> str:
        """A commit of this tree on top of main, checked out by nobody."""
        return self("commit-tree", "-m", "hostile", tree)


@contextmanager
def world(tmp: Path, budget: Budget | None = None, limits: Limits | None = None) -> Iterator[World]:
    budget = budget or Budget()
    repos, engine = Repos(tmp / "home", budget.pack), Engine()
    hooks = HookServer(repos, budget)

    def who(header: str | None) -> Actor:
        given = base64.b64decode((header or "").removeprefix("Basic ")).decode()
        actor = {f"x:{TOKEN}": "ann", "x:bobs": "bob"}.get(given)
        if not actor:
            raise Refused("this token is not known", "wend login")
        return Actor(actor)

    def turned_away(actor: Actor, app: str, why: str) -> None:
        engine.refused.append((actor.name, app, why))

    def allow(actor: Actor, verb: str, app: str) -> None:
        if app == "secret":
            raise Refused(f"{actor.name} may not {verb} {app}", "ask its owner")

    door = git.GitDoor(who, allow, repos.open, engine.push, hooks, limits or Limits(), turned_away)
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=git.routes(door)), log_level="warning", lifespan="off"))
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio sets it only on sockets it made itself
    hooks.start()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until(lambda: server.started, "the server")
    try:
        yield World(listener.getsockname()[1], repos, hooks, engine, tmp)
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(5)
        listener.close()
        hooks.close()
