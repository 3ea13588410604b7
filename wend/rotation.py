"""New credentials for what an app keeps, without a failed request: both hold while processes are replaced.

Facts: resource_rotated, and those of a deploy.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from wend import release, resources, rollout
from wend.context import Context
from wend.errors import Conflict, Down, Refused
from wend.events import Fact
from wend.journal import Say
from wend.leases import Lease
from wend.resources import credentials
from wend.resources.credentials import REPLACES
from wend.resources.trash import kept
from wend.resources.type import Type, load
from wend.run import Step
from wend.state import canaries, questions
from wend.state import resources as stored
from wend.state.questions import App
from wend.state.resources import Kept

GONE_SECONDS = 60.0


def rotate(ctx: Context, name: str, resource: str, say: Say) -> None:
    """A new password for the app's resource; the live release again with it; then the end of the old one. When that
    deploy fails both hold, and the next call finishes what this one began."""
    with ctx.leases.hold(name, "resources") as lease:
        with ctx.ledger.query() as db:
            app, one = questions.app(db, name), kept(stored.kept(db, name), resource)
            canary = rollout.under_way(canaries.running(db, name))
        type = load(ctx.config, one.type)
        if not type.secret:
            raise Refused(f"{resource} is a {one.type}, which has no credentials", f"wend resources {name}")
        if canary:
            hint = f"end it first: wend promote {name}, or wend abort {name}"
            raise Conflict(f"release {canary.release} is a canary, and uses {resource} too", hint)
        with resources.named(name, resource):
            type.alive(one.about)
            if REPLACES not in one.about:
                one = begin(ctx, type, one)
        replace_processes(ctx, lease, app, resource, say)
        with resources.named(name, resource):
            settle(ctx, type, one)
        say(f"  {resource} of {name} has new credentials; the old ones are worth nothing")


def begin(ctx: Context, type: Type, one: Kept) -> Kept:
    """Let a new password in beside the old one; what processes are given from now on."""
    password, version = credentials.new(), one.version + 1
    about = {**type.admit(one.about, password), REPLACES: one.hash}
    data, texts = credentials.sealed(ctx, one.app, one.name, version, password)
    record(ctx, one, data | {"about": about}, texts)
    with ctx.ledger.query() as db:
        return kept(stored.kept(db, one.app), one.name)


def settle(ctx: Context, type: Type, one: Kept) -> None:
    """Only the new password from now on."""
    type.settle(one.about, credentials.opened(ctx, one))
    ctx.ledger.erase([one.about[REPLACES]], ctx.actor.name)
    about = {key: value for key, value in one.about.items() if key != REPLACES}
    record(ctx, one, {"version": one.version, "hash": one.hash, "about": about}, {})


def record(ctx: Context, one: Kept, data: Mapping[str, Any], texts: Mapping[str, bytes]) -> None:
    about = {"name": one.name, "type": one.type, **data}
    ctx.ledger.append(
        [Fact("resource_rotated", f"app/{one.app}", about, actor=ctx.actor.name, app=one.app)], texts=texts
    )


def replace_processes(ctx: Context, lease: Lease, app: App, resource: str, say: Say) -> None:
    """The live release again, if it uses the resource; then the end of every process that has the old credentials."""
    before = {status.id for status in ctx.driver.status(app.name)}
    if app.live is None or not before:
        return
    with ctx.ledger.query() as db:
        live = questions.release(db, app.name, app.live)
    if resource in live.declared.resources:
        summary = f"new credentials of {resource}"
        release.redeploy(ctx, lease, live, "resource", summary, live.config, live.secrets, say)
        end(ctx, app.name, before)
    else:
        end(ctx, app.name, {one for one in before if not one.startswith(f"{app.name}.{app.live}.")})


def end(ctx: Context, name: str, before: set[str]) -> None:
    """Wait for the requests of these processes, stop them, and wait until they are gone. None stays warm: it would have
    credentials that are worth nothing."""
    old = [status for status in ctx.driver.status(name) if status.id in before]
    numbers = sorted({status.release for status in old})
    for number in numbers:
        ctx.router.drain(name, number, ctx.config.drain_seconds)
    with ctx.ledger.query() as db:
        live = questions.app(db, name).live
    if live in numbers:  # the judge waits for nobody's turn
        hint = "old and new credentials both hold; mend it, then rotate again"
        raise Conflict(f"{name} went back to release {live}, which has the old credentials", hint)
    for status in old:
        ctx.driver.apply(Step("stop", status.id), {})
    until = time.monotonic() + GONE_SECONDS
    while left := before & {status.id for status in ctx.driver.status(name)}:
        if time.monotonic() > until:
            raise Down(f"{', '.join(sorted(left))} does not stop", "the old credentials still hold; rotate again")
        time.sleep(0.05)
