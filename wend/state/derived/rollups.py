"""Counts per day, of everything and of each team, so that a question about two years reads thousands of rows and not
millions. What is asked of one service is counted when it is asked, by the same statements.

A scope is "all", "team:NAME" or "service:NAME". Days are UTC, weeks begin on Monday.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.state.catalogue import outside
from wend.state.delivery import COUNTS
from wend.state.derived.blames import ASSUMED
from wend.state.derived.durations import ONLY, SCOPE, durations, week
from wend.state.derived.durations import monday as monday
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
# ---------------------------------------------------------------------------------------------- what is counted

HAVE = {
    "all": "SELECT DISTINCT repo, '' AS team, '' AS service FROM services WHERE repo IS NOT NULL",
    "team": "SELECT DISTINCT repo, team, '' AS service FROM services WHERE repo IS NOT NULL AND team IS NOT NULL",
    "service": "SELECT repo, team, service FROM services WHERE repo IS NOT NULL AND service = :name",
}
THEIRS = {"all": "", "team": "AND c.team = s.team", "service": "AND c.service = s.service"}
ELSEWHERE = outside("v.service", 'x."commit"')
WALKED_PAST = outside("c.service", 'x."commit"')  # contained in a deployment of a service that it does not touch


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
    CASE WHEN EXISTS (SELECT 1 FROM carried c WHERE c."commit" = x."commit" {THEIRS[kind]}
      AND (c.explicit = 1 OR NOT {WALKED_PAST})) THEN 0 ELSE 1 END AS waiting
  FROM changes x JOIN ({HAVE[kind]}) AS s ON s.repo = x.repo
  WHERE {where} AND x.merge = 0 AND x.bot = 0 AND EXISTS (SELECT 1 FROM services v
    WHERE v.repo = x.repo {THEIRS[kind].replace("c.", "v.")} AND NOT {ELSEWHERE})
) AS came GROUP BY 1, day
"""


# ---------------------------------------------------------------------------------------------- what is kept
SEVEN = f"({' UNION ALL '.join(f'SELECT {n} AS n' for n in range(7))})"
DIRTY_DAYS = "(SELECT CAST(key AS BIGINT) AS day FROM dirty WHERE kind = '{kind}')"
DIRTY_WEEKS = f"(SELECT DISTINCT {week('marked.day')} AS week FROM {DIRTY_DAYS} AS marked)".format(kind="day")


def roll_up(db: Connection) -> None:
    """Count the dirty days, and how long deployments took in the weeks they are in, anew."""
    for into, kind, counted in (("days", "day", days), ("arrivals", "arrived", arrivals)):
        here = f"day IN {DIRTY_DAYS.format(kind=kind)}"
        db.execute(sa.text(f"DELETE FROM {into} WHERE {here}"))
        for scope in ("all", "team"):
            db.execute(sa.text(f"INSERT INTO {into} {counted(scope, here)}"))
    db.execute(sa.text(f"DELETE FROM durations WHERE measure = 'took' AND week IN {DIRTY_WEEKS}"))
    touched = f"{{day}} IN (SELECT w.week + n.n FROM {DIRTY_WEEKS} AS w JOIN {SEVEN} AS n ON 1 = 1)"
    for scope in ("all", "team"):
        db.execute(sa.text(f"INSERT INTO durations {durations('took', scope, touched)}"))
