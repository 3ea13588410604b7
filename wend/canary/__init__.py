"""The judge of a canary: is the new release worse than the one beside it, as good, or can nobody tell yet?

Pure: what was seen is folded into Evidence sample by sample, and `decide` gives the verdict on it. The same judge
watches a release that is already live, against what was known of the one before it (`begin` with a baseline).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Action = Literal["wait", "step", "promote", "rollback", "cannot tell"]


@dataclass(frozen=True)
class Side:
    """What was seen of one release during a sample: counts of that time only, never running totals. `errors`: answers
    of 500 and above, and requests it did not take; `exits`: processes that ended though they should not;
    `latency`: answers that took at most so many milliseconds, as (upper edge, count up to it), rising."""

    requests: int = 0
    errors: int = 0
    exits: int = 0
    latency: tuple[tuple[float, int], ...] = ()


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
    a rate or quantile is {value, low, high, n}), tests (name → evidence, threshold), needs (requests still missing
    before anyone can tell; None: not known)."""

    action: Action
    why: str
    numbers: Mapping[str, Any] = field(default_factory=dict[str, Any])
