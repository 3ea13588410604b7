"""Steady, bounded load on one app: so many requests per second over a few kept connections, each answer remembered."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType

from tests.house import House

MOST = 1200.0  # seconds after which it stops by itself


@dataclass
class Load:
    """`with Load(house, "app", rate=100) as load:` … `load.seen` counts (status, body), `took` has the milliseconds."""

    house: House
    app: str
    rate: float = 100.0
    path: str = "/"
    hands: int = 4
    seen: Counter[tuple[int, str]] = field(default_factory=Counter[tuple[int, str]])
    took: list[float] = field(default_factory=list[float])
    lock: threading.Lock = field(default_factory=threading.Lock)
    ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Load:
        self.until = time.monotonic() + MOST
        self.threads = [threading.Thread(target=self.run, args=(at,), daemon=True) for at in range(self.hands)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join(timeout=30)

    def run(self, at: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.house.edge, timeout=20)
        gap = self.hands / self.rate
        due = time.monotonic() + gap * at / self.hands
        while time.monotonic() < self.until and not self.ended.wait(max(0.0, due - time.monotonic())):
            due += gap
            began = time.monotonic()
            try:
                connection.request("GET", self.path, headers={"Host": f"{self.app}.localhost:{self.house.edge}"})
                answer = connection.getresponse()
                found = answer.status, answer.read().decode("utf-8", "replace")[:100]
            except (OSError, http.client.HTTPException) as error:
                found = 0, type(error).__name__
                connection.close()
            with self.lock:
                self.seen[found] += 1
                self.took.append((time.monotonic() - began) * 1000)
        connection.close()

    @property
    def failed(self) -> dict[tuple[int, str], int]:
        """What was not a 200."""
        with self.lock:
            return {found: count for found, count in self.seen.items() if found[0] != 200}

    def count(self, word: str | None = None) -> int:
        """Answers so far, of all or of those that say `word`."""
        with self.lock:
            return sum(count for (_, body), count in self.seen.items() if word in (None, body))
