"""The HTTP API: a table of addresses; what each does is one call. docs/api.md has them for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from wend import apps, auth, events
from wend.context import Context
from wend.ledger.chain import Checkpoint
from wend.web import acting, holding, reading, session, watching
from wend.web.body import Field, check_names
from wend.web.door import KNOWN, Act, Address, Visit, any_app, asked_app, deploys_app
from wend.web.stream import Flow, Item, listened

LINES, EVENTS = 10_000, 1000


# ---------------------------------------------------------------------------------------------- the platform


def status(visit: Visit) -> Item:
    return reading.status(visit.ctx, visit.base, visit.web.signer.public())


def sign_in(visit: Visit) -> Item:
    back = session.local(visit.read(Field("next", "text", "/"))["next"])
    query = urlencode({"once": visit.web.sessions.mint(visit.ctx.actor)} | ({} if back == "/" else {"next": back}))
    return {"url": f"{visit.base}/login?{query}"}


# ---------------------------------------------------------------------------------------------- apps


def logs(visit: Visit) -> Flow:
    query = visit.query
    lines, process, follow = query.number("lines", 100, LINES), query.text("process"), query.flag("follow")
    query.done()
    reading.check_app(visit.ctx, visit.app)
    return listened(lambda: log_items(visit.ctx, visit.app, lines, process, follow))


def log_items(ctx: Context, name: str, lines: int, process: str | None, follow: bool) -> Iterator[Item | None]:
    for one in apps.logs(ctx, name, lines, follow, process):
        yield reading.line(one) if one.source else None


def canary(visit: Visit) -> Flow | Item:
    """Its reading; followed, one after the other until it is over."""
    query = visit.query
    follow = query.flag("follow")
    query.done()
    if not follow:
        return watching.canary(visit.ctx, visit.app)
    reading.check_app(visit.ctx, visit.app)
    return listened(lambda: watching.followed(visit.ctx, visit.app))


# ---------------------------------------------------------------------------------------------- the ledger


def ledger_events(visit: Visit) -> Flow | list[Any]:
    query = visit.query
    after, kinds, app = query.number("after", 0, 2**62), split_kinds(query.text("kind")), query.text("app")
    limit, newest, follow = query.number("limit", 100, EVENTS), query.flag("newest"), query.flag("follow")
    query.done()
    if not follow:
        return reading.events(visit.ctx, after, kinds, app, limit, newest)
    first = reading.events(visit.ctx, after, kinds, app, limit, newest) if newest else []
    return listened(lambda: event_items(visit.ctx, after, kinds, app, first))


def split_kinds(text: str | None) -> list[str] | None:
    """The kinds of "a,b". Raises Invalid for one that there is not."""
    kinds = [kind.strip() for kind in text.split(",")] if text else None
    check_names(kinds or [], list(events.KINDS), "kind of event")
    return kinds


def event_items(
    ctx: Context, after: int, kinds: list[str] | None, app: str | None, first: list[Item]
) -> Iterator[Item | None]:
    """Those there are, then those that come; None at least once a second."""
    yield from first
    after = first[-1]["seq"] if first else after
    while True:
        for batch in ctx.ledger.follow(after, 1.0):
            after = batch[-1].seq
            yield from (item.__dict__ for item in batch if wanted(item.kind, item.app, kinds, app))
        yield None


def wanted(kind: str, of: str | None, kinds: list[str] | None, app: str | None) -> bool:
    return (kinds is None or kind in kinds) and (app is None or of == app)


def verify(visit: Visit) -> Item:
    query = visit.query
    witness = reading.witness(query.text("witness"))
    query.done()
    count, head = visit.ctx.ledger.verify(witness)
    return {"events": count, "head": head}


def rebuild(visit: Visit) -> Item:
    visit.read()
    return {"events": visit.ctx.ledger.rebuild()}


def checkpoint(visit: Visit) -> Item:
    signer = visit.web.signer
    signed: Checkpoint = signer.sign(visit.ctx.ledger.head())
    return {"checkpoint": str(signed), "key": signer.public()}


# ---------------------------------------------------------------------------------------------- tokens

TOKEN = (
    Field("owner", "text"),
    Field("kind", "text", "human"),
    Field("scopes", "texts", ["app.*"]),
    Field("days", "number", None),
    Field("note", "text", ""),
)


def issue(visit: Visit) -> Item:
    given = visit.read(*TOKEN)
    id, token = auth.issue(visit.ctx, **given)
    return {"id": id, "token": token}


def revoke(visit: Visit) -> Item:
    auth.revoke(visit.ctx, visit.id)
    return {}


# ---------------------------------------------------------------------------------------------- the table


def of_app(read: Any) -> Act:
    """The act of a reading function that takes the app's name."""
    return lambda visit: read(visit.ctx, visit.app)


