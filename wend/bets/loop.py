"""Closing the loop: when a bet is judged, everybody whose evidence counted is asked once whether it fixed their pain.

Their answers close the pain, or open it again. Facts: loop_asked, loop_answered, pain_closed, pain_reopened.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import feedback, privacy
from wend.bets.ending import found
from wend.bets.opening import sentence
from wend.context import Context
from wend.errors import Conflict, Refused
from wend.events import Fact
from wend.ingest.people import pseudonyms
from wend.state import bets as table
from wend.state.bets import LOOP
from wend.state.delivery import DAY, INCIDENTS
from wend.state.people import ALIASES
from wend.state.surveys import INVITES
from wend.state.voice import EVIDENCE, PAINS
from wend.surveys.gate import EVERY, SNOOZE

QUESTION = "Did this fix what you told us?"
ASKED = 90  # days after its verdict that a bet is still asked about
ENOUGH = 3  # answers that a pain is closed or opened on; all of them, where fewer people told of it
DOUBT = 1 / 3  # the share of "no" from which a pain is not fixed
Item = dict[str, Any]


# ---------------------------------------------------------------------------------------------- pure


@dataclass(frozen=True)
class Tally:
    """What was answered, of so many `people` whose evidence counted."""

    yes: int
    no: int
    people: int

    @property
    def n(self) -> int:
        return self.yes + self.no


def decide(tally: Tally, state: str) -> str | None:
    """What the answers make of a pain in this state: "closed", "open", or None for no change."""
    if not tally.n or tally.n < min(ENOUGH, tally.people):
        return None
    becomes = "open" if tally.no >= DOUBT * tally.n else "closed"
    return becomes if becomes != state and state in ("open", "closed") else None


def shown(tally: Tally) -> Item:
    """As the platform's team sees it: few answers would tell who gave which."""
    few = tally.n < privacy.K
    return {"people": privacy.band(tally.people), "answers": privacy.band(tally.n), "fixed": None if few else tally.yes}


# ---------------------------------------------------------------------------------------------- asked of the tables


def counted(db: Connection, pain: int, until: int) -> set[str]:
    """The people whose evidence for the pain counted until then."""
    person = sa.func.coalesce(ALIASES.c.person, EVIDENCE.c.person)
    rows = sa.select(person).select_from(EVIDENCE.outerjoin(ALIASES, ALIASES.c.alias == EVIDENCE.c.person))
    here = (EVIDENCE.c.pain == pain) & (EVIDENCE.c.own == 0) & EVIDENCE.c.person.is_not(None)
    return {str(one) for one in db.execute(rows.where(here, EVIDENCE.c.at <= until)).scalars()}


def peace(db: Connection, person: str, now: int) -> bool:
    """Whether the person is not to be asked anything now: asked something lately, tired of it, or in an incident."""
    lately = sa.select(LOOP.c.bet).where(LOOP.c.person == person, LOOP.c.asked_at > now - EVERY * DAY)
    mine = INVITES.c.person == person
    seen = sa.select(INVITES.c.id).where(mine, INVITES.c.shown_at > now - EVERY * DAY)
    tired = sa.select(INVITES.c.id).where(mine, INVITES.c.dismissed_at > now - SNOOZE * DAY)
    burning = sa.select(INCIDENTS.c.id).where(INCIDENTS.c.retracted == 0, INCIDENTS.c.resolved_at.is_(None))
    burning = burning.where(INCIDENTS.c.opened_at > now - DAY)
    return any(db.execute(query.limit(1)).first() for query in (lately, seen, tired, burning))


def due(db: Connection, person: str, now: int) -> Item | None:
    """The bet to ask this person about next, if there is one."""
    done = set(db.execute(sa.select(LOOP.c.bet).where(LOOP.c.person == person)).scalars())
    for bet in reversed(table.bets(db, "judged")):
        fresh = bet["judged_at"] > now - ASKED * DAY
        if bet["pain"] and fresh and bet["id"] not in done and person in counted(db, bet["pain"], bet["judged_at"]):
            return bet
    return None


