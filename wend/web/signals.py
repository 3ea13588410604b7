"""Where signals are seen: pages, API, and where a person says what caused an incident."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import RedirectResponse, Response

from wend import access, auth, privacy
from wend.ingest import sources, take
from wend.signals import Signal, attribution, quick_check
from wend.signals.definitions import DEFINITIONS
from wend.web import bands, body, measured, session
from wend.web.body import Field
from wend.web.door import KNOWN, Address, Visit
from wend.web.measured import USUAL, WEEKS
from wend.web.pages import twin
from wend.web.show import Page
from wend.web.wording import FAMILIES

ROWS = 100  # of evidence on a page
MOST = 1000
Item = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What of the signals is asked for."""

    scope: str
    weeks: int


def asked(visit: Visit) -> Asked:
    """From the address; everything, over a quarter, unless it says otherwise. Raises Invalid."""
    query = visit.query
    found = Asked(query.text("scope") or "all", query.number("weeks", USUAL, 260))
    query.done()
    return found


# ---------------------------------------------------------------------------------------------- the API


def listed(visit: Visit) -> list[Item]:
    it = asked(visit)
    return [measured.as_json(one) for one in measured.every(visit.ctx, it.scope, it.weeks)]


def shown(visit: Visit) -> Item:
    it = asked(visit)
    return measured.one(visit.ctx, visit.id, it.scope, it.weeks)[1]


def evidence(visit: Visit) -> list[Item]:
    query = visit.query
    scope, weeks = query.text("scope") or "all", query.number("weeks", USUAL, 260)
    limit, offset = query.number("limit", ROWS, MOST), query.number("offset", 0, 10**9)
    query.done()
    return measured.behind(visit.ctx, visit.id, scope, weeks, limit, offset)


def attribute(visit: Visit) -> Item:
    given = visit.read(Field("deployment", "text", None), Field("why", "text"))
    attribution.attribute(visit.ctx, visit.id, given["deployment"], given["why"])
    return {"incident": visit.id, "deployment": given["deployment"]}


def attribute_form(visit: Visit) -> Response:
    """The two buttons beside what is only assumed."""
    given = body.form(visit.body)
    deployment = given.get("deployment") or None
    words = "confirmed in the portal" if deployment else "said in the portal that no deployment caused it"
    attribution.attribute(visit.ctx, given.get("incident", ""), deployment, words)
    return RedirectResponse(f"{session.local(given.get('back'))}#h-evidence", 303)


def looks(visit: Visit) -> list[Item]:
    query = visit.query
    limit = query.number("limit", ROWS, MOST)
    query.done()
    return access.log(visit.ctx, limit)


# ---------------------------------------------------------------------------------------------- pages


def around(visit: Visit, it: Asked) -> Item:
    """What both pages have beside the signals: what can be chosen."""
    with visit.ctx.ledger.query() as db:
        known = measured.scopes(db)
    weeks = sorted({*WEEKS, it.weeks})
    return {"scopes": known, "offered": weeks, "families": FAMILIES, "survey": quick_check.SAYS}


def page(visit: Visit) -> Page:
    """Every signal of a scope, by family."""
    it = asked(visit)
    found = measured.every(visit.ctx, it.scope, it.weeks)
    data: Item = {"scope": it.scope, "weeks": it.weeks, "overall": measured.overall(found)}
    data["signals"] = [measured.as_json(one) for one in found]
    fresh = max((one.fresh for one in found if one.fresh), default=None)
    extra = {"plots": plots(found), "fresh": fresh, "empty": not any(one.value.n for one in found)}
    return Page("signals.html", data, around(visit, it) | extra)


def plots(found: list[Signal]) -> dict[str, bands.Plot]:
    drawn = {one.definition.id: bands.draw(one) for one in found}
    return {id: plot for id, plot in drawn.items() if plot}


def detail(visit: Visit) -> Page:
    """One signal: what it means, its weeks, its parts, and the rows behind it, each with its event."""
    it = asked(visit)
    signal, found = measured.one(visit.ctx, visit.id, it.scope, it.weeks)
    about_people = signal.definition.id in privacy.ABOUT_PEOPLE
    rows = [] if about_people else measured.behind(visit.ctx, visit.id, it.scope, it.weeks, ROWS, 0)
    data = {**found, "weeks": it.weeks, "evidence": rows}
    columns = [name for name in (rows[0] if rows else {}) if name != "seq" and any(row[name] for row in rows)]
    extra = {
        "plot": bands.draw(signal, bands.BIG),
        "points": [vars(one) | {"says": ""} for one in bands.by_week(signal)],
        "columns": columns,
    }
    return Page("signal.html", data, around(visit, it) | extra | {"about_people": about_people, "most": ROWS})


def access_page(visit: Visit) -> Page:
    titles = {id: about.title for id, about in DEFINITIONS.items()}
    return Page("access.html", looks(visit), {"titles": titles})


def ingest_page(visit: Visit) -> Page:
    """Every source and when it last said something; what was kept aside, for whoever may see that."""
    may_manage = auth.permits(visit.ctx.actor.scopes, "ingest.manage", None)
    data = {"sources": sources.listed(visit.ctx), "aside": take.asides(visit.ctx, None, ROWS) if may_manage else None}
    return Page("ingest.html", data, {"base": visit.base, "may_manage": may_manage})


ADDRESSES: tuple[Address, ...] = (
    Address("GET", "/api/signals", "signals.read", listed),
    Address("GET", "/api/signals/access", KNOWN, looks),
    Address("GET", "/api/signals/{id}", "signals.read", shown),
    Address("GET", "/api/signals/{id}/evidence", "signals.read", evidence),
    Address("POST", "/api/incidents/{id:path}/attribution", "signals.confirm", attribute),
    Address("POST", "/signals/attribution", "signals.confirm", attribute_form, page=True),
    *twin("/signals", "signals.read", page),
    *twin("/signals/access", KNOWN, access_page),
    *twin("/signals/{id}", "signals.read", detail),
    *twin("/ingest", "signals.read", ingest_page),
)
