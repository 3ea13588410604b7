"""How much of the machine everything uses: measured each minute, written down each hour.

Facts: load_measured.

The processor time of a replica only goes up, so what was used is the difference of two looks; one that started again
began at 0. What is kept of a minute is the highest of the hour, for that is what a machine has to hold.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from wend import traffic
from wend.context import Context
from wend.events import Fact
from wend.route.meter import Reading
from wend.run import Status

HOUR = 3600.0
SHORT, LONG = 5.0, 600.0  # seconds between two looks that tell a minute's use; a machine that slept tells nothing


@dataclass(frozen=True)
class Used:
    """What was used in some time: `cpu` mean cores, `cpu_peak` and `memory_peak` (bytes) of its highest minute,
    `requests` answered, `rate_peak` of its busiest minute in requests a second, and the most replicas."""

    cpu: float = 0.0
    cpu_peak: float = 0.0
    memory_peak: int = 0
    requests: int = 0
    rate_peak: float = 0.0
    replicas: int = 0


@dataclass(frozen=True)
class Look:
    """One look at every replica, at `at` (monotonic seconds)."""

    at: float
    status: Sequence[Status]
    reading: Reading | None


@dataclass
class Hour:
    """What was seen of an hour (Unix hours) so far."""

    number: int
    seconds: float = 0.0
    apps: dict[str, Used] = field(default_factory=dict[str, Used])
    whole: Used = field(default_factory=Used)


# ---------------------------------------------------------------------------------------------- pure


def between(before: Look, after: Look) -> dict[str, Used]:
    """What each app used between two looks."""
    then, seconds = {one.id: one.cpu for one in before.status}, after.at - before.at
    found: dict[str, Used] = {}
    for app in {one.app for one in after.status}:
        mine = [one for one in after.status if one.app == app]
        cpu = sum(traffic.spent(then.get(one.id, 0.0), one.cpu) for one in mine) / seconds
        asked = answered(before.reading, after.reading, app)
        up = sum(one.phase == "up" for one in mine)
        found[app] = Used(cpu, cpu, sum(one.rss for one in mine), asked, asked / seconds, up)
    return found


def answered(before: Reading | None, after: Reading | None, app: str) -> int:
    """How many requests the proxy answered for the app, of all its releases."""
    if before is None or after is None:
        return 0
    releases = after.seen.get(app, {})
    return sum(traffic.over([before, after], app, number).requests for number in releases)


def together(found: Iterable[Used]) -> Used:
    """All apps in the same minute."""
    every = list(found)
    return Used(
        sum(one.cpu for one in every),
        sum(one.cpu_peak for one in every),
        sum(one.memory_peak for one in every),
        sum(one.requests for one in every),
        sum(one.rate_peak for one in every),
        sum(one.replicas for one in every),
    )


def longer(one: Used, seconds: float, more: Used, for_: float) -> Used:
    """Two times after each other as one."""
    return Used(
        (one.cpu * seconds + more.cpu * for_) / (seconds + for_),
        max(one.cpu_peak, more.cpu_peak),
        max(one.memory_peak, more.memory_peak),
        one.requests + more.requests,
        max(one.rate_peak, more.rate_peak),
        max(one.replicas, more.replicas),
    )


def add(hour: Hour, found: Mapping[str, Used], seconds: float) -> None:
    """A minute more. An app that was not there used nothing."""
    for app in {*hour.apps, *found}:
        hour.apps[app] = longer(hour.apps.get(app, Used()), hour.seconds, found.get(app, Used()), seconds)
    hour.whole = longer(hour.whole, hour.seconds, together(found.values()), seconds)
    hour.seconds += seconds


def fact(hour: Hour, cpus: int, memory: int) -> Fact:
    data = {"hour": hour.number, "seconds": round(hour.seconds, 1), "cpus": cpus, "memory": memory}
    data |= {"all": kept(hour.whole), "apps": {app: kept(used) for app, used in sorted(hour.apps.items())}}
    return Fact("load_measured", "platform", data)


def kept(used: Used) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(used).items()}


# ---------------------------------------------------------------------------------------------- acts


class Scales:
    """Looks each minute, and writes an hour down when the next has begun."""

    def __init__(self) -> None:
        self.last: Look | None = None
        self.hour: Hour | None = None

    def tend(self, ctx: Context, now: float | None = None) -> None:
        """`now`: Unix seconds."""
        lately = ctx.meter.lately(1.0)
        look = Look(time.monotonic(), ctx.driver.status(), lately[-1] if lately else None)
        number = int((time.time() if now is None else now) // HOUR)
        if self.last is not None and SHORT <= look.at - self.last.at <= LONG:
            self.hour = self.hour or Hour(number)
            add(self.hour, between(self.last, look), look.at - self.last.at)
        if self.hour is not None and self.hour.number != number:
            self.tell(ctx)
        self.last = look

    def tell(self, ctx: Context) -> None:
        """Write down what there is of the hour. Nothing runs: nothing is told."""
        if self.hour is not None and self.hour.apps:
            ctx.ledger.append([replace(fact(self.hour, *machine()), actor=ctx.actor.name)])
        self.hour = None


def machine() -> tuple[int, int]:
    """Cores and bytes of memory that this process may count on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # not on macOS
    return cores, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
