"""Why teams left the path, where their wend.toml does not say, and the missing features that follow from it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.own import HATCHES
from wend.state.tables import APPS, add_once, insert, number, table, text

EXPLAINED = table(
    "explained",
    text("app", key=True),
    text("kind", key=True),
    text("reason"),
    text("until", null=True),
    number("at"),
)
RADAR = table("radar", text("kind", key=True), text("evidence", key=True), number("pain"), number("at"), outlives=True)


def hatch_explained(db: Connection, event: Event) -> None:
    """What was said last holds."""
    row = {"app": event.app, **{key: event.data[key] for key in ("kind", "reason", "until")}, "at": event.at}
    statement = insert(db, EXPLAINED).values(row)
    db.execute(statement.on_conflict_do_update(index_elements=["app", "kind"], set_=row))


def feature_missed(db: Connection, event: Event) -> None:
    about = {"kind": event.data["kind"], "pain": event.data["pain"], "at": event.at}
    add_once(db, RADAR, [about | {"evidence": one} for one in event.data["evidence"]])


REDUCERS = (feature_missed, hatch_explained)


# ---------------------------------------------------------------------------------------------- questions


def live(db: Connection) -> list[dict[str, Any]]:
    """The hatches of live releases: app, team, kind, reason (wend.toml's, or what was said since), until, since, and
    how often the end was put off."""
    here = (APPS.c.name == HATCHES.c.app) & (APPS.c.live == HATCHES.c.release)
    said = (EXPLAINED.c.app == HATCHES.c.app) & (EXPLAINED.c.kind == HATCHES.c.kind)
    columns = (HATCHES.c.app, APPS.c.team, HATCHES.c.kind, HATCHES.c.reason, HATCHES.c.until, HATCHES.c.since)
    more = (EXPLAINED.c.reason.label("said"), EXPLAINED.c.until.label("said_until"))
    query = sa.select(*columns, *more).join(APPS, here).outerjoin(EXPLAINED, said).where(APPS.c.parent.is_(None))
    rows = [dict(row) for row in db.execute(query.order_by(HATCHES.c.app, HATCHES.c.kind)).mappings()]
    every, key = HATCHES.c, (HATCHES.c.app, HATCHES.c.kind)
    ends: dict[tuple[str, str], set[str]] = {}
    for app, kind, until in db.execute(sa.select(*key, every.until).where(every.until.is_not(None))):
        ends.setdefault((app, kind), set()).add(until)
    first = db.execute(sa.select(*key, sa.func.min(every.since)).group_by(*key))
    begun = {(app, kind): since for app, kind, since in first}
    for row in rows:
        mine = (row["app"], row["kind"])
        said_reason, said_until = row.pop("said"), row.pop("said_until")
        row |= {"reason": row["reason"] or said_reason or "", "until": row["until"] or said_until}
        row |= {"since": begun[mine], "renewed": max(0, len(ends.get(mine, ())) - 1)}
    return rows


def missed(db: Connection) -> dict[tuple[str, str], int]:
    """(kind, evidence) → the pain that it opened, or was put to."""
    return {(row.kind, row.evidence): row.pain for row in db.execute(sa.select(RADAR))}
