"""A company of developers to listen to: their teams, roles and names, and a clock that tests can set."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.fakes import FakeRouter
from tests.web_world import FakeDriver
from wend import config
from wend.context import Actor, Context
from wend.events import Fact
from wend.ingest.people import pseudonyms
from wend.leases import Leases
from wend.ledger.sqlite import Sqlite
from wend.repos import Repos
from wend.research import people
from wend.route.meter import Meter
from wend.state import SCHEMA
from wend.state.delivery import DAY
from wend.state.reducers import reduce
from wend.state.tables import META

TEAMS = ("payments", "catalogue", "identity", "mobile", "data")
ROLES = ("backend", "frontend", "data")


@contextmanager
def research(home: Path, actor: str = "ann") -> Iterator[Context]:
    """Acts on a new home."""
    ledger = Sqlite(home / "wend.db", META, reduce, SCHEMA)
    made = Context(config.load(home), ledger, FakeDriver(), FakeRouter(), Repos(home), Leases(), Meter())
    yield replace(made, actor=Actor(actor))
    ledger.close()


def hire(ctx: Context, login: str, team: str | None = "payments", days: int = 400, **rest: Any) -> str:
    """Somebody who came so many days ago; their pseudonym. `name`: what they are called."""
    names = pseudonyms(ctx.config.home)
    person = names.of(login)
    hash, body = names.text(person, rest.pop("name", login.title()))
    joined = int(time.time() * 1e6) - days * DAY
    data = {"source": "csv", "person": person, "aliases": [], "team": team, "role": "backend", "joined_at": joined}
    data |= {"left_at": None, "name": hash, **rest}
    ctx.ledger.append([Fact("person_recorded", f"person/{person}", data, actor="csv")], texts={hash: body})
    return person


def company(ctx: Context, many: int = 30) -> dict[str, str]:
    """Login → pseudonym of so many customers in five teams, every tenth of them new, and three of our own."""
    found: dict[str, str] = {}
    for number in range(many):
        login = f"dev{number}"
        found[login] = hire(ctx, login, TEAMS[number % len(TEAMS)], 30 if number % 10 == 3 else 400,
                            role=ROLES[number % 3])  # fmt: skip
    for number in range(3):
        hire(ctx, f"own{number}", "platform")
    return found


def persons(many: int, teams: int = 5, newest: int = 3) -> list[people.Person]:
    """The same for pure functions: nobody was heard yet."""
    return [
        people.Person(f"p{number:03}", f"team{number % teams}", "newest" if number < newest else "longer here",
                      ROLES[number % 3], "on the path")
        for number in range(many)
    ]  # fmt: skip
