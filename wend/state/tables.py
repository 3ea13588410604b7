"""The tables. Times are Unix microseconds; columns called `*_json` hold JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite

META = sa.MetaData()


def table(name: str, *columns: sa.Column[object] | sa.Index, outlives: bool = False) -> sa.Table:
    """A table of the state. Rows with an `app` go when the app is destroyed, unless the table `outlives` it."""
    return sa.Table(name, META, *columns, info={"outlives": outlives})


def text(name: str, key: bool = False, null: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Text, primary_key=key, nullable=null)


def number(name: str, key: bool = False, null: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.BigInteger, primary_key=key, nullable=null, autoincrement=False)


def flag(name: str) -> sa.Column[object]:
    """0 or 1; both databases count and add them."""
    return sa.Column(name, sa.SmallInteger, nullable=False)


def some_of(name: str, which: str, *columns: Any) -> sa.Index:
    """An index of the rows of which this SQL is true; used where a question says the same. (PostgreSQL's body takes it
    over: naming its dialect here would load it everywhere.)"""
    return sa.Index(name, *columns, sqlite_where=sa.text(which))


def insert(db: Connection, into: sa.Table) -> Any:
    """An INSERT that can say what to do with a row whose key is there; both databases spell it the same way."""
    if db.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # late: a home on SQLite needs none of it

        return postgresql.insert(into)
    return sqlite.insert(into)


def add_once(db: Connection, into: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Add the rows whose key is not there yet."""
    if rows:
        db.execute(insert(db, into).on_conflict_do_nothing(), rows)


def merge_rows(
    db: Connection,
    into: sa.Table,
    rows: Sequence[dict[str, Any]],
    known: tuple[str, ...] = (),
    newest: tuple[str, ...] = (),
    replace: tuple[str, ...] = (),
    highest: tuple[str, ...] = (),
) -> None:
    """Add rows; where the key is there: `known` columns are filled in if empty, `newest` take the new value if there is
    one, `replace` always, `highest` keep the higher of both."""
    if not rows:
        return
    statement = insert(db, into)
    new, old = statement.excluded, into.c
    values: dict[str, Any] = {name: sa.func.coalesce(old[name], new[name]) for name in known}
    values |= {name: sa.func.coalesce(new[name], old[name]) for name in newest}
    values |= {name: new[name] for name in replace}
    values |= {name: sa.case((new[name] > old[name], new[name]), else_=old[name]) for name in highest}
    db.execute(statement.on_conflict_do_update(index_elements=list(into.primary_key.columns), set_=values), rows)


APPS = table(
    "apps",
    text("name", key=True),
    text("branch"),
    text("team", null=True),
    number("created_at"),
    text("created_by"),
    number("live", null=True),
    number("previous", null=True),
    number("live_at", null=True),
    text("parent", null=True),
    text("of_branch", null=True),
    number("expires_at", null=True),
)
RELEASES = table(
    "releases",
    text("app", key=True),
    number("number", key=True),
    text("deploy"),
    text("artifact"),
    text("path"),
    text("commit"),
    text("config_json"),
    text("secrets_json"),
    text("env_json"),
    text("processes_json"),
    text("declared_json"),
    text("command", null=True),
    number("created_at"),
    text("created_by"),
    number("live_at", null=True),
    number("retired_at", null=True),
)
DEPLOYS = table(
    "deploys",
    text("id", key=True),
    text("app"),
    text("cause"),
    text("summary"),
    text("commit", null=True),
    text("ref", null=True),
    text("actor"),
    number("release", null=True),
    text("step"),
    text("state"),
    number("started_at"),
    number("ended_at", null=True),
    text("message", null=True),
    text("hint", null=True),
    text("tail_json", null=True),
    sa.Index("deploys_app", "app", "started_at"),
    sa.Index("deploys_state", "state"),
)
STEPS = table(
    "steps", text("deploy", key=True), text("step", key=True), number("at"), number("ms"), text("detail", null=True)
)
CONFIG = table("config", text("app", key=True), text("name", key=True), text("value"), number("at"), text("actor"))
SECRETS = table(
    "secrets",
    text("app", key=True),
    text("name", key=True),
    number("version"),
    text("hash"),
    number("at"),
    text("actor"),
)
SEALED = table(
    "sealed",
    text("app", key=True),
    text("name", key=True),
    number("version", key=True),
    text("hash"),
    text("lender", null=True),
)
SCALE = table(
    "scale", text("app", key=True), text("process", key=True), number("replicas"), number("at"), text("actor")
)
TOKENS = table(
    "tokens",
    text("id", key=True),
    text("hash"),
    text("owner"),
    text("kind"),
    text("scopes_json"),
    text("note", null=True),
    number("created_at"),
    number("expires_at", null=True),
    number("revoked_at", null=True),
    sa.Index("tokens_hash", "hash"),
)
RUNS = table(
    "runs",
    text("id", key=True),
    text("app"),
    text("command"),
    text("actor"),
    number("started_at"),
    text("ended", null=True),
    number("ms", null=True),
    sa.Index("runs_app", "app", "started_at"),
)
EXITS = table(
    "exits",
    number("seq", key=True),
    text("app"),
    number("release"),
    text("process"),
    text("cause"),
    number("at"),
    sa.Index("exits_app", "app", "at"),
)
