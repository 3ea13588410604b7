"""What each pain costs, in developer-hours a week, as a distribution: how many it hits, how often, how long it takes.

Three quantities, each from its best source and never added up into a score; the next best source stands beside as a
check. All of it is drawn anew 2,000 times by team and person, so that what is not known shows in the ranks. Pure, and
the same for the same data. docs/one-thing.md has the formulas and where they come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wend.cost.amounts import frequencies, minutes
from wend.cost.given import Asked, Draw, Quantity, Told, book
from wend.cost.reach import known_hit, newest, reaches

if TYPE_CHECKING:
    from wend.cost.given import Draws

SURE = 0.6  # the chance of being the worst from which on a pain is the one thing


@dataclass(frozen=True)
class Cost:
    """A pain in hours a week, with the 90 % interval. `reach`: share of the people; `frequency`: times a week of each
    of those hit; `minutes`: a time. `at_least`: people known to be hit. The interval of the rank is approximate: near
    ties such intervals are too narrow (M. Mogstad and others, 2023)."""

    pain: int
    mean: float
    low: float
    high: float
    p_worst: float
    rank_low: int
    rank_high: int
    reach: Quantity
    frequency: Quantity
    minutes: Quantity
    at_least: int


@dataclass(frozen=True)
class Costs:
    """The pains, the likeliest worst first. `beats`: the chance that the first costs more than the second; `regret`:
    hours a week that picking the first now loses on average against knowing which is the worst. `separable`: the first
    is the worst with a chance of SURE or more, and people were asked at random, for without that nobody knows what
    those who are silent suffer. `whom`: how much of
    what keeps the first two together is not knowing whom they hit (0 to 1); the rest is how often and how long."""

    rows: tuple[Cost, ...]
    separable: bool
    beats: float | None
    regret: float
    whom: float


def rank(
    pains: Sequence[int], told: Sequence[Told], asked: Sequence[Asked], people: Mapping[str, str], today: int
) -> Costs:
    """Every one of the pains. `people`: who is here, with their team, without the platform's own; `today`: UTC day
    since 1970. Raises ValueError when there are no people, for then nothing can be counted in hours."""
    if not people:
        raise ValueError("nobody is in the directory")
    given = book(pains, told, asked, people, today)
    if not given.pains:
        return Costs((), False, None, 0.0, 1.0)
    draw = Draw(given)
    reach, often, long = reaches(draw), frequencies(draw), minutes(draw)
    hours = draw.np.stack(
        [len(people) * reach[pain][0] * often[pain][0] * long[pain][0] / 60 for pain in given.pains], axis=1
    )
    ranks = hours.shape[1] - hours.argsort(axis=1).argsort(axis=1)
    best = shared(draw, hours)
    rows: list[Cost] = []
    for at, pain in enumerate(given.pains):
        (low, high), (first, last) = draw.ends(hours[:, at]), draw.ends(ranks[:, at])
        parts = reach[pain][1], often[pain][1], long[pain][1]
        chance, mean = float(best[at]), float(hours[:, at].mean())
        rows.append(Cost(pain, mean, low, high, chance, int(first), int(last), *parts, len(known_hit(given, pain))))
    order = sorted(range(len(rows)), key=lambda at: (-rows[at].p_worst, -rows[at].mean, rows[at].pain))
    return weighed(draw, tuple(rows[at] for at in order), hours[:, order], [reach[rows[at].pain][0] for at in order])


def shared(draw: Draw, hours: Draws) -> Draws:
    """How often each is the worst; a tie is shared."""
    top = hours == hours.max(axis=1, keepdims=True)
    return (top / top.sum(axis=1, keepdims=True)).mean(axis=0)


def weighed(draw: Draw, rows: tuple[Cost, ...], hours: Draws, reach: Sequence[Draws]) -> Costs:
    """The first against the others."""
    first = hours[:, 0]
    regret = float((hours.max(axis=1) - first).mean())
    if len(rows) < 2:
        return Costs(rows, bool(first.max() > 0 and newest(draw.given)[1]), None, regret, 1.0)
    second = hours[:, 1]
    beats = float((first > second).mean() + (first == second).mean() / 2)
    sure = rows[0].p_worst >= SURE and rows[0].mean > 0 and bool(newest(draw.given)[1])
    return Costs(rows, sure, beats, regret, by_whom(draw, hours, reach))


def by_whom(draw: Draw, hours: Draws, reach: Sequence[Draws]) -> float:
    """The share of the variance of log (first / second) that reach has."""
    np = draw.np
    tiny = 1e-12
    whole = float(np.log((hours[:, 0] + tiny) / (hours[:, 1] + tiny)).var())
    part = float(np.log((reach[0] + tiny) / (reach[1] + tiny)).var())
    return min(1.0, part / whole) if whole > 0 else 1.0
