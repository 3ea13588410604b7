"""Who is there, what people asked for, and what they answered. People are pseudonyms here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.delivery import DAY, side_texts, stamps
from wend.state.tables import add_once, flag, merge_rows, number, table, text

PEOPLE = table(
    "people", text("person", key=True), text("team", null=True), text("role", null=True), text("name", null=True)
)
STINTS = table("stints", text("person", key=True), number("joined_at", key=True), number("left_at", null=True))
ALIASES = table("aliases", text("alias", key=True), text("person"))
TICKETS = table(
    "tickets",
    text("id", key=True),
    number("opened_at", null=True),
    number("day", null=True),
    number("resolved_at", null=True),
    number("reopened_at", null=True),
    number("retracted_at", null=True),
    number("said_at", null=True),
    flag("retracted"),
    text("reason", null=True),
    text("team", null=True),
    flag("platform"),
    flag("automatic"),
    text("title", null=True),
    number("seq"),
    sa.Index("tickets_day", "day"),
)
ANSWERS = table(
    "answers",
    text("id", key=True),
    text("survey"),
    text("wave"),
    number("score"),
    text("team", null=True),
    text("wording", null=True),
    number("day"),
    text("comment", null=True),
    text("answer"),
    number("seq"),
    sa.Index("answers_survey", "survey", "wave"),
)


def person_recorded(db: Connection, event: Event) -> None:
    """Somebody who left and came back has two stints."""
    data = event.data
    row = {key: data.get(key) for key in ("person", "team", "role", "name")}
    merge_rows(db, PEOPLE, [row], newest=("team", "role", "name"))
    add_once(db, ALIASES, [{"alias": one, "person": data["person"]} for one in {data["person"], *data["aliases"]}])
    if data.get("joined_at") is not None:
        stint = {"person": data["person"], "joined_at": data["joined_at"], "left_at": data.get("left_at")}
        merge_rows(db, STINTS, [stint], newest=("left_at",))
    elif data.get("left_at") is not None:
        mine = sa.select(sa.func.max(STINTS.c.joined_at)).where(STINTS.c.person == data["person"]).scalar_subquery()
        here = (STINTS.c.person == data["person"]) & (STINTS.c.joined_at == mine)
        db.execute(sa.update(STINTS).where(here).values(left_at=data["left_at"]))


def ticket_recorded(db: Connection, event: Event) -> None:
    """One row a ticket, however often it is told of."""
    data, here = event.data, TICKETS.c.id == event.data["ticket"]
    known = db.execute(sa.select(TICKETS).where(here)).mappings().first()
    row: dict[str, Any] = dict(known) if known else {"id": data["ticket"]}
    row |= stamps(row, data)
    for key in ("reason", "team", "title"):
        row[key] = row.get(key) if data.get(key) is None else data[key]
    row |= {"platform": int(data["platform"]), "automatic": int(data["automatic"]), "seq": event.seq}
    row["day"] = None if row["opened_at"] is None else row["opened_at"] // DAY
    db.execute(sa.delete(TICKETS).where(here))
    db.execute(sa.insert(TICKETS), row)


def survey_answered(db: Connection, events: Sequence[Event]) -> None:
    """What was answered stands beside the chain; an answer that was erased is no row."""
    answers = side_texts(db, [event.data["answer"] for event in events])
    rows = [answer_row(event, answers[event.data["answer"]]) for event in events if event.data["answer"] in answers]
    if rows:
        db.execute(sa.insert(ANSWERS), rows)


def answer_row(event: Event, answer: str) -> dict[str, Any]:
    row = {key: event.data.get(key) for key in ("survey", "wave", "wording", "comment")}
    row |= {key: json.loads(answer)[key] for key in ("score", "team")}
    return row | {"id": event.id, "day": event.at // DAY, "answer": event.data["answer"], "seq": event.seq}


def text_erased(db: Connection, event: Event) -> None:
    """An answer goes with its text."""
    db.execute(sa.delete(ANSWERS).where(ANSWERS.c.answer == event.data["hash"]))


MASSES = {"survey_answered": survey_answered}
REDUCERS = (person_recorded, ticket_recorded, text_erased)
