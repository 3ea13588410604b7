"""What guardrails were told and said: the modes that somebody set, the waivers, and the facts of each commit."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.tables import insert, number, table, text

MODES = table("guardrail_modes", text("rule", key=True), text("gate", key=True), text("mode"))
WAIVERS = table(
    "waivers",
    number("id", key=True),
    text("rule"),
    text("app"),
    text("print", null=True),
    text("reason"),
    text("owner"),
    text("asked_by"),
    number("asked_at"),
    number("days"),
    text("state"),  # asked, approved, denied or revoked
    text("by", null=True),
    number("begins", null=True),
    number("ends", null=True),
    text("why", null=True),
    sa.Index("waivers_app", "app", "state"),
)
JUDGED = table(
    "judged",
    text("app", key=True),
    text("commit", key=True),
    number("at"),
    number("seq"),
    text("facts_json"),
    text("verdicts_json"),
)


def guardrail_set(db: Connection, event: Event) -> None:
    row = {key: event.data[key] for key in ("rule", "gate", "mode")}
    statement = insert(db, MODES).values(row)
    db.execute(statement.on_conflict_do_update(index_elements=["rule", "gate"], set_={"mode": row["mode"]}))


def waiver_asked(db: Connection, event: Event) -> None:
    keys = ("rule", "app", "print", "reason", "owner", "days")
    row: dict[str, Any] = {"id": event.data["waiver"], **{key: event.data[key] for key in keys}}
    row |= {"asked_by": event.actor, "asked_at": event.at, "state": "asked"}
    db.execute(sa.insert(WAIVERS), row | dict.fromkeys(("by", "begins", "ends", "why")))


def waiver_approved(db: Connection, event: Event) -> None:
    put(db, event, state="approved", by=event.actor, begins=event.data["begins"], ends=event.data["ends"])


def waiver_denied(db: Connection, event: Event) -> None:
    put(db, event, state="denied", by=event.actor, why=event.data["why"])


def waiver_revoked(db: Connection, event: Event) -> None:
    put(db, event, state="revoked", by=event.actor, why=event.data["why"], ends=event.at)


def put(db: Connection, event: Event, **values: Any) -> None:
    db.execute(sa.update(WAIVERS).where(WAIVERS.c.id == event.data["waiver"]).values(**values))


def guardrails_judged(db: Connection, event: Event) -> None:
    """The newest word on a commit holds."""
    data = event.data
    row = {"app": event.app, "commit": data["commit"], "at": event.at, "seq": event.seq}
    row |= {"facts_json": json.dumps(data["facts"]), "verdicts_json": json.dumps(data["verdicts"])}
    same = insert(db, JUDGED).values(row)
    db.execute(same.on_conflict_do_update(index_elements=["app", "commit"], set_=row))


REDUCERS = (guardrail_set, guardrails_judged, waiver_approved, waiver_asked, waiver_denied, waiver_revoked)


# ---------------------------------------------------------------------------------------------- questions


def modes(db: Connection) -> dict[tuple[str, str], str]:
    """(rule, gate) → what somebody set."""
    return {(row.rule, row.gate): row.mode for row in db.execute(sa.select(MODES))}


def waivers(db: Connection, app: str | None = None) -> list[dict[str, Any]]:
    """Every waiver, newest first."""
    query = sa.select(WAIVERS).order_by(WAIVERS.c.id.desc())
    query = query if app is None else query.where(WAIVERS.c.app == app)
    return [dict(row) for row in db.execute(query).mappings()]


def waiver(db: Connection, id: int) -> dict[str, Any] | None:
    row = db.execute(sa.select(WAIVERS).where(WAIVERS.c.id == id)).mappings().first()
    return dict(row) if row else None


def newest_waiver(db: Connection) -> int:
    return int(db.execute(sa.select(sa.func.max(WAIVERS.c.id))).scalar() or 0)


def facts(db: Connection, app: str, commit: str) -> dict[str, Any] | None:
    """What was known of the commit when it was pushed to this app; None for one of before there were guardrails."""
    here = (JUDGED.c.app == app) & (JUDGED.c.commit == commit)
    found = db.execute(sa.select(JUDGED.c.facts_json).where(here)).scalar()
    return json.loads(found) if found else None


def judged(db: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest commits that were judged: app, commit, at, facts, verdicts."""
    rows = db.execute(sa.select(JUDGED).order_by(JUDGED.c.seq.desc()).limit(limit)).mappings()
    return [
        {key: row[key] for key in ("app", "commit", "at")}
        | {"facts": json.loads(row["facts_json"]), "verdicts": json.loads(row["verdicts_json"])}
        for row in rows
    ]
