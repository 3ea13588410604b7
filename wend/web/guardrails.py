"""Guardrails and waivers: what is checked, who may pass for a while, and who says so."""

from __future__ import annotations

import time
from typing import Any

from starlette.responses import RedirectResponse, Response

from wend.errors import NotFound
from wend.guardrails import gates, own, waivers
from wend.guardrails.decide import GATES, MODES
from wend.state import deprecations, questions
from wend.state import guardrails as table
from wend.web import body
from wend.web.body import Field
from wend.web.door import Address, Visit
from wend.web.pages import twin
from wend.web.show import Page

Item = dict[str, Any]
SEE, MANAGE, APPROVE = "platform.read", "guardrails.manage", "waivers.approve"


def number(visit: Visit) -> int:
    """The waiver in the path. Raises NotFound for what is no number."""
    if not (visit.id.isascii() and visit.id.isdigit() and len(visit.id) < 10):
        raise NotFound(f"there is no waiver {visit.id[:40]!r}", "`wend waivers` lists them")
    return int(visit.id)


# ---------------------------------------------------------------------------------------------- the API


def listed(visit: Visit) -> list[Item]:
    visit.query.done()
    return gates.listed(visit.ctx)


def set_mode(visit: Visit) -> Item:
    given = visit.read(Field("gate", "text"), Field("mode", "text"))
    gates.set_mode(visit.ctx, visit.name, given["gate"], given["mode"])
    return {"rule": visit.name, **given}


def backtest(visit: Visit) -> Item:
    visit.query.done()
    return gates.backtest(visit.ctx, visit.name)


def standing(visit: Visit) -> Item:
    """What the gate on a laptop needs to decide as the others do: modes, the app's waivers, its team, and the time."""
    visit.query.done()
    with visit.ctx.ledger.query() as db:
        known = questions.app(db, visit.app)
        modes = [[rule, gate, mode] for (rule, gate), mode in table.modes(db).items()]
        held = [vars(one) for one in waivers.of(db, visit.app)]
        now, written = waivers.now(db), table.own(db)
        going, had = deprecations.outgoing(db), gates.live_uses(db, visit.app)
    about = {"modes": modes, "waivers": held, "now": now, "team": known.team, "new": known.live is None}
    return about | {"own": [list(one) for one in written], "outgoing": [vars(one) for one in going], "had": had}


def write(visit: Visit) -> Item:
    return own.write(visit.ctx, str(visit.read(Field("text", "text"))["text"]))


def remove(visit: Visit) -> Item:
    own.remove(visit.ctx, visit.name)
    return {"rule": visit.name, "removed": True}


ADVISORIES = (Field("edition", "text"), Field("newest", "whole"), Field("rows", "rows"), Field("state", "text", "more"))


def advisories(visit: Visit) -> Item:
    """Some rows of a snapshot; with the last of them it holds."""
    given = visit.read(*ADVISORIES)
    last = given["state"] == "last"
    return gates.take_advisories(visit.ctx, given["edition"][:64], given["rows"], given["newest"], last)


def every(visit: Visit) -> list[Item]:
    visit.query.done()
    return waivers.listed(visit.ctx)


ASKED = (
    Field("rule", "text"), Field("reason", "text"), Field("days", "whole", waivers.USUAL), Field("print", "text", None),
    Field("owner", "text", None),
)  # fmt: skip


def ask(visit: Visit) -> Item:
    given = visit.read(*ASKED)
    about = (given["days"], given["print"], given["owner"])
    return waivers.ask(visit.ctx, given["rule"], visit.app, given["reason"], *about)


def break_glass(visit: Visit) -> Item:
    return waivers.break_glass(visit.ctx, visit.app, visit.read(Field("reason", "text"))["reason"])


def settle(visit: Visit) -> Item:
    """approve, deny, revoke or review."""
    return settled(visit, visit.name, str(visit.read(Field("why", "text", ""))["why"]))


def settled(visit: Visit, act: str, why: str) -> Item:
    if act == "approve":
        return waivers.approve(visit.ctx, number(visit))
    acts = {"deny": waivers.deny, "revoke": waivers.revoke, "review": waivers.review}
    if act not in acts:
        raise NotFound(f"nothing of a waiver is called {act[:40]!r}", "approve, deny, revoke or review")
    return acts[act](visit.ctx, number(visit), why)


# ---------------------------------------------------------------------------------------------- the page


def page(visit: Visit) -> Page:
    data = {"guardrails": listed(visit), "waivers": waivers.listed(visit.ctx)}
    extra = {"gates": GATES, "modes": MODES, "now": time.time_ns() // 1000}
    return Page("guardrails.html", data, extra)


def settle_form(visit: Visit) -> Response:
    settled(visit, visit.name, body.form(visit.body).get("why", ""))
    return RedirectResponse("/guardrails#h-waivers", 303)


ADDRESSES: tuple[Address, ...] = (
    Address("GET", "/api/guardrails", SEE, listed),
    Address("POST", "/api/guardrails", MANAGE, write),
    Address("POST", "/api/guardrails/advisories", MANAGE, advisories),
    Address("DELETE", "/api/guardrails/{name}", MANAGE, remove),
    Address("POST", "/api/guardrails/{name}/mode", MANAGE, set_mode),
    Address("GET", "/api/guardrails/{name}/backtest", SEE, backtest),
    Address("GET", "/api/apps/{app}/guardrails", "app.read", standing),
    Address("POST", "/api/apps/{app}/waivers", "app.push", ask),
    Address("POST", "/api/apps/{app}/break-glass", "app.push", break_glass),
    Address("GET", "/api/waivers", SEE, every),
    Address("POST", "/api/waivers/{id}/{name}", APPROVE, settle),
    *twin("/guardrails", SEE, page),
    Address("POST", "/waivers/{id}/{name}", APPROVE, settle_form, page=True),
)
