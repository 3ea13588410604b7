"""The one way through. Every address stands in a table with the verb it needs; nothing is reached any other way.

A request is: known (401) → has a target that can exist (422) → allowed (403) → read (413, 415, 422) → acted on.
Who is known by a signature is known after the body was read: it is what is signed.
Nobody learns from an answer whether an app exists before they are allowed to see it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from anyio import CapacityLimiter, to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from wend import auth, spec
from wend.context import Actor, Context
from wend.errors import Invalid, NotFound, Refused, WendError
from wend.ledger.chain import Signer
from wend.outgoing import Outgoing
from wend.state import questions
from wend.web import body, leaving, session
from wend.web.session import Session, Sessions
from wend.web.show import Page, Renderer
from wend.web.stream import Flow, StreamResponse, Streams, bug

OPEN = "open"  # anyone, known or not
KNOWN = "known"  # anyone with a valid token
THREADS = 64  # short requests at once; streams have threads of their own
UNKNOWN = 128 * 2**20  # bytes of bodies in memory whose senders are not known yet
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}
log = logging.getLogger(__name__)


class Stranger(Refused):
    """Nobody we know."""

    status = 401


@dataclass(frozen=True)
class Web:
    """The parts of the web door."""

    ctx: Context
    signer: Signer
    sessions: Sessions
    streams: Streams
    renderer: Renderer
    limiter: CapacityLimiter
    leaving: leaving.Leaving = field(default_factory=leaving.Leaving)
    room: body.Room = field(default_factory=lambda: body.Room(UNKNOWN))


@dataclass(frozen=True)
class Visit:
    """One request, its sender known and allowed. `ctx` acts in their name."""

    web: Web
    ctx: Context
    request: Request
    body: bytes = b""
    session: Session | None = None

    @property
    def app(self) -> str:
        return self.request.path_params["app"]

    @property
    def id(self) -> str:
        return self.request.path_params["id"]

    @property
    def name(self) -> str:
        return self.request.path_params["name"]

    @property
    def base(self) -> str:
        """Our own address as the sender reached it, without a slash at the end."""
        return str(self.request.base_url).rstrip("/")

    @property
    def query(self) -> body.Query:
        return body.Query(self.request)

    def read(self, *fields: body.Field) -> dict[str, Any]:
        """The JSON body's values. Raises Invalid."""
        if self.body and body.kind_of(self.request) != "application/json":
            kind = body.kind_of(self.request)[:60] or "none"
            raise body.WrongKind(f"content type {kind!r} is not read here", "send application/json")
        return body.read(self.body, *fields)

    def crew(self) -> dict[str, Any]:
        """What every page shows around its content: who is signed in, and where they may go."""
        if self.session is None:
            return {"actor": None}
        scopes = self.ctx.actor.scopes
        may = {verb: auth.permits(scopes, verb, any_app(self.ctx, self.request)) for verb in auth.VERBS}
        return {"actor": self.ctx.actor, "csrf": self.web.sessions.form_token(self.session), "may": may}

    def dry(self) -> bool:
        """Whether only to say what would happen."""
        query = self.query
        rehearsed = query.flag("dry_run")
        query.done()
        return rehearsed


Answer = Response | Page | Flow | dict[str, Any] | list[Any]
Act = Callable[[Visit], Answer]
Signed = Callable[[Context, Request, bytes], Actor]


def the_app(ctx: Context, request: Request) -> str | None:
    """The app or preview in the path, if it can be one. Raises Invalid."""
    name = request.path_params.get("app")
    return None if name is None else spec.any_name(name)


def any_app(ctx: Context, request: Request) -> str | None:
    """For lists: a token that is narrowed to apps may ask, and gets only those."""
    return next((app for scope in ctx.actor.scopes if (app := scope.partition(":")[2])), None)


def asked_app(ctx: Context, request: Request) -> str | None:
    """The app that the query narrows the question to."""
    name = request.query_params.get("app")
    return spec.any_name(name) if name else None


def deploys_app(ctx: Context, request: Request) -> str | None:
    """The app of the deploy in the path, when the sender may see that app; else nothing is given away."""
    try:
        with ctx.ledger.query() as db:
            app = questions.deploy(db, request.path_params["id"]).app
    except NotFound:
        return None
    return app if auth.permits(ctx.actor.scopes, "app.read", app) else None


