"""What an act would do, in lines, without doing it: `?dry_run=1`. The decisions are the rooms' own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wend import apps, fleet, release, rollout, trial
from wend.context import Context
from wend.errors import Conflict, Invalid, NotFound
from wend.journal import Say
from wend.release import Change
from wend.rollout import Asked
from wend.state import canaries, questions, resources, scaling
from wend.web import holding


def change(ctx: Context, name: str, wanted: Change, say: Say) -> None:
    """Configuration or secrets. Raises what the act would."""
    with ctx.ledger.query() as db:
        app, config, held = questions.find_app(db, name), questions.config(db, name), questions.secrets(db, name)
    release.check_change(wanted, config, held)
    say(f"  would change {wanted.summary()}")
    if app is None:
        say(f"  would make the app {name}, and keep it for the first release")
    elif app.live is None:
        say("  would keep it for the first release")
    else:
        say(f"  would deploy release {app.live}'s code again with it")


def rollback(ctx: Context, name: str, number: int | None, say: Say) -> None:
    """Going back to an earlier release. Raises what the act would."""
    with ctx.ledger.query() as db:
        app = questions.app(db, name)
        known = questions.releases(db, name, 500)
        target = release.earlier(app, known) if number is None else questions.release(db, name, number)
        config, held = questions.config(db, name), questions.secrets(db, name)
    release.check_target(app, target)
    say(f"  would make release {target.number} live instead of {app.live}, commit {target.commit[:9]}")
    for key in sorted({*config, *target.config}):
        if config.get(key) != target.config.get(key):
            say(f"  config {key} would {'change back' if key in target.config else 'be unset'}")
    for key in sorted({*held, *target.secrets}):
        now, then = held.get(key, {}).get("version"), target.secrets.get(key, {}).get("version")
        if now != then:
            say(f"  secret {key} would {'be unset' if then is None else f'go back to version {then}'}")


def canary(ctx: Context, name: str, number: int | None, asked: Asked, say: Say) -> None:
    """A canary of a release that is there. Raises what the act would."""
    with ctx.ledger.query() as db:
        app, known = questions.app(db, name), questions.releases(db, name, 500)
        busy = rollout.under_way(canaries.running(db, name))
    if busy:
        raise Conflict(f"release {busy.release} is a canary already", f"wend canary {name}")
    target = trial.candidate(app, known, number)
    policy = target.declared.canary
    steps = rollout.steps_for(policy, "on" if asked is None else asked, 0.0)
    say(f"  would give release {target.number} a share beside {app.live}, commit {target.commit[:9]}")
    say(f"  {' → '.join(map(str, (*steps, 100)))} % of the requests, {policy.seconds:g} s each at least")


def promote(ctx: Context, name: str, say: Say) -> None:
    """Making the canary live. Raises what the act would."""
    row = rollout.current(ctx, name)
    say(f"  would make release {row.release} live instead of {row.stable}: from {row.weight} % to every request")


def abort(ctx: Context, name: str, say: Say) -> None:
    """Taking the canary back. Raises what the act would."""
    row = rollout.current(ctx, name)
    say(f"  would take release {row.release} back from {row.weight} % of the requests; {row.stable} serves them all")


def scale(ctx: Context, name: str, counts: dict[str, int | None], say: Say) -> None:
    """Replica counts. Raises what the act would."""
    live = apps.live_release(ctx, name)
    with ctx.ledger.query() as db:
        now = scaling.scale(db, name)
    for process, count in counts.items():
        if process not in live.processes:
            raise NotFound(f"{name} has no process {process!r}", f"it has: {', '.join(live.processes)}")
        if count is not None and not 0 <= count <= apps.MOST:
            raise Invalid(f"{process}={count} is not a number of replicas", f"use 0 to {apps.MOST}, or auto")
        if count is None and not live.processes[process].get("scaling"):
            raise Invalid(f"{name}'s {process} has no bounds to scale between", "`wend init --print` shows how")
        before = fleet.wanted(live.processes[process], now.get(process))
        say(f"  {process}: would go from ×{before} to {aim(live.processes[process], count)}")


def aim(settings: Mapping[str, Any], count: int | None) -> str:
    """A count in words; None: as the load needs it."""
    return f"×{count}" if count is not None else "×{min} to ×{max} by load".format(**settings["scaling"])


def destroy(ctx: Context, name: str) -> dict[str, object]:
    """What would be gone."""
    with ctx.ledger.query() as db:
        questions.app(db, name)
        counts = {"releases": len(questions.releases(db, name, 10_000)), "config": len(questions.config(db, name))}
        counts["secrets"] = len(questions.secrets(db, name))
        counts["previews"] = sum(1 for one in questions.apps(db) if one.parent == name)
        kept = [holding.kept(one) for one in resources.kept(db, name)]
    return {"would": "remove", "app": name, "processes": len(ctx.driver.status(name)), **counts, "kept": kept}
