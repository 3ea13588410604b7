"""The ledger's contract: nothing is lost, nothing is doubled, and any tampering is found."""

from __future__ import annotations

import dataclasses
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from tests.databases import Database, database, ledger, nothing, postgres, served
from tests.every_kind import everything
from wend.errors import Conflict, Down, Invalid, Refused
from wend.events import KINDS, Fact
from wend.ledger.chain import Checkpoint, Signer, genuine, text_hash
from wend.ledger.store import Store
from wend.state import SCHEMA
from wend.state.reducers import MASSES, REDUCERS
from wend.state.tables import APPS, META

__all__ = ["database", "ledger", "postgres", "served"]  # fixtures


def made(name: str, **more: object) -> Fact:
    return Fact("app_created", f"app/{name}", {"branch": "main"}, actor="ada", app=name, **more)  # type: ignore[arg-type]


def names(ledger: Store) -> list[str]:
    with ledger.query() as db:
        return list(db.execute(sa.select(APPS.c.name).order_by(APPS.c.name)).scalars())


def test_append_then_read_and_the_table_is_filled(ledger: Store) -> None:
    events = ledger.append([made("one"), made("two")])
    assert [event.seq for event in events] == [1, 2]
    assert ledger.read() == events
    assert names(ledger) == ["one", "two"]
    assert ledger.verify()[0] == 2


def test_repeating_an_id_changes_nothing(ledger: Store) -> None:
    ledger.append([made("one", id="same")])
    assert ledger.append([made("one", id="same")]) == []
    assert ledger.head()[0] == 1


def test_an_id_twice_in_one_batch_is_written_once(ledger: Store) -> None:
    events = ledger.append([made("one", id="same"), made("two"), made("three", id="same")])
    assert [event.app for event in events] == ["one", "two"]
    assert names(ledger) == ["one", "two"]


@pytest.mark.parametrize("name", ["id", "stream", "actor", "team", "app"])
def test_a_name_with_a_character_that_no_database_keeps_is_refused(ledger: Store, name: str) -> None:
    fact = Fact("push_refused", "s", {})
    with pytest.raises(Invalid, match=name):
        ledger.append([dataclasses.replace(fact, **{name: "a\0b"})])
    assert ledger.head()[0] == 0


def test_odd_characters_in_data_become_one_that_can_be_kept(database: Database) -> None:
    ledger = database.open(nothing)
    data = {"reason": "a\0b \ud800 \\u0000", "tail": ["\0"], "k\0": {"x": ("\udfff", 1)}}
    ledger.append([Fact("push_refused", "s", data)])
    kept = {"reason": "a\ufffdb \ufffd \\u0000", "tail": ["\ufffd"], "k\ufffd": {"x": ["\ufffd", 1]}}
    assert ledger.read()[0].data == kept
    assert ledger.verify()[0] == 1
    ledger.close()


def test_who_looks_for_a_name_that_cannot_be_finds_nothing(ledger: Store) -> None:
    ledger.append([made("one")])
    with ledger.query() as db:
        assert db.execute(sa.select(APPS.c.name).where(APPS.c.name == "on\0e")).first() is None
    assert ledger.read(app="\0") == []


def test_a_reducer_that_fails_leaves_no_event(ledger: Store) -> None:
    ledger.append([made("one")])
    with pytest.raises(sa.exc.IntegrityError):
        ledger.append([made("two"), made("one")])
    assert ledger.head()[0] == 1
    assert names(ledger) == ["one"]


def test_unknown_kind_is_refused(ledger: Store) -> None:
    with pytest.raises(Invalid, match="nonsense"):
        ledger.append([Fact("nonsense", "x")])


def test_expect_is_optimistic_concurrency(ledger: Store) -> None:
    ledger.append([made("one")], expect=("app/one", 0))
    with pytest.raises(Conflict):
        ledger.append([made("one")], expect=("app/one", 0))


@pytest.mark.parametrize("words", ["UPDATE ledger SET actor = 'eve'", "DELETE FROM ledger"])
def test_update_and_delete_are_refused_by_the_database_itself(ledger: Store, database: Database, words: str) -> None:
    ledger.append([made("one")])
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.RaiseException), match="append-only"):
        database.execute(words)


MOVE = "UPDATE ledger SET seq = {} WHERE seq = {}"
TAMPER = {
    "edit data": ("UPDATE ledger SET data = '{}' WHERE seq = 2", "event 2 is not as written"),
    "edit actor": ("UPDATE ledger SET actor = 'eve' WHERE seq = 1", "event 1 is not as written"),
    "edit time": ("UPDATE ledger SET at = at + 1 WHERE seq = 3", "event 3 is not as written"),
    "not JSON": ("UPDATE ledger SET data = '{' WHERE seq = 2", "event 2 is not as written"),
    "delete first": ("DELETE FROM ledger WHERE seq = 1", "event 1 is missing"),
    "delete middle": ("DELETE FROM ledger WHERE seq = 2", "event 2 is missing"),
    "swap": ("; ".join(map(MOVE.format, (99, 2, 4), (2, 4, 99))), "event 2 is not as written"),
}


