"""A platform on which bets are made: services that deploy every week, for a while before a day and after it."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from tests.told import at, deployed, owned
from wend import config
from wend.bets import ending, opening
from wend.bets.opening import Asked
from wend.context import Actor, Context
from wend.errors import Invalid
from wend.events import Fact
from wend.ingest.people import pseudonyms
from wend.ledger.sqlite import Sqlite
from wend.ledger.store import Store
from wend.state import SCHEMA
from wend.state.delivery import DAY
from wend.state.reducers import reduce
from wend.state.tables import META

WEEK = 24 * 7.0
OPENED = 13  # weeks from the beginning until bets are opened
BASE = Asked("time_to_deploy", "2026-07-31", "2026-07-31", 20, "engineers", "deploy a change", "3 min", sure=70)


class House:
    """A ledger, and whoever acts on it. Time is in weeks since told.BEGUN, which is a Monday."""

    def __init__(self, folder: Path, ledger: Store | None = None) -> None:
        self.week = float(OPENED)
        ledger = ledger or Sqlite(folder / "wend.db", META, reduce, SCHEMA)
        ledger.clock = lambda: self.now / 1e6
        nothing = cast(Any, None)
        settings = config.load(folder)
        self.ctx = Context(
            settings, ledger, nothing, nothing, nothing, nothing, nothing, Actor("lead", "human", ("*",))
        )

    @property
    def now(self) -> int:
        return at(self.week * WEEK)

    @property
    def today(self) -> int:
        return self.now // DAY

    def tell(self, facts: Iterable[Fact], texts: dict[str, bytes] | None = None) -> None:
        self.ctx.ledger.append(list(facts), texts=texts)

    def person(self, name: str, team: str | None = "red") -> str:
        who = pseudonyms(self.ctx.config.home).of(name)
        said = {"source": "csv", "person": who, "aliases": [who], "team": team, "role": None, "joined_at": at(0)}
        self.tell([Fact("person_recorded", f"person/{who}", {**said, "left_at": None, "name": None}, actor="csv")])
        return who

    def as_(self, name: str, kind: str = "human") -> Context:
        return replace(self.ctx, actor=Actor(name, kind, ("*",)))

    def open(self, **changes: Any) -> dict[str, Any]:
        return opening.open(self.ctx, replace(BASE, **changes), self.now)

    def refusal(self, **changes: Any) -> str:
        """All that is wrong with such a bet."""
        try:
            self.open(**changes)
        except Invalid as error:
            return f"{error.message}\n{error.hint}"
        raise AssertionError("it was opened")

    def see(self, id: int = 1) -> dict[str, Any]:
        return ending.seen(self.ctx, id, self.now)


def deploys(
    first: int,
    last: int,
    minutes: float,
    services: int = 8,
    a_week: int = 3,
    dice: int = 1,
    failing: float = 0.0,
    named: str = "s",
) -> list[Fact]:
    """Deployments of weeks first to last (the last one not included) that take about so long in the middle; a share of
    them is rolled back an hour later."""
    lot, facts = random.Random(f"{dice} {first} {named}"), list[Fact]()
    for service in (f"{named}{number}" for number in range(services)):
        for week in range(first, last):
            for number in range(a_week):
                hours = week * WEEK + 24 * number + 10 + lot.random()
                id, took = f"{service}-{week}-{number}", minutes / 60 * lot.lognormvariate(0, 0.5)
                facts.append(deployed(id, hours + took, service, started_at=at(hours)))
                if lot.random() < failing:
                    back = {"purpose": "rollback", "undoes": id, "started_at": at(hours + 5)}
                    facts.append(deployed(f"{id}-back", hours + 5.1, service, **back))
    return facts


def teams(services: int = 8, team: str = "red", named: str = "s") -> list[Fact]:
    return [owned(f"{named}{number}", team) for number in range(services)]
