"""Replicas by measured load, and sleep when there is none.

Facts: autoscaled.

The measure is the requests in flight that the proxy counts, over all of an app's releases. More than the replicas
should have: more replicas, within seconds. Fewer: fewer replicas, once that has held for a minute. The count is only
written down here; the reconciler brings it about. Sleep is noticed, not decreed: a shim lets its app go only when
nobody is connected, and wakes it without us.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from wend import fleet, rollout
from wend.context import Context
from wend.declared import Scaling
from wend.errors import NotFound
from wend.events import Fact
from wend.route.meter import Reading
from wend.run import Status, Step
from wend.state import canaries, questions, scaling
from wend.state.questions import App, Release

OVER = 10.0  # seconds one mean is taken over
STEADY = 60.0  # seconds that fewer must suffice before there are fewer
SLACK = 1.1  # a tenth more in flight than wanted is not yet a reason for another replica
STALE = 5.0  # seconds without a reading: nothing is known, so nothing is changed


@dataclass(frozen=True)
class Load:
    """The mean of requests in flight over the OVER seconds before `at` (monotonic seconds)."""

    at: float
    mean: float


@dataclass(frozen=True)
class Quiet:
    """Since when (monotonic seconds) the count of requests, `total`, has stood still while `release` was live."""

    release: int
    total: int
    since: float


# ---------------------------------------------------------------------------------------------- pure


def loads(samples: Iterable[tuple[float, int]]) -> list[Load]:
    """The running mean at each moment of (at, requests in flight), oldest first."""
    window, total, found = deque[tuple[float, int]](), 0, list[Load]()
    for at, active in samples:
        window.append((at, active))
        total += active
        while at - window[0][0] > OVER:
            total -= window.popleft()[1]
        found.append(Load(at, total / len(window)))
    return found


def desired(history: list[Load], bounds: Scaling, count: int) -> tuple[int, str]:
    """How many replicas there should be where there are `count`, and why in words. `history`: the load, oldest first;
    fewer only when it is STEADY seconds long and would never have needed more."""
    low, high = max(1, bounds.min), bounds.max
    if not low <= count <= high:
        return min(max(count, low), high), f"{low} to {high} replicas are allowed"
    if not history:
        return count, ""
    now = history[-1]
    if now.mean > count * bounds.target * SLACK and count < high:
        return min(high, math.ceil(now.mean / bounds.target)), words(now.mean, OVER, bounds)
    most = max(load.mean for load in history if now.at - load.at <= STEADY)
    fewer = max(low, math.ceil(most / bounds.target))
    if fewer < count and now.at - history[0].at >= STEADY:
        return fewer, f"at most {words(most, STEADY, bounds)}"
    return count, ""


def words(mean: float, seconds: float, bounds: Scaling) -> str:
    return f"{mean:.3g} requests in flight over {seconds:.0f} s, {bounds.target:g} per replica"


def in_flight(readings: Iterable[Reading], app: str) -> list[tuple[float, int]]:
    """(at, requests in flight at all releases of the app)."""
    return [(one.at, sum(seen.active for seen in one.seen.get(app, {}).values())) for one in readings]


def quiet(before: Quiet | None, reading: Reading, app: str, release: int) -> Quiet:
    """What this reading makes of what was known."""
    seen = reading.seen.get(app, {}).values()
    total = sum(one.total for one in seen)
    same = before and (before.release, before.total) == (release, total) and not any(one.active for one in seen)
    return before if before and same else Quiet(release, total, reading.at)


# ---------------------------------------------------------------------------------------------- acts


class Tender:
    """Looks at every app that scales; it remembers how long each has been quiet."""

    def __init__(self) -> None:
        self.quiet: dict[str, Quiet] = {}

    def tend(self, ctx: Context) -> None:
        """Look once: write down the counts that the load asks for, and put to sleep who may sleep."""
        readings = ctx.meter.lately(STEADY + OVER)
        if not readings or time.monotonic() - readings[-1].at > STALE:
            return
        with ctx.ledger.query() as db:
            live = questions.live_releases(db)
        scaled = {name: release for name, release in live.items() if bounds_of(release)}
        self.quiet = {
            name: quiet(self.quiet.get(name), readings[-1], name, release.number) for name, release in scaled.items()
        }
        for name in scaled:
            # Suppressed: it was destroyed since the tables were read.
            with suppress(NotFound), ctx.leases.try_hold(name, "scaling") as lease:
                if lease is not None:
                    self.look(ctx, name, readings)

    def look(self, ctx: Context, name: str, readings: list[Reading]) -> None:
        """One app, whose turn we have: what was read before may have changed."""
        with ctx.ledger.query() as db:
            app = questions.app(db, name)
            release = questions.release(db, name, app.live) if app.live is not None else None
            by_hand, counts = scaling.by_hand(db, name), scaling.scale(db, name)
            trial = rollout.under_way(canaries.running(db, name))
        bounds = bounds_of(release) if release else None
        if release is None or bounds is None or "web" in by_hand:
            return
        count = fleet.wanted(release.processes["web"], counts.get("web"))
        want, why = desired(loads(in_flight(readings, name)), bounds, count)
        if want > count or (want < count and not trial):
            note(ctx, name, count, want, why)
        elif bounds.min == 0 and count == 1 and not trial:
            self.rest(ctx, app, release, bounds)

    def rest(self, ctx: Context, app: App, release: Release, bounds: Scaling) -> None:
        """Put the one replica to sleep when it was quiet for long enough; note its sleep and its waking."""
        web = [one for one in ctx.driver.status(app.name) if (one.release, one.process) == (release.number, "web")]
        dozing = [one for one in web if one.phase == "asleep"]
        noted = asleep_since(ctx, app.name)
        if dozing and noted is None:
            note(ctx, app.name, 1, 0, f"no request for {bounds.idle:g} s")
        elif web and not dozing and noted is not None:
            deployed = (app.live_at or 0) > noted
            note(ctx, app.name, 0, 1, f"release {release.number} went live" if deployed else "a request came")
        elif self.may_sleep(app.name, bounds) and len(web) == 1:
            lull(ctx, web[0])

    def may_sleep(self, name: str, bounds: Scaling) -> bool:
        known = self.quiet.get(name)
        return known is not None and time.monotonic() - known.since >= bounds.idle


def lull(ctx: Context, status: Status) -> None:
    """Ask for sleep. The shim looks again whether anybody is connected, while the app stands still."""
    if status.phase == "up" and ctx.driver.idle(status.id):
        ctx.driver.apply(Step("sleep", status.id), {})


def bounds_of(release: Release) -> Scaling | None:
    """The bounds of its web process; None when load has no say in it."""
    given = (release.processes.get("web") or {}).get("scaling")
    return Scaling(**given) if given else None


def asleep_since(ctx: Context, name: str) -> int | None:
    """When (microseconds) the app's sleep was noted; None while it is not noted as asleep."""
    with ctx.ledger.query() as db:
        rows = [row for row in scaling.history(db, name) if row["process"] == "web"]
    return rows[0]["at"] if rows and rows[0]["after"] == 0 and rows[0]["before"] is not None else None


def note(ctx: Context, name: str, before: int, after: int, why: str) -> None:
    data = {"process": "web", "before": before, "after": after, "why": why}
    ctx.ledger.append([Fact("autoscaled", f"app/{name}", data, actor=ctx.actor.name, app=name)])
