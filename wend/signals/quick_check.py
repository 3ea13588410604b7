"""DORA's Quick Check of 2025: where a value would stand on the scale of its survey, from 0 to 10, and what people who
answered it gave on average. A reference beside the measured values, nothing more.

A question with six answers gives (answer - 1) / 5 · 10 points, one for a percentage 10 - percent / 10; what is asked as
bad (failing, rework) is turned round, so that 10 is always good. The whole is the mean of the answers there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SAYS = (
    "A survey's scale: people chose one of six answers, or gave a percentage. What was measured here is put where it "
    "would stand, as a reference. It is no grade, and nothing to compare teams by."
)
HOUR, DAY = 3600.0, 86400.0
MONTH = 30 * DAY
SPANS = (6 * MONTH, MONTH, 7 * DAY, DAY, HOUR)  # each that a span is below gives one answer more
PACES = (1 / 180, 1 / 30, 1 / 7, 1.0, 2.0)  # a day; the survey's highest answer is "several a day"
# The mean and standard deviation of the answers of all industries, 2025.
MEANS: Mapping[str, tuple[float, float]] = {
    "deployment_frequency": (4.8, 2.8),
    "change_lead_time": (5.5, 2.4),
    "failed_deployment_recovery_time": (7.4, 2.1),
    "change_fail_rate": (8.1, 2.1),
    "deployment_rework_rate": (7.8, 2.2),
}


@dataclass(frozen=True)
class Score:
    """Points from 0 to 10, of the value and the ends of its interval; `mean` and `spread` of the survey's answers."""

    value: float
    low: float
    high: float
    n: int
    mean: float
    spread: float


def points(id: str, value: float) -> float:
    """Where a value of this signal stands. Seconds, a rate per day, or a share from 0 to 1."""
    if id in ("change_fail_rate", "deployment_rework_rate"):
        return 10 - 100 * value / 10
    if id == "deployment_frequency":
        return 2.0 * sum(value >= pace for pace in PACES)
    return 2.0 * sum(value < span for span in SPANS)


def score(id: str, value: float, low: float | None, high: float | None, n: int) -> Score | None:
    """The score of a measured value; None for a signal that the survey does not ask for. An open end of the interval is
    the end of the scale."""
    if id not in MEANS:
        return None
    worst, best = (0.0, 10.0) if id == "deployment_frequency" else (10.0, 0.0)
    ends = (worst if low is None else points(id, low), best if high is None else points(id, high))
    return Score(points(id, value), min(ends), max(ends), n, *MEANS[id])


def overall(scores: Mapping[str, Score]) -> tuple[float, float, float, int] | None:
    """The mean of those there are, of the ends of their intervals, and how many there are; None when there is none."""
    if not scores:
        return None
    every, n = list(scores.values()), len(scores)
    return sum(one.value for one in every) / n, sum(one.low for one in every) / n, sum(one.high for one in every) / n, n
