"""Strong opinions, weakly held: every guardrail says what would have to be true for it to be thought over again.

`waivers > 10 % of deploys`: more than that share of the pushes it was asked about passed by a waiver alone. It has come
true when the whole interval is beyond (Wilson's, 19 times out of 20), and not when the whole of it is short of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wend.errors import Invalid
from wend.stats import more_for_share, wilson

FORM = re.compile(r"waivers > (\d{1,2}) % of deploys")


@dataclass(frozen=True)
class Standing:
    """`holds`: whether the condition has come true; None: nobody can tell yet. `n`: pushes that were judged."""

    holds: bool | None
    says: str
    n: int


def bound(condition: str) -> float:
    """The share beyond which it holds. Raises Invalid."""
    found = FORM.fullmatch(condition)
    if not found:
        raise Invalid(f"{condition[:60]!r} is no condition", "write it like: waivers > 10 % of deploys")
    return int(found[1]) / 100


def standing(condition: str, verdicts: Iterable[Mapping[str, str]], rule: str) -> Standing:
    """By the verdicts of the newest pushes, each by rule. Those that did not ask the rule do not count."""
    mine = [one[rule] for one in verdicts if rule in one]
    waived, n, most = mine.count("WAIVED"), len(mine), bound(condition)
    share = wilson(waived, n)
    if share is None:
        return Standing(None, "no data", 0)
    told = f"{waived} of {n} pushes were waived ({share.low:.0%}–{share.high:.0%})"
    if share.low > most:
        return Standing(True, f"think it over: {told}", n)
    if share.high < most:
        return Standing(False, told, n)
    return Standing(None, f"{told}: cannot tell, needs about {max(1, more_for_share(waived, n))} more", n)
