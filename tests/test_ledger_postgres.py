"""What PostgreSQL has beyond the contract: a server that goes away and comes back, several planes, a password."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from tests.databases import File, PostgresServer, Served, postgres, served
from tests.kept import needs
from tests.test_ledger import made, names
from wend.errors import Conflict, Down, Invalid, Refused
from wend.ledger.chain import text_hash
from wend.ledger.postgres import Postgres, Server
from wend.ledger.store import as_fact, carry
from wend.state import SCHEMA
from wend.state.reducers import reduce
from wend.state.tables import META

__all__ = ["postgres", "served"]  # fixtures
pytestmark = needs("initdb", "postgresql")


@pytest.fixture
def ledger(served: Served) -> Iterator[Postgres]:
    found = Postgres(served.url, META, reduce, SCHEMA)
    yield found
    found.close()


@pytest.fixture
def stopped(postgres: PostgresServer, ledger: Postgres) -> Iterator[Postgres]:
    """A ledger with one app whose server was stopped; it runs again afterwards."""
    ledger.append([made("one")])
    postgres.stop()
    yield ledger
    postgres.start()


@pytest.mark.parametrize("what", ["append", "read", "open"])
def test_a_server_that_is_away_is_named_without_its_password(
    stopped: Postgres, postgres: PostgresServer, served: Served, what: str
) -> None:
    with pytest.raises(Down) as caught:
        if what == "append":
            stopped.append([made("two")])
        elif what == "read":
            stopped.read()
        else:
            served.open()
    error: BaseException | None = caught.value
    assert caught.value.message.startswith(f"PostgreSQL at {Server.parse(served.url).address} does not answer: ")
    while error is not None:
        assert postgres.password not in str(error), "nor does a log of the whole chain of errors show it"
        error = error.__cause__ or error.__context__


def test_a_server_that_comes_back_is_used_again(stopped: Postgres, postgres: PostgresServer) -> None:
    with pytest.raises(Down):
        stopped.append([made("two")])
    postgres.start()
    assert [event.seq for event in stopped.append([made("two")])] == [2]
    assert names(stopped) == ["one", "two"]
    assert stopped.verify()[0] == 2


def test_a_commit_whose_answer_was_lost_counts(ledger: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = cut_after_commit(ledger)
    events = ledger.append([made("one")])
    assert cut and [event.seq for event in events] == [1]
    assert ledger.read() == events


def cut_after_commit(ledger: Postgres) -> list[str]:
    """Once: the server has committed, and then the line breaks before we hear of it."""
    cut: list[str] = []

    def after(connection: sa.Connection, cursor: Any, statement: str, *_rest: Any) -> None:
        if statement == "COMMIT" and not cut:
            cut.append(statement)
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    sa.event.listen(ledger.engine, "after_cursor_execute", after)
    return cut


@pytest.mark.parametrize("url", ["", "postgresql://u:geheim@h:x/y", "mysql://u:geheim@h/d", "postgresql://u:geheim@h"])
def test_an_address_that_is_none_is_refused_without_a_word_of_it(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        Server.parse(url)
    assert "geheim" not in caught.value.message + caught.value.hint


def test_a_wrong_password_is_said_and_not_shown(served: Served, postgres: PostgresServer) -> None:
    wrong = served.url.replace(postgres.password, "geheim")
    with pytest.raises(Down, match="password authentication failed") as caught:
        Postgres(wrong, META, reduce, SCHEMA)
    assert "geheim" not in caught.value.message
    assert "geheim" not in repr(Server.parse(wrong))


def test_truncate_is_refused(ledger: Postgres, served: Served) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        served.execute("TRUNCATE ledger")


def test_two_planes_write_one_chain_and_each_sees_what_the_other_wrote(served: Served) -> None:
    planes = [served.open(), served.open()]

    def write(number: int) -> None:
        for index in range(50):
            planes[number % 2].append([made(f"w{number}-{index}")])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    seen = [batch for batch in planes[0].follow(0, 3.0)]
    for thread in threads:
        thread.join()
    assert [event.seq for batch in seen for event in batch] == list(range(1, 301))
    assert [plane.verify()[0] for plane in planes] == [300, 300]
    for plane in planes:
        plane.close()


def test_follow_sees_another_plane_within_two_seconds(served: Served) -> None:
    mine, other = served.open(), served.open()
    timer = threading.Timer(0.2, lambda: other.append([made("one")]))
    timer.start()
    begun = time.monotonic()
    assert next(mine.follow(0, 10.0))[0].app == "one"
    assert time.monotonic() - begun < 2.2
    mine.close()
    other.close()


def test_two_planes_that_start_at_once_make_the_tables_once(served: Served) -> None:
    opened: list[Any] = []
    threads = [threading.Thread(target=lambda: opened.append(served.open())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [plane.append([made(f"app{number}")])[0].seq for number, plane in enumerate(opened)] == [1, 2, 3, 4]
    for plane in opened:
        plane.close()


def test_text_is_sorted_by_its_bytes_in_a_database_of_any_language(postgres: PostgresServer) -> None:
    made_for = postgres.make("TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C.UTF-8'")
    ledger = made_for.open()
    ledger.append([made(name) for name in ("b", "B", "a-b", "ab", "ä", "A")])
    assert names(ledger) == ["A", "B", "a-b", "ab", "b", "ä"]
    ledger.close()
    postgres.drop(made_for)


def test_a_database_in_another_encoding_is_refused(postgres: PostgresServer) -> None:
    latin = postgres.make("TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(Refused, match="LATIN1"):
        latin.open()
    postgres.drop(latin)


def test_every_commit_waits_for_the_disk_whatever_the_database_says(served: Served) -> None:
    name = served.url.rpartition("/")[2]
    served.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    ledger = served.open()
    with ledger.query() as db:
        assert db.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    ledger.close()


def test_a_ledger_moves_with_its_chain_and_its_texts_and_a_move_that_was_cut_off_goes_on(
    served: Served, tmp_path: Path
) -> None:
    before, after = File(tmp_path / "wend.db").open(), served.open()
    body = b"sealed"
    before.append([made("one"), made("two")], texts={text_hash(body): body})
    after.append([as_fact(before.read()[0])])
    assert carry(before, after) == carry(before, after) == 2
    assert after.read() == before.read()
    assert after.text(text_hash(body)) == body
    assert names(after) == ["one", "two"]
    after.append([made("three")])
    with pytest.raises(Conflict, match="more than this ledger"):
        carry(before, after)
    before.close()
    after.close()


def test_a_ledger_does_not_move_into_that_of_another(served: Served, tmp_path: Path) -> None:
    before, after = File(tmp_path / "wend.db").open(), served.open()
    before.append([made("one")])
    after.append([made("other")])
    with pytest.raises(Conflict, match="another platform"):
        carry(before, after)
    assert names(after) == ["other"]
    before.close()
    after.close()
