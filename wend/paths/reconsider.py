"""When a path is to be thought over: `hatches from 3 teams`, or `ease < 60 %`. Pure.

`hatches from N teams`: apps of so many distinct teams leave the path in their live releases. `ease < N %`: of those who
were asked after a push, fewer said that it was easy; it has come true when the whole interval is below.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from wend.errors import Invalid
from wend.stats import Interval

TEAMS, EASE = re.compile(r"hatches from (\d{1,3}) teams?"), re.compile(r"ease < (\d{1,2}) %")


@dataclass(frozen=True)
class Standing:
    """`holds`: whether the condition has come true; None: nobody can tell yet. `n`: teams, or answers."""

    holds: bool | None
    says: str
    n: int


def check(condition: str) -> None:
    """Raises Invalid for what cannot be measured."""
    if not (TEAMS.fullmatch(condition) or EASE.fullmatch(condition)):
        raise Invalid(f"reconsider = {condition[:60]!r} is no condition", "write it like: hatches from 3 teams")


def standing(condition: str, teams: Collection[str], ease: Interval | None) -> Standing:
    """`teams` that have a hatch on the path now; `ease`: the share of those who found it easy."""
    check(condition)
    if match := TEAMS.fullmatch(condition):
        most, n = int(match[1]), len(teams)
        told = f"{n} team{'' if n == 1 else 's'} left it for something of their own"
        return Standing(n >= most, f"think it over: {told}" if n >= most else told, n)
    least = int((EASE.fullmatch(condition) or [0, 0])[1]) / 100
    if ease is None:
        return Standing(None, "cannot tell: too few have said how easy it is", 0)
    told = f"{ease.value:.0%} of {ease.n} found it easy ({ease.low:.0%}–{ease.high:.0%})"
    if ease.high < least:
        return Standing(True, f"think it over: {told}", ease.n)
    return Standing(False, told, ease.n) if ease.low >= least else Standing(None, f"{told}: cannot tell", ease.n)
