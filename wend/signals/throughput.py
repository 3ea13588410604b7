"""How much gets through: DORA's deployment frequency, change lead time, and failed deployment recovery time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import rates, survival
from wend.signals import NOTHING, Scope, Signal, Value, Window
from wend.signals.counted import (
    alive,
    by_week,
    came,
    cannot_tell,
    days,
    histogram,
    middle,
    mondays,
    newest,
    points,
    quantiles,
    shown,
    summed,
    total,
    weekly,
    whose,
)
from wend.signals.definitions import DEFINITIONS
from wend.signals.stages import stages
from wend.state.derived.blames import ASSUMED
from wend.state.derived.carried import CARRIED
from wend.state.derived.durations import FIRST
from wend.stats import more_for_quantile

FEW = 5  # failures below which they are listed, not summed up
MANY = 2000  # failures above which they are counted in buckets
CLOCKS = "{} changes were deployed before they were committed: clocks disagree. They are left out."


def deployment_frequency(db: Connection, scope: Scope, window: Window) -> Signal:
    """Deployments / days since the scope's first, with Garwood's interval: it takes each as an event of its own, so a
    team that deploys in bursts has a wider one in truth. Who deployed before and not in the window has 0."""
    about, found, here = DEFINITIONS["deployment_frequency"], days(db, scope, window), alive(db, scope, window)
    n = total(found, "deployments")
    if here is None:
        return Signal(about, scope, window, NOTHING, fresh=newest(db, window.now))
    weeks = by_week(found)
    whole = [week for week in mondays(window) if week >= here.first and week + 6 <= here.last]
    active = [sum(1 for day in weeks.get(week, ()) if day["deployments"]) for week in whole]
    parts = {"rollbacks": count(total(found, "rollbacks"), n)}
    if active:
        parts["days_per_week"] = Value(float(median(active)), min(active), max(active), len(active))
    if gaps := [after["day"] - before["day"] for before, after in pairwise(found)]:
        parts["days_between"] = Value(float(median(gaps)), min(gaps), max(gaps), len(gaps))
    series = {
        week: rates.rate(total(weeks.get(week, ()), "deployments"), days_of(week, here)) for week in mondays(here)
    }
    value = shown(rates.rate(n, here.days), rates.more_for_rate(n))
    return Signal(about, scope, window, value, parts, points(window, series), newest(db, window.now))


def days_of(week: int, here: Window) -> int:
    return min(week + 6, here.last) - max(week, here.first) + 1


def count(number: int, n: int) -> Value:
    return Value(float(number), float(number), float(number), n)


def change_lead_time(db: Connection, scope: Scope, window: Window) -> Signal:
    """Quantiles over the changes first deployed in the window; beside them the median with those not yet deployed taken
    into account (Kaplan-Meier over the changes committed in it, to 1.1 %), and the medians of the stages of requests to
    merge: coding, pickup, review, from merge to deployment."""
    about, found = DEFINITIONS["change_lead_time"], histogram(db, "lead", scope, window)
    half, three, nine = quantiles(db, "lead", scope, window, found, (0.5, 0.75, 0.9))
    wrong = skewed(db, scope, window)
    waiting = still_waiting(db, scope, window)
    value = Value(half.value, half.low, half.high, half.n, half.says, waiting.censored, skewed=wrong)
    parts = {"p75": three, "p90": nine, "with_waiting": waiting, **stages(db, scope, window)}
    joined = histogram(db, "joined", scope, window)
    if joined:
        parts["merge_to_deploy"] = quantiles(db, "joined", scope, window, joined, (0.5,))[0]
    notes = (CLOCKS.format(wrong),) if wrong else ()
    return Signal(about, scope, window, value, parts, points(window, weekly(found, 0.5)), newest(db, window.now), notes)


def skewed(db: Connection, scope: Scope, window: Window) -> int:
    """Changes that were deployed before they were committed."""
    here = CARRIED.c.day.between(window.first, window.last) & (CARRIED.c.lead < 0)
    query = sa.select(sa.func.count()).select_from(CARRIED).where(here)
    query = query.where(sa.text(f"merge = 0 AND {FIRST[scope.kind]}"))
    if scope.kind != "all":
        query = query.where(CARRIED.c[scope.kind] == scope.name)
    return int(db.execute(query).scalar_one())


def still_waiting(db: Connection, scope: Scope, window: Window) -> Value:
    """The median lead time of the changes committed in the window, those that wait included. A waiting one's age is
    counted in whole days."""
    ended = [(middle(bucket), n, 0) for bucket, n in summed(histogram(db, "arrival", scope, window))]
    ages = [(max(0.0, window.last - day) * 86400.0, waiting) for day, _, waiting in came(db, scope, window)]
    lost = [(age, 0, waiting) for age, waiting in ages if waiting]
    return over(survival.median(survival.curve([*ended, *lost])))


def over(found: survival.Open) -> Value:
    if not found.n:
        return NOTHING
    says = "not reached yet" if found.value is None else cannot_tell(more_for_quantile(found.n))
    return Value(found.value, found.low, found.high, found.n, says, found.censored)


def failed_deployment_recovery_time(db: Connection, scope: Scope, window: Window) -> Signal:
    """Kaplan-Meier over the deployments of the window that failed by evidence; those not recovered yet are censored. Of
    more than MANY, to 1.1 %."""
    about, (n, wrong) = DEFINITIONS["failed_deployment_recovery_time"], how_many_failed(db, scope, window)
    if not n:
        return Signal(about, scope, window, NOTHING, fresh=newest(db, window.now))
    lasted, noticed = (in_buckets if n > MANY else one_by_one)(db, scope, window)
    curve = survival.curve(lasted)
    parts = {"p90": over(survival.quantile(curve, 0.9))}
    parts["until_noticed"] = over(survival.median(survival.curve(noticed)))
    value = replace(over(survival.median(curve)), skewed=wrong)
    notes = (f"Only {n - wrong} failed: read them one by one.",) if n - wrong < FEW else ()
    return Signal(about, scope, window, value, parts, fresh=newest(db, window.now), notes=notes)


RIGHT = "(restored_at IS NULL OR restored_at >= finished_at)"
Lasting = list[tuple[float, int, int]]  # (seconds, how many ended then, how many were seen until then and had not)


def which_failed(scope: Scope, window: Window) -> tuple[str, dict[str, Any]]:
    """The FROM and WHERE of every deployment of the window that failed by evidence."""
    only, given = whose(scope, {"first": window.first, "last": window.last})
    known = f"failed > 0 AND failed < {ASSUMED}"
    return f"FROM deployments WHERE {known} AND day BETWEEN :first AND :last {only}", given


def how_many_failed(db: Connection, scope: Scope, window: Window) -> tuple[int, int]:
    """(all, those of them that were well again before they were there: clocks disagree)."""
    here, given = which_failed(scope, window)
    words = f"SELECT COUNT(*), coalesce(SUM(CASE WHEN {RIGHT} THEN 0 ELSE 1 END), 0) {here}"
    row = db.execute(sa.text(words), given).one()
    return int(row[0]), int(row[1])


def one_by_one(db: Connection, scope: Scope, window: Window) -> tuple[Lasting, Lasting]:
    """How long each failure lasted, and how long it was before somebody noticed."""
    here, given = which_failed(scope, window)
    words = sa.text(f"SELECT finished_at, detected_at, restored_at {here} AND {RIGHT}")
    rows: list[tuple[int, int | None, int | None]] = [(row[0], row[1], row[2]) for row in db.execute(words, given)]
    lasted = [lasting(begun, ended, window.now) for begun, _, ended in rows]
    return lasted, [(max(0, seen - begun) / 1e6, 1, 0) for begun, seen, _ in rows if seen is not None]


def lasting(begun: int, ended: int | None, now: int) -> tuple[float, int, int]:
    """(seconds, ended, not ended) of one failure."""
    return (max(0, now - begun) / 1e6, 0, 1) if ended is None else ((ended - begun) / 1e6, 1, 0)


def in_buckets(db: Connection, scope: Scope, window: Window) -> tuple[Lasting, Lasting]:
    """The same of very many, counted by the database: of each bucket its middle. A curve of so many steps would take
    long to draw."""
    here, given = which_failed(scope, window)
    after = "{} - finished_at"
    lasted = counted_in(db, after.format("coalesce(restored_at, :now)"), here, given | {"now": window.now})
    noticed = counted_in(db, after.format("detected_at"), f"{here} AND detected_at IS NOT NULL", given)
    return (
        [(middle(bucket), 0 if waits else n, n if waits else 0) for bucket, waits, n in lasted],
        [(middle(bucket), n, 0) for bucket, _, n in noticed],
    )


def counted_in(db: Connection, value: str, here: str, given: dict[str, Any]) -> list[tuple[int, int, int]]:
    """(bucket, whether it is not over, how many)."""
    bucket = f"(SELECT bucket FROM edges WHERE low <= CASE WHEN {value} > 0 THEN {value} ELSE 0 END"
    words = f"""
SELECT bucket, waits, COUNT(*) FROM (
  SELECT {bucket} ORDER BY low DESC LIMIT 1) AS bucket, CASE WHEN restored_at IS NULL THEN 1 ELSE 0 END AS waits
  {here} AND {RIGHT}
) AS found GROUP BY bucket, waits"""
    return [(row[0], row[1], int(row[2])) for row in db.execute(sa.text(words), given)]
