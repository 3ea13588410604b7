"""What the portal's pages show beside an app's releases: canaries with their history, previews, jobs and resources."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from wend import resources as storage
from wend import rollout, trial
from wend.context import Context
from wend.errors import WendError
from wend.state import canaries, questions
from wend.state import jobs as job_runs
from wend.state import resources as stored
from wend.state.canaries import Canary
from wend.state.questions import App, Release
from wend.web import holding, judged

Found = dict[str, Any]
HISTORY = 200  # events of an app's canaries that are looked through


def live_of(ctx: Context, name: str) -> tuple[App, Release | None]:
    with ctx.ledger.query() as db:
        app = questions.app(db, name)
        return app, None if app.live is None else questions.release(db, name, app.live)


# ---------------------------------------------------------------------------------------------- judgement


def trials(ctx: Context, name: str, rows: Sequence[Canary]) -> list[Found]:
    """These canaries and watches of an app, as `judged.view` has them."""
    if not rows:
        return []
    events = ctx.ledger.read(kinds=judged.KINDS, app=name, limit=HISTORY, newest=True)
    return [judged.view(row, events, time.time()) for row in rows]


def under_way(ctx: Context, name: str) -> list[Found]:
    """The app's canary, or the watch over its live release; what happened so far is on its deploy's page."""
    with ctx.ledger.query() as db:
        rows = canaries.running(db, name)
    found = [judged.view(row, (), time.time()) for row in rows]
    return [{key: value for key, value in one.items() if key != "history"} for one in found]


def of_deploy(ctx: Context, deploy: Found) -> list[Found]:
    """The newest first: those of the deploy itself, and the one under way of the release that it made."""
    with ctx.ledger.query() as db:
        own = canaries.of_deploy(db, deploy["id"])
        others = canaries.running(db, deploy["app"])
    known = {(row.deploy, row.mode) for row in own}
    mine = [row for row in others if row.release == deploy["release"] and (row.deploy, row.mode) not in known]
    return trials(ctx, deploy["app"], [*own, *mine])[::-1]


def undone(ctx: Context, name: str, deploys: list[Found]) -> Found | None:
    """What the judge took back last, until something is deployed again."""
    with ctx.ledger.query() as db:
        rows = canaries.recent(db, name)
    return judged.undone(rows, deploys)


def on_trial(ctx: Context) -> dict[str, Found]:
    """Every app's canary under way: its release and share."""
    with ctx.ledger.query() as db:
        rows = [row for row in canaries.running(db) if row.mode == "canary"]
    return {row.app: {"release": row.release, "weight": row.weight, "state": row.state} for row in rows}


def offer(ctx: Context, deploy: Found) -> Found | None:
    """The release of a deploy, and the shares it would go through, when a canary of it could begin now."""
    number = deploy["release"]
    with ctx.ledger.query() as db:
        app = questions.app(db, deploy["app"])
        busy = rollout.under_way(canaries.running(db, app.name))
        if busy or deploy["state"] == "running" or number is None or app.live is None:
            return None
        known = [questions.release(db, app.name, one) for one in {number, app.live}]
    try:
        found = trial.candidate(app, known, number)
    except WendError:
        return None
    steps = rollout.steps_for(found.declared.canary, "on", 0.0)
    return {"release": found.number, "live": app.live, "steps": ", ".join(str(step) for step in steps)}


# ---------------------------------------------------------------------------------------------- the rest


def previews(ctx: Context, name: str) -> Found:
    """The app's previews, the one that ends first at the top, and what wend.toml says of them."""
    app, live = live_of(ctx, name)
    with ctx.ledger.query() as db:
        found = [one for one in questions.apps(db) if one.parent == name]
    kept = ("name", "of_branch", "live", "live_at", "created_at", "expires_at")
    rows = [{key: getattr(one, key) for key in kept} | {"url": ctx.config.url(one.name)} for one in found]
    hours = live.declared.preview.hours if live else None
    rows.sort(key=lambda row: row["expires_at"] or 0)
    return {"app": name, "parent": app.parent, "hours": hours, "previews": rows}


def jobs(ctx: Context, name: str) -> Found:
    """The live release's jobs and the newest runs of all there ever were."""
    found = holding.jobs(ctx, name)
    with ctx.ledger.query() as db:
        return {"app": name, "jobs": found, "runs": job_runs.runs(db, name)}


def stores(ctx: Context, name: str) -> list[Found]:
    """What the app stores, without asking any server. Never a password, nor where it is sealed."""
    with ctx.ledger.query() as db:
        return [facts_of(one) for one in stored.kept(db, name)]


def resources(ctx: Context, name: str) -> Found:
    """The same with sizes in `bytes` (None: not known), and what can still be restored."""
    found = [facts_of(one) | {"bytes": size} for one, size in storage.of(ctx, name)]
    gone = ("id", "app", "name", "type", "at", "until")
    with ctx.ledger.query() as db:
        trash = [{key: getattr(one, key) for key in gone} for one in stored.trashed(db, name)]
    return {"app": name, "resources": found, "trash": trash}


def facts_of(one: stored.Kept) -> Found:
    return {key: getattr(one, key) for key in ("name", "type", "version", "created_at", "rotated_at")}
