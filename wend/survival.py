"""How long something takes, while some of it has not ended yet: the product-limit curve (E. L. Kaplan, P. Meier, 1958).

Leaving out what has not ended makes every median too short. Durations come as counts, so that millions of rows are one
`GROUP BY`; a bucket is given by its upper edge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from wend.stats import TAIL, Interval, Open, Z

SAME = 1e-9  # shares are products of many factors; nearer than this they are equal


@dataclass(frozen=True)
class Step:
    """The share that lasts longer than `time`, and between which shares the truth is 19 times out of 20 (log-log, with
    Greenwood's variance). `weight` is what this step adds to Greenwood's sum; infinite where the curve ends at 0."""

    time: float
    share: float
    low: float
    high: float
    weight: float


@dataclass(frozen=True)
class Curve:
    """The steps down of `n` durations, by time. `last`: the longest seen, ended or not."""

    steps: tuple[Step, ...]
    n: int
    censored: int
    last: float


def curve(counts: Iterable[tuple[float, int, int]]) -> Curve:
    """The curve of (duration, how many ended then, how many were seen until then and had not ended), in any order; the
    same duration may come more than once. What is lost sight of at the time when others end was there for that end."""
    together: dict[float, tuple[int, int]] = {}
    for time, ended, lost in counts:
        before = together.get(time, (0, 0))
        together[time] = (before[0] + ended, before[1] + lost)
    times = sorted(time for time, found in together.items() if any(found))
    n = here = sum(map(sum, together.values()))
    steps: list[Step] = []
    share, total, high = 1.0, 0.0, 1.0
    for time in times:
        ended, lost = together[time]
        if ended:
            share = share * (here - ended) / here if ended < here else 0.0
            weight = ended / (here * (here - ended)) if ended < here else math.inf
            total += weight
            low, high = band(share, total) if ended < here else (0.0, high * none_left(here))
            steps.append(Step(time, share, low, high, weight))
        here -= ended + lost
    return Curve(tuple(steps), n, n - sum(ended for ended, _ in together.values()), times[-1] if times else 0.0)


def band(share: float, total: float) -> tuple[float, float]:
    """Where the truth behind a share of the curve is, when Greenwood's sum is `total`: log(-log) is nearly normal also
    for few and near the ends, and never leaves 0 to 1 (J. D. Kalbfleisch and R. L. Prentice, 1980)."""
    spread = math.exp(Z * math.sqrt(total) / -math.log(share))
    return share**spread, share ** (1 / spread)


def none_left(n: int) -> float:
    """The largest share that may yet last longer, when all n ended: with it that still happens 1 time in 40. The
    log-log band has no answer there."""
    return 1 - TAIL ** (1 / n)


def quantile(found: Curve, share: float) -> Open:
    """The duration that this share (0 to 1) is over by, as far as it is known (None: not reached), with the interval by
    R. Brookmeyer and J. Crowley (1982): the times at which the band crosses. Where the curve is flat at exactly that
    share, the middle between the steps, so that with nothing censored it is the ordinary median."""
    left = 1 - share
    low = next((step.time for step in found.steps if step.low <= left + SAME), None)
    high = next((step.time for step in found.steps if step.high <= left + SAME), None)
    return Open(crossing(found, left), low, high, found.n, found.censored)


def crossing(found: Curve, left: float) -> float | None:
    for step, after in pairwise([*found.steps, None]):
        if step and step.share <= left + SAME:
            return (step.time + after.time) / 2 if after and step.share >= left - SAME else step.time
    return None


def median(found: Curve) -> Open:
    return quantile(found, 0.5)


def restricted_mean(found: Curve, until: float) -> Interval | None:
    """The mean duration when each is counted up to `until` at most: the area under the curve, Greenwood's interval. It
    is there when the median is not, and shows what the tail does. None: nothing was seen for so long, or at all."""
    all_over = bool(found.steps) and found.steps[-1].share == 0
    if not found.n or until <= 0 or (until > found.last and not all_over):
        return None
    area, variance, right = 0.0, 0.0, until
    for step in reversed([step for step in found.steps if step.time < until]):
        area += (right - step.time) * step.share
        variance += area * area * step.weight if area else 0.0
        right = step.time
    mean, reach = area + right, Z * math.sqrt(variance)
    return Interval(mean, max(0.0, mean - reach), min(until, mean + reach), found.n)
