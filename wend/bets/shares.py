"""How much a share, a rate, or a figure with an interval changed. Pure. Each takes rows of two times and says how sure
the difference is, with what belongs together (a service, a week) counted as one.

SciPy is imported when first asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wend.bets import Effect
from wend.stats import Z

INNER = 1.644854  # of the normal distribution: 90 % lie within so many standard deviations
SERVICES = 5  # fewer of them are no clusters: then the weeks are
ALONE = 1.3  # times as wide then: weeks do not show that a service changes by itself from one time to the other


class Count(NamedTuple):
    """So many of so many, of a service in a week (by its Monday)."""

    service: str
    week: int
    hits: int
    n: int


class Week(NamedTuple):
    """What happened in a week, and to how much it could: days, or hundreds of developers and weeks."""

    day: int
    events: int
    exposure: float


@dataclass(frozen=True)
class Figure:
    """A figure with its interval as it is shown, where what is behind it may not be seen."""

    value: float
    low: float
    high: float
    n: int


def student(groups: int, of: float = 0.975) -> float:
    """The quantile of Student's distribution for so many groups; of one group nothing is known."""
    from scipy.special import stdtrit

    return float(stdtrit(groups - 1, of)) if groups > 1 else math.inf


def by_service(services: Iterable[str], others: Iterable[str]) -> bool:
    """Whether services are what is drawn by chance: enough of them were there both before and after."""
    return len(set(services) & set(others)) >= SERVICES


# ---------------------------------------------------------------------------------------------- shares


def difference(before: Sequence[Count], after: Sequence[Count]) -> Effect | None:
    """Newcombe's interval of the difference of two shares (method 10), with as many observations on each side as there
    would be if those of a service were independent: n divided by the design effect of the difference (J. N. K. Rao and
    A. J. Scott, Biometrics 48, 1992). None: nothing was counted on one side."""
    n, m = sum(row.n for row in before), sum(row.n for row in after)
    if not n or not m:
        return None
    one, other = sum(row.hits for row in before) / n, sum(row.hits for row in after) / m
    paired = by_service((row.service for row in before), (row.service for row in after))
    parts: dict[object, float] = {}
    for side, rows, share, total in ((-1, before, one, n), (1, after, other, m)):
        for row in rows:
            key = row.service if paired else (side, row.week)
            parts[key] = parts.get(key, 0.0) + side * (row.hits - share * row.n) / total
    groups = len(parts) if paired else len(parts) - 1
    if groups < 2:
        return None
    spread = groups / (groups - 1) * sum(part * part for part in parts.values())
    binomial = one * (1 - one) / n + other * (1 - other) / m
    design = max(1.0, spread / binomial) if binomial else 1.0
    alone = 1.0 if paired else ALONE
    wide, inner = (alone * student(groups, 0.975) / Z) ** 2, (alone * student(groups, 0.95) / INNER) ** 2
    low, high = newcombe((one, n / design / wide), (other, m / design / wide), Z)
    nearer = newcombe((one, n / design / inner), (other, m / design / inner), INNER)
    kind = "services" if paired else "weeks"
    return Effect(other - one, low, high, nearer, n + m, groups, f"difference of shares, clustered by {kind}")


def newcombe(before: tuple[float, float], after: tuple[float, float], z: float) -> tuple[float, float]:
    """The ends of after less before, each a (share, n), by the score intervals of both."""
    (one, n), (other, m) = before, after
    (low, high), (other_low, other_high) = score(one, n, z), score(other, m, z)
    return joined((one, low, high), (other, other_low, other_high))


def score(share: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's interval, as sure as z says."""
    weight = z * z / n
    middle = (share + weight / 2) / (1 + weight)
    reach = z / (1 + weight) * math.sqrt(share * (1 - share) / n + weight / (4 * n))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def joined(before: tuple[float, float, float], after: tuple[float, float, float]) -> tuple[float, float]:
    """The ends of the difference of two figures (value, low, high) that know nothing of each other (G. Y. Zou and A.
    Donner, Statistics in Medicine 27, 2008)."""
    value = after[0] - before[0]
    low = value - math.hypot(after[0] - after[1], before[2] - before[0])
    return low, value + math.hypot(after[2] - after[0], before[0] - before[1])


def figures(before: Figure, after: Figure) -> Effect:
    """Of two figures whose intervals are all that is known: a wave of a survey, the services that are there."""
    low, high = joined((before.value, before.low, before.high), (after.value, after.low, after.high))
    value, less = after.value - before.value, INNER / Z
    inner = (value - less * (value - low), value + less * (high - value))
    n = before.n + after.n
    return Effect(value, low, high, inner, n, n, "difference of two figures by their intervals")


# ---------------------------------------------------------------------------------------------- rates


def ratio(before: Sequence[Week], after: Sequence[Week]) -> Effect | None:
    """How a rate changed: the exact conditional interval of the ratio of two Poisson rates (J. Przyborowski and H.
    Wilenski, 1940), of counts made smaller by as much as the weeks differ more than Poisson's would (Pearson's chi
    square), told as a difference. None: nothing happened before, or a side is no two weeks long."""
    from scipy.special import betaincinv

    count, days, other, other_days = *totals(before), *totals(after)
    weeks = len(before) + len(after)
    if min(len(before), len(after)) < 2 or not count or not days or not other_days:
        return None
    phi = max(1.0, (pearson(before) + pearson(after)) / (weeks - 2))
    rate, times = count / days, other / other_days * days / count

    def end(tail: float, upper: bool) -> float:
        wide = (student(weeks - 1, 1 - tail) / (Z if tail < 0.03 else INNER)) ** 2
        x, y = other / phi / wide, count / phi / wide
        if not x and not upper:
            return 0.0
        share = float(betaincinv(x + upper, y + (not upper), 1 - tail if upper else tail))
        return share / (1 - share) * days / other_days if share < 1 else math.inf

    low, high, inner_low, inner_high = (
        rate * (end(tail, upper) - 1) for tail in (0.025, 0.05) for upper in (False, True)
    )
    name = f"ratio of Poisson rates, weeks {phi:.1f} times as uneven"
    return Effect(rate * (times - 1), low, high, (inner_low, inner_high), count + other, weeks, name)


def totals(weeks: Sequence[Week]) -> tuple[int, float]:
    return sum(week.events for week in weeks), sum(week.exposure for week in weeks)


def pearson(weeks: Sequence[Week]) -> float:
    """Chi square of the weeks' counts against one rate for all of them."""
    count, exposure = totals(weeks)
    expected = [count / exposure * week.exposure for week in weeks]
    return sum((week.events - one) ** 2 / one for week, one in zip(weeks, expected, strict=True) if one)
