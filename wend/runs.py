"""The commands under way beside the apps' processes, jobs and `wend run`: whoever ends an app, or the platform, ends
them too."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field

from wend.errors import Down
from wend.planes import Alone, Planes


@dataclass(eq=False)
class Run:
    """One command. `job`: "" for one that a person typed. Setting `cancel` ends it; `why` says for what reason.
    `number`: from 1, the smallest that no other run of the job has, so that two at a time write two logs. `release`:
    whose files it runs in, once that is known."""

    id: str
    app: str
    job: str = ""
    cancel: threading.Event = field(default_factory=threading.Event)
    why: str = ""
    number: int = 1
    release: int | None = None


class Runs:
    """Those of this control plane; what one that is gone had started ended with it."""

    def __init__(self, planes: Planes | None = None) -> None:
        self.planes = planes or Alone()
        self.changed = threading.Condition()
        self.here: dict[str, Run] = {}
        self.closed = False

    def of(self, app: str | None = None, job: str | None = None) -> list[Run]:
        """Those under way, of an app, of a job, or all; the oldest first."""
        with self.changed:
            found = list(self.here.values())
        return [run for run in found if app in (None, run.app) and job in (None, run.job)]

    def alive(self, id: str) -> bool:
        """Whether it is under way here or at another plane."""
        return self.planes.taken(f"run/{id}")

    def begin(self, run: Run) -> Run:
        """From here on others can see and end it. Raises Down when the platform is stopping."""
        self.planes.take(f"run/{run.id}")
        with self.changed:
            if self.closed:
                raise Down("the platform is stopping", "try again when it is up")
            taken = {one.number for one in self.here.values() if (one.app, one.job) == (run.app, run.job)}
            run.number = min(set(range(1, len(taken) + 2)) - taken)
            self.here[run.id] = run
        return run

    def over(self, run: Run) -> None:
        with self.changed:
            self.here.pop(run.id, None)
            self.planes.leave(f"run/{run.id}")
            self.changed.notify_all()

    @contextmanager
    def ending(self, run: Run) -> Generator[None]:
        """The time in which its end is recorded; whoever looks for runs that were cut off still finds it alive."""
        try:
            yield
        finally:
            self.over(run)

    def end(self, these: Iterable[Run], why: str, seconds: float) -> bool:
        """Ask these to end and wait at most so long; whether they have."""
        these = list(these)
        for run in these:
            run.why = run.why or why
            run.cancel.set()
        with self.changed:
            return self.changed.wait_for(lambda: not any(run.id in self.here for run in these), seconds)

    def close(self, seconds: float) -> None:
        """Begin no more, and end all."""
        with self.changed:
            self.closed = True
        self.end(self.of(), "the platform stopped", seconds)
