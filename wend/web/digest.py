"""Where the week's digest is seen, and sent from by hand."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from wend import digest
from wend.web.body import Field
from wend.web.door import Address, Visit
from wend.web.pages import twin
from wend.web.show import Page

Item = dict[str, Any]


def shown(visit: Visit) -> Item:
    """The digest with its text as Markdown and as HTML."""
    query = visit.query
    last = query.flag("last")
    query.done()
    found = digest.gather(visit.ctx, int(last))
    text = digest.markdown(found)
    return found | {"markdown": text, "html": digest.html(text)}


def page(visit: Visit) -> Page:
    found = shown(visit)
    return Page("digest.html", found, {"text": Markup(found["html"]), "last": visit.query.flag("last")})


def send(visit: Visit) -> Item:
    given = visit.read(Field("last", "whole", 0))
    return {"sent": digest.send(visit.ctx, int(bool(given["last"])))}


ADDRESSES: tuple[Address, ...] = (
    Address("GET", "/api/digest", "signals.read", shown),
    Address("POST", "/api/digest/send", "research.lead", send),
    *twin("/digest", "signals.read", page),
)
