"""Threads that append at once are committed together: in order, each for itself, and each on the disk when told so."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.databases import Database, database, ledger, postgres, served
from tests.house import until
from wend.errors import Conflict, Down, WendError
from wend.events import Event, Fact
from wend.ledger.chain import text_hash
from wend.ledger.store import Store
from wend.state.reducers import reduce
from wend.state.tables import APPS

__all__ = ["database", "ledger", "postgres", "served"]  # fixtures


def made(name: str, **more: Any) -> Fact:
    return Fact("app_created", f"app/{name}", {"branch": "main"}, actor="ada", app=name, **more)


def names(ledger: Store) -> list[str]:
    with ledger.query() as db:
        return list(db.execute(sa.select(APPS.c.name).order_by(APPS.c.name)).scalars())


class Asking(threading.Thread):
    """An append on a thread of its own; `outcome` is what came of it."""

    def __init__(self, act: Callable[[], list[Event]]) -> None:
        super().__init__(daemon=True)
        self.act = act
        self.outcome: list[Event] | Exception | None = None

    def run(self) -> None:
        try:
            self.outcome = self.act()
        except (WendError, sa.exc.DBAPIError) as error:
            self.outcome = error


def together(ledger: Store, *acts: Callable[[], list[Event]]) -> list[Any]:
    """Do these as one group, in this order: they pile up while somebody else has the turn."""
    threads = [Asking(act) for act in acts]
    with ledger.writing():
        for count, thread in enumerate(threads, 1):
            thread.start()
            until(lambda count=count: len(ledger.queue) == count, 5)
    for thread in threads:
        thread.join(10)
    return [thread.outcome for thread in threads]


def test_a_group_is_chained_in_the_order_of_its_requests(ledger: Store) -> None:
    outcomes = together(ledger, *(lambda name=name: ledger.append([made(name), made(name + "2")]) for name in "cab"))
    assert [event.app for event in ledger.read()] == ["c", "c2", "a", "a2", "b", "b2"]
    assert [[event.seq for event in events] for events in outcomes] == [[1, 2], [3, 4], [5, 6]]
    assert ledger.verify()[0] == 6


def test_one_that_fails_fails_alone(ledger: Store) -> None:
    outcomes = together(
        ledger,
        lambda: ledger.append([made("one")]),
        lambda: ledger.append([made("two"), made("one")]),
        lambda: ledger.append([made("one")], expect=("app/one", 0)),
        lambda: ledger.append([made("three")], expect=("app/three", 0)),
    )
    assert [type(outcome) for outcome in outcomes] == [list, sa.exc.IntegrityError, Conflict, list]
    assert names(ledger) == ["one", "three"]
    assert [event.app for event in ledger.read()] == ["one", "three"]
    assert ledger.verify()[0] == 2


def test_an_id_counts_once_in_a_group_and_again_after_its_first_writer_failed(ledger: Store) -> None:
    ledger.append([made("zero")])
    outcomes = together(
        ledger,
        lambda: ledger.append([made("one", id="same"), made("zero")]),
        lambda: ledger.append([made("two", id="same")]),
        lambda: ledger.append([made("three", id="same")]),
    )
    assert isinstance(outcomes[0], sa.exc.IntegrityError)
    assert [event.app for event in outcomes[1]] == ["two"]
    assert outcomes[2] == []
    assert names(ledger) == ["two", "zero"]


LOST = {
    "sqlite": "ROLLBACK",  # as SQLite does by itself when the disk is full
    "postgresql": "SELECT pg_terminate_backend(pg_backend_pid())",
}


def test_a_group_that_cannot_be_committed_was_recorded_for_nobody(database: Database) -> None:
    def fails(connection: sa.Connection, events: Sequence[Event]) -> None:
        reduce(connection, events)
        if any(event.app == "bad" for event in events):
            connection.exec_driver_sql(LOST[connection.dialect.name])

    ledger = database.open(fails)
    outcomes = together(ledger, *(lambda name=name: ledger.append([made(name)]) for name in ("one", "bad", "two")))
    assert [type(outcome) for outcome in outcomes] == [Down, Down, Down]
    assert ledger.read() == [] and names(ledger) == []
    assert [event.seq for event in ledger.append([made("three")])] == [1]
    ledger.close()


def test_reducers_get_what_was_appended_at_once_as_a_whole(database: Database) -> None:
    runs: list[int] = []

    def counting(connection: sa.Connection, events: Sequence[Event]) -> None:
        runs.append(len(events))
        reduce(connection, events)

    ledger = database.open(counting)
    ledger.append([made(f"app{number}") for number in range(2500)])
    assert runs == [2500]
    ledger.close()


def test_a_group_without_trouble_is_carried_out_as_one(database: Database) -> None:
    runs: list[int] = []

    def counting(connection: sa.Connection, events: Sequence[Event]) -> None:
        runs.append(len(events))
        reduce(connection, events)

    ledger = database.open(counting)
    same = made("same", id="same")
    outcomes = together(ledger, *(lambda name=name: ledger.append([made(name), same]) for name in ("a", "b", "c")))
    assert runs == [4]
    assert [[event.app for event in events] for events in outcomes] == [["a", "same"], ["b"], ["c"]]
    runs.clear()
    outcomes = together(ledger, *(lambda name=name: ledger.append([made(name)]) for name in ("d", "a", "e")))
    assert runs[0] == 3 and [type(outcome) for outcome in outcomes] == [list, sa.exc.IntegrityError, list]
    assert ledger.verify()[0] == 6
    ledger.close()


def test_an_erased_text_does_not_come_back_with_a_fact_that_is_repeated(ledger: Store) -> None:
    bodies = {text_hash(body): body for body in (b"of one", b"of two", b"of three")}
    facts = [Fact("access_denied", "s", {"target": hash}, id=hash) for hash in bodies]
    ledger.append(facts[:2], texts={hash: bodies[hash] for hash in list(bodies)[:2]})
    first, second, third = bodies
    ledger.erase([first], "ada")
    ledger.append(facts, texts=bodies)
    assert [ledger.text(hash) for hash in (first, second, third)] == [None, b"of two", b"of three"]
    assert ledger.append(facts, texts=bodies) == [] and ledger.text(first) is None


WRITER = """
import sys, threading
from tests.databases import opened
from tests.test_ledger_groups import made
ledger = opened(sys.argv[1])
def write(thread):
    for number in range(100000):
        ledger.append([made(f"t{thread}n{number}")])
        sys.stdout.write(f"t{thread}n{number}\\n")
        sys.stdout.flush()
for thread in range(8):
    threading.Thread(target=write, args=(thread,)).start()
"""


def test_kill_nine_of_eight_writers_loses_nothing_that_was_acknowledged(database: Database) -> None:
    words = [sys.executable, "-c", WRITER, database.name]
    writer = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
    assert writer.stdout
    told = [line.strip() for line, _ in zip(writer.stdout, range(300), strict=False)]
    writer.kill()
    told += [line.strip() for line in writer.stdout if line.endswith("\n")]
    writer.wait()
    reopened = database.open()
    count, _ = reopened.verify()
    there = set(names(reopened))
    assert len(there) == count
    assert set(told) <= there, "what was acknowledged is there"
    assert len(there - set(told)) <= 8, "and beyond that at most what each thread was at"
    reopened.close()
