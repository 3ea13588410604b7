"""The control plane as one process: put the parts together, recover, open the doors.

`python -m wend.serve --home DIR` runs it in the foreground. SIGTERM stops the control plane alone and leaves apps and
proxy serving (an upgrade, a reboot of us); SIGINT (Ctrl-C, `wend down`) stops everything.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import fcntl
import importlib
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from wend import __version__, auth, changes, config, git, previews, reconcile, release, resources
from wend.config import Config, remembered
from wend.context import Actor, Context
from wend.errors import Conflict, Down, NotFound, Refused, WendError
from wend.events import Fact
from wend.home import holder, locked, make_home, places
from wend.journal import Say
from wend.leases import Leases
from wend.ledger import Ledger
from wend.ledger.chain import Signer, private_file
from wend.ledger.sqlite import Sqlite
from wend.ledger.store import Store, carry
from wend.planes import Alone, Planes
from wend.receive import HookServer, Push
from wend.repos import Repos
from wend.route import ROUTERS
from wend.route.meter import Meter
from wend.run import DRIVERS
from wend.runs import Runs
from wend.state import SCHEMA
from wend.state.reducers import reduce
from wend.state.tables import META
from wend.surveys import asking
from wend.web import app as web_app
from wend.worker import Worker

WATCHED = "wend-terminal"  # the user name that our credential helper gives when a person reads along
ARENA_MAX = -8  # malloc.h
log = logging.getLogger("wend")


def listening(address: tuple[str, int], what: str) -> socket.socket:
    """A listening socket. Raises Down when the port is taken."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Inherited by the accepted ones. asyncio sets it only on sockets that name their protocol; without it a push waits
    # 40 ms for every answer whose head and body go out apart.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        sock.bind(address)
        sock.listen(512)
    except OSError as error:
        sock.close()
        where = f"{address[0]}:{address[1]}"
        raise Down(
            f"{where} cannot be used for {what}: {error.strerror}", f"choose another: wend up --{what} 127.0.0.1:PORT"
        ) from error
    return sock


# ---------------------------------------------------------------------------------------------- the parts


def plug(table: Mapping[str, str], name: str, *args: Any) -> Any:
    """The implementation called `name`, made with these arguments. Raises NotFound."""
    if name not in table:
        raise NotFound(f"there is no {name!r}", f"there are: {', '.join(table)}")
    module, _, attribute = table[name].partition(":")
    return getattr(importlib.import_module(module), attribute)(*args)


def wire(settings: Config) -> Context:
    """The parts of this home, put together."""
    home = settings.home
    ledger, planes = facts(settings)
    return Context(
        config=settings,
        ledger=ledger,
        driver=plug(DRIVERS, settings.driver, home),
        router=plug(ROUTERS, settings.router, home, settings.address("edge")),
        repos=Repos(home),
        leases=Leases(planes),
        meter=Meter(),
        runs=Runs(planes),
    )


def facts(settings: Config) -> tuple[Ledger, Planes]:
    """The ledger, in the database that is set or else in the home, and the control planes that share it."""
    if not settings.database:
        return Sqlite(settings.home / "wend.db", META, reduce, SCHEMA), Alone(settings.listen)
    from wend.ledger.postgres import Postgres  # late: most homes need no PostgreSQL
    from wend.planes.shared import Shared

    ledger = Postgres(settings.database, META, reduce, SCHEMA)
    move(settings.home / "wend.db", ledger)
    return ledger, Shared(ledger.server, settings.listen)


def move(file: Path, ledger: Store) -> None:
    """Take a home's own ledger along into its database, at the first start with one."""
    if file.exists():
        before = Sqlite(file, META, reduce, SCHEMA)
        log.info("%d events of %s are in the database now", carry(before, ledger), file)
        before.close()
        for found in file.parent.glob("wend.db*"):
            with contextlib.suppress(FileNotFoundError):  # another plane may be at it too
                found.rename(found.with_name(found.name.replace("wend.db", "wend.db.moved")))