@dataclass(frozen=True)
class Address:
    """A method and path, the verb that opens it (one of auth.VERBS, OPEN or KNOWN), and what it does. `page`: it
    knows people by cookie, too, and tells errors as pages. `most`: bytes of a body. `signed`: who it is that sent this
    body without a token of ours, by its signature; such an answer has no checkpoint, which would cost more than it."""

    method: str
    path: str
    verb: str
    act: Act
    target: Callable[[Context, Request], str | None] = the_app
    page: bool = False
    most: int = body.MOST
    signed: Signed | None = None


class Gate:
    """One path with all its methods."""

    def __init__(self, web: Web, addresses: list[Address]) -> None:
        self.web = web
        self.by_method = {address.method: address for address in addresses}
        if "GET" in self.by_method:
            self.by_method["HEAD"] = self.by_method["GET"]

    async def enter(self, request: Request) -> Response:
        """Starlette's endpoint: only known methods come here."""
        address = self.by_method[request.method]
        return await guarded(self.web, request, address.page, lambda: self.serve(request, address))

    async def serve(self, request: Request, address: Address) -> Response:
        if address.signed and not has_token(request):
            return await self.hear(request, address)
        visit = await self.thread(lambda: admit(self.web, request, address))
        if request.method in CHANGING:
            visit = replace(visit, body=await body.take(request, address.most))

        def act() -> tuple[Outgoing | None, Answer]:
            return self.web.leaving.check(visit.ctx, address.method, address.path), finish(visit, address)

        going, answer = await self.thread(act)
        response = await self.stream(visit, answer) if isinstance(answer, Flow) else answer
        if going:
            leaving.tell(response, going)
        if visit.session or (address.verb != OPEN and not address.signed):
            head = await self.thread(self.web.ctx.ledger.head)
            response.headers["Wend-Checkpoint"] = str(self.web.signer.sign(head))
        return response

    async def hear(self, request: Request, address: Address) -> Response:
        """A sender that has no token of ours: the body first, then everything else in one turn."""
        with self.web.room.share() as share:
            given = await body.take(request, address.most, share)
            return await self.thread(lambda: finish(admit(self.web, request, address, given), address))

    async def thread(self, work: Callable[[], Any]) -> Any:
        return await to_thread.run_sync(work, limiter=self.web.limiter)

    async def stream(self, visit: Visit, flow: Flow) -> Response:
        """The response of a flow. An error before its first line is raised, and so gets its own status."""
        if visit.request.method == "HEAD":
            return Response(None, media_type=flow.media)
        wire = self.web.streams.begin(flow, visit.ctx.actor.name)
        first = None if flow.at_once else await wire.next()
        if isinstance(first, WendError):
            raise first
        return StreamResponse(flow, wire, first)


def admit(web: Web, request: Request, address: Address, given: bytes = b"") -> Visit:
    """Who it is, and whether they may. Raises Stranger, Refused, Invalid."""
    if address.signed and not has_token(request):
        actor, signed_in = address.signed(web.ctx, request, given), None
    else:
        actor, signed_in = known(web, request, address)
    ctx = replace(web.ctx, actor=actor)
    if address.verb not in (OPEN, KNOWN):
        auth.authorize(ctx, address.verb, address.target(ctx, request))
    return Visit(web, ctx, request, given, signed_in)


def has_token(request: Request) -> bool:
    """Whether it shows a token of ours, good or not. Other platforms' senders have bearer tokens of their own."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return kind.lower() == "bearer" and token.strip().startswith("wend_")


def known(web: Web, request: Request, address: Address) -> tuple[Actor, Session | None]:
    """The actor of the token or, on pages, of the cookie. Raises Stranger unless the address is open."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if token:
        return bearer(web.ctx, kind, token.strip()), None
    found = web.sessions.read(request.cookies.get(session.cookie_name(request), "")) if address.page else None
    actor = auth.session_actor(web.ctx, found.token) if found else None
    if actor:
        return actor, found
    if address.verb == OPEN:
        return Actor("anonymous", "human"), None
    raise Stranger("a token is needed", "`wend login`, or send `Authorization: Bearer TOKEN`")


