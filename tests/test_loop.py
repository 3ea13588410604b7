"""Closing the loop: whoever told of a pain is asked once whether a bet fixed it, and the answers count."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.bet_world import House, deploys, teams
from tests.told import at, broke
from wend.bets import ending, loop
from wend.bets.loop import Tally
from wend.errors import Conflict, Refused
from wend.events import Fact
from wend.ingest.people import pseudonyms
from wend.state.bets import LOOP
from wend.state.voice import PAINS

PEOPLE = ("ann", "ben", "cat", "dan")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A bet on a pain that four people told of and one of the platform's team, and it is judged."""
    made = House(tmp_path)
    made.tell([*teams(), *deploys(0, 13, 9.0)])
    for name in PEOPLE:
        made.person(name)
    made.tell([Fact("pain_named", "pain/1", {"pain": 1, "title": "slow deploys"})])
    for name in (*PEOPLE, "ann", "lead"):
        tell(made, name, own=name == "lead")
    made.open(pain=1)
    made.tell(deploys(14, 30, 3.0))
    yield made
    made.ctx.ledger.close()


def tell(house: House, name: str, own: bool = False) -> None:
    who = pseudonyms(house.ctx.config.home).of(name)
    id = f"e{house.ctx.ledger.head()[0]}"
    data: dict[str, Any] = {
        "evidence": id,
        "source": "feedback",
        "text": None,
        "person": who,
        "team": "red",
        "own": own,
    }
    data |= {"app": None, "week": 20_458, "at": at(24), "minutes": None, "about": {}}
    linked = {"evidence": id, "pain": 1, "by": "lead", "proposed": []}
    house.tell([Fact("evidence_recorded", f"evidence/{id}", data), Fact("evidence_linked", f"evidence/{id}", linked)])


def judged(house: House) -> None:
    house.week = 31
    ending.tend(house.ctx, house.now)


def ask(house: House, name: str, again: bool = False, kind: str = "human") -> dict[str, Any] | None:
    return loop.ask(house.as_(name, kind), again, house.now)


def answer(house: House, name: str, fixed: bool) -> None:
    loop.answer(house.as_(name), 1, fixed, house.now)


def pain(house: House) -> str:
    with house.ctx.ledger.query() as db:
        return str(db.execute(sa.select(PAINS.c.state)).scalar())


def test_each_is_asked_once_with_the_outcome_in_words(house: House) -> None:
    assert ask(house, "ann") is None
    judged(house)
    found = ask(house, "ann")
    assert found and found["question"] == loop.QUESTION
    assert found["sentence"].startswith("engineers can deploy a change in 3 min instead of ")
    assert found["says"].startswith("Time to deploy improved")
    assert ask(house, "ann") is None
    assert ask(house, "ann", again=True)  # the card stays where it can be answered
    house.week += 3
    assert ask(house, "ann", again=True) is None


@pytest.mark.parametrize("who", [("eve", "human"), ("lead", "human"), ("ann", "agent"), ("ann", "ci")])
def test_others_are_not_asked(house: House, who: tuple[str, str]) -> None:
    judged(house)
    assert ask(house, who[0], kind=who[1]) is None


def test_nobody_is_asked_two_things_in_a_fortnight(house: House) -> None:
    judged(house)
    who = pseudonyms(house.ctx.config.home).of("ann")
    invite = {"invite": "i", "question": "ease", "topic": "ease", "wording": "e", "wave": "w", "person": who}
    invite |= {"team": "red", "probability": 1.0, "trigger": "push", "held": None, "until": 0}
    house.tell(
        [Fact("survey_invited", "asked", invite), Fact("survey_shown", "asked", {"invite": "i", "channel": "t"})]
    )
    assert ask(house, "ann") is None
    assert ask(house, "ben")
    house.week += 2.1
    assert ask(house, "ann")


def test_nobody_is_asked_in_an_incident(house: House) -> None:
    judged(house)
    house.tell([broke("i", house.week * 24 * 7 - 1)])
    assert ask(house, "ann") is None


def test_enough_yes_closes_the_pain_and_no_opens_it_again(house: House) -> None:
    judged(house)
    answer(house, "ann", True)
    answer(house, "ben", True)
    assert pain(house) == "open"
    answer(house, "cat", True)
    assert pain(house) == "closed"
    answer(house, "dan", False)
    assert pain(house) == "closed"
    answer(house, "cat", False)  # the last word of a person counts
    assert pain(house) == "open"


def test_answers_are_taken_from_those_it_was_for_when_it_is_over(house: House) -> None:
    with pytest.raises(Conflict, match="not over yet"):
        answer(house, "ann", True)
    judged(house)
    with pytest.raises(Refused, match="what others told"):
        answer(house, "eve", True)
    with pytest.raises(Refused, match="only people"):
        loop.answer(house.as_("ann", "agent"), 1, True, house.now)


def test_an_answer_can_be_erased_and_the_chain_holds(house: House) -> None:
    judged(house)
    answer(house, "ann", False)
    with house.ctx.ledger.query() as db:
        hash = db.execute(sa.select(LOOP.c.answer)).scalar()
    house.ctx.ledger.erase([str(hash)], "ann")
    with house.ctx.ledger.query() as db:
        assert db.execute(sa.select(LOOP.c.fixed, LOOP.c.answered_at)).one() == (None, None)
        assert loop.tally(db, ending.found(db, 1)) == Tally(0, 0, 4)
    assert house.ctx.ledger.verify()[0]


@pytest.mark.parametrize(
    ("tally", "state", "becomes"),
    [
        (Tally(0, 0, 4), "open", None),
        (Tally(2, 0, 4), "open", None),
        (Tally(3, 0, 4), "open", "closed"),
        (Tally(1, 0, 1), "open", "closed"),
        (Tally(3, 1, 9), "open", "closed"),
        (Tally(2, 1, 9), "open", None),
        (Tally(2, 1, 9), "closed", "open"),
        (Tally(3, 0, 4), "merged", None),
    ],
)
def test_what_answers_make_of_a_pain(tally: Tally, state: str, becomes: str | None) -> None:
    assert loop.decide(tally, state) == becomes


def test_few_answers_are_not_told_apart() -> None:
    assert loop.shown(Tally(3, 1, 4)) == {"people": "fewer than 5", "answers": "fewer than 5", "fixed": None}
    assert loop.shown(Tally(5, 1, 30)) == {"people": "20-49", "answers": "5-9", "fixed": 5}
