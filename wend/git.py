"""The git door: smart HTTP for `git push`, `git clone` and `git fetch` (gitprotocol-http).

It authenticates, then lets git itself speak: bytes go to and from `git receive-pack` or `git upload-pack` as they
come, never a whole pack in memory. What is received is a fact: once a pack has arrived, the push goes on even when
the one who pushed has left. Before that, leaving ends it without a trace.
"""

from __future__ import annotations

import asyncio
import logging
import re
import resource
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from wend import pkt, spec
from wend.context import Actor
from wend.errors import Bug, Down, Invalid, NotFound, Refused, WendError
from wend.pipe import CHUNK, Answer, Body, Gone, Limits, Pipe, TooBig
from wend.receive import HookServer, Push, Say

SERVICES = {"git-receive-pack": "app.push", "git-upload-pack": "app.read"}
PROTOCOL = re.compile(r"version=[012](:[a-z0-9=-]{1,40})*")
FRESH = {"Cache-Control": "no-cache, max-age=0, must-revalidate", "Expires": "Fri, 01 Jan 1980 00:00:00 GMT"}
HEADERS = {401: {"WWW-Authenticate": 'Basic realm="wend", charset="UTF-8"'}, 429: {"Retry-After": "5"}}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GitDoor:
    """What the door needs of the platform. who: the actor behind an Authorization header, or Refused. allow: raises
    Refused unless the actor may do "app.push" or "app.read" to the app. repo: the app's repository, created when
    told so, or NotFound. push: deploys, saying lines to the person; what it raises refuses the push. refused: is told
    (actor, app, why) of every push that was turned away before it came to `push`. moved: is told of every other branch
    that was kept or deleted; it raises nothing. Without it they are only kept."""

    who: Callable[[str | None], Actor]
    allow: Callable[[Actor, str, str], None]
    repo: Callable[[str, bool], Path]
    push: Callable[[Push, Say], None]
    hooks: HookServer
    limits: Limits = field(default_factory=Limits)
    refused: Callable[[Actor, str, str], None] = lambda actor, app, why: None
    moved: Callable[[Push, Say], bool] | None = None


class Busy(WendError):
    """Too many at once; the same call works in a moment."""

    status, exit = 429, 6


class Unknown(WendError):
    """Nobody we know."""

    status, exit = 401, 4


class Slots:
    """How many git conversations run, for each actor and in all. Lives in one event loop."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.taken = limits, Counter[str]()

    def check(self, actor: str) -> None:
        """Raise Busy when there is no room for one more."""
        if self.taken[actor] >= self.limits.each:
            raise Busy(f"you have {self.taken[actor]} pushes or fetches running", "wait for one, then try again")
        if self.taken.total() >= self.limits.all:
            raise Busy(f"{self.limits.all} pushes and fetches are running", "try again in a few seconds")

    @contextmanager
    def take(self, actor: str) -> Generator[None]:
        self.check(actor)
        self.taken[actor] += 1
        try:
            yield
        finally:
            self.taken[actor] -= 1
            if not self.taken[actor]:
                del self.taken[actor]


def routes(door: GitDoor) -> list[Route]:
    """The door's three addresses per app, under /git/APP.git."""
    slots = Slots(door.limits)

    async def advertise(request: Request) -> Response:
        return await answered(Visit(door, slots, request, request.query_params.get("service", "")).advertise)

    def service(name: str) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            return await answered(Visit(door, slots, request, name).serve)

        return serve

    base = "/git/{app}.git/"
    posts = [Route(base + name, service(name), methods=["POST"]) for name in SERVICES]
    return [Route(base + "info/refs", advertise, methods=["GET"]), *posts]


async def answered(act: Callable[[], Awaitable[Response]]) -> Response:
    """The act's response, or its error as git shows it: every line of a text/plain body appears as `remote: …`."""
    try:
        return await act()
    except WendError as error:
        return PlainTextResponse(words(error), error.status, HEADERS.get(error.status))


def words(error: WendError) -> str:
    return f"{error.message}\n{error.hint}\n" if error.hint else f"{error.message}\n"


def unpacked(said: bytes) -> str:
    """Why git itself would not take a pack, from the start of its answer; fsck's finding when it is one."""
    found = re.search(rb"(?:error|fatal): (?:object [0-9a-f]+: )?([ -~]{1,200})", said)
    return f"git refused it: {found[1].decode()}" if found else "git could not take the pack"


def owner(name: str) -> str:
    """The app of this name. Raises Invalid on what cannot be one, and on a preview, which has no repository."""
    if "--" in name and (app := spec.parent(spec.any_name(name))):
        raise Invalid(f"{name} is a preview; its branch is in the repository of {app}", f"push it to /git/{app}.git")
    return spec.app_name(name)


