"""What an act would do, in lines, without doing it: `?dry_run=1`. The decisions are the rooms' own."""

from __future__ import annotations

from wend import apps, fleet, release
from wend.context import Context
from wend.errors import Invalid, NotFound
from wend.journal import Say
from wend.release import Change
from wend.state import questions, scaling


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


def scale(ctx: Context, name: str, counts: dict[str, int], say: Say) -> None:
    """Replica counts. Raises what the act would."""
    live = apps.live_release(ctx, name)
    with ctx.ledger.query() as db:
        now = scaling.scale(db, name)
    for process, count in counts.items():
        if process not in live.processes:
            raise NotFound(f"{name} has no process {process!r}", f"it has: {', '.join(live.processes)}")
        if not 0 <= count <= apps.MOST:
            raise Invalid(f"{process}={count} is not a number of replicas", f"use 0 to {apps.MOST}")
        before = fleet.wanted(live.processes[process], now.get(process))
        say(f"  {process}: would go from ×{before} to ×{count}")


def destroy(ctx: Context, name: str) -> dict[str, object]:
    """What would be gone."""
    with ctx.ledger.query() as db:
        questions.app(db, name)
        counts = {"releases": len(questions.releases(db, name, 10_000)), "config": len(questions.config(db, name))}
        counts["secrets"] = len(questions.secrets(db, name))
    return {"would": "remove", "app": name, "processes": len(ctx.driver.status(name)), **counts}
