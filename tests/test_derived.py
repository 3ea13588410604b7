"""What follows from the facts is the same however they come: one by one or all at once, in any order, twice, from the
beginning again, in either database; and it is what a slow and plain reference says. More of it: bench/signals.py."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.compared import Rows, check, following, memory, once, read, refreshed, tell
from tests.databases import Database, database, postgres, served
from tests.random_world import Maker
from tests.told import BEGUN, HOUR
from wend.events import Fact
from wend.signals import Window
from wend.state import derived
from wend.state.delivery import DAY

__all__ = ["database", "postgres", "served"]  # fixtures

SEEDS = st.integers(0, 2**32)
FIRST = BEGUN // DAY
WINDOWS = (
    Window.of(8, BEGUN + 45 * DAY + 5 * HOUR),
    Window.of(2, BEGUN + 30 * DAY, "Asia/Tokyo"),
    Window(FIRST + 4, FIRST + 29, BEGUN + 30 * DAY, "America/New_York"),
    Window(FIRST + 10, FIRST + 10, BEGUN + 90 * DAY),
)


def some(examples: int) -> Callable[..., Callable[..., None]]:
    return settings(max_examples=examples, deadline=None, derandomize=True)


def made(seed: int, most: int = 40) -> Maker:
    dice = random.Random(seed)
    return Maker(dice, dice.randrange(5, most), dice.randrange(3, most * 3 // 4), dice.randrange(1, 5))


def worked_out(facts: Sequence[Fact], now: Callable[[], bool]) -> Rows:
    """The rows when they are brought up to date whenever `now` says so, and at the end."""
    with memory().begin() as db:
        for number, fact in enumerate(facts):
            tell(db, [fact], number)
            if now():
                derived.refresh(db)
        return following(refreshed(db))


@given(SEEDS)
@some(30)
def test_every_answer_is_that_of_the_reference(seed: int) -> None:
    told = made(seed).heard(random.Random(seed))
    with memory().begin() as db:
        tell(db, once(told))
        derived.refresh(db)
        check(db, read(told), WINDOWS)


@given(SEEDS)
@some(5)
def test_how_often_it_is_worked_out_makes_no_difference(seed: int) -> None:
    dice = random.Random(seed)
    told = once(made(seed, 24).heard(dice))
    at_last = worked_out(told, lambda: False)
    assert worked_out(told, lambda: True) == at_last
    assert worked_out(told, lambda: dice.random() < 0.1) == at_last


@given(SEEDS)
@some(8)
def test_how_much_is_worked_in_at_once_makes_no_difference(seed: int) -> None:
    dice = random.Random(seed)
    told = once(made(seed).heard(dice))
    whole = worked_out(told, lambda: False)
    with pytest.MonkeyPatch.context() as patch:
        for name in derived.MOST:
            patch.setitem(derived.MOST, name, dice.randrange(1, 9))
        assert worked_out(told, lambda: dice.random() < 0.1) == whole


def rewritten(maker: Maker, told: list[Fact], dice: random.Random) -> list[Fact]:
    """The same, and in between a repository's history is rewritten, with what was concluded from it."""
    for fact in told:
        if fact.kind == "deployment_recorded" and hash_of(fact.data["deployment"]) % 2:
            fact.data["source"] = "git"
    for number in range(3):
        repo = dice.choice(maker.repos)
        gone = sorted(dice.sample(maker.line[repo], min(4, len(maker.line[repo]))))
        fact = Fact("history_rewritten", f"repo/{repo}", {"repo": repo, "gone": gone}, id=f"rewritten{number}")
        told.insert(dice.randint(0, len(told)), fact)
    return told


def hash_of(text: str) -> int:
    return sum(text.encode())


@given(SEEDS)
@some(5)
def test_what_is_taken_back_leaves_nothing(seed: int) -> None:
    dice, maker = random.Random(seed), made(seed, 24)
    told = rewritten(maker, once(maker.heard(dice)), dice)
    assert worked_out(told, lambda: dice.random() < 0.3) == worked_out(told, lambda: False)


@given(SEEDS)
@some(10)
def test_the_order_in_which_things_are_heard_makes_no_difference(seed: int) -> None:
    dice, maker = random.Random(seed), made(seed)
    first, other = once(maker.heard(dice)), once(maker.heard(dice))
    assert worked_out(first, lambda: False) == worked_out(other, lambda: dice.random() < 0.05)


@pytest.mark.parametrize("seed", range(3))
def test_a_ledger_works_out_the_same_and_again_after_a_rebuild(database: Database, seed: int) -> None:
    dice = random.Random(seed)
    told = made(seed).heard(dice, twice=0.3)
    ledger = database.open()
    while told:
        size = dice.randrange(1, 20)
        ledger.append(told[:size])
        del told[:size]
        with ledger.transaction() as db:
            derived.refresh(db)
    with ledger.transaction() as db:
        refreshed(db)
    with ledger.query() as db:
        before = following(db)
        check(db, read(ledger.read(limit=10_000)), WINDOWS[:2])
    ledger.rebuild()
    with ledger.transaction() as db:
        assert following(refreshed(db)) == before
        assert not derived.stale(db)
    ledger.close()


def test_nothing_is_worked_out_twice() -> None:
    """What was said before changes nothing, and is not looked at again."""
    told = once(made(1).heard(random.Random(1)))
    with memory().begin() as db:
        tell(db, told)
        derived.refresh(db)
        assert not derived.stale(db)
        before = following(db)
        derived.refresh(db)
        assert following(db) == before
