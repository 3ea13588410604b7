"""What each event does to the tables. Pure of everything but the connection: same events in, same tables out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state import (
    access,
    bets,
    canaries,
    catalogue,
    delivery,
    deprecations,
    figures,
    guardrails,
    hatches,
    ingest,
    jobs,
    load,
    newcomers,
    own,
    paths,
    people,
    proposals,
    research,
    resources,
    scaling,
    surveys,
    toil,
    voice,
)
from wend.state import derived as derived  # its tables are made with the others
from wend.state.tables import APPS, CONFIG, DEPLOYS, EXITS, META, RELEASES, RUNS, SEALED, SECRETS, STEPS, TOKENS


def reduce(connection: Connection, events: Sequence[Event]) -> None:
    """Apply events in order; kinds without a reducer change no table. A run of one kind that comes in masses is given
    to its reducer as a whole."""
    for kind, run in groupby(events, key=lambda event: event.kind):
        if kind in MASSES:
            MASSES[kind](connection, list(run))
        elif kind in REDUCERS:
            for event in run:
                for handler in REDUCERS[kind]:
                    handler(connection, event)


def app_created(db: Connection, event: Event) -> None:
    row = {"name": event.app, "branch": event.data.get("branch", "main"), "team": event.team}
    row |= {key: event.data.get(key) for key in ("parent", "of_branch", "expires_at")}
    db.execute(sa.insert(APPS), {**row, "created_at": event.at, "created_by": event.actor})


def app_destroyed(db: Connection, event: Event) -> None:
    deploys = sa.select(DEPLOYS.c.id).where(DEPLOYS.c.app == event.app)
    db.execute(sa.delete(STEPS).where(STEPS.c.deploy.in_(deploys)))
    for table in META.sorted_tables:
        if "app" in table.c and not table.info["outlives"]:
            db.execute(sa.delete(table).where(table.c.app == event.app))
    db.execute(sa.delete(APPS).where(APPS.c.name == event.app))


def branch_set(db: Connection, event: Event) -> None:
    db.execute(sa.update(APPS).where(APPS.c.name == event.app).values(branch=event.data["branch"]))


def preview_renewed(db: Connection, event: Event) -> None:
    db.execute(sa.update(APPS).where(APPS.c.name == event.app).values(expires_at=event.data["expires_at"]))


def team_set(db: Connection, event: Event) -> None:
    db.execute(sa.update(APPS).where(APPS.c.name == event.app).values(team=event.data["team"]))


def deploy_started(db: Connection, event: Event) -> None:
    data = event.data
    row = {key: data.get(key) for key in ("cause", "commit", "ref", "release")}
    row |= {"id": data["deploy"], "app": event.app, "actor": event.actor, "summary": data.get("summary", "")}
    db.execute(sa.insert(DEPLOYS), {**row, "step": "received", "state": "running", "started_at": event.at})


def deploy_step_reached(db: Connection, event: Event) -> None:
    data = event.data
    row = {
        "deploy": data["deploy"],
        "step": data["step"],
        "at": event.at,
        "ms": data["ms"],
        "detail": data.get("detail"),
    }
    db.execute(sa.delete(STEPS).where(STEPS.c.deploy == row["deploy"], STEPS.c.step == row["step"]))
    db.execute(sa.insert(STEPS), row)
    db.execute(sa.update(DEPLOYS).where(DEPLOYS.c.id == data["deploy"]).values(step=data["step"]))


def deploy_failed(db: Connection, event: Event) -> None:
    data = event.data
    values = {"state": "failed", "step": data["step"], "message": data["message"], "hint": data.get("hint", "")}
    values |= {"tail_json": json.dumps(data.get("tail", [])), "ended_at": event.at}
    db.execute(sa.update(DEPLOYS).where(DEPLOYS.c.id == data["deploy"]).values(**values))


def deploy_finished(db: Connection, event: Event) -> None:
    values = {"state": "done", "ended_at": event.at}
    db.execute(sa.update(DEPLOYS).where(DEPLOYS.c.id == event.data["deploy"]).values(**values))


def release_created(db: Connection, event: Event) -> None:
    data = event.data
    row = {key: data[key] for key in ("deploy", "artifact", "path", "commit")}
    row |= {f"{key}_json": json.dumps(data[key], sort_keys=True) for key in ("config", "secrets", "env", "processes")}
    row["declared_json"] = json.dumps(data.get("declared", {}), sort_keys=True)
    row |= {"app": event.app, "number": data["release"], "command": data.get("command")}
    db.execute(sa.insert(RELEASES), {**row, "created_at": event.at, "created_by": event.actor})
    db.execute(sa.update(DEPLOYS).where(DEPLOYS.c.id == data["deploy"]).values(release=data["release"]))


def release_went_live(db: Connection, event: Event) -> None:
    """Route, configuration and secrets change together: a rollback brings all three back."""
    release = event.data["release"]
    live = {"live": release, "previous": event.data.get("previous"), "live_at": event.at}
    db.execute(sa.update(APPS).where(APPS.c.name == event.app).values(**live))
    mine = (RELEASES.c.app == event.app) & (RELEASES.c.number == release)
    db.execute(sa.update(RELEASES).where(mine).values(live_at=event.at))
    db.execute(sa.update(DEPLOYS).where(DEPLOYS.c.id == event.data["deploy"]).values(state="live", release=release))
    row = db.execute(sa.select(RELEASES).where(mine)).mappings().one()
    scaling.fit(db, event, json.loads(row["processes_json"]))
    replace_config(db, event, json.loads(row["config_json"]), json.loads(row["secrets_json"]))


def replace_config(db: Connection, event: Event, config: dict[str, str], secrets: dict[str, Any]) -> None:
    """Make this the app's whole configuration; rows that stay as they are keep their time and author."""
    for table, wanted in ((CONFIG, config), (SECRETS, secrets)):
        db.execute(sa.delete(table).where(table.c.app == event.app, table.c.name.not_in(list(wanted))))
    for name, value in config.items():
        put_config(db, event, name, value)
    for name, sealed in secrets.items():
        put_secret(db, event, name, sealed)


