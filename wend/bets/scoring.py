"""How good our own predictions are: whether what was called 70 % sure comes true 70 times of 100, and whether values
land in the intervals they were predicted in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from wend.stats import Interval, wilson

NOMINAL = 0.9  # an interval is one that somebody would bet nine to one on


@dataclass(frozen=True)
class Prediction:
    """One bet's: how sure it was (0 to 1, or None), where the value was predicted, and what came."""

    sure: float | None
    low: float | None
    high: float | None
    came_true: bool
    value: float


@dataclass(frozen=True)
class Score:
    """`brier`: the mean of (sure - came true)², 0 the best; `always_half`: that of who always says 50 %. `coverage`:
    the share of values in their predicted intervals. `unknown`: bets whose end nobody knows."""

    brier: float | None
    said: int
    true: Interval | None
    coverage: Interval | None
    unknown: int
    always_half: float = 0.25


def of(bets: Iterable[dict[str, Any]]) -> Score:
    """The score of the bets that were judged. One without a value afterwards is counted, and not scored."""
    known: list[Prediction] = []
    unknown = 0
    for bet in bets:
        found = prediction(bet)
        unknown += found is None
        known += [found] if found else []
    return score(known, unknown)


def prediction(bet: dict[str, Any]) -> Prediction | None:
    """What was predicted of a judged bet, and what came; None: nobody knows what came."""
    verdict: dict[str, Any] = bet["verdict"] or {}
    after: dict[str, Any] = verdict.get("after") or {}
    value: float | None = after.get("value")
    if value is None or verdict.get("reached") is None:
        return None
    return Prediction(bet["sure"], bet["low"], bet["high"], bool(verdict["reached"]), float(value))


def score(known: Sequence[Prediction], unknown: int = 0) -> Score:
    sure = [(one.sure, one.came_true) for one in known if one.sure is not None]
    drawn = [one.low <= one.value <= one.high for one in known if one.low is not None and one.high is not None]
    brier = sum((share - true) ** 2 for share, true in sure) / len(sure) if sure else None
    came = wilson(sum(true for _, true in sure), len(sure))
    return Score(brier, len(sure), came, wilson(sum(drawn), len(drawn)), unknown)
