"""What an app keeps outside its releases: databases, caches and folders.

Facts: resource_created; those of the trash are in `trash.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from wend.context import Context
from wend.declared import Resource
from wend.errors import Conflict, Invalid, NotFound, WendError
from wend.events import Fact
from wend.resources import credentials, server
from wend.resources.trash import closing, remove, restore, sweep, trashing
from wend.resources.type import Granted, load, new_id, variable
from wend.state import questions
from wend.state import resources as stored
from wend.state.questions import Release
from wend.state.resources import Kept

log = logging.getLogger(__name__)
HANDS = 8  # sizes asked for at the same time
__all__ = ("Granted", "closing", "grant", "halt", "provide", "remove", "restore", "sweep", "trashing", "values")


# ---------------------------------------------------------------------------------------------- pure


def check(declared: Mapping[str, Resource], kept: Mapping[str, Kept]) -> None:
    """Raises Invalid when two names make one variable, Conflict when one is of another type than what is kept."""
    seen: dict[str, str] = {}
    for name, one in declared.items():
        if other := seen.get(variable(name, "")):
            raise Invalid(
                f"wend.toml: resources.{other} and resources.{name} give the same variables", "rename one of them"
            )
        seen[variable(name, "")] = name
        if name in kept and kept[name].type != one.type:
            raise Conflict(
                f"resource {name} is a {kept[name].type}, and wend.toml says {one.type}",
                "give the new one another name; the data of the old one is kept",
            )


def usual(found: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """The variables that apps expect (DATABASE_URL), of (variable expected, variable given, value) of each resource:
    only where it is clear which is meant."""
    rows = [row for row in found if row[0]]
    names = [row[0] for row in rows]
    return {expected: value for expected, _, value in rows if names.count(expected) == 1}


def together(granted: Iterable[tuple[str, Granted]]) -> Granted:
    """Everything in one, of (variable expected, what is granted). A variable of a resource's own name wins."""
    every = list(granted)
    rows = [(expected, name, value) for expected, one in every for name, value in one.env.items()]
    common = usual(rows)
    env = common | {name: value for _, one in every for name, value in one.env.items()}
    return Granted(
        env,
        tuple(mount for _, one in every for mount in one.mounts),
        tuple(dict.fromkeys(address for _, one in every for address in one.reach)),
        tuple(sorted({*common, *(name for _, one in every for name in one.secrets)})),
    )


# ---------------------------------------------------------------------------------------------- acts


def provide(ctx: Context, release: Release, say: Callable[[str], None] = log.info) -> None:
    """Make what the release declares and does not have yet, and see that each server answers. Raises Down naming the
    resource and its server."""
    with ctx.ledger.query() as db:
        kept = {one.name: one for one in stored.kept(db, release.app)}
    declared = release.declared.resources
    check(declared, kept)
    for name, one in declared.items():
        with named(release.app, name):
            known = kept.get(name)
            load(ctx.config, one.type).alive(known and known.about)
            if known is None:
                create(ctx, release.app, one)
                say(f"  resource {name}: a new {one.type}")
    for name in kept.keys() - declared.keys():
        say(f"  resource {name} ({kept[name].type}) is in wend.toml no more; its data is kept")


@contextmanager
def named(app: str, name: str) -> Generator[None]:
    """Say in every error which resource it is about."""
    try:
        yield
    except WendError as error:
        error.message = f"resource {name} of {app}: {error.message}"
        error.args = (error.message,)
        raise


def create(ctx: Context, app: str, wanted: Resource) -> None:
    type = load(ctx.config, wanted.type)
    password = credentials.new() if type.secret else ""
    about = type.create(new_id(app, wanted.name), password)
    data, texts = credentials.sealed(ctx, app, wanted.name, 1, password)
    data |= {"name": wanted.name, "type": wanted.type, "about": dict(about)}
    ctx.ledger.append([Fact("resource_created", f"app/{app}", data, actor=ctx.actor.name, app=app)], texts=texts)


def grant(ctx: Context, release: Release) -> Granted:
    """What the release's processes get, as it is now. Asks no server. Raises NotFound when a resource is gone."""
    with ctx.ledger.query() as db:
        kept = {one.name: one for one in stored.kept(db, release.app)}
    found: list[tuple[str, Granted]] = []
    for name, one in release.declared.resources.items():
        if name not in kept:
            raise NotFound(
                f"release {release.number} of {release.app} needs its resource {name}, which was removed",
                f"wend resources trash lists it; wend resources restore ID --app {release.app} brings it back",
            )
        type = load(ctx.config, one.type)
        found.append((type.usual, type.grant(name, kept[name].about, credentials.opened(ctx, kept[name]))))
    return together(found)


def values(ctx: Context, app: str) -> list[str]:
    """The passwords that the app's processes are given, now and until a rotation is finished."""
    with ctx.ledger.query() as db:
        kept = stored.kept(db, app)
    return [password for one in kept for password in credentials.holding(ctx, one)]


def size(ctx: Context, one: Kept) -> int | None:
    """Bytes, where asking is cheap; None also while the server does not answer."""
    try:
        return load(ctx.config, one.type).size(one.about)
    except WendError:
        return None


def of(ctx: Context, app: str) -> list[tuple[Kept, int | None]]:
    """The app's resources, each with its size."""
    with ctx.ledger.query() as db:
        questions.app(db, app)
        kept = stored.kept(db, app)
    with ThreadPoolExecutor(HANDS) as hands:  # a server that is away keeps only its own waiting
        return list(zip(kept, hands.map(partial(size, ctx), kept), strict=True))


@dataclass
class Waker:
    """Starts the servers of our own that resources need and that do not run. What is wrong is told once."""

    told: set[str] = field(default_factory=set[str])

    def wake(self, ctx: Context) -> None:
        wrong: set[str] = set()
        for one in asleep(ctx):
            try:
                with named(one.app, one.name):
                    load(ctx.config, one.type).alive(one.about)
            except WendError as error:
                wrong.add(f"{error.message} ({error.hint})")
        for words in wrong - self.told:
            log.warning("%s", words)
        self.told = wrong


def asleep(ctx: Context) -> list[Kept]:
    """One resource of each server of our own that should run and does not."""
    with ctx.ledger.query() as db:
        by_server = {load(ctx.config, one.type).host(one.about): one for one in stored.kept(db)}
    return [by_server[name] for name in by_server.keys() - {None} - server.there(ctx.config.home)]


def halt(ctx: Context) -> None:
    """Stop the servers of our own properly."""
    server.stop_all(ctx.config.home)
