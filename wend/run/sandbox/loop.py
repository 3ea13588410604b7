"""One thread that waits on many descriptors."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable

READ, WRITE, ENDED = select.POLLIN, select.POLLOUT, select.POLLHUP | select.POLLERR | select.POLLNVAL
Ready = Callable[[int], None]


class Loop:
    """`watch` a descriptor with what to call (it is given the events); `at` a monotonic time, call something once."""

    def __init__(self) -> None:
        self.poll = select.poll()
        self.ready: dict[int, Ready] = {}
        self.alarms: dict[str, tuple[float, Callable[[], None]]] = {}

    def watch(self, fd: int, events: int, ready: Ready) -> None:
        self.ready[fd] = ready
        self.poll.register(fd, events)

    def drop(self, fd: int) -> None:
        if self.ready.pop(fd, None):
            self.poll.unregister(fd)

    def at(self, name: str, when: float, act: Callable[[], None]) -> None:
        """Set the alarm called `name`; an earlier one of that name is forgotten."""
        self.alarms[name] = (when, act)

    def forget(self, name: str) -> None:
        """Cancel the alarm of that name, if it is set."""
        self.alarms.pop(name, None)

    def do(self, fd: int, act: Ready, events: int) -> None:
        """One failure must not end what else is kept going here; it is told on standard error."""
        try:
            act(events)
        except OSError as error:
            os.write(2, f"descriptor {fd}: {error}\n".encode())

    def turn(self) -> None:
        """Wait for the next thing to happen, and do what is due."""
        wait = None
        if self.alarms:
            wait = max(0.0, min(when for when, _ in self.alarms.values()) - time.monotonic()) * 1000
        for fd, events in self.poll.poll(wait):
            act = self.ready.get(fd)
            if act:
                self.do(fd, act, events)
        now = time.monotonic()
        for name in [name for name, (when, _) in self.alarms.items() if when <= now]:
            self.alarms.pop(name)[1]()
