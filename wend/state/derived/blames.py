"""Which deployments failed, by what evidence, and when things were well again.

The evidence, best first: 1 an incident that names it, or a person who said so; 2 a rollback, or a canary taken back;
3 a revert of a commit it carried; 4 a hotfix at most `HORIZON` after it; 5, only *assumed* and counted apart: an
incident of the same service and environment that names no cause, at most `HORIZON` after it.

Rollbacks, hotfixes and deployments that revert are *rework*. What only follows a deployment is held against the last
one that was no rework, so that a failure that took two hotfixes is one failure, and two of rework. A revert that is
reverted itself is brought back by that: nothing failed.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.state.delivery import DAY, DEPLOYMENTS
from wend.state.derived.carried import COUNTS
from wend.state.dirty import mark
from wend.state.tables import number, table, text

HORIZON = 7  # days until a deployment that nothing was heard of counts as good
ASSUMED = 5
BLAMES = table(
    "blames",
    text("deployment", key=True),
    text("by", key=True),
    number("rank"),
    text("service"),
    number("detected_at", null=True),
    number("restored_at", null=True),
    sa.Index("blames_service", "service"),
    sa.Index("blames_by", "by"),
)
HERE = "IN (SELECT key FROM dirty WHERE kind = 'service')"
THESE = "IN (SELECT key FROM dirty WHERE kind = 'incident')"
ALIVE = COUNTS.replace("d.", "p.")


def before(service: str, time: str, more: str = "") -> str:
    """The last deployment of the service that had ended before then, was not taken back by then, and is no rework."""
    return (
        f"(SELECT p.id FROM deployments p WHERE p.service = {service} AND p.finished_at < {time} {more} "
        f"AND coalesce(p.fault_at, {time}) >= {time} AND p.rework = 0 AND {ALIVE} "
        "ORDER BY p.finished_at DESC, p.id DESC LIMIT 1)"
    )


def since(time: str) -> str:
    return f"AND p.finished_at >= {time} - {HORIZON * DAY}"


ENDED = "CASE WHEN i.resolved_at >= coalesce(i.reopened_at, i.resolved_at) THEN i.resolved_at END"
INTO = 'INSERT INTO blames (deployment, "by", rank, service, detected_at, restored_at)'
ONCE = "ON CONFLICT DO NOTHING"
CAUSE = f"""coalesce(
  CASE WHEN i.attributed <> '' THEN i.attributed END,
  CASE i.cause_kind
    WHEN 'deployment' THEN i.cause
    WHEN 'commit' THEN coalesce(
      (SELECT c.deployment FROM carried c WHERE c."commit" = i.cause AND (i.service IS NULL OR c.service = i.service)
       AND c.seed = 0 ORDER BY c.deployed_at, c.deployment LIMIT 1),
      (SELECT d.id FROM carried c JOIN deployments d ON d.service = c.service AND d."commit" = c."commit"
       WHERE c."commit" = i.cause AND c.seed = 1 AND (i.service IS NULL OR c.service = i.service)
       AND {COUNTS} ORDER BY d.finished_at, d.id LIMIT 1))
    WHEN 'artifact' THEN
      (SELECT d.id FROM deployments d WHERE d.artifact = i.cause AND d.finished_at <= i.opened_at
       AND (i.service IS NULL OR d.service = i.service) AND {COUNTS} ORDER BY d.finished_at DESC, d.id DESC LIMIT 1)
  END)"""
# A row belongs to the service of its evidence; an incident may name none (the service is empty then).
LINKED = f"""{INTO}
SELECT d.id, found.id, 1, coalesce(found.service, ''), found.opened_at, found.ended FROM (
  SELECT i.id, i.service, i.opened_at, {ENDED} AS ended, {CAUSE} AS cause FROM incidents i
  WHERE i.retracted = 0 AND coalesce(i.attributed, 'x') <> '' AND (i.attributed IS NOT NULL OR i.cause IS NOT NULL)
    AND (i.service {HERE} OR i.id {THESE})
) AS found JOIN deployments d ON d.id = found.cause
WHERE {COUNTS} {ONCE}"""
ROLLED_BACK = f"""{INTO}
SELECT d.id, found.id, 2, found.service, coalesce(found.started_at, found.finished_at), found.finished_at FROM (
  SELECT d.id, d.service, d.started_at, d.finished_at,
    coalesce((SELECT u.id FROM deployments u WHERE u.id = d.undoes), {before("d.service", "d.finished_at")}) AS bad
  FROM deployments d WHERE d.purpose = 'rollback' AND d.service {HERE} AND {COUNTS}
) AS found JOIN deployments d ON d.id = found.bad WHERE d.service = found.service AND {COUNTS} {ONCE}"""
TAKEN_BACK = f"""{INTO}
SELECT d.id, d.id, 2, d.service, d.fault_at, d.fault_at FROM deployments d
WHERE d.fault_at IS NOT NULL AND d.service {HERE} AND {COUNTS} {ONCE}"""
TAKES_BACK = f"""
FROM carried good JOIN carried bad ON bad.service = good.service AND bad."commit" = good.takes_back
WHERE good.takes_back IS NOT NULL AND good.service {HERE} AND good.seed = 0 AND bad.deployed_at < good.deployed_at
  AND NOT EXISTS (SELECT 1 FROM changes y WHERE y."commit" = good.takes_back AND y.reverts IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM changes z WHERE z."commit" = y.reverts AND z.reverts IS NOT NULL))
