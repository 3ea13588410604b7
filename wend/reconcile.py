"""Bring what runs back to what should run: after a crash, and whenever something died.

Facts: replica_exited, and those that close a deploy which a crash cut short.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from wend import deploy, fleet, gate, rollout
from wend.context import Context
from wend.errors import Down, NotFound, WendError
from wend.events import Fact
from wend.journal import FORWARD, Journal
from wend.route import Route
from wend.run import Replica, Status, Step
from wend.state import canaries, questions, scaling
from wend.state.questions import App, Deploy, Release

log = logging.getLogger(__name__)
PRESENT = frozenset({"starting", "up", "asleep", "backoff"})  # there, or coming back by itself


@dataclass
class Memory:
    """What the reconciler remembers between two looks: exits it has recorded, and apps that did not come up, with
    the time (Unix seconds) before which they are left alone."""

    exits: set[tuple[str, float]] = field(default_factory=set[tuple[str, float]])
    resting: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])


# ---------------------------------------------------------------------------------------------- pure


def is_warm(app: App, now: float, warm_seconds: float) -> bool:
    """Whether the release before the live one is still kept running."""
    return app.previous is not None and app.live_at is not None and now - app.live_at / 1e6 < warm_seconds


def surplus(want: Iterable[Replica], have: Iterable[Status], warm: Collection[int]) -> list[Status]:
    """What runs and should not: processes of releases that are neither live nor kept, workers of the kept ones, and
    live ones beyond those wanted."""
    wanted = {replica.id for replica in want}

    def stays(status: Status) -> bool:
        kept = status.release in warm and status.process == "web" and status.phase in fleet.ALIVE
        return status.id in wanted or kept

    return [status for status in have if not stays(status)]


def calm(
    app: App,
    live: Release | None,
    trial: Release | None,
    scale: Mapping[str, int],
    have: Iterable[Status],
    now: float,
    warm_for: float,
) -> bool:
    """Whether an app runs just what it should, by name and number alone (cheap: nothing is opened or asked). `trial`:
    the release that is a canary, of which only web runs."""
    found = Counter((status.release, status.process) for status in have if status.phase in PRESENT)
    if sum(found.values()) != len(list(have)):
        return False
    wanted = Counter[tuple[int, str]]()
    if live is not None:
        for name, settings in live.processes.items():
            wanted[live.number, name] = fleet.wanted(settings, scale.get(name))
    if trial is not None:
        wanted[trial.number, "web"] = fleet.wanted(trial.processes["web"], scale.get("web"))
    spare = found - wanted
    warm = app.previous if is_warm(app, now, warm_for) else None
    return not wanted - found and all((number, process) == (warm, "web") for number, process in spare)


def settled(want: Iterable[Replica], have: Iterable[Status]) -> bool:
    """Whether every wanted replica is there (up, or restarting by itself)."""
    phases = {status.id: status.phase for status in have}
    return all(phases.get(replica.id) in PRESENT for replica in want)


# ---------------------------------------------------------------------------------------------- recovery


def recover(ctx: Context) -> None:
    """After a start, or when the plane that led is gone: finish or undo every deploy that was cut off, then look at
    every app."""
    take_up(ctx)
    with ctx.ledger.query() as db:
        apps = questions.apps(db)
    for app in apps:
        try:
            tick(ctx, app.name, Memory())
        except Exception:
            log.exception("first look at %s", app.name)


def take_up(ctx: Context) -> None:
    """Finish or undo every open deploy that nobody is at any more. What another plane has under way is left alone."""
    with ctx.ledger.query() as db:
        names = dict.fromkeys(found.app for found in under_way(db, None))
    for name in names:
        with ctx.leases.try_hold(name, "recovery") as lease:
            if lease is not None:
                settle(ctx, name)


def under_way(db: Connection, name: str | None) -> list[Deploy]:
    """Deploys of an app, or of all, that are not over; the oldest first."""
    states = ("running", "live")
    found = [one for state in states for one in questions.deploys(db, name, state, limit=1000)]
    return sorted(found, key=lambda one: one.started_at)


def settle(ctx: Context, name: str) -> None:
    """Finish or undo what was cut off of an app's deploys. Whoever does this has the app's turn."""
    with ctx.ledger.query() as db:
        open_ones = under_way(db, name)
    for found in open_ones:
        try:
            resume(ctx, found)
        except Exception:
            # One deploy that cannot be taken up must not keep the platform, and every other app, from starting.
            log.exception("recovery of deploy %s of %s", found.id, found.app)


def resume(ctx: Context, found: Deploy) -> None:
    """Continue a deploy whose new release was well; undo any other, and one that a later deploy overtook. A canary goes
    on as it is, and so does one that somebody sees to its end."""
    if found.state == "live" and ctx.leases.planes.taken(deploy.draining(found.id)):
        return
    with ctx.ledger.query() as db:
        app = questions.app(db, found.app)
        if any(row.mode == "canary" and row.under_way for row in canaries.of_deploy(db, found.id)):
            return
    journal = Journal(ctx, found.app, found.id, log.info)
    journal.reached = found.step
    if found.state == "live" and app.live != found.release:
        deploy.close(journal)
        return
    overtaken = found.state == "running" and (app.live_at or 0) > found.started_at
    if found.step not in FORWARD or found.release is None or overtaken:
        error = Down(f"the platform restarted after the step {found.step!r}", "nothing was changed; push again")
        deploy.abandon(ctx, journal, error)
        return
    with ctx.ledger.query() as db:
        release = questions.release(db, found.app, found.release)
    if found.state == "running":
        rollout.switch(ctx, journal, release, None)
    deploy.finish(ctx, journal, release)


# ---------------------------------------------------------------------------------------------- the steady state


def tick(ctx: Context, name: str, memory: Memory) -> None:
    """Look at one app once, unless somebody is changing it, and mend what is not as it should be."""
    with ctx.leases.try_hold(name, "reconcile") as lease:
        if lease is None:
            return
        rest, until = memory.resting.get(name, (0.0, 0.0))
        try:
            if time.time() >= until:
                converge(ctx, name)
                memory.resting.pop(name, None)
        except NotFound:
            return
        except WendError as error:
            rest = min(60.0, max(1.0, rest * 2))
            memory.resting[name] = (rest, time.time() + rest)
            log.warning("%s is not as it should be: %s", name, error.message)


def converge(ctx: Context, name: str, wait: bool = False) -> None:
    """Make what runs equal what should: start what is missing, gate it, route to it, stop the rest. With `wait`,
    every replica must be well before the route changes, else only those started here."""
    app, scale = deploy.look_up(ctx, name)
    have = ctx.driver.status(name)
    if app.live is None:
        stop(ctx, have)
        return
    with ctx.ledger.query() as db:
        live = questions.release(db, name, app.live)
        trial = on_trial(db, name)
    warm = kept(ctx, app)
    want = bring(ctx, live, scale, have, wait)
    if trial:
        want += bring(ctx, trial, {"web": scale["web"]} if "web" in scale else {}, have, wait, only="web")
    extra, before = surplus(want, have, warm), ctx.router.get(name)
    rollout.reroute(ctx, name, warm, {status.id for status in extra})
    retire(ctx, app, extra, before)


def bring(
    ctx: Context,
    release: Release,
    scale: Mapping[str, int],
    have: list[Status],
    wait: bool,
    only: str | None = None,
) -> list[Replica]:
    """Start and gate what the release lacks; everything it should have."""
    outfit = fleet.outfit(ctx, release)
    every = [replica for replica in fleet.replicas(release, outfit, scale) if only in (None, replica.process)]
    want = fleet.renumber(every, have)
    if not settled(want, have):
        present = {status.id for status in have if status.phase in PRESENT}
        missing = [replica for replica in want if replica.id not in present]
        fleet.start(ctx, want, outfit.env, have)
        gate.wait(ctx, want if wait else missing, release.processes, None, outfit.values)
    return want


def on_trial(db: Connection, name: str) -> Release | None:
    """The release that is the app's canary now."""
    row = rollout.under_way(canaries.running(db, name))
    return questions.release(db, name, row.release) if row else None


