"""Trying a release on real traffic: begin a canary of one that is there, promote it, and the judge's way back.

Facts: those of a deploy, and of `rollout`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Any

from wend import deploy, fleet, gate, release, resources, rollout
from wend.context import Context
from wend.deploy import undone_on_failure
from wend.errors import Conflict, NotFound, Refused
from wend.journal import Journal, Say
from wend.leases import Lease
from wend.rollout import Asked, Ending
from wend.state import canaries, questions
from wend.state.canaries import Canary
from wend.state.questions import App, Release

log = logging.getLogger(__name__)


def candidate(app: App, releases: Iterable[Release], number: int | None) -> Release:
    """The release to make a canary: this one, or the newest beside the live one. Raises NotFound, Conflict or
    Refused."""
    known = list(releases)
    live = next((one for one in known if one.number == app.live), None)
    fitting = [
        one for one in known if one.number == number or (number is None and one is not live and not one.retired_at)
    ]
    if app.parent:
        raise Refused(f"{app.name} is a preview, which has no canary", f"`git push wend {app.of_branch}` puts it live")
    if live is None:
        raise NotFound(f"{app.name} has no live release to compare with", "push it; the first release goes live")
    if "web" not in live.processes:
        raise Refused(f"{app.name}'s live release has no web process to compare with", "a push goes live at once")
    if not fitting or (number is None and fitting[0].number < live.number):
        hint = "git push -o canary sends the next push out in steps"
        raise NotFound(f"{app.name} has no {'newer release' if number is None else f'release {number}'} to try", hint)
    found = fitting[0]
    if found is live:
        raise Conflict(f"release {number} is already live", f"`wend releases {app.name}` lists the others")
    if found.retired_at:
        raise Refused(
            f"release {found.number} is too old: its files were removed", f"push commit {found.commit[:9]} again"
        )
    if "web" not in found.processes:
        raise Refused(f"release {found.number} has no web process to give traffic to", "push one that has")
    return found


def start(ctx: Context, name: str, number: int | None, asked: Asked, say: Say) -> int:
    """Give a release that is not live a share of the traffic: this one, or the newest; its number."""
    with ctx.leases.hold(name, "canary", urgent=True) as lease:
        with ctx.ledger.query() as db:
            app, known = questions.app(db, name), questions.releases(db, name, 500)
            busy = rollout.under_way(canaries.running(db, name))
        if busy:
            raise Conflict(f"release {busy.release} is a canary already", f"wend canary {name}")
        target = candidate(app, known, number)
        summary = f"release {target.number} beside {app.live}"
        journal = Journal.begin(ctx, name, "canary", say, summary=summary, release=target.number, commit=target.commit)
        with undone_on_failure(ctx, journal):
            resources.provide(ctx, target, say)
            steps = rollout.steps_for(target.declared.canary, "on" if asked is None else asked, 0.0)
            release.go(ctx, journal, lease, target, fleet.outfit(ctx, target), steps)
        return target.number


def promote(ctx: Context, name: str, say: Say) -> int:
    """Make the app's canary live by hand; its number. A newer one that took its place while this waited is not meant:
    Conflict."""
    row = rollout.current(ctx, name)
    with ctx.leases.hold(name, "promote") as lease:
        return win(ctx, lease, Ending(row, "promoted", f"by {ctx.actor.name}"), say)


def win(ctx: Context, lease: Lease, ending: Ending, say: Say) -> int:
    """Make this canary live: start what it lacks (its workers), gate it, and send it every request; its number. If it
    does not come up well, the canary is over."""
    row = rollout.current(ctx, ending.row.app, ending.row.deploy)
    with ctx.ledger.query() as db:
        frozen, begun = questions.release(db, row.app, row.release), questions.deploy(db, row.deploy).started_at
    journal = Journal(ctx, row.app, row.deploy, say, began=time.monotonic() - (time.time() - begun / 1e6))
    outfit = fleet.outfit(ctx, frozen)
    try:
        want = deploy.start(ctx, frozen, outfit)
        gate.wait(ctx, want, frozen.processes, lease, outfit.values)
    except gate.Sick as error:
        rollout.take_back(ctx, row, "rolled back", error.message)
        raise
    policy = rollout.policy_of(row)
    rollout.switch(ctx, journal, frozen, policy if policy.watch else None, ending)
    say(f"  release {frozen.number} is live: {ctx.config.url(row.app)}")
    deploy.finish(ctx, journal, frozen)
    return frozen.number


def undo(ctx: Context, row: Canary, why: str, evidence: Mapping[str, Any]) -> None:
    """Go back from a release that went live under watch to the one before it. While that one's processes are kept warm
    this is a change of the route alone, and waits for nobody: not even for a push that is being built. Raises Refused,
    Sick or Down when that one cannot serve any more."""
    with ctx.ledger.query() as db:
        app, target = questions.app(db, row.app), questions.release(db, row.app, row.stable)
    if app.live != row.release:
        raise Conflict(f"release {row.release} of {row.app} is live no more", f"wend status {row.app}")
    release.check_target(app, target)
    summary = f"release {row.release} → {row.stable}, by the judge: {why}"
    warm = bool(fleet.endpoints(ctx.driver.status(row.app), row.stable))
    with nullcontext() if warm else ctx.leases.hold(row.app, "rollback", urgent=True) as lease:
        journal = Journal.begin(ctx, row.app, "rollback", log.info, summary=summary, release=row.stable)
        with undone_on_failure(ctx, journal):
            if not warm:
                outfit = fleet.outfit(ctx, target)
                gate.wait(ctx, deploy.start(ctx, target, outfit), target.processes, lease, outfit.values)
            rollout.switch(ctx, journal, target, None, Ending(row, "rolled back", why, evidence))
        # What runs is left to the reconciler: a push that is under way has processes of its own coming up.
        deploy.settle(ctx, journal, target)
