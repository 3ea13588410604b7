"""Looking at signals: the derived tables are brought up to date first, so that what was just heard of is in them."""

from __future__ import annotations

import time

from wend import signals
from wend.context import Context
from wend.signals import Scope, Signal, Window
from wend.state import derived


def bring_up_to_date(ctx: Context) -> None:
    """Work in what came since the last look. Cheap when nothing did."""
    with ctx.ledger.query() as db:
        stale = derived.stale(db)
    if stale:
        with ctx.ledger.transaction() as db:
            derived.refresh(db)


def look(ctx: Context, ids: list[str], scope: str, weeks: int) -> list[Signal]:
    """The signals of these ids now. Raises Invalid or NotFound."""
    found, window = Scope.parse(scope), Window.of(weeks, int(time.time() * 1e6), ctx.config.timezone)
    for id in ids:
        signals.definition(id)
    bring_up_to_date(ctx)
    with ctx.ledger.query() as db:
        return [signals.measure(db, id, found, window) for id in ids]