def kept(ctx: Context, app: App) -> set[int]:
    """The other releases whose web processes stay: the one before while it is warm, and any that still answers
    requests from before the route changed, for as long as those may take."""
    now = time.time()
    warm = {app.previous} if is_warm(app, now, ctx.config.warm_seconds) and app.previous else set[int]()
    if now - turned(ctx, app) < ctx.config.drain_seconds:
        warm |= {number for number, seen in ctx.router.stats(app.name).items() if seen.active and number != app.live}
    return warm


def turned(ctx: Context, app: App) -> float:
    """When (Unix seconds) the app's requests last changed their way: going live, a canary's end, a count."""
    with ctx.ledger.query() as db:
        ends = [row.ended_at or 0 for row in canaries.recent(db, app.name, 1)]
        counts = [row["at"] for row in scaling.history(db, app.name, 1)]
    return max(app.live_at or 0, 0, *ends, *counts) / 1e6


def retire(ctx: Context, app: App, extra: list[Status], before: Route | None) -> None:
    """Stop what is surplus. What had a place in the route until now, or has callers, is left for a later look, for as
    long as requests may take."""
    patient = time.time() - turned(ctx, app) < ctx.config.drain_seconds
    served = {port for backend in (before.backends.values() if before else ()) for _, port in backend.endpoints}

    def stays(status: Status) -> bool:
        return status.phase in fleet.ALIVE and (status.port in served or not ctx.driver.idle(status.id))

    stop(ctx, [status for status in extra if not (patient and stays(status))])


def stop(ctx: Context, extra: list[Status]) -> None:
    for status in extra:
        ctx.driver.apply(Step("stop", status.id), {})


def record_exits(ctx: Context, have: Iterable[Status], memory: Memory) -> None:
    """Write down each unwanted end of a process once."""
    for status in have:
        if status.exit is None or status.phase == "stopping" or (status.id, status.exit.at) in memory.exits:
            continue
        memory.exits.add((status.id, status.exit.at))
        data = {"release": status.release, "process": status.process, "replica": status.id, "cause": str(status.exit)}
        # The id is made of what happened, so that a restarted platform does not record it again.
        fact = Fact(
            "replica_exited", f"app/{status.app}", data, app=status.app, id=f"exit-{status.id}-{status.exit.at:.6f}"
        )
        ctx.ledger.append([fact])


def look(ctx: Context, memory: Memory) -> list[str]:
    """Look at the proxy and at every app at once: record exits, and name the apps that are not as they should be."""
    if not ctx.router.alive():
        ctx.router.up()
    by_app: dict[str, list[Status]] = {}
    for status in ctx.driver.status():
        by_app.setdefault(status.app, []).append(status)
    with ctx.ledger.query() as db:
        apps, live, scales = questions.apps(db), questions.live_releases(db), scaling.scales(db)
        trials = {row.app: on_trial(db, row.app) for row in canaries.running(db)}
    now, warm_for = time.time(), ctx.config.warm_seconds
    restless: list[str] = []
    for app in apps:
        have = by_app.get(app.name, [])
        record_exits(ctx, have, memory)
        shares = live.get(app.name), trials.get(app.name)
        if not calm(app, *shares, scales.get(app.name, {}), have, now, warm_for):
            restless.append(app.name)
    return restless
