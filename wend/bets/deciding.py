"""From a measured change to a verdict: improved, worse, no change bigger than d, or cannot tell. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wend import units
from wend.bets import Effect

IMPROVED, WORSE, NO_CHANGE, CANNOT_TELL = "improved", "worse", "no change", "cannot tell"
GUARDS = ("change_fail_rate", "failed_deployment_recovery_time")
GUARDED = 2.2414 / 1.96  # intervals of two guard-rails hold together 19 times out of 20 (Bonferroni)


@dataclass(frozen=True)
class Promise:
    """What was promised of a signal: in its `unit`, `better` "higher" or "lower", from the baseline to the target."""

    unit: str
    better: str
    baseline: float
    target: float

    @property
    def change(self) -> float:
        return self.target - self.baseline

    @property
    def least(self) -> float:
        """d: less than half of what was promised is no change to speak of."""
        return abs(self.change) / 2


def decide(found: Effect | None, better: str, least: float) -> str:
    """No change bigger than `least`: both one-sided tests say so at 5 % (D. J. Schuirmann, 1987), whether or not what
    is left is surely not nothing."""
    if found is None:
        return CANNOT_TELL
    if -least < found.inner[0] and found.inner[1] < least:
        return NO_CHANGE
    low, high = (found.low, found.high) if better == "higher" else (-found.high, -found.low)
    return IMPROVED if low > 0 else WORSE if high < 0 else CANNOT_TELL


def more(found: Effect | None, promise: Promise) -> int | None:
    """About how many times as much would have to be counted to see what was promised 4 times out of 5; None: that much
    was, or nobody can say."""
    if found is None or not math.isfinite(found.detectable) or not promise.change:
        return None
    times = (found.detectable / abs(promise.change)) ** 2
    return None if times <= 1 else math.ceil(found.n * (times - 1))


def widened(found: Effect, by: float) -> Effect:
    low, high = (found.value + (end - found.value) * by for end in (found.low, found.high))
    return Effect(found.value, low, high, found.inner, found.n, found.groups, found.method)


def guard(id: str, found: Effect | None) -> str:
    """Whether a guard-rail, of which less is better, is surely worse."""
    if found is None:
        return CANNOT_TELL
    wide = widened(found, GUARDED)
    return WORSE if wide.low > 0 else "not surely worse"


def reached(promise: Promise, after: float | None) -> bool | None:
    """Whether the number promised is there, as measured."""
    if after is None:
        return None
    return after >= promise.target if promise.better == "higher" else after <= promise.target


# ---------------------------------------------------------------------------------------------- in words


def difference(value: float, unit: str) -> str:
    """A change as people say it: "+3 h", "-4 points"."""
    if not math.isfinite(value):
        return "anything"
    sign = "+" if value > 0 else "-" if value < 0 else ""
    if unit == "share":
        return f"{sign}{units.digits(abs(value) * 100)} points"
    if unit == "score":
        return f"{sign}{abs(value):.0f} points"
    return sign + units.text(abs(value), unit)


def headline(primary: str, promise: Promise, title: str, beside: Sequence[int], stability: Sequence[str]) -> str:
    """What it came to, in a sentence. What got less stable comes first, whatever the signal did."""
    words = {
        IMPROVED: f"{title} improved",
        WORSE: f"{title} got worse",
        NO_CHANGE: f"No change of {title[:1].lower() + title[1:]} bigger than "
        f"{difference(promise.least, promise.unit).lstrip('+')}",
        CANNOT_TELL: f"Cannot tell whether {title[:1].lower() + title[1:]} changed",
    }[primary]
    if beside and primary in (IMPROVED, WORSE):
        several = " and ".join(map(str, beside))
        words = f"{words}, but bet {several} was on the same signal: cannot tell which of them did it"
    if stability:
        return f"Less stable: {' and '.join(stability)} got worse. {words}"
    return words


def overall(primary: str, beside: Sequence[int], stability: Sequence[str]) -> str:
    """The verdict on the bet: a guard-rail that broke counts more than the signal, and a change that several bets may
    have made is nobody's."""
    if stability:
        return WORSE
    return CANNOT_TELL if beside and primary in (IMPROVED, WORSE) else primary


def as_json(found: Effect | None) -> dict[str, Any] | None:
    """An effect with null for ends that are open."""
    if found is None:
        return None

    def end(value: float) -> float | None:
        return value if math.isfinite(value) else None

    said: Mapping[str, Any] = {"value": found.value, "low": end(found.low), "high": end(found.high)}
    rest = {"n": found.n, "groups": found.groups, "method": found.method, "detectable": end(found.detectable)}
    return {**said, "inner": [end(one) for one in found.inner], **rest}