def named(read: Any) -> Act:
    """The same for one that takes the name of something of the app's as well."""
    return lambda visit: read(visit.ctx, visit.app, visit.name)


ADDRESSES = (
    Address("GET", "/api/status", "platform.read", status),
    Address("POST", "/api/signin", KNOWN, sign_in),
    Address("GET", "/api/apps", "app.read", lambda visit: reading.all_apps(visit.ctx), any_app),
    Address("GET", "/api/apps/{app}", "app.read", lambda visit: reading.one_app(visit.ctx, visit.app, visit.base)),
    Address("DELETE", "/api/apps/{app}", "app.destroy", acting.destroy),
    Address("GET", "/api/apps/{app}/ps", "app.read", of_app(reading.processes)),
    Address("GET", "/api/apps/{app}/releases", "app.read", of_app(reading.releases)),
    Address("GET", "/api/apps/{app}/deploys", "app.read", of_app(reading.deploys)),
    Address("GET", "/api/deploys/{id}", "app.read", lambda visit: reading.deploy(visit.ctx, visit.id), deploys_app),
    Address("GET", "/api/apps/{app}/logs", "app.read", logs),
    Address("GET", "/api/apps/{app}/config", "app.read", of_app(reading.config)),
    Address("POST", "/api/apps/{app}/config", "app.change", acting.config),
    Address("GET", "/api/apps/{app}/secrets", "app.read", of_app(reading.secret_names)),
    Address("POST", "/api/apps/{app}/secrets", "app.change", acting.secrets),
    Address("GET", "/api/apps/{app}/traffic", "app.read", of_app(watching.traffic_of)),
    Address("GET", "/api/apps/{app}/canary", "app.read", canary),
    Address("POST", "/api/apps/{app}/canary", "app.change", acting.canary),
    Address("POST", "/api/apps/{app}/promote", "app.change", acting.promote),
    Address("POST", "/api/apps/{app}/abort", "app.change", acting.abort),
    Address("POST", "/api/apps/{app}/rollback", "app.change", acting.rollback),
    Address("GET", "/api/apps/{app}/scale", "app.read", of_app(holding.scale)),
    Address("POST", "/api/apps/{app}/scale", "app.change", acting.scale),
    Address("POST", "/api/apps/{app}/run", "app.run", acting.run),
    Address("GET", "/api/apps/{app}/jobs", "app.read", of_app(holding.jobs)),
    Address("GET", "/api/apps/{app}/jobs/{name}", "app.read", named(holding.job)),
    Address("POST", "/api/apps/{app}/jobs/{name}/run", "app.run", acting.run_job),
    Address("GET", "/api/apps/{app}/previews", "app.read", of_app(reading.previews)),
    Address("DELETE", "/api/apps/{app}/previews/{name}", "app.change", acting.remove_preview),
    Address("GET", "/api/apps/{app}/resources", "app.read", of_app(holding.resources)),
    Address("POST", "/api/apps/{app}/resources", "app.change", acting.restore),
    Address("POST", "/api/apps/{app}/resources/{name}/rotate", "app.change", acting.rotate),
    Address("DELETE", "/api/apps/{app}/resources/{name}", "app.destroy", acting.remove_resource),
    Address("GET", "/api/trash", "app.read", lambda visit: holding.trash(visit.ctx), any_app),
    Address("POST", "/api/apps/{app}/branch", "app.change", acting.branch),
    Address("GET", "/api/ledger/events", "ledger.read", ledger_events, asked_app),
    Address("GET", "/api/ledger/verify", "ledger.read", verify),
    Address("GET", "/api/ledger/checkpoint", "ledger.read", checkpoint),
    Address("POST", "/api/ledger/rebuild", "ledger.rebuild", rebuild),
    Address("GET", "/api/tokens", "token.manage", lambda visit: reading.tokens(visit.ctx)),
    Address("POST", "/api/tokens", "token.manage", issue),
    Address("DELETE", "/api/tokens/{id}", "token.manage", revoke),
)
