"""Weeks are settled once, and what comes late restates them with an entry that says from what to what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.told import Book, at, broke, committed, deployed, owned
from wend.context import Actor
from wend.errors import Invalid, NotFound
from wend.events import Fact
from wend.signals import Scope, Window, closing, look
from wend.signals.attribution import attribute
from wend.signals.evidence import BEHIND, evidence
from wend.state import derived, figures


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Book]:
    made = Book(tmp_path)
    monkeypatch.setattr("wend.signals.closing.time.time", lambda: made.now)
    yield made
    made.ledger.close()


def context(book: Book) -> Any:
    return SimpleNamespace(ledger=book.ledger, actor=Actor("ann"))


def events(book: Book, kind: str) -> list[dict[str, Any]]:
    return [event.data for event in book.ledger.read(kinds=[kind])]


def later(book: Book, days: float) -> None:
    """So many days after the beginning, the clock strikes."""
    book.now = at(24 * days) / 1e6
    closing.tend(context(book))


def test_a_week_is_settled_when_its_deployments_are_a_week_old_and_only_once(book: Book) -> None:
    book.tell(owned("shop", "red"), committed("a", 1), deployed("d1", 10, commit="a"), deployed("d2", 20))
    later(book, 12)
    assert events(book, "figures_closed") == []
    later(book, 14)
    later(book, 15)
    [said] = events(book, "figures_closed")
    assert said["week"] == 20_458 and set(said["figures"]) == {"all", "team:red"}
    assert said["figures"]["all"]["change_fail_rate"] == 0.0
    assert said["figures"]["team:red"]["deployment_frequency"] == pytest.approx(2 / 7)
    assert said["figures"]["all"]["failed_deployment_recovery_time"] is None, "no data is not 0"


def test_what_comes_late_restates_the_week_and_says_why(book: Book) -> None:
    book.tell(deployed("d1", 10), deployed("d2", 20))
    later(book, 14)
    assert events(book, "figures_restated") == []
    book.tell(broke("i1", 21, cause={"deployment": "d2"}, resolved_at=at(23)))
    later(book, 15)
    told = {one["signal"]: one for one in events(book, "figures_restated")}
    assert set(told) == {"change_fail_rate", "failed_deployment_recovery_time"}
    rate = told["change_fail_rate"]
    assert (rate["scope"], rate["before"], rate["after"]) == ("all", 0.0, 0.5)
    assert [book.ledger.read(after=seq - 1, limit=1)[0].kind for seq in rate["because"]] == ["incident_recorded"]
    later(book, 16)
    assert len(events(book, "figures_restated")) == 2, "it is said once"
    with book.ledger.query() as db:
        [row] = figures.restatements(db, "change_fail_rate", "all")
    assert (row["week"], row["before"], row["after"]) == (20_458, 0.0, 0.5)


def test_an_early_deployment_that_was_heard_of_late_restates_lead_times(book: Book) -> None:
    book.tell(committed("a", 0), committed("b", 1, "a"), committed("c", 2, "b"))
    book.tell(deployed("d1", 5, commit="a"), deployed("d3", 30, commit="c"))
    later(book, 14)
    book.tell(deployed("d2", 10, commit="b"))
    later(book, 15)
    told = {one["signal"]: one for one in events(book, "figures_restated")}
    before, after = ((28 + 29) / 2 * 3600, (9 + 28) / 2 * 3600)
    assert (told["change_lead_time"]["before"], told["change_lead_time"]["after"]) == (before, after)


def test_a_week_still_open_is_not_restated(book: Book) -> None:
    book.tell(deployed("d1", 10))
    later(book, 8)
    book.tell(deployed("d2", 20))
    later(book, 9)
    assert events(book, "figures_closed") == [] and events(book, "figures_restated") == []


def test_the_past_before_the_first_look_is_settled_a_few_weeks_at_a_time(book: Book) -> None:
    book.tell(*(deployed(f"d{week}", 24 * 7 * week + 5) for week in range(40)))
    for day in range(282, 292):
        later(book, day)
    weeks = [one["week"] for one in events(book, "figures_closed")]
    assert len(weeks) == len(set(weeks)) == closing.BACK + 1, "26 weeks back, and the one that came meanwhile"


# ---------------------------------------------------------------------------------------------- a person's word


def test_a_persons_word_wins_over_the_guess(book: Book) -> None:
    book.tell(deployed("d1", 1), deployed("d2", 10), broke("i1", 11))
    guessed = book.ask("change_fail_rate", weeks=3, day=20)
    assert (guessed.value.value, guessed.value.assumed, guessed.parts["with_assumed"].value) == (0.0, 1.0, 0.5)
    attribute(context(book), "i1", "d1", "its migration locked the table")
    said = book.ask("change_fail_rate", weeks=3, day=20)
    assert (said.value.value, said.value.assumed) == (0.5, 0.0)
    attribute(context(book), "i1", None, "the data centre was flooded")
    denied = book.ask("change_fail_rate", weeks=3, day=20)
    assert (denied.value.value, denied.value.assumed, denied.parts["with_assumed"].value) == (0.0, None, 0.0)


def test_a_word_about_what_is_not_there_is_refused(book: Book) -> None:
    book.tell(deployed("d1", 1), broke("i1", 11))
    for incident, deployment, why in (("i2", "d1", "x"), ("i1", "d9", "x")):
        with pytest.raises(NotFound):
            attribute(context(book), incident, deployment, why)
    with pytest.raises(Invalid, match="say why"):
        attribute(context(book), "i1", "d1", "  ")


# ---------------------------------------------------------------------------------------------- behind a number


@pytest.mark.parametrize("id", sorted(BEHIND))
@pytest.mark.parametrize("scope", ["all", "team:red", "service:shop"])
def test_every_number_leads_to_its_rows_and_they_to_the_ledger(book: Book, id: str, scope: str) -> None:
    facts = [owned("shop", "red"), committed("a", 0), committed("b", 1, "a"), broke("i1", 31)]
    facts += [deployed("d1", 5, commit="a"), deployed("d2", 30, commit="b"), deployed("d3", 32, purpose="rollback")]
    book.tell(*facts)
    ticket = {"source": "z", "ticket": "t1", "state": "open", "at": at(5), "opened_at": at(5), "resolved_at": None}
    ticket |= {"reason": "build", "team": "red", "platform": True, "automatic": False, "title": None}
    book.tell(Fact("ticket_recorded", "ticket/t1", ticket, actor="z"))
    book.ask(id)
    with book.ledger.query() as db:
        rows = evidence(db, id, Scope.parse(scope), Window.of(1, at(150)))
    here = {event.seq for event in book.ledger.read()}
    assert all(row["seq"] in here for row in rows)
    empty = {"push_only_rate", "open_hatches"} | ({"support_tickets"} if scope == "service:shop" else set())
    assert bool(rows) != (id in empty)


# ---------------------------------------------------------------------------------------------- a long backlog


def test_a_long_backlog_is_worked_in_by_slices_and_who_looks_is_told(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(derived.MOST, "deployments", 3)
    monkeypatch.setitem(derived.MOST, "changes", 5)
    chain = [committed("c0", 0), *(committed(f"c{n}", n, f"c{n - 1}") for n in range(1, 20))]
    book.tell(*chain, *(deployed(f"d{n}", n + 0.5, commit=f"c{n}") for n in reversed(range(20))))
    assert not look.bring_up_to_date(context(book), patience=-1.0)
    slices: list[int] = []
    refresh = derived.refresh
    monkeypatch.setattr(derived, "refresh", lambda db: slices.append(1) or refresh(db))
    assert look.bring_up_to_date(context(book)) and len(slices) == 7
    found = book.ask("change_lead_time")
    assert (found.value.value, found.value.n) == (1800.0, 19), "as if all came at once; one is a seed"
