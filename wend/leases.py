"""One lease per app: whoever holds it may change what runs. Newer intentions win; queued ones coalesce.

Within a control plane those that wait stand in a queue. Between planes that share a database, the one at the front asks
for the turn again and again until no other plane has it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from wend.errors import Conflict, Down
from wend.planes import Alone, Planes

log = logging.getLogger(__name__)
AGAIN = 0.05  # seconds until a turn that another plane has is asked for again
REMIND = 1.0  # seconds until that plane is told again that a newer intention waits


@dataclass(eq=False)
class Lease:
    """A turn at an app. `cancel` is set when a newer intention wants the turn; past `commit()` it is too late. `at`:
    when it was wanted (nanoseconds) and by which plane: of two urgent ones the later wins."""

    cause: str
    at: tuple[int, str] = (0, "")
    cancel: threading.Event = field(default_factory=threading.Event)
    committed: bool = False
    superseded_by: str = ""
    lost: bool = False

    def check(self) -> None:
        """Raise Conflict when a newer intention has taken over, Down when the platform is stopping."""
        if self.lost:
            raise Down("the database was away, and another control plane took this turn", "try again")
        if self.cancel.is_set() and not self.superseded_by:
            raise Down("the platform is stopping", "try again when it is up")
        if self.cancel.is_set():
            raise Conflict(f"superseded by a newer {self.superseded_by}", "nothing to do: the newer one goes on")


class Leases:
    """The turns of all apps. `settle`: done first by whoever gains a turn where there are several planes, because the
    one that had it may have died at it."""

    def __init__(self, planes: Planes | None = None) -> None:
        self.planes = planes or Alone()
        self.latest = 0
        self.settle: Callable[[str], None] = lambda app: None
        self.planes.listen(self.hear, self.lose)
        self.changed = threading.Condition()
        self.holders: dict[str, Lease] = {}
        self.waiting: dict[str, list[Lease]] = {}
        self.closed = False

    @contextmanager
    def hold(self, app: str, cause: str, urgent: bool = False) -> Generator[Lease]:
        """Wait for the turn and keep it for the time of the `with` block. An `urgent` one (a push, a rollback) asks
        the urgent holder to stop if it is not committed yet, and takes the place of the urgent ones that wait;
        those raise Conflict."""
        lease = self.enter(app, cause, urgent)
        self.wait(app, lease, urgent)
        try:
            self.gain(app, lease, urgent)
            yield lease
        finally:
            self.release(app)

    def enter(self, app: str, cause: str, urgent: bool) -> Lease:
        """A place in the queue."""
        with self.changed:
            lease = self.lease(cause)
            if self.closed:
                raise Down("the platform is stopping", "try again when it is up")
            queue = self.waiting.setdefault(app, [])
            if urgent:
                self.supersede(app, lease.at, cause)
            queue.append(lease)
            return lease

    def wait(self, app: str, lease: Lease, urgent: bool) -> None:
        """Until it is at the front, and nobody of this plane has the turn."""
        if urgent:
            self.call(app, lease)
        with self.changed:
            queue = self.waiting.setdefault(app, [])
            while not lease.cancel.is_set() and (app in self.holders or queue[0] is not lease):
                self.changed.wait()
            if lease in queue:
                queue.remove(lease)
            lease.check()
            self.holders[app] = lease

    def call(self, app: str, lease: Lease) -> None:
        """Let the other planes know that an urgent one waits. While the database is away they cannot."""
        with suppress(Down):
            self.planes.tell({"app": app, "cause": lease.cause, "at": list(lease.at)})

    def lease(self, cause: str) -> Lease:
        """Needs `changed`. No two of this plane are wanted at the same time, even when the clock is set back."""
        self.latest = max(self.latest + 1, time.time_ns())
        return Lease(cause, at=(self.latest, self.planes.name))

    def supersede(self, app: str, at: tuple[int, str], cause: str) -> None:
        """Ask the urgent holder that is not committed, and the urgent ones that wait, to make way for one wanted at
        that time. Needs `changed`."""
        holder, queue = self.holders.get(app), self.waiting.get(app, [])
        free = [holder] if holder and not holder.committed else []
        older = [other for other in [*queue, *free] if other.cause in URGENT and other.at <= at]
        for other in older:
            other.superseded_by = other.superseded_by or cause
            other.cancel.set()
        queue[:] = [other for other in queue if other not in older]
        self.changed.notify_all()

    def gain(self, app: str, lease: Lease, urgent: bool) -> None:
        """Wait until no other plane has the turn. An urgent one lets them know that it waits."""
        reminded = time.monotonic()
        while not self.planes.take(app):
            lease.check()
            if urgent and time.monotonic() - reminded > REMIND:
                self.call(app, lease)
                reminded = time.monotonic()
            lease.cancel.wait(AGAIN)
        self.begin(app)
        lease.check()

    def begin(self, app: str) -> None:
        """Whatever was cut off here comes first."""
        if self.planes.shared:
            try:
                self.settle(app)
            except Exception:
                log.exception("what was left of %s", app)

    def hear(self, words: dict[str, Any]) -> None:
        """Another plane says that something newer waits for a turn."""
        if "app" in words:
            with self.changed:
                self.supersede(words["app"], (int(words["at"][0]), str(words["at"][1])), str(words["cause"]))

    def lose(self, app: str) -> None:
        """Another plane got this turn while the database was away. Past `commit` its holder goes on all the same."""
        with self.changed:
            holder = self.holders.get(app)
            if holder and not holder.committed:
                holder.lost = True
                holder.cancel.set()

    @contextmanager
    def try_hold(self, app: str, cause: str) -> Generator[Lease | None]:
        """The turn if it is free now, else None."""
        with self.changed:
            free = app not in self.holders and not self.waiting.get(app) and not self.closed
            lease = self.lease(cause) if free else None
            if lease:
                self.holders[app] = lease
        try:
            gained = lease is not None and self.planes.take(app)
            if gained:
                self.begin(app)
            yield lease if gained else None
        finally:
            if lease:
                self.release(app)

    def close(self, seconds: float) -> None:
        """No new turns; ask every holder to stop, and wait at most so long until none is left."""
        with self.changed:
            self.closed = True
            for lease in [*self.holders.values(), *(one for queue in self.waiting.values() for one in queue)]:
                lease.cancel.set()
            self.changed.notify_all()
            self.changed.wait_for(lambda: not self.holders, seconds)

    def commit(self, lease: Lease) -> None:
        """From here on the holder finishes, whatever comes. Raises Conflict when something came first."""
        with self.changed:
            lease.check()
            lease.committed = True

    def release(self, app: str) -> None:
        self.planes.leave(app)
        with self.changed:
            self.holders.pop(app, None)
            if not self.waiting.get(app):
                self.waiting.pop(app, None)
            self.changed.notify_all()


URGENT = frozenset({"push", "rollback", "canary"})
