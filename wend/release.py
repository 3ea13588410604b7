"""Making releases: from a push, from new configuration, and by going back to an earlier one.

Facts: app_created, config_changed, secret_changed, and those of a deploy.
"""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from wend import declared, departures, deploy, fleet, resources, rollout, secrets, spec
from wend.build import Artifact, Source, engine, golden
from wend.context import Context
from wend.declared import Scaling
from wend.deploy import Wish, undone_on_failure
from wend.errors import Conflict, Down, Invalid, NotFound, Refused, WendError
from wend.events import Fact
from wend.fleet import Outfit
from wend.guardrails import gates
from wend.guardrails.blobs import tree
from wend.journal import Journal, Say
from wend.leases import Lease
from wend.receive import Push, check_turn
from wend.rollout import Asked
from wend.spec import Hatch, Spec
from wend.state import canaries, hatches, questions
from wend.state.questions import App, Release

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """Configuration to set and unset. `secret`: the values are sealed, and told to nobody."""

    values: Mapping[str, str]
    unset: tuple[str, ...] = ()
    secret: bool = False

    def summary(self) -> str:
        """What changes, by name only."""
        kind = "secret" if self.secret else "config"
        told = [f"set {', '.join(sorted(self.values))}"] if self.values else []
        told += [f"unset {', '.join(sorted(self.unset))}"] if self.unset else []
        return f"{kind}: {'; '.join(told)}"


# ---------------------------------------------------------------------------------------------- pure


def check_change(change: Change, config: Mapping[str, str], held: Mapping[str, Any]) -> None:
    """Raises Invalid or NotFound when the change makes no sense for what is configured now."""
    if not change.values and not change.unset:
        raise Invalid("nothing to set or unset", "wend config set NAME=value")
    for name, value in change.values.items():
        spec.env_name(name)
        spec.env_value(name, value)
        if name in (config if change.secret else held):
            other = "config" if change.secret else "secret"
            raise Conflict(
                f"{name} is already a {other} of this app", f"unset it there first: wend {other} unset {name}"
            )
        if change.secret and not value:
            raise Invalid(f"secret {name} is empty", f"to remove it: wend secret unset {name}")
    for name in change.unset:
        if name not in (held if change.secret else config):
            raise NotFound(f"{name} is not set", "`wend config` and `wend secret` list what is")


def merged(old: Mapping[str, Any], fresh: Mapping[str, Any], unset: Iterable[str]) -> dict[str, Any]:
    """`old` with `fresh` set and `unset` taken away."""
    return {key: value for key, value in {**old, **fresh}.items() if key not in set(unset)}


def earlier(app: App, releases: Iterable[Release]) -> Release:
    """Where a rollback without a number goes: the newest release before the live one that was live. Raises NotFound."""
    for release in sorted(releases, key=lambda one: -one.number):
        if app.live is not None and release.number < app.live and release.live_at and not release.retired_at:
            return release
    raise NotFound(
        f"{app.name} has no earlier release to go back to", f"`wend releases {app.name}` lists those there are"
    )


def asked_of(options: Mapping[str, str]) -> Asked:
    """What a push asks for: `-o canary`, `-o canary=5,25`, `-o canary=off`. None: what wend.toml says. Raises
    Invalid."""
    if "canary" not in options:
        return None
    return read_steps(options["canary"]) if options["canary"] else "on"


def read_steps(text: str) -> Asked:
    """ "5,25,50" as steps; "auto" and "off" as they are. Raises Invalid."""
    words = [word.strip() for word in text[:200].split(",")]
    whole = re.compile("[0-9]{1,3}")  # other scripts have digits too, and a number may have thousands
    return declared.steps(
        text if text in ("auto", "off") else [int(word) if whole.fullmatch(word) else word for word in words]
    )


# ---------------------------------------------------------------------------------------------- acts


