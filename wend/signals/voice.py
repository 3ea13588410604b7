"""What people answered: NPS, CSAT and CES, of one wave of a survey at a time.

A wave is shown when it is over, and what comes later is not counted: a figure that moved with every answer would tell
what each said. What may be shown is for `wend/privacy.py` to say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import opinions, privacy
from wend.opinions import Opinion
from wend.privacy import EPOCH
from wend.signals import NOTHING, Point, Scope, Signal, Value, Window
from wend.signals.definitions import DEFINITIONS
from wend.signals.people import HIDDEN
from wend.state.delivery import DAY, TEXTS
from wend.state.derived.rollups import monday
from wend.state.people import ANSWERS, PEOPLE, STINTS

OPEN = 14  # days for which a wave takes answers, its first one included
PERIOD = re.compile(r"(\d{4})-(?:Q([1-4])|(\d{2}))")  # a wave named after the time it asks about
NEED = 10  # how many are still needed is told in tens, for it tells how many there were
NOT_OF_SERVICES = "Surveys ask teams, not services."


# ---------------------------------------------------------------------------------------------- pure


@dataclass(frozen=True)
class Wave:
    """A wave of a survey: its name, the UTC day with which it ends, and its answers as team → score → how many."""

    name: str
    closes: int
    answers: Mapping[str | None, Mapping[int, int]]

    def counts(self, scope: Scope) -> Counter[int]:
        """Score → how many gave it."""
        found: Counter[int] = Counter()
        for team, scores in self.answers.items():
            if scope.kind == "all" or team == scope.name:
                found.update(scores)
        return found


def closes(name: str, first: int) -> int:
    """The last day of a wave whose first answer was heard on day `first`: two weeks later, or that same day when the
    wave is named after a month or a quarter that was over by then, since such answers are brought in, not given."""
    match = PERIOD.fullmatch(name)
    if match and 1 <= int(match[3] or 1) <= 12:
        month = int(match[3]) if match[3] else 3 * int(match[2])
        after = date(int(match[1]) + month // 12, month % 12 + 1, 1)
        if first >= (after - EPOCH).days:
            return first
    return first + OPEN - 1


def may_show(wave: Wave, scope: Scope, k: int = privacy.K) -> bool:
    teams = {team: sum(scores.values()) for team, scores in wave.answers.items() if team is not None}
    found = privacy.suppress(teams, sum(wave.counts(Scope()).values()), k)
    return found.whole if scope.kind == "all" else scope.name in found.groups


def told(found: Opinion, parts: int) -> Value:
    """An opinion in whole points (or so many parts of one), and how many people as near as is told."""
    if found.value is None or found.low is None or found.high is None:
        return NOTHING
    value, low, high = privacy.blurred(found.value, found.low, found.high, parts)
    needed = -(-found.needed // NEED) * NEED
    says = f"cannot tell, needs about {needed} more" if needed else ""
    return Value(value, low, high, privacy.at_least(found.n), says)


@dataclass(frozen=True)
class Scoring:
    """How answers become figures: the first is the signal, each with the parts of one that it is told in."""

    value: tuple[Callable[[Mapping[int, int], int | None], Opinion], int]
    others: Mapping[str, tuple[Callable[[Mapping[int, int], int | None], Opinion], int]]


SCORINGS = {
    "nps": Scoring((opinions.nps, 1), {}),
    "csat": Scoring((opinions.csat, 100), {}),
    "ces": Scoring((opinions.ces_share, 100), {"mean": (opinions.ces_mean, 10), "balance": (opinions.ces_balance, 1)}),
}


# ---------------------------------------------------------------------------------------------- asked of the tables


def nps(db: Connection, scope: Scope, window: Window) -> Signal:
    """Adjusted Wald, with the correction for how many there are where the directory says."""
    return opinion(db, "nps", scope, window)


def csat(db: Connection, scope: Scope, window: Window) -> Signal:
    """Wilson's interval, with the correction for how many there are where the directory says."""
    return opinion(db, "csat", scope, window)


def ces(db: Connection, scope: Scope, window: Window) -> Signal:
    """The share of 5 to 7; beside it the other two scorings in use."""
    return opinion(db, "ces", scope, window)


