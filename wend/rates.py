"""How often something happens in so much time, machines or people, when each is a rare event of its own (Poisson).

The inverse functions are SciPy's, imported when first asked for: who never asks pays neither time nor memory.
"""

from __future__ import annotations

from wend.stats import TAIL, Interval, Open, least


def rate(count: int, exposure: float) -> Interval | None:
    """count/exposure with the exact interval (F. Garwood, 1936): at its ends so few, or so many, still happen 1 time in
    40. None: there was nothing for it to happen to."""
    if exposure <= 0:
        return None
    low, high = garwood(count)
    return Interval(count / exposure, low / exposure, high / exposure, count)


def garwood(count: float) -> tuple[float, float]:
    """Between which means so many events may well have come from."""
    from scipy.special import gammaincinv

    low = float(gammaincinv(count, TAIL)) if count else 0.0
    return low, float(gammaincinv(count + 1, 1 - TAIL))


def clopper_pearson(hits: int, n: int) -> Interval | None:
    """The share hits/n with its exact interval (C. J. Clopper and E. S. Pearson, 1934): never too narrow, and so
    wider than Wilson's. None: n is 0."""
    from scipy.special import betaincinv

    if n <= 0:
        return None
    low = float(betaincinv(hits, n - hits + 1, TAIL)) if hits else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - TAIL)) if hits < n else 1.0
    return Interval(hits / n, low, high, n)


def ratio(count: int, exposure: float, other: int, other_exposure: float) -> Open | None:
    """How many times as often as the other: given how many there were of both, the share of the one is binomial (J.
    Przyborowski and H. Wilenski, 1940), and its exact interval is turned into one of the ratio. No value where nothing
    happened to the other, no upper end either. None: nothing is known of one of them."""
    if exposure <= 0 or other_exposure <= 0:
        return None
    found = clopper_pearson(count, count + other)
    if found is None:
        return Open(None, 0.0, None, 0)
    one, low, high = (odds(share, other_exposure / exposure) for share in (found.value, found.low, found.high))
    return Open(one, low, high, count + other)


def odds(share: float, times: float) -> float | None:
    """None: without end."""
    return share / (1 - share) * times if share < 1 else None


def more_for_rate(count: int, half: float = 0.5) -> int:
    """How many more events are needed until the interval of the rate reaches at most `half` of it to either side, on
    average of both."""
    return max(0, least(lambda events: reach(events) <= half) - count)


def reach(count: int) -> float:
    low, high = garwood(count)
    return (high - low) / 2 / count
