"""Where an app's requests go, and every change of it: a canary's share, its steps, its end, and going live.

Facts: canary_started, canary_stepped, canary_judged, canary_ended, release_went_live, deploy_failed.

A change is written down before the proxy is told, so that a crash between the two is mended by the reconciler, which
reads the tables. Changes take the app's *turn*, which nobody keeps while building or waiting: bad news can always be
taken back at once.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from wend import canary, fleet, traffic
from wend.context import Context
from wend.declared import AUTO_STEPS
from wend.declared import Canary as Policy
from wend.errors import Conflict, NotFound, WendError
from wend.events import Fact
from wend.journal import Journal, Say
from wend.patches import Patches
from wend.route import Route
from wend.run import Status
from wend.state import canaries, questions
from wend.state.canaries import Canary
from wend.state.questions import App, Release

Asked = tuple[int, ...] | Literal["auto", "on", "off"] | None
RECENT = 600.0  # seconds of the previous release's traffic that a watch compares with
RATE = 60.0  # seconds over which "enough traffic" is measured


@dataclass(frozen=True)
class Ending:
    """How a canary or watch ended: promoted or rolled back, why, and the judge's evidence."""

    row: Canary
    outcome: str
    why: str
    evidence: Mapping[str, Any] | None = None


# ---------------------------------------------------------------------------------------------- pure


def steps_for(policy: Policy, asked: Asked, rate: float) -> tuple[int, ...]:
    """The shares a release goes through before it is live; none when it goes live at once. `asked` overrides
    wend.toml ("on": in steps, enough traffic or not); `rate` is the live release's requests per second."""
    wanted = policy.steps if asked is None else asked
    if wanted == "on":
        return policy.steps if isinstance(policy.steps, tuple) else AUTO_STEPS
    if wanted == "auto":
        return AUTO_STEPS if canary.enough(rate, policy) else ()
    return () if wanted == "off" else wanted


def as_policy(policy: Policy, steps: tuple[int, ...], baseline: canary.Side | None = None) -> dict[str, Any]:
    """What the facts keep of it."""
    found: dict[str, Any] = {"steps": list(steps), "seconds": policy.seconds, "watch": policy.watch}
    found |= {"sticky": policy.sticky, "cannot_tell": policy.cannot_tell}
    return found | ({"baseline": [baseline.requests, baseline.errors]} if baseline else {})


def policy_of(row: Canary) -> Policy:
    """The policy that a canary began with."""
    kept = {key: row.policy[key] for key in ("seconds", "watch", "sticky", "cannot_tell")}
    return Policy(steps=tuple(row.policy["steps"]), **kept)


def keep_running(app: App, release: int) -> set[int]:
    """The releases whose processes stay when `release` goes live: itself, and the one before, warm."""
    return {number for number in (release, app.live if app.live != release else app.previous) if number is not None}


def under_way(rows: Iterable[Canary]) -> Canary | None:
    """The canary among the rows that has a share of the traffic now."""
    return next((row for row in rows if row.mode == "canary" and row.under_way), None)


def ended(row: Canary, outcome: str, why: str, actor: str, evidence: Mapping[str, Any] | None = None) -> Fact:
    data: dict[str, Any] = {"deploy": row.deploy, "mode": row.mode, "release": row.release, "outcome": outcome}
    data |= {"why": why} | ({"evidence": evidence} if evidence else {})
    return Fact("canary_ended", f"deploy/{row.deploy}", data, actor=actor, app=row.app)


def closed(row: Canary, message: str, hint: str, actor: str, superseded: bool = False) -> Fact:
    """The end of a canary's deploy that did not go live."""
    data = {"deploy": row.deploy, "step": "canary", "message": message, "hint": hint}
    return Fact(
        "deploy_failed", f"deploy/{row.deploy}", {**data, "tail": [], "superseded": superseded},
        actor=actor, app=row.app,
    )  # fmt: skip


def closing(rows: Iterable[Canary], deploy: str, actor: str, ending: Ending | None = None) -> list[Fact]:
    """What a change of the live release, or a newer canary, makes of those under way: `ending` for the one it names,
    for the others that `deploy` took their place."""
    facts: list[Fact] = []
    for row in rows:
        if ending and (row.deploy, row.mode) == (ending.row.deploy, ending.row.mode):
            facts.append(ended(row, ending.outcome, ending.why, actor, ending.evidence))
            continue
        facts.append(ended(row, "superseded", f"deploy {deploy} took its place", actor))
        if row.mode == "canary":
            facts.append(closed(row, f"superseded by deploy {deploy}", "nothing to do", actor, superseded=True))
    return facts


