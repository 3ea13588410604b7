"""How much a duration, or a series of weeks, changed. Pure of everything but seeded dice. NumPy and SciPy are imported
when first asked for."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from wend.bets import Effect
from wend.bets.shares import ALONE, INNER, by_service, student
from wend.stats import Z

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DRAWS = 2000
CELLS = 2_000_000  # of a table in memory
MOST = 8000  # values of a side that are drawn from; of more, evenly chosen ones
LEVEL, SLOPE = 8, 12  # weeks on each side that a level, and a change of slope, take
LAGS = 1.3  # per root of the weeks (E. Lazarus, D. J. Lewis, J. H. Stock, M. W. Watson, 2018)
# Critical values of a test whose window is a share b of the series, with Bartlett's weights: N. M. Kiefer and T. J.
# Vogelsang, Econometric Theory 21, 2005, table 1, for 95 % and 90 %, two-sided.
FIXED = ((1.96, 2.9694, 0.416, -0.5324), (1.6449, 2.1859, 0.3142, -0.3427))


class Span(NamedTuple):
    """A duration that began, or ended, in a week (by its Monday) at a service. `over`: it has ended."""

    service: str
    week: int
    value: float
    over: bool = True


@dataclass(frozen=True)
class Piled:
    """The durations of a side, rising. `group`: which cluster each is of."""

    values: Floats
    over: Floats
    group: NDArray[np.int64]


# ---------------------------------------------------------------------------------------------- medians


def medians(
    before: Sequence[Span], after: Sequence[Span], others: tuple[Sequence[Span], Sequence[Span]] | None = None
) -> Effect | None:
    """The difference of medians by a cluster bootstrap: services are drawn with all their values (A. C. Davison and D.
    V. Hinkley, 1997, 3.8: to draw the values once more would count their chance twice), the interval widened as
    Student's is for so few services. Below SERVICES of them weeks are drawn instead. `others` did not get what the
    bet is about: then it is the difference of the differences. What is not over yet counts as lasting longer
    (Kaplan-Meier). None: too little on a side."""
    import numpy as np

    sides = [before, after, *(others or ())]
    if any(len({row.week for row in side}) < 2 for side in sides):
        return None
    paired = all(
        by_service((row.service for row in one), (row.service for row in other))
        for one, other in ((before, after), *([others] if others else []))
    )
    dice = np.random.default_rng(20_260_105)
    piles, counts = piled(sides, paired, dice)
    signs = (-1.0, 1.0, 1.0, -1.0)
    value = sum(sign * float(middle(pile, None)[0]) for sign, pile in zip(signs, piles, strict=False))
    if not math.isfinite(value):
        return None
    drawn, weights = np.zeros(DRAWS), np.zeros((0, 0))
    for number, (pile, count) in enumerate(zip(piles, counts, strict=True)):
        if number % 2 == 0 or not paired:
            weights = dice.multinomial(count, [1 / count] * count, DRAWS)
        drawn = drawn + signs[number] * middle(pile, weights)
    groups = min(counts) if paired else min(counts) * 2 - 1
    alone = 1.0 if paired else ALONE
    low, high = ends(drawn, value, groups, 0.025, alone)
    kind = "services" if paired else "weeks"
    name = f"difference of medians, {DRAWS} draws of {kind}"
    name += ", less that of those without it" if others else ""
    return Effect(value, low, high, ends(drawn, value, groups, 0.05, alone), sum(map(len, sides)), groups, name)


def piled(sides: Sequence[Sequence[Span]], paired: bool, dice: Any) -> tuple[list[Piled], list[int]]:
    """Every side sorted, and how many clusters it has. Both times of the same services have the same numbers."""
    import numpy as np

    piles: list[Piled] = []
    counts: list[int] = []
    for number, side in enumerate(sides):
        both = [*side, *sides[number ^ 1]] if paired else side
        keys = sorted({row.service if paired else str(row.week) for row in both})
        at = {key: index for index, key in enumerate(keys)}
        rows = sorted(side, key=lambda row: row.value)
        if len(rows) > MOST:
            chosen: list[int] = sorted(dice.choice(len(rows), MOST, replace=False).tolist())
            rows = [rows[index] for index in chosen]
        group = np.array([at[row.service if paired else str(row.week)] for row in rows], np.int64)
        piles.append(Piled(np.array([row.value for row in rows]), np.array([float(row.over) for row in rows]), group))
        counts.append(len(keys))
    return piles, counts


def middle(pile: Piled, weights: Any) -> Any:
    """The median of each draw (rows of `weights`: how often each cluster came; None: once each): where the
    product-limit curve comes down to one half. Infinite: it does not."""
    import numpy as np

    if weights is None:
        weights = np.ones((1, int(pile.group.max()) + 1))
    found, at_once = np.empty(len(weights)), max(1, CELLS // len(pile.values))
    for start in range(0, len(weights), at_once):
        mine = weights[start : start + at_once].astype(np.float32)[:, pile.group]
        below = all_over(mine) if pile.over.all() else left(mine, pile.over) <= 0.5 + 1e-6
        values = pile.values[below.argmax(axis=1)]
        found[start : start + at_once] = np.where(below.any(axis=1), values, math.inf)
    return found


def all_over(weights: Any) -> Any:
    """Where half of the weight of each row is reached: the same, when nothing is left open."""
    upto = weights.cumsum(axis=1)
    return (2 * upto >= upto[:, -1:]) & (upto > 0)


def left(weights: Any, over: Any) -> Any:
    """The product-limit curve of each row."""
    import numpy as np

    here = np.cumsum(weights[:, ::-1].astype(float), axis=1)[:, ::-1]
    return np.cumprod(1 - np.divide(weights * over, here, out=np.zeros_like(here), where=here > 0), axis=1)


def ends(drawn: Any, value: float, groups: int, tail: float, alone: float) -> tuple[float, float]:
    """The percentile interval, stretched around the value for few clusters."""
    import numpy as np

    sure = np.nan_to_num(drawn, nan=math.inf)
    if groups < 2:
        return -math.inf, math.inf
    low, high = (float(one) for one in np.quantile(sure, [tail, 1 - tail], method="nearest"))
    wide = student(groups, 1 - tail) / (Z if tail < 0.03 else INNER) * math.sqrt(groups / (groups - 1)) * alone
    return value - (value - low) * wide, value + (high - value) * wide


def log_rank(before: Sequence[Span], after: Sequence[Span]) -> float:
    """Chi square with one degree of freedom: whether two sets of durations last equally long (N. Mantel, 1966)."""
    lasting = [sorted(row.value for row in side) for side in (before, after)]
    over = [Counter(row.value for row in side if row.over) for side in (before, after)]
    observed = expected = variance = 0.0
    for time in sorted({*over[0], *over[1]}):
        n, m = (len(side) - bisect_left(side, time) for side in lasting)
        d, e = (side[time] for side in over)
        here = n + m
        observed, expected = observed + e, expected + (d + e) * m / here
        if here > 1:
            variance += (d + e) * (n / here) * (m / here) * (here - d - e) / (here - 1)
    return (observed - expected) ** 2 / variance if variance else 0.0


# ---------------------------------------------------------------------------------------------- series


def interrupted(before: Sequence[float], after: Sequence[float], floor: float, n: int) -> Effect | None:
    """An interrupted time series: a line through the weeks, and how far it jumps where the bet's work began; from
    SLOPE weeks on each side it may change its slope there, and the effect is that of the middle of the time after.
    Its error allows for weeks that are like those before them (W. K. Newey and K. D. West, 1987, with LAGS·√T lags
    and the critical values of FIXED), and is not smaller than with independent ones. `floor`: the variance of a
    week that chance alone makes. None: fewer than LEVEL weeks on a side."""
    import numpy as np

    if min(len(before), len(after)) < LEVEL:
        return None
    y = np.array([*before, *after])
    t, step = np.arange(len(y)) - float(len(before)), np.r_[np.zeros(len(before)), np.ones(len(after))]
    columns = [np.ones(len(y)), t, step]
    contrast = [0.0, 0.0, 1.0]
    if min(len(before), len(after)) >= SLOPE:
        columns.append(t * step)
        contrast.append((len(after) - 1) / 2)
    x, c = np.column_stack(columns), np.array(contrast)
    inverse = np.linalg.inv(x.T @ x)
    errors = y - x @ (inverse @ (x.T @ y))
    free = len(y) - x.shape[1]
    lags = int(LAGS * math.sqrt(len(y)))
    u = x * errors[:, None]
    meat = u.T @ u
    for lag in range(1, lags + 1):
        weight = 1 - lag / (lags + 1)
        meat = meat + weight * (u[lag:].T @ u[:-lag] + u[:-lag].T @ u[lag:])
    robust = max(0.0, float(c @ inverse @ meat @ inverse @ c)) * len(y) / free
    plain = max(float(errors @ errors) / free, floor) * float(c @ inverse @ c)
    value = float(c @ (inverse @ (x.T @ y)))
    wide, near = (
        max(math.sqrt(robust) * critical((lags + 1) / len(y), row), math.sqrt(plain) * student(free + 1, of))
        for row, of in zip(FIXED, (0.975, 0.95), strict=True)
    )
    name = f"interrupted time series, {len(before)} and {len(after)} weeks, Newey-West"
    return Effect(value, value - wide, value + wide, (value - near, value + near), n, len(y), name)


def critical(share: float, of: Sequence[float]) -> float:
    return sum(factor * share**power for power, factor in enumerate(of))
