"""Making a release live: start all of it, gate all of it, change the route once, retire the old.

Facts: release_created, release_went_live, and the journal's. Every way to change what runs (a push, new
configuration, a rollback) comes through `go_live`; whatever fails before the route changes leaves the old release
exactly as it was.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from wend import fleet, gate, rollout, secrets
from wend.build import Artifact
from wend.context import Context
from wend.declared import Canary as Policy
from wend.errors import Bug, Refused, WendError
from wend.events import Fact
from wend.fleet import Outfit
from wend.journal import Journal
from wend.leases import Lease
from wend.run import Replica, Step
from wend.run.oneoff import run
from wend.spec import Hatch, Spec
from wend.state import questions, scaling
from wend.state.questions import App, Deploy, Release

log = logging.getLogger(__name__)
RELEASE_SECONDS = 600.0


@dataclass(frozen=True)
class Wish:
    """What a release is to be made of: `config` and `secrets` are the whole of both, by name."""

    artifact: Artifact
    spec: Spec
    commit: str
    config: Mapping[str, str]
    secrets: Mapping[str, Mapping[str, Any]]


# ---------------------------------------------------------------------------------------------- pure


def frozen_processes(made: Artifact, spec: Spec) -> dict[str, dict[str, Any]]:
    """The process types of a release: commands from the build, everything else from wend.toml. Raises Refused when
    wend.toml speaks of a process that nothing defines."""
    for name in spec.processes:
        if name not in made.processes:
            known = ", ".join(made.processes) or "none"
            raise Refused(
                f"wend.toml has [process.{name}], but no command for it (there are: {known})",
                f'add command = "…" to [process.{name}]',
            )
    found: dict[str, dict[str, Any]] = {}
    for name, command in made.processes.items():
        said = spec.process(name)
        found[name] = {
            "command": command,
            "replicas": said.replicas,
            "memory": said.memory,
            "cpu": said.cpu,
            "processes": said.processes,
            "health": (said.health or made.health) if name == "web" else None,
            "boot": said.boot,
            "grace": said.grace,
            "scaling": asdict(said.scaling) if said.scaling else None,
        }
    return found


def departure(hatch: Hatch) -> dict[str, str | None]:
    """What is kept of an escape hatch."""
    return {"reason": hatch.reason, "until": hatch.until.isoformat() if hatch.until else None}


# ---------------------------------------------------------------------------------------------- acts


def freeze(ctx: Context, journal: Journal, wish: Wish) -> Release:
    """Give the wish a number; from here on it never changes."""
    processes = frozen_processes(wish.artifact, wish.spec)
    with ctx.ledger.query() as db:
        number = questions.next_release(db, journal.app)
    made = journal.fact(
        "release_created",
        release=number,
        artifact=wish.artifact.id,
        path=wish.artifact.path,
        commit=wish.commit,
        config=dict(wish.config),
        secrets={name: {key: which[key] for key in ("version", "hash")} for name, which in wish.secrets.items()},
        env=dict(wish.spec.env),
        processes=processes,
        declared=wish.spec.declared.kept(),
        hatches={kind: departure(hatch) for kind, hatch in wish.spec.hatches.items()},
        command=wish.spec.release or wish.artifact.release,
    )
    ctx.ledger.append([made])
    with ctx.ledger.query() as db:
        return questions.release(db, journal.app, number)


def run_release_command(ctx: Context, journal: Journal, lease: Lease, release: Release, outfit: Outfit) -> None:
    """Run it once, with the new code and configuration, before any traffic. Raises Refused when it fails."""
    if not release.command:
        return
    tail: list[str] = []

    def hear(line: str) -> None:
        shown = secrets.redact(line, outfit.values)
        tail[:] = [*tail[-(gate.TAIL - 1) :], shown]
        journal.say(f"  release | {shown}")

    settings = {"memory": None, "grace": 10.0}
    box = fleet.box(release, release.command, settings, outfit, port=False)
    box = replace(box, limits=replace(box.limits, seconds=RELEASE_SECONDS))
    ended = run(box, outfit.env, hear, lease.cancel, home=ctx.config.home).exit
    lease.check()
    if ended.code != 0 or ended.oom:
        raise gate.Sick(
            f"the release command {ended}: {release.command}", "nothing was changed; its last lines are shown", tail
        )


def go_live(
    ctx: Context, journal: Journal, lease: Lease, release: Release, outfit: Outfit, watched: Policy | None = None
) -> None:
    """Start, gate, switch. Raises Sick, Conflict or Down, and then the old release serves as before."""
    want = start(ctx, release, outfit)
    journal.step("started", counted(want))
    gate.wait(ctx, want, release.processes, lease, outfit.values)
    ctx.leases.commit(lease)
    journal.step("gated", "all well")
    rollout.switch(ctx, journal, release, watched)


def go_canary(
    ctx: Context, journal: Journal, lease: Lease, release: Release, outfit: Outfit, steps: tuple[int, ...]
) -> None:
    """Start and gate the release's web processes and give them a share. Its workers wait until it is promoted: two
    releases must not take jobs from the same queue. Raises like `go_live`."""
    want = start(ctx, release, outfit, only="web")
    journal.step("started", counted(want))
    gate.wait(ctx, want, release.processes, lease, outfit.values)
    ctx.leases.commit(lease)
    rollout.begin(ctx, journal, release, release.declared.canary, steps)
    with ctx.ledger.query() as db:
        land(ctx, questions.deploy(db, journal.id))


def start(ctx: Context, release: Release, outfit: Outfit, only: str | None = None) -> list[Replica]:
    """Start what of the release is not there yet (of one process type, or of all). Raises Refused when it would be
    nothing at all."""
    _, scale = look_up(ctx, release.app)
    have = ctx.driver.status(release.app)
    every = [replica for replica in fleet.replicas(release, outfit, scale) if only in (None, replica.process)]
    want = fleet.renumber(every, have)
    if not want:
        raise Refused(f"{release.app} would have no process at all", "scale one up: wend scale web=1")
    fleet.start(ctx, want, outfit.env, have)
    return want


def finish(ctx: Context, journal: Journal, release: Release) -> None:
    """After going live: the branch says what is live, workers of older releases stop, old requests end."""
    with ctx.ledger.query() as db:
        deploy, app = questions.deploy(db, journal.id), questions.app(db, release.app)
    land(ctx, deploy)
    keep = rollout.keep_running(app, release.number)
    route = ctx.router.get(app.name)
    for status in ctx.driver.status(app.name):
        older = status.release != release.number
        routed = route is not None and status.release in route.backends
        if older and (status.process != "web" or (status.release not in keep and not routed)):
            ctx.driver.apply(Step("stop", status.id), {})
    settle(ctx, journal, release)


def settle(ctx: Context, journal: Journal, release: Release) -> None:
    """Close the journal once the other releases have no request in flight."""
    route = ctx.router.get(release.app)
    if route is None or not any(number != release.number for number in route.backends):
        close(journal)
        return
    ctx.leases.planes.take(draining(journal.id))
    name = f"drain-{release.app}"
    threading.Thread(target=drain, args=(ctx, journal, release.number), name=name, daemon=True).start()


def draining(id: str) -> str:
    """The turn of whoever waits for a deploy's last requests."""
    return f"drain/{id}"


