"""Where evidence becomes pains: the inbox with what is nearest, groups, a pain's page, and what is done there."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import parse_qsl

from starlette.responses import RedirectResponse, Response

from wend import pains
from wend.errors import Invalid, NotFound
from wend.web import body
from wend.web.body import Field
from wend.web.door import Address, Visit
from wend.web.pages import twin
from wend.web.show import Page

LEAD, READ = "research.lead", "signals.read"
LISTED, SHOWN, MOST = 20, 10, 200  # pieces of evidence: by itself, on the page, and at most
Item = dict[str, Any]


def number(raw: object) -> int:
    """The number of a pain; 0, which is none, for what is no number."""
    text = str(raw)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


# ---------------------------------------------------------------------------------------------- the API


def inbox(visit: Visit) -> Item:
    query = visit.query
    limit, offset = query.number("limit", LISTED, MOST), query.number("offset", 0, 10**9)
    query.done()
    return pains.inbox(visit.ctx, limit, offset)


def propose(visit: Visit) -> Item:
    return pains.propose(visit.ctx, visit.read(Field("text", "text"))["text"])


def name(visit: Visit) -> Item:
    given = visit.read(Field("title", "text"), Field("evidence", "texts", []))
    return {"pain": pains.name(visit.ctx, given["title"], given["evidence"])}


def link(visit: Visit) -> Item:
    given = visit.read(Field("evidence", "text"))
    return {"evidence": pains.link(visit.ctx, given["evidence"], number(visit.id)), "pain": number(visit.id)}


def unlink(visit: Visit) -> Item:
    given = visit.read(Field("evidence", "text"))
    return {"evidence": pains.unlink(visit.ctx, given["evidence"], number(visit.id)), "pain": number(visit.id)}


def rename(visit: Visit) -> Item:
    pains.rename(visit.ctx, number(visit.id), visit.read(Field("title", "text"))["title"])
    return {"pain": number(visit.id)}


def close(visit: Visit) -> Item:
    pains.close(visit.ctx, number(visit.id), visit.read(Field("why", "text"))["why"])
    return {"pain": number(visit.id)}


def reopen(visit: Visit) -> Item:
    pains.reopen(visit.ctx, number(visit.id), visit.read(Field("why", "text"))["why"])
    return {"pain": number(visit.id)}


def merge(visit: Visit) -> Item:
    into = visit.read(Field("into", "whole"))["into"]
    pains.merge(visit.ctx, number(visit.id), into)
    return {"pain": number(visit.id), "into": into}


def split(visit: Visit) -> Item:
    """`parts`: a title and its evidence each."""
    parts: dict[str, list[str]] = {}
    for row in visit.read(Field("parts", "rows"))["parts"]:
        given = body.pick(row, Field("title", "text")), body.pick(row, Field("evidence", "texts"))
        parts[given[0]] = cast(list[str], given[1])
    return {"pain": number(visit.id), "into": pains.split(visit.ctx, number(visit.id), parts)}


# ---------------------------------------------------------------------------------------------- pages


def page(visit: Visit) -> Page:
    """The pains, the inbox with what is nearest, and groups of what no pain claims."""
    found = pains.listed(visit.ctx)
    found |= {"waiting": pains.inbox(visit.ctx, SHOWN), "groups": pains.groups(visit.ctx)}
    return Page("pains.html", found, {"longest": pains.LONGEST})


def one(visit: Visit) -> Page:
    with visit.ctx.ledger.query() as db:
        others = [(id, title) for id, title in pains.nearest.known(db).pains.items() if id != number(visit.id)]
    return Page("pain.html", pains.show(visit.ctx, number(visit.id)), {"others": others, "longest": pains.LONGEST})


def fields(visit: Visit) -> tuple[dict[str, str], list[str]]:
    """The form, and every piece of evidence that is ticked in it: a name that is there several times."""
    pairs = parse_qsl(visit.body.decode("ascii", "replace"), max_num_fields=500)
    return dict(pairs), [value for key, value in pairs if key == "evidence"]


def numbers(raw: str) -> list[int]:
    return [found for word in raw.split(",") if (found := number(word))]


def name_form(visit: Visit) -> Response:
    form, chosen = fields(visit)
    if "dismiss" in form:
        pains.dismiss(visit.ctx, form["dismiss"].split())
        return RedirectResponse("/pains", 303)
    pain = pains.name(visit.ctx, form.get("title", ""), chosen, numbers(form.get("proposed", "")))
    return RedirectResponse(f"/pains/{pain}" if not form.get("stay") else "/pains#inbox", 303)


def link_form(visit: Visit) -> Response:
    """One click: it is about this one. With `not`, it is not."""
    form, chosen = fields(visit)
    for id in chosen:
        if "not" in form:
            pains.unlink(visit.ctx, id, number(form["not"]))
        else:
            pains.link(visit.ctx, id, number(form.get("pain", "")), numbers(form.get("proposed", "")))
    return RedirectResponse("/pains#inbox", 303)


def dismiss(visit: Visit) -> Item:
    pains.dismiss(visit.ctx, visit.read(Field("evidence", "texts"))["evidence"])
    return {}


def act_form(visit: Visit) -> Response:
    """What the page of one pain sends."""
    pain, act = number(visit.id), visit.name
    form, chosen = fields(visit)
    why, title = form.get("why", ""), form.get("title", "")
    if act == "rename":
        pains.rename(visit.ctx, pain, title)
    elif act == "close":
        pains.close(visit.ctx, pain, why)
    elif act == "reopen":
        pains.reopen(visit.ctx, pain, why)
    elif act == "merge":
        pains.merge(visit.ctx, pain, number(form.get("into", "")))
        return RedirectResponse(f"/pains/{number(form.get('into', ''))}", 303)
    elif act == "split":
        pains.split(visit.ctx, pain, {title: chosen})
    elif act == "unlink":
        if not chosen:
            raise Invalid("no evidence was ticked", "go back and tick what is not about this pain")
        for id in chosen:
            pains.unlink(visit.ctx, id, pain)
    else:
        raise NotFound(f"nothing of a pain is called {act[:40]!r}", "its page has the buttons")
    return RedirectResponse(f"/pains/{pain}", 303)


ADDRESSES: tuple[Address, ...] = (
    Address("GET", "/api/pains", READ, lambda visit: pains.listed(visit.ctx)),
    Address("POST", "/api/pains", LEAD, name),
    Address("GET", "/api/pains/inbox", READ, inbox),
    Address("GET", "/api/pains/groups", READ, lambda visit: pains.groups(visit.ctx)),
    Address("POST", "/api/pains/groups/dismiss", LEAD, dismiss),
    Address("POST", "/api/pains/propose", READ, propose),
    Address("GET", "/api/pains/{id}", READ, lambda visit: pains.show(visit.ctx, number(visit.id))),
    Address("POST", "/api/pains/{id}/link", LEAD, link),
    Address("POST", "/api/pains/{id}/unlink", LEAD, unlink),
    Address("POST", "/api/pains/{id}/rename", LEAD, rename),
    Address("POST", "/api/pains/{id}/close", LEAD, close),
    Address("POST", "/api/pains/{id}/reopen", LEAD, reopen),
    Address("POST", "/api/pains/{id}/merge", LEAD, merge),
    Address("POST", "/api/pains/{id}/split", LEAD, split),
    *twin("/pains", READ, page),
    Address("POST", "/pains", LEAD, name_form, page=True),
    Address("POST", "/pains/link", LEAD, link_form, page=True),
    *twin("/pains/{id}", READ, one),
    Address("POST", "/pains/{id}/{name}", LEAD, act_form, page=True),
)
