"""The verdict on the evidence, and the rule that asks for a canary in the first place."""

from __future__ import annotations

import math
from typing import Any

from wend.canary import errors, latency, told
from wend.canary.evidence import Evidence
from wend.canary.seen import Action, Side, Verdict
from wend.declared import AUTO_STEPS, Canary
from wend.stats import wilson

NEEDED = 400  # requests to a canary without errors until it is known to be as good, and a few to spare
CRASHES = 2  # ends of its processes that are no accident …
HOURLY = 3600.0  # … and one more for every hour
FAILING = 0.2  # share of errors of both releases at which comparing them says nothing
TRIED = 20  # requests below which nobody is called failing


def enough(rate: float, policy: Canary) -> bool:
    """Whether so many requests a second suffice to judge by in the usual steps, before they are over."""
    return rate * policy.seconds * sum(AUTO_STEPS) / 100 >= NEEDED


def decide(evidence: Evidence, policy: Canary, step: int, steps: tuple[int, ...]) -> Verdict:
    """`step` counts from 0 into `steps`. Of a watch: rollback, or wait."""
    if why := alarm(evidence):
        return verdict("rollback", why, evidence)
    if evidence.baseline is not None:
        return verdict("wait", told.watched(evidence), evidence)
    if evidence.in_step < policy.seconds:
        return verdict("wait", told.so_far(evidence), evidence)
    if both_failing(evidence):
        return verdict("cannot tell", told.both_failing(evidence), evidence)
    if step < len(steps) - 1:
        return verdict("step", told.so_far(evidence), evidence)
    if as_good(evidence):
        return verdict("promote", told.as_good(evidence), evidence)
    return verdict("cannot tell", told.unsure(evidence, missing(evidence)), evidence)


def alarm(evidence: Evidence) -> str:
    """Why the release has to go back; empty when it has not."""
    canary, stable = evidence.canary, evidence.stable
    if canary.exits >= CRASHES + int(evidence.seconds / HOURLY) and canary.exits > stable.exits:
        return told.crashes(canary, stable)
    if evidence.baseline is not None:
        return told.more_errors(evidence) if sure(errors.above(evidence.errors), errors.ALPHA) else ""
    if sure(errors.worse(evidence.errors), errors.ALPHA):
        return told.more_errors(evidence)
    if sure(latency.slower(evidence.latency), latency.ALPHA) and not better(canary, stable):
        return told.slower(evidence)
    return ""


def sure(log: float, alpha: float) -> bool:
    return log >= -math.log(alpha)


def as_good(evidence: Evidence) -> bool:
    return sure(errors.good(evidence.errors), errors.ALPHA_GOOD)


def missing(evidence: Evidence) -> int | None:
    """Requests to the canary that are still needed; None when nobody can say."""
    if evidence.baseline is not None or as_good(evidence):
        return None
    return errors.missing(evidence.errors, evidence.canary, evidence.stable)


def both_failing(evidence: Evidence) -> bool:
    sides = (evidence.canary, evidence.stable)
    failing = all(side.requests >= TRIED and side.errors > FAILING * side.requests for side in sides)
    return failing and not better(*sides)


def better(canary: Side, stable: Side) -> bool:
    """Whether the canary clearly answers fewer errors. Then it may be slower: errors are quick."""
    ours, theirs = wilson(canary.errors, canary.requests), wilson(stable.errors, stable.requests)
    return bool(ours and theirs and ours.high < theirs.low)


def verdict(action: Action, why: str, evidence: Evidence) -> Verdict:
    return Verdict(action, why, told.numbers(evidence, tests(evidence), missing(evidence)))


def tests(evidence: Evidence) -> dict[str, Any]:
    """Test → its evidence and the threshold at which it decides."""
    bets = evidence.errors
    if evidence.baseline is not None:
        return {"more errors": test(errors.above(bets), errors.ALPHA)}
    return {
        "more errors": test(errors.worse(bets), errors.ALPHA),
        "slower": test(latency.slower(evidence.latency), latency.ALPHA),
        "as good": test(errors.good(bets), errors.ALPHA_GOOD),
    }


def test(log: float, alpha: float) -> dict[str, float]:
    return {"evidence": float(f"{math.exp(min(log, 30.0)):.4g}"), "threshold": round(1 / alpha, 6)}