def push(ctx: Context, pushed: Push, say: Say) -> None:
    """Build and deploy what was pushed. Returns when it is live or has its first share of the traffic; raises what the
    push is to be refused with."""
    asked, came = asked_of(pushed.options), time.monotonic()
    with ctx.leases.hold(pushed.app, "push", urgent=True) as lease:
        waited = round(1000 * (time.monotonic() - came))
        check_turn(ctx.repos, pushed)
        branch = pushed.ref.removeprefix("refs/heads/")
        first = deploy.created(ctx, pushed.app, branch) or branch_facts(ctx, pushed.app, branch)
        arrived = {"ref": pushed.ref, "old": pushed.old, "new": pushed.new, "forced": pushed.forced}
        arrived |= {"reason": pushed.options["reason"]} if pushed.forced else {}
        arrived |= {"waited_ms": waited} if waited >= 1000 else {}
        first.append(Fact("push_received", f"app/{pushed.app}", arrived, actor=ctx.actor.name, app=pushed.app))
        summary = subject(ctx, pushed)
        journal = Journal.begin(
            ctx, pushed.app, "push", say, before=first, commit=pushed.new, ref=pushed.ref, summary=summary
        )
        with undone_on_failure(ctx, journal):
            wanted = look_at(ctx, journal, pushed)
            name_team(ctx, pushed.app, wanted.team)
            known = gates.pushed(ctx, pushed, wanted, journal.say)
            made = make(ctx, journal, lease, pushed, wanted)
            gates.built(ctx, known, pushed.new, made, journal.say)
            wanted = look_for_hatches(ctx, journal, pushed, wanted, made)
            with ctx.ledger.query() as db:
                config, held = questions.config(db, pushed.app), questions.secrets(db, pushed.app)
            release(ctx, journal, lease, Wish(made, wanted, pushed.new, config, held), asked)


def branch_facts(ctx: Context, name: str, branch: str) -> list[Fact]:
    """The fact that the app now deploys from this branch, when it deployed from another."""
    with ctx.ledger.query() as db:
        known = questions.app(db, name).branch
    if known == branch:
        return []
    return [Fact("branch_set", f"app/{name}", {"branch": branch}, actor=ctx.actor.name, app=name)]


def name_team(ctx: Context, name: str, team: str | None) -> None:
    """Record the team that wend.toml names, when it is another than before."""
    with ctx.ledger.query() as db:
        known = questions.app(db, name).team
    if team and team != known:
        ctx.ledger.append([Fact("team_set", f"app/{name}", {"team": team}, actor=ctx.actor.name, app=name, team=team)])


def look_at(ctx: Context, journal: Journal, pushed: Push) -> Spec:
    """The push's wend.toml, when it and the disk allow a build."""
    free, floor = shutil.disk_usage(ctx.config.home).free, ctx.config.disk_floor
    if free < floor:
        hint = "remove old releases (`wend destroy APP`) or lower keep_bytes; running apps are untouched"
        raise Down(f"the disk is nearly full: {free // 2**20} MB free, a push needs {floor // 2**20} MB", hint)
    found = ctx.repos.file(pushed.repo, pushed.new, "wend.toml")
    wanted = spec.parse(found)
    if wanted.app and wanted.app != pushed.app:
        raise Refused(
            f"wend.toml says app = {wanted.app!r}, but the push went to {pushed.app!r}",
            f"git push to /git/{wanted.app}.git, or correct wend.toml",
        )
    journal.step("checked", "" if found is None else "wend.toml")
    return wanted


def look_for_hatches(ctx: Context, journal: Journal, pushed: Push, wanted: Spec, made: Artifact) -> Spec:
    """The spec with the departures that nobody declared; asks about them, once."""
    owner = spec.parent(pushed.app)
    path = golden.get(made.path, ctx.config.home / "paths")
    found = departures.with_seen(wanted, departures.seen(tree(ctx.repos, pushed.repo, pushed.new), wanted, path))
    with ctx.ledger.query() as db:
        explained = hatches.explained(db, owner)
    for line in departures.asks(found.hatches, explained, owner, datetime.now(UTC).date()):
        journal.say(f"  hatch | {line}")
    return found


