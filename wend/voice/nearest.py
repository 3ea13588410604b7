"""The pains that a text is nearest to, to be confirmed by a person."""

from __future__ import annotations

from sqlalchemy import Connection


def propose(db: Connection, text: str, most: int = 3, evidence: str | None = None) -> list[tuple[int, str, float]]:
    """The nearest open pains: number, title and similarity from 0 to 1, the nearest first."""
    return []
