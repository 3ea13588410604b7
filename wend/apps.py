"""Living apps: scale them, run something in them, read their output, remove them.

Facts: scaled, run_started, run_finished, app_destroyed, branch_set.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from wend import fleet, reconcile, resources, rollout, secrets
from wend.context import Context
from wend.errors import Invalid, NotFound, Refused
from wend.events import Fact
from wend.journal import Say, new_id
from wend.run import Exit, Line, Status
from wend.run.launch import telling
from wend.run.oneoff import run as run_box
from wend.runs import Run
from wend.state import questions, scaling
from wend.state.questions import Release

MOST = 100
RUN_SECONDS = 3600.0


def scale(ctx: Context, name: str, counts: dict[str, int | None], say: Say) -> None:
    """Set replica counts by hand and bring them about; they hold for later releases too. None hands the count back to
    the load. If the new ones do not come up well, nothing has changed."""
    with ctx.leases.hold(name, "scale"):
        live = live_release(ctx, name)
        with ctx.ledger.query() as db:
            before = scaling.by_hand(db, name)
        for process, count in counts.items():
            if process not in live.processes:
                raise NotFound(f"{name} has no process {process!r}", f"it has: {', '.join(live.processes)}")
            if count is None and not live.processes[process].get("scaling"):
                raise Invalid(
                    f"{name}'s {process} has no bounds to scale between",
                    "add `replicas = { min = 1, max = 4 }` to [process.web] in wend.toml, and push",
                )
            if count is not None and not 0 <= count <= MOST:
                raise Invalid(f"{process}={count} is not a number of replicas", f"use 0 to {MOST}")
        ctx.ledger.append([scaled(ctx, name, process, count) for process, count in counts.items()])
        try:
            reconcile.converge(ctx, name)
        except Exception:
            ctx.ledger.append([scaled(ctx, name, process, before.get(process)) for process in counts])
            reconcile.converge(ctx, name)
            raise
        told = (
            f"{process} ×{count}" if count is not None else f"{process} by load" for process, count in counts.items()
        )
        say(f"  {name}: " + ", ".join(told))


def scaled(ctx: Context, name: str, process: str, count: int | None) -> Fact:
    data = {"process": process, "replicas": count}
    return Fact("scaled", f"app/{name}", data, actor=ctx.actor.name, app=name)


def live_release(ctx: Context, name: str) -> Release:
    """The release that is live. Raises NotFound."""
    with ctx.ledger.query() as db:
        app = questions.app(db, name)
        if app.live is None:
            raise NotFound(f"{name} has no live release yet", f"git push to it first; `wend open {name}` shows how")
        return questions.release(db, name, app.live)


def run(ctx: Context, name: str, command: str, say: Say, cancel: threading.Event) -> Exit:
    """Run a one-off command with the live release's code and configuration, beside it. Both ends are recorded."""
    if not command.strip() or "\0" in command:
        raise Invalid("there is no command to run", f"wend run {name} -- python manage.py shell")
    release = live_release(ctx, name)
    outfit = fleet.outfit(ctx, release)
    hidden = outfit.values
    settings = release.processes.get("web") or {}
    box = fleet.box(release, command, settings, outfit, port=False)
    box = replace(box, limits=replace(box.limits, seconds=RUN_SECONDS, share=fleet.BESIDE))
    id, began, ended = new_id(), time.monotonic(), "the platform failed"
    about = {"run": id, "command": secrets.redact(command[:2000], hidden), "release": release.number}
    this = ctx.runs.begin(Run(id, name, cancel=cancel, release=release.number))
    try:
        ctx.ledger.append([Fact("run_started", f"app/{name}", about, actor=ctx.actor.name, app=name)])
        done = run_box(box, outfit.env, lambda line: say(secrets.redact(line, hidden)), cancel, home=ctx.config.home)
        ended = this.why or str(done.exit)
        return done.exit
    finally:
        over = {"run": id, "ended": ended, "ms": round((time.monotonic() - began) * 1000)}
        with ctx.runs.ending(this):
            ctx.ledger.append([Fact("run_finished", f"app/{name}", over, actor=ctx.actor.name, app=name)])


