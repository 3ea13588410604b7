"""A database for the ledger, fresh for each test: a SQLite file, or one on a PostgreSQL server of this test process."""

from __future__ import annotations

import random
import socket
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa

from tests.kept import needs
from wend import config
from wend.events import Event
from wend.ledger import Reduce
from wend.ledger.postgres import Postgres
from wend.ledger.sqlite import Sqlite
from wend.ledger.store import Store
from wend.resources import server
from wend.resources.postgres import Postgres as Servers
from wend.state import SCHEMA
from wend.state.reducers import reduce
from wend.state.tables import META

BOTH = ["sqlite", pytest.param("postgres", marks=needs("initdb", "postgresql"))]


class Database(Protocol):
    """Where a ledger can be opened, and gone behind. `name`: what `opened` takes."""

    @property
    def name(self) -> str: ...

    def open(self, reduce: Reduce = reduce, schema: int = SCHEMA) -> Store: ...

    def execute(self, *statements: str) -> None:
        """Behind the ledger's back, as someone who can edit the database; its own refusals hold."""
        ...

    def untie(self) -> None:
        """Take away what refuses changes of the ledger."""
        ...


class File:
    def __init__(self, file: Path) -> None:
        self.file, self.name = file, str(file)

    def open(self, reduce: Reduce = reduce, schema: int = SCHEMA) -> Store:
        return Sqlite(self.file, META, reduce, schema)

    def execute(self, *statements: str) -> None:
        raw = sqlite3.connect(self.file)
        try:
            for statement in statements:
                raw.execute(statement)
            raw.commit()
        finally:
            raw.close()

    def untie(self) -> None:
        self.execute("DROP TRIGGER ledger_no_update", "DROP TRIGGER ledger_no_delete")


class Served:
    def __init__(self, url: str) -> None:
        self.url, self.name = url, url

    def open(self, reduce: Reduce = reduce, schema: int = SCHEMA) -> Store:
        return Postgres(self.url, META, reduce, schema)

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.url) as raw:
            for statement in statements:
                raw.execute(statement.encode())

    def untie(self) -> None:
        self.execute("DROP TRIGGER ledger_no_change ON ledger")


def nothing(_connection: sa.Connection, _events: Sequence[Event]) -> None:
    """For a ledger whose tables do not matter."""


def opened(name: str) -> Store:
    """The ledger in this database: for a process of its own."""
    return (Served(name) if name.startswith("postgresql:") else File(Path(name))).open()


def quiet_port() -> int:
    """A free port that no connection is given by itself, so that it is still free after the server was stopped."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("of 100 ports none is free")


class PostgresServer:
    """A server as the product starts its own: in a box, as a user of its own, on 127.0.0.1."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.servers = Servers(config.load(home))
        folder = self.servers.local().folder
        folder.mkdir(parents=True)
        (folder / "port").write_text(str(quiet_port()))
        self.start()

    def start(self) -> None:
        self.servers.start()

    def stop(self) -> None:
        """At once: asked politely, it would wait for every session to end."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as db:
            ending = threading.Thread(target=self.servers.local().stop)
            ending.start()
            with suppress(psycopg.OperationalError):
                db.execute("COPY (SELECT 1) TO PROGRAM 'kill -INT $(head -n 1 /data/db/postmaster.pid)'")
        ending.join()

    @property
    def password(self) -> str:
        return str(self.servers.admin("local").options["password"])

    def url(self, database: str) -> str:
        admin = self.servers.admin("local")
        return f"postgresql://{admin.user}:{quote(self.password, safe='')}@{admin.address}/{database}"

    def make(self, more: str = "") -> Served:
        """A new database on it."""
        name = f"test_{uuid4().hex}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as db:
            db.execute(f"CREATE DATABASE {name} {more}".encode())
        return Served(self.url(name))

    def drop(self, made: Served) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as db:
            db.execute(f"DROP DATABASE {made.url.rpartition('/')[2]} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    found = PostgresServer(tmp_path_factory.mktemp("ledgers"))
    yield found
    server.stop_all(found.home)


@pytest.fixture
def served(postgres: PostgresServer) -> Iterator[Served]:
    """An empty PostgreSQL database."""
    made = postgres.make()
    yield made
    postgres.drop(made)


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty database of each kind."""
    return File(tmp_path / "wend.db") if request.param == "sqlite" else request.getfixturevalue("served")


@pytest.fixture
def ledger(database: Database) -> Iterator[Store]:
    """A ledger in an empty database of each kind."""
    found = database.open()
    yield found
    found.close()
