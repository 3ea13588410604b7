"""The services there are, here and elsewhere: whose they are, and since when."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.dirty import mark
from wend.state.tables import add_once, flag, merge_rows, number, table, text

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
    text("folders", null=True),  # JSON: what of its repository it is made from; null or []: all of it
    text("first", null=True),  # the last four are what the derived tables were worked out with
    text("was_team", null=True),
    text("was_repo", null=True),
    text("was_folders", null=True),
    sa.Index("services_team", "team"),
    sa.Index("services_repo", "repo"),
)
MADE_FROM = table("made_from", text("service", key=True), text("folder", key=True))
EMPTY = ("team", "repo", "since", "until", "made", "why", "folders", "first", "was_team", "was_repo", "was_folders")
BLANK: dict[str, Any] = {**dict.fromkeys(EMPTY), "exempt": 0}


def outside(service: str, commit: str) -> str:
    """SQL: of a repository of several services, whether a change touched nothing that this one is made from. Unknown on
    either side is no."""
    mine = f"SELECT 1 FROM made_from m WHERE m.service = {service}"
    touched = f'SELECT 1 FROM touched t WHERE t."commit" = {commit}'
    both = (
        f"SELECT 1 FROM touched t JOIN made_from m ON t.folder = m.folder "
        f"OR substr(t.folder, 1, length(m.folder) + 1) = m.folder || '/' "
        f'WHERE t."commit" = {commit} AND m.service = {service}'
    )
    return f"(EXISTS ({mine}) AND EXISTS ({touched}) AND NOT EXISTS ({both}))"


def add_services(db: Connection, rows: Iterable[dict[str, Any]]) -> None:
    """Services that were heard of, unless they are known; what is not known of them yet is filled in."""
    merge_rows(db, SERVICES, [{**BLANK, **row} for row in rows], known=("repo", "team", "since", "made"))


def service_recorded(db: Connection, event: Event) -> None:
    """What is said last holds; what is not said stays."""
    data = event.data
    row = {key: data.get(key) for key in ("service", "team", "repo", "since", "until", "why")}
    row = {**BLANK, **row, "exempt": int(data.get("exempt", False))}
    if data.get("folders") is not None:
        row["folders"] = json.dumps(sorted(data["folders"]))
        db.execute(sa.delete(MADE_FROM).where(MADE_FROM.c.service == data["service"]))
        add_once(db, MADE_FROM, [{"service": data["service"], "folder": one} for one in data["folders"]])
    newest = ("team", "repo", "since", "until", "why", "folders")
    merge_rows(db, SERVICES, [row], newest=newest, replace=("exempt",))
    mark(db, "team", [data["service"]])


REDUCERS = (service_recorded,)
