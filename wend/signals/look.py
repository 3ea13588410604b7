"""Looking at signals: the derived tables are brought up to date first, so that what was just heard of is in them."""

from __future__ import annotations

import time
from dataclasses import replace

from wend import signals
from wend.context import Context
from wend.signals import Scope, Signal, Window
from wend.state import derived

PATIENCE = 2.0  # seconds that somebody who looks waits for a backlog
BEHIND = "More was heard of than is worked in yet; look again in a moment."


def bring_up_to_date(ctx: Context, patience: float = float("inf")) -> bool:
    """Work in what came since the last look, slice by slice, so that others may write in between. Cheap when nothing
    came. Whether all of it is worked in, after at most about `patience` seconds."""
    until = time.monotonic() + patience
    while backlog(ctx):
        if time.monotonic() > until:
            return False
        with ctx.ledger.transaction() as db:
            derived.refresh(db)
    return True


def backlog(ctx: Context) -> bool:
    with ctx.ledger.query() as db:
        return derived.stale(db)


def look(ctx: Context, ids: list[str], scope: str, weeks: int) -> list[Signal]:
    """The signals of these ids now. Raises Invalid or NotFound."""
    found, window = Scope.parse(scope), Window.of(weeks, int(time.time() * 1e6), ctx.config.timezone)
    for id in ids:
        signals.definition(id)
    whole = bring_up_to_date(ctx, PATIENCE)
    with ctx.ledger.query() as db:
        seen = [signals.measure(db, id, found, window) for id in ids]
    return seen if whole else [replace(one, notes=(*one.notes, BEHIND)) for one in seen]
