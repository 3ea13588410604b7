"""The services there are, here and elsewhere: whose they are, and since when."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.dirty import mark
from wend.state.tables import flag, merge_rows, number, table, text

SERVICES = table(
    "services",
    text("service", key=True),
    text("team", null=True),
    text("repo", null=True),
    number("since", null=True),
    number("until", null=True),
    number("made", null=True),
    text("why", null=True),
    flag("exempt"),
    text("first", null=True),  # the last three are what the derived tables were worked out with
    text("was_team", null=True),
    text("was_repo", null=True),
    sa.Index("services_team", "team"),
    sa.Index("services_repo", "repo"),
)
EMPTY = ("team", "repo", "since", "until", "made", "why", "first", "was_team", "was_repo")
BLANK: dict[str, Any] = {**dict.fromkeys(EMPTY), "exempt": 0}


def add_services(db: Connection, rows: Iterable[dict[str, Any]]) -> None:
    """Services that were heard of, unless they are known; what is not known of them yet is filled in."""
    merge_rows(db, SERVICES, [{**BLANK, **row} for row in rows], known=("repo", "team", "since", "made"))


def service_recorded(db: Connection, event: Event) -> None:
    """What is said last holds; what is not said stays."""
    data = event.data
    row = {key: data.get(key) for key in ("service", "team", "repo", "since", "until", "why")}
    row = {**BLANK, **row, "exempt": int(data.get("exempt", False))}
    merge_rows(db, SERVICES, [row], newest=("team", "repo", "since", "until", "why"), replace=("exempt",))
    mark(db, "team", [data["service"]])


REDUCERS = (service_recorded,)
