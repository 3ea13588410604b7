"""Trailers of commits: `Bet: 7` in the last paragraph of a message says that the commit is work for bet 7. Nothing but
the number leaves the message. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wend.events import Fact

LINE = re.compile(r"bet:\s*#?([1-9]\d{0,8})\s*", re.IGNORECASE)
MOST = 10  # bets of one commit


def bets(message: str) -> tuple[int, ...]:
    """The numbers of the bets that a commit's message names."""
    last = re.split(r"\n\s*\n", message.strip())[-1]
    found = (LINE.fullmatch(line.strip()) for line in last.splitlines())
    return tuple(dict.fromkeys(int(match[1]) for match in found if match))[:MOST]


def linked(numbers: Iterable[int], commit: str, at: int, actor: str) -> list[Fact]:
    """The facts that a commit of this time (Unix microseconds) is work for these bets; told again, they change
    nothing."""
    return [
        Fact(
            "bet_linked",
            f"bet/{bet}",
            {"bet": bet, "app": None, "commit": commit, "at": at, "how": "trailer"},
            actor=actor,
            id=f"bet:{bet}:commit:{commit}",
        )
        for bet in numbers
    ]
