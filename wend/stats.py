"""Shares and quantiles of what was counted, each with the interval that the truth is in 19 times out of 20."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z = 1.959964  # of the normal distribution: 95 % lie within so many standard deviations


@dataclass(frozen=True)
class Interval:
    """A measured `value`, and that it may as well be anything from `low` to `high`; `n`: what was counted for it."""

    value: float
    low: float
    high: float
    n: int


def wilson(hits: int, n: int) -> Interval | None:
    """The share hits/n with its score interval (E. B. Wilson, 1927), which holds for few hits and for none too. None:
    n is 0."""
    if n <= 0:
        return None
    share, weight = hits / n, Z * Z / n
    middle = (share + weight / 2) / (1 + weight)
    reach = Z / (1 + weight) * math.sqrt(share * (1 - share) / n + weight / (4 * n))
    return Interval(share, max(0.0, middle - reach), min(1.0, middle + reach), n)


def quantile(latency: Sequence[tuple[float, int]], share: float) -> Interval | None:
    """The value that this share of a histogram ((upper edge, count up to it), rising) is at or below, between the edges
    as if spread evenly. The interval is that of the order statistics: the ranks share·n ± Z·√(n·share·(1-share)).
    None: nothing was counted."""
    n = latency[-1][1] if latency else 0
    if n <= 0:
        return None
    reach = Z * math.sqrt(n * share * (1 - share))
    rank = share * n
    low, high = max(0.0, rank - reach), min(float(n), rank + reach)
    return Interval(at_rank(latency, rank), at_rank(latency, low), at_rank(latency, high), n)


def at_rank(latency: Sequence[tuple[float, int]], rank: float) -> float:
    edge, count = 0.0, 0
    for upper, up_to in latency:
        if up_to > count and up_to >= rank:
            return edge + (upper - edge) * max(0.0, rank - count) / (up_to - count)
        edge, count = upper, up_to
    return edge


def kl_upper(hits: int, n: int, alpha: float) -> float:
    """The share that the truth is above with a chance of at most alpha, whatever n is: where n times the
    Kullback-Leibler divergence from hits/n reaches log(1/alpha) (H. Chernoff, 1952). 1 when n is 0."""
    if n <= 0:
        return 1.0
    low, high = hits / n, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if n * divergence(hits / n, middle) < -math.log(alpha) else (low, middle)
    return high


def divergence(share: float, other: float) -> float:
    """Kullback-Leibler's, of one coin from another."""
    heads = share * math.log(share / other) if share else 0.0
    return heads + ((1 - share) * math.log((1 - share) / (1 - other)) if share < 1 else 0.0)
