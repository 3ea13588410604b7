"""What guardrails were told and said: the modes that somebody set, the waivers, and the facts of each commit."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.tables import flag, insert, number, table, text

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
    text("reviewed_by", null=True),
    text("found", null=True),
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

OWN = table("own_rules", text("rule", key=True), number("version"), text("body"), flag("gone"))
LOGGED = table("logged", text("app", key=True), number("release"), number("at"), text("hits_json"))


def guardrail_written(db: Connection, event: Event) -> None:
    row = {"rule": event.data["rule"], "version": event.data["version"], "body": event.data["text"], "gone": 0}
    db.execute(insert(db, OWN).values(row).on_conflict_do_update(index_elements=["rule"], set_=row))


def guardrail_removed(db: Connection, event: Event) -> None:
    db.execute(sa.update(OWN).where(OWN.c.rule == event.data["rule"]).values(gone=1))


def log_examined(db: Connection, event: Event) -> None:
    row = {"app": event.app, "release": event.data["release"], "at": event.at}
    row |= {"hits_json": json.dumps(event.data["hits"])}
    db.execute(insert(db, LOGGED).values(row).on_conflict_do_update(index_elements=["app"], set_=row))


def guardrail_set(db: Connection, event: Event) -> None:
    row = {key: event.data[key] for key in ("rule", "gate", "mode")}
    statement = insert(db, MODES).values(row)
    db.execute(statement.on_conflict_do_update(index_elements=["rule", "gate"], set_={"mode": row["mode"]}))


def waiver_asked(db: Connection, event: Event) -> None:
    keys = ("rule", "app", "print", "reason", "owner", "days")
    row: dict[str, Any] = {"id": event.data["waiver"], **{key: event.data[key] for key in keys}}
    row |= {"asked_by": event.actor, "asked_at": event.at, "state": "asked"}
    db.execute(sa.insert(WAIVERS), row | dict.fromkeys(("by", "begins", "ends", "why", "reviewed_by", "found")))


def waiver_approved(db: Connection, event: Event) -> None:
    put(db, event, state="approved", by=event.actor, begins=event.data["begins"], ends=event.data["ends"])


def waiver_denied(db: Connection, event: Event) -> None:
    put(db, event, state="denied", by=event.actor, why=event.data["why"])


def waiver_revoked(db: Connection, event: Event) -> None:
    put(db, event, state="revoked", by=event.actor, why=event.data["why"], ends=event.at)


def waiver_reviewed(db: Connection, event: Event) -> None:
    put(db, event, reviewed_by=event.actor, found=event.data["found"])


def put(db: Connection, event: Event, **values: Any) -> None:
    db.execute(sa.update(WAIVERS).where(WAIVERS.c.id == event.data["waiver"]).values(**values))


def guardrails_judged(db: Connection, event: Event) -> None:
    """The newest word on a commit holds; of guardrails that are not asked at each gate, the last that was said."""
    data = event.data
    here = (JUDGED.c.app == event.app) & (JUDGED.c.commit == data["commit"])
    before = db.execute(sa.select(JUDGED.c.verdicts_json).where(here)).scalar()
    verdicts = (json.loads(before) if before else {}) | data["verdicts"]
    row = {"app": event.app, "commit": data["commit"], "at": event.at, "seq": event.seq}
    row |= {"facts_json": json.dumps(data["facts"]), "verdicts_json": json.dumps(verdicts)}
    same = insert(db, JUDGED).values(row)
    db.execute(same.on_conflict_do_update(index_elements=["app", "commit"], set_=row))


REDUCERS = (
    guardrail_removed,
    guardrail_set,
    guardrail_written,
    guardrails_judged,
    log_examined,
    waiver_approved,
    waiver_asked,
    waiver_denied,
    waiver_reviewed,
    waiver_revoked,
)


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


def own(db: Connection) -> list[tuple[str, int]]:
    """The organisation's own guardrails: (file, version), by name."""
    query = sa.select(OWN.c.body, OWN.c.version).where(OWN.c.gone == 0).order_by(OWN.c.rule)
    return [(str(row.body), int(row.version)) for row in db.execute(query)]


def version(db: Connection, rule: str) -> int:
    """How often this guardrail was written; 0 when never."""
    return int(db.execute(sa.select(OWN.c.version).where(OWN.c.rule == rule)).scalar() or 0)


def logged(db: Connection, app: str, release: int) -> list[dict[str, str]] | None:
    """What was found in this release's log; None when nobody looked yet."""
    here = (LOGGED.c.app == app) & (LOGGED.c.release == release)
    found = db.execute(sa.select(LOGGED.c.hits_json).where(here)).scalar()
    return json.loads(found) if found else None
