"""Who looked at figures about people, and at the rows behind figures: once a day, person, signal and scope."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.tables import number, table, text

ACCESS = table(
    "access",
    text("actor", key=True),
    text("signal", key=True),
    text("scope", key=True),
    number("day", key=True),
    number("at"),
    number("seq"),
    sa.Index("access_seq", "seq"),
)


def figures_read(db: Connection, event: Event) -> None:
    row = {key: event.data[key] for key in ("signal", "scope", "day")}
    db.execute(sa.insert(ACCESS), {**row, "actor": event.actor, "at": event.at, "seq": event.seq})


REDUCERS = (figures_read,)


# ---------------------------------------------------------------------------------------------- questions


def known(db: Connection, actor: str, signal: str, scope: str, day: int) -> bool:
    """Whether that is written down already."""
    here = (ACCESS.c.actor == actor) & (ACCESS.c.signal == signal) & (ACCESS.c.scope == scope) & (ACCESS.c.day == day)
    return db.execute(sa.select(ACCESS.c.seq).where(here)).scalar() is not None


def accesses(db: Connection, limit: int) -> list[dict[str, Any]]:
    """Newest first: actor, signal, scope, day (UTC, since 1970), at, seq."""
    query = sa.select(ACCESS).order_by(ACCESS.c.seq.desc()).limit(limit)
    return [dict(row) for row in db.execute(query).mappings()]