def make(ctx: Context, journal: Journal, lease: Lease, pushed: Push, wanted: Spec) -> Artifact:
    """Build the pushed commit, telling the noteworthy lines."""
    source = Source(pushed.app, pushed.repo, pushed.new, pushed.tree)

    def hear(line: str) -> None:
        journal.say(f"  build | {line}")

    try:
        made = engine.build(source, wanted, fleet.build_room(ctx), hear, lease.cancel)
    except WendError:
        lease.check()  # a cancelled build fails with its own words; what cancelled it is the better reason
        raise
    lease.check()
    journal.step("built", f"{made.path}, {made.size / 2**20:.1f} MB")
    return made


def release(ctx: Context, journal: Journal, lease: Lease, wish: Wish, asked: Asked) -> None:
    """Freeze the wish, run its release command, and make it live or a canary."""
    frozen = deploy.freeze(ctx, journal, wish)
    resources.provide(ctx, frozen, journal.say)
    outfit = fleet.outfit(ctx, frozen)
    deploy.run_release_command(ctx, journal, lease, frozen, outfit)
    journal.step("released", f"release {frozen.number}")
    go(ctx, journal, lease, frozen, outfit, rollout.steps(ctx, frozen, asked, say=journal.say))


def go(
    ctx: Context,
    journal: Journal,
    lease: Lease,
    frozen: Release,
    outfit: Outfit,
    steps: tuple[int, ...] = (),
    watched: bool = True,
) -> None:
    """Make a frozen release live, or with `steps` a canary, and say so. Not `watched`: it served before."""
    gates.deployed(ctx, frozen, journal.say, back=not watched and frozen.live_at is not None)
    if steps:
        deploy.go_canary(ctx, journal, lease, frozen, outfit, steps)
        journal.say(f"  canary in {journal.total()} ms: {' → '.join(map(str, (*steps, 100)))} % of the requests")
        journal.say(f"  watch it: wend canary {frozen.app}, or {ctx.config.portal}/deploys/{journal.id}")
        return
    policy = frozen.declared.canary
    deploy.go_live(ctx, journal, lease, frozen, outfit, policy if watched and policy.watch else None)
    where = f"  {ctx.config.url(frozen.app)}" if "web" in frozen.processes else ""
    journal.say(f"  live in {journal.total()} ms{where}")
    deploy.finish(ctx, journal, frozen)


def subject(ctx: Context, pushed: Push) -> str:
    """The commit's first line."""
    said = ctx.repos.run(pushed.repo, "log", "-1", "--format=%s", pushed.new).decode("utf-8", "replace").strip()
    return "".join(letter for letter in said if letter.isprintable())[:120]


def change_config(ctx: Context, name: str, change: Change, say: Say) -> None:
    """Set and unset configuration or secrets: a new release of the live code, deployed the same safe way. Before the
    first release it is only kept. If the deploy fails, nothing has changed."""
    first = deploy.created(ctx, name)
    if first:
        spec.app_name(name)
        ctx.ledger.append(first)
    with ctx.leases.hold(name, change.summary()) as lease:
        with ctx.ledger.query() as db:
            app, config, held = questions.app(db, name), questions.config(db, name), questions.secrets(db, name)
            under_way = rollout.under_way(canaries.running(db, name))
        check_change(change, config, held)
        if under_way:
            hint = f"end it first: wend promote {name}, or wend abort {name}"
            raise Conflict(f"release {under_way.release} is a canary, and has its own configuration", hint)
        fresh: Mapping[str, Any] = secrets.put(ctx, name, change.values) if change.secret else change.values
        if app.live is None:
            keep_for_later(ctx, name, change, fresh)
            say(f"  {change.summary()}: kept for the first release")
            return
        if change.secret:
            held = merged(held, fresh, change.unset)
        else:
            config = merged(config, fresh, change.unset)
        with ctx.ledger.query() as db:
            live = questions.release(db, name, app.live)
        redeploy(ctx, lease, live, "secret" if change.secret else "config", change.summary(), config, held, say)


