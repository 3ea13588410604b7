"""Canaries: releases that get a share of the traffic, or went live under watch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.tables import number, table, text

CANARIES = table(
    "canaries",
    text("deploy", key=True),
    text("mode", key=True),
    text("app"),
    number("release"),
    number("stable"),
    text("policy_json"),
    text("actor"),
    number("step"),
    number("weight"),
    text("state"),
    text("verdict"),
    text("why"),
    text("evidence_json"),
    number("started_at"),
    number("stepped_at"),
    number("ended_at", null=True),
    sa.Index("canaries_app", "app", "started_at"),
    sa.Index("canaries_state", "state"),
)
RUNNING = ("running", "paused")


@dataclass(frozen=True)
class Canary:
    """One release under judgement. `mode`: canary (a share of the traffic) · watch (live). `step` counts from 0 into
    policy["steps"]; `weight` is percent. `state`: running · paused · promoted · rolled back · aborted · superseded ·
    kept. `verdict`: what the judge last said, and `why`; `evidence`: its numbers. Times are Unix microseconds."""

    deploy: str
    mode: str
    app: str
    release: int
    stable: int
    policy: Mapping[str, Any]
    actor: str
    step: int
    weight: int
    state: str
    verdict: str
    why: str
    evidence: Mapping[str, Any]
    started_at: int
    stepped_at: int
    ended_at: int | None

    @property
    def under_way(self) -> bool:
        return self.state in RUNNING


def one(event: Event) -> sa.ColumnElement[bool]:
    return (CANARIES.c.deploy == event.data["deploy"]) & (CANARIES.c.mode == event.data["mode"])


def canary_started(db: Connection, event: Event) -> None:
    data = event.data
    row = {key: data[key] for key in ("deploy", "mode", "release", "stable", "weight")}
    row |= {"app": event.app, "actor": event.actor, "step": 0, "state": "running", "verdict": "wait", "why": ""}
    row |= {"policy_json": json.dumps(data["policy"], sort_keys=True), "evidence_json": "{}"}
    db.execute(sa.insert(CANARIES), {**row, "started_at": event.at, "stepped_at": event.at})


def canary_stepped(db: Connection, event: Event) -> None:
    data = event.data
    values = {"step": data["step"], "weight": data["weight"], "state": data["state"], "stepped_at": event.at}
    db.execute(sa.update(CANARIES).where(one(event)).values(**values, **told(data)))


def canary_judged(db: Connection, event: Event) -> None:
    """Words that come after the end change nothing."""
    db.execute(sa.update(CANARIES).where(one(event), CANARIES.c.state.in_(RUNNING)).values(**told(event.data)))


def canary_ended(db: Connection, event: Event) -> None:
    values = {"state": event.data["outcome"], "ended_at": event.at, **told(event.data)}
    db.execute(sa.update(CANARIES).where(one(event)).values(**values))


def told(data: Mapping[str, Any]) -> dict[str, Any]:
    """The judge's columns, as far as the event has them."""
    found = {key: data[key] for key in ("verdict", "why") if key in data}
    return found | ({"evidence_json": json.dumps(data["evidence"], sort_keys=True)} if "evidence" in data else {})


REDUCERS = (canary_started, canary_stepped, canary_judged, canary_ended)


# ---------------------------------------------------------------------------------------------- questions


def running(db: Connection, name: str | None = None) -> list[Canary]:
    """Those under way (canary or watch), oldest first, of one app or of all."""
    query = sa.select(CANARIES).where(CANARIES.c.state.in_(RUNNING)).order_by(CANARIES.c.started_at)
    rows = db.execute(query if name is None else query.where(CANARIES.c.app == name)).mappings()
    return [as_canary(row) for row in rows]


def recent(db: Connection, name: str, limit: int = 20) -> list[Canary]:
    """The newest first, whatever came of them."""
    query = sa.select(CANARIES).where(CANARIES.c.app == name).order_by(CANARIES.c.started_at.desc()).limit(limit)
    return [as_canary(row) for row in db.execute(query).mappings()]


def of_deploy(db: Connection, deploy: str) -> list[Canary]:
    """The deploy's canary and its watch, in that order, as far as there were any."""
    query = sa.select(CANARIES).where(CANARIES.c.deploy == deploy).order_by(CANARIES.c.started_at)
    return [as_canary(row) for row in db.execute(query).mappings()]


def as_canary(row: Mapping[Any, Any]) -> Canary:
    plain = {key: value for key, value in row.items() if not key.endswith("_json")}
    return Canary(**plain, policy=json.loads(row["policy_json"]), evidence=json.loads(row["evidence_json"]))
