"""How much of the machine was used, hour by hour: by each app, and by all of them at once."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.tables import number, table, text


def real(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Float, nullable=False)


def used() -> tuple[sa.Column[Any], ...]:
    """`seconds`: how much of the hour was looked at. cpu: cores; memory: bytes; rate: requests a second; the peaks are
    those of a minute."""
    peaks = (real("cpu_peak"), number("memory_peak"), real("rate_peak"))
    return real("seconds"), real("cpu"), *peaks, number("requests"), number("replicas")


LOADS = table("loads", number("hour", key=True), text("app", key=True), *used())
# All of them together: their highest minutes need not be the same.
MACHINES = table("machines", number("hour", key=True), number("cpus"), number("memory"), *used())
PEAKS = ("cpu_peak", "memory_peak", "rate_peak", "replicas")


def load_measured(db: Connection, event: Event) -> None:
    """An hour may come in parts: the platform was started anew in it."""
    data = event.data
    time = {"hour": data["hour"], "seconds": data["seconds"]}
    put(
        db,
        MACHINES,
        {**time, **data["all"], "cpus": data["cpus"], "memory": data["memory"]},
        MACHINES.c.hour == data["hour"],
    )
    for app, one in data["apps"].items():
        put(db, LOADS, {**time, **one, "app": app}, (LOADS.c.hour == data["hour"]) & (LOADS.c.app == app))


def put(db: Connection, into: sa.Table, row: dict[str, Any], here: sa.ColumnElement[bool]) -> None:
    before = db.execute(sa.select(into).where(here)).mappings().first()
    if before:
        db.execute(sa.delete(into).where(here))
    db.execute(sa.insert(into), row | added(dict(before), row) if before else row)


def added(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two parts of an hour as one."""
    seconds = one["seconds"] + other["seconds"]
    mean = (one["cpu"] * one["seconds"] + other["cpu"] * other["seconds"]) / seconds if seconds else 0.0
    peaks = {name: max(one[name], other[name]) for name in PEAKS}
    return one | peaks | {"seconds": seconds, "cpu": mean, "requests": one["requests"] + other["requests"]}


REDUCERS = (load_measured,)


# ---------------------------------------------------------------------------------------------- questions


def hours(db: Connection, since: int, app: str = "") -> list[dict[str, Any]]:
    """The hours from `since` (Unix hours) on, rising, of an app or of all together, with the machine's cpus and
    memory."""
    query = sa.select(MACHINES)
    if app:
        query = sa.select(LOADS, MACHINES.c.cpus, MACHINES.c.memory).join(MACHINES, MACHINES.c.hour == LOADS.c.hour)
        query = query.where(LOADS.c.app == app)
    return [dict(row) for row in db.execute(query.where(MACHINES.c.hour >= since).order_by(MACHINES.c.hour)).mappings()]