def land(ctx: Context, deploy: Deploy) -> None:
    """Make the branch say what is live. Repeating it changes nothing."""
    if not (deploy.ref and deploy.commit):
        return
    repo = ctx.repos.open(deploy.app)
    now = ctx.repos.ref(repo, deploy.ref)
    if now != deploy.commit:
        ctx.repos.move(repo, deploy.ref, deploy.commit, now, f"deploy {deploy.id} by {deploy.actor}")


def drain(ctx: Context, journal: Journal, live: int) -> None:
    """Wait for the old releases' last requests, then close the journal."""
    route = ctx.router.get(journal.app)
    try:
        for number in [number for number in (route.backends if route else {}) if number != live]:
            ctx.router.drain(journal.app, number, ctx.config.drain_seconds)
        close(journal)
    except WendError as error:
        # The process is stopping or the proxy is away: the next start finds the deploy `live` and closes it.
        log.warning("drain of %s: %s", journal.app, error.message)
    finally:
        ctx.leases.planes.leave(draining(journal.id))


def close(journal: Journal) -> None:
    finished = journal.fact("deploy_finished", ms=journal.total())
    with suppress(Bug):
        journal.step("drained", tell=False)
        journal.step("done", with_facts=[finished], tell=False)


@contextmanager
def undone_on_failure(ctx: Context, journal: Journal) -> Generator[None]:
    """Whatever goes wrong inside: stop what was started, record why, tell, and raise it on."""
    try:
        yield
    except WendError as error:
        abandon(ctx, journal, error)
        raise
    except Exception as error:
        log.exception("deploy %s of %s", journal.id, journal.app)
        bug = Bug(f"{type(error).__name__}: {error}", "this is the platform's fault; its log has the details")
        abandon(ctx, journal, bug)
        raise bug from error


def abandon(ctx: Context, journal: Journal, error: WendError) -> None:
    """Undo a deploy that did not go live: only its own release's processes stop."""
    tail = error.tail if isinstance(error, gate.Sick) else []
    journal.say(f"  refused: {error.message}")
    for line in tail:
        journal.say(f"  | {line}")
    with ctx.ledger.query() as db:
        deploy, app = questions.deploy(db, journal.id), questions.app(db, journal.app)
    stop_release(ctx, app, deploy.release)
    journal.fail(error, tail)


def stop_release(ctx: Context, app: App, release: int | None) -> None:
    """Stop the processes of a release that neither serves nor is kept warm."""
    for status in ctx.driver.status(app.name):
        if status.release == release and release not in (app.live, app.previous):
            ctx.driver.apply(Step("stop", status.id), {})


def look_up(ctx: Context, name: str) -> tuple[App, dict[str, int]]:
    """The app and its scale."""
    with ctx.ledger.query() as db:
        return questions.app(db, name), scaling.scale(db, name)


def counted(want: list[Any]) -> str:
    """ "web ×2, worker ×1"."""
    names = [replica.process for replica in want]
    return ", ".join(f"{name} ×{names.count(name)}" for name in dict.fromkeys(names))


def created(ctx: Context, name: str, branch: str = "main") -> list[Fact]:
    """The fact that makes the app, unless it is there."""
    with ctx.ledger.query() as db:
        known = questions.find_app(db, name) is not None
    return [] if known else [Fact("app_created", f"app/{name}", {"branch": branch}, actor=ctx.actor.name, app=name)]
