"""Weeks whose numbers are settled: what was said of them, and what came late and changed it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.tables import number, table, text

FIGURES = table(
    "figures",
    number("week", key=True),
    text("scope", key=True),
    text("signal", key=True),
    sa.Column("value", sa.Float),
    number("seq"),
)
RESTATED = table(
    "restated",
    number("seq", key=True),
    number("at"),
    number("week"),
    text("scope"),
    text("signal"),
    sa.Column("before", sa.Float),
    sa.Column("after", sa.Float),
    sa.Index("restated_signal", "signal", "scope", "week"),
)


def figures_closed(db: Connection, event: Event) -> None:
    rows = [
        {"week": event.data["week"], "scope": scope, "signal": signal, "value": value, "seq": event.seq}
        for scope, values in event.data["figures"].items()
        for signal, value in values.items()
    ]
    if rows:
        db.execute(sa.insert(FIGURES), rows)


def figures_restated(db: Connection, event: Event) -> None:
    """A scope that had nothing to say in that week may have now."""
    data = {key: event.data[key] for key in ("week", "scope", "signal")}
    here = sa.and_(*(FIGURES.c[key] == value for key, value in data.items()))
    db.execute(sa.delete(FIGURES).where(here))
    db.execute(sa.insert(FIGURES), {**data, "value": event.data["after"], "seq": event.seq})
    change = {key: event.data[key] for key in ("before", "after")}
    db.execute(sa.insert(RESTATED), {**data, **change, "seq": event.seq, "at": event.at})


REDUCERS = (figures_closed, figures_restated)


# ---------------------------------------------------------------------------------------------- questions


def closed(db: Connection, week: int) -> dict[tuple[str, str], tuple[float | None, int]]:
    """(scope, signal) → (value, number of the event that said so) of a settled week."""
    rows = db.execute(sa.select(FIGURES).where(FIGURES.c.week == week)).mappings()
    return {(row["scope"], row["signal"]): (row["value"], row["seq"]) for row in rows}


def weeks(db: Connection) -> set[int]:
    """The settled weeks, by their Mondays."""
    return set(db.execute(sa.select(FIGURES.c.week).distinct()).scalars())


def restatements(db: Connection, signal: str, scope: str, limit: int = 20) -> list[dict[str, Any]]:
    """What was restated of a signal, newest first."""
    here = (RESTATED.c.signal == signal) & (RESTATED.c.scope == scope)
    query = sa.select(RESTATED).where(here).order_by(RESTATED.c.seq.desc()).limit(limit)
    return [dict(row) for row in db.execute(query).mappings()]