def steps(ctx: Context, release: Release, asked: Asked, say: Say) -> tuple[int, ...]:
    """The shares this release goes through; none when it goes live at once, and why, if somebody asked."""
    with ctx.ledger.query() as db:
        app = questions.app(db, release.app)
        live = None if app.live is None else questions.release(db, app.name, app.live)
    if live is None or "web" not in live.processes or "web" not in release.processes or app.parent:
        if asked == "on" or isinstance(asked, tuple):
            say("  no canary: there is no live web process to compare with")
        return ()
    rate = recent(ctx, app.name, live.number, RATE).requests / RATE
    return steps_for(release.declared.canary, asked, rate)


def recent(ctx: Context, name: str, number: int, seconds: float) -> canary.Side:
    """Requests and errors of a release in the last so many seconds."""
    return traffic.over(ctx.meter.lately(seconds), name, number)


# ---------------------------------------------------------------------------------------------- the route


@contextmanager
def turn(ctx: Context, app: str) -> Generator[None]:
    """The turn at where the app's requests go."""
    with ctx.leases.hold(f"{app}/traffic", "traffic"):
        yield


def route(ctx: Context, app: App, have: list[Status], warm: Iterable[int]) -> Route:
    """Where the app's requests should go, as the tables and its processes say."""
    with ctx.ledger.query() as db:
        row = under_way(canaries.running(db, app.name))
    share = (row.release, row.weight) if row else None
    sticky = bool(row and row.policy.get("sticky"))
    return fleet.route(fleet.hosts(ctx, app.name), have, app.live, warm, share, sticky, patches(ctx, app.name, have))


def patches(ctx: Context, name: str, have: Iterable[Status]) -> dict[int, Patches]:
    """What the releases that are there change of the proxy."""
    with ctx.ledger.query() as db:
        found = questions.declared_by(db, name, {status.release for status in have})
    return {number: kept.patches for number, kept in found.items()}


def reroute(ctx: Context, name: str, warm: Iterable[int], without: Iterable[str] = ()) -> None:
    """Point the proxy at what the tables say and what is there (but the replicas `without`), if it points elsewhere."""
    with turn(ctx, name):
        aim(ctx, name, warm, without)


def aim(ctx: Context, name: str, warm: Iterable[int], without: Iterable[str] = ()) -> None:
    """The same for whoever has the turn."""
    gone = set(without)
    with ctx.ledger.query() as db:
        app = questions.app(db, name)
    have = [status for status in ctx.driver.status(name) if status.id not in gone]
    wanted = route(ctx, app, have, warm)
    if ctx.router.get(name) != wanted:
        ctx.router.set(name, wanted)


def known_to_proxy(ctx: Context, name: str) -> set[int]:
    """The releases the proxy knows of the app: those with requests in flight must not vanish under them."""
    found = ctx.router.get(name)
    return set(found.backends) if found else set()


# ---------------------------------------------------------------------------------------------- going live


def switch(
    ctx: Context, journal: Journal, release: Release, watched: Policy | None, ending: Ending | None = None
) -> None:
    """Every request to this release from now on; with a policy, it is watched. `ending`: the canary or watch that this
    is the end of; Conflict when it has ended meanwhile. The route changes first, and goes back when that cannot be
    recorded."""
    with turn(ctx, release.app):
        with ctx.ledger.query() as db:
            app, rows = questions.app(db, release.app), canaries.running(db, release.app)
        if ending and not any((row.deploy, row.mode) == (ending.row.deploy, ending.row.mode) for row in rows):
            raise Conflict(f"release {ending.row.release} is under judgement no more", f"wend status {app.name}")
        before = ctx.router.get(app.name)
        have = ctx.driver.status(app.name)
        old = {status.release for status in have} - {release.number}
        seen = ctx.router.stats(app.name) if before else {}
        busy = {number for number, counts in seen.items() if counts.active} & old
        warm = keep_running(app, release.number) | busy
        previous = app.live if app.live != release.number else app.previous
        live = journal.fact("release_went_live", release=release.number, previous=previous)
        facts = [*closing(rows, journal.id, ctx.actor.name, ending), live]
        if watched and previous is not None:
            facts.append(watch_fact(ctx, journal, release, previous, watched))
        hosts, patched = fleet.hosts(ctx, app.name), patches(ctx, app.name, have)
        ctx.router.set(app.name, fleet.route(hosts, have, release.number, warm, patches=patched))
        try:
            journal.step("live", ctx.config.url(app.name), with_facts=facts, tell=False)
        except WendError:
            if before:
                ctx.router.set(app.name, before)
            raise


