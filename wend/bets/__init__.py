"""Bets: outcome statements on a signal, opened on a measured baseline, and judged by what is measured afterwards.

Nobody declares that a bet came true: `verdict.py` works it out, and says so when it cannot.
"""

from __future__ import annotations

from dataclasses import dataclass

SETTLED = 8  # days after a bet's end at which it is judged: by then it is known which of its deployments failed


@dataclass(frozen=True)
class Effect:
    """What changed: after less before, in the signal's unit, 19 times out of 20 from `low` to `high`, and 9 times out
    of 10 from `inner[0]` to `inner[1]`. Ends may be infinite. `n`: what was counted on both sides; `groups`: how many
    services, weeks or people it hangs on."""

    value: float
    low: float
    high: float
    inner: tuple[float, float]
    n: int
    groups: int
    method: str

    @property
    def detectable(self) -> float:
        """The smallest change that would be seen 4 times out of 5: 2.8 standard errors, of which the interval's half
        is 1.96."""
        return (self.high - self.low) / 2 * 2.8016 / 1.96
