"""Scheduled runs: what ran when, how it ended, and what was skipped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.declared import Cron, declared
from wend.events import Event
from wend.state.tables import APPS, RELEASES, number, table, text

KEPT = 200  # rows a job; the ledger keeps every run

JOB_RUNS = table(
    "job_runs",
    text("id", key=True),
    number("seq"),
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
    sa.Index("job_runs_seq", "app", "job", "seq"),
)


def job_started(db: Connection, event: Event) -> None:
    """`cause`: schedule · hand."""
    row = {key: event.data[key] for key in ("job", "due_at", "release", "cause")}
    insert(db, event, row | {"state": "running"})


def job_finished(db: Connection, event: Event) -> None:
    """`state`: done · failed · cut off (it was ended before its end)."""
    values = {key: event.data[key] for key in ("state", "ended", "ms")}
    open_row = (JOB_RUNS.c.id == event.data["run"]) & (JOB_RUNS.c.state == "running")
    db.execute(sa.update(JOB_RUNS).where(open_row).values(**values))


def job_skipped(db: Connection, event: Event) -> None:
    row = {"job": event.data["job"], "due_at": event.data["due_at"], "ended": event.data["why"]}
    insert(db, event, row | {"cause": "schedule", "state": "skipped"})


def insert(db: Connection, event: Event, row: dict[str, Any]) -> None:
    """Add a row, and let go of the oldest beyond KEPT. By the ledger's order: times are as wrong as a clock may be."""
    row |= {"id": event.data["run"], "seq": event.seq, "app": event.app, "started_at": event.at}
    db.execute(sa.insert(JOB_RUNS), row)
    mine = (JOB_RUNS.c.app == event.app) & (JOB_RUNS.c.job == row["job"])
    newest = sa.select(JOB_RUNS.c.seq).where(mine).order_by(JOB_RUNS.c.seq.desc())
    oldest = db.execute(newest.limit(1).offset(KEPT - 1)).scalar()
    if oldest is not None:
        db.execute(sa.delete(JOB_RUNS).where(mine, JOB_RUNS.c.seq < oldest, JOB_RUNS.c.state != "running"))


REDUCERS = (job_started, job_finished, job_skipped)


# ---------------------------------------------------------------------------------------------- questions


@dataclass(frozen=True)
class Planned:
    """What an app's live release, live since `live_at`, runs by the clock."""

    app: str
    live_at: int
    crons: Mapping[str, Cron]


def runs(db: Connection, name: str | None = None, job: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """Runs, newest first: id, app, job, due_at, release, cause, state (running · done · failed · cut off · skipped),
    started_at, ended (words), ms."""
    query = sa.select(JOB_RUNS).order_by(JOB_RUNS.c.seq.desc()).limit(limit)
    if name is not None:
        query = query.where(JOB_RUNS.c.app == name)
    if job is not None:
        query = query.where(JOB_RUNS.c.job == job)
    return [{key: row[key] for key in row if key != "seq"} for row in db.execute(query).mappings()]


def running(db: Connection) -> list[dict[str, Any]]:
    """The runs of every app that have begun and not ended."""
    query = sa.select(JOB_RUNS).where(JOB_RUNS.c.state == "running")
    return [dict(row) for row in db.execute(query).mappings()]


def planned(db: Connection, name: str | None = None) -> list[Planned]:
    """The schedules of every app's live release (or one's), previews left out."""
    here = (RELEASES.c.app == APPS.c.name) & (RELEASES.c.number == APPS.c.live)
    query = sa.select(APPS.c.name, APPS.c.live_at, RELEASES.c.declared_json).join(RELEASES, here)
    query = query.where(APPS.c.parent.is_(None), RELEASES.c.declared_json.like('%"cron": {"%'))
    if name is not None:
        query = query.where(APPS.c.name == name)
    return [Planned(row.name, row.live_at or 0, crons(row.declared_json)) for row in db.execute(query)]


@lru_cache(maxsize=512)  # read once a second, and they change with a release
def crons(text: str) -> Mapping[str, Cron]:
    return declared(json.loads(text)).crons


def last_due(db: Connection, now: int) -> dict[tuple[str, str], tuple[int, bool]]:
    """(app, job) → the newest due time up to `now` that was run or skipped (0: none), and whether there are any after
    it, as when the clock was set back."""
    due = JOB_RUNS.c.due_at
    until, most = sa.func.max(sa.case((due <= now, due), else_=0)), sa.func.max(due)
    query = sa.select(JOB_RUNS.c.app, JOB_RUNS.c.job, until, most).where(JOB_RUNS.c.cause == "schedule")
    return {(app, job): (at, last > now) for app, job, at, last in db.execute(query.group_by("app", "job"))}
