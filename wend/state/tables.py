"""The tables. Times are Unix microseconds; columns called `*_json` hold JSON."""

from __future__ import annotations

import sqlalchemy as sa

META = sa.MetaData()


def table(name: str, *columns: sa.Column[object] | sa.Index, outlives: bool = False) -> sa.Table:
    """A table of the state. Rows with an `app` go when the app is destroyed, unless the table `outlives` it."""
    return sa.Table(name, META, *columns, info={"outlives": outlives})


def text(name: str, key: bool = False, null: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Text, primary_key=key, nullable=null)


def number(name: str, key: bool = False, null: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.BigInteger, primary_key=key, nullable=null, autoincrement=False)


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
