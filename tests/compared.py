"""A database that facts are told to without a ledger's disk, and its answers held against the slow reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from tests import reference_facts, reference_signals
from tests.reference import World
from wend import signals
from wend.events import Event, Fact
from wend.signals import Scope, Signal, Window
from wend.state import derived
from wend.state.delivery import DEPLOYMENTS
from wend.state.derived.blames import BLAMES
from wend.state.derived.carried import CARRIED
from wend.state.derived.durations import DURATIONS
from wend.state.derived.rollups import ARRIVALS, DAYS
from wend.state.reducers import reduce
from wend.state.tables import META

FOLLOWING = (CARRIED, BLAMES, DEPLOYMENTS, DAYS, ARRIVALS, DURATIONS)
Rows = dict[str, list[tuple[Any, ...]]]


def memory() -> sa.Engine:
    """An empty database in memory with every table of the state."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    META.create_all(engine)
    return engine


def tell(db: Connection, facts: Sequence[Fact], after: int = 0) -> None:
    """As a ledger that has `after` events would; ids that were heard before are its business, and not here."""
    reduce(db, events(facts, after))


def events(facts: Sequence[Fact], after: int = 0) -> list[Event]:
    return [
        Event(number, one.id, one.at or 0, one.kind, one.stream, one.actor, one.team, one.app, one.data, "")
        for number, one in enumerate(facts, after + 1)
    ]


def once(facts: Sequence[Fact]) -> list[Fact]:
    """Without those whose id came before."""
    found: dict[str, Fact] = {}
    for one in facts:
        found.setdefault(one.id, one)
    return list(found.values())


def following(db: Connection) -> Rows:
    """The rows of the tables that follow from others, without what says when they were heard of."""
    found: Rows = {}
    for table in FOLLOWING:
        columns = [column for column in table.c if column.name not in ("seq", "source")]
        found[table.name] = sorted(map(tuple, db.execute(sa.select(*columns))), key=repr)
    return found


def check(db: Connection, world: World, windows: Sequence[Window]) -> None:
    """Every table and every answer against the reference, for everything, each team and each service."""
    check_rows(db, world)
    teams = {about["team"] for about in world.services.values()} - {None}
    scopes = [Scope(), *(Scope("team", one) for one in sorted(teams))]
    scopes += [Scope("service", one) for one in sorted(world.services)]
    for window in windows:
        for scope in scopes:
            look = reference_signals.Look(world, scope, window)
            for id, answer in reference_signals.EVERY.items():
                found = signals.measure(db, id, scope, window)
                wrong = differences(found, answer(look))
                assert not wrong, (id, scope.key, window, wrong)


def check_rows(db: Connection, world: World) -> None:
    names = ("service", "commit", "deployment", "deployed_at", "explicit", "seed", "merge", "lead")
    alike(db, CARRIED, names, {tuple(getattr(row, name) for name in names) for row in world.carried})
    names = ("deployment", "by", "rank", "detected_at", "restored_at")
    alike(db, BLAMES, names, {tuple(getattr(row, name) for name in names) for row in world.blames.values()})
    names = ("id", "failed", "detected_at", "restored_at", "rework")
    well, every = (0, None, None), world.deployments
    alike(db, DEPLOYMENTS, names, {(id, *world.verdicts.get(id, well), int(id in world.repairs)) for id in every})


def alike(db: Connection, table: sa.Table, names: Sequence[str], wanted: set[tuple[Any, ...]]) -> None:
    found = {tuple(row) for row in db.execute(sa.select(*(table.c[name] for name in names)))}
    assert found == wanted, (table.name, "only here", found - wanted, "only there", wanted - found)


def differences(found: Signal, wanted: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Name → (the product's, the reference's), of what is not the same."""
    ours: dict[str, Any] = {name: getattr(found.value, name) for name in wanted if hasattr(found.value, name)}
    theirs = {name: wanted[name] for name in ours}
    parts = wanted.get("parts", {})
    ours |= {f"part {name}": found.parts[name].value if name in found.parts else "missing" for name in parts}
    ours |= {f"part {name}": "too much" for name in found.parts if "parts" in wanted and name not in parts}
    theirs |= {f"part {name}": value for name, value in parts.items()}
    if "series" in wanted:
        ours |= {f"week {point.day}": point.value for point in found.series if point.value is not None}
        theirs |= {f"week {day}": value for day, value in wanted["series"].items()}
    every = ours.keys() | theirs.keys()
    return {name: (ours.get(name), theirs.get(name)) for name in every if not same(ours.get(name), theirs.get(name))}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return one == other


def refreshed(db: Connection) -> Connection:
    """With everything worked in."""
    derived.refresh(db)
    while derived.stale(db):
        derived.refresh(db)
    return db


def read(facts: Sequence[Fact]) -> World:
    return reference_facts.world(facts)
