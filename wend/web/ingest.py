"""Where other systems deliver what happened there, and how those doors are set up."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from wend import emit
from wend.context import Actor, Context
from wend.ingest import Delivery, history, sources, take
from wend.web.body import Field
from wend.web.door import Address, Visit

MOST = 25 * 2**20  # bytes of a delivery: the most that GitHub sends
LISTED = 1000
Item = dict[str, Any]


# ---------------------------------------------------------------------------------------------- the door


def the_source(ctx: Context, request: Request) -> str:
    """The source in the path, if it can be one. Raises Invalid."""
    return sources.name_of(request.path_params["source"])


def arrived(ctx: Context, request: Request, body: bytes) -> Delivery:
    return take.arrived(ctx, request.path_params["source"], dict(request.headers.items()), body)


def signed(ctx: Context, request: Request, body: bytes) -> Actor:
    """The source that signed this body. Raises Refused (401)."""
    request.state.known = take.knock(ctx, arrived(ctx, request, body))
    return request.state.known.actor


def deliver(visit: Visit) -> Response:
    """200, or 202 for what was kept aside because nobody here can read it."""
    known: take.Known | None = getattr(visit.request.state, "known", None)
    if known is None:
        name = the_source(visit.ctx, visit.request)
        known = take.Known(
            visit.ctx.actor, take.kind_of(visit.ctx, name), arrived(visit.ctx, visit.request, visit.body)
        )
    said = take.take(visit.ctx, known.delivery, known.kind)
    return JSONResponse(said, 202 if "aside" in said else 200)


# ---------------------------------------------------------------------------------------------- sources


def add(visit: Visit) -> Item:
    """Set up a source or renew its secret, which is told this once."""
    given = visit.read(Field("source", "text"), Field("kind", "text", ""), Field("secret", "text", None))
    secret = sources.add(visit.ctx, given["source"], given["kind"], given["secret"])
    return {"address": f"{visit.base}/ingest/{given['source']}", "secret": secret}


def remove(visit: Visit) -> Item:
    sources.remove(visit.ctx, visit.name)
    return {}


def asides(visit: Visit) -> list[Item]:
    query = visit.query
    name, limit = query.text("source"), query.number("limit", 100, LISTED)
    query.done()
    return take.asides(visit.ctx, name, limit)


def number(visit: Visit) -> int:
    """The event in the path; 0, which is none, for what is no number."""
    return int(visit.id) if visit.id.isascii() and visit.id.isdigit() and len(visit.id) < 19 else 0


def forget(visit: Visit) -> Item:
    take.forget(visit.ctx, number(visit))
    return {}


def read_again(visit: Visit) -> Item:
    return take.read_again(visit.ctx, number(visit))


def read_again_form(visit: Visit) -> Response:
    """The button beside what lies aside."""
    take.read_again(visit.ctx, number(visit))
    return RedirectResponse("/ingest#h-aside", 303)


# ---------------------------------------------------------------------------------------------- histories

HISTORY = (
    Field("repo", "text"),
    Field("service", "text", None),
    Field("team", "text", None),
    Field("gone", "texts", []),
    Field("changes", "rows", []),
    Field("deployments", "rows", []),
    Field("folders", "texts", []),
)


def git(ctx: Context, request: Request) -> str:
    """The target of `wend ingest git`."""
    return "git"


def read_history(visit: Visit) -> Item:
    query = visit.query
    repo, after, limit = query.text("repo") or "", query.text("after") or "", query.number("limit", 10_000, 10_000)
    query.done()
    return {"commits": history.read(visit.ctx, repo, after, limit)}


def record_history(visit: Visit) -> Item:
    return history.record(visit.ctx, history.told(**visit.read(*HISTORY)))


# ---------------------------------------------------------------------------------------------- subscriptions


def subscribe(visit: Visit) -> Item:
    given = visit.read(Field("url", "text"), Field("secret", "text", None))
    id, secret = emit.subscribe(visit.ctx, given["url"], given["secret"])
    return {"id": id, "secret": secret}


def unsubscribe(visit: Visit) -> Item:
    emit.unsubscribe(visit.ctx, visit.id)
    return {}


ADDRESSES = (
    Address("POST", "/ingest/{source}", "ingest.write", deliver, the_source, most=MOST, signed=signed),
    Address("GET", "/api/ingest/sources", "ingest.manage", lambda visit: sources.listed(visit.ctx)),
    Address("POST", "/api/ingest/sources", "ingest.manage", add),
    Address("DELETE", "/api/ingest/sources/{name}", "ingest.manage", remove),
    Address("GET", "/api/ingest/asides", "ingest.manage", asides),
    Address("GET", "/api/ingest/asides/{id}", "ingest.manage", lambda visit: take.aside(visit.ctx, number(visit))),
    Address("DELETE", "/api/ingest/asides/{id}", "ingest.manage", forget),
    Address("POST", "/api/ingest/asides/{id}/read", "ingest.manage", read_again),
    Address("POST", "/ingest/asides/{id}/read", "ingest.manage", read_again_form, page=True),
    Address("GET", "/api/ingest/git", "ingest.write", read_history, git),
    Address("POST", "/api/ingest/git", "ingest.write", record_history, git),
    Address("GET", "/api/ingest/subscriptions", "ingest.manage", lambda visit: emit.listed(visit.ctx)),
    Address("POST", "/api/ingest/subscriptions", "ingest.manage", subscribe),
    Address("DELETE", "/api/ingest/subscriptions/{id}", "ingest.manage", unsubscribe),
)
