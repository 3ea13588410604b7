"""Resources: what apps keep outside their releases, and what waits in the trash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.tables import number, table, text

RESOURCES = table(
    "resources",
    text("app", key=True),
    text("name", key=True),
    text("type"),
    text("about_json"),
    text("hash", null=True),
    number("version"),
    number("created_at"),
    number("rotated_at", null=True),
)
TRASH = table(
    "trash",
    text("id", key=True),
    text("app"),
    text("name"),
    text("type"),
    text("about_json"),
    text("hash", null=True),
    number("version"),
    number("at"),
    number("until"),
    outlives=True,
)


@dataclass(frozen=True)
class Kept:
    """A resource of an app. `about`: what is needed to find it (never a password); `hash`: the sealed credentials'
    text in the ledger, and their `version`."""

    app: str
    name: str
    type: str
    about: Mapping[str, Any]
    hash: str | None
    version: int
    created_at: int
    rotated_at: int | None


@dataclass(frozen=True)
class Trashed:
    """A resource without its app, restorable `until` then (Unix microseconds)."""

    id: str
    app: str
    name: str
    type: str
    about: Mapping[str, Any]
    hash: str | None
    version: int
    at: int
    until: int


def resource_created(db: Connection, event: Event) -> None:
    data = event.data
    row = {key: data.get(key) for key in ("name", "type", "hash", "version")}
    row |= {"app": event.app, "about_json": json.dumps(data["about"], sort_keys=True), "created_at": event.at}
    db.execute(sa.insert(RESOURCES), row)


def resource_rotated(db: Connection, event: Event) -> None:
    data = event.data
    here = (RESOURCES.c.app == event.app) & (RESOURCES.c.name == data["name"])
    values = {"hash": data["hash"], "version": data["version"], "rotated_at": event.at}
    values["about_json"] = json.dumps(data["about"], sort_keys=True)
    db.execute(sa.update(RESOURCES).where(here).values(**values))


def resource_trashed(db: Connection, event: Event) -> None:
    """`trash`: the id it has in the trash; `about`: where it lies there."""
    data = event.data
    here = (RESOURCES.c.app == event.app) & (RESOURCES.c.name == data["name"])
    db.execute(sa.delete(RESOURCES).where(here))
    row = {key: data.get(key) for key in ("name", "type", "hash", "version", "until")}
    row |= {"id": data["trash"], "app": event.app, "about_json": json.dumps(data["about"], sort_keys=True)}
    db.execute(sa.insert(TRASH), {**row, "at": event.at})


def resource_restored(db: Connection, event: Event) -> None:
    """Out of the trash, as the resource `name` of the app."""
    db.execute(sa.delete(TRASH).where(TRASH.c.id == event.data["trash"]))
    resource_created(db, event)


def resource_purged(db: Connection, event: Event) -> None:
    db.execute(sa.delete(TRASH).where(TRASH.c.id == event.data["trash"]))


REDUCERS = (resource_created, resource_rotated, resource_trashed, resource_restored, resource_purged)


# ---------------------------------------------------------------------------------------------- questions


def kept(db: Connection, name: str | None = None) -> list[Kept]:
    """The resources of one app or of all, by app and name."""
    query = sa.select(RESOURCES).order_by(RESOURCES.c.app, RESOURCES.c.name)
    rows = db.execute(query if name is None else query.where(RESOURCES.c.app == name)).mappings()
    return [Kept(**plain(row), about=json.loads(row["about_json"])) for row in rows]


def trashed(db: Connection, name: str | None = None) -> list[Trashed]:
    """What waits in the trash, newest first."""
    query = sa.select(TRASH).order_by(TRASH.c.at.desc())
    rows = db.execute(query if name is None else query.where(TRASH.c.app == name)).mappings()
    return [Trashed(**plain(row), about=json.loads(row["about_json"])) for row in rows]


def plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not key.endswith("_json")}