def opinion(db: Connection, id: str, scope: Scope, window: Window) -> Signal:
    about = DEFINITIONS[id]
    if scope.kind == "service":
        return Signal(about, scope, window, NOTHING, notes=(NOT_OF_SERVICES,))
    over = min(window.last, window.now // DAY - 1)
    every = waves(db, id)
    done = [wave for wave in every if wave.closes <= over]
    shown = [wave for wave in done if may_show(wave, scope)]
    notes = tuple(f"{wave.name} is still open; it is shown when it is over." for wave in every if wave not in done)
    if not shown:
        return Signal(about, scope, window, HIDDEN if done else NOTHING, notes=notes)
    newest, scoring = shown[-1], SCORINGS[id]
    found = {wave.name: figure(db, wave, scope, *scoring.value) for wave in shown}
    others = {name: figure(db, newest, scope, *how) for name, how in scoring.others.items()}
    rate = answered(db, newest, scope)
    parts = others | ({"answered": rate} if rate else {})
    series = tuple(
        Point(monday(wave.closes), one.value, one.low, one.high, one.n)
        for wave in shown
        if wave.closes >= window.first and (one := found[wave.name])
    )
    people = privacy.band(sum(newest.counts(scope).values()))
    notes = (f"{newest.name}: {people} answers.", *notes)
    return Signal(about, scope, window, found[newest.name], parts, series, newest.closes * DAY, notes)


def figure(
    db: Connection, wave: Wave, scope: Scope, how: Callable[[Mapping[int, int], int | None], Opinion], parts: int
) -> Value:
    counts = wave.counts(scope)
    return told(how(counts, population(db, wave, scope, sum(counts.values()))), parts)


def answered(db: Connection, wave: Wave, scope: Scope) -> Value | None:
    """The share of people who answered, in tenths; None where nobody knows how many there are."""
    n = sum(wave.counts(scope).values())
    there = population(db, wave, scope, n)
    return None if there is None else Value(round(n / there, 1), n=privacy.at_least(there))


def population(db: Connection, wave: Wave, scope: Scope, answers: int) -> int | None:
    """How many people there were when the wave ended, by the directory; None when it knows of fewer than answered."""
    at = (wave.closes + 1) * DAY
    here = (STINTS.c.joined_at < at) & (STINTS.c.left_at.is_(None) | (STINTS.c.left_at >= at))
    query = sa.select(sa.func.count(STINTS.c.person.distinct())).where(here)
    if scope.kind == "team":
        query = query.join(PEOPLE, PEOPLE.c.person == STINTS.c.person).where(PEOPLE.c.team == scope.name)
    found = int(db.execute(query).scalar() or 0)
    return found if found >= answers else None


def waves(db: Connection, survey: str) -> list[Wave]:
    """The survey's waves with what counts of them, by their ends."""
    mine = ANSWERS.c.survey == survey
    firsts = sa.select(ANSWERS.c.wave, sa.func.min(ANSWERS.c.day)).where(mine).group_by(ANSWERS.c.wave)
    ends = {name: closes(name, day) for name, day in db.execute(firsts)}
    columns = (ANSWERS.c.wave, ANSWERS.c.day, ANSWERS.c.team, ANSWERS.c.score)
    counted = sa.select(*columns, sa.func.count().label("n")).where(mine).group_by(*columns)
    found: dict[str, dict[str | None, Counter[int]]] = {}
    for row in db.execute(counted):
        if row.day <= ends[row.wave]:
            found.setdefault(row.wave, {}).setdefault(row.team, Counter())[row.score] += row.n
    return sorted(
        (Wave(name, ends[name], teams) for name, teams in found.items()), key=lambda one: (one.closes, one.name)
    )


def comments(db: Connection, survey: str, wave: str, scope: Scope, now: int) -> list[str]:
    """What was written in a wave that is over, of ten answers or more, in an order that says nothing."""
    found = next((one for one in waves(db, survey) if one.name == wave), None)
    if found is None or found.closes >= now // DAY or scope.kind == "service":
        return []
    if not may_show(found, scope, privacy.COMMENTS):
        return []
    here = (ANSWERS.c.survey == survey) & (ANSWERS.c.wave == wave) & (ANSWERS.c.day <= found.closes)
    if scope.kind == "team":
        here &= ANSWERS.c.team == scope.name
    query = sa.select(TEXTS.c.body).select_from(ANSWERS).join(TEXTS, TEXTS.c.hash == ANSWERS.c.comment).where(here)
    texts = [bytes(body).decode().partition(" ")[2] for body in db.execute(query).scalars()]
    return privacy.comments(texts, sum(found.counts(scope).values()))
