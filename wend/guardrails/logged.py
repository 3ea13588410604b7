"""What apps print: their newest lines are looked through for secrets, by the forms that leave no doubt.

Facts: log_examined, once for each release and when something else is found. What the platform itself has sealed is
blotted out before a line is written, and never comes here.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any

from wend.context import Context
from wend.events import Fact
from wend.guardrails import gates, keys
from wend.guardrails.facts import FINDINGS
from wend.guardrails.hits import Hit
from wend.state import guardrails as table
from wend.state import questions

LINES = 2000  # of each app, the newest
EVERY = 3600.0  # seconds between two looks at one release
log = logging.getLogger(__name__)


@dataclass
class Reader:
    """Remembers when it looked at what."""

    last: dict[tuple[str, int], float] = field(default_factory=dict[tuple[str, int], float])

    def tend(self, ctx: Context, now: float | None = None) -> None:
        at = time.monotonic() if now is None else now
        with ctx.ledger.query() as db:
            live = questions.live_releases(db)
        for name, release in live.items():
            here = (name, release.number)
            if at - self.last.get(here, -EVERY) >= EVERY:
                self.last[here] = at
                examine(ctx, name, release.number)
        self.last = {here: when for here, when in self.last.items() if here[0] in live}


def examine(ctx: Context, app: str, release: int) -> None:
    """Look through the app's newest lines, and write down what is new about them. A token of ours is revoked."""
    hits, tokens = set[Hit](), set[str]()
    for line in ctx.driver.logs(app, LINES):
        for _, kind, found in keys.found(line.text):
            hits.add(Hit(f"log of {line.source or app}", f"{kind} {keys.masked(found)}"))
            tokens |= {found} if kind == keys.OURS else set()
    gates.revoked(ctx, tokens, log.warning)
    some: list[Any] = [vars(one) for one in sorted(hits, key=lambda one: (one.where, one.seen))[:FINDINGS]]
    with ctx.ledger.query() as db:
        known = table.logged(db, app, release)
    if some != known:
        about = {"release": release, "hits": some}
        ctx.ledger.append([Fact("log_examined", f"app/{app}", about, app=app)])