@pytest.mark.parametrize("how", TAMPER)
def test_tampering_is_found_at_the_event(ledger: Store, database: Database, how: str) -> None:
    ledger.append([made(f"app{number}") for number in range(1, 6)])
    words, expected = TAMPER[how]
    database.untie()
    database.execute(*words.split("; "))
    with pytest.raises(Refused, match=expected):
        ledger.verify()


def test_a_cut_off_tail_shows_against_a_checkpoint(ledger: Store, database: Database, tmp_path: Path) -> None:
    signer = Signer(tmp_path / "key")
    ledger.append([made("one"), made("two"), made("three")])
    checkpoint = signer.sign(ledger.head())
    database.untie()
    database.execute("DELETE FROM ledger WHERE seq = 3")
    assert ledger.verify()[0] == 2, "the chain alone cannot know"
    with pytest.raises(Refused, match="cut off"):
        ledger.verify((checkpoint.seq, checkpoint.hash))


def test_checkpoints_are_signed(tmp_path: Path) -> None:
    signer = Signer(tmp_path / "key")
    checkpoint = Checkpoint.parse(str(signer.sign((7, "ab" * 32))))
    assert genuine(checkpoint, signer.public())
    assert not genuine(Checkpoint(8, checkpoint.hash, checkpoint.signature), signer.public())
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0


def test_rebuilding_yields_identical_tables(ledger: Store) -> None:
    history(ledger)
    before = dump(ledger)
    assert any(before.values())
    ledger.rebuild()
    assert dump(ledger) == before


def history(ledger: Store) -> None:
    """One event of every kind that has a reducer."""
    facts = everything()
    assert {fact.kind for fact in facts} | {"app_destroyed", "resource_purged"} == set(REDUCERS) | set(MASSES)
    ledger.append(facts)


def dump(ledger: Store) -> dict[str, list[tuple[object, ...]]]:
    with ledger.query() as db:
        return {
            table.name: sorted((tuple(row) for row in db.execute(sa.select(table))), key=repr)
            for table in META.sorted_tables
        }


def test_destroying_an_app_leaves_nothing_of_it_in_the_tables(ledger: Store) -> None:
    history(ledger)
    ledger.append([Fact("app_destroyed", "app/one", {}, app="one")])
    left = {name for name, rows in dump(ledger).items() if rows}
    its_own = {table.name for table in META.sorted_tables if "app" in table.c and not table.info["outlives"]}
    assert left & (its_own | {"apps", "steps"}) == set()
    assert {"tokens", "deployments"} <= left, "what it delivered stays in the numbers"


def test_another_schema_number_rebuilds_and_a_higher_one_is_refused(ledger: Store, database: Database) -> None:
    ledger.append([made("one")])
    database.execute("UPDATE apps SET branch = 'wrong'", "UPDATE meta SET value = '0' WHERE key = 'schema'")
    again = database.open()
    with again.query() as db:
        assert db.execute(sa.select(APPS.c.branch)).scalar() == "main"
    again.close()
    database.execute(f"UPDATE meta SET value = '{SCHEMA + 1}' WHERE key = 'schema'")
    with pytest.raises(Refused, match="newer Wend"):
        database.open()
    with pytest.raises(Down, match="another version"):
        ledger.append([made("two")])


def test_texts_can_be_erased_and_the_chain_still_verifies(ledger: Store) -> None:
    body = b"what ada said"
    hash = text_hash(body)
    ledger.append([made("one")], texts={hash: body})
    assert ledger.text(hash) == body
    ledger.erase([hash], "ada")
    assert ledger.text(hash) is None
    assert ledger.verify()[0] == 2


def test_twenty_writers_at_once_make_one_chain(ledger: Store) -> None:
    def write(number: int) -> None:
        for index in range(10):
            ledger.append([made(f"w{number}-{index}")])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.verify()[0] == 200
    assert len(names(ledger)) == 200


WRITER = """
import sys
from tests.every_kind import everything
from tests.databases import opened
from tests.test_ledger import made
ledger = opened(sys.argv[1])
for number in range(100000):
    ledger.append([made(f"k{number}")])
    print(number, flush=True)
"""


@pytest.mark.parametrize("_again", range(2))
def test_kill_nine_while_writing_loses_nothing_that_was_acknowledged(database: Database, _again: int) -> None:
    words = [sys.executable, "-c", WRITER, database.name]
    writer = subprocess.Popen(words, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent)
    assert writer.stdout
    for line in writer.stdout:
        if int(line) >= 25:
            break
    writer.kill()
    rest_of_it = writer.stdout.read().split()
    acknowledged = int(rest_of_it[-1]) + 1 if rest_of_it else 26
    writer.wait()
    reopened = database.open()
    assert reopened.verify()[0] in (acknowledged, acknowledged + 1)
    assert len(names(reopened)) == reopened.head()[0]
    reopened.close()


def test_follow_sees_new_events(ledger: Store) -> None:
    ledger.append([made("one")])
    timer = threading.Timer(0.1, lambda: ledger.append([made("two")]))
    timer.start()
    batches = list(ledger.follow(0, 0.5))
    assert [event.app for batch in batches for event in batch] == ["one", "two"]


def test_every_reducer_is_of_a_known_kind() -> None:
    assert set(REDUCERS) <= set(KINDS)
