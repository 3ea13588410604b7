"""Is the new release's error rate worse, or no worse? Evidence that may be looked at after every sample.

Each test keeps wealth: bets that what is to be refuted is true are fair or lose, so wealth above 1/α is reached with
probability α at most, however long one looks (Ville, 1939). One factor serves every test. Let n, e be requests and
errors of the canary (c) and the stable release (s); for any a, b ≥ 0, since 1 + x ≤ exp(x),

    E[a^e_c · b^e_s] ≤ exp(n_c·p_c·(a - 1) + n_s·p_s·(b - 1)).

With b such that n_s·(b - 1) = -R·n_c·(a - 1), it follows for every p_s, constant or not:

    a > 1: E[a^e_c · b^e_s · exp(-n_c·f·(a - 1))] ≤ 1 while p_c ≤ R·p_s + f      (refuted: the canary is worse)
    a < 1: the same with R = 1, f = δ               ≤ 1 while p_c ≥ p_s + δ        (refuted: it is worse by δ or more)

The wealth is the mean over several a. Logarithms are kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wend.canary.seen import Side

MARGIN = 1.2  # times the stable release's error rate that are still no difference
FLOOR = 0.001  # and so much more: nobody is woken for one error in a thousand
DELTA = 0.01  # a release that is not this much worse is as good
ALPHA = 0.005  # false alarms of this test
ALPHA_GOOD = 0.05  # releases worse by DELTA that are called as good
AGAINST = 4  # stable requests that are waited for, so that there is something to compare with
MOST = 1.5  # the most that one sample adds beyond its first error: errors come in bursts, and this may be one of them
RATIOS = (1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 100.0)  # times worse
CAUTION = ((0.95, 0.7), (0.6, 0.15), (0.3, 0.15))  # 1 - a, and the share of the wealth that is bet so
ODDS = (1.5, 2.0, 4.0, 10.0, 40.0, 200.0)


@dataclass(frozen=True)
class Errors:
    """The wealth so far, as logarithms: `worse` per RATIOS, `good` per CAUTION, `above` (a watch) per ODDS. `canary`
    and `stable`: (requests, errors) not bet on yet, from so many samples with errors of the canary: `bursts`."""

    worse: tuple[float, ...] = (0.0,) * len(RATIOS)
    good: tuple[float, ...] = (0.0,) * len(CAUTION)
    above: tuple[float, ...] = (0.0,) * len(ODDS)
    canary: tuple[int, int] = (0, 0)
    stable: tuple[int, int] = (0, 0)
    bursts: int = 0


def fold(errors: Errors, canary: Side, stable: Side) -> Errors:
    """With a sample more. Requests wait until both sides have some: when to bet depends on counts of requests only,
    never on what became of them, or the bets would not be fair."""
    (nc, ec), (ns, es) = errors.canary, errors.stable
    nc, ec, ns, es = nc + canary.requests, ec + canary.errors, ns + stable.requests, es + stable.errors
    bursts = errors.bursts + bool(canary.errors)
    if nc < 1 or ns < AGAINST:
        return Errors(errors.worse, errors.good, errors.above, (nc, ec), (ns, es), bursts)
    worse = [bet(nc, ec, ns, es, raised(ratio, nc, ns), MARGIN, FLOOR, bursts) for ratio in RATIOS]
    good = [min(MOST, bet(nc, ec, ns, es, 1 - caution, 1.0, DELTA)) for caution, _ in CAUTION]
    return Errors(added(errors.worse, worse), added(errors.good, good), errors.above)


def watch(errors: Errors, canary: Side, tolerated: float) -> Errors:
    """With a sample more of a release that is live: against a rate, since nobody runs beside it."""
    n, e = canary.requests, canary.errors
    gains = [min(MOST, e * math.log(odds) - n * math.log1p(tolerated * (odds - 1))) for odds in ODDS]
    return Errors(errors.worse, errors.good, added(errors.above, gains))


def raised(ratio: float, nc: int, ns: int) -> float:
    """The factor per error of the canary that grows fastest if its rate is `ratio` times the stable one's."""
    return ratio * (nc * MARGIN + ns) / (MARGIN * (nc * ratio + ns))


def bet(nc: int, ec: int, ns: int, es: int, a: float, margin: float, floor: float, bursts: int = 1) -> float:
    """The logarithm of the factor above, or of less: the errors of each of the `bursts` count as one, or as MOST."""
    most = max(1, bursts)
    if ec > most:
        once = factor(nc, most, ns, es, a, margin, floor)
        return min(factor(nc, ec, ns, es, a, margin, floor), max(MOST * most, once))
    return factor(nc, ec, ns, es, a, margin, floor)


def factor(nc: int, ec: int, ns: int, es: int, a: float, margin: float, floor: float) -> float:
    b = max(0.0, 1 - margin * nc * (a - 1) / ns)
    if es and b == 0:
        return -math.inf
    return ec * math.log(a) + (es * math.log(b) if es else 0.0) - nc * floor * (a - 1)


def added(wealth: Sequence[float], gains: Sequence[float]) -> tuple[float, ...]:
    return tuple(had + gain for had, gain in zip(wealth, gains, strict=True))


def mean(wealth: Sequence[float], shares: Sequence[float] | None = None) -> float:
    """The logarithm of the mean of wealths that are kept as logarithms."""
    parts = shares or [1 / len(wealth)] * len(wealth)
    most = max(wealth)
    if most == -math.inf:
        return most
    return most + math.log(sum(part * math.exp(had - most) for had, part in zip(wealth, parts, strict=True)))


def worse(errors: Errors) -> float:
    """The logarithm of the evidence that the canary answers more errors."""
    return mean(errors.worse)


def above(errors: Errors) -> float:
    return mean(errors.above)


def good(errors: Errors) -> float:
    """The logarithm of the evidence that it answers no more."""
    return mean(errors.good, [share for _, share in CAUTION])


def missing(errors: Errors, canary: Side, stable: Side) -> int | None:
    """About how many more requests to the canary make `good` sure, if the rates are what was seen; None when no number
    does."""
    share = (canary.errors + stable.errors) / max(1, canary.requests + stable.requests)
    per = stable.requests / canary.requests if canary.requests and stable.requests else 1.0
    left: list[float] = []
    for had, (caution, part) in zip(errors.good, CAUTION, strict=True):
        growth = caution * DELTA + share * (math.log1p(-caution) + per * math.log1p(caution / per))
        if growth > 0 and had > -math.inf:
            left.append((-math.log(ALPHA_GOOD * part) - had) / growth)
    return max(1, math.ceil(min(left))) if left else None
