"""The questions rooms and doors ask of the tables, and the rows they get, as plain values."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.declared import Declared, declared
from wend.errors import NotFound
from wend.state.tables import APPS, CONFIG, DEPLOYS, EXITS, RELEASES, RUNS, SEALED, SECRETS, STEPS


@dataclass(frozen=True)
class App:
    """An app: its deploy branch, and the releases that are and were live (None: not yet). A preview has a `parent`,
    the branch `of_branch` of it, and an end, `expires_at` (Unix microseconds)."""

    name: str
    branch: str
    team: str | None
    created_at: int
    created_by: str
    live: int | None
    previous: int | None
    live_at: int | None
    parent: str | None = None
    of_branch: str | None = None
    expires_at: int | None = None


@dataclass(frozen=True)
class Release:
    """A release as frozen: `processes` maps a process type to its settings, `env` is what path and wend.toml set,
    `config` and `secrets` what people set (secrets: name → {version, hash}); `declared` is wend.toml's rest."""

    app: str
    number: int
    deploy: str
    artifact: str
    path: str
    commit: str
    config: Mapping[str, str]
    secrets: Mapping[str, Mapping[str, Any]]
    env: Mapping[str, str]
    processes: Mapping[str, Mapping[str, Any]]
    declared: Declared
    command: str | None
    created_at: int
    created_by: str
    live_at: int | None
    retired_at: int | None


@dataclass(frozen=True)
class Deploy:
    """One attempt to make a release live. `state`: running · live · done · failed."""

    id: str
    app: str
    cause: str
    summary: str
    commit: str | None
    ref: str | None
    actor: str
    release: int | None
    step: str
    state: str
    started_at: int
    ended_at: int | None
    message: str | None
    hint: str | None
    tail: tuple[str, ...] = ()


def app(db: Connection, name: str) -> App:
    """The app, or NotFound."""
    found = find_app(db, name)
    if found is None:
        raise NotFound(f"there is no app {name!r} here", "`wend apps` lists those there are; a push makes a new one")
    return found


def find_app(db: Connection, name: str) -> App | None:
    row = db.execute(sa.select(APPS).where(APPS.c.name == name)).mappings().first()
    return App(**row) if row else None


def apps(db: Connection) -> list[App]:
    """Every app, by name."""
    return [App(**row) for row in db.execute(sa.select(APPS).order_by(APPS.c.name)).mappings()]


def previews(db: Connection, name: str) -> list[App]:
    """The app's previews, by name."""
    query = sa.select(APPS).where(APPS.c.parent == name).order_by(APPS.c.name)
    return [App(**row) for row in db.execute(query).mappings()]


def release(db: Connection, name: str, number: int) -> Release:
    """The release, or NotFound."""
    query = sa.select(RELEASES).where(RELEASES.c.app == name, RELEASES.c.number == number)
    row = db.execute(query).mappings().first()
    if row is None:
        raise NotFound(f"{name} has no release {number}", f"`wend releases {name}` lists those there are")
    return as_release(row)


def releases(db: Connection, name: str, limit: int = 50) -> list[Release]:
    """The newest releases first."""
    query = sa.select(RELEASES).where(RELEASES.c.app == name).order_by(RELEASES.c.number.desc()).limit(limit)
    return [as_release(row) for row in db.execute(query).mappings()]


def declared_by(db: Connection, name: str, numbers: Collection[int]) -> dict[int, Declared]:
    """What these releases of an app declare beside their processes."""
    mine = (RELEASES.c.app == name) & RELEASES.c.number.in_(numbers)
    rows = db.execute(sa.select(RELEASES.c.number, RELEASES.c.declared_json).where(mine))
    return {row.number: declared(json.loads(row.declared_json)) for row in rows}


def as_release(row: Mapping[Any, Any]) -> Release:
    plain = {key: value for key, value in row.items() if not key.endswith("_json")}
    tables = {key[:-5]: json.loads(value) for key, value in row.items() if key.endswith("_json")}
    kept = declared(tables.pop("declared"))
    return Release(**plain, **tables, declared=kept)


def next_release(db: Connection, name: str) -> int:
    """The number the app's next release gets: one more than any it ever had."""
    return (db.execute(sa.select(sa.func.max(RELEASES.c.number)).where(RELEASES.c.app == name)).scalar() or 0) + 1