def database_of(settings: Config) -> str:
    """The database as it may be shown, HOST:PORT/NAME; empty: the home's own."""
    if not settings.database:
        return ""
    from wend.ledger.postgres import Server  # late, as above

    found = Server.parse(settings.database)
    return f"{found.address}/{found.options['dbname']}"


def remember_database(settings: Config) -> None:
    """So that `wend down` and the next start find it, however it was named."""
    file = remembered(settings.home)
    if settings.database and (not file.exists() or file.read_text("utf-8").strip() != settings.database):
        private_file(file, f"{settings.database}\n".encode())


def git_door(ctx: Context, hooks: HookServer) -> git.GitDoor:
    """The git door's needs, met by this platform."""

    def allow(actor: Actor, verb: str, app: str) -> None:
        auth.authorize(replace(ctx, actor=actor), verb, app)

    def push(pushed: Push, say: Say) -> None:
        acting = replace(ctx, actor=pushed.actor)
        question = asking.pushed(acting, pushed.app, pushed.new) if pushed.actor.watched else None
        release.push(acting, pushed, say)
        changes.note(ctx, pushed)
        with contextlib.suppress(WendError):  # it is live, whatever comes after; the clock prunes too
            previews.prune(acting, pushed.app, say)
        if question:
            question.show(say)

    def moved(pushed: Push, say: Say) -> bool:
        return previews.moved(replace(ctx, actor=pushed.actor), pushed, say)

    def refused(actor: Actor, app: str, why: str) -> None:
        ctx.ledger.append([Fact("push_refused", f"app/{app}", {"reason": why[:2000]}, actor=actor.name, app=app)])

    hooks.voice = f'  tell us what happened: wend feedback "…", or {ctx.config.portal}/feedback'
    limits = git.Limits(each=ctx.config.pushes_at_once)
    return git.GitDoor(lambda header: basic(ctx, header), allow, ctx.repos.open, push, hooks, limits, refused, moved)


def basic(ctx: Context, header: str | None) -> Actor:
    """The actor of a Basic or Bearer header: the password is the token, the user name is anything. Raises Refused."""
    kind, _, value = (header or "").partition(" ")
    if kind.lower() == "bearer":
        return auth.who(ctx, value.strip())
    if kind.lower() != "basic":
        raise Refused("a token is needed", "`wend remote` sets up the address and the token")
    try:
        user, _, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except ValueError:
        raise Refused("the Authorization header cannot be read", "`wend remote` sets it up") from None
    return replace(auth.who(ctx, password), watched=user == WATCHED)


# ---------------------------------------------------------------------------------------------- running


