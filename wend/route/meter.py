"""What the proxy saw lately: one reading a second, for some minutes, kept in memory only."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from wend.route import Traffic

KEPT = 900  # readings: a quarter of an hour at one a second


@dataclass(frozen=True)
class Reading:
    """The proxy's counters at one moment: `at` in monotonic seconds, app → release → Traffic."""

    at: float
    seen: Mapping[str, Mapping[int, Traffic]]


class Meter:
    """The latest readings, for every thread."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.readings: deque[Reading] = deque(maxlen=KEPT)

    def note(self, reading: Reading) -> None:
        with self.changed:
            self.readings.append(reading)
            self.changed.notify_all()

    def lately(self, seconds: float) -> list[Reading]:
        """The readings of the last so many seconds, oldest first; the newest is always among them."""
        with self.changed:
            newest = self.readings[-1].at if self.readings else 0.0
            return [reading for reading in self.readings if newest - reading.at <= seconds]