"""
REVERTED = f"""{INTO}
SELECT bad.deployment, good.deployment, 3, good.service,
  MIN((SELECT x.committed_at FROM changes x WHERE x."commit" = good."commit")), MIN(good.deployed_at)
{TAKES_BACK} AND bad.seed = 0 GROUP BY bad.deployment, good.deployment, good.service {ONCE}"""
HOTFIXED = f"""{INTO}
SELECT found.bad, found.id, 4, found.service, coalesce(found.started_at, found.finished_at), found.finished_at FROM (
  SELECT d.id, d.service, d.started_at, d.finished_at,
    {before("d.service", "d.finished_at", since("d.finished_at"))} AS bad
  FROM deployments d WHERE d.purpose = 'hotfix' AND d.service {HERE} AND {COUNTS}
) AS found WHERE found.bad IS NOT NULL {ONCE}"""
IN_ITS_PLACE = "AND p.environment = coalesce(i.environment, p.environment)"
GUESSED = f"""{INTO}
SELECT found.bad, found.id, {ASSUMED}, found.service, found.opened_at, found.ended FROM (
  SELECT i.id, i.service, i.opened_at, {ENDED} AS ended,
    {before("i.service", "i.opened_at", f"{since('i.opened_at')} {IN_ITS_PLACE}")} AS bad
  FROM incidents i WHERE i.retracted = 0 AND i.attributed IS NULL AND i.cause IS NULL AND i.service {HERE}
) AS found WHERE found.bad IS NOT NULL {ONCE}"""
FORGOTTEN = f"""DELETE FROM blames WHERE service {HERE} OR "by" {THESE}"""
BLAMED = f"""SELECT DISTINCT deployment FROM blames WHERE service {HERE} OR "by" {THESE}"""
# When a repair is known, a good version serves from then on; else the incidents' own end, if every one has ended. What
# is only assumed says nothing of a failure that is known.
VERDICTS = f"""
SELECT b.deployment, MIN(b.rank) AS failed, MIN(b.detected_at) AS detected_at, coalesce(
    MIN(CASE WHEN b.rank IN (2, 3, 4) THEN b.restored_at END),
    CASE WHEN COUNT(*) = COUNT(b.restored_at) THEN MAX(b.restored_at) END) AS restored_at
FROM blames b WHERE b.deployment IN :ids AND (b.rank < {ASSUMED} OR NOT EXISTS
  (SELECT 1 FROM blames o WHERE o.deployment = b.deployment AND o.rank < {ASSUMED}))
GROUP BY b.deployment
"""
REPAIRS = f"""
SELECT id FROM deployments d WHERE d.purpose IN ('rollback', 'hotfix') AND d.service {HERE}
UNION SELECT good.deployment {TAKES_BACK}
"""
REWORKED = f"SELECT id FROM deployments WHERE rework = 1 AND service {HERE}"
STANDING = "SELECT id, failed, detected_at, restored_at FROM deployments WHERE id IN :ids"
WELL: dict[str, Any] = {"failed": 0, "detected_at": None, "restored_at": None}
AT_ONCE = 500


def blame(db: Connection) -> None:
    """Judge the deployments of the dirty services anew; the days of those whose verdict changed become dirty."""
    repairs, reworked = ids(db, REPAIRS), ids(db, REWORKED)
    for value, some in ((1, repairs - reworked), (0, reworked - repairs)):
        change(db, [{"its": id, "new_rework": value} for id in sorted(some)])
    touched = ids(db, BLAMED)
    for words in (FORGOTTEN, LINKED, ROLLED_BACK, TAKEN_BACK, REVERTED, HOTFIXED, GUESSED):
        db.execute(sa.text(words))
    every = sorted(touched | ids(db, BLAMED))
    for start in range(0, len(every), AT_ONCE):
        judge(db, every[start : start + AT_ONCE])


def judge(db: Connection, some: list[str]) -> None:
    """Write down what is new about these deployments."""
    failed = {row.pop("deployment"): row for row in rows(db, VERDICTS, some)}
    changed: list[dict[str, Any]] = []
    for standing in rows(db, STANDING, some):
        id = standing.pop("id")
        wanted = {**WELL, **failed.get(id, {})}
        if wanted != standing:
            changed.append({"its": id, **{f"new_{key}": value for key, value in wanted.items()}})
    change(db, changed)


def change(db: Connection, changed: list[dict[str, Any]]) -> None:
    """Write new values ("new_COLUMN") into deployments ("its" id), whose days become dirty."""
    if not changed:
        return
    values: dict[str, Any] = {key[4:]: sa.bindparam(key) for key in changed[0] if key != "its"}
    db.execute(sa.update(DEPLOYMENTS).where(DEPLOYMENTS.c.id == sa.bindparam("its")).values(**values), changed)
    for start in range(0, len(changed), AT_ONCE):
        some = [one["its"] for one in changed[start : start + AT_ONCE]]
        days = sa.select(DEPLOYMENTS.c.day).where(DEPLOYMENTS.c.id.in_(some)).distinct()
        mark(db, "day", [str(day) for day in db.execute(days).scalars() if day is not None])


def ids(db: Connection, words: str) -> set[str]:
    return set(db.execute(sa.text(words)).scalars())


def rows(db: Connection, words: str, some: list[str]) -> list[dict[str, Any]]:
    query = sa.text(words).bindparams(sa.bindparam("ids", expanding=True))
    return [dict(row) for row in db.execute(query, {"ids": some}).mappings()]
