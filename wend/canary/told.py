"""The verdict's reasons and numbers, for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from wend.canary import latency
from wend.canary.evidence import Evidence
from wend.canary.seen import Histogram, Side
from wend.stats import Interval, quantile, wilson

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def more_errors(evidence: Evidence) -> str:
    if evidence.baseline is None:
        return f"answers errors in {errors(evidence.canary)}, the release beside it in {errors(evidence.stable)}"
    before = Side(*evidence.baseline)
    known = (
        f"the release before it in {errors(before)}" if before.requests else "and nothing is known of the one before"
    )
    return f"answers errors in {errors(evidence.canary)}, {known}"


def slower(evidence: Evidence) -> str:
    edge = latency.where(evidence.latency)
    ours, theirs = slow(evidence.canary.latency, edge), slow(evidence.stable.latency, edge)
    return f"is slower: {ours} take more than {edge:g} ms, at the release beside it {theirs}"


def crashes(canary: Side, stable: Side) -> str:
    beside = f"of the release beside it {stable.exits}" if stable.exits else "of the release beside it none"
    return f"its processes ended {canary.exits} times by themselves, {beside}"


def both_failing(evidence: Evidence) -> str:
    return (
        f"both releases answer errors, this one in {errors(evidence.canary)}, the one beside it in "
        f"{errors(evidence.stable)}: comparing them says nothing"
    )


def as_good(evidence: Evidence) -> str:
    return f"as good: errors in {errors(evidence.canary)}, the release beside it in {errors(evidence.stable)}"


def watched(evidence: Evidence) -> str:
    return f"errors in {errors(evidence.canary)}" if evidence.canary.requests else "no requests so far"


def so_far(evidence: Evidence) -> str:
    if not evidence.canary.requests:
        return "no requests to it so far"
    return f"nothing speaks against it: errors in {errors(evidence.canary)}, beside it in {errors(evidence.stable)}"


def unsure(evidence: Evidence, needs: int | None) -> str:
    """That nobody can tell, and what is missing: requests, and at the pace so far how long they take."""
    canary = evidence.canary
    if not canary.requests:
        return "no requests came to it, so nobody can tell"
    if not evidence.stable.requests:
        return "no requests came to the release beside it, so there is nothing to compare with"
    if needs is None:
        seen = f"errors in {errors(canary)}, beside it in {errors(evidence.stable)}"
        return f"{seen}: not surely worse, and not surely as good"
    pace = canary.requests / evidence.seconds if evidence.seconds else 0.0
    lasting = f", {duration(needs / pace)} at the pace so far" if pace else ""
    return f"needs about {needs:,} more requests{lasting}; errors in {errors(canary)} until now"


def duration(seconds: float) -> str:
    for size, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"


def errors(side: Side) -> str:
    """ "4.1 % of 820 requests (2.9–5.7 %)"."""
    return share(wilson(side.errors, side.requests), "requests")


def slow(histogram: Histogram, edge: float) -> str:
    everything = histogram[-1][1] if histogram else 0
    return share(wilson(everything - dict(histogram).get(edge, everything), everything), "answers")


def share(found: Interval | None, things: str) -> str:
    if found is None:
        return f"0 {things}"
    return f"{percent(found.value)} % of {found.n:,} {things} ({percent(found.low)}–{percent(found.high)} %)"


def percent(value: float) -> str:
    """Two digits below one percent, one above, none where it is whole."""
    shown = f"{100 * value:.1f}" if value >= 0.01 or value == 0 else f"{100 * value:.2f}"
    return shown.rstrip("0").rstrip(".") or "0"


def numbers(evidence: Evidence, tests: Mapping[str, Any], needs: int | None) -> dict[str, Any]:
    """As Verdict says."""
    stable = evidence.stable if evidence.baseline is None else Side(*evidence.baseline)
    sides = {"canary": counts(evidence.canary), "stable": counts(stable)}
    return {"seconds": round(evidence.seconds, 1), **sides, "tests": dict(tests), "needs": needs}


def counts(side: Side) -> dict[str, Any]:
    rate = wilson(side.errors, side.requests)
    found: dict[str, Any] = {"requests": side.requests, "errors": side.errors, "exits": side.exits}
    found["error_rate"] = asdict(rate) if rate else None
    quantiles = {name: quantile(side.latency, at) for name, at in QUANTILES.items()}
    return found | {name: asdict(one) if one else None for name, one in quantiles.items()}
