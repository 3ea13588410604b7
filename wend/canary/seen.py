"""What is looked at, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Action = Literal["wait", "step", "promote", "rollback", "cannot tell"]
Histogram = tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class Side:
    """What was seen of one release during a sample: counts of that time only, never running totals. `errors`: answers
    of 500 and above, and requests it did not take; `exits`: processes that ended though they should not;
    `latency`: answers that took at most so many milliseconds, as (upper edge, count up to it), rising."""

    requests: int = 0
    errors: int = 0
    exits: int = 0
    latency: Histogram = ()

    def __add__(self, other: Side) -> Side:
        """Two times after each other as one."""
        return Side(
            self.requests + other.requests,
            self.errors + other.errors,
            self.exits + other.exits,
            together(self.latency, other.latency),
        )


@dataclass(frozen=True)
class Sample:
    """Both releases during the same `seconds` (monotonic: a clock that jumps changes nothing)."""

    seconds: float
    canary: Side
    stable: Side


@dataclass(frozen=True)
class Verdict:
    """`action`: wait (keep the weight and look on) · step (the next weight) · promote · rollback · cannot tell (the
    steps are over, and what was seen is not enough either way). `why` is one sentence with the numbers in it.
    `numbers`: JSON for people's eyes: seconds, canary and stable (requests, errors, exits, error_rate, p50, p95, p99;
    a rate or quantile is {value, low, high, n}), tests (name → evidence, threshold), needs (requests to the new release
    still missing before anyone can tell; None: not known)."""

    action: Action
    why: str
    numbers: Mapping[str, Any] = field(default_factory=dict[str, Any])


def together(one: Histogram, other: Histogram) -> Histogram:
    """Both histograms as one. Where their edges differ, those that both have: a count up to an edge stays true."""
    if not one or not other:
        return one or other
    if edges(one) == edges(other):
        return tuple((edge, count + more) for (edge, count), (_, more) in zip(one, other, strict=True))
    then = dict(one)
    return tuple((edge, count + then[edge]) for edge, count in other if edge in then)


def edges(histogram: Iterable[tuple[float, int]]) -> tuple[float, ...]:
    return tuple(edge for edge, _ in histogram)


def counted(histogram: Histogram) -> int:
    return histogram[-1][1] if histogram else 0
