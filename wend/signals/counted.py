"""What was counted per day and per week, of any scope, and the values behind a quantile."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.signals import Point, Scope, Value, Window
from wend.state.catalogue import SERVICES
from wend.state.delivery import DAY
from wend.state.derived import durations, rollups
from wend.state.derived.carried import COUNTS
from wend.state.derived.durations import DURATIONS, LOWS, MEASURES, counting, monday
from wend.state.derived.rollups import ARRIVALS, DAYS
from wend.stats import Interval, more_for_quantile, more_for_share, ranks, wilson

COLUMNS = ("day", "deployments", "rollbacks", "rework", "failed", "assumed", "pushes", "push_only")
Day = Mapping[str, int]
Histogram = dict[int, tuple[list[int], list[int]]]  # Monday → its buckets, rising, and how many values are in each


# ---------------------------------------------------------------------------------------------- pure


def total(days: Iterable[Day], column: str) -> int:
    return sum(int(day[column]) for day in days)


def by_week(days: Iterable[Day]) -> dict[int, list[Day]]:
    """Monday → its days that have anything."""
    found: dict[int, list[Day]] = {}
    for day in days:
        found.setdefault(monday(day["day"]), []).append(day)
    return found


def mondays(window: Window) -> range:
    """Of all weeks that have a day in the window."""
    return range(monday(window.first), window.last + 1, 7)


def share(hits: int, n: int, **rest: Any) -> Value:
    """A share with Wilson's interval, and how many more are needed to tell it within ten points."""
    found = wilson(hits, n)
    return shown(found, more_for_share(hits, n), **rest)


def shown(found: Interval | None, needed: int = 0, **rest: Any) -> Value:
    if found is None:
        return Value(says="no data", **rest)
    return Value(found.value, found.low, found.high, found.n, cannot_tell(needed), **rest)


def cannot_tell(needed: int) -> str:
    return f"cannot tell, needs about {needed:,} more" if needed else ""


def points(window: Window, found: Mapping[int, Interval | None]) -> tuple[Point, ...]:
    """One point a week; a week without anything is a gap."""
    made: list[Point] = []
    for week in mondays(window):
        one = found.get(week)
        made.append(Point(week, one.value, one.low, one.high, one.n) if one else Point(week, None, None, None, 0))
    return tuple(made)


def middle(bucket: int) -> float:
    """The value in seconds that stands for a bucket: at most 1.1 % from any in it; 0 below a millisecond."""
    low = LOWS[bucket]
    high = LOWS[bucket + 1] if bucket + 1 < len(LOWS) else low * 2 ** (1 / 32)
    return (low * high) ** 0.5 / 1e6


@dataclass(frozen=True)
class Piled:
    """A histogram without its weeks: buckets, rising, and the count up to and including each."""

    buckets: Sequence[int]
    upto: Sequence[int]

    @property
    def n(self) -> int:
        return self.upto[-1] if self.upto else 0

    def find(self, rank: int) -> tuple[int, int]:
        """The bucket of the value of this rank (from 1), and how many of that bucket come before it."""
        at = bisect_left(self.upto, rank)
        return self.buckets[at], rank - 1 - (self.upto[at - 1] if at else 0)


def summed(found: Histogram) -> list[tuple[int, int]]:
    """(bucket, n) of all weeks together, rising."""
    counts = [0] * len(LOWS)
    for buckets, some in found.values():
        for bucket, n in zip(buckets, some, strict=True):
            counts[bucket] += n
    return [(bucket, n) for bucket, n in enumerate(counts) if n]


def weekly(found: Histogram, at: float) -> dict[int, Interval | None]:
    """A quantile of every week, to the middle of its bucket."""
    made: dict[int, Interval | None] = {}
    for week, (buckets, counts) in found.items():
        pile = Piled(buckets, list(accumulate(counts)))
        low, high = ranks(pile.n, at)
        value, lower, upper = (
            middle(pile.find(min(pile.n, max(1, rank)))[0]) for rank in (round((pile.n + 1) * at), low, high)
        )
        made[week] = Interval(value, lower, upper, pile.n)
    return made


