"""One lease per app: whoever holds it may change what runs. Newer intentions win; queued ones coalesce."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from wend.errors import Conflict, Down


@dataclass(eq=False)
class Lease:
    """A turn at an app. `cancel` is set when a newer intention wants the turn; past `commit()` it is too late."""

    cause: str
    cancel: threading.Event = field(default_factory=threading.Event)
    committed: bool = False
    superseded_by: str = ""

    def check(self) -> None:
        """Raise Conflict when a newer intention has taken over, Down when the platform is stopping."""
        if self.cancel.is_set() and not self.superseded_by:
            raise Down("the platform is stopping", "try again when it is up")
        if self.cancel.is_set():
            raise Conflict(f"superseded by a newer {self.superseded_by}", "nothing to do: the newer one goes on")


class Leases:
    """The turns of all apps in this control plane."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.holders: dict[str, Lease] = {}
        self.waiting: dict[str, list[Lease]] = {}
        self.closed = False

    @contextmanager
    def hold(self, app: str, cause: str, urgent: bool = False) -> Generator[Lease]:
        """Wait for the turn and keep it for the time of the `with` block. An `urgent` one (a push, a rollback) asks
        the urgent holder to stop if it is not committed yet, and takes the place of the urgent ones that wait;
        those raise Conflict."""
        lease = Lease(cause)
        with self.changed:
            if self.closed:
                raise Down("the platform is stopping", "try again when it is up")
            queue = self.waiting.setdefault(app, [])
            if urgent:
                holder = self.holders.get(app)
                older = [other for other in queue if other.cause in URGENT]
                for other in [
                    *older,
                    *([holder] if holder and holder.cause in URGENT and not holder.committed else []),
                ]:
                    other.superseded_by = cause
                    other.cancel.set()
                queue[:] = [other for other in queue if other not in older]
                self.changed.notify_all()
            queue.append(lease)
            while not lease.cancel.is_set() and (app in self.holders or queue[0] is not lease):
                self.changed.wait()
            if lease in queue:
                queue.remove(lease)
            lease.check()
            self.holders[app] = lease
        try:
            yield lease
        finally:
            self.release(app)

    @contextmanager
    def try_hold(self, app: str, cause: str) -> Generator[Lease | None]:
        """The turn if it is free now, else None."""
        with self.changed:
            free = app not in self.holders and not self.waiting.get(app) and not self.closed
            lease = Lease(cause) if free else None
            if lease:
                self.holders[app] = lease
        try:
            yield lease
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
        with self.changed:
            self.holders.pop(app, None)
            if not self.waiting.get(app):
                self.waiting.pop(app, None)
            self.changed.notify_all()


URGENT = frozenset({"push", "rollback", "canary"})
