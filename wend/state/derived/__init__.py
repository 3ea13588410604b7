"""Tables that follow from other tables: which deployment carried a change, which failed, and the counts per day.

They are worked out when somebody asks, from what is dirty, so that taking in events stays cheap; doing it twice, in
any order, or all at once gives the same rows (tested).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.state.catalogue import SERVICES
from wend.state.delivery import DEPLOYMENTS
from wend.state.derived.blames import blame
from wend.state.derived.carried import carry
from wend.state.derived.durations import lay_edges, week
from wend.state.derived.rollups import roll_up
from wend.state.dirty import DIRTY, LATE

OWNED_ANEW = """(coalesce(s.team, '') <> coalesce(s.was_team, '')
  OR coalesce(s.folders, '') <> coalesce(s.was_folders, ''))"""
ELSEWHERE = "coalesce(s.repo, '') <> coalesce(s.was_repo, '')"
DUE = (
    # a service of which the same was said again is not dirty
    "DELETE FROM dirty WHERE kind = 'team'",
    f"INSERT INTO dirty (kind, key) SELECT 'team', s.service FROM services s WHERE {OWNED_ANEW} ON CONFLICT DO NOTHING",
    # the services whose deployments changed are to be judged; whose they are is part of every row
    """INSERT INTO dirty (kind, key) SELECT DISTINCT 'service', service FROM deployments
    WHERE id IN (SELECT key FROM dirty WHERE kind = 'deployment') ON CONFLICT DO NOTHING""",
    """INSERT INTO dirty (kind, key) SELECT DISTINCT 'day', CAST(day AS TEXT) FROM deployments
    WHERE day IS NOT NULL AND (id IN (SELECT key FROM dirty WHERE kind = 'deployment')
      OR service IN (SELECT key FROM dirty WHERE kind = 'team')) ON CONFLICT DO NOTHING""",
    f"""INSERT INTO dirty (kind, key) SELECT DISTINCT 'arrived', CAST(x.day AS TEXT) FROM changes x
    WHERE x.repo IN (SELECT s.repo FROM services s WHERE {OWNED_ANEW} OR {ELSEWHERE}
      UNION SELECT s.was_repo FROM services s WHERE {ELSEWHERE}) ON CONFLICT DO NOTHING""",
    # incidents that name a deployment, or what it deployed
    """INSERT INTO dirty (kind, key) SELECT 'incident', i.id FROM incidents i
    WHERE i.cause IN (SELECT key FROM dirty WHERE kind = 'deployment')
      OR i.attributed IN (SELECT key FROM dirty WHERE kind = 'deployment') ON CONFLICT DO NOTHING""",
    """INSERT INTO dirty (kind, key) SELECT 'incident', i.id FROM incidents i
    WHERE i.cause_kind = 'artifact' AND i.cause IN
      (SELECT artifact FROM deployments WHERE id IN (SELECT key FROM dirty WHERE kind = 'deployment'))
    ON CONFLICT DO NOTHING""",
)

CAME_LATE = f"""
INSERT INTO dirty (kind, key) SELECT DISTINCT '{LATE}', CAST({week("marked.day")} AS TEXT)
FROM (SELECT CAST(key AS BIGINT) AS day FROM dirty WHERE kind = 'day') AS marked WHERE true ON CONFLICT DO NOTHING
"""


def stale(db: Connection) -> bool:
    """Whether anything came that the derived tables do not know of."""
    dirty = db.execute(sa.select(DIRTY.c.key).where(DIRTY.c.kind != LATE).limit(1)).first()
    return dirty is not None or any(db.execute(sa.text(words)).first() is not None for words in FRESH)


# The most of each that is worked in at once. The rest of a long backlog waits, so that nobody who writes waits for all
# of it: what happened first comes first, and verdicts and counts when all is carried, so that each is made once.
MOST = {"deployments": 1250, "changes": 2500, "service": 5, "incident": 500, "day": 30, "arrived": 30}
FRESH = [f"SELECT 1 FROM {name} WHERE fresh = 1 LIMIT 1" for name in ("deployments", "changes")]
UP_TO = """
SELECT MIN(at) FROM (
  SELECT * FROM (SELECT finished_at AS at FROM deployments WHERE fresh = 1 AND finished_at IS NOT NULL
    ORDER BY finished_at LIMIT 1 OFFSET :deployments) AS d
  UNION ALL
  SELECT * FROM (SELECT committed_at AS at FROM changes WHERE fresh = 1
    ORDER BY committed_at LIMIT 1 OFFSET :changes) AS c
) AS ends
"""
TAKEN_UP = (
    """INSERT INTO dirty (kind, key) SELECT 'deployment', id FROM deployments
    WHERE fresh = 1 AND (finished_at IS NULL OR finished_at <= :upto) ON CONFLICT DO NOTHING""",
    """INSERT INTO dirty (kind, key) SELECT 'change', "commit" FROM changes
    WHERE fresh = 1 AND committed_at <= :upto ON CONFLICT DO NOTHING""",
    """UPDATE deployments SET fresh = 0 WHERE fresh = 1 AND (finished_at IS NULL OR finished_at <= :upto)""",
    """UPDATE changes SET fresh = 0 WHERE fresh = 1 AND committed_at <= :upto""",
)
PUT_OFF = """
UPDATE dirty SET kind = 'later ' || kind WHERE kind = :kind
AND key NOT IN (SELECT key FROM dirty WHERE kind = :kind ORDER BY key LIMIT :most)
"""
BACK = "UPDATE dirty SET kind = substr(kind, 7) WHERE kind LIKE 'later %'"


def take_up(db: Connection) -> bool:
    """The earliest deployments and changes that are fresh become dirty: all of them, unless they are very many. Whether
    others may be left."""
    most = {name: MOST[name] - 1 for name in ("deployments", "changes")}
    end = db.execute(sa.text(UP_TO), most).scalar()
    for words in TAKEN_UP:
        db.execute(sa.text(words), {"upto": 2**62 if end is None else end})
    if db.dialect.name == "postgresql":  # it plans by what it has seen, and has not seen this yet
        for name in ("dirty",) if end is None else ("dirty", "deployments", "changes", "parents", "carried"):
            db.execute(sa.text(f"ANALYZE {name}"))
    return end is not None


def some_of(db: Connection, *kinds: str) -> bool:
    """Leave only so many of what is dirty; whether others had to be put off."""
    left = [db.execute(sa.text(PUT_OFF), {"kind": kind, "most": MOST[kind]}).rowcount for kind in kinds]
    return any(left)


def done(db: Connection, *kinds: str) -> None:
    """These were worked in; those that were put off are next."""
    db.execute(sa.delete(DIRTY).where(DIRTY.c.kind.in_(kinds)))
    db.execute(sa.text(BACK))


def refresh(db: Connection) -> None:
    """Work in a slice of what came, in a write transaction: all of it, unless it is very much. `stale` tells."""
    left = take_up(db)
    lay_edges(db)
    for words in DUE:
        db.execute(sa.text(words))
    dirty = sa.select(DIRTY.c.key)
    mine = DEPLOYMENTS.c.id.in_(dirty.where(DIRTY.c.kind == "deployment"))
    theirs = DEPLOYMENTS.c.service.in_(dirty.where(DIRTY.c.kind == "team")) & (DEPLOYMENTS.c.fresh == 0)
    team = sa.select(SERVICES.c.team).where(SERVICES.c.service == DEPLOYMENTS.c.service).scalar_subquery()
    db.execute(sa.update(DEPLOYMENTS).where(mine | theirs).values(team=team))
    carry(db)
    known = "was_team = team, was_repo = repo, was_folders = folders"
    db.execute(sa.text(f"UPDATE services AS s SET {known} WHERE {OWNED_ANEW} OR {ELSEWHERE}"))
    done(db, "deployment", "change", "team", "anew")
    if not left:
        left = some_of(db, "service", "incident")
        blame(db)
        done(db, "service", "incident")
    if not left:
        some_of(db, "day", "arrived")
        roll_up(db)
        db.execute(sa.text(CAME_LATE))
        done(db, "day", "arrived")
