"""When nobody will use it any more, from how fast people have moved. Pure.

Each app moves, on any day, with the same chance: the removals are a Poisson count over the app-days that were there to
remove (exact interval: F. Garwood, 1936). Of k apps left, all have moved after t days with the chance (1 - e^-ht)^k;
the forecast is the day by which that is one half, and its interval is that of the rate h.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from wend import rates

Days = Sequence[tuple[int, Collection[str]]]  # (UTC day, the apps that used it), oldest first


@dataclass(frozen=True)
class Forecast:
    """`day`: by when all have moved with the chance of one half; `early` and `late`: its interval, of which `late` is
    None when nothing bounds it. `n`: apps that moved; `back`: that came back; `left`: that are there."""

    says: str
    n: int
    left: int
    back: int = 0
    day: int | None = None
    early: int | None = None
    late: int | None = None


def forecast(days: Days, today: int) -> Forecast:
    if not days:
        return Forecast("no data", 0, 0)
    moved, back, exposure = 0, 0, 0
    ever: set[str] = set()
    for (begin, before), (end, after) in pairwise(days):
        gone = set(before) - set(after)
        moved, exposure = moved + len(gone), exposure + len(set(before)) * (end - begin)
        ever |= gone
        back += len((set(after) - set(before)) & ever)
    left = len(set(days[-1][1]))
    if not left:
        return Forecast("nobody uses it", moved, 0, back)
    if not moved:
        return Forecast(f"cannot tell: nobody of {left} has moved in {exposure // max(left, 1)} days", 0, left, back)
    low, high = rates.garwood(moved)
    middle, early, late = (half(left, count / exposure) for count in (moved, high, low))
    slow = None if late is None else today + late
    return Forecast(f"{moved} moved, {left} left", moved, left, back, today + (middle or 0), today + (early or 0), slow)


def half(left: int, rate: float) -> int | None:
    """Days until all have moved with the chance of one half; None when nobody moves."""
    if rate <= 0:
        return None
    days = -math.log1p(-(0.5 ** (1 / left))) / rate
    return math.ceil(days) if days < 36_500 else None


def unused_since(days: Days) -> int | None:
    """The first day of the stretch, up to the newest, on which nobody used it; None while somebody does."""
    begun = None
    for day, apps in days:
        begun = None if apps else begun if begun is not None else day
    return begun
