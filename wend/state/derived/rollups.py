"""Counts per day and durations per week, of everything and of each team, so that a question about two years reads
thousands of rows and not millions. What is asked of one service is counted when it is asked, by the same statements.

A scope is "all", "team:NAME" or "service:NAME". Days are UTC, weeks begin on Monday. Durations are counted in buckets
whose edges are 2^(1/32) apart: a quantile's bucket is found here, and the value itself among the rows in it.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.state.delivery import TOOK
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
)
ARRIVALS = table("arrivals", text("scope", key=True), number("day", key=True), number("changes"), number("waiting"))
DURATIONS = table(
    "durations",
    text("measure", key=True),
    text("scope", key=True),
    number("week", key=True),
    number("bucket", key=True),
    number("n"),
)
SECOND = 1_000_000
LOWS = (0, *(round(SECOND * 2 ** (step / 32)) for step in range(32 * 29)))  # of each bucket, microseconds; to 17 years
EDGES = table("edges", number("low", key=True), number("bucket"))


def monday(day: int) -> int:
    """The Monday of the day's week (day 0, 1970-01-01, was a Thursday)."""
    return day - (day + 3) % 7


def week(column: str) -> str:
    return f"({column} - ({column} + 3) % 7)"


# ---------------------------------------------------------------------------------------------- what is counted

SCOPE = {"all": "'all'", "team": "'team:' || team", "service": "'service:' || service"}
ONLY = {"all": "1 = 1", "team": "team IS NOT NULL", "service": "service = :name"}
# A change that several services carry is one change of all, and one of each team, when the first of them brought it.
FIRST = {"all": "place = 2", "team": "place >= 1", "service": "1 = 1"}
HAVE = {
    "all": "SELECT DISTINCT repo, '' AS team, '' AS service FROM services WHERE repo IS NOT NULL",
    "team": "SELECT DISTINCT repo, team, '' AS service FROM services WHERE repo IS NOT NULL AND team IS NOT NULL",
    "service": "SELECT repo, team, service FROM services WHERE repo IS NOT NULL AND service = :name",
}
THEIRS = {"all": "", "team": "AND c.team = s.team", "service": "AND c.service = s.service"}


def days(kind: str, where: str) -> str:
    """Deployments that reached production, per day: one row a scope and day."""
    scope = SCOPE[kind]
    return f"""
SELECT {scope} AS scope, day, COUNT(*) AS deployments,
  SUM(CASE WHEN purpose = 'rollback' THEN 1 ELSE 0 END) AS rollbacks, SUM(rework) AS rework,
  SUM(CASE WHEN failed BETWEEN 1 AND {ASSUMED - 1} THEN 1 ELSE 0 END) AS failed,
  SUM(CASE WHEN failed = {ASSUMED} THEN 1 ELSE 0 END) AS assumed,
  COUNT(push_only) AS pushes, coalesce(SUM(push_only), 0) AS push_only
FROM deployments d WHERE {where} AND {COUNTS} AND {ONLY[kind]} GROUP BY 1, day
"""


def arrivals(kind: str, where: str) -> str:
    """Changes of what services are made from, by the day of their commit, and how many of them none carried yet."""
    return f"""
SELECT {SCOPE[kind]} AS scope, day, COUNT(*) AS changes, SUM(waiting) AS waiting FROM (
  SELECT x.day, s.service, s.team,
    CASE WHEN EXISTS (SELECT 1 FROM carried c WHERE c."commit" = x."commit" {THEIRS[kind]}) THEN 0 ELSE 1 END AS waiting
  FROM changes x JOIN ({HAVE[kind]}) AS s ON s.repo = x.repo
  WHERE {where} AND x.merge = 0 AND x.bot = 0
) AS came GROUP BY 1, day
"""


# Measure → the rows, the day they belong to, their duration, and which of them count.
MEASURES: dict[str, tuple[str, str, str, str]] = {
    "lead": ("carried", "day", "lead", "merge = 0 AND lead >= 0"),
    "joined": ("carried", "day", "lead", "merge = 1 AND lead >= 0"),
    "arrival": ("carried", "arrived", "lead", "merge = 0 AND lead >= 0"),
    "took": ("deployments d", "day", TOOK, f"started_at <= finished_at AND {COUNTS}"),
}


def counting(measure: str, kind: str) -> str:
    """Which rows of a measure count for this kind of scope."""
    source, _, _, counts = MEASURES[measure]
    return f"{counts} AND {FIRST[kind]}" if source == "carried" else counts


def durations(measure: str, kind: str, where: str) -> str:
    """One measure's durations per week and bucket. `where` may use `{day}`."""
    source, day, value, _ = MEASURES[measure]
    return f"""
SELECT '{measure}' AS measure, scope, week, bucket, COUNT(*) AS n FROM (
  SELECT {SCOPE[kind]} AS scope, {week(day)} AS week,
    (SELECT bucket FROM edges WHERE low <= {value} ORDER BY low DESC LIMIT 1) AS bucket
  FROM {source} WHERE {where.format(day=day)} AND {counting(measure, kind)} AND {ONLY[kind]}
) AS found GROUP BY scope, week, bucket
"""


# ---------------------------------------------------------------------------------------------- what is kept
SEVEN = f"({' UNION ALL '.join(f'SELECT {n} AS n' for n in range(7))})"
DIRTY_DAYS = "(SELECT CAST(key AS BIGINT) AS day FROM dirty WHERE kind = '{kind}')"
DIRTY_WEEKS = f"(SELECT DISTINCT {week('marked.day')} AS week FROM {DIRTY_DAYS} AS marked)"
KIND: Mapping[str, str] = {"lead": "day", "joined": "day", "took": "day", "arrival": "arrived"}


def roll_up(db: Connection) -> None:
    """Count the dirty days, and the weeks they are in, anew."""
    if db.execute(sa.select(EDGES.c.low).limit(1)).first() is None:
        db.execute(sa.insert(EDGES), [{"low": low, "bucket": bucket} for bucket, low in enumerate(LOWS)])
    for into, kind, counted in (("days", "day", days), ("arrivals", "arrived", arrivals)):
        here = f"day IN {DIRTY_DAYS.format(kind=kind)}"
        db.execute(sa.text(f"DELETE FROM {into} WHERE {here}"))
        for scope in ("all", "team"):
            db.execute(sa.text(f"INSERT INTO {into} {counted(scope, here)}"))
    for measure, kind in KIND.items():
        weeks = DIRTY_WEEKS.format(kind=kind)
        db.execute(sa.text(f"DELETE FROM durations WHERE measure = '{measure}' AND week IN {weeks}"))
        touched = f"{{day}} IN (SELECT w.week + n.n FROM {weeks} AS w JOIN {SEVEN} AS n ON 1 = 1)"
        for scope in ("all", "team"):
            db.execute(sa.text(f"INSERT INTO durations {durations(measure, scope, touched)}"))
