"""What has changed since the derived tables were worked out: an incident, a service, its team, a day. Changes and
deployments say so themselves, in a column `fresh`; while they are worked in they are in here too."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from wend.state.tables import add_once, table, text

LATE = "late"  # a week whose numbers changed, for whoever settled them
DIRTY = table("dirty", text("kind", key=True), text("key", key=True))


def mark(db: Connection, kind: str, keys: Iterable[str]) -> None:
    """Note what has to be worked out anew."""
    add_once(db, DIRTY, [{"kind": kind, "key": key} for key in dict.fromkeys(keys)])
