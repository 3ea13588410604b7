"""The ledger in one SQLite file: WAL, every commit on the disk, triggers against change."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError, OperationalError

from wend.errors import Conflict, Down, Invalid, Refused
from wend.events import KINDS, Event, Fact
from wend.ledger import Reduce
from wend.ledger.chain import GENESIS, link, verify

meta = sa.MetaData()
LEDGER = sa.Table(
    "ledger",
    meta,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("team", sa.Text),
    sa.Column("app", sa.Text),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Index("ledger_kind", "kind", "seq"),
    sa.Index("ledger_app", "app", "seq"),
    sa.Index("ledger_stream", "stream", "seq"),
)
TEXTS = sa.Table(
    "texts",
    meta,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
META = sa.Table("meta", meta, sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False))

APPEND_ONLY = [
    f"CREATE TRIGGER IF NOT EXISTS ledger_no_{verb.lower()} BEFORE {verb} ON ledger "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    for verb in ("UPDATE", "DELETE")
]


class Sqlite:
    """A Ledger in `file`. `tables` are the projections, `reduce` fills them, `schema` is their number: when the file
    has another, they are rebuilt from the ledger; when it has a higher one, a newer Wend made it: Refused."""

    def __init__(
        self, file: Path, tables: sa.MetaData, reduce: Reduce, schema: int, clock: Callable[[], float] = time.time
    ) -> None:
        self.tables, self.reduce, self.schema, self.clock = tables, reduce, schema, clock
        self.writing = threading.Lock()
        file.touch(mode=0o600)  # SQLite gives its journal files the same mode
        self.news = threading.Condition()
        self.engine = sa.create_engine(
            f"sqlite:///{file}",
            isolation_level="AUTOCOMMIT",
            pool_size=16,
            max_overflow=48,
            connect_args={"timeout": 10, "check_same_thread": False},
        )
        event.listen(self.engine, "connect", prepare)
        try:
            self.open()
        except (OperationalError, DatabaseError) as error:
            raise Down(f"{file} cannot be used: {error.orig}", "check the disk and the file's owner") from error

    def open(self) -> None:
        with self.engine.connect() as connection:
            meta.create_all(connection)
            for trigger in APPEND_ONLY:
                connection.exec_driver_sql(trigger)
            found = connection.execute(sa.select(META.c.value).where(META.c.key == "schema")).scalar()
        if found is not None and int(found) > self.schema:
            raise Refused(
                f"this home was made by a newer Wend (tables {found}, this one knows {self.schema})",
                "upgrade Wend, or use another --home",
            )
        if found is None or int(found) != self.schema:
            self.rebuild()

    # ------------------------------------------------------------------------------------------ writing

    @contextmanager
    def transaction(self) -> Generator[sa.Connection]:
        """One writer at a time, durable when it ends without an error, otherwise as if it never began."""
        with self.writing, self.engine.connect() as connection:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.exec_driver_sql("COMMIT")
                except BaseException:
                    connection.exec_driver_sql("ROLLBACK")
                    raise
            except OperationalError as error:
                raise Down(f"the ledger cannot be written: {error.orig}", "free disk space, then try again") from error

    def append(
        self,
        facts: Sequence[Fact],
        expect: tuple[str, int] | None = None,
        texts: Mapping[str, bytes] | None = None,
    ) -> list[Event]:
        with self.transaction() as connection:
            if expect is not None:
                check_expected(connection, *expect)
            for hash, body in (texts or {}).items():
                connection.execute(sa.insert(TEXTS).prefix_with("OR IGNORE"), {"hash": hash, "body": body})
            written = [made for fact in facts if (made := self.write(connection, fact)) is not None]
        with self.news:
            self.news.notify_all()
        return written

    def write(self, connection: sa.Connection, fact: Fact) -> Event | None:
        """Chain one fact and reduce it; None when its id is already there."""
        if fact.kind not in KINDS:
            raise Invalid(f"unknown kind of event {fact.kind!r}", "add it to wend/events.py")
        if connection.execute(sa.select(LEDGER.c.seq).where(LEDGER.c.id == fact.id)).scalar() is not None:
            return None
        seq, previous = newest(connection)
        at = int(self.clock() * 1_000_000) if fact.at is None else fact.at
        row = (fact.id, at, fact.kind, fact.stream, fact.actor, fact.team, fact.app, fact.data)
        made = Event(seq + 1, *row, hash=link(previous, seq + 1, row))
        connection.execute(sa.insert(LEDGER), as_row(made))
        self.reduce(connection, [made])
        return made

    def erase(self, hashes: Iterable[str], actor: str) -> None:
        for hash in hashes:
            with self.transaction() as connection:
                connection.execute(sa.delete(TEXTS).where(TEXTS.c.hash == hash))
                self.write(connection, Fact("text_erased", "texts", {"hash": hash}, actor=actor))

    def rebuild(self) -> int:
        count = 0
        with self.transaction() as connection:
            self.tables.drop_all(connection)
            self.tables.create_all(connection)
            for batch in self.batches(connection):
                self.reduce(connection, batch)
                count = batch[-1].seq
            connection.execute(sa.delete(META).where(META.c.key == "schema"))
            connection.execute(sa.insert(META), {"key": "schema", "value": str(self.schema)})
        return count

    # ------------------------------------------------------------------------------------------ reading

    def query(self) -> sa.Connection:
        return self.engine.connect()

    def scan(self, connection: sa.Connection) -> Iterator[Event]:
        """Every event in order."""
        for batch in self.batches(connection):
            yield from batch

    def batches(self, connection: sa.Connection) -> Iterator[list[Event]]:
        """The same in batches, so that a long ledger fits in memory."""
        after = 0
        while batch := fetch(
            connection, sa.select(LEDGER).where(LEDGER.c.seq > after).order_by(LEDGER.c.seq).limit(5000)
        ):
            yield batch
            after = batch[-1].seq

    def read(
        self,
        after: int = 0,
        kinds: Iterable[str] | None = None,
        app: str | None = None,
        limit: int = 1000,
        newest: bool = False,
    ) -> list[Event]:
        wanted = sa.select(LEDGER).where(LEDGER.c.seq > after)
        if kinds is not None:
            wanted = wanted.where(LEDGER.c.kind.in_(list(kinds)))
        if app is not None:
            wanted = wanted.where(LEDGER.c.app == app)
        order = LEDGER.c.seq.desc() if newest else LEDGER.c.seq
        with self.query() as connection:
            found = fetch(connection, wanted.order_by(order).limit(limit))
        return found[::-1] if newest else found

    def follow(self, after: int, seconds: float) -> Iterator[list[Event]]:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            with self.news:
                batch = self.read(after)
                if not batch:
                    # Another process may append too, and cannot notify us: look again at least once a second.
                    self.news.wait(min(left, 1.0))
                    continue
            yield batch
            after, deadline = batch[-1].seq, time.monotonic() + seconds

    def text(self, hash: str) -> bytes | None:
        with self.query() as connection:
            return connection.execute(sa.select(TEXTS.c.body).where(TEXTS.c.hash == hash)).scalar()

    def head(self) -> tuple[int, str]:
        with self.query() as connection:
            return newest(connection)

    def verify(self, witness: tuple[int, str] | None = None) -> int:
        with self.query() as connection:
            return verify(self.scan(connection), witness)

    def close(self) -> None:
        self.engine.dispose()


def prepare(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def newest(connection: sa.Connection) -> tuple[int, str]:
    row = connection.execute(sa.select(LEDGER.c.seq, LEDGER.c.hash).order_by(LEDGER.c.seq.desc()).limit(1)).first()
    return (row.seq, row.hash) if row else (0, GENESIS)


def check_expected(connection: sa.Connection, stream: str, seq: int) -> None:
    last = connection.execute(sa.select(sa.func.max(LEDGER.c.seq)).where(LEDGER.c.stream == stream)).scalar() or 0
    if last != seq:
        raise Conflict(f"{stream} changed meanwhile (event {last}, not {seq})", "look again, then repeat it")


def as_row(event: Event) -> dict[str, Any]:
    return {**event.__dict__, "data": json.dumps(event.data, ensure_ascii=False, allow_nan=False)}


def fetch(connection: sa.Connection, statement: sa.Select[Any]) -> list[Event]:
    return [as_event(row) for row in connection.execute(statement).mappings()]


def as_event(row: Mapping[Any, Any]) -> Event:
    try:
        return Event(**{**row, "data": json.loads(row["data"])})
    except ValueError as error:
        raise Refused(f"the ledger has been tampered with: event {row['seq']} is not as written") from error
