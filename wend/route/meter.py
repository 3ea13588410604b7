"""What the proxy saw lately, kept in memory only: every reading of the last minute, fewer of the time before."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from wend.route import Traffic

NEAR = 60.0  # seconds within which every reading is kept
APART = 10.0  # seconds between two older ones
KEPT = 900.0  # seconds after which a reading is forgotten


@dataclass(frozen=True)
class Reading:
    """The proxy's counters at one moment: `at` in monotonic seconds, app → release → Traffic. `used`: replica's id →
    processor seconds so far; empty in most readings."""

    at: float
    seen: Mapping[str, Mapping[int, Traffic]]
    used: Mapping[str, float] = field(default_factory=dict[str, float])


class Meter:
    """The latest readings, for every thread."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.near: deque[Reading] = deque()
        self.far: deque[Reading] = deque()

    def note(self, reading: Reading) -> None:
        with self.changed:
            self.near.append(reading)
            while reading.at - self.near[0].at > NEAR:
                old = self.near.popleft()
                if not self.far or old.at - self.far[-1].at >= APART:
                    self.far.append(old)
            while self.far and reading.at - self.far[0].at > KEPT:
                self.far.popleft()
            self.changed.notify_all()

    def lately(self, seconds: float) -> list[Reading]:
        """The readings of the last so many seconds, oldest first; the newest is always among them."""
        with self.changed:
            newest = self.near[-1].at if self.near else 0.0
            return [reading for reading in (*self.far, *self.near) if newest - reading.at <= seconds]
