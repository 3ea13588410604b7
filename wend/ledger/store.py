"""The ledger in an SQL database: what SQLite and PostgreSQL have in common, which is nearly everything.

Threads that want to write at the same time are committed together by the one that gets the turn: one wait for the disk
for all of them, each in a savepoint of its own, so that one that fails, fails alone.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from wend.errors import Conflict, Down, Refused
from wend.events import Event, Fact
from wend.ledger import Reduce
from wend.ledger.chain import GENESIS, link, verify
from wend.ledger.rows import (
    CHUNK,
    LEDGER,
    NOTES,
    OWN,
    TEXTS,
    Entry,
    as_row,
    batches,
    check_expected,
    entry,
    fetch,
    keep_texts,
    known,
    newest,
    schema,
)

HASH = re.compile(r'"([0-9a-f]{64})"')  # the name of a text, as data holds it
CUT_OFF = Down("the platform was stopped while the ledger was written", "start it, then try again")


@dataclass(eq=False)
class Request:
    """One call of `append`: what it wants, and what became of it."""

    entries: list[Entry]
    expect: tuple[str, int] | None = None
    texts: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    written: list[Event] = field(default_factory=list[Event])
    error: BaseException | None = None
    over: bool = False


class NotTogether(Exception):
    """Within us: a group that has to be carried out one by one."""


@dataclass
class Tip:
    """The end of the chain during one transaction, and which of the ids asked for are there."""

    seq: int
    hash: str
    known: set[str]


class Store:
    """A Ledger in the database behind `engine`. `tables` are the projections, `reduce` fills them, `schema` is their
    number: when the database has another, they are rebuilt from the ledger; when it has a higher one, a newer Wend
    made it: Refused."""

    begin = "BEGIN"  # from here until the transaction is over, nobody else writes
    append_only: Sequence[str] = ()  # statements that make the database itself refuse changes; repeating is harmless

    def __init__(
        self, engine: sa.Engine, tables: sa.MetaData, reduce: Reduce, schema: int, clock: Callable[[], float]
    ) -> None:
        self.engine, self.tables, self.reduce, self.schema, self.clock = engine, tables, reduce, schema, clock
        self.turn = threading.Condition()
        self.busy = False
        self.queue: deque[Request] = deque()
        self.news = threading.Condition()

    def open(self) -> None:
        """Make what is missing. Raises Refused when a newer Wend made the tables."""
        with self.transaction() as connection:
            self.create(connection, OWN)
            for statement in self.append_only:
                connection.exec_driver_sql(statement)
            found = schema(connection)
            if found > self.schema:
                raise Refused(
                    f"this home was made by a newer Wend (tables {found}, this one knows {self.schema})",
                    "upgrade Wend, or use another --home",
                )
            if found != self.schema:
                self.refill(connection)

    # ------------------------------------------------------------------------------------------ what a body decides

    def create(self, connection: sa.Connection, tables: sa.MetaData) -> None:
        tables.create_all(connection)

    def down(self, error: DBAPIError) -> Down:
        """What an error of the database itself means, and what to do."""
        return Down(f"the ledger cannot be written: {error.orig}", "try again")

    def give_up(self, group: Sequence[Request], error: BaseException) -> None:
        """Nothing of the group was recorded, because of this."""
        for request in group:
            request.error = request.error or error if isinstance(error, Exception) else CUT_OFF

    # ------------------------------------------------------------------------------------------ writing

    @contextmanager
    def transaction(self) -> Generator[sa.Connection]:
        """One writer at a time, durable when it ends without an error, otherwise as if it never began. Raises Down."""
        with self.writing(), self.alone() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Generator[None]:
        """No other thread writes for the time of the block."""
        with self.turn:
            self.turn.wait_for(lambda: not self.busy)
            self.busy = True
        try:
            yield
        finally:
            self.leave()

    def leave(self) -> None:
        with self.turn:
            self.busy = False
            self.turn.notify_all()

    @contextmanager
    def alone(self) -> Generator[sa.Connection]:
        """The same for whoever is `writing`."""
        try:
            with self.engine.connect() as connection:
                connection.exec_driver_sql(self.begin)
                try:
                    yield connection
                    connection.exec_driver_sql("COMMIT")
                except BaseException:
                    if not connection.invalidated:
                        with contextlib.suppress(DBAPIError, Down):  # it may have rolled back by itself, in trouble
                            connection.exec_driver_sql("ROLLBACK")
                    raise
        except OperationalError as error:
            raise self.down(error) from error

    def append(
        self,
        facts: Sequence[Fact],
        expect: tuple[str, int] | None = None,
        texts: Mapping[str, bytes] | None = None,
    ) -> list[Event]:
        request = Request([entry(fact) for fact in facts], expect, texts or {})
        with self.turn:
            self.queue.append(request)
            # Whoever was carried out by another goes at once, and does not wait for the turn as well.
            self.turn.wait_for(lambda: request.over or not self.busy)
            group = [] if request.over else list(self.queue)
            if group:
                self.busy = True
                self.queue.clear()
        if group:
            try:
                self.commit(group)
            finally:
                self.leave()
        if request.error is not None:
            raise request.error
        return request.written

    def commit(self, group: Sequence[Request]) -> None:
        """Carry out all of these in one transaction, in order, while `writing`."""
        try:
            if not self.together(group):
                self.apart(group)
        except BaseException as error:
            self.give_up(group, error)
            if not isinstance(error, Exception):
                raise
        finally:
            for request in group:
                request.over = True
        with self.news:
            self.news.notify_all()

    def together(self, group: Sequence[Request]) -> bool:
        """The whole group as one batch; False, and nothing done, when one of it has conditions or fails."""
        if len(group) == 1 or any(request.expect is not None for request in group):
            return False
        try:
            with self.alone() as connection:
                texts = {hash: body for request in group for hash, body in request.texts.items()}
                whole = Request([one for request in group for one in request.entries], texts=texts)
                try:
                    made = self.write(connection, whole, self.tip(connection, group))
                except Exception as error:
                    raise NotTogether from error
        except NotTogether:
            return False
        by_id = {event.id: event for event in made}
        for request in group:
            ids = [one.fact.id for one in request.entries]
            request.written = [by_id.pop(id) for id in ids if id in by_id]
        return True

    def apart(self, group: Sequence[Request]) -> None:
        """One after the other, each in a savepoint, so that one that fails, fails alone."""
        with self.alone() as connection:
            tip = self.tip(connection, group)
            for request in group:
                self.carry_out(connection, request, tip, only=len(group) == 1)

    def tip(self, connection: sa.Connection, group: Sequence[Request]) -> Tip:
        """Where the chain ends, by one question. Raises Down when another version of Wend, on the same database, has
        made the tables its own meanwhile."""
        asked = [one.fact.id for request in group for one in request.entries]
        end = sa.select(LEDGER.c.seq, LEDGER.c.hash).order_by(LEDGER.c.seq.desc()).limit(1).subquery()
        few = LEDGER.c.id.in_(asked[:CHUNK])
        parts = (
            sa.select(NOTES.c.key, NOTES.c.value, sa.literal(0)).where(NOTES.c.key == "schema"),
            sa.select(sa.literal("end"), end.c.hash, end.c.seq),
            sa.select(sa.literal("known"), LEDGER.c.id, LEDGER.c.seq).where(few),
        )
        rows = [(row[0], row[1], row[2]) for row in connection.execute(sa.union_all(*parts))]
        found = next((int(value) for kind, value, _ in rows if kind == "schema"), 0)
        if found != self.schema:
            words = f"the tables were changed by another version of Wend (tables {found}, this one knows {self.schema})"
            raise Down(words, "restart this one with that version")
        seq, hash = next(((seq, value) for kind, value, seq in rows if kind == "end"), (0, GENESIS))
        there = {value for kind, value, _ in rows if kind == "known"}
        return Tip(seq, hash, there | known(connection, asked[CHUNK:]))

    def carry_out(self, connection: sa.Connection, request: Request, tip: Tip, only: bool) -> None:
        """One request inside the transaction. When it is not the only one, its failure stays its own."""
        before = (tip.seq, tip.hash)
        if not only:
            connection.exec_driver_sql("SAVEPOINT one")
        try:
            request.written = self.write(connection, request, tip)
        except Exception as error:
            if only or connection.invalidated:
                raise
            # Raises in its turn when the whole transaction is lost, and then nobody's request was carried out.
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT one")
            request.error = self.down(error) if isinstance(error, OperationalError) else error
            tip.seq, tip.hash = before
        else:
            tip.known.update(made.id for made in request.written)
        if not only:
            connection.exec_driver_sql("RELEASE SAVEPOINT one")

    def write(self, connection: sa.Connection, request: Request, tip: Tip) -> list[Event]:
        """Chain the facts that are new and reduce them, all at once."""
        if request.expect is not None:
            check_expected(connection, *request.expect)
        fresh: dict[str, Entry] = {}
        for one in request.entries:
            if one.fact.id not in tip.known:
                fresh.setdefault(one.fact.id, one)
        keep_texts(connection, texts_of(request, fresh))
        made = [self.chained(one.fact, tip) for one in fresh.values()]
        rows = [as_row(event, one.text) for event, one in zip(made, fresh.values(), strict=True)]
        if made:
            connection.execute(sa.insert(LEDGER), rows)
            self.reduce(connection, made)
        return made

    def chained(self, fact: Fact, tip: Tip) -> Event:
        """The fact as the next event, which is the new tip."""
        at = int(self.clock() * 1_000_000) if fact.at is None else fact.at
        row = (fact.id, at, fact.kind, fact.stream, fact.actor, fact.team, fact.app, fact.data)
        tip.hash = link(tip.hash, tip.seq + 1, row)
        tip.seq += 1
        return Event(tip.seq, *row, hash=tip.hash)

    def erase(self, hashes: Iterable[str], actor: str) -> None:
        for hash in hashes:
            erased = Request([entry(Fact("text_erased", "texts", {"hash": hash}, actor=actor))])
            with self.transaction() as connection:
                connection.execute(sa.delete(TEXTS).where(TEXTS.c.hash == hash))
                self.write(connection, erased, Tip(*newest(connection), known=set()))

    def rebuild(self) -> int:
        with self.transaction() as connection:
            return self.refill(connection)

    def refill(self, connection: sa.Connection) -> int:
        """Make the tables anew inside a transaction; the number of events."""
        count = 0
        self.tables.drop_all(connection)
        self.create(connection, self.tables)
        for batch in batches(connection):
            self.reduce(connection, batch)
            count = batch[-1].seq
        connection.execute(sa.delete(NOTES).where(NOTES.c.key == "schema"))
        connection.execute(sa.insert(NOTES), {"key": "schema", "value": str(self.schema)})
        return count

    # ------------------------------------------------------------------------------------------ reading

    def query(self) -> sa.Connection:
        return self.engine.connect()

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

    def verify(self, witness: tuple[int, str] | None = None) -> tuple[int, str]:
        with self.query() as connection:
            return verify((event for batch in batches(connection) for event in batch), witness)

    def close(self) -> None:
        self.engine.dispose()


def carry(before: Store, after: Store) -> int:
    """Copy a ledger into another, with ids, times and so hashes; what is there already is skipped. The number of
    events. Raises Conflict when the other holds another chain."""
    with before.query() as connection:
        first = fetch(connection, sa.select(LEDGER).order_by(LEDGER.c.seq).limit(1))
        if (there := after.read(limit=1)) and there != first:
            raise Conflict("the database holds the ledger of another platform", "name an empty one")
        for row in connection.execute(sa.select(TEXTS)):
            after.append([], texts={row.hash: row.body})
        for batch in batches(connection):
            after.append([as_fact(event) for event in batch])
    if before.head() != after.head():
        raise Conflict("the database holds more than this ledger", "name an empty one")
    return before.head()[0]


def as_fact(event: Event) -> Fact:
    """What was written, before it had a number."""
    return Fact(**{name: value for name, value in event.__dict__.items() if name not in ("seq", "hash")})


def texts_of(request: Request, fresh: Mapping[str, Entry]) -> Mapping[str, bytes]:
    """The texts that the fresh facts name. What was erased must not come back with a fact that is repeated."""
    if not request.texts or len(fresh) == len(request.entries):
        return request.texts
    named = {hash for one in fresh.values() for hash in HASH.findall(one.text)}
    return {hash: body for hash, body in request.texts.items() if hash in named}
