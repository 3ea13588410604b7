"""Control planes on one PostgreSQL database. Their turns are advisory locks of one session that each plane keeps open:
when its process dies, the server sees that and gives them back. What they tell each other goes by NOTIFY."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import queue
import select
import threading
import time
from collections.abc import Generator
from typing import Any

import psycopg
from psycopg import sql

from wend.errors import Down
from wend.ledger.postgres import Server
from wend.planes import LEADER, Hear, Lost

log = logging.getLogger(__name__)
CHANNEL = "wend_planes"
NAMED = "wend plane "
GRACE = 2.0  # seconds after a break in which every plane may take back what it had, before anyone takes anything new
BEAT = 1.0

TAKE = "SELECT pg_try_advisory_lock(%s)"
LEAVE = "SELECT pg_advisory_unlock(%s)"
LOCKS = (
    "SELECT l.pid FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND ((l.classid::bigint << 32) | l.objid::bigint) = %s"
)
THERE = (
    "SELECT a.application_name, a.pid = (" + LOCKS + " LIMIT 1) FROM pg_stat_activity a "
    "WHERE a.datname = current_database() AND a.application_name LIKE %s ORDER BY a.backend_start"
)


def key(name: str) -> int:
    """The number of a turn's lock, 64 bits with a sign. The ledger's own lock has one of 32."""
    return int.from_bytes(hashlib.sha256(f"wend turn {name}".encode()).digest()[:8], "big", signed=True)


class Shared:
    """This plane among others. `name`: where it listens."""

    shared = True

    def __init__(self, server: Server, name: str) -> None:
        self.server, self.name = server, name
        self.turn = threading.RLock()
        self.held: set[str] = set()
        self.heard: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.hear: Hear = lambda words: None
        self.lost: Lost = lambda name: None
        self.closed = threading.Event()
        self.broke = float("-inf")
        self.session: psycopg.Connection[Any] | None = None
        try:
            self.connect()
        except psycopg.OperationalError as error:
            raise server.away(error) from None
        for name_of, act in (("planes-watch", self.watch), ("planes-hear", self.pass_on)):
            threading.Thread(target=act, name=name_of, daemon=True).start()

    # ------------------------------------------------------------------------------------------ turns

    def take(self, name: str) -> bool:
        with self.turn:
            if name not in self.held and time.monotonic() - self.broke > GRACE and self.ask(TAKE, key(name)):
                self.held.add(name)
            return name in self.held

    def leave(self, name: str) -> None:
        with self.turn:
            if name in self.held:
                self.held.discard(name)
                with contextlib.suppress(Down):  # then the session is gone, and the lock with it
                    self.ask(LEAVE, key(name))

    def taken(self, name: str) -> bool:
        return name in self.held or self.ask(LOCKS, key(name)) is not None

    def leads(self) -> bool:
        return LEADER in self.held and self.session is not None

    def there(self) -> list[dict[str, Any]]:
        with self.turn, self.trying() as session:
            rows = session.execute(THERE, (key(LEADER), f"{NAMED}%")).fetchall()
        return [{"plane": name.removeprefix(NAMED), "leads": bool(leads)} for name, leads in rows]

    # ------------------------------------------------------------------------------------------ words

    def tell(self, words: dict[str, Any]) -> None:
        self.ask("SELECT pg_notify(%s, %s)", CHANNEL, json.dumps({"from": self.name, **words}))

    def listen(self, hear: Hear, lost: Lost) -> None:
        self.hear, self.lost = hear, lost

    def pass_on(self) -> None:
        """Hand on what was heard, away from the session, so that whoever hears may ask it something."""
        while (said := self.heard.get()) is not None:
            words: dict[str, Any] = json.loads(said)
            if words.get("from") == self.name:
                continue
            try:
                self.hear(words)
            except Exception:
                log.exception("what plane %s said", words.get("from"))

    # ------------------------------------------------------------------------------------------ the session

    def ask(self, statement: str, *values: object) -> Any:
        """The first value of the answer, or None."""
        with self.turn, self.trying() as session:
            row = session.execute(statement.encode(), values).fetchone()
        return row[0] if row else None

    @contextlib.contextmanager
    def trying(self) -> Generator[psycopg.Connection[Any]]:
        """The session, for one use under `turn`. Raises Down, and sees to a new one, when it is broken."""
        session = self.session
        if session is None:
            raise self.server.away(ConnectionError("the connection is being made anew"))
        try:
            yield session
        except psycopg.OperationalError as error:
            self.broken()
            raise self.server.away(error) from None

    def connect(self) -> None:
        """A session of this plane's, in which it has what it had."""
        session = self.server.connect(autocommit=True, application_name=f"{NAMED}{self.name}"[:63])
        session.add_notify_handler(lambda note: self.heard.put(note.payload))
        session.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
        for name in sorted(self.held):
            row = session.execute(TAKE, [key(name)]).fetchone()
            if not (row and row[0]):
                self.held.discard(name)
                log.error("the turn at %s was lost to another plane while the database was away", name)
                self.lost(name)
        self.session = session

    def broken(self) -> None:
        if self.session is not None:
            self.session.close()
            self.session, self.broke = None, time.monotonic()
            log.error("the connection to PostgreSQL at %s broke", self.server.address)

    def watch(self) -> None:
        """Look for what others told, see that the session lives, and make another when it does not."""
        while not self.closed.is_set():
            session = self.session
            try:
                if session is None:
                    time.sleep(0.2)
                    with self.turn:
                        if not self.closed.is_set():
                            self.connect()
                            self.broke = time.monotonic()
                    continue
                select.select([session.fileno()], [], [], BEAT)
                self.ask("SELECT 1")
            except (psycopg.OperationalError, Down):
                continue
            except (OSError, ValueError, psycopg.Error):  # closed by another thread just now
                time.sleep(0.01)

    def close(self) -> None:
        self.closed.set()
        self.heard.put(None)
        with self.turn:
            self.held.clear()
            if self.session is not None:
                self.session.close()
            self.session = None
