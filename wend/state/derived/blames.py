"""Which deployments failed, by what evidence, and when things were well again.

The evidence, best first: 1 an incident that names it, or a person who said so; 2 a rollback, or a canary taken back;
3 a revert of a commit it carried; 4 a hotfix after it; 5, only *assumed* and counted apart: an incident of the same
service that names no cause, at most `HORIZON` after it.
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
)
HERE = "IN (SELECT key FROM dirty WHERE kind = 'service')"


def before(service: str, time: str, since: str = "") -> str:
    """The last good deployment of the service that had ended before then."""
    return (
        f"(SELECT p.id FROM deployments p WHERE p.service = {service} AND p.finished_at < {time} {since} "
        "AND p.tier = 'production' AND p.outcome = 'success' ORDER BY p.finished_at DESC, p.id DESC LIMIT 1)"
    )


ENDED = "CASE WHEN i.resolved_at >= coalesce(i.reopened_at, i.opened_at, i.resolved_at) THEN i.resolved_at END"
INTO = 'INSERT INTO blames (deployment, "by", rank, service, detected_at, restored_at)'
ONCE = "ON CONFLICT DO NOTHING"
CAUSE = f"""coalesce(
  CASE WHEN i.attributed <> '' THEN i.attributed END,
  CASE i.cause_kind
    WHEN 'deployment' THEN i.cause
    WHEN 'commit' THEN coalesce(
      (SELECT c.deployment FROM carried c WHERE c."commit" = i.cause AND (i.service IS NULL OR c.service = i.service)
       ORDER BY c.deployed_at, c.deployment LIMIT 1),
      (SELECT d.id FROM deployments d WHERE d."commit" = i.cause AND (i.service IS NULL OR d.service = i.service)
       AND {COUNTS} ORDER BY d.finished_at, d.id LIMIT 1))
    WHEN 'artifact' THEN
      (SELECT d.id FROM deployments d WHERE d.artifact = i.cause AND d.finished_at <= i.opened_at
       AND (i.service IS NULL OR d.service = i.service) AND {COUNTS} ORDER BY d.finished_at DESC, d.id LIMIT 1)
  END)"""
# A row belongs to the service of its evidence, so that what is said of an incident is worked out with its service.
LINKED = f"""{INTO}
SELECT d.id, found.id, 1, coalesce(found.service, d.service), found.opened_at, found.ended FROM (
  SELECT i.id, i.service, i.opened_at, {ENDED} AS ended, {CAUSE} AS cause FROM incidents i
  WHERE i.retracted = 0 AND coalesce(i.attributed, 'x') <> '' AND (i.attributed IS NOT NULL OR i.cause IS NOT NULL)
    AND (i.service IS NULL OR i.service {HERE})
) AS found JOIN deployments d ON d.id = found.cause
WHERE {COUNTS} AND (found.service IS NOT NULL OR d.service {HERE}) {ONCE}"""
ROLLED_BACK = f"""{INTO}
SELECT b.id, found.id, 2, found.service, coalesce(found.started_at, found.finished_at), found.finished_at FROM (
  SELECT d.id, d.service, d.started_at, d.finished_at,
    coalesce((SELECT u.id FROM deployments u WHERE u.id = d.undoes), {before("d.service", "d.finished_at")}) AS bad
  FROM deployments d WHERE d.purpose = 'rollback' AND d.service {HERE} AND {COUNTS}
) AS found JOIN deployments b ON b.id = found.bad WHERE b.service = found.service {ONCE}"""
TAKEN_BACK = f"""{INTO}
SELECT d.id, d.id, 2, d.service, d.fault_at, d.fault_at FROM deployments d
WHERE d.fault_at IS NOT NULL AND d.service {HERE} AND {COUNTS} {ONCE}"""
REVERTED = f"""{INTO}
SELECT bad.deployment, good.deployment, 3, good.service, MIN(x.committed_at), MIN(good.deployed_at)
FROM changes x JOIN carried good ON good."commit" = x."commit"
JOIN carried bad ON bad.service = good.service AND bad."commit" = x.reverts
WHERE x.reverts IS NOT NULL AND good.service {HERE} AND bad.seed = 0 AND good.seed = 0
  AND bad.deployed_at < good.deployed_at
