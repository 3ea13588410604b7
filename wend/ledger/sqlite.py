"""The ledger in one SQLite file: WAL, every commit on the disk, triggers against change."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError, DBAPIError

from wend.errors import Down
from wend.ledger import Reduce
from wend.ledger.store import Store


class Sqlite(Store):
    """A Ledger in `file`; the rest as in Store."""

    begin = "BEGIN IMMEDIATE"
    append_only = tuple(
        f"CREATE TRIGGER IF NOT EXISTS ledger_no_{verb.lower()} BEFORE {verb} ON ledger "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        for verb in ("UPDATE", "DELETE")
    )

    def __init__(
        self, file: Path, tables: sa.MetaData, reduce: Reduce, schema: int, clock: Callable[[], float] = time.time
    ) -> None:
        file.touch(mode=0o600)  # SQLite gives its journal files the same mode
        engine = sa.create_engine(
            f"sqlite:///{file}",
            isolation_level="AUTOCOMMIT",
            pool_size=16,
            max_overflow=48,
            connect_args={"timeout": 10, "check_same_thread": False},
        )
        event.listen(engine, "connect", prepare)
        super().__init__(engine, tables, reduce, schema, clock)
        try:
            self.open()
        except DatabaseError as error:
            raise Down(f"{file} cannot be used: {error.orig}", "check the disk and the file's owner") from error

    def down(self, error: DBAPIError) -> Down:
        return Down(f"the ledger cannot be written: {error.orig}", "free disk space, then try again")


def prepare(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
