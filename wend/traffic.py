"""What the proxy sees of every app, sampled and told: requests, errors and latency per release.

The proxy only counts up. What happened during some time is the difference between two readings; where a count fell,
the proxy (or the release in it) began anew, and what it has counted since then is what is known.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from itertools import pairwise

from wend import stats
from wend.canary import Side
from wend.context import Context
from wend.errors import Down
from wend.route import Traffic
from wend.route.meter import Reading
from wend.run import Status
from wend.state import questions
from wend.stats import Interval

USED_EVERY = 10.0  # seconds between two looks at what the processes used: a look reads files of each
COUNTS = tuple(field.name for field in fields(Traffic) if field.name not in ("active", "latency"))


@dataclass(frozen=True)
class Seen:
    """What was seen of one release during the last `seconds`. `weight`: percent now; `requests`: those answered;
    `rate`: of them per second; `error_rate`: share of answers of 500 and above (a request that no process took is
    one); quantiles in milliseconds; `active`: requests in flight now; `restarts` of its replicas so far; `memory`:
    bytes; `cpu`: cores in use. None: nobody can tell, for nothing was asked."""

    release: int
    weight: int
    seconds: float
    requests: int = 0
    rate: float = 0.0
    error_rate: Interval | None = None
    p50: Interval | None = None
    p95: Interval | None = None
    p99: Interval | None = None
    active: int = 0
    restarts: int = 0
    memory: int = 0
    cpu: float | None = None


# ---------------------------------------------------------------------------------------------- pure


def side(before: Traffic, after: Traffic, exits: int = 0) -> Side:
    """What happened between two readings of one release. A request counts once, whether an app answered it or nobody
    took it (which the client sees as 503), so failed attempts to connect are not added on top."""
    if fell(before, after):
        before = Traffic()
    errors = after.server_errors - before.server_errors
    return Side(after.answered - before.answered, errors, exits, newer(before.latency, after.latency))


def fell(before: Traffic, after: Traffic) -> bool:
    """Whether the counting began anew between the two."""
    if any(getattr(after, name) < getattr(before, name) for name in COUNTS):
        return True
    if edges(before) != edges(after):
        return bool(before.latency)
    return any(now[1] < then[1] for then, now in zip(before.latency, after.latency, strict=True))


def edges(traffic: Traffic) -> list[float]:
    return [edge for edge, _ in traffic.latency]


def newer(before: Iterable[tuple[float, int]], after: Iterable[tuple[float, int]]) -> tuple[tuple[float, int], ...]:
    """The answers in the later histogram that are not in the earlier one."""
    then = dict(before)
    found = tuple((edge, count - then.get(edge, 0)) for edge, count in after)
    return found if found and found[-1][1] else ()


def over(readings: Sequence[Reading], app: str, release: int) -> Side:
    """What happened to a release during all these readings, however often the proxy started anew in between."""
    seen = [found for reading in readings if (found := reading.seen.get(app, {}).get(release))]
    total = Side()
    start = seen[0] if seen else Traffic()
    for before, after in pairwise(seen):
        if before is not after and fell(before, after):
            total, start = both(total, side(start, before)), Traffic()
    return both(total, side(start, seen[-1])) if seen else total


def both(one: Side, other: Side) -> Side:
    """Two times after each other as one. Of histograms with other edges only the later is kept."""
    latency = one.latency or other.latency
    if one.latency and other.latency:
        then = dict(one.latency)
        same = then.keys() == dict(other.latency).keys()
        latency = tuple((edge, count + then[edge]) for edge, count in other.latency) if same else other.latency
    return Side(one.requests + other.requests, one.errors + other.errors, one.exits + other.exits, latency)


def cores(then: Reading | None, at: float, now: Iterable[Status]) -> float | None:
    """Processor cores in use between a reading and `at`; a replica that is younger, or started again, began at 0."""
    if then is None or at - then.at < 1.0:
        return None
    return sum(spent(then.used.get(status.id, 0.0), status.cpu) for status in now) / (at - then.at)


def spent(before: float, after: float) -> float:
    return after - before if after >= before else after


def told(release: int, weight: int, seconds: float, what: Side) -> Seen:
    """What the proxy's part of Seen is."""
    if not what.requests or not seconds:
        return Seen(release, weight, seconds)
    rate = what.requests / seconds
    p50, p95, p99 = (stats.quantile(what.latency, share) for share in (0.5, 0.95, 0.99))
    errors = stats.wilson(what.errors, what.requests)
    return Seen(release, weight, seconds, what.requests, rate, errors, p50, p95, p99)


# ---------------------------------------------------------------------------------------------- acts


def sample(ctx: Context) -> None:
    """Read the proxy once and note it in the meter. Nothing is noted when it does not answer."""
    lately = ctx.meter.lately(USED_EVERY)
    due = not any(reading.used for reading in lately)
    used = {status.id: status.cpu for status in ctx.driver.status()} if due else {}
    with suppress(Down):
        ctx.meter.note(Reading(time.monotonic(), ctx.router.readings(), used))


def per_release(ctx: Context, app: str, seconds: float = 60.0) -> list[Seen]:
    """Every release of the app that the proxy knows or that has processes, oldest first, over the last `seconds` (or as
    long as the platform has looked). Raises NotFound."""
    with ctx.ledger.query() as db:
        questions.app(db, app)
    route, have, now = ctx.router.get(app), ctx.driver.status(app), time.monotonic()
    weights = {number: backend.weight for number, backend in route.backends.items()} if route else {}
    readings = ctx.meter.lately(seconds)
    marked = next((reading for reading in readings if reading.used), None)
    found: list[Seen] = []
    for number in sorted({*weights, *(status.release for status in have)}):
        mine = [status for status in have if status.release == number]
        known = [reading for reading in readings if number in reading.seen.get(app, {})]
        length = known[-1].at - known[0].at if known else 0.0
        seen = told(number, weights.get(number, 0), length, over(known, app, number))
        found.append(
            replace(
                seen,
                active=known[-1].seen[app][number].active if known else 0,
                restarts=sum(status.restarts for status in mine),
                memory=sum(status.rss for status in mine),
                cpu=cores(marked, now, mine),
            )
        )
    return found
