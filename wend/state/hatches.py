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

ELSEWHERE = table(
    "elsewhere",
    text("service", key=True),
    text("team", null=True),
    text("place"),
    text("reason"),
    text("until", null=True),
    number("since"),
)
CONSENT = table("hatch_consent", text("team", key=True), number("at"))


def deployed_elsewhere(db: Connection, event: Event) -> None:
    """What was said last holds, since it was said first."""
    row = {key: event.data[key] for key in ("service", "team", "place", "reason", "until")} | {"since": event.at}
    later = {key: row[key] for key in ("team", "place", "reason", "until")}
    db.execute(insert(db, ELSEWHERE).values(row).on_conflict_do_update(index_elements=["service"], set_=later))


def came_back(db: Connection, event: Event) -> None:
    db.execute(sa.delete(ELSEWHERE).where(ELSEWHERE.c.service == event.data["service"]))


def hatches_shown(db: Connection, event: Event) -> None:
    """A team agrees to be named, or does no more."""
    db.execute(sa.delete(CONSENT).where(CONSENT.c.team == event.data["team"]))
    if event.data["agrees"]:
        db.execute(sa.insert(CONSENT), {"team": event.data["team"], "at": event.at})


def hatch_explained(db: Connection, event: Event) -> None:
    """What was said last holds."""
    row = {"app": event.app, **{key: event.data[key] for key in ("kind", "reason", "until")}, "at": event.at}
    statement = insert(db, EXPLAINED).values(row)
    db.execute(statement.on_conflict_do_update(index_elements=["app", "kind"], set_=row))


def feature_missed(db: Connection, event: Event) -> None:
    about = {"kind": event.data["kind"], "pain": event.data["pain"], "at": event.at}
    add_once(db, RADAR, [about | {"evidence": one} for one in event.data["evidence"]])


REDUCERS = (came_back, deployed_elsewhere, feature_missed, hatch_explained, hatches_shown)


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
    return [*rows, *elsewhere(db)]


def elsewhere(db: Connection) -> list[dict[str, Any]]:
    """Services that their teams deploy elsewhere, in the shape of the other hatches."""
    rows = db.execute(sa.select(ELSEWHERE).order_by(ELSEWHERE.c.service)).mappings()
    return [
        {"app": row["service"], "team": row["team"], "kind": "elsewhere", "reason": f"{row['place']}: {row['reason']}"}
        | {"until": row["until"], "since": row["since"], "renewed": 0}
        for row in rows
    ]


def of_release(db: Connection, app: str, release: int) -> dict[str, tuple[str, str | None]]:
    """Kind → (reason, end) of the hatches of one release."""
    here = (HATCHES.c.app == app) & (HATCHES.c.release == release)
    return {row.kind: (row.reason, row.until) for row in db.execute(sa.select(HATCHES).where(here))}


def explained(db: Connection, app: str) -> set[str]:
    """The kinds that somebody has given a reason for."""
    return {str(row.kind) for row in db.execute(sa.select(EXPLAINED.c.kind).where(EXPLAINED.c.app == app))}


def agreed(db: Connection) -> set[str]:
    """Teams that agree to be named with their hatches."""
    return {str(row.team) for row in db.execute(sa.select(CONSENT.c.team))}


def missed(db: Connection) -> dict[tuple[str, str], int]:
    """(kind, evidence) → the pain that it opened, or was put to."""
    return {(row.kind, row.evidence): row.pain for row in db.execute(sa.select(RADAR))}
