"""Shares and quantiles of what was counted, each with the interval that the truth is in 19 times out of 20."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

Z = 1.959964  # of the normal distribution: 95 % lie within so many standard deviations
TAIL = 0.025  # what lies beyond, on either side
EXACT = 1000  # values up to which the binomial is summed term by term
FAR = 9  # standard deviations below which nothing of a binomial is left to sum
FEW = 20  # values that a quantile needs, before it is one
ENOUGH = 1 << 40  # answers nobody will ever wait for: where a search for a number gives up


@dataclass(frozen=True)
class Interval:
    """A measured `value`, and that it may as well be anything from `low` to `high`; `n`: what was counted for it."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Open:
    """As Interval, where any of it may be beyond what was seen (None): a median that is not reached, a ratio to
    nothing. `censored`: those of the `n` whose end is not known yet."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    censored: int = 0


def wilson(hits: int, n: int) -> Interval | None:
    """The share hits/n with its score interval (E. B. Wilson, 1927), which holds for few hits and for none too. None:
    n is 0."""
    if n <= 0:
        return None
    low, high = score(hits / n, n)
    return Interval(hits / n, low if hits else 0.0, high if hits < n else 1.0, n)


def score(share: float, n: float) -> tuple[float, float]:
    """Wilson's interval of a share of n, which need not be whole: the n that as much is known as from."""
    weight = Z * Z / n
    middle, reach = (share + weight / 2) / (1 + weight), half_width(share, n)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def newcombe(hits: int, n: int, other_hits: int, other_n: int) -> Interval | None:
    """The share hits/n less the share other_hits/other_n, by the score intervals of both (R. G. Newcombe, Statistics in
    Medicine 17, 1998, method 10). Its n is that of both together. None: one of them is 0."""
    one, other = wilson(hits, n), wilson(other_hits, other_n)
    if one is None or other is None:
        return None
    value = one.value - other.value
    low = value - math.hypot(one.value - one.low, other.high - other.value)
    high = value + math.hypot(one.high - one.value, other.value - other.low)
    return Interval(value, max(-1.0, low), min(1.0, high), n + other_n)


def more_for_share(hits: int, n: int, half: float = 0.1) -> int:
    """How many more are needed until the interval of a share is at most `half` to either side, if it stays near the
    middle of its interval (which for few is nearer to one half, where it takes most)."""
    found = wilson(hits, n)
    share = (found.low + found.high) / 2 if found else 0.5
    return max(0, least(lambda total: half_width(share, total) <= half) - n)


def half_width(share: float, n: float) -> float:
    """Half the score interval of this share of n."""
    return Z / (1 + Z * Z / n) * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))


def least(holds: Callable[[int], bool]) -> int:
    """The least number from 1 on for which it holds, given that it then holds for all above."""
    high = 1
    while not holds(high) and high < ENOUGH:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


@lru_cache(maxsize=4096)  # a series asks for the same few again and again
def ranks(n: int, share: float) -> tuple[int, int]:
    """The ranks, counted from 1, of the two among n sorted values between which the quantile of that share (0 to 1, not
    either) lies 19 times out of 20 or more, whatever the values are like: a value is at or below the quantile with the
    chance `share`, so how many are is binomial (W. R. Thompson, 1936). 0 and n + 1: so few have no such value, the
    interval is open on that side.

    Exact up to 1000 values; above, the normal approximation, rounded outwards: at most one rank wider than exact."""
    if n > EXACT:
        middle, reach = n * share, Z * math.sqrt(n * share * (1 - share))
        return max(0, math.floor(middle - reach)), min(n + 1, math.ceil(middle + reach) + 1)
    begin = max(0, math.floor(n * share - FAR * math.sqrt(n * share * (1 - share))))
    low, high, below = begin, n + 1, 0.0
    here, odds = chance(begin, n, share), share / (1 - share)
    for at_or_below in range(begin, n + 1):
        if below <= TAIL:
            low = at_or_below
        below += here
        if below >= 1 - TAIL:
            high = at_or_below + 1
            break
        here *= odds * (n - at_or_below) / (at_or_below + 1)
    return low, high


def chance(hits: int, n: int, share: float) -> float:
    """Of exactly so many hits in n."""
    ways = math.lgamma(n + 1) - math.lgamma(hits + 1) - math.lgamma(n - hits + 1)
    return math.exp(ways + hits * math.log(share) + (n - hits) * math.log1p(-share))


def more_for_quantile(n: int, share: float = 0.5) -> int:
    """How many more values are needed for a quantile: 20 in all, and so many that its interval has both ends."""
    return max(0, FEW - n, least(lambda total: inside(ranks(total, share), total)) - n)


def inside(found: tuple[int, int], n: int) -> bool:
    return found[0] > 0 and found[1] <= n


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
