"""The portal: pages over the same readings as the API. They work without JavaScript; a few lines of it make a
running deploy and the log move."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from wend import apps, auth, spec, week
from wend.bets import loop
from wend.context import Context
from wend.errors import NotFound, Refused, WendError
from wend.events import KINDS, Event
from wend.web import api, asked, beside, body, charts, forms, holding, reading, rehearsal, session
from wend.web.door import KNOWN, OPEN, Act, Address, Stranger, Visit, any_app, asked_app
from wend.web.numbers import NUMBERS
from wend.web.show import KINDS as FILES
from wend.web.show import Page, log_line
from wend.web.stream import Flow, Item, listened

LINES = 200  # of a log, before what comes
SCALINGS = 10  # changes of replica counts on an app's page
FOREVER = "public, max-age=31536000, immutable"


# ---------------------------------------------------------------------------------------------- signing in


def login(visit: Visit) -> Response | Page:
    """The form; or, with a one-time link, straight in."""
    code, back = visit.request.query_params.get("once"), session.local(visit.request.query_params.get("next"))
    if code:
        return signed_in(visit, visit.web.sessions.redeem(code), back)
    if visit.session:
        return RedirectResponse(back, 303)
    return login_page(back)


def login_page(back: str, error: WendError | None = None) -> Page:
    extra = {"back": back, "error": error.as_dict() if error else None}
    return Page("login.html", {"sign_in": "POST a token here, or follow a link from `wend open --portal`"}, extra,
                error.status if error else 200)  # fmt: skip


def try_login(visit: Visit) -> Response | Page:
    """The form, sent. A token that is not valid gets the form again."""
    given = body.form(visit.body)
    back = session.local(given.get("next"))
    try:
        actor = auth.who(visit.ctx, given.get("token", "").strip())
    except Refused as error:
        return login_page(back, Stranger(error.message, error.hint))
    return signed_in(visit, actor.token or "", back)


def signed_in(visit: Visit, token: str, back: str) -> Response:
    response = RedirectResponse(back, 303)
    sessions = visit.web.sessions
    session.set_cookie(visit.request, response, sessions.write(sessions.begin(token)))
    return response


def logout(visit: Visit) -> Response:
    if visit.session:
        visit.web.sessions.end(visit.session)
    response = RedirectResponse("/login", 303)
    session.set_cookie(visit.request, response, "")
    return response


# ---------------------------------------------------------------------------------------------- apps


def home(visit: Visit) -> Page:
    around: Item = {"base": visit.base, "edge": visit.ctx.config.url("hello"), "proxy": visit.ctx.router.alive()}
    leads = visit.session and auth.permits(visit.ctx.actor.scopes, "research.lead", None)
    around["week"] = week.checklist(visit.ctx) if leads else None
    may_say = visit.session and auth.permits(visit.ctx.actor.scopes, "voice.give", any_app(visit.ctx, visit.request))
    around["loop_card"] = loop.ask(visit.ctx, again=True) if may_say else None
    return Page("apps.html", reading.all_apps(visit.ctx), around | {"on_trial": beside.on_trial(visit.ctx)})


def app(visit: Visit) -> Page:
    """An app, its configuration beside it, how its last deploy went, and what the proxy saw of it."""
    ctx, name = visit.ctx, visit.app
    found, lately = reading.one_app(ctx, name, visit.base), charts.lately(ctx.meter.lately(charts.SECONDS), name)
    last = found["last"]
    found["config"] = reading.config(ctx, name)
    found["secrets"] = reading.secret_names(ctx, name)
    found["timeline"] = reading.deploy(ctx, last["id"])["steps"] if last else []
    found |= {"lately": charts.as_json(lately), "scalings": holding.scale(ctx, name)["history"][:SCALINGS]}
    found |= {"trials": beside.under_way(ctx, name), "taken_back": beside.undone(ctx, name, found["deploys"])}
    found["previews"] = beside.previews(ctx, name)["previews"]
    found["jobs"] = beside.jobs(ctx, name)["jobs"]
    found["resources"] = beside.stores(ctx, name)
    extra = {"tail": tail(visit, last), "may_change": may_change(visit), "sparks": charts.sparks(lately)}
    return Page("app.html", found, extra)


def tail(visit: Visit, last: Item | None) -> list[str]:
    """The last lines of a failed deploy's processes."""
    return list(last["tail"]) if last and last["state"] == "failed" else []


def may_change(visit: Visit) -> bool:
    return auth.permits(visit.ctx.actor.scopes, "app.change", visit.app)


