"""The ledger in a PostgreSQL database that several control planes may share: one writer at a time by an advisory lock,
every commit on the server's disk, triggers against change. `follow` looks at least once a second for what other
planes wrote."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from wend.errors import Down, Invalid, Refused
from wend.ledger import Reduce
from wend.ledger.rows import LEDGER, ODD
from wend.ledger.store import Request, Store

WRITING = 0x77656E64  # the advisory lock of whoever appends or rebuilds
OLDEST = 14
PATIENCE = 10.0  # seconds to find out whether a commit counted whose answer was lost
USUAL = {
    "connect_timeout": 5, "application_name": "wend",
    "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
}  # fmt: skip
EACH_SESSION = "SET synchronous_commit = on; SET default_transaction_isolation = 'read committed'"


@dataclass(frozen=True, repr=False)
class Server:
    """Where the database is, and how to reach it. What it says of itself never holds the password."""

    options: dict[str, Any]

    @staticmethod
    def parse(url: str) -> Server:
        """From the setting `database`. Raises Invalid, without a word of it: it holds a password."""
        try:
            options = conninfo_to_dict(url) if url.startswith(("postgresql://", "postgres://")) else {}
        except psycopg.Error:
            options = {}
        if not options.get("dbname") or not str(options.get("port", "0")).replace(",", "").isdigit():
            raise Invalid(
                "the setting database is not the address of a PostgreSQL database",
                "write it like postgresql://USER:PASSWORD@HOST:5432/wend",
            )
        return Server({**USUAL, **options})

    @property
    def address(self) -> str:
        """HOST:PORT, or the folder of its socket."""
        host = str(self.options.get("host") or self.options.get("hostaddr") or "localhost")
        return f"{f'[{host}]' if ':' in host else host}:{self.options.get('port') or 5432}"

    def connect(self, **more: Any) -> psycopg.Connection[Any]:
        """A session of its own. Raises psycopg's OperationalError."""
        return psycopg.connect(**{**self.options, **more})

    def away(self, error: BaseException | None) -> Down:
        """What is said when it does not answer."""
        return Down(f"PostgreSQL at {self.address} does not answer: {self.said(error)}", "start it, then try again")

    def said(self, error: BaseException | None) -> str:
        """The last line of an error, without the password."""
        line = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        password = str(self.options.get("password") or "")
        return (line.replace(password, "…") if password else line)[:300]


class Postgres(Store):
    """A Ledger in the database at `url`; the rest as in Store. Raises Invalid for another kind of address."""

    begin = f"BEGIN; SELECT pg_advisory_xact_lock({WRITING})"
    append_only = (
        "CREATE OR REPLACE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$",
        "CREATE OR REPLACE TRIGGER ledger_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only()",
    )

    def __init__(
        self, url: str, tables: sa.MetaData, reduce: Reduce, schema: int, clock: Callable[[], float] = time.time
    ) -> None:
        self.server = Server.parse(url)
        engine = sa.create_engine(
            "postgresql+psycopg://",
            creator=self.server.connect,
            isolation_level="AUTOCOMMIT",
            pool_pre_ping=True,  # a server that was restarted is found again by the next call
            pool_size=8,
            max_overflow=32,
        )
        event.listen(engine, "connect", prepare)
        event.listen(engine, "handle_error", self.explain)
        super().__init__(engine, tables, reduce, schema, clock)
        self.open()

    def explain(self, context: Any) -> Down | None:
        """The error of a server that is away, stops, or has no room, as ours. SQLAlchemy raises what this returns."""
        error = context.original_exception
        if context.is_pre_ping or not isinstance(error, psycopg.OperationalError):
            return None
        lost = context.is_disconnect or context.connection is None
        return self.server.away(error) if lost else self.failed(error)

    def failed(self, error: BaseException | None) -> Down:
        return Down(f"PostgreSQL at {self.server.address} failed: {self.server.said(error)}", "try again")

    def down(self, error: DBAPIError) -> Down:
        return self.failed(error.orig)

    def open(self) -> None:
        with self.query() as connection:
            version = int(str(connection.exec_driver_sql("SHOW server_version_num").scalar())) // 10_000
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
        if version < OLDEST:
            hint = f"the oldest that works is {OLDEST}"
            raise Refused(f"PostgreSQL at {self.server.address} is version {version}", hint)
        if encoding != "UTF8":
            hint = "make it with CREATE DATABASE wend ENCODING 'UTF8' TEMPLATE template0"
            raise Refused(f"the database at {self.server.address} is in {encoding}, not in UTF8", hint)
        super().open()

    def create(self, connection: sa.Connection, tables: sa.MetaData) -> None:
        """Text is sorted by its bytes, as SQLite does, whatever language the database was made for."""
        copies = sa.MetaData()
        for copy in [table.to_metadata(copies) for table in tables.sorted_tables]:
            for column in copy.columns:
                if isinstance(column.type, sa.Text):
                    column.type = sa.Text(collation="C")
            for index in copy.indexes:
                index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]
        copies.create_all(connection)

    def give_up(self, group: Sequence[Request], error: BaseException) -> None:
        """When the server went away with the answer to a commit, find out whether the commit counted."""
        last = next((request.written[-1] for request in reversed(group) if request.written), None)
        if not isinstance(error, Down) or last is None:
            super().give_up(group, error)
            return
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            # The lock is free only when the server is done with the transaction that was cut off.
            with contextlib.suppress(Down), self.alone() as connection:
                found = connection.execute(sa.select(LEDGER.c.hash).where(LEDGER.c.seq == last.seq)).scalar()
                if found != last.hash:
                    super().give_up(group, error)
                return
            time.sleep(0.2)
        words = f"{error.message}; it is not known whether the last change was recorded"
        super().give_up(group, Down(words, "look whether it is there before you repeat it"))


class Plain(StrDumperUnknown):
    """Text as PostgreSQL can hold it: who looks for a name with a NUL in it finds nothing, as anywhere else."""

    def dump(self, obj: str) -> Any:
        return super().dump(ODD.sub("\ufffd", obj))


def prepare(connection: psycopg.Connection[Any], _record: Any) -> None:
    connection.adapters.register_dumper(str, Plain)
    connection.execute(EACH_SESSION)
