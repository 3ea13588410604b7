"""How much of the machine was used, hour by hour: by each app, and by all of them at once."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.tables import insert, number, table, text


def real(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Float, nullable=False)


# `app` is empty for all of them together: their highest minutes need not be the same. `seconds`: how much of the hour
# was looked at. cpu: cores; memory: bytes; rate: requests a second; the peaks are those of a minute.
LOADS = table(
    "loads",
    number("hour", key=True),
    text("app", key=True),
    real("seconds"),
    real("cpu"),
    real("cpu_peak"),
    number("memory_peak"),
    number("requests"),
    real("rate_peak"),
    number("replicas"),
)
MACHINES = table("machines", number("hour", key=True), number("cpus"), number("memory"))
PEAKS = ("cpu_peak", "memory_peak", "rate_peak", "replicas")


def load_measured(db: Connection, event: Event) -> None:
    """An hour may come in parts: the platform was started anew in it."""
    data = event.data
    machine = {"hour": data["hour"], "cpus": data["cpus"], "memory": data["memory"]}
    same = insert(db, MACHINES).values(machine)
    db.execute(same.on_conflict_do_update(index_elements=["hour"], set_=machine))
    for app, used in {"": data["all"], **data["apps"]}.items():
        row = {"hour": data["hour"], "app": app, "seconds": data["seconds"], **used}
        before = db.execute(sa.select(LOADS).where(LOADS.c.hour == row["hour"], LOADS.c.app == app)).mappings().first()
        if before:
            row = added(dict(before), row)
            db.execute(sa.delete(LOADS).where(LOADS.c.hour == row["hour"], LOADS.c.app == app))
        db.execute(sa.insert(LOADS), row)


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
    joined = sa.select(LOADS, MACHINES.c.cpus, MACHINES.c.memory).join(MACHINES, MACHINES.c.hour == LOADS.c.hour)
    here = joined.where(LOADS.c.app == app, LOADS.c.hour >= since).order_by(LOADS.c.hour)
    return [dict(row) for row in db.execute(here).mappings()]
