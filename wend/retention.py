"""Keep what a rollback needs, and no more: by count per app and by bytes in all.

Facts: release_retired.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from wend import fleet
from wend.build import store
from wend.context import Context
from wend.events import Fact
from wend.runs import Run
from wend.state import canaries, questions
from wend.state.canaries import Canary
from wend.state.questions import App, Release

Needed = set[tuple[str, int]]  # (app, release) pairs that stay whatever the limits say


def needed_now(apps: Iterable[App], trials: Iterable[Canary], runs: Iterable[Run]) -> Needed:
    """The live releases, those before them, canaries, and those that a job or a one-off runs in. Pure."""
    served = {(app.name, number) for app in apps for number in (app.live, app.previous) if number is not None}
    used = {(run.app, run.release) for run in runs if run.release is not None}
    return served | used | {(row.app, row.release) for row in trials}


def overdue(releases: Iterable[Release], keep: int, needed: Needed) -> list[Release]:
    """The app's releases whose files may go: beyond the `keep` newest, never one that is needed. Pure."""
    kept = [release for release in sorted(releases, key=lambda one: -one.number) if not release.retired_at]
    return [release for release in kept[max(keep, 2) :] if (release.app, release.number) not in needed]


def heaviest(releases: Iterable[Release], sizes: dict[str, int], most: int, needed: Needed) -> list[Release]:
    """Beyond `most` bytes of artifacts in all, the oldest releases that are not needed. Pure."""
    spare = sorted((one for one in releases if (one.app, one.number) not in needed), key=lambda one: one.created_at)
    total, going = sum(sizes.values()), list[Release]()
    for release in spare:
        if total <= most:
            break
        total -= sizes.pop(release.artifact, 0)
        going.append(release)
    return going


def sweep(ctx: Context) -> int:
    """Retire what is overdue or too much, then delete artifacts and dependencies that no release needs. How many
    releases were retired."""
    with ctx.ledger.query() as db:
        apps = questions.apps(db)
        every = {app.name: questions.releases(db, app.name, 1000) for app in apps}
        served = needed_now(apps, canaries.running(db), ctx.runs.of())
    going = [one for many in every.values() for one in overdue(many, ctx.config.keep_releases, served)]
    left = [one for many in every.values() for one in many if not one.retired_at and one not in going]
    room = fleet.build_room(ctx)
    sizes = {one.artifact: found.size for one in left if (found := store.load(room, one.artifact))}
    going += heaviest(left, sizes, ctx.config.keep_bytes, served)
    facts = [Fact("release_retired", f"app/{one.app}", {"release": one.number}, app=one.app) for one in going]
    if facts:
        ctx.ledger.append(facts)
    gone = {(one.app, one.number) for one in going}
    needed = {
        one.artifact
        for many in every.values()
        for one in many
        if not one.retired_at and (one.app, one.number) not in gone
    }
    for id in {file.stem for file in room.artifacts.glob("[0-9a-f]*.json")} - needed:
        if store.older(room.artifacts / f"{id}.json", newest_allowed()):
            store.forget(room, id)
    store.sweep(room)
    return len(going)


def newest_allowed() -> float:
    """Artifacts younger than an hour stay: a deploy under way may have built one and not yet frozen its release."""
    return time.time() - 3600


def pack(ctx: Context) -> None:
    """Pack every app's repository, unless somebody is changing the app."""
    with ctx.ledger.query() as db:
        apps = questions.apps(db)
    for app in (app for app in apps if app.parent is None):
        with ctx.leases.try_hold(app.name, "upkeep") as lease:
            if lease is not None and ctx.repos.path(app.name).is_dir():
                ctx.repos.tidy(ctx.repos.open(app.name))
