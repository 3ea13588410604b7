"""Who joined when, with the team they joined, and when changes of theirs reached production.

For cohorts only: no question here is answered for one person.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.derived.carried import CARRIED
from wend.state.people import STINTS
from wend.state.tables import merge_rows, number, table, text

NEWCOMERS = table("newcomers", text("person", key=True), number("joined_at", key=True), text("team", null=True))
NTH = """
SELECT person, joined_at, MIN(deployed_at) AS deployed_at FROM (
  SELECT f.*, ROW_NUMBER() OVER (PARTITION BY person, joined_at ORDER BY deployed_at) AS place FROM (
    SELECT DISTINCT n.person, n.joined_at, x."commit",
      (SELECT MIN(c.deployed_at) FROM carried c WHERE c."commit" = x."commit" AND c.seed = 0) AS deployed_at
    FROM newcomers n JOIN aliases a ON a.person = n.person JOIN changes x ON x.author = a.alias
    WHERE n.joined_at BETWEEN :first AND :last AND x.bot = 0 AND x.merge = 0
  ) AS f WHERE deployed_at >= joined_at
) AS g WHERE place = :nth GROUP BY person, joined_at
"""


@dataclass(frozen=True)
class Stint:
    """Somebody's time here, in microseconds. `team`: the one they joined, as it was first told. `before`: when their
    last time here ended; None: they were never here, or never left."""

    person: str
    joined_at: int
    left_at: int | None
    team: str | None


def person_recorded(db: Connection, event: Event) -> None:
    """The team is kept as it was, so that nobody who moves on changes what was said of a cohort."""
    data = event.data
    if data.get("joined_at") is not None:
        row = {"person": data["person"], "joined_at": data["joined_at"], "team": data.get("team")}
        merge_rows(db, NEWCOMERS, [row], known=("team",))


REDUCERS = (person_recorded,)


# ---------------------------------------------------------------------------------------------- questions


def stints(db: Connection) -> list[Stint]:
    """Everybody's, by person and time."""
    both = (NEWCOMERS.c.person == STINTS.c.person) & (NEWCOMERS.c.joined_at == STINTS.c.joined_at)
    columns = (STINTS.c.person, STINTS.c.joined_at, STINTS.c.left_at, NEWCOMERS.c.team)
    query = sa.select(*columns).outerjoin(NEWCOMERS, both).order_by(STINTS.c.person, STINTS.c.joined_at)
    return [Stint(*row) for row in db.execute(query)]


def known_since(db: Connection) -> int | None:
    """When the first deployment that was heard of ended: what people did before, nobody knows."""
    return db.execute(sa.select(sa.func.min(CARRIED.c.deployed_at))).scalar()


def nth_changes(db: Connection, nth: int, first: int, last: int) -> dict[tuple[str, int], int]:
    """(person, joined_at) → when the nth change of theirs after joining first reached production, of those who joined
    between first and last (microseconds) and have so many."""
    given = {"nth": nth, "first": first, "last": last}
    return {(row.person, row.joined_at): int(row.deployed_at) for row in db.execute(sa.text(NTH), given)}
