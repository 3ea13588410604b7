"""The clocks: each looks at one side of the platform again and again, on a thread of its own, until told to stop.

Of several control planes on one database, one leads and its clocks run. When it is gone, the next takes over: it
finishes or undoes what was cut off, and then its clocks run.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from wend import apps, digest, emit, hatches, jobs, load, previews, reconcile, resources, retention, scaling, traffic
from wend.bets import ending
from wend.context import Context
from wend.deprecations import announcing, users
from wend.errors import WendError
from wend.guardrails import logged
from wend.paths import catalogue, templates
from wend.planes import LEADER
from wend.signals import closing
from wend.signals.look import bring_up_to_date
from wend.surveys import asking
from wend.voice import nearest, telemetry
from wend.watch import Watcher

log = logging.getLogger(__name__)
FOLLOW = 0.5  # seconds between two looks whether anyone leads
HANDS = 4  # apps mended at the same time; one that takes its whole boot time must not keep the others waiting


@dataclass(frozen=True)
class Clock:
    """An act and how many seconds lie between two of it. It gets a memory of its own to keep between them. `each`:
    every control plane does it, and not the leading one alone."""

    name: str
    every: float
    act: Callable[[Context], object]
    each: bool = False


def clocks(
    mend: Callable[[Context], object], judge: Callable[[Context], object], tell: Callable[[Context], object]
) -> tuple[Clock, ...]:
    """Every clock. A process that died is noticed within the first one's time; repositories are packed once a day,
    because every push leaves one pack."""
    return (
        Clock("look", 0.25, mend),
        Clock("traffic", 0.5, traffic.sample, each=True),
        Clock("cut off", 1.0, cut_off),
        Clock("judge", 0.25, judge),
        Clock("scaling", 2.0, scaling.Tender().tend),
        Clock("jobs", 1.0, jobs.Roster().tick),
        Clock("tidy", 60.0, retention.sweep),
        Clock("previews", 60.0, previews.sweep),
        Clock("load", 60.0, load.Scales().tend),
        Clock("servers", 2.0, resources.Waker().wake),
        Clock("trash", 300.0, resources.sweep),
        Clock("emit", 1.0, tell),
        Clock("signals", 5.0, bring_up_to_date),
        Clock("figures", 60.0, closing.tend),
        Clock("telemetry", 60.0, telemetry.Teller().tend),
        Clock("radar", 60.0, hatches.tend),
        Clock("paths", 60.0, keep_paths, each=True),
        Clock("deprecations", 60.0, announcing.count),
        Clock("calls", 60.0, users.CALLS.write, each=True),
        Clock("logs", 60.0, logged.Reader().tend),
        Clock("similar", 2.0, nearest.warm, each=True),
        Clock("digest", 300.0, digest.tend),
        Clock("bets", 60.0, ending.tend),
        Clock("questions", 60.0, asking.work_out, each=True),
        Clock("pack", 86_400.0, retention.pack),
    )


def keep_paths(ctx: Context) -> None:
    """The organisation's own paths as files here, and every version of every template."""
    catalogue.lay_out(ctx)
    templates.keep_all(ctx)


def take_over(ctx: Context) -> None:
    """What comes before the first look of any clock: put right what the platform before us left."""
    resources.Waker().wake(ctx)
    reconcile.recover(ctx)
    apps.close_cut_off(ctx)


def cut_off(ctx: Context) -> None:
    """A plane that does not lead may die at a deploy, too."""
    if ctx.leases.planes.shared:
        reconcile.take_up(ctx)
        apps.close_cut_off(ctx)


@dataclass
class Mender:
    """Looks at every app and gives those that are not as they should be to a free hand, unless one is at it."""

    memory: reconcile.Memory = field(default_factory=reconcile.Memory)
    at_work: dict[str, Future[None]] = field(default_factory=dict[str, "Future[None]"])
    hands: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(HANDS, thread_name_prefix="mend"))

    def look(self, ctx: Context) -> None:
        self.at_work = {name: future for name, future in self.at_work.items() if not future.done()}
        for name in reconcile.look(ctx, self.memory):
            if name not in self.at_work:
                self.at_work[name] = self.hands.submit(self.tick, ctx, name)

    def tick(self, ctx: Context, name: str) -> None:
        try:
            reconcile.tick(ctx, name, self.memory)
        except Exception:
            log.exception("mending %s", name)


class Worker:
    """One thread per clock; `stop` returns when they have ended. Made once the doors may open: when this plane leads,
    it has taken over by then."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.ended = threading.Event()
        catalogue.lay_out(ctx)
        self.leading = False
        self.lead()
        self.mender = Mender()
        self.watcher = Watcher()
        self.emitter = emit.Emitter()
        self.threads = [
            threading.Thread(target=self.loop, args=(clock,), name=f"clock-{clock.name}", daemon=True)
            for clock in clocks(self.mender.look, self.watcher.look, self.emitter.tend)
        ]

    def start(self) -> None:
        if self.ctx.leases.planes.shared:
            self.threads.append(threading.Thread(target=self.follow, name="follow", daemon=True))
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join(timeout=10)
        for hands in (self.mender.hands, self.watcher.hands, self.emitter.hands):
            hands.shutdown(wait=False, cancel_futures=True)

    def lead(self) -> None:
        """Take over if nobody leads."""
        planes = self.ctx.leases.planes
        if not planes.take(LEADER):
            self.leading = False
        elif not self.leading:
            log.info("this control plane leads")
            take_over(self.ctx)
            self.leading = True

    def follow(self) -> None:
        while not self.ended.wait(FOLLOW):
            try:
                self.lead()
            except WendError as error:
                log.error("leading: %s (%s)", error.message, error.hint)

    def loop(self, clock: Clock) -> None:
        while not self.ended.wait(clock.every):
            if not clock.each and not (self.leading and self.ctx.leases.planes.leads()):
                continue
            try:
                clock.act(self.ctx)
            except WendError as error:
                log.error("%s: %s (%s)", clock.name, error.message, error.hint)
            except Exception:
                # One bad look must not end the watch over every app; the next look tries again.
                log.exception("clock %s", clock.name)
