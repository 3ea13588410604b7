"""What people think, from the few who answered: NPS, CSAT and CES, each with its interval.

Answers come as counts by score, so nothing here sees a person.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wend.errors import Invalid
from wend.stats import Z, half_width, least, score

Counts = Mapping[int, int]  # score → how many gave it

ADDED = 3  # answers thought in addition: a quarter lowest, a quarter highest, half in the middle
DIRECTIONAL = 30  # answers below which a score is a direction at most, and its own spread is not to be planned with
NEAR = 0.1  # ten points of a hundred: as near as an interval is to come


@dataclass(frozen=True)
class Opinion:
    """`n` answers say `value`, and all the people asked may well mean anything from `low` to `high` (None: nobody
    answered). `needed`: about how many more answers bring that to ten points to either side."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    needed: int


@dataclass(frozen=True)
class Scale:
    """What an answer is worth: every score that may be given, and its `worth`, from `low` to `high`. With the scale
    from -1 to 1: `near` is ten points of it, and `spread` the variance of a usual survey."""

    scores: range
    worth: Callable[[int], float]
    low: float
    high: float
    near: float
    spread: float


NPS = Scale(range(11), lambda score: (score >= 9) - (score <= 6), -1, 1, NEAR, 0.6275)  # 40 % and 25 %
CES_BALANCE = Scale(range(1, 8), lambda score: (score >= 6) - (score <= 3), -1, 1, NEAR, 0.6275)
CES_MEAN = Scale(range(1, 8), float, 1, 7, 2 * NEAR, 0.25)  # a standard deviation of 1.5


def nps(counts: Counts, population: int | None = None) -> Opinion:
    """Promoters (9 and 10) less detractors (0 to 6) in percent, -100 to 100, by the adjusted Wald interval, the best
    for few answers (B. Rocks, The American Statistician, 2016). `population`: how many could have answered; when many
    of them did, little is left to chance. Raises Invalid for a score that cannot be given."""
    return times(100, mean(NPS, counts, population))


def csat(counts: Counts, population: int | None = None) -> Opinion:
    """The share of 4 and 5 among answers from 1 to 5."""
    return top(range(1, 6), 4, counts, population)


def ces_share(counts: Counts, population: int | None = None) -> Opinion:
    """Effort, from 1 (hard) to 7 (easy), first scoring: the share of 5 to 7."""
    return top(range(1, 8), 5, counts, population)


def ces_mean(counts: Counts, population: int | None = None) -> Opinion:
    """Second scoring: the mean, 1 to 7. Ten points are 0.6 here."""
    return mean(CES_MEAN, counts, population)


def ces_balance(counts: Counts, population: int | None = None) -> Opinion:
    """Third scoring: 6 and 7 less 1 to 3, in percent, -100 to 100, like an NPS."""
    return times(100, mean(CES_BALANCE, counts, population))


def mean(scale: Scale, counts: Counts, population: int | None) -> Opinion:
    """The mean worth of the answers. The interval is Wald's after three answers thought in addition, half of them in
    the middle of the scale and a quarter at either end, so that five equal answers are not taken for certainty; for an
    NPS that is n' = n + 3, p' = (P + 0.75)/n', d' = (D + 0.75)/n'. Stretched where it would not hold the value."""
    n = answers(scale.scores, counts)
    shift, unit = (scale.low + scale.high) / 2, (scale.high - scale.low) / 2
    worth = {score: (scale.worth(score) - shift) / unit for score in scale.scores}
    total = sum(count * worth[score] for score, count in counts.items())
    squares = sum(count * worth[score] ** 2 for score, count in counts.items()) + ADDED / 2
    centre = total / (n + ADDED)
    variance = squares / (n + ADDED) - centre**2
    planned = variance if n >= DIRECTIONAL else max(variance, scale.spread)
    needed = max(0, least(lambda total: half(planned, total, population) <= scale.near) - n)
    if n == 0:
        return Opinion(None, None, None, 0, needed)
    value, reach = total / n, half(variance, n, population)
    ends = (centre - reach, centre + reach) if reach else (value, value)
    low, high = max(-1.0, min(value, ends[0])), min(1.0, max(value, ends[1]))
    return Opinion(shift + unit * value, shift + unit * low, shift + unit * high, n, needed)


def half(variance: float, n: int, population: int | None) -> float:
    """Half the width of the interval, on a scale from -1 to 1; 0 when everybody answered."""
    return Z * math.sqrt(variance * left(n, population) / (n + ADDED))


def left(n: int, population: int | None) -> float:
    """The finite population correction of a variance: how much of the chance is left when n of all have answered."""
    if population is None:
        return 1.0
    return 0.0 if n >= population else (population - n) / (population - 1)


def top(scores: range, lowest: int, counts: Counts, population: int | None) -> Opinion:
    """The share of answers from `lowest` up, with Wilson's interval; of a finite population, that of so many more
    answers as bring the same correction."""
    n = answers(scores, counts)
    share = sum(count for given, count in counts.items() if given >= lowest) / n if n else 0.5
    middle = sum(score(share, n)) / 2 if n else 0.5
    needed = max(0, least(lambda total: near(middle, total, population)) - n)
    if n == 0:
        return Opinion(None, None, None, 0, needed)
    rest = left(n, population)
    low, high = score(share, n / rest) if rest else (share, share)
    return Opinion(share, low, high, n, needed)


def near(share: float, n: int, population: int | None) -> bool:
    """Whether n answers tell a share to within ten points."""
    rest = left(n, population)
    return rest == 0 or half_width(share, n / rest) <= NEAR


def answers(scores: range, counts: Counts) -> int:
    """How many there are. Raises Invalid for one that cannot be given."""
    wrong = [score for score, count in counts.items() if score not in scores or count < 0]
    if wrong:
        raise Invalid(
            f"{wrong[0]} is not a score from {scores[0]} to {scores[-1]}", "send the number that was answered"
        )
    return sum(counts.values())


def times(factor: float, found: Opinion) -> Opinion:
    value, low, high = (None if one is None else factor * one for one in (found.value, found.low, found.high))
    return Opinion(value, low, high, found.n, found.needed)
