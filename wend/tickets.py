"""Tickets by hand, for who has no ticket system that tells of them.

Facts: ticket_recorded, and evidence_recorded by way of `wend/voice`.
"""

from __future__ import annotations

import secrets
import time
from typing import Any

import sqlalchemy as sa

from wend import auth, feedback, spec
from wend.context import Context
from wend.errors import Conflict, Invalid, NotFound
from wend.events import Fact
from wend.ingest.parse import short
from wend.ingest.people import pseudonyms
from wend.state.people import TICKETS
from wend.voice import evidence

SOURCE = "hand"


def told(ticket: str, state: str, **more: Any) -> Fact:
    """A state of a ticket, as every source tells it. The actor is the source: who asks for help is not told here."""
    blank = dict.fromkeys(("opened_at", "resolved_at", "reason", "team", "title"))
    data = {"source": SOURCE, "ticket": ticket, "state": state, "at": int(time.time() * 1e6), **blank}
    return Fact("ticket_recorded", f"ticket/{ticket}", data | {"platform": True, "automatic": False} | more, SOURCE)


def begin(ctx: Context, title: str, reason: str | None = None, app: str | None = None) -> dict[str, Any]:
    """Ask the platform's team for help: the `ticket`. It is evidence, too. Raises Invalid and Refused."""
    who = feedback.speaker(ctx)
    words = evidence.words(title)
    if words is None:
        raise Invalid("the ticket says nothing", 'wend ticket open "what does not work"')
    feedback.check_pace(ctx, who)
    ticket = f"{SOURCE}:{secrets.token_hex(4)}"
    points = {"ticket": ticket} | ({"app": spec.any_name(app)} if app else {})
    fact, texts = evidence.told(ctx, "ticket", words, who.id, who.team, None, points, None, f"ticket:{ticket}")
    hash, body = pseudonyms(ctx.config.home).text(ticket, words)
    opened = told(ticket, "open", title=hash, reason=short(reason), team=who.team)
    ctx.ledger.append([opened, fact], texts={hash: body, **texts})
    return {"ticket": ticket, "next": feedback.NEXT}


def end(ctx: Context, ticket: str) -> dict[str, Any]:
    """Say that a ticket by hand is done with: for the platform's team. Raises NotFound, Conflict, Refused."""
    auth.authorize(ctx, "research.lead")
    with ctx.ledger.query() as db:
        row = db.execute(sa.select(TICKETS).where(TICKETS.c.id == ticket)).mappings().first()
    if row is None or not ticket.startswith(f"{SOURCE}:"):
        raise NotFound(f"there is no ticket {ticket[:60]!r} by hand", "`wend ticket` lists them")
    if row["resolved_at"] is not None:
        raise Conflict(f"{ticket} is closed already", "`wend ticket open` opens another")
    ctx.ledger.append([told(ticket, "resolved", team=row["team"])])
    return {"ticket": ticket}


def listed(ctx: Context) -> list[dict[str, Any]]:
    """Those by hand, the newest first: ticket, opened_at, resolved_at, reason. Nobody's name."""
    columns = (TICKETS.c.id.label("ticket"), TICKETS.c.opened_at, TICKETS.c.resolved_at, TICKETS.c.reason)
    query = sa.select(*columns).where(TICKETS.c.id.like(f"{SOURCE}:%")).order_by(TICKETS.c.opened_at.desc()).limit(100)
    with ctx.ledger.query() as db:
        return [dict(row) for row in db.execute(query).mappings()]
