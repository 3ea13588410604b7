"""Who was asked what, and the friction logs. What was answered is in ANSWERS, and nothing here ties the two."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.tables import flag, number, table, text

INVITES = table(
    "invites",
    text("id", key=True),
    text("question"),
    text("topic"),
    text("wording"),
    text("wave"),
    text("person"),
    text("team", null=True),
    sa.Column("probability", sa.Float, nullable=False),
    text("trigger"),
    text("path", null=True),
    text("held", null=True),  # why it was not shown
    number("at"),
    number("until"),
    number("shown_at", null=True),
    text("channel", null=True),
    number("dismissed_at", null=True),
    number("seq"),  # of the newest event about it
    sa.Index("invites_person", "person", "at"),
    sa.Index("invites_question", "question", "wave"),
)
FRICTION = table(
    "friction",
    text("id", key=True),
    text("person"),
    text("team", null=True),
    flag("own"),
    text("date"),
    text("colours_json"),
    text("log", null=True),
    number("at"),
    number("seq"),
    sa.Index("friction_log", "log"),
)
SAID = ("question", "topic", "wording", "wave", "person", "team", "probability", "trigger", "held", "until", "path")


def survey_invited(db: Connection, event: Event) -> None:
    row: dict[str, Any] = {key: event.data.get(key) for key in SAID}
    row |= {"id": event.data["invite"], "at": event.at, "seq": event.seq}
    db.execute(sa.insert(INVITES), {**row, "shown_at": None, "channel": None, "dismissed_at": None})


def survey_shown(db: Connection, event: Event) -> None:
    """Twice shown is shown when it was first."""
    here = (INVITES.c.id == event.data["invite"]) & INVITES.c.shown_at.is_(None)
    db.execute(sa.update(INVITES).where(here).values(shown_at=event.at, channel=event.data["channel"], seq=event.seq))


def survey_dismissed(db: Connection, event: Event) -> None:
    here = INVITES.c.id == event.data["invite"]
    db.execute(sa.update(INVITES).where(here).values(dismissed_at=event.at, seq=event.seq))


def friction_recorded(db: Connection, event: Event) -> None:
    row = {key: event.data.get(key) for key in ("person", "team", "date", "log")}
    row |= {"id": event.data["friction"], "own": int(event.data["own"]), "at": event.at, "seq": event.seq}
    db.execute(sa.insert(FRICTION), {**row, "colours_json": json.dumps(event.data["colours"], sort_keys=True)})


def text_erased(db: Connection, event: Event) -> None:
    """The row stays, without words."""
    db.execute(sa.update(FRICTION).where(FRICTION.c.log == event.data["hash"]).values(log=None))


REDUCERS = (friction_recorded, survey_dismissed, survey_invited, survey_shown, text_erased)
