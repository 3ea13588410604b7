"""Opening a bet: its outcome is linted, and where it starts from is measured now, never typed.

Facts: bet_opened.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import signals, units
from wend.bets import lint, samples
from wend.bets.lint import Dates, Problem
from wend.context import Context
from wend.errors import Conflict, Invalid, NotFound
from wend.events import Fact
from wend.signals import Definition, Scope, Value, Window
from wend.signals.look import bring_up_to_date
from wend.state import bets as table
from wend.state.catalogue import SERVICES
from wend.state.delivery import DAY
from wend.state.people import PEOPLE
from wend.state.voice import PAINS

WEEKS, LEAST, MOST = 13, 4, 52  # that a baseline looks back
TRIES = 20  # numbers that others may take while we open
Item = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A bet as somebody words it. `sentence`: the outcome as a whole, instead of `who`, `can` and `to`. `sure`:
    percent. Dates are texts."""

    signal: str
    by: str
    kill: str
    appetite: int
    who: str = ""
    can: str = ""
    to: str = ""
    sentence: str = ""
    scope: str = "all"
    pain: int | None = None
    sure: int | None = None
    low: str | None = None
    high: str | None = None
    weeks: int = WEEKS


@dataclass(frozen=True)
class Read:
    """The same, as far as it can be read without measuring. `old`: what the sentence says it is now."""

    who: str
    can: str
    about: Definition
    scope: Scope
    dates: Dates
    to: float
    old: float | None
    predicted: tuple[float | None, float | None]


# ---------------------------------------------------------------------------------------------- pure


def read(asked: Asked, today: int, team: str) -> Read:
    """Raises Invalid with everything that is wrong. `team`: the platform's own."""
    parts = lint.statement(asked.sentence) if asked.sentence else {}
    who, can, to = parts.get("who", asked.who), parts.get("can", asked.can), parts.get("new", asked.to)
    dates = Dates(today, lint.day(asked.by), lint.day(asked.kill), asked.appetite)
    wrong = [*lint.of_people(who, team), *lint.of_doing(can), *lint.of_signal(asked.signal), *lint.of_dates(dates)]
    lint.refuse([*wrong, *of_rest(asked)])
    about = signals.definition(asked.signal)
    ends = tuple(None if end is None else lint.value(end, about) for end in (asked.low, asked.high))
    low, high = ends
    if (low is None) != (high is None) or (low is not None and high is not None and low > high):
        raise Invalid("a prediction has a low and a high end, in this order", "use both --low and --high, or neither")
    old = lint.value(parts["old"], about) if parts else None
    who, can = lint.plain(who), lint.plain(can)
    return Read(who, can, about, Scope.parse(asked.scope), dates, lint.value(to, about), old, (low, high))


def of_rest(asked: Asked) -> Iterator[Problem]:
    if asked.sure is not None and not 1 <= asked.sure <= 99:
        yield Problem(f"{asked.sure} % sure is no prediction", "say 1 to 99, as in --sure 70")
    if not LEAST <= asked.weeks <= MOST:
        yield Problem(f"a baseline of {asked.weeks} weeks is none", f"use {LEAST} to {MOST}")


def of_baseline(bet: Read, found: Value, frozen: tuple[int, int, float] | None) -> Iterator[Problem]:
    """What is wrong with what was measured, or promised of it."""
    where = f"{bet.about.id} of {bet.scope.key}"
    if found.value is None:
        yield Problem(
            f"nothing is measured of {where}: {found.says or 'no data'}",
            f"`wend signals show {bet.about.id}` says how to get data; open the bet when there is a baseline",
        )
        return
    if frozen and frozen[0] * 2 > frozen[1]:
        yield Problem(
            f"{frozen[0]} of the {frozen[1]} weeks looked at had less than a third of the usual {frozen[2]:g} "
            "deployments a week: that is a freeze, not a baseline",
            f"wait for as many usual weeks as those, or look at usual ones: --weeks {LEAST} to {MOST}",
        )
    if bet.old is not None and not inside(bet.old, found):
        unit = bet.about.unit
        ends = units.interval(found.low, found.high, unit, value=found.value)
        yield Problem(
            f"the sentence says {units.text(bet.old, unit)}, but {units.text(found.value, unit)} is measured ({ends})",
            "leave the old number to what is measured: use --who, --can and --to",
        )
    yield from lint.of_target(bet.about, bet.to, found.value)