def deploy(visit: Visit) -> Page:
    """A deploy, the judgement on its release while there is one, and the buttons for it."""
    found = reading.deploy(visit.ctx, visit.id)
    if found["app"] != visit.app:
        raise NotFound(f"{visit.app} has no deploy {visit.id!r}", "its page lists them")
    found["trials"] = beside.of_deploy(visit.ctx, found)
    extra = {"url": visit.ctx.config.url(visit.app), "may_change": may_change(visit)}
    extra |= {"offer": beside.offer(visit.ctx, found), "ask": asked.card(visit, found)}
    return Page("deploy.html", found, extra)


def rollback_page(visit: Visit) -> Page:
    """What rolling back would change, and the button that does it."""
    number, lines = visit.query.number("release", 0, 10**9), list[str]()
    rehearsal.rollback(visit.ctx, visit.app, number, lines.append)
    data = {"app": visit.app, "release": number, "would": [line.strip() for line in lines]}
    return Page("rollback.html", data)


# ---------------------------------------------------------------------------------------------- logs


def logs(visit: Visit) -> Page | Flow:
    """The last lines; the page's few lines of JavaScript fetch what comes. With ?follow=1 the page itself goes on."""
    query = visit.query
    process, follow = query.text("process"), query.flag("follow")
    query.done()
    processes = sorted({one["process"] for one in reading.processes(visit.ctx, visit.app)})
    found = [] if follow else [reading.line(one) for one in apps.logs(visit.ctx, visit.app, LINES, False, process)]
    data = {"app": visit.app, "process": process, "processes": processes, "lines": found}
    page = Page("logs.html", data, {"follow": follow, "shown": [Markup(log_line(one).decode()) for one in found]})
    return streamed(visit, page, process) if follow else page


def streamed(visit: Visit, page: Page, process: str | None) -> Flow:
    """The page up to its log, then lines for as long as somebody looks."""
    html = visit.web.renderer.text(visit.request, page, visit.crew())
    head, mark, foot = html.partition("<!-- lines -->")
    going = live_lines(visit, LINES, process)
    return Flow(going.work, at_once=True, media="text/html; charset=utf-8", encode=html_line,
                head=(head + mark).encode(), foot=foot.encode())  # fmt: skip


def html_line(item: Item) -> bytes:
    """A line, or the error that ended them."""
    if "error" in item:
        item = {"at": 0.0, "source": "wend", "text": f"{item['message']} ({item['hint']})"}
    return log_line(item)


def live_lines(visit: Visit, lines: int, process: str | None) -> Flow:
    reading.check_app(visit.ctx, visit.app)
    return listened(lambda: api.log_items(visit.ctx, visit.app, lines, process, follow=True))


def live(visit: Visit) -> Flow:
    """New lines as HTML, one element each, for the page's script."""
    query = visit.query
    process = query.text("process")
    query.done()
    going = live_lines(visit, 0, process)
    return Flow(going.work, at_once=True, media="text/html; charset=utf-8", encode=html_line)


# ---------------------------------------------------------------------------------------------- beside it


def previews(visit: Visit) -> Page:
    return Page("previews.html", beside.previews(visit.ctx, visit.app))


def jobs(visit: Visit) -> Page:
    return Page("jobs.html", beside.jobs(visit.ctx, visit.app), {"may_change": may_change(visit)})


def resources(visit: Visit) -> Page:
    return Page("resources.html", beside.resources(visit.ctx, visit.app), {"may_change": may_change(visit)})


def rotate_page(visit: Visit) -> Page:
    """What new credentials mean, and the button that makes them."""
    name = visit.query.text("name") or ""
    known = {one["name"] for one in beside.resources(visit.ctx, visit.app)["resources"] if one["type"] != "volume"}
    if name not in known:
        raise NotFound(f"{visit.app} has no credentials of {name[:60]!r}", "its page lists what there is")
    return Page("rotate.html", {"app": visit.app, "name": name})


# ---------------------------------------------------------------------------------------------- the rest


def numbers(visit: Visit) -> Page:
    """What each number on a page means."""
    return Page("numbers.html", [{"id": id, "name": name, "means": text} for id, (name, text) in NUMBERS.items()])


def markdown(text: str) -> Markup:
    """The guide as HTML; HTML in it stays text, and its headings come under the page's own."""
    from markdown_it import MarkdownIt  # late: only guides need it

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(text)
    for token in tokens:
        if token.type.startswith("heading"):
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
    return Markup(reader.renderer.render(tokens, reader.options, {}))