# ---------------------------------------------------------------------------------------------- asked of the tables


def whose(scope: Scope, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The end of a WHERE that leaves only the scope's rows, and what is given to it besides."""
    return ("", given) if scope.kind == "all" else (f"AND {scope.kind} = :name", given | {"name": scope.name})


def days(db: Connection, scope: Scope, window: Window) -> list[Day]:
    """The days of the window on which something reached production, rising."""
    if scope.kind == "service":
        words = rollups.days("service", "day BETWEEN :first AND :last AND service = :name")
        given = {"first": window.first, "last": window.last, "name": scope.name}
        found = db.execute(sa.text(f"SELECT {', '.join(COLUMNS)} FROM ({words}) AS d ORDER BY day"), given)
    else:
        here = (DAYS.c.scope == scope.key) & DAYS.c.day.between(window.first, window.last)
        found = db.execute(sa.select(*(DAYS.c[name] for name in COLUMNS)).where(here).order_by(DAYS.c.day))
    return [dict(zip(COLUMNS, map(int, row), strict=True)) for row in found.all()]


def came(db: Connection, scope: Scope, window: Window) -> list[tuple[int, int, int]]:
    """(day, changes committed on it, those of them that no deployment carried)."""
    if scope.kind == "service":
        words = rollups.arrivals("service", "x.day BETWEEN :first AND :last")
        given = {"first": window.first, "last": window.last, "name": scope.name}
        rows = db.execute(sa.text(words), given).mappings()
    else:
        here = (ARRIVALS.c.scope == scope.key) & ARRIVALS.c.day.between(window.first, window.last)
        rows = db.execute(sa.select(ARRIVALS).where(here)).mappings()
    return [(row["day"], int(row["changes"]), int(row["waiting"])) for row in rows]


def histogram(db: Connection, measure: str, scope: Scope, window: Window) -> Histogram:
    """One measure's durations per week and bucket, the weeks rising."""
    if scope.kind == "service":
        return counted_now(db, measure, scope, window.first, window.last)
    begin, end = monday(window.first), monday(window.last)
    found: Histogram = {}
    if begin < window.first:
        found |= counted_now(db, measure, scope, window.first, min(window.last, begin + 6))
        begin += 7
    cut = end >= begin and beyond(db, measure, scope, window.last + 1, end + 6)
    here = (DURATIONS.c.measure == measure) & (DURATIONS.c.scope == scope.key)
    weeks = DURATIONS.c.week.between(begin, end - 7 if cut else end)
    rows = sa.select(DURATIONS.c.week, DURATIONS.c.bucket, DURATIONS.c.n).where(here, weeks)
    found |= gathered(db, rows.order_by(DURATIONS.c.week, DURATIONS.c.bucket).subquery())
    return found | counted_now(db, measure, scope, end, window.last) if cut else found


def gathered(db: Connection, rows: sa.FromClause) -> Histogram:
    """(week, bucket, n) a week at a time: a row from the database for each of tens of thousands takes longer than
    everything else. The database may hand the buckets over in any order."""
    query = sa.select(rows.c.week, as_list(db, rows.c.bucket), as_list(db, rows.c.n)).group_by(rows.c.week)
    found: Histogram = {}
    for row in db.execute(query.order_by(rows.c.week)):
        week, said, how_many = int(row[0]), str(row[1]), str(row[2])
        buckets, counts = json.loads(said), json.loads(how_many)
        if any(after < before for before, after in pairwise(buckets)):
            buckets, counts = map(list, zip(*sorted(zip(buckets, counts, strict=True)), strict=True))
        found[week] = buckets, counts
    return found


def as_list(db: Connection, column: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    """The values of a group as a JSON text."""
    if db.dialect.name == "postgresql":
        return sa.cast(sa.func.json_agg(column), sa.Text)
    return sa.func.json_group_array(column)


def counted_now(db: Connection, measure: str, scope: Scope, first: int, last: int) -> Histogram:
    """The same of these days, from the rows themselves."""
    only, given = whose(scope, {"first": first, "last": last})
    words = durations.durations(measure, scope.kind, f"{{day}} BETWEEN :first AND :last {only}")
    rows = sa.text(f"SELECT week, bucket, n FROM ({words}) AS f").bindparams(**given)
    return gathered(db, rows.columns(*map(sa.column, ("week", "bucket", "n"))).subquery())


def beyond(db: Connection, measure: str, scope: Scope, first: int, last: int) -> bool:
    """Whether anything of these days, which the window leaves out, was counted in its last week: the window ends inside
    it, or somebody's clock is ahead."""
    if first > last:
        return False
    source, day, _, _ = MEASURES[measure]
    only, given = whose(scope, {"first": first, "last": last})
    words = f"SELECT 1 FROM {source} WHERE {counting(measure, scope.kind)} AND {day} BETWEEN :first AND :last"
    return db.execute(sa.text(f"{words} {only} LIMIT 1"), given).first() is not None


def quantiles(
    db: Connection, measure: str, scope: Scope, window: Window, found: Histogram, shares: Sequence[float]
) -> list[Value]:
    """The quantiles in seconds, exact: between the two values nearest to the rank, as if spread evenly (for two values
    the median is their middle), with the interval of order statistics."""
    every = summed(found)
    pile = Piled([bucket for bucket, _ in every], list(accumulate(n for _, n in every)))
    known: dict[int, float] = {}

    def at(rank: int) -> float:
        if rank not in known:
            known[rank] = value_of(db, measure, scope, window, *pile.find(rank)) / 1e6
        return known[rank]

    return [quantile(pile.n, share, at) for share in shares]


def quantile(n: int, share: float, at: Any) -> Value:
    if not n:
        return Value(says="no data")
    place = 1 + (n - 1) * share
    below = int(place)
    value = at(below) + (place - below) * (at(min(n, below + 1)) - at(below)) if place > below else at(below)
    low, high = ranks(n, share)
    return Value(
        value, at(low) if low else None, at(high) if high <= n else None, n, cannot_tell(more_for_quantile(n, share))
    )


def value_of(db: Connection, measure: str, scope: Scope, window: Window, bucket: int, place: int) -> int:
    """The value at this place (from 0) among the sorted ones of a bucket, in microseconds."""
    source, day, value, _ = MEASURES[measure]
    top = LOWS[bucket + 1] if bucket + 1 < len(LOWS) else 2**62
    given = {"first": window.first, "last": window.last, "low": LOWS[bucket], "top": top, "place": place}
    only, given = whose(scope, given)
    words = (
        f"SELECT {value} AS value FROM {source} WHERE {counting(measure, scope.kind).replace('AND lead >= 0', '')} "
        f"AND {day} BETWEEN :first AND :last {only} "
        f"AND {value} >= :low AND {value} < :top ORDER BY {value} LIMIT 1 OFFSET :place"
    )
    return int(db.execute(sa.text(words), given).scalar_one())


def newest(db: Connection, now: int = 2**62) -> int | None:
    """When the newest deployment to production ended that was heard of; not what somebody's clock puts after now."""
    words = f"SELECT MAX(finished_at) FROM deployments d WHERE {COUNTS} AND finished_at <= :now"
    return db.execute(sa.text(words), {"now": now}).scalar()


def alive(db: Connection, scope: Scope, window: Window) -> Window | None:
    """The part of the window in which the scope was there: from its first deployment on, a service until it left. A
    rate over other days would be too low. None: it was not there."""
    if scope.kind == "service":
        words = f"SELECT MIN(day), MAX(day) FROM deployments d WHERE service = :name AND {COUNTS}"
        first, newest = db.execute(sa.text(words), {"name": scope.name}).one()
        until = db.execute(sa.select(SERVICES.c.until).where(SERVICES.c.service == scope.name)).scalar()
    else:
        first = db.execute(sa.select(sa.func.min(DAYS.c.day)).where(DAYS.c.scope == scope.key)).scalar()
        newest = until = None
    if first is None or first > window.last:
        return None
    last = window.last if until is None else min(window.last, max(until // DAY, newest))
    return replace(window, first=max(window.first, first), last=last) if last >= window.first else None
