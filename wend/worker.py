"""The clock: looks at every app, the proxy and the disk, again and again, until told to stop."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

from wend import reconcile, retention
from wend.context import Context
from wend.errors import WendError

log = logging.getLogger(__name__)
LOOK = 0.25  # seconds between two looks: a process that died is noticed within this
TIDY = 60.0
UPKEEP = 86_400.0  # repositories are packed once a day: every push leaves one pack
HANDS = 4  # apps mended at the same time; one that takes its whole boot time must not keep the others waiting


class Worker:
    """One thread that looks and a few that mend; `stop` returns when they have ended."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.ended = threading.Event()
        self.memory = reconcile.Memory()
        self.hands = ThreadPoolExecutor(HANDS, thread_name_prefix="mend")
        self.at_work: dict[str, Future[None]] = {}
        self.thread = threading.Thread(target=self.loop, name="worker", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.ended.set()
        self.thread.join(timeout=10)
        self.hands.shutdown(wait=False, cancel_futures=True)

    def loop(self) -> None:
        tidy, upkeep = time.monotonic() + TIDY, time.monotonic() + UPKEEP
        while not self.ended.wait(LOOK):
            try:
                self.mend(reconcile.look(self.ctx, self.memory))
                if time.monotonic() > tidy:
                    retention.sweep(self.ctx)
                    tidy = time.monotonic() + TIDY
                if time.monotonic() > upkeep:
                    retention.pack(self.ctx)
                    upkeep = time.monotonic() + UPKEEP
            except WendError as error:
                log.error("%s (%s)", error.message, error.hint)
            except Exception:
                # One bad look must not end the watch over every app; the next look tries again.
                log.exception("worker")

    def mend(self, names: list[str]) -> None:
        """Give each app that is not as it should be to a free hand, unless one is at it."""
        self.at_work = {name: future for name, future in self.at_work.items() if not future.done()}
        for name in names:
            if name not in self.at_work:
                self.at_work[name] = self.hands.submit(self.tick, name)

    def tick(self, name: str) -> None:
        try:
            reconcile.tick(self.ctx, name, self.memory)
        except Exception:
            log.exception("mending %s", name)
