"""Work by hand: procedures as checklists, and how long each took whoever ran it. Nobody is named."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.tables import add_once, insert, number, table, text

TOIL = table(
    "toil",
    text("name", key=True),
    text("title"),
    text("steps_json"),
    sa.Column("automate_hours", sa.Float, nullable=True),
    number("defined_at"),
    number("first_at"),
)
TOIL_RUNS = table(
    "toil_runs",
    text("id", key=True),
    text("name"),
    number("started_at"),
    sa.Column("seconds", sa.Float),
    number("done"),
    text("steps_json"),
    number("seq"),
    sa.Index("toil_runs_name", "name", "started_at"),
)


def toil_defined(db: Connection, event: Event) -> None:
    """A procedure that is defined anew keeps its runs."""
    data = event.data
    row = {"name": data["toil"], "title": data["title"], "automate_hours": data.get("automate_hours")}
    row |= {"steps_json": json.dumps(data["steps"]), "defined_at": event.at}
    statement = insert(db, TOIL).values(**row, first_at=event.at)
    db.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))


def toil_run(db: Connection, event: Event) -> None:
    data = event.data
    row: dict[str, Any] = {key: data[key] for key in ("started_at", "seconds")}
    row |= {"id": data["run"], "name": data["toil"], "done": int(data["done"]), "seq": event.seq}
    add_once(db, TOIL_RUNS, [row | {"steps_json": json.dumps(data["steps"])}])


REDUCERS = (toil_defined, toil_run)


# ---------------------------------------------------------------------------------------------- questions


def procedures(db: Connection) -> list[dict[str, Any]]:
    """Every procedure by name: name, title, steps, automate_hours, defined_at, first_at."""
    rows = db.execute(sa.select(TOIL).order_by(TOIL.c.name)).mappings()
    return [
        {key: value for key, value in row.items() if key != "steps_json"} | {"steps": json.loads(row["steps_json"])}
        for row in rows
    ]


def runs(db: Connection, name: str, since: int) -> list[dict[str, Any]]:
    """The runs that began since then (Unix microseconds), the newest first: id, started_at, seconds, done, steps."""
    here = (TOIL_RUNS.c.name == name) & (TOIL_RUNS.c.started_at >= since)
    rows = db.execute(sa.select(TOIL_RUNS).where(here).order_by(TOIL_RUNS.c.started_at.desc())).mappings()
    return [
        {key: row[key] for key in ("id", "started_at", "seconds", "seq")}
        | {"done": bool(row["done"]), "steps": json.loads(row["steps_json"])}
        for row in rows
    ]
