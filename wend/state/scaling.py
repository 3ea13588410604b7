"""Replica counts: set by hand, or by measured load, and the history of both."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.tables import SCALE, number, table, text

AUTOSCALE = table("autoscale", text("app", key=True), text("process", key=True), number("replicas"), number("at"))
SCALINGS = table(
    "scalings",
    number("seq", key=True),
    text("app"),
    text("process"),
    number("before", null=True),
    number("after", null=True),
    text("why"),
    text("actor"),
    number("at"),
    sa.Index("scalings_app", "app", "at"),
)
HISTORY = 200  # rows kept per app: an app that breathes with its load must not fill the disk


def scaled(db: Connection, event: Event) -> None:
    """`replicas` null: by hand no more."""
    process, count = event.data["process"], event.data["replicas"]
    db.execute(sa.delete(SCALE).where(SCALE.c.app == event.app, SCALE.c.process == process))
    if count is not None:
        row = {"app": event.app, "process": process, "replicas": count}
        db.execute(sa.insert(SCALE), {**row, "at": event.at, "actor": event.actor})
    remember(db, event, None, count, "by hand" if count is not None else "back to the load")


def autoscaled(db: Connection, event: Event) -> None:
    """`after` 0 is sleep: the count stays 1, as the sleeper's."""
    data = event.data
    put(db, event, data["process"], max(1, data["after"]))
    remember(db, event, data["before"], data["after"], data["why"])


def put(db: Connection, event: Event, process: str, count: int) -> None:
    here = (AUTOSCALE.c.app == event.app) & (AUTOSCALE.c.process == process)
    db.execute(sa.delete(AUTOSCALE).where(here))
    db.execute(sa.insert(AUTOSCALE), {"app": event.app, "process": process, "replicas": count, "at": event.at})


def remember(db: Connection, event: Event, before: int | None, after: int | None, why: str) -> None:
    row = {"seq": event.seq, "app": event.app, "process": event.data["process"], "before": before, "after": after}
    db.execute(sa.insert(SCALINGS), {**row, "why": why, "actor": event.actor, "at": event.at})
    newest = sa.select(SCALINGS.c.seq).where(SCALINGS.c.app == event.app).order_by(SCALINGS.c.seq.desc())
    oldest = db.execute(newest.offset(HISTORY - 1).limit(1)).scalar()
    if oldest is not None:
        db.execute(sa.delete(SCALINGS).where(SCALINGS.c.app == event.app, SCALINGS.c.seq < oldest))


def fit(db: Connection, event: Event, processes: dict[str, dict[str, Any]]) -> None:
    """A release went live: counts chosen by load fit its bounds, and go where it no longer asks for scaling."""
    rows = db.execute(sa.select(AUTOSCALE).where(AUTOSCALE.c.app == event.app)).mappings().all()
    for row in rows:
        bounds = (processes.get(row["process"]) or {}).get("scaling")
        if bounds:
            fitting = min(max(row["replicas"], bounds["min"], 1), bounds["max"])
            if fitting != row["replicas"]:
                put(db, event, row["process"], fitting)
        else:
            here = (AUTOSCALE.c.app == event.app) & (AUTOSCALE.c.process == row["process"])
            db.execute(sa.delete(AUTOSCALE).where(here))


REDUCERS = (scaled, autoscaled)


# ---------------------------------------------------------------------------------------------- questions


def scale(db: Connection, name: str) -> dict[str, int]:
    """Replica counts in force besides wend.toml's, by process type: by load, and by hand, which wins."""
    return scales(db, name).get(name, {})


def scales(db: Connection, name: str | None = None) -> dict[str, dict[str, int]]:
    """The same for every app, by app."""
    found: dict[str, dict[str, int]] = {}
    for kind in (AUTOSCALE, SCALE):
        query = sa.select(kind.c.app, kind.c.process, kind.c.replicas)
        for row in db.execute(query if name is None else query.where(kind.c.app == name)):
            found.setdefault(row.app, {})[row.process] = row.replicas
    return found


def by_hand(db: Connection, name: str) -> dict[str, int]:
    """Counts set by hand only."""
    rows = db.execute(sa.select(SCALE.c.process, SCALE.c.replicas).where(SCALE.c.app == name))
    return {row.process: row.replicas for row in rows}


def history(db: Connection, name: str, limit: int = 50) -> list[dict[str, Any]]:
    """Changes of replica counts, newest first: process, before, after (0: asleep), why, actor, at."""
    query = sa.select(SCALINGS).where(SCALINGS.c.app == name).order_by(SCALINGS.c.seq.desc()).limit(limit)
    return [dict(row) for row in db.execute(query).mappings()]
