"""Whether more interviews of a kind of people still say something new. Pure.

G. Guest, E. Namey and M. Chen, "A simple method to assess and report thematic saturation in qualitative research",
PLoS ONE 15(5), 2020, e0232076: new information is the themes that are new in a run of interviews, as a share of the
themes of the first ones, the base. Order is chance, so it is averaged over many.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

BASE, RUN, THRESHOLD = 4, 2, 0.05  # interviews, interviews, share: the values most used
ORDERS = 400
ENDS = (0.05, 0.95)  # of the orders, between which the interval lies


@dataclass(frozen=True)
class Point:
    """After `n` interviews: how many themes were found, and what share of the base the last RUN of them added (null
    before there is a run after the base), with the interval over orders."""

    n: int
    themes: float
    new: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Curve:
    """The points from the first interview on. `below`: the first number of interviews from which on new information
    stays at or below the threshold, on average; None: not yet. `says`: in words, always with n."""

    points: tuple[Point, ...]
    below: int | None
    says: str


def curve(
    interviews: Sequence[AbstractSet[object]],
    base: int = BASE,
    run: int = RUN,
    threshold: float = THRESHOLD,
    orders: int = ORDERS,
    seed: int = 0,
) -> Curve:
    """The curve of interviews, each the set of its themes, averaged over `orders` random orders."""
    dice, n = random.Random(seed), len(interviews)
    found: list[list[int]] = []
    for _ in range(orders if n > 1 else 1):
        order = list(interviews)
        dice.shuffle(order)
        found.append(grown(order))
    points = tuple(point(found, at, base, run) for at in range(1, n + 1))
    below = first_below(points, threshold)
    return Curve(points, below, says(points, below, n, base, run, threshold))


def grown(order: Sequence[AbstractSet[object]]) -> list[int]:
    """How many themes were known after each interview, from 0."""
    known, counts = set[object](), [0]
    for themes in order:
        known |= themes
        counts.append(len(known))
    return counts


def point(found: Sequence[Sequence[int]], at: int, base: int, run: int) -> Point:
    themes = sum(counts[at] for counts in found) / len(found)
    if at < base + run:
        return Point(at, themes)
    shares = sorted((counts[at] - counts[at - run]) / counts[base] for counts in found if counts[base])
    if not shares:
        return Point(at, themes)
    low, high = (shares[round(end * (len(shares) - 1))] for end in ENDS)
    return Point(at, themes, sum(shares) / len(shares), low, high)


def first_below(points: Sequence[Point], threshold: float) -> int | None:
    """From which n on the share of new themes stays at or below the threshold."""
    below: int | None = None
    for one in points:
        if one.new is None or one.new > threshold:
            below = None
        elif below is None:
            below = one.n
    return below


def says(points: Sequence[Point], below: int | None, n: int, base: int, run: int, threshold: float) -> str:
    """The curve in a sentence: never that everything was heard, only what the last ones added."""
    if n < base + run:
        more = base + run - n
        return f"cannot tell, needs about {more} more interview{'s' * (more > 1)} (n {n})"
    last = points[-1]
    if last.new is None or last.low is None or last.high is None:
        return f"no pain was found in {n} interviews"
    new, low, high, most = (f"{100 * share:.0f}" for share in (last.new, last.low, last.high, threshold))
    added = f"the last {run} of {n} interviews added {new} % new pains ({low}–{high} %)"
    if below is None:
        return f"{added}; more than {most} %: go on"
    return f"{added}; at most {most} % since {below}, which says nothing of people who were not heard"
