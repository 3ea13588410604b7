"""Is the new release slower? Evidence that may be looked at after every sample.

At each edge of the histogram a bet is made per sample: X is the share of the canary's answers that were slower than the
next edge, less the share of the stable release's that were slower than this one. While the canary is no slower by more
than a bucket, X is 0 or less on average, and Π(1 + λ·X) is a game nobody wins (Waudby-Smith and Ramdas, 2024). A sample
counts once however many requests it holds, for those of half a second share their fate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from wend.canary.errors import mean
from wend.canary.seen import Histogram, counted, together

ALPHA = 0.004  # false alarms of this test
WARM = 5.0  # seconds that a process may take to get going
NOTICED = 10.0  # milliseconds below which nobody notices
STAKES = (0.25, 0.5, 0.9)  # λ
AGAINST = 8  # stable answers that are waited for


@dataclass(frozen=True)
class Latency:
    """`wealth`: edge → its logarithm per STAKES. `canary` and `stable`: histograms not bet on yet."""

    wealth: tuple[tuple[float, tuple[float, ...]], ...] = ()
    canary: Histogram = ()
    stable: Histogram = ()


def fold(latency: Latency, canary: Histogram, stable: Histogram) -> Latency:
    canary, stable = together(latency.canary, canary), together(latency.stable, stable)
    if counted(canary) < 1 or counted(stable) < AGAINST:
        return Latency(latency.wealth, canary, stable)
    wealth = dict(latency.wealth)
    for edge, x in differences(canary, stable):
        had = wealth.get(edge, (0.0,) * len(STAKES))
        wealth[edge] = tuple(log + math.log1p(stake * x) for log, stake in zip(had, STAKES, strict=True))
    return Latency(tuple(sorted(wealth.items())))


def differences(canary: Histogram, stable: Histogram) -> list[tuple[float, float]]:
    """(edge, X) for every edge that can be noticed."""
    fast, all_canary, all_stable = dict(canary), counted(canary), counted(stable)
    return [
        (edge, (1 - fast[above] / all_canary) - (1 - count / all_stable))
        for (edge, count), (above, _) in pairwise(stable)
        if edge >= NOTICED and above in fast
    ]


def slower(latency: Latency) -> float:
    """The logarithm of the evidence that the canary is slower."""
    return mean([log for _, logs in latency.wealth for log in logs]) if latency.wealth else 0.0


def where(latency: Latency) -> float:
    """The edge with the most evidence."""
    return max(latency.wealth, key=lambda item: mean(item[1]))[0] if latency.wealth else 0.0
