"""Scheduled runs: what ran when, how it ended, and what was skipped."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.tables import number, table, text

JOB_RUNS = table(
    "job_runs",
    text("id", key=True),
    text("app"),
    text("job"),
    number("due_at"),
    number("release", null=True),
    text("cause"),
    text("state"),
    number("started_at"),
    text("ended", null=True),
    number("ms", null=True),
    sa.Index("job_runs_app", "app", "job", "due_at"),
    sa.Index("job_runs_state", "state"),
)


def job_started(db: Connection, event: Event) -> None:
    """`cause`: schedule · hand."""
    row = {key: event.data[key] for key in ("job", "due_at", "release", "cause")}
    row |= {"id": event.data["run"], "app": event.app, "state": "running", "started_at": event.at}
    db.execute(sa.insert(JOB_RUNS), row)


def job_finished(db: Connection, event: Event) -> None:
    """`state`: done · failed · cut off (the platform stopped)."""
    values = {key: event.data[key] for key in ("state", "ended", "ms")}
    db.execute(sa.update(JOB_RUNS).where(JOB_RUNS.c.id == event.data["run"]).values(**values))


def job_skipped(db: Connection, event: Event) -> None:
    row = {"id": event.data["run"], "app": event.app, "job": event.data["job"], "due_at": event.data["due_at"]}
    row |= {"cause": "schedule", "state": "skipped", "started_at": event.at, "ended": event.data["why"]}
    db.execute(sa.insert(JOB_RUNS), row)


REDUCERS = (job_started, job_finished, job_skipped)


# ---------------------------------------------------------------------------------------------- questions


def runs(db: Connection, name: str | None = None, job: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """Runs, newest first: id, app, job, due_at, release, cause, state (running · done · failed · cut off · skipped),
    started_at, ended (words), ms."""
    query = sa.select(JOB_RUNS).order_by(JOB_RUNS.c.started_at.desc(), JOB_RUNS.c.id.desc()).limit(limit)
    if name is not None:
        query = query.where(JOB_RUNS.c.app == name)
    if job is not None:
        query = query.where(JOB_RUNS.c.job == job)
    return [dict(row) for row in db.execute(query).mappings()]
