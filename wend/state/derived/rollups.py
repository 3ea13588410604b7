"""Counts per day and scope, so that a question about two years reads hundreds of rows and not millions.

A scope is "all", "team:NAME" or "service:NAME". Days are UTC. Durations are counted in buckets whose edges are
2^(1/32) apart, per day and per week (from Monday): a quantile's bucket is found there, and the value itself in it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, event

from wend.state.derived.blames import ASSUMED
from wend.state.derived.carried import COUNTS
from wend.state.tables import number, table, text

DAYS = table(
    "days",
    text("scope", key=True),
    number("day", key=True),
    number("deployments"),
    number("rollbacks"),
    number("rework"),
    number("failed"),
    number("assumed"),
    number("pushes"),
    number("push_only"),
    number("skewed"),
)
ARRIVALS = table("arrivals", text("scope", key=True), number("day", key=True), number("changes"), number("waiting"))
DURATIONS = table(
    "durations",
    text("measure", key=True),
    text("scope", key=True),
    text("grain", key=True),
    number("start", key=True),
    number("bucket", key=True),
    number("n"),
)
SECOND = 1_000_000
LOWS = (0, *(round(SECOND * 2 ** (step / 32)) for step in range(32 * 29)))  # of each bucket, microseconds; to 17 years
EDGES = table("edges", number("low", key=True), number("bucket"))


@event.listens_for(EDGES, "after_create")
def fill(_table: sa.Table, connection: Connection, **_rest: Any) -> None:
    """The edges are part of the table's definition."""
    connection.execute(sa.insert(EDGES), [{"low": low, "bucket": bucket} for bucket, low in enumerate(LOWS)])


def week(day: int) -> int:
    """The Monday of the day's week (day 0, 1970-01-01, was a Thursday)."""
    return day - (day + 3) % 7


WEEK = "(start - (start + 3) % 7)"
SCOPES = (("'all'", ""), ("'team:' || team", "AND team IS NOT NULL"), ("'service:' || service", ""))
SOME = "(SELECT CAST(key AS BIGINT) FROM dirty WHERE kind = '{kind}')"
TODAY, ARRIVED = SOME.format(kind="day"), SOME.format(kind="arrived")
CLEARED = (
    f"DELETE FROM days WHERE day IN {TODAY}",
    f"DELETE FROM arrivals WHERE day IN {ARRIVED}",
    f"DELETE FROM durations WHERE grain = 'day' AND measure IN ('lead', 'took') AND start IN {TODAY}",
    f"DELETE FROM durations WHERE grain = 'day' AND measure = 'arrival' AND start IN {ARRIVED}",
)
COUNTED = f"""
INSERT INTO days (scope, day, deployments, rollbacks, rework, failed, assumed, pushes, push_only, skewed)
SELECT {{scope}}, day, COUNT(*), SUM(CASE WHEN purpose = 'rollback' THEN 1 ELSE 0 END), SUM(rework),
  SUM(CASE WHEN failed BETWEEN 1 AND {ASSUMED - 1} THEN 1 ELSE 0 END),
  SUM(CASE WHEN failed = {ASSUMED} THEN 1 ELSE 0 END), COUNT(push_only), coalesce(SUM(push_only), 0), 0
FROM deployments d WHERE day IN {TODAY} AND {COUNTS} {{only}} GROUP BY {{scope}}, day
"""
SKEWED = f"""
INSERT INTO days (scope, day, deployments, rollbacks, rework, failed, assumed, pushes, push_only, skewed)
SELECT {{scope}}, day, 0, 0, 0, 0, 0, 0, 0, COUNT(*) FROM carried
WHERE day IN {TODAY} AND lead < 0 AND merge = 0 {{only}} GROUP BY {{scope}}, day
ON CONFLICT (scope, day) DO UPDATE SET skewed = excluded.skewed
"""
CAME = f"""
INSERT INTO arrivals (scope, day, changes, waiting)
SELECT {{scope}}, day, COUNT(*), SUM(waiting) FROM (
  SELECT x.day, s.service, s.team, CASE WHEN EXISTS (SELECT 1 FROM carried c WHERE c."commit" = x."commit")
    THEN 0 ELSE 1 END AS waiting
  FROM changes x LEFT JOIN (SELECT repo, MIN(service) AS service, MIN(team) AS team FROM services
    WHERE repo IS NOT NULL GROUP BY repo) AS s ON s.repo = x.repo
  WHERE x.day IN {ARRIVED} AND x.merge = 0 AND x.bot = 0
) AS came WHERE ({{scope}}) IS NOT NULL GROUP BY {{scope}}, day
"""
BUCKET = "(SELECT bucket FROM edges WHERE low <= {value} ORDER BY low DESC LIMIT 1)"


def durations(measure: str, source: str, day: str, value: str, where: str) -> str:
    """The statement that counts one measure's durations per day and bucket; `{scope}` and `{only}` are still open."""
    return f"""
INSERT INTO durations (measure, scope, grain, start, bucket, n)
SELECT '{measure}', scope, 'day', start, bucket, COUNT(*) FROM (
  SELECT {{scope}} AS scope, {day} AS start, {BUCKET.format(value=value)} AS bucket
  FROM {source} WHERE {where} {{only}}
) AS found GROUP BY scope, start, bucket
"""


LEAD = durations("lead", "carried", "day", "lead", f"day IN {TODAY} AND merge = 0 AND lead >= 0")
ARRIVAL = durations("arrival", "carried", "arrived", "lead", f"arrived IN {ARRIVED} AND merge = 0 AND lead >= 0")
TOOK = durations(
    "took",
    "deployments d",
    "day",
    "(finished_at - started_at)",
    f"day IN {TODAY} AND started_at <= finished_at AND {COUNTS}",
)
WEEKS_CLEARED = f"""
DELETE FROM durations WHERE grain = 'week' AND start IN (
  SELECT {WEEK} FROM (SELECT CAST(key AS BIGINT) AS start FROM dirty WHERE kind IN ('day', 'arrived')) AS some)
"""
WEEKS = f"""
INSERT INTO durations (measure, scope, grain, start, bucket, n)
SELECT measure, scope, 'week', {WEEK}, bucket, SUM(n) FROM durations
WHERE grain = 'day' AND {WEEK} IN (
  SELECT {WEEK} FROM (SELECT CAST(key AS BIGINT) AS start FROM dirty WHERE kind IN ('day', 'arrived')) AS some)
GROUP BY measure, scope, {WEEK}, bucket
"""


def roll_up(db: Connection) -> None:
    """Count the dirty days anew, and the weeks they are in."""
    for words in CLEARED:
        db.execute(sa.text(words))
    for words in (COUNTED, SKEWED, CAME, LEAD, ARRIVAL, TOOK):
        for scope, only in SCOPES:
            db.execute(sa.text(words.format(scope=scope, only=only)))
    for words in (WEEKS_CLEARED, WEEKS):
        db.execute(sa.text(words))