def deploy(db: Connection, id: str) -> Deploy:
    """The deploy, or NotFound."""
    row = db.execute(sa.select(DEPLOYS).where(DEPLOYS.c.id == id)).mappings().first()
    if row is None:
        raise NotFound(f"there is no deploy {id!r}", "open the app's page, or `wend releases APP`")
    return as_deploy(row)


def deploys(db: Connection, name: str | None = None, state: str | None = None, limit: int = 50) -> list[Deploy]:
    """The newest deploys first, of one app or all, in one state or any."""
    query = sa.select(DEPLOYS).order_by(DEPLOYS.c.started_at.desc(), DEPLOYS.c.id.desc()).limit(limit)
    if name is not None:
        query = query.where(DEPLOYS.c.app == name)
    if state is not None:
        query = query.where(DEPLOYS.c.state == state)
    return [as_deploy(row) for row in db.execute(query).mappings()]


def as_deploy(row: Mapping[Any, Any]) -> Deploy:
    plain = {key: value for key, value in row.items() if key != "tail_json"}
    return Deploy(**plain, tail=tuple(json.loads(row["tail_json"] or "[]")))


def steps(db: Connection, deploy_id: str) -> list[dict[str, Any]]:
    """The deploy's journal so far: step, at, ms, detail."""
    query = sa.select(STEPS).where(STEPS.c.deploy == deploy_id).order_by(STEPS.c.at)
    return [dict(row) for row in db.execute(query).mappings()]


def config(db: Connection, name: str) -> dict[str, str]:
    """The plain configuration in force."""
    rows = db.execute(sa.select(CONFIG.c.name, CONFIG.c.value).where(CONFIG.c.app == name).order_by(CONFIG.c.name))
    return {row.name: row.value for row in rows}


def secrets(db: Connection, name: str) -> dict[str, dict[str, Any]]:
    """The secrets in force: name → version, hash of the sealed text, at, actor. Never a value."""
    rows = db.execute(sa.select(SECRETS).where(SECRETS.c.app == name).order_by(SECRETS.c.name)).mappings()
    return {row["name"]: {key: row[key] for key in ("version", "hash", "at", "actor")} for row in rows}


def sealed_versions(db: Connection, name: str) -> list[tuple[str, int, str]]:
    """(name, version, hash) of every secret version ever sealed for the app."""
    query = sa.select(SEALED.c.name, SEALED.c.version, SEALED.c.hash).where(SEALED.c.app == name)
    return [(row.name, row.version, row.hash) for row in db.execute(query)]


def lent(db: Connection, name: str) -> set[str]:
    """Hashes of the sealed texts that the preview has of its app's secrets, not of anybody who set them for it."""
    query = sa.select(SEALED.c.hash).where(SEALED.c.app == name, SEALED.c.lender.is_not(None))
    return set(db.execute(query).scalars())


def runs(db: Connection, name: str, limit: int = 20) -> list[dict[str, Any]]:
    """One-off commands, newest first."""
    query = sa.select(RUNS).where(RUNS.c.app == name).order_by(RUNS.c.started_at.desc()).limit(limit)
    return [dict(row) for row in db.execute(query).mappings()]


def open_runs(db: Connection) -> list[dict[str, Any]]:
    """The one-off commands of every app that have begun and not ended."""
    return [dict(row) for row in db.execute(sa.select(RUNS).where(RUNS.c.ended.is_(None))).mappings()]


def exits(db: Connection, name: str, limit: int = 20) -> list[dict[str, Any]]:
    """Processes that ended though they should have run, newest first."""
    query = sa.select(EXITS).where(EXITS.c.app == name).order_by(EXITS.c.seq.desc()).limit(limit)
    return [dict(row) for row in db.execute(query).mappings()]


def live_releases(db: Connection) -> dict[str, Release]:
    """Every app's live release, by app."""
    here = (RELEASES.c.app == APPS.c.name) & (RELEASES.c.number == APPS.c.live)
    return {row["app"]: as_release(row) for row in db.execute(sa.select(RELEASES).join(APPS, here)).mappings()}


def latest_deploys(db: Connection) -> dict[str, Deploy]:
    """Every app's newest deploy, by app."""
    one = DEPLOYS.alias()
    last = (
        sa.select(one.c.id).where(one.c.app == APPS.c.name).order_by(one.c.started_at.desc(), one.c.id.desc()).limit(1)
    )
    query = sa.select(DEPLOYS).join(APPS, DEPLOYS.c.id == last.correlate(APPS).scalar_subquery())
    return {row["app"]: as_deploy(row) for row in db.execute(query).mappings()}
