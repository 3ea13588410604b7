"""The one question after a command: whether a bet fixed what somebody told us. To a person at a terminal, asked for at
most once a day; it never delays an error, and never a script."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

from wend.cli import show, witness
from wend.cli.client import attended, client
from wend.errors import WendError

EVERY = 20 * 3600.0  # seconds between two looks whether there is a question
NOT_AFTER = frozenset({"answer", "answer-bet", "down", "up", "login", "git-credential", "feedback"})


def perhaps(words: Sequence[str], now: float | None = None) -> None:
    """Show the question, if there is one for whoever sits here. What goes wrong with it is nobody's trouble."""
    if NOT_AFTER & set(words[:2]) or "--json" in words or not attended():
        return
    stamp, moment = witness.file().parent / "asked", time.time() if now is None else now
    with suppress(OSError, WendError):
        if stamp.exists() and 0 <= moment - stamp.stat().st_mtime < EVERY:
            return
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()
        found = client().ask("POST", "loop", {})["question"]
        if found:
            show.note(line(found))


def line(found: dict[str, str]) -> str:
    return f"{found['question']} {found['sentence']} ({found['says']}): `wend answer-bet {found['bet']} yes|no`"
