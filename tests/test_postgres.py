"""Databases: made, reached, rotated under load, closed to others, and what is said when the server is away."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.house import House, until
from tests.kept import database_app, needs, pushed
from tests.resource_world import context
from wend import config, resources
from wend.errors import Down, Invalid
from wend.resources import postgres, server
from wend.resources.postgres import Postgres
from wend.state import resources as stored

pytestmark = needs("initdb", "postgresql")


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server of our own, running."""
    home = tmp_path_factory.mktemp("postgres")
    found = Postgres(config.load(home))
    found.alive(None)
    yield found
    server.stop_all(home)


def url_of(where: Postgres, about: Any, password: str) -> str:
    return where.grant("db", about, password).env["DB_URL"]


def refused(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return True
    return False


def test_two_logins_take_turns_and_what_they_make_belongs_to_the_owner(own: Postgres) -> None:
    about = own.create("hello_turns", "one")
    with psycopg.connect(url_of(own, about, "one")) as db:
        db.execute("CREATE TABLE notes (word text)")
        row = db.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'notes'").fetchone()
        assert row == ("hello_turns",)
    after = own.admit(about, "two")
    with psycopg.connect(url_of(own, about, "one")) as old, psycopg.connect(url_of(own, after, "two")) as new:
        new.execute("ALTER TABLE notes ADD at timestamp")
        new.commit()
        assert old.execute("SELECT count(at) FROM notes").fetchone() == (0,)
    own.settle(after, "two")
    own.settle(after, "two")
    assert refused(url_of(own, about, "one")) and not refused(url_of(own, after, "two"))
    assert (own.size(after) or 0) > 2**20
    own.shut(after)
    assert refused(url_of(own, after, "two"))
    back = own.admit(after, "three")
    with psycopg.connect(url_of(own, back, "three")) as db:
        assert db.execute("SELECT count(*) FROM notes").fetchone() == (0,)
    own.purge(back)
    own.purge(back)
    assert refused(url_of(own, back, "three"))


def test_nobody_reaches_the_database_of_another(own: Postgres) -> None:
    mine, other = own.create("hello_mine", "one"), own.create("hello_other", "two")
    for database in ("hello_other", "postgres"):
        url = url_of(own, mine, "one").rpartition("/")[0] + f"/{database}"
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(url, connect_timeout=5)
    with psycopg.connect(url_of(own, mine, "one")) as db, pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.execute("RESET ROLE")
        db.execute("ALTER ROLE hello_other_a PASSWORD 'x'")
    assert not refused(url_of(own, other, "two"))


def named_as(own: Postgres, user: str, password: str, port: int | None = None) -> Postgres:
    at = port or own.local().port
    return Postgres(config.load(own.home, {"postgres": f"postgresql://{user}:{password}@127.0.0.1:{at}/postgres"}))


def test_a_named_server_needs_no_superuser(own: Postgres) -> None:
    with postgres.connected(own.admin("local")) as db:
        db.execute("CREATE ROLE maker LOGIN CREATEDB CREATEROLE PASSWORD 'made-of-letters'")
        db.execute("GRANT CONNECT ON DATABASE postgres TO maker")
    named = named_as(own, "maker", "made-of-letters")
    named.alive(None)
    about = named.create("hello_named", "one")
    assert about["server"] == f"127.0.0.1:{own.local().port}"
    url = url_of(named, about, "one")
    with psycopg.connect(url) as held:
        held.execute("CREATE TABLE notes (word text)")
        held.commit()
        named.shut(about)
        with pytest.raises(psycopg.OperationalError):
            held.execute("SELECT 1")
    named.purge(named.admit(about, "two"))
    elsewhere = Postgres(config.load(own.home))
    with pytest.raises(Down, match="which no setting names"):
        elsewhere.grant("db", about, "one")


def test_what_is_wrong_with_a_named_server_is_said_without_its_password(own: Postgres) -> None:
    secret = "wrong-and-secret"
    with pytest.raises(Down, match="does not let 'wend' in: password authentication failed") as error:
        named_as(own, "wend", secret).alive(None)
    assert secret not in error.value.message + error.value.hint
    port = server.free_port()
    with pytest.raises(Down, match=f"no answer from postgres at 127.0.0.1:{port}") as error:
        named_as(own, "wend", secret, port).alive(None)
    assert secret not in error.value.message + error.value.hint
    for bad in ("postgresql:///postgres", f"postgresql://u:{secret}@a,b/postgres", f"nonsense {secret}"):
        with pytest.raises(Invalid, match="not an address of one server") as wrong:
            postgres.parse(bad)
        assert secret not in wrong.value.message + wrong.value.hint


def test_our_server_comes_back_when_it_is_killed(own: Postgres) -> None:
    (status,) = server.yard(own.home).status("postgres")
    assert status.pid
    os.kill(status.pid, signal.SIGKILL)
    until(lambda: server.yard(own.home).status("postgres")[0].restarts > status.restarts, what="it was restarted")
    own.alive(None)
    assert server.yard(own.home).status("postgres")[0].port == status.port


def test_the_trash_is_emptied_although_nothing_else_needs_the_server(own: Postgres) -> None:
    about = own.create("hello_last", "one")
    server.stop_all(own.home)
    own.shut(about)
    server.stop_all(own.home)
    own.purge(about)
    with postgres.connected(own.admin("local")) as db:
        assert db.execute("SELECT 1 FROM pg_database WHERE datname = 'hello_last'").fetchone() is None


class Load:
    """Requests at a steady pace from several threads until told to stop."""

    def __init__(self, house: House, app: str, path: str, rate: float, hands: int = 4) -> None:
        self.house, self.app, self.path, self.every = house, app, path, hands / rate
        self.ended = threading.Event()
        self.seen: list[tuple[int, str]] = []
        self.hands = [threading.Thread(target=self.run) for _ in range(hands)]

    def run(self) -> None:
        due = time.monotonic()
        while not self.ended.wait(max(0.0, due - time.monotonic())):
            due += self.every
            try:
                self.seen.append(self.house.get(self.app, self.path))
            except OSError as error:
                self.seen.append((0, repr(error)))

    def __enter__(self) -> Load:
        for hand in self.hands:
            hand.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for hand in self.hands:
            hand.join()


def test_credentials_rotate_under_load_and_data_survives_its_app(house: House, tmp_path: Path) -> None:
    house.up()
    pushed(house, "pg-a", tmp_path / "a", database_app())
    assert house.get("pg-a", "/write") == (200, "here")
    first = house.get("pg-a", "/env/DATABASE_URL")[1]
    assert first == house.get("pg-a", "/env/DB_URL")[1]
    with Load(house, "pg-a", "/read", rate=50) as load:
        lines, last = house.change("/api/apps/pg-a/resources/db/rotate", {})
        assert "done" in last, (lines, last)
        have = len(load.seen)
        until(lambda: len(load.seen) > have + 50, what="requests after it")
    print(f"{len(load.seen)} requests during a rotation")
    assert {found for found in load.seen if found != (200, "1")} == set()
    assert house.get("pg-a", "/who")[1].endswith("_b") and refused(first)
    assert house.get("pg-a", "/env/DATABASE_URL")[1] != first
    lines, last = house.change("/api/apps/pg-a/rollback", {})
    assert "done" in last, (lines, last)
    assert house.get("pg-a", "/read") == (200, "1"), "an older release gets today's credentials"
    assert house.get("pg-a", "/other/postgres")[0] == 500
    assert house.api("DELETE", "/api/apps/pg-a", {"confirm": "pg-a"})[0] == 200
    house.stop()
    with context(house.home) as ctx:
        with ctx.ledger.query() as db:
            (waiting,) = stored.trashed(db, "pg-a")
        resources.restore(ctx, waiting.id, "pg-a", None, print)
    house.up()
    pushed(house, "pg-a", tmp_path / "again", database_app())
    assert house.get("pg-a", "/read") == (200, "1")


def test_a_push_while_the_server_is_away_fails_with_its_name_and_the_app_runs_on(
    house: House, own: Postgres, tmp_path: Path
) -> None:
    port = server.free_port()
    house.env["WEND_POSTGRES"] = f"postgresql://wend:not-told-to-you@127.0.0.1:{port}/postgres"
    house.up()
    repo = house.repo("pg-b", tmp_path / "b")
    assert repo.push()[0]
    repo.write({"wend.toml": '[resources.db]\ntype = "postgres"\n'})
    repo.commit()
    taken, said = repo.push()
    assert not taken and f"resource db of pg-b: no answer from postgres at 127.0.0.1:{port}" in said, said
    assert "not-told-to-you" not in said + house.log()
    assert house.get("pg-b") == (200, "one")
    house.stop(15)
    admin = own.admin("local").options
    house.env["WEND_POSTGRES"] = f"postgresql://wend:{admin['password']}@127.0.0.1:{admin['port']}/postgres"
    house.up()
    taken, said = repo.push()
    assert taken, said
    assert house.get("pg-b", "/env/DB_URL")[1].startswith("postgresql://app_pg_b_db_")