def watch_fact(ctx: Context, journal: Journal, release: Release, previous: int, policy: Policy) -> Fact:
    """The watch over a release that just went live begins with what is known of the one before it."""
    baseline = recent(ctx, release.app, previous, RECENT)
    kept = as_policy(policy, (), baseline)
    return journal.fact(
        "canary_started", mode="watch", release=release.number, stable=previous, weight=100, policy=kept
    )


# ---------------------------------------------------------------------------------------------- a canary


def begin(ctx: Context, journal: Journal, release: Release, policy: Policy, steps: tuple[int, ...]) -> None:
    """Give the release, whose web processes are well, its first share."""
    with turn(ctx, release.app):
        with ctx.ledger.query() as db:
            app, rows = questions.app(db, release.app), canaries.running(db, release.app)
        if app.live is None:
            raise Conflict(f"{app.name} has no live release to compare with", "push it; the first release goes live")
        kept = as_policy(policy, steps)
        gated = time.monotonic()
        ms, journal.last = round((gated - journal.last) * 1000), gated
        facts = [
            *closing(rows, journal.id, ctx.actor.name),
            journal.fact("deploy_step_reached", step="gated", ms=ms, detail="all well"),
            journal.fact(
                "canary_started", mode="canary", release=release.number, stable=app.live, weight=steps[0], policy=kept
            ),
        ]
        journal.step("canary", f"{steps[0]} % of the requests", with_facts=facts, tell=False)
        try:
            aim(ctx, app.name, known_to_proxy(ctx, app.name) | keep_running(app, app.live))
        except WendError as error:
            ctx.ledger.append([ended(current(ctx, app.name, journal.id), "aborted", error.message, ctx.actor.name)])
            raise


def current(ctx: Context, name: str, deploy: str | None = None) -> Canary:
    """The app's canary (of this deploy, when given). Raises NotFound when there is none, Conflict when it is over."""
    with ctx.ledger.query() as db:
        questions.app(db, name)
        row = under_way(canaries.running(db, name))
        known = (one for one in canaries.recent(db, name) if one.mode == "canary")
        past = next((one for one in known if deploy in (None, one.deploy)), None)
    if row and deploy in (None, row.deploy):
        return row
    if past and (deploy is not None or past.ended_at):
        raise Conflict(f"the canary of release {past.release} of {name} is over: {past.state}", f"wend status {name}")
    what = name if deploy is None else f"deploy {deploy} of {name}"
    raise NotFound(f"{what} has no canary", f"`wend canary {name} --release N` begins one of release N")


def step(ctx: Context, row: Canary, at: int, state: str, told: Mapping[str, Any]) -> None:
    """Go to step `at`, running or paused; `told`: verdict, why and evidence."""
    with turn(ctx, row.app):
        row = current(ctx, row.app, row.deploy)
        data = {"deploy": row.deploy, "mode": row.mode, "release": row.release, "step": at, "state": state}
        data |= {"weight": row.policy["steps"][at], **told}
        ctx.ledger.append([Fact("canary_stepped", f"deploy/{row.deploy}", data, actor=ctx.actor.name, app=row.app)])
        aim(ctx, row.app, known_to_proxy(ctx, row.app))


def take_back(ctx: Context, row: Canary, outcome: str, why: str, evidence: Mapping[str, Any] | None = None) -> None:
    """End the canary: no new request goes to it. Those it has are answered; then the reconciler stops it."""
    with turn(ctx, row.app):
        row = current(ctx, row.app, row.deploy)
        hint = f"release {row.stable} serves as before; mend it and push again"
        facts = [
            ended(row, outcome, why, ctx.actor.name, evidence),
            closed(row, f"{outcome}: {why}", hint, ctx.actor.name),
        ]
        ctx.ledger.append(facts)
        with suppress(NotFound):
            aim(ctx, row.app, known_to_proxy(ctx, row.app))


def abort(ctx: Context, name: str, say: Say) -> int:
    """End the app's canary by hand; the release that serves again."""
    row = current(ctx, name)
    take_back(ctx, row, "aborted", f"by {ctx.actor.name}")
    say(f"  release {row.stable} serves every request again")
    return row.stable