def bearer(ctx: Context, kind: str, token: str) -> Actor:
    if kind.lower() != "bearer":
        raise Stranger(f"{kind[:20]!r} is no way to sign in here", "send `Authorization: Bearer TOKEN`")
    try:
        return auth.who(ctx, token)
    except Refused as error:
        raise Stranger(error.message, error.hint) from None


def finish(visit: Visit, address: Address) -> Response | Flow:
    """Act, and make of the answer what travels. A form must come from a page of the same session."""
    if address.page and visit.request.method in CHANGING:
        session.check_origin(visit.request)
        if visit.session and address.verb != OPEN:
            session.check_form(visit.web.sessions.form_token(visit.session), body.form(visit.body))
    answer = address.act(visit)
    if isinstance(answer, Page):
        page = answer
        answer = page.data if wants_json(visit.request) else visit.web.renderer.page(visit.request, page, visit.crew())
    if isinstance(answer, dict | list):
        return JSONResponse(answer)
    return answer


def wants_json(request: Request) -> bool:
    """Whether the page's JSON twin was asked for, by name or by an Accept header that does not want HTML."""
    accept = request.headers.get("accept", "")
    return request.url.path.endswith(".json") or ("application/json" in accept and "text/html" not in accept)


# ---------------------------------------------------------------------------------------------- errors and headers


async def guarded(web: Web, request: Request, page: bool, act: Callable[[], Awaitable[Response]]) -> Response:
    """The act's response, or its error, told as the sender expects it; with the headers that every answer has."""
    try:
        response = await act()
    except WendError as error:
        response = await told(web, request, error, page)
    except Exception as error:
        log.exception("%s %s", request.method, request.url.path)
        response = await told(web, request, bug(error), page)
    if response.status_code >= 400 and not await body.swallow(request):
        response.headers["Connection"] = "close"  # else what is left of the body would be read to its end
    return sealed(response)


async def told(web: Web, request: Request, error: WendError, page: bool) -> Response:
    """An error as JSON or as a page; a stranger who asked for a page is asked in."""
    if not page or wants_json(request):
        headers = {"WWW-Authenticate": 'Bearer realm="wend"'} if error.status == 401 else None
        return JSONResponse(error.as_dict(), error.status, headers)
    if error.status == 401 and request.method in ("GET", "HEAD") and "authorization" not in request.headers:
        back = session.local(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
        return RedirectResponse("/login" + ("" if back == "/" else "?" + urlencode({"next": back})), 303)
    return await to_thread.run_sync(failed, web, request, error, limiter=web.limiter)


def failed(web: Web, request: Request, error: WendError) -> Response:
    return web.renderer.error(request, error, around(web, request))


def around(web: Web, request: Request) -> dict[str, Any]:
    """What an error's page shows around it: the same as every page, as far as we know who is there."""
    try:
        actor, signed_in = known(web, request, Address("GET", request.url.path, OPEN, lambda visit: {}, page=True))
    except WendError:
        return {}
    return Visit(web, replace(web.ctx, actor=actor), request, session=signed_in).crew()


def sealed(response: Response) -> Response:
    for name, value in ALWAYS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def unrouted(web: Web) -> Callable[[Request, Exception], Awaitable[Response]]:
    """What Starlette itself refuses: unknown paths (404) and wrong methods (405)."""

    async def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        path = request.url.path
        told_as = Missing(path) if error.status_code == 404 else WrongMethod(request.method, path)
        response = sealed(await told(web, request, told_as, not path.startswith("/api")))
        response.headers.update(error.headers or {})
        return response

    return answer


class Missing(NotFound):
    """No such address."""

    def __init__(self, path: str) -> None:
        super().__init__(f"there is nothing at {path[:200]}", "docs/api.md lists every address")


class WrongMethod(Invalid):
    """The address is there, but not for this."""

    status = 405

    def __init__(self, method: str, path: str) -> None:
        super().__init__(f"{method[:20]} is not done to {path[:200]}", "the Allow header says what is")
