"""What is on its way out: its dates, who used it on which day, who called it, and why some have not moved."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.outgoing import Outgoing, of_row
from wend.state.tables import insert, number, table, text

DEPRECATIONS = table(
    "deprecations",
    number("id", key=True),
    text("what"),
    text("replacement"),
    text("because"),
    text("owner"),
    text("by"),
    text("state"),  # open, withdrawn or done
    number("announced"),
    number("warned"),
    number("blocked"),
    number("retired"),
    text("brownouts_json"),
    number("unused"),
    number("minutes"),
    text("script", null=True),
    text("guide", null=True),
    number("ended_at", null=True),
    text("why", null=True),
)
COUNTED = table(
    "deprecation_days", number("id", key=True), number("day", key=True), text("using_json"), number("unknown")
)
STAYS = table("deprecation_stays", number("id", key=True), text("app", key=True), text("evidence"), number("at"))
CALLED = table("api_calls", text("what", key=True), text("owner", key=True), number("day", key=True), number("calls"))


TIMES = ("warned", "blocked", "retired")
SAID = ("what", "replacement", "because", "owner", *TIMES, "unused", "minutes", "script", "guide")


def deprecation_announced(db: Connection, event: Event) -> None:
    row: dict[str, Any] = {"id": event.data["deprecation"], **{key: event.data[key] for key in SAID}}
    row |= {"brownouts_json": json.dumps(event.data["brownouts"]), "announced": event.data["announced"]}
    db.execute(sa.insert(DEPRECATIONS), row | {"state": "open", "by": event.actor, "ended_at": None, "why": None})


def deprecation_moved(db: Connection, event: Event) -> None:
    times = {key: event.data[key] for key in TIMES}
    put(db, event, **times, brownouts_json=json.dumps(event.data["brownouts"]))


def deprecation_withdrawn(db: Connection, event: Event) -> None:
    put(db, event, state="withdrawn", ended_at=event.at, why=event.data["why"])


def deprecation_done(db: Connection, event: Event) -> None:
    put(db, event, state="done", ended_at=event.at)


def deprecation_counted(db: Connection, event: Event) -> None:
    row = {"id": event.data["deprecation"], "day": event.data["day"], "unknown": event.data["unknown"]}
    row |= {"using_json": json.dumps(event.data["using"])}
    db.execute(insert(db, COUNTED).values(row).on_conflict_do_update(index_elements=["id", "day"], set_=row))


def deprecation_stayed(db: Connection, event: Event) -> None:
    row = {"id": event.data["deprecation"], "app": event.app, "evidence": event.data["evidence"], "at": event.at}
    db.execute(insert(db, STAYS).values(row).on_conflict_do_update(index_elements=["id", "app"], set_=row))


def api_called(db: Connection, event: Event) -> None:
    """Counts of a day come in parts."""
    for what, owners in event.data["calls"].items():
        for owner, calls in owners.items():
            row = {"what": what, "owner": owner, "day": event.data["day"], "calls": calls}
            more = insert(db, CALLED).values(row)
            keys = ["what", "owner", "day"]
            db.execute(more.on_conflict_do_update(index_elements=keys, set_={"calls": CALLED.c.calls + calls}))


def put(db: Connection, event: Event, **values: Any) -> None:
    db.execute(sa.update(DEPRECATIONS).where(DEPRECATIONS.c.id == event.data["deprecation"]).values(**values))


REDUCERS = (
    api_called,
    deprecation_announced,
    deprecation_counted,
    deprecation_done,
    deprecation_moved,
    deprecation_stayed,
    deprecation_withdrawn,
)


# ---------------------------------------------------------------------------------------------- questions


def read(row: Any) -> dict[str, Any]:
    found = dict(row)
    return found | {"brownouts": json.loads(found.pop("brownouts_json"))}


def every(db: Connection) -> list[dict[str, Any]]:
    """Newest first."""
    return [read(row) for row in db.execute(sa.select(DEPRECATIONS).order_by(DEPRECATIONS.c.id.desc())).mappings()]


def one(db: Connection, id: int) -> dict[str, Any] | None:
    row = db.execute(sa.select(DEPRECATIONS).where(DEPRECATIONS.c.id == id)).mappings().first()
    return read(row) if row else None


def outgoing(db: Connection) -> list[Outgoing]:
    """Those that are on their way; also the ones whose end is past, until they are done or withdrawn, and after that,
    too: what is gone stays gone."""
    here = DEPRECATIONS.c.state.in_(("open", "done"))
    return [of_row(read(row)) for row in db.execute(sa.select(DEPRECATIONS).where(here)).mappings()]


def days(db: Connection, id: int) -> list[tuple[int, frozenset[str], int]]:
    """(UTC day, the apps that used it, how many nobody knows of), oldest first."""
    rows = db.execute(sa.select(COUNTED).where(COUNTED.c.id == id).order_by(COUNTED.c.day))
    return [(row.day, frozenset(json.loads(row.using_json)), row.unknown) for row in rows]


def stays(db: Connection, id: int) -> dict[str, str]:
    """App → the evidence that says why it has not moved."""
    return {row.app: row.evidence for row in db.execute(sa.select(STAYS).where(STAYS.c.id == id))}


def calls(db: Connection, what: str, since: int) -> list[dict[str, Any]]:
    """Who called it since that day, most first: owner of the token, calls, the last day."""
    total, last = sa.func.sum(CALLED.c.calls).label("calls"), sa.func.max(CALLED.c.day).label("last")
    query = sa.select(CALLED.c.owner, total, last).where(CALLED.c.what == what, CALLED.c.day >= since)
    rows = db.execute(query.group_by(CALLED.c.owner).order_by(total.desc(), CALLED.c.owner)).mappings()
    return [{"owner": row["owner"], "calls": int(row["calls"]), "last": row["last"]} for row in rows]
