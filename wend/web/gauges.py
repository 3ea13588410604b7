"""Signals for monitoring: worked out beside the scrape, at most once a minute, so that no scrape waits for them.

What is about people is not told here: who looks at a dashboard is written down nowhere.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from wend import privacy, signals
from wend.context import Context
from wend.ledger import Ledger
from wend.ledger.rows import LEDGER
from wend.signals import Value
from wend.web import measured

if TYPE_CHECKING:
    from prometheus_client.core import Metric

EVERY = 60.0  # seconds
TOLD = tuple(id for id in signals.FAMILIES if id not in privacy.ABOUT_PEOPLE)
HEARD = ("change_recorded", "deployment_recorded", "incident_recorded", "ticket_recorded", "person_recorded",
         "service_recorded", "survey_answered", "delivery_kept_aside")  # fmt: skip
log = logging.getLogger(__name__)


@dataclass
class Gauges:
    """What was worked out last. `due`: when it may be worked out again, by the monotonic clock. `upto`: the last event
    that was counted."""

    values: list[tuple[str, str, Value]] = field(default_factory=list[tuple[str, str, Value]])
    heard: Counter[str] = field(default_factory=Counter[str])
    upto: int = 0
    due: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self, ctx: Context) -> threading.Thread | None:
        """Work them out beside whoever asks, unless that was done a moment ago."""
        with self.lock:
            if time.monotonic() < self.due:
                return None
            self.due = time.monotonic() + EVERY
        thread = threading.Thread(target=self.work, args=(ctx,), name="gauges", daemon=True)
        thread.start()
        return thread

    def work(self, ctx: Context) -> None:
        try:
            with ctx.ledger.query() as db:
                scopes = ["all", *(f"team:{name}" for name in measured.scopes(db)["teams"])]
            found = {scope: measured.lately(ctx, list(TOLD), scope, measured.USUAL) for scope in scopes}
            self.count(ctx)
            self.values = [(one.definition.id, scope, one.value) for scope, every in found.items() for one in every]
        except Exception:
            log.exception("signals for monitoring")

    def count(self, ctx: Context) -> None:
        """Add the events since the last look, by who told of them."""
        head = ctx.ledger.head()[0]
        here = LEDGER.c.seq.between(self.upto + 1, head) & LEDGER.c.kind.in_(HEARD)
        with ctx.ledger.query() as db:
            rows = db.execute(sa.select(LEDGER.c.actor, sa.func.count()).where(here).group_by(LEDGER.c.actor)).all()
        self.heard.update({actor: n for actor, n in rows})
        self.upto = head


GAUGES: WeakKeyDictionary[Ledger, Gauges] = WeakKeyDictionary()


def of(ctx: Context) -> Gauges:
    """Those of this ledger, as far as they are known; new ones are on their way."""
    found = GAUGES.setdefault(ctx.ledger, Gauges())
    found.look(ctx)
    return found


def metrics(found: Gauges) -> Iterator[Metric]:
    """Absent: no data, hidden, or not worked out yet."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    here = ["id", "scope"]
    value = GaugeMetricFamily("wend_signal", "A signal of the last 13 weeks, in its own unit", labels=here)
    low = GaugeMetricFamily("wend_signal_low", "Lower end of its 95 % interval", labels=here)
    high = GaugeMetricFamily("wend_signal_high", "Upper end of its 95 % interval", labels=here)
    n = GaugeMetricFamily("wend_signal_n", "What was counted for it", labels=here)
    for id, scope, one in list(found.values):
        if one.value is not None:
            for family, number in ((value, one.value), (low, one.low), (high, one.high), (n, one.n)):
                if number is not None:
                    family.add_metric([id, scope], number)
    heard = CounterMetricFamily("wend_ingest_events", "Events that a source told of", labels=["source"])
    for source, count in sorted(found.heard.copy().items()):
        heard.add_metric([source], count)
    yield from (value, low, high, n, heard)
