"""Which deployment brought each change to production first, and how long it had taken.

A deployment contains its own commit, the commits it names, and all their ancestors; it carries those of them that no
earlier deployment of the same service contains. Heard of late or out of order, the earliest one still gets them. What
the first recorded deployment of a service drew in through its history, its own commit too, was deployed before, nobody
knows when: those are *seeds*, without a lead time. So is a change that touched nothing that the service is made from.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.state.catalogue import outside
from wend.state.delivery import COUNTS as COUNTS
from wend.state.delivery import DAY
from wend.state.derived.durations import count_fresh, forget_none
from wend.state.tables import flag, number, some_of, table, text

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
    flag("place"),  # 2: the first deployment of this commit anywhere, 1: the first of its team, 0: neither, or no lead
    text("takes_back", null=True),
    number("lead", null=True),
    number("day", null=True),
    number("arrived", null=True),
    text("team", null=True),
    sa.Index("carried_commit", "commit"),
    sa.Index("carried_deployment", "deployment"),
    sa.Index("carried_day", "day"),
    sa.Index("carried_arrived", "arrived"),
    some_of("carried_lead", "place = 2", "merge", "lead", "day"),
    some_of("carried_team", "place >= 1", "team", "merge", "lead", "day"),
    sa.Index("carried_service", "service", "merge", "lead", "day"),
    some_of("carried_fresh", "fresh = 1", "fresh"),
    some_of("carried_takes_back", "takes_back IS NOT NULL", "service"),
)
KEPT_EARLIEST = """
ON CONFLICT (service, "commit") DO UPDATE SET deployment = excluded.deployment, deployed_at = excluded.deployed_at,
  explicit = excluded.explicit, fresh = 1
WHERE (excluded.deployed_at, excluded.deployment) < (carried.deployed_at, carried.deployment)
   OR (excluded.deployment = carried.deployment AND excluded.explicit > carried.explicit)
"""
# A deployment whose end moved (another region came later) holds what it had at the new time, and others that ended
# in between may have been first.
MOVED = f"""
INSERT INTO dirty (kind, key)
SELECT DISTINCT 'deployment', other.id FROM (
  SELECT d.service, d.id, MIN(c.deployed_at) AS begun, MAX(d.finished_at) AS ended
  FROM deployments d JOIN carried c ON c.deployment = d.id AND c.deployed_at <> d.finished_at
  WHERE d.id IN (SELECT key FROM dirty WHERE kind = 'deployment') AND {COUNTS} GROUP BY d.service, d.id
) AS moved JOIN deployments other
ON other.service = moved.service AND other.finished_at BETWEEN moved.begun AND moved.ended
WHERE true ON CONFLICT DO NOTHING
"""
AT_ITS_TIME = """
UPDATE carried SET fresh = 1, deployed_at = (SELECT finished_at FROM deployments d WHERE d.id = carried.deployment)
WHERE deployment IN (SELECT key FROM dirty WHERE kind = 'deployment')
  AND deployed_at <> (SELECT finished_at FROM deployments d WHERE d.id = carried.deployment)