def ledger(visit: Visit) -> Page:
    """The newest events, newest first."""
    query = visit.query
    kind, name, limit = query.text("kind"), query.text("app"), query.number("limit", 100, api.EVENTS)
    query.done()
    found = reading.events(visit.ctx, 0, api.split_kinds(kind), spec.any_name(name) if name else None, limit, True)
    extra = {"kinds": list(KINDS), "kind": kind or "", "app": name or "", "limit": limit}
    return Page("ledger.html", found[::-1], extra)


def event(visit: Visit) -> Page:
    """One event, as it was written."""
    found = events_at(visit.ctx, visit.request)
    if not found:
        raise NotFound("there is no such event", "/ledger lists them")
    one = dict(vars(found[0]))
    raw = json.dumps(one, indent=2, ensure_ascii=False)
    return Page("event.html", one, {"raw": raw, "following": visit.ctx.ledger.head()[0] > one["seq"]})


def events_at(ctx: Context, request: Request) -> list[Event]:
    """The event whose number is in the path, if there is one."""
    seq = request.path_params["seq"]
    number = int(seq) if seq.isascii() and seq.isdigit() and len(seq) < 19 else 0
    return ctx.ledger.read(after=number - 1, limit=1) if 0 < number <= ctx.ledger.head()[0] else []


def event_app(ctx: Context, request: Request) -> str | None:
    """The app of the event in the path, when the sender may read that app's; else nothing is given away."""
    app = next((one.app for one in events_at(ctx, request)), None)
    return app if app and auth.permits(ctx.actor.scopes, "ledger.read", app) else None


def static(visit: Visit) -> Response:
    """One of our own files. There is no folder behind this, so there is nothing to climb out of."""
    name, files = visit.request.path_params["name"], visit.web.renderer.static.files
    if name not in files:
        raise NotFound(f"there is no file {name[:80]!r}", "the portal has only a few")
    headers = {"Cache-Control": FOREVER}
    return Response(files[name], media_type=FILES[PurePath(name).suffix], headers=headers)


# ---------------------------------------------------------------------------------------------- the table


def twin(path: str, verb: str, act: Act, json: str = "", **rest: Any) -> tuple[Address, Address]:
    """A page and its JSON twin, which comes first: `{app}` would take the `.json` for a part of the name."""
    return (
        Address("GET", json or f"{path}.json", verb, act, page=True, **rest),
        Address("GET", path, verb, act, page=True, **rest),
    )


ADDRESSES: tuple[Address, ...] = (
    Address("GET", "/static/{name}", OPEN, static, page=True),
    Address("GET", "/login", OPEN, login, page=True),
    Address("POST", "/login", OPEN, try_login, page=True),
    Address("POST", "/logout", KNOWN, logout, page=True),
    *twin("/", "app.read", home, json="/apps.json", target=any_app),
    Address("GET", "/apps", KNOWN, lambda visit: RedirectResponse("/", 303), page=True),
    *twin("/apps/{app}", "app.read", app),
    *twin("/apps/{app}/deploys/{id}", "app.read", deploy),
    *twin("/apps/{app}/rollback", "app.change", rollback_page),
    Address("POST", "/apps/{app}/rollback", "app.change", forms.roll_back, page=True),
    Address("POST", "/apps/{app}/canary", "app.change", forms.canary, page=True),
    Address("POST", "/apps/{app}/promote", "app.change", forms.promote, page=True),
    Address("POST", "/apps/{app}/abort", "app.change", forms.abort, page=True),
    *twin("/apps/{app}/previews", "app.read", previews),
    *twin("/apps/{app}/jobs", "app.read", jobs),
    Address("POST", "/apps/{app}/jobs", "app.change", forms.run_job, page=True),
    *twin("/apps/{app}/resources", "app.read", resources),
    *twin("/apps/{app}/rotate", "app.change", rotate_page),
    Address("POST", "/apps/{app}/rotate", "app.change", forms.rotate, page=True),
    Address("POST", "/apps/{app}/restore", "app.change", forms.restore, page=True),
    *twin("/apps/{app}/logs", "app.read", logs),
    Address("GET", "/apps/{app}/logs/live", "app.read", live, page=True),
    *twin("/numbers", "app.read", numbers, target=any_app),
    *twin("/ledger", "ledger.read", ledger, target=asked_app),
    *twin("/ledger/{seq}", "ledger.read", event, target=event_app),
)
