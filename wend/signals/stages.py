"""Where a change's time goes: the stages of requests to merge that were deployed in the window.

coding: from the first commit of the branch until it was opened; pickup: until somebody else said the first word; then
review, until it was merged. (From merge to deployment is the lead time of the commit it ended in.) A stage that nobody
told of is left out, and never counted as 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.signals import Scope, Value, Window
from wend.signals.counted import quantile, whose
from wend.state.derived.durations import FIRST

MOST = 250  # commits of a branch that are looked back on
# The branch's own commits, from its last one back, as many as it has; where another branch was merged into it they
# cannot be told apart by counting, and where some were not heard of the first is not known. CROSS JOIN: SQLite then
# begins with the requests, which are far fewer than the changes.
STAGES = """
WITH RECURSIVE mine AS (
  SELECT r.id, r.head, r.own, r.opened_at, r.reviewed_at, r.merged_at FROM reviews r
  CROSS JOIN carried c
  WHERE c."commit" = r."commit" AND c.lead IS NOT NULL AND c.day BETWEEN :first AND :last AND {first} {only}
), walk (id, "commit", more) AS (
  SELECT id, head, own - 1 FROM mine WHERE head IS NOT NULL AND own BETWEEN 1 AND :most
  UNION
  SELECT w.id, p.parent, w.more - 1 FROM walk w JOIN parents p ON p."commit" = w."commit" WHERE w.more > 0
), begun AS (
  SELECT w.id, MIN(x.committed_at) AS at, COUNT(*) AS n, MAX(x.merge) AS merges
  FROM walk w JOIN changes x ON x."commit" = w."commit" GROUP BY w.id
)
SELECT
  CASE WHEN b.n = m.own AND b.merges = 0 THEN CASE WHEN m.opened_at > b.at THEN m.opened_at - b.at ELSE 0 END END,
  CASE WHEN m.reviewed_at >= m.opened_at THEN m.reviewed_at - m.opened_at END,
  CASE WHEN m.merged_at >= m.reviewed_at THEN m.merged_at - m.reviewed_at END
FROM mine m LEFT JOIN begun b ON b.id = m.id
"""
NAMES = ("coding", "pickup", "review")


def stages(db: Connection, scope: Scope, window: Window) -> dict[str, Value]:
    """The median of each stage that anything is known of, in seconds, with the interval of order statistics."""
    only, given = whose(scope, {"first": window.first, "last": window.last, "most": MOST})
    words = STAGES.format(first=FIRST[scope.kind], only=only)
    rows = db.execute(sa.text(words), given).all()
    found = {name: [row[at] / 1e6 for row in rows if row[at] is not None] for at, name in enumerate(NAMES)}
    return {name: middle_of(values) for name, values in found.items() if values}


def middle_of(values: Sequence[float]) -> Value:
    ordered = sorted(values)

    def at(rank: int) -> float:
        return ordered[rank - 1]

    return quantile(len(ordered), 0.5, at)
