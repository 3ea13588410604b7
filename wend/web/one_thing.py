"""Where the one thing is seen: the page, and the same for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import RedirectResponse, Response

from wend import one_thing, units
from wend.errors import NotFound
from wend.web.door import Address, Visit
from wend.web.pages import twin
from wend.web.show import Page

FARTHEST = 2.5  # times the highest mean that an interval may reach before it is cut at the edge
QUOTES = 20  # pieces of evidence on the page; its address has all of them
SOURCES = {
    "telemetry": "measured", "interview": "interviews", "survey": "surveys", "ticket": "tickets",
    "feedback": "feedback", "friction": "friction logs", "hatch": "escape hatches",
    "assumed": "assumed: nothing is known", "known to be hit": "known to be hit, at the least",
}  # fmt: skip
Item = dict[str, Any]


def scale(rows: Sequence[Item]) -> float:
    """Hours at the right edge: a round number above what matters."""
    means = max((row["hours"]["mean"] for row in rows), default=0.0)
    return min(max((row["hours"]["high"] for row in rows), default=0.0), FARTHEST * means) or 1.0


def mark(row: Item, top: float) -> Item:
    """Where the interval and its mean are drawn, in percent."""
    low, mean, high = (min(100.0, 100 * row["hours"][end] / top) for end in ("low", "mean", "high"))
    return {"x": round(low, 2), "width": round(max(0.4, high - low), 2), "at": round(mean, 2),
            "cut": row["hours"]["high"] > top}  # fmt: skip


def said(one: Item | None) -> str:
    """Where a quantity comes from, in words."""
    source = str(one["source"]) if one else ""
    return SOURCES.get(source, source)


# ---------------------------------------------------------------------------------------------- acts


def shown(visit: Visit) -> Item:
    visit.query.done()
    return one_thing.show(visit.ctx)


def evidence(visit: Visit) -> list[Item]:
    query = visit.query
    limit = query.number("limit", one_thing.ROWS, 1000)
    query.done()
    if not (visit.id.isascii() and visit.id.isdigit()) or len(visit.id) > 9:
        raise NotFound(f"there is no pain {visit.id[:40]!r}", "`wend one-thing --json` lists them")
    return one_thing.behind(visit.ctx, int(visit.id), limit)


def invite(visit: Visit) -> Item:
    visit.read()
    return {"interviews": one_thing.invite(visit.ctx)}


def invite_form(visit: Visit) -> Response:
    one_thing.invite(visit.ctx)
    return RedirectResponse("/one-thing", 303)


def page(visit: Visit) -> Page:
    """The one thing in large words and what it rests on; or whom to talk to next; the others as intervals."""
    found = shown(visit)
    rows = [row for row in found["rows"] if row["hours"]]
    top = scale(rows)
    first = rows[0] if rows else None
    quotes = one_thing.behind(visit.ctx, first["pain"], QUOTES) if first and found["lead"] else []
    extra: Item = {"first": first, "top": top, "marks": {row["pain"]: mark(row, top) for row in rows}}
    extra |= {"quotes": quotes, "source": said, "digits": units.digits, "counted": bool(rows)}
    return Page("one_thing.html", found, extra)


ADDRESSES: tuple[Address, ...] = (
    Address("GET", "/api/one-thing", "signals.read", shown),
    Address("GET", "/api/one-thing/{id}/evidence", one_thing.LEAD, evidence),
    Address("POST", "/api/one-thing/invite", one_thing.LEAD, invite),
    *twin("/one-thing", "signals.read", page),
    Address("POST", "/one-thing/invite", one_thing.LEAD, invite_form, page=True),
)