class Server(uvicorn.Server):
    """uvicorn, but the signals are ours (see Ending)."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@dataclass
class Ending:
    """How the process was asked to end: with the apps (SIGINT) or without them (SIGTERM). It listens from before the
    first file is touched, so that a signal that comes early is obeyed like any other."""

    asked: bool = False
    apps: bool = False
    server: Server | None = None

    def hear(self, number: int, _frame: Any) -> None:
        self.asked, self.apps = True, number == signal.SIGINT
        if self.server:
            self.server.should_exit = True

    def serve(self, server: Server, sockets: list[socket.socket]) -> None:
        """Run the server until a signal has come."""
        self.server = server
        server.should_exit = self.asked
        server.run(sockets=sockets)

    @contextlib.contextmanager
    def listening(self) -> Generator[None]:
        before = {number: signal.signal(number, self.hear) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(home: Path, given: Mapping[str, str]) -> None:
    """Run the platform on this home until a signal ends it. Raises Down, Conflict or Refused before it is up."""
    make_home(home)
    settings = config.load(home, given)
    os.environ.pop("WEND_DATABASE", None)  # nothing that we start needs its password
    ending = Ending()
    with locked(home, database_of(settings)) as place, ending.listening():
        portal = listening(settings.address("listen"), "listen")
        ctx = wire(settings)
        ctx.leases.settle = partial(reconcile.settle, ctx)
        ctx.repos.socket = place / "hook.sock"
        hooks = HookServer(ctx.repos)
        try:
            prepare(ctx, hooks)
            worker = Worker(ctx)
            worker.start()
            run_doors(ctx, hooks, portal, ending, place)
            ending.apps = ending.apps and is_last(ctx)
            worker.stop()
            ctx.runs.close(5.0)
            if ending.apps:
                ctx.leases.close(10.0)
        finally:
            hooks.close()
            portal.close()
            if ending.apps:
                stop_everything(ctx)
            ctx.leases.planes.close()
            ctx.ledger.close()
            (place / "serve.json").unlink(missing_ok=True)


def prepare(ctx: Context, hooks: HookServer) -> None:
    """What a plane needs before its doors open; of several that start at once, one does so at a time."""
    with (ctx.config.home / "run" / "planes" / "starting").open("a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        check_edge(ctx.config)
        remember_database(ctx.config)
        ctx.router.up()
        hooks.start()
        auth.admin_token(ctx)
        Signer(ctx.config.home / "ledger.key")


def check_edge(settings: Config) -> None:
    """Raises Conflict when planes that run here serve the apps elsewhere: there is one proxy."""
    for place in places(settings.home):
        with contextlib.suppress(OSError, ValueError, KeyError):
            edge = json.loads((place / "serve.json").read_text("utf-8"))["edge"]
            if holder(place) and edge != settings.edge:
                raise Conflict(f"the apps of {settings.home} answer at {edge}", f"wend up --edge {edge}")


def is_last(ctx: Context) -> bool:
    """Whether no other plane serves these apps; if one does, they are not ours to stop."""
    others = [one["plane"] for one in ctx.leases.planes.there() if one["plane"] != ctx.leases.planes.name]
    if others:
        log.warning("the apps stay up: they are served by the control plane at %s, too", ", ".join(others))
    return not others


def run_doors(ctx: Context, hooks: HookServer, portal: socket.socket, ending: Ending, place: Path) -> None:
    """Answer requests until a signal comes."""
    signer = Signer(ctx.config.home / "ledger.key")
    app = web_app(ctx, git.routes(git_door(ctx, hooks)), signer)
    options = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=2**16,
    )
    announce(ctx, place)
    ending.serve(Server(options), [portal])


def announce(ctx: Context, place: Path) -> None:
    """Record the start, and write `serve.json` for the command line on this machine."""
    settings = ctx.config
    about = {"version": __version__, "listen": settings.listen, "edge": settings.edge}
    ctx.ledger.append([Fact("platform_started", "platform", about)])
    file = place / "serve.json"
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps({"pid": os.getpid(), "started": time.time(), **about}))
    draft.rename(file)


def stop_everything(ctx: Context) -> None:
    """Stop every app and the proxy, and record it."""
    for app in sorted({status.app for status in ctx.driver.status()}):
        ctx.driver.stop(app)
    resources.halt(ctx)
    ctx.router.down()
    ctx.ledger.append([Fact("platform_stopped", "platform", {})])


def halt(home: Path) -> None:
    """Stop the apps and the proxy of a home whose control plane does not run."""
    settings = config.load(home)
    with locked(home):
        ctx = wire(settings)
        stop_everything(ctx)
        ctx.leases.planes.close()
        ctx.ledger.close()


def share_memory() -> None:
    """Two arenas for all threads, where the C library has such: by default each of ours, which mostly wait, has one of
    its own (mallopt(3), M_ARENA_MAX)."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(ARENA_MAX, 2)


def main(arguments: list[str] | None = None) -> int:
    """`--home DIR [--listen HOST:PORT] [--edge HOST:PORT]`; the exit code of the error, if any."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m wend.serve")
    parser.add_argument("--home", type=Path, default=config.default_home())
    parser.add_argument("--listen", default="")
    parser.add_argument("--edge", default="")
    parser.add_argument(
        "--halt", action="store_true", help="stop the apps and the proxy of a home that has no platform"
    )
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    share_memory()
    try:
        if chosen.halt:
            halt(chosen.home)
        else:
            serve(chosen.home, {"listen": chosen.listen, "edge": chosen.edge})
    except WendError as error:
        print(f"error: {error.message}\n  try: {error.hint}", file=sys.stderr)
        return error.exit
    return 0


if __name__ == "__main__":
    sys.exit(main())
