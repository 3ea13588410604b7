"""How often a pain happens to those it hits, and how long it takes: measured first, else said, else assumed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wend.cost.given import WINDOW, Book, Draw, Quantity
from wend.cost.reach import ASSUMED, RANDOM, checked

if TYPE_CHECKING:
    from wend.cost.given import Draws

SAID, VOLUNTEERED = 0.25, 0.75  # standard deviation of the logarithm of what said amounts are off by, beside chance
LENGTHS = ("telemetry", "interview", "survey", "friction", "hatch", "ticket", "feedback")  # the best source first
PACES = ("telemetry", "interview", "survey")
OFF = {"telemetry": 0.0, **dict.fromkeys(RANDOM, SAID), ASSUMED: 0.0}  # the others: VOLUNTEERED


@dataclass(frozen=True)
class Amounts:
    """One amount a person (or, of volunteers, a team): the weight's place, the amount, how fresh it is."""

    source: str
    n: int
    values: Mapping[str, tuple[float, float]]  # person → (amount, freshness)


def paces(given: Book, pain: int, source: str) -> Amounts:
    """Times a week, for each person who is hit: counted over the weeks that anything was measured in, or as said."""
    mine = [one for one in given.mine(pain, source) if one.week > given.today - WINDOW]
    if source != "telemetry":
        said = [(one.person, one.per_week, given.fresh(one.week)) for one in mine if one.per_week is not None]
        return Amounts(source, len(said), averaged(said))
    begun = min((one.week for one in given.told if one.source == source), default=given.today)
    first = max(begun, given.today - WINDOW + 1)
    weeks = sum(given.fresh(week) for week in range(first, given.today + 1, 7)) or 1.0
    mine = [one for one in mine if one.person in given.people]  # who is nobody known may be many
    times: dict[str, float] = {}
    for one in mine:
        times[one.person] = times.get(one.person, 0.0) + one.times * given.fresh(one.week)
    n = sum(one.times for one in mine)
    return Amounts(source, n, {person: (count / weeks, 1.0) for person, count in times.items()})


def lengths(given: Book, pain: int, source: str) -> Amounts:
    """Minutes a time, for each person; volunteers of one team are one voice."""
    mine = [one for one in given.mine(pain, source) if one.minutes is not None]
    rows = [(one.person, one.minutes or 0.0, given.fresh(one.week) * one.times) for one in mine]
    found = averaged(rows)
    if source not in ("telemetry", *RANDOM):
        teams = {one.person: one.team for one in mine}
        size = {team: sum(other == team for other in teams.values()) for team in teams.values()}
        found = {person: (value, fresh / size[teams[person]]) for person, (value, fresh) in found.items()}
    return Amounts(source, sum(one.times for one in mine), found)


def averaged(rows: Iterable[tuple[str, float, float]]) -> dict[str, tuple[float, float]]:
    """(person, amount, weight) to one amount a person, which weighs at most 1."""
    sums: dict[str, tuple[float, float]] = {}
    for person, amount, weight in rows:
        total, weights = sums.get(person, (0.0, 0.0))
        sums[person] = total + amount * weight, weights + weight
    return {person: (total / weights, min(1.0, weights)) for person, (total, weights) in sums.items() if weights}


# ---------------------------------------------------------------------------------------------- drawn


@dataclass(frozen=True)
class Usual:
    """What is usual among all pains, as logarithms: the middle, the spread between pains, the variance between people
    of one. One person's worth of it is added to every pain, and it is all there is for one that nothing is known of."""

    middle: float
    between: float
    within: float


MINUTES = Usual(math.log(15), 1.0, 0.6)
TIMES = Usual(math.log(1), 1.0, 0.6)
PULL, STRENGTH = 0.7, 4.0  # people that the usual is worth: for the middle, and for the variance


def usual(known: Sequence[Amounts], assumed: Usual) -> Usual:
    """From the pains there are, and from what is assumed as if it were one of them."""
    logs = [[math.log(value) for value, _ in one.values.values() if value > 0] for one in known]
    logs = [one for one in logs if one]
    middles = [sum(one) / len(one) for one in logs]
    middle = (sum(middles) + assumed.middle) / (len(middles) + 1)
    between = sum((one - middle) ** 2 for one in (*middles, assumed.middle + assumed.between))
    squares = sum(spread(one) for one in logs) + STRENGTH * assumed.within
    freedom = sum(len(one) - 1 for one in logs) + STRENGTH
    return Usual(middle, math.sqrt(max(0.25, between / (len(middles) + 1))), squares / freedom)


def spread(logs: Sequence[float]) -> float:
    """The sum of squares about their mean."""
    mean = sum(logs) / len(logs)
    return sum((one - mean) ** 2 for one in logs)


def level(draw: Draw, known: Amounts, about: Usual) -> Draws:
    """The mean amount in each draw: log-normal among those above zero, which are one share of all (J. Aitchison,
    1955)."""
    np = draw.np
    there = [person for person, (value, _) in known.values.items() if value > 0]
    logs = np.array([math.log(known.values[person][0]) for person in there])
    weights, every = weighed(draw, known, there), weighed(draw, known, list(known.values))
    pull, total = draw.gamma(PULL), weights.sum(axis=1)
    middle = (weights @ logs + pull * (about.middle + about.between * draw.normal())) / (total + pull)
    within = (spread(list(logs)) if there else 0.0) + STRENGTH * about.within
    within /= max(0, len(there) - 1) + STRENGTH
    share = total / every.sum(axis=1) if known.values else 1.0
    off = OFF.get(known.source, VOLUNTEERED)
    return share * np.exp(middle + within / 2 + off * draw.normal())


def weighed(draw: Draw, known: Amounts, people: Sequence[str]) -> Draws:
    fresh = draw.np.array([known.values[person][1] for person in people])
    return draw.weights[:, [draw.given.place[person] for person in people]] * fresh


Find = Callable[[Book, int, str], Amounts]
EMPTY = Amounts(ASSUMED, 0, {})


def levels(draw: Draw, find: Find, sources: Sequence[str], assumed: Usual) -> dict[int, tuple[Draws, Quantity]]:
    """Of every pain, by the best source that says anything; the next best is its check."""
    found = {pain: every(draw.given, pain, find, sources) for pain in draw.given.pains}
    about = usual([one[0] for one in found.values() if one], assumed)
    made: dict[int, tuple[Draws, Quantity]] = {}
    for pain, known in found.items():
        drawn, best = told(draw, known[0] if known else EMPTY, about)
        made[pain] = drawn, checked(best, told(draw, known[1], about)[1] if len(known) > 1 else None)
    return made


def every(given: Book, pain: int, find: Find, sources: Sequence[str]) -> list[Amounts]:
    found = (find(given, pain, source) for source in sources)
    return [one for one in found if one.values]


def told(draw: Draw, known: Amounts, about: Usual) -> tuple[Draws, Quantity]:
    drawn = level(draw, known, about)
    low, high = draw.ends(drawn)
    return drawn, Quantity(float(draw.np.median(drawn)), low, high, known.n, known.source)


def frequencies(draw: Draw) -> dict[int, tuple[Draws, Quantity]]:
    return levels(draw, paces, PACES, TIMES)


def minutes(draw: Draw) -> dict[int, tuple[Draws, Quantity]]:
    return levels(draw, lengths, LENGTHS, MINUTES)
