"""Interviews: who was drawn, who was heard and with what consent, and what was written down of it.

What people said is not here, only the names of texts kept beside the chain; the opportunities are evidence.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.catalogue import SERVICES
from wend.state.delivery import DAY
from wend.state.own import HATCHES
from wend.state.people import PEOPLE, STINTS
from wend.state.tables import APPS, flag, number, table, text

INTERVIEWS = table(
    "interviews",
    number("id", key=True),
    text("person"),
    number("week"),
    text("stratum"),
    sa.Column("probability", sa.Float, nullable=True),  # of being drawn that week; null: nobody drew them
    flag("reserve"),
    text("state"),  # invited, held or missed
    text("why", null=True),  # why it was missed
    number("asked_at"),
    text("consent", null=True),
    number("held_at", null=True),
    number("missed_at", null=True),
    number("written_at", null=True),
    number("withdrawn_at", null=True),
    text("said_json", null=True),  # the names of its texts
    number("seq"),
    sa.Index("interviews_week", "week", "id"),
    sa.Index("interviews_person", "person"),
    sa.Index("interviews_held", "held_at"),
)
AT_ONCE = 500
TEXTS = ("facts", "quote", "notes", "story", "insights")  # of a snapshot: the name of a text, or several


def interview_scheduled(db: Connection, event: Event) -> None:
    data = event.data
    row = {key: data[key] for key in ("person", "week", "stratum", "probability")} | {"id": data["interview"]}
    row |= {"reserve": int(data["reserve"]), "state": "invited", "asked_at": event.at, "seq": event.seq}
    row |= dict.fromkeys(("why", "consent", "held_at", "missed_at", "written_at", "withdrawn_at", "said_json"))
    db.execute(sa.insert(INTERVIEWS), row)


def interview_held(db: Connection, event: Event) -> None:
    change(db, event, state="held", consent=event.data["consent"], held_at=event.data["at"], why=None, missed_at=None)


def interview_missed(db: Connection, event: Event) -> None:
    change(db, event, state="missed", why=event.data["why"], missed_at=event.at)


def snapshot_written(db: Connection, event: Event) -> None:
    said = {key: event.data[key] for key in (*TEXTS, "opportunities")}
    change(db, event, written_at=event.at, said_json=json.dumps(said, sort_keys=True))


def consent_withdrawn(db: Connection, event: Event) -> None:
    change(db, event, withdrawn_at=event.at, consent="none", said_json=None)


def change(db: Connection, event: Event, **values: Any) -> None:
    db.execute(sa.update(INTERVIEWS).where(INTERVIEWS.c.id == event.data["interview"]).values(**values))


REDUCERS = (consent_withdrawn, interview_held, interview_missed, interview_scheduled, snapshot_written)


# ---------------------------------------------------------------------------------------------- questions


def of_week(db: Connection, week: int) -> list[dict[str, Any]]:
    """The rows of a week, those drawn first before the others."""
    query = sa.select(INTERVIEWS).where(INTERVIEWS.c.week == week).order_by(INTERVIEWS.c.id)
    return [dict(row) for row in db.execute(query).mappings()]


def over(db: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest that were held or missed."""
    query = sa.select(INTERVIEWS).where(INTERVIEWS.c.state != "invited").order_by(INTERVIEWS.c.id.desc()).limit(limit)
    return [dict(row) for row in db.execute(query).mappings()]


def unwritten(db: Connection) -> list[dict[str, Any]]:
    """Interviews that were held, and of which no snapshot is there."""
    here = (INTERVIEWS.c.state == "held") & INTERVIEWS.c.written_at.is_(None)
    return [dict(row) for row in db.execute(sa.select(INTERVIEWS).where(here).order_by(INTERVIEWS.c.id)).mappings()]


def interview(db: Connection, id: int) -> dict[str, Any] | None:
    row = db.execute(sa.select(INTERVIEWS).where(INTERVIEWS.c.id == id)).mappings().first()
    return dict(row) if row else None


def tip(db: Connection) -> tuple[int, int]:
    """(the highest number of an interview, the event that gave it out); zeros before the first."""
    row = db.execute(sa.select(sa.func.max(INTERVIEWS.c.id), sa.func.max(INTERVIEWS.c.seq))).one()
    return row[0] or 0, row[1] or 0


def last_heard(db: Connection) -> dict[str, int]:
    """Person → when they were last heard, Unix microseconds."""
    query = sa.select(INTERVIEWS.c.person, sa.func.max(INTERVIEWS.c.held_at)).where(INTERVIEWS.c.held_at.is_not(None))
    return {person: int(at) for person, at in db.execute(query.group_by(INTERVIEWS.c.person))}


def last_missed(db: Connection) -> dict[str, tuple[int, str]]:
    """Person → (when, why) of the last interview that was not to be."""
    query = sa.select(INTERVIEWS.c.person, INTERVIEWS.c.missed_at, INTERVIEWS.c.why)
    query = query.where(INTERVIEWS.c.missed_at.is_not(None)).order_by(INTERVIEWS.c.missed_at)
    return {row.person: (row.missed_at, row.why) for row in db.execute(query)}


def everybody(db: Connection) -> list[dict[str, Any]]:
    """person, team, role, name (the hash of a text), joined_at and left_at of the newest time here (null: not told)."""
    newest = sa.select(STINTS.c.person, sa.func.max(STINTS.c.joined_at).label("joined_at")).group_by(STINTS.c.person)
    last = newest.subquery()
    here = (STINTS.c.person == last.c.person) & (STINTS.c.joined_at == last.c.joined_at)
    joined = PEOPLE.outerjoin(last, last.c.person == PEOPLE.c.person).outerjoin(STINTS, here)
    columns = (PEOPLE.c.person, PEOPLE.c.team, PEOPLE.c.role, PEOPLE.c.name, STINTS.c.joined_at, STINTS.c.left_at)
    query = sa.select(*columns).select_from(joined).order_by(PEOPLE.c.person)
    return [dict(row) for row in db.execute(query).mappings()]


def names(db: Connection, persons: Sequence[str]) -> dict[str, str]:
    """Person → the hash of the text with their name, of those of whom one was told."""
    found: dict[str, str] = {}
    for start in range(0, len(persons), AT_ONCE):
        here = PEOPLE.c.person.in_(persons[start : start + AT_ONCE]) & PEOPLE.c.name.is_not(None)
        found |= {row.person: row.name for row in db.execute(sa.select(PEOPLE.c.person, PEOPLE.c.name).where(here))}
    return found


def off_the_path(db: Connection) -> set[str]:
    """Teams that left the path: a live release of theirs has a hatch, or a service of theirs went elsewhere."""
    live = (HATCHES.c.app == APPS.c.name) & (HATCHES.c.release == APPS.c.live)
    hatched = sa.select(APPS.c.team).join(HATCHES, live).where(APPS.c.team.is_not(None))
    left = sa.select(SERVICES.c.team).where(SERVICES.c.team.is_not(None), SERVICES.c.why.is_not(None))
    left = left.where(SERVICES.c.exempt == 0)
    return set(db.execute(sa.union(hatched, left)).scalars())


def held_between(db: Connection, first: int, last: int) -> list[dict[str, Any]]:
    """Interviews that took place on these UTC days, both included, the oldest first."""
    here = INTERVIEWS.c.held_at.between(first * DAY, (last + 1) * DAY - 1)
    return [dict(row) for row in db.execute(sa.select(INTERVIEWS).where(here).order_by("held_at")).mappings()]