def put_config(db: Connection, event: Event, name: str, value: str) -> None:
    here = (CONFIG.c.app == event.app) & (CONFIG.c.name == name)
    if db.execute(sa.select(CONFIG.c.value).where(here)).scalar() == value:
        return
    db.execute(sa.delete(CONFIG).where(here))
    row = {"app": event.app, "name": name, "value": value}
    db.execute(sa.insert(CONFIG), {**row, "at": event.at, "actor": event.actor})


def put_secret(db: Connection, event: Event, name: str, sealed: dict[str, Any]) -> None:
    here = (SECRETS.c.app == event.app) & (SECRETS.c.name == name)
    if db.execute(sa.select(SECRETS.c.hash).where(here)).scalar() == sealed["hash"]:
        return
    db.execute(sa.delete(SECRETS).where(here))
    row = {"app": event.app, "name": name, "version": sealed["version"], "hash": sealed["hash"]}
    db.execute(sa.insert(SECRETS), {**row, "at": event.at, "actor": event.actor})


def config_changed(db: Connection, event: Event) -> None:
    for name in event.data["unset"]:
        db.execute(sa.delete(CONFIG).where(CONFIG.c.app == event.app, CONFIG.c.name == name))
    for name, value in event.data["set"].items():
        put_config(db, event, name, value)


def secret_changed(db: Connection, event: Event) -> None:
    for name in event.data["unset"]:
        db.execute(sa.delete(SECRETS).where(SECRETS.c.app == event.app, SECRETS.c.name == name))
    for name, sealed in event.data["set"].items():
        put_secret(db, event, name, sealed)


def secret_sealed(db: Connection, event: Event) -> None:
    row = {key: event.data[key] for key in ("name", "version", "hash")}
    db.execute(sa.insert(SEALED), {**row, "app": event.app, "lender": event.data.get("lender")})


def release_retired(db: Connection, event: Event) -> None:
    mine = (RELEASES.c.app == event.app) & (RELEASES.c.number == event.data["release"])
    db.execute(sa.update(RELEASES).where(mine).values(retired_at=event.at))


def replica_exited(db: Connection, event: Event) -> None:
    row = {key: event.data[key] for key in ("release", "process", "cause")}
    db.execute(sa.insert(EXITS), {**row, "seq": event.seq, "app": event.app, "at": event.at})


def run_started(db: Connection, event: Event) -> None:
    row = {"id": event.data["run"], "command": event.data["command"], "app": event.app, "actor": event.actor}
    db.execute(sa.insert(RUNS), {**row, "started_at": event.at})


def run_finished(db: Connection, event: Event) -> None:
    values = {"ended": event.data["ended"], "ms": event.data["ms"]}
    db.execute(sa.update(RUNS).where(RUNS.c.id == event.data["run"]).values(**values))


def token_created(db: Connection, event: Event) -> None:
    data = event.data
    row = {key: data.get(key) for key in ("hash", "owner", "kind", "note", "expires_at")}
    row |= {"id": data["token"], "scopes_json": json.dumps(data["scopes"]), "created_at": event.at}
    db.execute(sa.insert(TOKENS), row)


def token_revoked(db: Connection, event: Event) -> None:
    db.execute(sa.update(TOKENS).where(TOKENS.c.id == event.data["token"]).values(revoked_at=event.at))


APPLIED = (
    app_created,
    *paths.REDUCERS,  # what is destroyed has left its path
    app_destroyed,
    branch_set,
    config_changed,
    deploy_failed,
    preview_renewed,
    deploy_finished,
    deploy_started,
    deploy_step_reached,
    release_created,
    release_retired,
    release_went_live,
    replica_exited,
    run_finished,
    run_started,
    secret_changed,
    secret_sealed,
    token_created,
    team_set,
    token_revoked,
    *access.REDUCERS,
    *guardrails.REDUCERS,
    *hatches.REDUCERS,
    *canaries.REDUCERS,
    *jobs.REDUCERS,
    *research.REDUCERS,
    *resources.REDUCERS,
    *scaling.REDUCERS,
    *delivery.REDUCERS,
    *people.REDUCERS,
    *newcomers.REDUCERS,
    *catalogue.REDUCERS,
    *figures.REDUCERS,
    *ingest.REDUCERS,
    *own.REDUCERS,
    *proposals.REDUCERS,
    *deprecations.REDUCERS,
    *bets.REDUCERS,
    *load.REDUCERS,
    *toil.REDUCERS,
    *surveys.REDUCERS,
    *voice.REDUCERS,
)
REDUCERS: dict[str, list[Callable[[Connection, Event], None]]] = {}
for one in APPLIED:
    REDUCERS.setdefault(one.__name__, []).append(one)
MASSES: dict[str, Callable[[Connection, list[Event]], None]] = {**delivery.MASSES, **people.MASSES}