def close_cut_off(ctx: Context) -> None:
    """Record the end of the one-off commands that went with a control plane that is gone."""
    now = time.time_ns() // 1000
    with ctx.ledger.query() as db:
        begun = questions.open_runs(db)
    for row in begun:
        if ctx.runs.alive(row["id"]):
            continue
        over = {"run": row["id"], "ended": "the platform stopped", "ms": max(0, (now - row["started_at"]) // 1000)}
        ctx.ledger.append([Fact("run_finished", f"app/{row['app']}", over, actor=ctx.actor.name, app=row["app"])])


def logs(ctx: Context, name: str, lines: int, follow: bool, process: str | None = None) -> Iterator[Line]:
    """What the app's processes wrote, secrets blotted out (also those of earlier releases that are still known)."""
    hidden = secret_values(ctx, name)
    for line in ctx.driver.logs(name, lines=lines, follow=follow):
        if process is None or f".{process}." in line.source or not line.source:
            yield replace(line, text=secrets.redact(line.text, hidden))


def secret_values(ctx: Context, name: str) -> list[str]:
    """Every secret value the app has now or had in any release whose text is still kept."""
    with ctx.ledger.query() as db:
        questions.app(db, name)
        versions = questions.sealed_versions(db, name)
    found = resources.values(ctx, name)
    for secret, version, hash in versions:
        body = ctx.ledger.text(hash)
        if body is not None:
            found += telling(secrets.unseal(secrets.key(ctx.config.home), name, secret, version, body))
    return found


def ps(ctx: Context, name: str) -> list[Status]:
    """The app's processes as they are, live release first."""
    with ctx.ledger.query() as db:
        questions.app(db, name)
    return sorted(ctx.driver.status(name), key=lambda one: (-one.release, one.process != "web", one.process, one.index))


def destroy(ctx: Context, name: str, confirm: str, why: str = "on request") -> None:
    """Remove the app: its previews, route, processes, repository, configuration, secrets. The ledger keeps that it was,
    and why it went. A push of it that is still under way ends."""
    if confirm != name:
        raise Refused(f"to destroy {name}, confirm with its name", f"wend destroy {name} --confirm {name}")
    with ctx.leases.hold(name, "destroy", urgent=True), ctx.leases.hold(f"{name}/previews", "destroy"):
        with ctx.ledger.query() as db:
            app, children = questions.app(db, name), questions.previews(db, name)
        for child in children:
            destroy(ctx, child.name, child.name, f"{name} was destroyed")
        with ctx.ledger.query() as db:
            sealed = questions.sealed_versions(db, name)
            path = questions.release(db, name, app.live).path if app.live is not None else None
        with rollout.turn(ctx, name):  # or the judge of its canary would point the proxy at it again
            ctx.router.remove(name)
            ctx.runs.end(ctx.runs.of(name), "the app was destroyed", 15.0)
            ctx.driver.stop(name)
            about = {"why": why, "path": None if app.parent else path}
            gone = Fact("app_destroyed", f"app/{name}", about, actor=ctx.actor.name, app=name)
            ctx.ledger.append([*resources.trashing(ctx, name), gone])
        resources.closing(ctx, name)
        ctx.ledger.erase([hash for _, _, hash in sealed], ctx.actor.name)
        # A preview's name rarely comes again, so nobody would ever thin its logs out.
        rest = ctx.config.home / "logs" / name if app.parent else ctx.repos.path(name)
        shutil.rmtree(rest, ignore_errors=True)


def set_branch(ctx: Context, name: str, branch: str) -> None:
    """Choose the branch that deploys. A preview's never changes."""
    with ctx.ledger.query() as db:
        app = questions.app(db, name)
    if app.parent:
        raise Refused(f"{name} is a preview of branch {app.of_branch}", f"git push to {app.parent} makes others")
    ctx.repos.set_branch(ctx.repos.open(name), branch)
    ctx.ledger.append([Fact("branch_set", f"app/{name}", {"branch": branch}, actor=ctx.actor.name, app=name)])
