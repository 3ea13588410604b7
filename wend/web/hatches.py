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
from wend.web.stream import Flow, told

Item = dict[str, Any]


def listed(visit: Visit) -> Item:
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


def agree(visit: Visit) -> Item:
    return hatches.agree(visit.ctx, visit.app, visit.read(Field("agrees", "text"))["agrees"] == "yes")


ELSEWHERE = (Field("service", "text"), Field("team", "text"), Field("where", "text"), Field("reason", "text"))


def elsewhere(visit: Visit) -> Item:
    given = visit.read(*ELSEWHERE, Field("until", "text", None))
    about = (given["service"], given["team"], given["where"], given["reason"], given["until"])
    return hatches.elsewhere(visit.ctx, *about)


def back(visit: Visit) -> Item:
    hatches.back(visit.ctx, visit.name)
    return {"service": visit.name, "back": True}


def replaced(visit: Visit) -> Flow:
    """Propose the removal of a kind to everybody who declares one."""
    given = visit.read(Field("kind", "text"), Field("by", "text"))
    return told(lambda say, gone: {"apps": hatches.replaced(visit.ctx, given["kind"], given["by"], say)})


def page(visit: Visit) -> Page:
    return Page("hatches.html", {"radar": radar(visit), **hatches.listed(visit.ctx)}, {"teams": hatches.TEAMS})


ADDRESSES: tuple[Address, ...] = (
    Address("GET", "/api/hatches", "platform.read", listed),
    Address("GET", "/api/radar", "platform.read", radar),
    Address("POST", "/api/hatches/replaced", "paths.manage", replaced),
    Address("POST", "/api/hatches/elsewhere", "voice.give", elsewhere),
    Address("DELETE", "/api/hatches/elsewhere/{name}", "voice.give", back),
    Address("POST", "/api/apps/{app}/hatches", "app.push", explain),
    Address("POST", "/api/apps/{app}/hatches/agree", "app.push", agree),
    Address("POST", "/apps/{app}/hatches", "app.push", explain_form, page=True),
    *twin("/hatches", "platform.read", page),
)
