"""What an app has beside its releases, as plain JSON values: replica counts, previews, jobs and resources.

Times are Unix microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from wend import auth, fleet
from wend import jobs as clockwork
from wend import resources as storage
from wend.context import Context
from wend.errors import NotFound
from wend.resources.credentials import REPLACES
from wend.run import Status
from wend.state import jobs as job_runs
from wend.state import questions, scaling
from wend.state import resources as stored
from wend.state.questions import Release

Found = dict[str, Any]


# ---------------------------------------------------------------------------------------------- pure


def counts(
    live: Release | None, scale: Mapping[str, int], by_hand: Mapping[str, int], have: Iterable[Status]
) -> dict[str, Found]:
    """Process type → `count` wanted, who says so (`by`: hand · load · wend.toml), its `bounds` (None: not scaled by
    load), and how many are `up` and `asleep`."""
    found: dict[str, Found] = {}
    mine = [one for one in have if live and one.release == live.number]
    for name, settings in live.processes.items() if live else ():
        bounds = settings.get("scaling")
        by = "hand" if name in by_hand else "load" if bounds else "wend.toml"
        about = {"count": fleet.wanted(settings, scale.get(name)), "by": by, "bounds": bounds}
        phases = [one.phase for one in mine if one.process == name]
        found[name] = about | {"up": phases.count("up"), "asleep": phases.count("asleep")}
    return found


# ---------------------------------------------------------------------------------------------- acts


def scale(ctx: Context, name: str) -> Found:
    """`processes` as `counts` says, and the `history` of the counts, newest first."""
    with ctx.ledger.query() as db:
        app = questions.app(db, name)
        live = None if app.live is None else questions.release(db, name, app.live)
        now, by_hand, past = scaling.scale(db, name), scaling.by_hand(db, name), scaling.history(db, name)
    return {"processes": counts(live, now, by_hand, ctx.driver.status(name)), "history": past}


def jobs(ctx: Context, name: str) -> list[Found]:
    """What the live release runs by the clock: name, schedule, when it is next due (`next_at`), and its last run."""
    return [asdict(one) for one in clockwork.declared(ctx, name)]


def job(ctx: Context, name: str, which: str) -> Found:
    """A job's `runs`, newest first; also one that the live release no longer has. Raises NotFound."""
    with ctx.ledger.query() as db:
        questions.app(db, name)
        runs = job_runs.runs(db, name, which)
    found = next((one for one in jobs(ctx, name) if one["name"] == which), None)
    if found is None and not runs:
        raise NotFound(f"{name} has no job {which[:60]!r}", f"`wend jobs {name}` lists those there are")
    return {"job": found, "runs": runs}


def resources(ctx: Context, name: str) -> list[Found]:
    """The app's databases, caches and folders, each with its size in `bytes` (None: not known). Never a password."""
    return [kept(one) | {"bytes": size} for one, size in storage.of(ctx, name)]


def trash(ctx: Context) -> list[Found]:
    """What can be restored of apps that the actor may see, newest first."""
    with ctx.ledger.query() as db:
        found = stored.trashed(db)
    return [kept(one) for one in found if auth.permits(ctx.actor.scopes, "app.read", one.app)]


def kept(one: stored.Kept | stored.Trashed) -> Found:
    """A resource, here or in the trash. `rotating`: a rotation began and is not finished. Hashes are the ledger's
    business."""
    about = {key: value for key, value in one.about.items() if key != REPLACES}
    plain = {key: value for key, value in asdict(one).items() if key != "hash"}
    return plain | {"about": about, "rotating": REPLACES in one.about}
