"""How long things took, counted per week in buckets, of everything and of each team: a quantile's bucket is found here,
and the value itself among the rows in it. The edges of buckets are 2^(1/32) apart.

What is counted of CARRIED follows its rows: a row that is worked out anew is taken out as it was and put in as it is.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.state.delivery import COUNTS, TOOK
from wend.state.tables import number, some_of, table, text

DURATIONS = table(
    "durations",
    text("measure", key=True),
    text("scope", key=True),
    number("week", key=True),
    number("bucket", key=True),
    number("n"),
    some_of("durations_none", "n = 0", "n"),
    some_of("durations_took", "measure = 'took'", "week"),
)
SECOND = 1_000_000
# Of each bucket, in microseconds: from a millisecond, for a deploy may take few of them, to 17 years.
LOWS = (0, *(round(SECOND * 2 ** (step / 32)) for step in range(-32 * 10, 32 * 29)))
EDGES = table("edges", number("low", key=True), number("bucket"))


def monday(day: int) -> int:
    """The Monday of the day's week (day 0, 1970-01-01, was a Thursday)."""
    return day - (day + 3) % 7


def week(column: str) -> str:
    return f"({column} - ({column} + 3) % 7)"


SCOPE = {"all": "'all'", "team": "'team:' || team", "service": "'service:' || service"}
ONLY = {"all": "1 = 1", "team": "team IS NOT NULL", "service": "service = :name"}
# A change that several services carry is one change of all, and one of each team, when the first of them brought it.
FIRST = {"all": "place = 2", "team": "place >= 1", "service": "1 = 1"}
# Measure → the rows, the day they belong to, their duration, and which of them count.
MEASURES: dict[str, tuple[str, str, str, str]] = {
    "lead": ("carried", "day", "lead", "merge = 0 AND lead >= 0"),
    "joined": ("carried", "day", "lead", "merge = 1 AND lead >= 0"),
    "arrival": ("carried", "arrived", "lead", "merge = 0 AND lead >= 0 AND arrived IS NOT NULL"),
    "took": ("deployments d", "day", TOOK, f"started_at <= finished_at AND {COUNTS}"),
}
FROM_CARRIED = ("lead", "joined", "arrival")
THESE = "these AS MATERIALIZED (SELECT * FROM carried WHERE fresh = 1)"  # few, and found by that


def counting(measure: str, kind: str) -> str:
    """Which rows of a measure count for this kind of scope."""
    source, _, _, counts = MEASURES[measure]
    return f"{counts} AND {FIRST[kind]}" if source == "carried" else counts


def durations(measure: str, kind: str, where: str, sign: str = "") -> str:
    """One measure's durations per week and bucket. `where` may use `{day}`."""
    source, day, value, _ = MEASURES[measure]
    return f"""
SELECT '{measure}' AS measure, scope, week, bucket, {sign}COUNT(*) AS n FROM (
  SELECT {SCOPE[kind]} AS scope, {week(day)} AS week,
    (SELECT bucket FROM edges WHERE low <= {value} ORDER BY low DESC LIMIT 1) AS bucket
  FROM {source} WHERE {where.format(day=day)} AND {counting(measure, kind)} AND {ONLY[kind]}
) AS found GROUP BY scope, week, bucket
"""


def lay_edges(db: Connection) -> None:
    """The edges are part of the table's definition."""
    if db.execute(sa.select(EDGES.c.low).limit(1)).first() is None:
        db.execute(sa.insert(EDGES), [{"low": low, "bucket": bucket} for bucket, low in enumerate(LOWS)])


def count_fresh(db: Connection, sign: str) -> None:
    """Put the fresh rows of CARRIED in ("+"), or take them out as they are ("-")."""
    more = "ON CONFLICT (measure, scope, week, bucket) DO UPDATE SET n = durations.n + excluded.n"
    for measure in FROM_CARRIED:
        for kind in ("all", "team"):
            words = durations(measure, kind, "fresh = 1", sign).replace("FROM carried", "FROM these")
            db.execute(sa.text(f"INSERT INTO durations WITH {THESE} {words} {more}"))


def forget_none(db: Connection) -> None:
    db.execute(sa.text("DELETE FROM durations WHERE n = 0"))
