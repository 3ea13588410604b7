"""The clock: looks at every app, the proxy and the disk, again and again, until told to stop."""

from __future__ import annotations

import logging
import threading
import time

from wend import reconcile, retention
from wend.context import Context

log = logging.getLogger(__name__)
LOOK = 0.4  # seconds between two looks: a process that died is noticed within this
TIDY = 60.0
UPKEEP = 86_400.0  # repositories are packed once a day: every push leaves one pack


class Worker:
    """One thread; `stop` returns when it has ended."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.loop, name="worker", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.ended.set()
        self.thread.join(timeout=10)

    def loop(self) -> None:
        memory, tidy, upkeep = reconcile.Memory(), time.monotonic() + TIDY, time.monotonic() + UPKEEP
        while not self.ended.wait(LOOK):
            try:
                reconcile.tick_all(self.ctx, memory)
                if time.monotonic() > tidy:
                    retention.sweep(self.ctx)
                    tidy = time.monotonic() + TIDY
                if time.monotonic() > upkeep:
                    retention.pack(self.ctx)
                    upkeep = time.monotonic() + UPKEEP
            except Exception:
                # One bad look must not end the watch over every app; the next look tries again.
                log.exception("worker")