def waiting(db: Connection, person: str, now: int) -> Item | None:
    """The bet that this person was asked about and may still answer."""
    here = (LOOP.c.person == person) & LOOP.c.fixed.is_(None) & (LOOP.c.asked_at > now - EVERY * DAY)
    id = db.execute(sa.select(LOOP.c.bet).where(here).order_by(LOOP.c.asked_at.desc()).limit(1)).scalar()
    return None if id is None else table.bet(db, id)


def tally(db: Connection, bet: Item) -> Tally:
    fixed = list(db.execute(sa.select(LOOP.c.fixed).where(LOOP.c.bet == bet["id"])).scalars())
    people = len(counted(db, bet["pain"], bet["judged_at"])) if bet["pain"] and bet["judged_at"] else 0
    return Tally(fixed.count("yes"), fixed.count("no"), people)


# ---------------------------------------------------------------------------------------------- acts


def card(bet: Item) -> Item:
    """What a person is shown: what was bet on, what came of it, and the question."""
    return {"bet": bet["id"], "sentence": sentence(bet), "says": bet["verdict"]["says"], "question": QUESTION}


def ask(ctx: Context, again: bool = False, now: int | None = None) -> Item | None:
    """The one question for whoever acts, if there is one now; it is written down that it was shown. `again`: also one
    that was shown and not answered. Agents, machines and the platform's own team are asked nothing."""
    at = now or int(time.time() * 1e6)
    if ctx.actor.kind != "human":
        return None
    who = feedback.speaker(ctx)
    with ctx.ledger.query() as db:
        old = waiting(db, who.id, at) if again else None
        bet = None if old or who.own or peace(db, who.id, at) else due(db, who.id, at)
    if bet is None:
        return card(old) if old else None
    asked(ctx, bet["id"], who.id)
    return card(bet)


def asked(ctx: Context, bet: int, person: str) -> None:
    """Once; the actor is the platform, for a name beside a pseudonym would say whose it is."""
    data = {"bet": bet, "person": person}
    ctx.ledger.append([Fact("loop_asked", f"bet/{bet}", data, id=f"loop:{bet}:{person}")])


def answer(ctx: Context, id: int, fixed: bool, now: int | None = None) -> Item:
    """Keep what the person says, and close the pain or open it again when that is enough. Who answers again has the
    last word. Raises NotFound, Conflict for a bet that is not judged, and Refused for who told nothing of its pain."""
    at, who = now or int(time.time() * 1e6), feedback.speaker(ctx)
    with ctx.ledger.query() as db:
        bet = found(db, id)
        people = counted(db, bet["pain"], bet["judged_at"] or at) if bet["pain"] else set[str]()
    if bet["state"] != "judged":
        raise Conflict(f"bet {id} is not over yet", f"`wend bet show {id}` says when it is")
    if who.id not in people:
        raise Refused(f"bet {id} was for what others told", 'tell us what is in your way: `wend feedback "…"`')
    asked(ctx, id, who.id)
    told = f"loop {id} {who.id} {uuid.uuid4().hex}"
    hash, body = pseudonyms(ctx.config.home).text(told, "yes" if fixed else "no")
    data = {"bet": id, "person": who.id, "answer": hash}
    ctx.ledger.append([Fact("loop_answered", f"bet/{id}", data)], texts={hash: body})
    conclude(ctx, bet)
    return {"bet": id, "fixed": fixed}


def conclude(ctx: Context, bet: Item) -> None:
    """Close the pain or open it again, when the answers say so."""
    with ctx.ledger.query() as db:
        state = db.execute(sa.select(PAINS.c.state).where(PAINS.c.id == bet["pain"])).scalar()
        becomes = decide(tally(db, bet), state or "")
    if becomes:
        kind, word = ("pain_closed", "say") if becomes == "closed" else ("pain_reopened", "do not say")
        why = f"bet {bet['id']}: those who told of it {word} that it is fixed"
        ctx.ledger.append([Fact(kind, f"pain/{bet['pain']}", {"pain": bet["pain"], "why": why})])
