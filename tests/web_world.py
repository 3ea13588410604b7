"""A web door on loopback over a real ledger, with a driver and a router that only pretend: for tests of the door."""

from __future__ import annotations

import http.client
import json
import queue
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import uvicorn

from tests.fakes import FakeRouter
from tests.house import until
from wend import auth, config, git, serve
from wend.context import Context
from wend.events import Fact
from wend.leases import Leases
from wend.ledger.chain import Signer
from wend.ledger.sqlite import Sqlite
from wend.receive import HookServer
from wend.repos import Repos
from wend.route.meter import Meter
from wend.run import Line, Replica, Status, Step
from wend.state import SCHEMA
from wend.state.reducers import reduce
from wend.state.tables import META
from wend.web import app as web_app

COMMIT = "c0ffee" * 6 + "c0de"


class FakeDriver:
    """Says what it is told to say. `news` are lines for whoever follows; `open` counts followers."""

    can: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.replicas: list[Status] = []
        self.lines: list[Line] = []
        self.news: queue.Queue[Line] = queue.Queue()
        self.open = 0
        self.lock = threading.Lock()
        self.broken = ""

    def plan(self, want: Iterable[Replica], have: Iterable[Status]) -> list[Step]:
        return []

    def apply(self, step: Step, env: dict[str, str]) -> None:
        raise AssertionError("nothing is started in these tests")

    def status(self, app: str | None = None) -> list[Status]:
        if self.broken:
            raise RuntimeError(self.broken)
        return [one for one in self.replicas if app in (None, one.app)]

    def logs(self, app: str, lines: int = 100, follow: bool = False) -> Iterator[Line]:
        yield from self.lines[-lines:] if lines else []
        if follow:
            yield from self.follow()

    def follow(self) -> Iterator[Line]:
        with self.lock:
            self.open += 1
        try:
            while True:
                try:
                    yield self.news.get(timeout=0.1)
                except queue.Empty:
                    yield Line(time.time(), "", "")
        finally:
            with self.lock:
                self.open -= 1

    def stop(self, app: str) -> None:
        self.replicas = [one for one in self.replicas if one.app != app]


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.splitlines()]


@dataclass
class World:
    """The door, listening on `port`. `ask` speaks to it with the admin's token, or another, or a cookie."""

    ctx: Context
    port: int
    app: Any
    signer: Signer
    admin: str = ""
    driver: FakeDriver = field(default_factory=FakeDriver)

    def ask(self, method: str, path: str, body: Any = None, token: str | None = "", **headers: str) -> Answer:
        """One request. `token`: "" the admin's, None nobody's. A dict body is sent as JSON. `x_y` is header x-y."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {token or self.admin}")
        if isinstance(body, dict | list):
            body = json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def token(self, *scopes: str, owner: str = "ann", days: float | None = 1) -> str:
        return auth.issue(self.ctx, owner, "human", list(scopes), days)[1]

    def sign_in(self, token: str = "", **headers: str) -> str:
        """The cookie, as a browser sends it back."""
        form = urlencode({"token": token or self.admin})
        answer = self.ask("POST", "/login", form, token=None, **headers)
        assert answer.status == 303, answer.text
        return answer.headers["set-cookie"].partition(";")[0]

    def page(self, path: str, cookie: str = "", **headers: str) -> Answer:
        """A page as a signed-in browser gets it."""
        return self.ask("GET", path, token=None, Cookie=cookie or self.sign_in(), Accept="text/html", **headers)

    def form(self, path: str, cookie: str, **fields: str) -> Answer:
        """A form of a page, sent by its browser."""
        return self.ask("POST", path, urlencode(fields), token=None, Cookie=cookie)

    def say(self, kind: str, app: str | None = "hello", actor: str = "ann", **data: Any) -> None:
        self.ctx.ledger.append([Fact(kind, f"app/{app}", data, actor=actor, app=app)])

    def stream(self, path: str) -> socket.socket:
        """A connection on which the request for a stream was sent, and nothing read yet."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.admin}\r\n\r\n".encode())
        return sock


def live_app(world: World, name: str = "hello", text: str = "Make it faster") -> None:
    """An app with three releases, the third live, and a fourth deploy that failed; told by its events alone."""
    world.say("app_created", name, branch="main")
    for number in (1, 2, 3):
        began(world, name, f"{name}{number}", text)
        frozen = {"artifact": f"a{number}", "path": "python-web", "commit": COMMIT, "secrets": {}, "env": {}}
        processes = {"web": {"command": "serve", "replicas": 1}}
        config = {"LEVEL": str(number), "TEXT": text}
        world.say(
            "release_created",
            name,
            deploy=f"{name}{number}",
            release=number,
            config=config,
            processes=processes,
            **frozen,
        )
        world.say("release_went_live", name, deploy=f"{name}{number}", release=number, previous=number - 1 or None)
        world.say("deploy_finished", name, deploy=f"{name}{number}")
    world.driver.replicas.append(
        Status(f"{name}.3.web.1", name, 3, "web", 1, "up", 1, 4000, rss=2**24, started=time.time())
    )


def began(world: World, name: str, id: str, text: str) -> None:
    world.say("deploy_started", name, deploy=id, cause="push", summary=text, commit=COMMIT, ref="refs/heads/main")
    for step in ("checked", "built"):
        world.say("deploy_step_reached", name, deploy=id, step=step, ms=12, detail=text)


@contextmanager
def world(home: Path) -> Iterator[World]:
    """A door on a new home. The server ends with the block."""
    serve.make_home(home)
    driver, router = FakeDriver(), FakeRouter()
    router.up()
    repos = Repos(home)
    repos.prepare()
    ledger = Sqlite(home / "wend.db", META, reduce, SCHEMA)
    ctx = Context(config.load(home), ledger, driver, router, repos, Leases(), Meter())
    signer = Signer(home / "ledger.key")
    app = web_app(ctx, git.routes(serve.git_door(ctx, HookServer(repos))), signer)
    listener = serve.listening(("127.0.0.1", 0), "listen")
    options = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(options)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    made = World(ctx, listener.getsockname()[1], app, signer, auth.admin_token(ctx), driver)
    until(lambda: server.started, what="the server")
    try:
        yield made
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
        ledger.close()