def inside(value: float, found: Value) -> bool:
    low, high = (-math.inf if found.low is None else found.low), (math.inf if found.high is None else found.high)
    return low <= value <= high


def sentence(bet: Item) -> str:
    """The outcome in words, of a bet's row."""
    unit = signals.definition(bet["signal"]).unit
    new, old = (units.text(one, unit) for one in (bet["to"], bet["baseline"]["value"]))
    return lint.sentence(bet["who"], bet["can"], new, old)


# ---------------------------------------------------------------------------------------------- acts


def open(ctx: Context, asked: Asked, now: int | None = None) -> Item:
    """Open the bet and say its number: the row as `wend.state.bets` has it, with its `sentence`. `now`: Unix
    microseconds. Raises Invalid with everything that is wrong, NotFound, and Conflict for a pain that is closed."""
    now = now or int(time.time() * 1e6)
    bet = read(asked, now // DAY, ctx.config.platform_team)
    bring_up_to_date(ctx)
    window = Window.of(asked.weeks, now, ctx.config.timezone)
    with ctx.ledger.query() as db:
        check(db, bet.scope, asked.pain)
        found = signals.measure(db, bet.about.id, bet.scope, window).value
        lint.refuse([*of_baseline(bet, found, samples.frozen(db, bet.scope, window))])
        last = max((one["id"] for one in table.bets(db)), default=0)
    baseline = {"value": found.value, "low": found.low, "high": found.high, "n": found.n}
    data: Item = {"pain": asked.pain, "who": bet.who, "can": bet.can, "signal": bet.about.id, "scope": bet.scope.key}
    data |= {"version": bet.about.version, "weeks": asked.weeks, "to": bet.to, "at": now}
    data |= {"baseline": baseline | {"first": window.first, "last": window.last}}
    data |= {"by": bet.dates.by, "kill": bet.dates.kill, "appetite": bet.dates.appetite}
    data |= {"sure": None if asked.sure is None else asked.sure / 100}
    data |= dict(zip(("low", "high"), bet.predicted, strict=True))
    return opened(ctx, data, last)


def opened(ctx: Context, data: Item, last: int) -> Item:
    """Numbers are given in order; who takes the same one at the same time gets the next."""
    for id in range(last + 1, last + 1 + TRIES):
        fact = Fact("bet_opened", f"bet/{id}", {"bet": id, **data}, actor=ctx.actor.name, id=f"bet:{id}")
        if ctx.ledger.append([fact]):
            with ctx.ledger.query() as db:
                row = table.bet(db, id)
            assert row is not None
            return row | {"sentence": sentence(row)}
    raise Conflict("many bets are being opened at once", "try again")


def check(db: Connection, scope: Scope, pain: int | None) -> None:
    """Raises NotFound for a pain, team or service that nobody knows, Conflict for a pain that is not open."""
    if pain is not None:
        state = db.execute(sa.select(PAINS.c.state).where(PAINS.c.id == pain)).scalar()
        if state is None:
            raise NotFound(f"there is no pain {pain}", "`wend pains` lists them")
        if state != "open":
            raise Conflict(f"pain {pain} is {state}", f"`wend pains reopen {pain} --why …`, or name another")
    if scope.kind == "all":
        return
    column = SERVICES.c[scope.kind]
    known = db.execute(sa.select(column).where(column == scope.name).limit(1)).first()
    if known is None and scope.kind == "team":
        known = db.execute(sa.select(PEOPLE.c.team).where(PEOPLE.c.team == scope.name).limit(1)).first()
    if known is None:
        raise NotFound(f"there is no {scope.kind} {scope.name[:80]!r}", "`wend signals` shows what is measured")