@dataclass
class Visit:
    """One request at this door."""

    door: GitDoor
    slots: Slots
    request: Request
    service: str

    async def enter(self) -> tuple[str, Actor]:
        """The app and the actor, both known to be good, before anything touches the disk."""
        if self.service not in SERVICES:
            raise Invalid("this address speaks smart HTTP only", "use git 1.6.6 or newer")
        app = owner(self.request.path_params["app"])
        try:
            actor = await run_in_threadpool(self.door.who, self.request.headers.get("authorization"))
        except Refused as error:
            raise Unknown(error.message, error.hint) from error
        await run_in_threadpool(self.door.allow, actor, SERVICES[self.service], app)
        return app, actor

    async def repo(self, app: str, create: bool) -> Path:
        return await run_in_threadpool(self.door.repo, app, create)

    async def advertise(self) -> Response:
        """What is here: the refs, and what this git can do. An app that does not exist yet looks like an empty one
        to a push."""
        app, actor = await self.enter()
        self.slots.check(actor.name)
        try:
            repo = await self.repo(app, create=False)
        except NotFound:
            if self.service == "git-upload-pack":
                raise
            repo = self.door.hooks.repos.empty
        process = await self.spawn(["--advertise-refs", str(repo)], self.door.hooks.repos.env(self.protocol()))
        try:
            said, _ = await asyncio.wait_for(process.communicate(), self.door.limits.idle)
        except TimeoutError as error:
            process.kill()
            raise Down("git took too long to list the branches", "try again in a moment") from error
        if process.returncode:
            raise Bug(f"{self.service} ended with code {process.returncode}", "see the platform's log")
        head = pkt.packet(f"# service={self.service}\n".encode()) + pkt.FLUSH
        return Response(head + said, headers=FRESH, media_type=f"application/x-{self.service}-advertisement")

    def protocol(self) -> dict[str, str]:
        """Protocol version 2 exists for fetching only."""
        asked = self.request.headers.get("git-protocol", "")
        wanted = self.service == "git-upload-pack" and PROTOCOL.fullmatch(asked)
        return {"GIT_PROTOCOL": asked} if wanted else {}

    async def spawn(self, words: list[str], env: dict[str, str]) -> asyncio.subprocess.Process:
        """Git, in a process group of its own and with a limit to its processor time."""
        program = self.service.removeprefix("git-")
        process = await asyncio.create_subprocess_exec(
            "git", program, "--stateless-rpc", *words,
            stdin=PIPE, stdout=PIPE, stderr=PIPE, env=env, start_new_session=True, limit=CHUNK,
        )  # fmt: skip
        limits = {resource.RLIMIT_CPU: self.door.limits.cpu, resource.RLIMIT_AS: self.door.limits.memory}
        if hasattr(resource, "prlimit"):
            with suppress(ProcessLookupError, PermissionError):
                for kind, most in limits.items():
                    resource.prlimit(process.pid, kind, (most, most))
        return process

    async def serve(self) -> Response:
        """The conversation itself, once it is clear that it may take place."""
        app, actor = await self.enter()
        kind = self.request.headers.get("content-type", "")
        if kind != f"application/x-{self.service}-request":
            raise Invalid(f"content type {kind[:60]!r} is not git's", "use git")
        if int(self.request.headers.get("content-length") or 0) > self.door.limits.body:
            raise TooBig(f"at most {self.door.limits.body // 2**20} MB fit in one push", "push the history in pieces")
        self.slots.check(actor.name)
        if self.service == "git-upload-pack":
            await self.repo(app, create=False)
        return Talk(self, app, actor)


class Talk(Response):
    """Git's answer while it is being made."""

    def __init__(self, visit: Visit, app: str, actor: Actor) -> None:
        super().__init__(None)
        self.visit, self.app, self.actor = visit, app, actor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limits, headers = self.visit.door.limits, self.visit.request.headers
        body = Body(receive, limits, headers.get("content-encoding", "") in {"gzip", "x-gzip"})
        head = [(name, value) for name, value in self.reply().raw_headers if name != b"content-length"]
        answer = Answer(send, head, limits.idle)
        with self.visit.slots.take(self.actor.name):
            try:
                first = await body.next()
                if not (body.done and first in (b"", pkt.FLUSH)):
                    # Shielded: a middleware that cancels us when the client leaves must not stop a deploy.
                    await asyncio.shield(self.talk(first, body, answer))
                    return
                reply = self.reply()  # git asks whether it may send, before it sends a lot
            except Gone as gone:
                log.info("a conversation about %s ended early: %s", self.app, gone)
                reply = self.reply(408, f"{gone}\n")
            except WendError as error:
                reply = self.reply(error.status, words(error))
            if not answer.started:
                await reply(scope, receive, send)

    def reply(self, status: int = 200, text: str = "") -> Response:
        kind = "text/plain" if text else f"application/x-{self.visit.service}-result"
        rest = {"Connection": "close"} if text else {}
        return Response(text, status, {**FRESH, **rest, **HEADERS.get(status, {})}, media_type=kind)

    async def talk(self, first: bytes, body: Body, answer: Answer) -> None:
        """Run git on the app's repository. The first push makes it, now that there is something to put there."""
        visit, hooks = self.visit, self.visit.door.hooks
        if visit.service == "git-upload-pack":
            repo = await visit.repo(self.app, create=False)
            process = await visit.spawn([str(repo)], hooks.repos.env(visit.protocol()))
            await Pipe(process, body, answer, lambda: False).run(first)
            return
        repo = await visit.repo(self.app, create=True)
        with hooks.session(self.app, self.actor, repo, visit.door.push, visit.door.moved) as session:
            process = await visit.spawn([str(repo)], hooks.env(session))
            await Pipe(process, body, answer, lambda: session.arrived).run(first)
        why = session.refused or ("" if session.arrived else unpacked(answer.first))
        if why:
            await run_in_threadpool(visit.door.refused, self.actor, self.app, why)
