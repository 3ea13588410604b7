"""Escape hatches and the radar: as pages and for programs."""

from __future__ import annotations

from typing import Any

from starlette.responses import RedirectResponse, Response

from wend import hatches
from wend.web import body
from wend.web.body import Field
from wend.web.door import Address, Visit
from wend.web.pages import twin
from wend.web.show import Page

Item = dict[str, Any]


def listed(visit: Visit) -> list[Item]:
    visit.query.done()
    return hatches.listed(visit.ctx)


def radar(visit: Visit) -> list[Item]:
    visit.query.done()
    return hatches.radar(visit.ctx)


def explain(visit: Visit) -> Item:
    given = visit.read(Field("kind", "text"), Field("reason", "text"), Field("until", "text", None))
    return hatches.explain(visit.ctx, visit.app, given["kind"], given["reason"], given["until"])


def explain_form(visit: Visit) -> Response:
    given = body.form(visit.body)
    hatches.explain(visit.ctx, visit.app, given.get("kind", ""), given.get("reason", ""))
    return RedirectResponse("/hatches", 303)


def page(visit: Visit) -> Page:
    return Page("hatches.html", {"radar": radar(visit), "hatches": hatches.listed(visit.ctx)}, {"teams": hatches.TEAMS})


ADDRESSES: tuple[Address, ...] = (
    Address("GET", "/api/hatches", "platform.read", listed),
    Address("GET", "/api/radar", "platform.read", radar),
    Address("POST", "/api/apps/{app}/hatches", "app.push", explain),
    Address("POST", "/apps/{app}/hatches", "app.push", explain_form, page=True),
    *twin("/hatches", "platform.read", page),
)