def keep_for_later(ctx: Context, name: str, change: Change, fresh: Mapping[str, Any]) -> None:
    """Record configuration that waits for the app's first release."""
    kind = "secret_changed" if change.secret else "config_changed"
    data = {"set": dict(fresh), "unset": list(change.unset)}
    ctx.ledger.append([Fact(kind, f"app/{name}", data, actor=ctx.actor.name, app=name)])


def redeploy(
    ctx: Context,
    lease: Lease,
    live: Release,
    cause: str,
    summary: str,
    config: Mapping[str, str],
    held: Mapping[str, Any],
    say: Say,
) -> None:
    """The live code again, with other configuration or credentials."""
    journal = Journal.begin(ctx, live.app, cause, say, summary=summary, commit=live.commit)
    with undone_on_failure(ctx, journal):
        journal.step("checked", tell=False)
        made = fleet.artifact(ctx, live)
        journal.step("built", "the live artifact", tell=False)
        with ctx.ledger.query() as db:
            left = hatches.of_release(db, live.app, live.number)
        frozen = deploy.freeze(ctx, journal, Wish(made, spec_of(live, left), live.commit, config, held))
        journal.step("released", f"release {frozen.number}")
        go(ctx, journal, lease, frozen, fleet.outfit(ctx, frozen))


def spec_of(live: Release, left: Mapping[str, tuple[str, str | None]] | None = None) -> Spec:
    """The part of a wend.toml that the release was made of, with the hatches that it had (kind → reason, end). Its
    release command is not run again: nothing about the code has changed."""
    kinds = {
        kind: Hatch(kind, None, reason, date.fromisoformat(until) if until else None)
        for kind, (reason, until) in (left or {}).items()
    }
    fields = ("command", "replicas", "memory", "cpu", "processes", "health", "boot", "grace")
    processes = {
        name: spec.Process(
            name,
            scaling=Scaling(**settings["scaling"]) if settings.get("scaling") else None,
            **{key: settings[key] for key in fields if settings.get(key) is not None},
        )
        for name, settings in live.processes.items()
    }
    return Spec(processes=processes, env=live.env, release=live.command, hatches=kinds, declared=live.declared)


def rollback(ctx: Context, name: str, number: int | None, say: Say) -> int:
    """Make an earlier release live again, artifact and configuration together; its number. While a canary is under
    way, going back without a number, or to the release that still serves beside it, ends the canary."""
    with ctx.ledger.query() as db:
        canary_now = rollout.under_way(canaries.running(db, name))
    if canary_now and number in (None, canary_now.stable):
        return rollout.abort(ctx, name, say)
    with ctx.leases.hold(name, "rollback", urgent=True) as lease:
        with ctx.ledger.query() as db:
            app = questions.app(db, name)
            target = (
                earlier(app, questions.releases(db, name, 500))
                if number is None
                else questions.release(db, name, number)
            )
        check_target(app, target)
        summary = f"release {app.live} → {target.number}"
        journal = Journal.begin(ctx, name, "rollback", say, summary=summary, release=target.number)
        with undone_on_failure(ctx, journal):
            outfit = fleet.outfit(ctx, target)
            journal.step("released", f"release {target.number}, commit {target.commit[:9]}")
            go(ctx, journal, lease, target, outfit, watched=False)
        with ctx.ledger.query() as db:
            newer = [questions.release(db, name, one) for one in (app.live,) if one is not None]
        if any(one.command and one.commit != target.commit for one in newer):
            say("  note: the newer release ran a release command (a migration?); rolling back does not undo it")
        return target.number


def check_target(app: App, target: Release) -> None:
    """Raises Conflict or Refused when this release cannot be rolled back to."""
    if target.number == app.live:
        raise Conflict(f"release {target.number} is already live", f"`wend releases {app.name}` lists the others")
    if target.retired_at:
        raise Refused(
            f"release {target.number} is too old: its files were removed", f"push commit {target.commit[:9]} again"
        )
    if not target.live_at:
        raise Refused(f"release {target.number} never went live", "roll back to one that did")
