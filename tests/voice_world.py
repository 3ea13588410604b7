"""A ledger on disk and a context over it, for rooms about what people say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.fakes import FakeRouter
from tests.web_world import FakeDriver
from wend import config
from wend.context import Actor, Context
from wend.events import Fact
from wend.ingest.people import pseudonyms
from wend.leases import Leases
from wend.ledger.sqlite import Sqlite
from wend.repos import Repos
from wend.route.meter import Meter
from wend.state import SCHEMA
from wend.state.delivery import DAY
from wend.state.reducers import reduce
from wend.state.tables import META
from wend.state.voice import EVIDENCE

MONDAY = 20_458  # 2026-01-05
NOW = MONDAY * DAY + DAY // 2


@contextmanager
def voice_world(folder: Path, who: str = "ada") -> Iterator[Context]:
    ledger = Sqlite(folder / "wend.db", META, reduce, SCHEMA)
    made = Context(config.load(folder), ledger, FakeDriver(), FakeRouter(), Repos(folder), Leases(), Meter())
    try:
        yield replace(made, actor=Actor(who))
    finally:
        ledger.close()


def person(ctx: Context, name: str, team: str | None = None, *aliases: str) -> str:
    """The pseudonym of somebody who is known to be there from now on."""
    people = pseudonyms(ctx.config.home)
    one, others = people.of(name), [people.of(alias) for alias in aliases]
    said: dict[str, Any] = {"source": "csv", "person": one, "aliases": others, "team": team, "role": None}
    said |= {"joined_at": None, "left_at": None, "name": None}
    ctx.ledger.append([Fact("person_recorded", f"person/{one}", said)])
    return one


def row(ctx: Context, evidence: str) -> dict[str, Any]:
    with ctx.ledger.query() as db:
        return dict(db.execute(sa.select(EVIDENCE).where(EVIDENCE.c.id == evidence)).mappings().one())


def everything(ctx: Context) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in an order that does not depend on when it was written."""
    with ctx.ledger.query() as db:
        return {
            one.name: sorted((tuple(row) for row in db.execute(sa.select(one))), key=repr) for one in META.sorted_tables
        }
