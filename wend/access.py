"""The access log: who looked at what about people. It is for those who were looked at, so everyone known may read it.

Facts: figures_read.
"""

from __future__ import annotations

import time
from typing import Any

from wend.context import Context
from wend.errors import Invalid
from wend.events import Fact
from wend.state import access
from wend.state.delivery import DAY

MOST = 1000


def seen(ctx: Context, signal: str, scope: str) -> None:
    """Write down that the actor is about to see a figure about people, or the rows behind any figure. Call it before
    showing; where it cannot be written (Down), nothing is shown. A second look of the same day writes nothing."""
    actor, day = ctx.actor.name, int(time.time() * 1e6) // DAY
    with ctx.ledger.query() as db:
        if access.known(db, actor, signal, scope, day):
            return
    data = {"signal": signal, "scope": scope, "day": day}
    id = f"figures_read:{day}:{actor}:{signal}:{scope}"
    ctx.ledger.append([Fact("figures_read", f"signal/{signal}", data, actor=actor, id=id)])


def log(ctx: Context, limit: int = 100) -> list[dict[str, Any]]:
    """The newest looks first: actor, signal, scope, day, at, seq. Raises Invalid."""
    if not 1 <= limit <= MOST:
        raise Invalid(f"{limit} looks at once are not shown", f"ask for 1 to {MOST}")
    with ctx.ledger.query() as db:
        return access.accesses(db, limit)
