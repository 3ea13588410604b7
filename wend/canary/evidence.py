"""Everything that is known of a canary, small enough to be kept with its facts, sample by sample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from wend.canary import errors, latency
from wend.canary.errors import Errors
from wend.canary.latency import Latency
from wend.canary.seen import Histogram, Sample, Side
from wend.stats import kl_upper

LONGEST = 5.0  # seconds that a sample counts at most: a machine that slept saw nothing
BASELINE = 0.0025  # chance that the rate of the release before is above what is taken for its bound
UNKNOWN = 0.5  # errors a release may answer when too little is known of the one before


@dataclass(frozen=True)
class Evidence:
    """`seconds` seen, `in_step` of them in this step; what was seen of both since the beginning; what the tests hold.
    `baseline`: (requests, errors) of the release before, for a watch; None for a canary."""

    baseline: tuple[int, int] | None = None
    seconds: float = 0.0
    in_step: float = 0.0
    canary: Side = field(default_factory=Side)
    stable: Side = field(default_factory=Side)
    errors: Errors = field(default_factory=Errors)
    latency: Latency = field(default_factory=Latency)

    @property
    def tolerated(self) -> float:
        """The error rate up to which a watched release is left alone."""
        n, k = self.baseline or (0, 0)
        bound = errors.MARGIN * kl_upper(k, n, BASELINE) + errors.FLOOR
        seen = errors.MARGIN * k / n + errors.FLOOR if n else 0.0
        return min(1.0, bound, max(UNKNOWN, seen))

    def to_json(self) -> dict[str, Any]:
        return {
            "baseline": list(self.baseline) if self.baseline else None,
            "seconds": self.seconds,
            "in_step": self.in_step,
            "canary": side(self.canary),
            "stable": side(self.stable),
            "errors": {name: floats(getattr(self.errors, name)) for name in ("worse", "good", "above")}
            | {"canary": list(self.errors.canary), "stable": list(self.errors.stable)}
            | {"bursts": self.errors.bursts},
            "latency": {
                "wealth": [[edge, list(logs)] for edge, logs in self.latency.wealth],
                "canary": pairs(self.latency.canary),
                "stable": pairs(self.latency.stable),
            },
        }

    @staticmethod
    def from_json(kept: Mapping[str, Any]) -> Evidence:
        baseline, bets, slow = kept["baseline"], kept["errors"], kept["latency"]
        return Evidence(
            (baseline[0], baseline[1]) if baseline else None,
            kept["seconds"],
            kept["in_step"],
            side_from(kept["canary"]),
            side_from(kept["stable"]),
            Errors(
                logs_from(bets["worse"]),
                logs_from(bets["good"]),
                logs_from(bets["above"]),
                (bets["canary"][0], bets["canary"][1]),
                (bets["stable"][0], bets["stable"][1]),
                bets["bursts"],
            ),
            Latency(
                tuple((edge, logs_from(logs)) for edge, logs in slow["wealth"]),
                pairs_from(slow["canary"]),
                pairs_from(slow["stable"]),
            ),
        )


def begin(baseline: Side | None = None) -> Evidence:
    """Nothing seen yet, of a canary; or with what is known of the release before, of one that just went live."""
    return Evidence(None if baseline is None else (baseline.requests, baseline.errors))


def fold(evidence: Evidence, sample: Sample) -> Evidence:
    """With a sample more."""
    seconds = min(max(sample.seconds, 0.0), LONGEST)
    seen = replace(
        evidence,
        seconds=evidence.seconds + seconds,
        in_step=evidence.in_step + seconds,
        canary=evidence.canary + sample.canary,
        stable=evidence.stable + sample.stable,
    )
    if evidence.baseline is not None:
        return replace(seen, errors=errors.watch(evidence.errors, sample.canary, evidence.tolerated))
    bets = errors.fold(evidence.errors, sample.canary, sample.stable)
    if evidence.seconds < latency.WARM:
        return replace(seen, errors=bets)
    slow = latency.fold(evidence.latency, sample.canary.latency, sample.stable.latency)
    return replace(seen, errors=bets, latency=slow)


def stepped(evidence: Evidence) -> Evidence:
    """At the beginning of the next step."""
    return replace(evidence, in_step=0.0)


# ---------------------------------------------------------------------------------------------- as JSON


def side(seen: Side) -> list[Any]:
    return [seen.requests, seen.errors, seen.exits, pairs(seen.latency)]


def side_from(kept: list[Any]) -> Side:
    return Side(kept[0], kept[1], kept[2], pairs_from(kept[3]))


def pairs(histogram: Histogram) -> list[list[float]]:
    return [[edge, count] for edge, count in histogram]


def pairs_from(kept: list[Any]) -> Histogram:
    return tuple((edge, count) for edge, count in kept)


def floats(logs: tuple[float, ...]) -> list[float | None]:
    """JSON has no number for a wealth that is gone."""
    return [None if log == -math.inf else log for log in logs]


def logs_from(kept: list[float | None]) -> tuple[float, ...]:
    return tuple(-math.inf if log is None else log for log in kept)
