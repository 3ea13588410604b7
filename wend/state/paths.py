"""An organisation's own golden paths, as they were taken."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.tables import APPS, RELEASES, flag, insert, number, table, text

OWN = table(
    "own_paths",
    text("path", key=True),
    text("url"),
    text("commit"),
    number("version"),
    text("files_json"),
    number("at"),
    text("by"),
    flag("gone"),
)

LEFT = table("left_paths", number("seq", key=True), text("path"), number("at"), text("why", null=True))


def app_destroyed(db: Connection, event: Event) -> None:
    """An app that was on a path has left it."""
    if event.data.get("path"):
        row = {"seq": event.seq, "path": event.data["path"], "at": event.at, "why": event.data.get("why")}
        db.execute(sa.insert(LEFT), row)


def release_went_live(db: Connection, event: Event) -> None:
    """One that goes on by another path has left, too."""
    numbers = (event.data["release"], event.data.get("previous") or 0)
    here = (RELEASES.c.app == event.app) & RELEASES.c.number.in_(numbers)
    paths = {row.number: row.path for row in db.execute(sa.select(RELEASES.c.number, RELEASES.c.path).where(here))}
    old, new = paths.get(event.data.get("previous")), paths.get(event.data["release"])
    parent = db.execute(sa.select(APPS.c.parent).where(APPS.c.name == event.app)).scalar()
    if old and new and old != new and not parent:
        row = {"seq": event.seq, "path": old, "at": event.at, "why": f"moved to {new}"}
        db.execute(sa.insert(LEFT), row)


def path_added(db: Connection, event: Event) -> None:
    row = {key: event.data[key] for key in ("path", "url", "commit", "version")}
    row |= {"files_json": json.dumps(event.data["files"]), "at": event.at, "by": event.actor, "gone": 0}
    db.execute(insert(db, OWN).values(row).on_conflict_do_update(index_elements=["path"], set_=row))


def path_removed(db: Connection, event: Event) -> None:
    db.execute(sa.update(OWN).where(OWN.c.path == event.data["path"]).values(gone=1))


REDUCERS = (app_destroyed, path_added, path_removed, release_went_live)


# ---------------------------------------------------------------------------------------------- questions


def path(db: Connection, name: str) -> dict[str, Any] | None:
    """Also one that was removed."""
    row = db.execute(sa.select(OWN).where(OWN.c.path == name)).mappings().first()
    return read(dict(row)) if row else None


def paths(db: Connection) -> list[dict[str, Any]]:
    query = sa.select(OWN).where(OWN.c.gone == 0).order_by(OWN.c.path)
    return [read(dict(row)) for row in db.execute(query).mappings()]


def read(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"files": json.loads(row.pop("files_json"))}


def left(db: Connection, path: str, since: int) -> list[dict[str, Any]]:
    """Those that left it since then, newest first: at, why."""
    query = sa.select(LEFT).where(LEFT.c.path == path, LEFT.c.at > since).order_by(LEFT.c.seq.desc())
    return [{"at": row["at"], "why": row["why"]} for row in db.execute(query).mappings()]
