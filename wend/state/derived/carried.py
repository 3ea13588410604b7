"""Which deployment brought each change to production first, and how long it had taken.

A deployment carries the commits it names, and every ancestor of its own commit that no earlier deployment of the same
service carried. Heard of late or out of order, the earliest one still gets them. What the first recorded deployment of
a service drew in through its history was deployed before, nobody knows when: those are *seeds*, without a lead time.
"""

from __future__ import annotations

from itertools import groupby

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.state.delivery import DAY
from wend.state.tables import flag, number, table, text

CARRIED = table(
    "carried",
    text("service", key=True),
    text("commit", key=True),
    text("deployment"),
    number("deployed_at"),
    flag("explicit"),
    flag("seed"),
    flag("fresh"),
    flag("merge"),
    number("lead", null=True),
    number("day", null=True),
    number("arrived", null=True),
    text("team", null=True),
    sa.Index("carried_commit", "commit"),
    sa.Index("carried_deployment", "deployment"),
    sa.Index("carried_day", "day"),
    sa.Index("carried_arrived", "arrived"),
    sa.Index("carried_lead", "merge", "lead", "day"),
    sa.Index("carried_team", "team", "merge", "lead", "day"),
    sa.Index("carried_service", "service", "merge", "lead", "day"),
    sa.Index("carried_fresh", "fresh", sqlite_where=sa.text("fresh = 1"), postgresql_where=sa.text("fresh = 1")),
)
COUNTS = "d.tier = 'production' AND d.outcome = 'success' AND d.finished_at IS NOT NULL"
KEPT_EARLIEST = """
ON CONFLICT (service, "commit") DO UPDATE SET deployment = excluded.deployment, deployed_at = excluded.deployed_at,
  explicit = excluded.explicit, fresh = 1
WHERE excluded.deployed_at < carried.deployed_at
   OR (excluded.deployed_at = carried.deployed_at AND excluded.deployment < carried.deployment)
"""
# A deployment whose end moved (another region came later) holds what it had at the new time, and others that ended
# in between may have been first.
MOVED = f"""
INSERT INTO dirty (kind, key)
SELECT DISTINCT 'deployment', other.id
FROM deployments d JOIN carried c ON c.deployment = d.id AND c.deployed_at <> d.finished_at
JOIN deployments other ON other.service = d.service AND other.finished_at BETWEEN c.deployed_at AND d.finished_at
WHERE d.id IN (SELECT key FROM dirty WHERE kind = 'deployment') AND {COUNTS}
ON CONFLICT DO NOTHING
"""
AT_ITS_TIME = """
UPDATE carried SET fresh = 1, deployed_at = (SELECT finished_at FROM deployments d WHERE d.id = carried.deployment)
WHERE deployment IN (SELECT key FROM dirty WHERE kind = 'deployment')
  AND deployed_at <> (SELECT finished_at FROM deployments d WHERE d.id = carried.deployment)
"""
NAMED = f"""
INSERT INTO carried (service, "commit", deployment, deployed_at, explicit, seed, fresh, merge)
SELECT service, "commit", id, finished_at, explicit, 0, 1, 0 FROM (
  SELECT service, "commit", id, finished_at, explicit,
    row_number() OVER (PARTITION BY service, "commit" ORDER BY finished_at, id, explicit DESC) AS place
  FROM (
    SELECT d.service, x."commit", d.id, d.finished_at, 1 AS explicit
    FROM deployments d JOIN deployed x ON x.deployment = d.id
    WHERE d.id IN (SELECT key FROM dirty WHERE kind = 'deployment') AND {COUNTS}
    UNION ALL
    SELECT d.service, d."commit", d.id, d.finished_at, 0 FROM deployments d
    WHERE d.id IN (SELECT key FROM dirty WHERE kind = 'deployment') AND d."commit" IS NOT NULL AND {COUNTS}
  ) AS named
) AS ranked WHERE place = 1
{KEPT_EARLIEST}
"""
# Where a walk begins: what is carried, was touched now, and has a parent that no deployment up to then carried.
EDGES = """
SELECT DISTINCT c.service, c.deployment, c.deployed_at, c."commit"
FROM carried c JOIN parents p ON p."commit" = c."commit"
WHERE c."commit" IN (
    SELECT key FROM dirty WHERE kind = 'change'
    UNION SELECT "commit" FROM deployments WHERE id IN (SELECT key FROM dirty WHERE kind = 'deployment')
    UNION SELECT "commit" FROM deployed WHERE deployment IN (SELECT key FROM dirty WHERE kind = 'deployment'))
  AND NOT EXISTS (SELECT 1 FROM carried o
    WHERE o.service = c.service AND o."commit" = p.parent AND o.deployed_at <= c.deployed_at)
ORDER BY c.deployed_at, c.deployment
"""
WALK = f"""
WITH RECURSIVE reach ("commit") AS (
  SELECT p.parent FROM parents p WHERE p."commit" IN :starts AND NOT EXISTS (SELECT 1 FROM carried o
    WHERE o.service = :service AND o."commit" = p.parent AND o.deployed_at <= :deployed_at)
  UNION
  SELECT p.parent FROM parents p JOIN reach r ON p."commit" = r."commit" WHERE NOT EXISTS (SELECT 1 FROM carried o
    WHERE o.service = :service AND o."commit" = p.parent AND o.deployed_at <= :deployed_at)
)
INSERT INTO carried (service, "commit", deployment, deployed_at, explicit, seed, fresh, merge)
SELECT :service, "commit", :deployment, :deployed_at, 0, 0, 1, 0 FROM reach WHERE true
{KEPT_EARLIEST}
"""
# The first deployment of a service may be another one than it was.
FIRST = f"""
SELECT id FROM deployments d WHERE d.service = services.service AND {COUNTS} ORDER BY d.finished_at, d.id LIMIT 1
"""
SEEDS = f"""
UPDATE carried SET fresh = 1 WHERE explicit = 0 AND deployment IN (
  SELECT first FROM services WHERE first IS NOT NULL AND service IN ({{changed}})
  UNION SELECT ({FIRST}) FROM services WHERE service IN ({{changed}}))
""".format(
    changed=f"SELECT service FROM services WHERE service IN "
    f"(SELECT service FROM deployments WHERE id IN (SELECT key FROM dirty WHERE kind = 'deployment')) "
    f"AND coalesce(first, '') <> coalesce(({FIRST}), '')"
)
SET_FIRST = f"""
UPDATE services SET first = ({FIRST}) WHERE service IN
  (SELECT service FROM deployments WHERE id IN (SELECT key FROM dirty WHERE kind = 'deployment'))
"""
HEARD_OF = """
UPDATE carried SET fresh = 1 WHERE "commit" IN (SELECT key FROM dirty WHERE kind = 'change')
"""
OWNED = """
UPDATE carried SET fresh = 1 WHERE service IN (SELECT key FROM dirty WHERE kind = 'team')
"""
# Every fact about a fresh row anew; merges, machines' commits and seeds have no lead time.
MEASURED = f"""
UPDATE carried SET fresh = 0, day = deployed_at / {DAY},
  seed = CASE WHEN explicit = 0 AND deployment = (SELECT first FROM services s WHERE s.service = carried.service)
    THEN 1 ELSE 0 END,
  team = (SELECT team FROM services s WHERE s.service = carried.service),
  merge = coalesce((SELECT merge FROM changes x WHERE x."commit" = carried."commit"), 0),
  arrived = (SELECT x.day FROM changes x WHERE x."commit" = carried."commit" AND x.merge = 0 AND x.bot = 0),
  lead = (SELECT carried.deployed_at - x.committed_at FROM changes x
    WHERE x."commit" = carried."commit" AND x.bot = 0 AND NOT (carried.explicit = 0 AND carried.deployment =
      coalesce((SELECT first FROM services s WHERE s.service = carried.service), '')))
WHERE fresh = 1
"""
TOUCHED = (
    """INSERT INTO dirty (kind, key) SELECT DISTINCT 'day', CAST(day AS TEXT) FROM carried
    WHERE fresh = 1 AND day IS NOT NULL ON CONFLICT DO NOTHING""",
    f"""INSERT INTO dirty (kind, key) SELECT DISTINCT 'day', CAST(deployed_at / {DAY} AS TEXT) FROM carried
    WHERE fresh = 1 ON CONFLICT DO NOTHING""",
    """INSERT INTO dirty (kind, key) SELECT DISTINCT 'arrived', CAST(x.day AS TEXT) FROM changes x
    WHERE x."commit" IN (SELECT "commit" FROM carried WHERE fresh = 1
      UNION SELECT key FROM dirty WHERE kind = 'change') ON CONFLICT DO NOTHING""",
    """INSERT INTO dirty (kind, key) SELECT DISTINCT 'service', service FROM carried
    WHERE fresh = 1 ON CONFLICT DO NOTHING""",
)


def carry(db: Connection) -> None:
    """Bring CARRIED up to date with the changes and deployments that are dirty."""
    for words in (MOVED, AT_ITS_TIME, NAMED):
        db.execute(sa.text(words))
    walk(db)
    for words in (SEEDS, SET_FIRST, HEARD_OF, OWNED, *TOUCHED, MEASURED):
        db.execute(sa.text(words))


def walk(db: Connection) -> None:
    """Follow the history from each edge, the earliest deployment first."""
    found = db.execute(sa.text(EDGES)).all()
    step = sa.text(WALK).bindparams(sa.bindparam("starts", expanding=True))
    for (service, deployment, deployed_at), rows in groupby(found, key=lambda row: (row[0], row[1], row[2])):
        given = {"service": service, "deployment": deployment, "deployed_at": deployed_at}
        db.execute(step, {**given, "starts": [row[3] for row in rows]})
