"""Bring what runs back to what should run: after a crash, and whenever something died.

Facts: replica_exited, and those that close a deploy which a crash cut short.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from wend import deploy, fleet, gate
from wend.context import Context
from wend.errors import Conflict, Down, NotFound, WendError
from wend.events import Fact
from wend.journal import FORWARD, Journal
from wend.run import Replica, Status, Step
from wend.state import questions
from wend.state.questions import App, Deploy

log = logging.getLogger(__name__)


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


def surplus(app: App, want: Iterable[Replica], have: Iterable[Status], warm: int | None) -> list[Status]:
    """What runs and should not: processes of releases that are neither live nor warm, workers of the warm one, and
    live ones beyond those wanted."""
    wanted = {replica.id for replica in want}

    def stays(status: Status) -> bool:
        return status.id in wanted or (
            status.release == warm and status.process == "web" and status.phase in fleet.ALIVE
        )

    return [status for status in have if not stays(status)]


def settled(want: Iterable[Replica], have: Iterable[Status]) -> bool:
    """Whether every wanted replica is there (up, or restarting by itself)."""
    phases = {status.id: status.phase for status in have}
    return all(phases.get(replica.id) in ("starting", "up", "backoff") for replica in want)


# ---------------------------------------------------------------------------------------------- recovery


def recover(ctx: Context) -> None:
    """After a start: finish or undo every deploy that was under way, then look at every app."""
    with ctx.ledger.query() as db:
        cut_short = questions.deploys(db, state="running", limit=1000) + questions.deploys(db, state="live", limit=1000)
    for found in sorted(cut_short, key=lambda one: one.started_at):
        try:
            resume(ctx, found)
        except Exception:
            # One deploy that cannot be taken up must not keep the platform, and every other app, from starting.
            log.exception("recovery of deploy %s of %s", found.id, found.app)
    with ctx.ledger.query() as db:
        apps = questions.apps(db)
    for app in apps:
        try:
            tick(ctx, app.name, Memory())
        except Exception:
            log.exception("first look at %s", app.name)


def resume(ctx: Context, found: Deploy) -> None:
    """Continue a deploy whose new release was well; undo any other."""
    journal = Journal(ctx, found.app, found.id, log.info)
    journal.reached = found.step
    with ctx.leases.hold(found.app, "recovery") as lease:
        if found.step not in FORWARD or found.release is None:
            error = Conflict(f"the platform restarted after the step {found.step!r}", "nothing was changed; push again")
            deploy.abandon(ctx, journal, error)
            return
        with ctx.ledger.query() as db:
            app, release = questions.app(db, found.app), questions.release(db, found.app, found.release)
        if found.state == "running":
            ctx.leases.commit(lease)
            deploy.switch(ctx, journal, app, release)
        deploy.finish(ctx, journal, release)


# ---------------------------------------------------------------------------------------------- the steady state


def tick(ctx: Context, name: str, memory: Memory) -> None:
    """Look at one app once, unless somebody is changing it, and mend what is not as it should be."""
    with ctx.leases.try_hold(name, "reconcile") as lease:
        if lease is None:
            return
        rest, until = memory.resting.get(name, (0.0, 0.0))
        try:
            record_exits(ctx, ctx.driver.status(name), memory)
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
    warm = app.previous if is_warm(app, time.time(), ctx.config.warm_seconds) else None
    made = fleet.artifact(ctx, live)
    want = fleet.renumber(fleet.replicas(live, made, scale), have)
    extra = surplus(app, want, have, warm)
    if not settled(want, have):
        env = fleet.environment(ctx, live, made)
        present = {status.id for status in have if status.phase in ("starting", "up", "backoff")}
        missing = [replica for replica in want if replica.id not in present]
        fleet.start(ctx, want, env, have)
        gate.wait(ctx, want if wait else missing, live.processes, None, [env[name] for name in live.secrets])
    reroute(ctx, app, warm, extra)
    stop(ctx, extra)


def reroute(ctx: Context, app: App, warm: int | None, extra: list[Status]) -> None:
    """Point the proxy at what stays, when that differs from where it points, and let requests at the rest end."""
    going = {status.id for status in extra}
    stays = [status for status in ctx.driver.status(app.name) if status.id not in going]
    route = fleet.route(fleet.hosts(ctx, app.name), stays, app.live, [warm] if warm else [])
    now = ctx.router.get(app.name)
    if now == route:
        return
    ctx.router.set(app.name, route)
    for number in [number for number in (now.backends if now else {}) if number not in route.backends]:
        ctx.router.drain(app.name, number, ctx.config.drain_seconds)


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


def tick_all(ctx: Context, memory: Memory) -> None:
    """Look at every app, and at the proxy."""
    try:
        ctx.router.up()
        with ctx.ledger.query() as db:
            names = [app.name for app in questions.apps(db)]
    except Down as error:
        log.error("the proxy is down: %s", error.message)
        return
    for name in names:
        tick(ctx, name, memory)
