"""Something that was seen, and where. Pure."""

from __future__ import annotations

from dataclasses import dataclass


class NotSeen(Exception):
    """Nobody looked at a fact that a rule needs."""


@dataclass(frozen=True)
class Hit:
    """`where` is "path:line" or the key of a setting; `seen` tells it without its secret."""

    where: str
    seen: str