GROUP BY bad.deployment, good.deployment, good.service {ONCE}"""
HOTFIXED = f"""{INTO}
SELECT found.bad, found.id, 4, found.service, coalesce(found.started_at, found.finished_at), found.finished_at FROM (
  SELECT d.id, d.service, d.started_at, d.finished_at,
    {before("d.service", "d.finished_at", f"AND p.finished_at >= d.finished_at - {HORIZON * DAY}")} AS bad
  FROM deployments d WHERE d.purpose = 'hotfix' AND d.service {HERE} AND {COUNTS}
) AS found WHERE found.bad IS NOT NULL {ONCE}"""
GUESSED = f"""{INTO}
SELECT found.bad, found.id, {ASSUMED}, found.service, found.opened_at, found.ended FROM (
  SELECT i.id, i.service, i.opened_at, {ENDED} AS ended,
    {before("i.service", "i.opened_at", f"AND p.finished_at >= i.opened_at - {HORIZON * DAY}")} AS bad
  FROM incidents i WHERE i.retracted = 0 AND i.attributed IS NULL AND i.cause IS NULL AND i.service {HERE}
) AS found WHERE found.bad IS NOT NULL {ONCE}"""
FORGOTTEN = f"DELETE FROM blames WHERE service {HERE}"
BLAMED = f"SELECT DISTINCT deployment FROM blames WHERE service {HERE}"
# When a repair is known, a good version serves from then on; else the incidents' own end, if every one has ended.
VERDICTS = """
SELECT deployment, MIN(rank) AS failed, MIN(detected_at) AS detected_at, coalesce(
    MIN(CASE WHEN rank IN (2, 3, 4) THEN restored_at END),
    CASE WHEN COUNT(*) = COUNT(restored_at) THEN MAX(restored_at) END) AS restored_at
FROM blames WHERE deployment IN :ids GROUP BY deployment
"""
REPAIRS = f"""
SELECT id FROM deployments d WHERE d.purpose IN ('rollback', 'hotfix') AND d.service {HERE}
UNION SELECT "by" FROM blames WHERE rank = 3 AND service {HERE}
"""
REWORKED = f"SELECT id FROM deployments WHERE rework = 1 AND service {HERE}"
STANDING = "SELECT id, failed, detected_at, restored_at, rework FROM deployments WHERE id IN :ids"
WELL: dict[str, Any] = {"failed": 0, "detected_at": None, "restored_at": None, "rework": 0}
AT_ONCE = 500


def blame(db: Connection) -> None:
    """Judge the deployments of the dirty services anew; the days of those whose verdict changed become dirty."""
    touched = ids(db, BLAMED) | ids(db, REWORKED)
    for words in (FORGOTTEN, LINKED, ROLLED_BACK, TAKEN_BACK, REVERTED, HOTFIXED, GUESSED):
        db.execute(sa.text(words))
    repairs = ids(db, REPAIRS)
    every = sorted(touched | ids(db, BLAMED) | repairs)
    for start in range(0, len(every), AT_ONCE):
        judge(db, every[start : start + AT_ONCE], repairs)


def judge(db: Connection, some: list[str], repairs: set[str]) -> None:
    """Write down what is new about these deployments."""
    failed = {row.pop("deployment"): row for row in rows(db, VERDICTS, some)}
    changed: list[dict[str, Any]] = []
    for standing in rows(db, STANDING, some):
        id = standing.pop("id")
        wanted = {**WELL, **failed.get(id, {}), "rework": int(id in repairs)}
        if wanted != standing:
            changed.append({"its": id, **{f"new_{key}": value for key, value in wanted.items()}})
    if changed:
        values: dict[str, Any] = {key: sa.bindparam(f"new_{key}") for key in WELL}
        db.execute(sa.update(DEPLOYMENTS).where(DEPLOYMENTS.c.id == sa.bindparam("its")).values(**values), changed)
        days = sa.select(DEPLOYMENTS.c.day).where(DEPLOYMENTS.c.id.in_([one["its"] for one in changed])).distinct()
        mark(db, "day", [str(day) for day in db.execute(days).scalars() if day is not None])


def ids(db: Connection, words: str) -> set[str]:
    return set(db.execute(sa.text(words)).scalars())


def rows(db: Connection, words: str, some: list[str]) -> list[dict[str, Any]]:
    query = sa.text(words).bindparams(sa.bindparam("ids", expanding=True))
    return [dict(row) for row in db.execute(query, {"ids": some}).mappings()]
