"""The trash: data that lost its app stays where it is, closed, until its time is over or somebody takes it back.

Facts: resource_trashed, resource_restored, resource_purged, app_created.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from sqlalchemy import Connection

from wend import spec
from wend.context import Context
from wend.declared import resource
from wend.errors import Conflict, NotFound, Refused, WendError
from wend.events import Fact
from wend.journal import new_id
from wend.resources import credentials
from wend.resources.type import load
from wend.state import canaries, questions
from wend.state import resources as stored
from wend.state.questions import App, Release
from wend.state.resources import Kept, Trashed

log = logging.getLogger(__name__)
HOUR = 3600 * 10**6  # microseconds


def trashing(ctx: Context, app: str) -> list[Fact]:
    """The facts that put everything the app keeps into the trash: to be appended with the reason for it, then
    `closing` makes it so."""
    with ctx.ledger.query() as db:
        return [trashed(ctx, one) for one in stored.kept(db, app)]


def trashed(ctx: Context, one: Kept) -> Fact:
    until = round(time.time() * 1e6) + round(ctx.config.trash_hours * HOUR)
    data = {"trash": new_id(), "name": one.name, "type": one.type, "about": dict(one.about), "hash": one.hash}
    data |= {"version": one.version, "until": until}
    return Fact("resource_trashed", f"app/{one.app}", data, actor=ctx.actor.name, app=one.app)


def closing(ctx: Context, app: str | None = None) -> None:
    """Let nobody in to what is in the trash, of this app or of any. What does not answer is closed by a later sweep."""
    with ctx.ledger.query() as db:
        waiting = stored.trashed(db, app)
    for one in waiting:
        with told(one), held(ctx, one.id) as still:
            if still:
                shut(ctx, still)


@contextmanager
def told(one: Trashed) -> Generator[None]:
    """What goes wrong with one keeps no other waiting."""
    try:
        yield
    except WendError as error:
        log.warning("%s of %s in the trash: %s", one.name, one.app, error.message)


@contextmanager
def held(ctx: Context, id: str) -> Generator[Trashed | None]:
    """What has this id in the trash, which nobody else restores, closes or purges for the time of the block."""
    with ctx.leases.hold(f"trash/{id[:60]}", "trash"):
        with ctx.ledger.query() as db:
            found = next((one for one in stored.trashed(db) if one.id == id), None)
        yield found


def shut(ctx: Context, one: Trashed) -> None:
    load(ctx.config, one.type).shut(one.about)


def remove(ctx: Context, app: str, name: str, confirm: str, say: Callable[[str], None]) -> None:
    """Put one resource that nothing uses any more into the trash."""
    with ctx.leases.hold(app, "resources"):
        with ctx.ledger.query() as db:
            found = questions.app(db, app)
            one = kept(stored.kept(db, app), name)
            users = [questions.release(db, app, number) for number in sorted(in_use(db, found), reverse=True)]
        if confirm != name:
            raise Refused(
                f"to remove {name}, confirm with its name", f"wend resources remove {app} {name} --confirm {name}"
            )
        for user in users:
            if name in user.declared.resources:
                why, hint = why_used(user, found.live, app, name)
                raise Conflict(f"release {user.number}, {why}, uses {name}", hint)
        ctx.ledger.append([trashed(ctx, one)])
        closing(ctx, app)
        say(f"  {name} of {app}: in the trash, where it stays {ctx.config.trash_hours} hours")


def in_use(db: Connection, app: App) -> set[int]:
    """The releases that have requests, or may have them again without being started: the live one, and those of a
    canary or watch under way."""
    rows = canaries.running(db, app.name)
    found = {app.live, *(row.release for row in rows), *(row.stable for row in rows)}
    return {number for number in found if number is not None}


def why_used(user: Release, live: int | None, app: str, name: str) -> tuple[str, str]:
    """In words, and what to do about it."""
    if user.number == live:
        return "which is live", f"take [resources.{name}] out of wend.toml and push first"
    return "which is under judgement or may come back", f"wait until that is over: wend canary {app}"


def kept(found: list[Kept], name: str) -> Kept:
    """The one of this name. Raises NotFound."""
    for one in found:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in found) or "none"
    raise NotFound(f"there is no resource {name[:60]!r} here", f"there are: {known}")


def restore(ctx: Context, trash: str, app: str, name: str | None, say: Callable[[str], None]) -> None:
    """Take data out of the trash as a resource of this app, which is made when it is not there. It gets new
    credentials; processes started from now on have them."""
    with ctx.leases.hold(app, "resources"), held(ctx, trash) as one:
        if one is None:
            raise NotFound(f"there is no {trash[:60]!r} in the trash", "`wend resources trash` lists it")
        with ctx.ledger.query() as db:
            known, taken = questions.find_app(db, app), {other.name for other in stored.kept(db, app)}
        name = name or one.name
        may_be(app, known, name, one.type)
        if name in taken:
            raise Conflict(
                f"{app} has a resource {name} already",
                f"restore it beside that one: --name NAME (or take {name} out of wend.toml, push, and remove it first)",
            )
        about = {"branch": "main"}
        made = [] if known else [Fact("app_created", f"app/{app}", about, actor=ctx.actor.name, app=app)]
        reopen(ctx, one, app, name, made)
        say(f"  {name} of {app}: restored")
        if known is None or name not in declared(ctx, app):
            say(f'  name it in wend.toml ([resources.{name}], type = "{one.type}") and push {app}')


def reopen(ctx: Context, one: Trashed, app: str, name: str, first: list[Fact]) -> None:
    """Let a new password in, and record whose it is now, after these facts."""
    type = load(ctx.config, one.type)
    type.alive(one.about)
    password, version = credentials.new() if type.secret else "", one.version + 1
    about = type.admit({key: value for key, value in one.about.items() if key != credentials.REPLACES}, password)
    type.settle(about, password)
    data, texts = credentials.sealed(ctx, app, name, version, password)
    data |= {"trash": one.id, "name": name, "type": one.type, "about": dict(about), "was": f"{one.app}/{one.name}"}
    back = Fact("resource_restored", f"app/{app}", data, actor=ctx.actor.name, app=app)
    ctx.ledger.append([*first, back], texts=texts)
    ctx.ledger.erase(credentials.texts(one), ctx.actor.name)


def may_be(app: str, known: App | None, name: str, type: str) -> None:
    """Raises when the app cannot be made, or cannot have a resource of this name."""
    resource(name, {"type": type})
    if known is None and "--" in app:
        parent = spec.parent(spec.any_name(app))
        raise NotFound(f"there is no preview {app}", f"push its branch first, or restore it as a resource of {parent}")
    if known is None:
        spec.app_name(app)


def declared(ctx: Context, app: str) -> frozenset[str]:
    """The resources that the live release names."""
    with ctx.ledger.query() as db:
        live = questions.app(db, app).live
        return frozenset(questions.release(db, app, live).declared.resources) if live else frozenset()


def sweep(ctx: Context) -> None:
    """Purge what has been in the trash for its time, and close what could not be closed before."""
    with ctx.ledger.query() as db:
        waiting = stored.trashed(db)
    now = time.time() * 1e6
    for one in waiting:
        with told(one), held(ctx, one.id) as still:
            if still:
                (purge if still.until <= now else shut)(ctx, still)


def purge(ctx: Context, one: Trashed) -> None:
    load(ctx.config, one.type).purge(one.about)
    data = {"trash": one.id, "name": one.name, "type": one.type}
    ctx.ledger.append([Fact("resource_purged", f"app/{one.app}", data, actor=ctx.actor.name, app=one.app)])
    ctx.ledger.erase(credentials.texts(one), ctx.actor.name)