"""
NAMED = f"""
INSERT INTO carried (service, "commit", deployment, deployed_at, explicit, seed, fresh, merge, place)
SELECT service, "commit", id, finished_at, explicit, 0, 1, 0, 0 FROM (
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
# From every carried commit that was touched now, up through the parents that no deployment up to then carried.
LATER_ONLY = """NOT EXISTS (SELECT 1 FROM carried o WHERE o.service = r.service AND o."commit" = p.parent
    AND (o.deployed_at, o.deployment) <= (r.deployed_at, r.deployment))"""
WALK = f"""
WITH RECURSIVE touched AS (
  SELECT c.service, c.deployment, c.deployed_at, c."commit" FROM carried c
  WHERE c.deployment IN (SELECT key FROM dirty WHERE kind = 'deployment')
  UNION
  SELECT c.service, c.deployment, c.deployed_at, c."commit" FROM carried c
  WHERE c."commit" IN (SELECT key FROM dirty WHERE kind = 'change')
), reach (service, deployment, deployed_at, "commit") AS (
  SELECT r.service, r.deployment, r.deployed_at, p.parent
  FROM touched r JOIN parents p ON p."commit" = r."commit" WHERE {LATER_ONLY}
  UNION
  SELECT r.service, r.deployment, r.deployed_at, p.parent
  FROM reach r JOIN parents p ON p."commit" = r."commit" WHERE {LATER_ONLY}
)
INSERT INTO carried (service, "commit", deployment, deployed_at, explicit, seed, fresh, merge, place)
SELECT service, "commit", deployment, deployed_at, 0, 0, 1, 0, 0 FROM (
  SELECT r.*, row_number() OVER (PARTITION BY service, "commit" ORDER BY deployed_at, deployment) AS number FROM reach r
) AS ranked WHERE number = 1
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
# Services that have the same commits share who was first.
SHARED = """
UPDATE carried SET fresh = 1 WHERE fresh = 0 AND "commit" IN (SELECT "commit" FROM carried WHERE fresh = 1)
"""
# Every fact about a fresh row anew; machines' commits and seeds have no lead time.
SEED = f"""(carried.explicit = 0 AND (carried.deployment =
      coalesce((SELECT first FROM services s WHERE s.service = carried.service), '')
    OR {outside("carried.service", 'carried."commit"')}))"""
MEASURED = f"""
UPDATE carried SET day = deployed_at / {DAY},
  seed = CASE WHEN {SEED} THEN 1 ELSE 0 END,
  team = (SELECT team FROM services s WHERE s.service = carried.service),
  merge = coalesce((SELECT merge FROM changes x WHERE x."commit" = carried."commit"), 0),
  takes_back = (SELECT reverts FROM changes x WHERE x."commit" = carried."commit"),
  arrived = (SELECT x.day FROM changes x WHERE x."commit" = carried."commit" AND x.merge = 0 AND x.bot = 0),
  lead = (SELECT carried.deployed_at - x.committed_at FROM changes x
    WHERE x."commit" = carried."commit" AND x.bot = 0 AND NOT {SEED})
WHERE fresh = 1
"""
EARLIER = """EXISTS (SELECT 1 FROM carried o WHERE o."commit" = carried."commit" AND o.lead IS NOT NULL
  AND (o.deployed_at, o.deployment, o.service) < (carried.deployed_at, carried.deployment, carried.service) {more})"""
PLACED = f"""
UPDATE carried SET place = CASE WHEN lead IS NULL THEN 0 WHEN NOT {EARLIER.format(more="")} THEN 2
  WHEN NOT {EARLIER.format(more="AND o.team = carried.team")} THEN 1 ELSE 0 END
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
    # what takes something back is told apart by what that took back
    """INSERT INTO dirty (kind, key) SELECT DISTINCT 'service', c.service FROM changes x
    JOIN carried c ON c."commit" = x."commit" WHERE x.reverts IN (SELECT key FROM dirty WHERE kind = 'change'
      UNION SELECT y."commit" FROM changes y WHERE y.reverts IN (SELECT key FROM dirty WHERE kind = 'change'))
    ON CONFLICT DO NOTHING""",
    """INSERT INTO dirty (kind, key) SELECT 'incident', i.id FROM incidents i WHERE i.cause_kind = 'commit'
    AND i.cause IN (SELECT "commit" FROM carried WHERE fresh = 1) ON CONFLICT DO NOTHING""",
)


# A service of which deployments are no more begins anew; so do the others that have its commits.
ANEW = (
    "UPDATE carried SET fresh = 1 WHERE service IN (SELECT key FROM dirty WHERE kind = 'anew')",
    """INSERT INTO dirty (kind, key) SELECT 'change', "commit" FROM carried WHERE fresh = 1 ON CONFLICT DO NOTHING""",
    """INSERT INTO dirty (kind, key) SELECT DISTINCT 'day', CAST(day AS TEXT) FROM carried
    WHERE fresh = 1 AND day IS NOT NULL ON CONFLICT DO NOTHING""",
)


def begin_anew(db: Connection) -> None:
    """Forget what the services carried that are to be worked out from the beginning."""
    if db.execute(sa.text("SELECT 1 FROM dirty WHERE kind = 'anew' LIMIT 1")).first() is None:
        return
    for words in ANEW:
        db.execute(sa.text(words))
    count_fresh(db, "-")
    db.execute(sa.text("DELETE FROM carried WHERE fresh = 1"))


def carry(db: Connection) -> None:
    """Bring CARRIED up to date with the changes and deployments that are dirty."""
    begin_anew(db)
    for words in (MOVED, AT_ITS_TIME, NAMED, WALK, SEEDS, SET_FIRST, HEARD_OF, OWNED, SHARED, *TOUCHED):
        db.execute(sa.text(words))
    count_fresh(db, "-")
    for words in (MEASURED, PLACED):
        db.execute(sa.text(words))
    count_fresh(db, "+")
    forget_none(db)
    db.execute(sa.text("UPDATE carried SET fresh = 0 WHERE fresh = 1"))
