"""Evidence: something a person said or the platform saw, kept so that it can be erased, linked to a pain by a person.

Facts: evidence_recorded, evidence_linked, evidence_unlinked.
"""

from __future__ import annotations

import math
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.context import Context
from wend.errors import Conflict, Invalid, NotFound
from wend.events import Fact
from wend.ingest.parse import clean
from wend.ingest.people import pseudonyms
from wend.state.delivery import DAY
from wend.state.people import ALIASES, PEOPLE
from wend.state.research import INTERVIEWS
from wend.state.tables import APPS
from wend.state.voice import EVIDENCE, NOT_LINKED, PAINS
from wend.state.voice import atoms as atoms  # whoever counts, counts these
from wend.voice import nearest

SOURCES = ("interview", "feedback", "ticket", "survey", "friction", "telemetry", "hatch")
LONGEST = 10_000  # characters of one piece of evidence
STEERS = re.compile(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # what moves a terminal's cursor, or turns its lines
WEEK_OF_MINUTES = 7 * 24 * 60.0  # nobody loses more in the week an atom is of

Told = tuple[Fact, dict[str, bytes]]


# ---------------------------------------------------------------------------------------------- pure


def monday(day: int) -> int:
    """The first day of the week this UTC day since 1970 is in."""
    return day - (day + 3) % 7


def words(text: str | None) -> str | None:
    """What is kept of what was said; None for nothing. Raises Invalid when it is longer than anybody reads."""
    said = STEERS.sub("\ufffd", clean(text or "")).strip()
    if len(said) > LONGEST:
        raise Invalid(
            f"that is {len(said):,} characters long; {LONGEST:,} at most are kept", "say it in a few sentences"
        )
    return said or None


def lost(minutes: float | None) -> float | None:
    """Minutes as they can be counted. Raises Invalid for what is no time of one person in one week."""
    if minutes is None:
        return None
    if not math.isfinite(minutes) or not 0 <= minutes <= WEEK_OF_MINUTES:
        raise Invalid(f"{minutes!r} is no number of minutes lost", f"it goes from 0 to {WEEK_OF_MINUTES:,.0f}, a week")
    return float(minutes)


# ---------------------------------------------------------------------------------------------- acts


def record(
    ctx: Context,
    source: str,
    text: str | None,
    person: str | None,
    team: str | None,
    minutes: float | None = None,
    about: Mapping[str, Any] | None = None,
    at: int | None = None,
    id: str | None = None,
) -> str:
    """Keep a piece of evidence; its id. `person`: a pseudonym. Without a `team` it is the person's, or else that of
    the app which `about` names. `at`: Unix microseconds, now by default. A known `id` changes nothing. Raises Invalid
    for a source, a text or minutes that cannot be."""
    fact, texts = told(ctx, source, text, person, team, minutes, about, at, id)
    ctx.ledger.append([fact], texts=texts)
    return fact.data["evidence"]


def told(
    ctx: Context,
    source: str,
    text: str | None,
    person: str | None,
    team: str | None,
    minutes: float | None = None,
    about: Mapping[str, Any] | None = None,
    at: int | None = None,
    id: str | None = None,
) -> Told:
    """The fact that `record` appends and its side text, for who appends more with it."""
    if source not in SOURCES:
        raise Invalid(f"{source[:60]!r} is no source of evidence", f"there are: {', '.join(SOURCES)}")
    evidence, when, points = id or uuid.uuid4().hex, at or int(time.time() * 1e6), dict(about or {})
    said, app = words(text), points.get("app")
    with ctx.ledger.query() as db:
        person = known_as(db, person)
        teams = (team, team_of(db, person), app_team(db, app))
    hash, texts = None, dict[str, bytes]()
    if said:
        hash, body = pseudonyms(ctx.config.home).text(f"evidence {evidence}", said)
        texts[hash] = body
    data = {"evidence": evidence, "source": source, "text": hash, "person": person, "app": app, "about": points}
    data |= {"team": next((one for one in teams if one), None), "minutes": lost(minutes), "at": when}
    data |= {"own": ctx.config.platform_team in (*teams[:2], data["team"]), "week": monday(when // DAY)}
    # The actor is the source: a name beside a pseudonym would say whose it is.
    return Fact("evidence_recorded", f"evidence/{evidence}"[:400], data, actor=source, id=f"evidence:{evidence}"), texts


def link(ctx: Context, evidence: str, pain: int, proposed: Sequence[int] = ()) -> None:
    """Say that it is about this pain, and no more about the one it was linked to. `proposed`: the pains that were
    offered, in their order. Raises NotFound and Conflict."""
    with ctx.ledger.query() as db:
        row, state = found(db, evidence), state_of(db, pain)
        gone = withdrawn(db, evidence)
    if gone:
        raise Conflict(f"{evidence} is of an interview whose consent was withdrawn", "it is about no pain any more")
    if state != "open":
        raise Conflict(f"pain {pain} is {state}", f"`wend pains reopen {pain} --why …`, or link it to another")
    if row["pain"] != pain:
        say(ctx, "evidence_linked", evidence, {"pain": pain, "by": ctx.actor.name, "proposed": list(proposed)})


def unlink(ctx: Context, evidence: str, pain: int) -> None:
    """Say that it is not about this pain, whether it was linked or only proposed: it is never proposed again. Raises
    NotFound."""
    with ctx.ledger.query() as db:
        found(db, evidence)
        state_of(db, pain)
        here = (NOT_LINKED.c.evidence == evidence) & (NOT_LINKED.c.pain == pain)
        if db.execute(sa.select(NOT_LINKED.c.pain).where(here)).first():
            return
    say(ctx, "evidence_unlinked", evidence, {"pain": pain})


def propose(ctx: Context, text: str, most: int = 3) -> list[tuple[int, str, float]]:
    """The nearest open pains: number, title and similarity from 0 to 1, the nearest first."""
    with ctx.ledger.query() as db:
        return nearest.propose(db, text, most)


def say(ctx: Context, kind: str, evidence: str, data: Mapping[str, Any]) -> None:
    ctx.ledger.append([Fact(kind, f"evidence/{evidence}"[:400], {"evidence": evidence, **data}, actor=ctx.actor.name)])


# ---------------------------------------------------------------------------------------------- questions


def known_as(db: Connection, person: str | None) -> str | None:
    """The pseudonym that the person has among the people, if this is another address of theirs."""
    query = sa.select(ALIASES.c.person).where(ALIASES.c.alias == person)
    return (db.execute(query).scalar() or person) if person else None


def team_of(db: Connection, person: str | None) -> str | None:
    return db.execute(sa.select(PEOPLE.c.team).where(PEOPLE.c.person == person)).scalar() if person else None


def app_team(db: Connection, app: object) -> str | None:
    return db.execute(sa.select(APPS.c.team).where(APPS.c.name == app)).scalar() if isinstance(app, str) else None


def found(db: Connection, evidence: str) -> dict[str, Any]:
    row = db.execute(sa.select(EVIDENCE).where(EVIDENCE.c.id == evidence)).mappings().first()
    if row is None:
        raise NotFound(f"there is no evidence {evidence[:60]!r}", "`wend pains inbox` lists what is not linked yet")
    return dict(row)


def withdrawn(db: Connection, evidence: str) -> bool:
    """Whether it is of an interview whose consent was taken back: what they said must not count again."""
    _, interview, rest = [*evidence.split("/"), "", ""][:3]
    here = INTERVIEWS.c.withdrawn_at.is_not(None)
    if not (evidence.startswith("interview/") and rest and interview.isascii() and interview.isdigit()):
        return False
    return db.execute(sa.select(INTERVIEWS.c.id).where(here, INTERVIEWS.c.id == int(interview))).first() is not None


def state_of(db: Connection, pain: int) -> str:
    state = db.execute(sa.select(PAINS.c.state).where(PAINS.c.id == pain)).scalar()
    if state is None:
        raise NotFound(f"there is no pain {pain}", "`wend pains` lists them")
    return state
