"""Changes that the platform proposed to apps, the newest of each branch."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.tables import insert, number, table, text

PROPOSALS = table(
    "proposals",
    text("app", key=True),
    text("branch", key=True),
    text("what"),
    text("base"),
    text("commit"),
    text("state"),
    text("report_json"),
    text("lines_json"),
    number("at"),
    text("by"),
)


def proposal_made(db: Connection, event: Event) -> None:
    data = event.data
    row = {"app": event.app, **{key: data[key] for key in ("branch", "what", "base", "commit", "state")}}
    row |= {"report_json": json.dumps(data["report"]), "lines_json": json.dumps(data["lines"])}
    row |= {"at": event.at, "by": event.actor}
    db.execute(insert(db, PROPOSALS).values(row).on_conflict_do_update(index_elements=["app", "branch"], set_=row))


REDUCERS = (proposal_made,)


# ---------------------------------------------------------------------------------------------- questions


def proposal(db: Connection, app: str, branch: str) -> dict[str, Any] | None:
    here = (PROPOSALS.c.app == app) & (PROPOSALS.c.branch == branch)
    row = db.execute(sa.select(PROPOSALS).where(here)).mappings().first()
    return read(dict(row)) if row else None


def proposals(db: Connection, what: str | None = None) -> list[dict[str, Any]]:
    """Newest first. `what`: those about this alone."""
    query = sa.select(PROPOSALS).order_by(PROPOSALS.c.at.desc(), PROPOSALS.c.app, PROPOSALS.c.branch)
    query = query if what is None else query.where(PROPOSALS.c.what == what)
    return [read(dict(row)) for row in db.execute(query).mappings()]


def read(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"report": json.loads(row.pop("report_json")), "lines": json.loads(row.pop("lines_json"))}
