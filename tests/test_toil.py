"""Work by hand: checklists, runs and when automating them pays off."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bet_world import House
from wend import toil
from wend.errors import Invalid, NotFound

LIST = "# Rotate the keys\n\nAt noon.\n\n- [ ] Ask for a ticket\n- Wait for it\n1. Copy\tthe  key\n2) Tell all\n"
HOUR = 3600.0


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.ctx.ledger.close()


def test_a_markdown_list_is_a_procedure() -> None:
    found = toil.read("keys", LIST, 8)
    assert (found.title, found.automate_hours) == ("Rotate the keys", 8)
    assert found.steps == ("Ask for a ticket", "Wait for it", "Copy the key", "Tell all")


def test_so_is_toml() -> None:
    found = toil.read("keys", 'title = "Keys"\nsteps = ["one", "two"]\nautomate_hours = 2.5\n')
    assert (found.title, found.steps, found.automate_hours) == ("Keys", ("one", "two"), 2.5)


@pytest.mark.parametrize(
    ("name", "text", "hours", "word"),
    [
        ("Keys!", LIST, None, "cannot be a procedure's name"),
        ("keys", "", None, "0 steps"),
        ("keys", "just prose", None, "neither"),
        ("keys", "steps = [1]", None, "list of texts"),
        ("keys", 'steps = ["a"]\nwhen = "now"', None, "unknown key 'when'"),
        ("keys", 'steps = ["a"]\nautomate_hours = "long"', None, "is no number"),
        ("keys", LIST, float("nan"), "no estimate"),
        ("keys", LIST, -1.0, "no estimate"),
        ("keys", "- x\n" * 101, None, "101 steps"),
        ("keys", "- " + "x" * 501, None, "no procedure"),
    ],
)
def test_what_is_no_procedure_is_refused(name: str, text: str, hours: float | None, word: str) -> None:
    with pytest.raises(Invalid, match=word):
        toil.read(name, text, hours)


def test_a_run_is_timed_by_step_and_giving_up_is_kept(house: House) -> None:
    toil.define(house.ctx, toil.read("keys", LIST, 8))
    toil.record(house.ctx, "keys", [60, 600, 30, 10], True, house.now)
    toil.record(house.ctx, "keys", [50, 3000], False, house.now)
    one = toil.found(house.ctx, "keys", house.now)
    assert [(step["n"], step["given_up"]) for step in one["by_step"]] == [(2, 0), (1, 1), (1, 0), (1, 0)]
    assert (one["typical"]["n"], one["typical"]["given_up"]) == (2, 1)
    assert one["payoff"]["says"] == "cannot tell, needs about 1 more runs"
    kinds = [(event.actor, set(event.data)) for event in house.ctx.ledger.read(kinds=("toil_run",))]
    assert {actor for actor, _ in kinds} == {"platform"}  # nobody's time is written down


@pytest.mark.parametrize(
    ("steps", "done"), [([], False), ([1], True), ([1] * 5, False), ([-1] * 4, True), ([1e9] * 4, True)]
)
def test_a_run_that_cannot_be_is_refused(house: House, steps: list[float], done: bool) -> None:
    toil.define(house.ctx, toil.read("keys", LIST))
    with pytest.raises(Invalid):
        toil.record(house.ctx, "keys", steps, done)
    with pytest.raises(NotFound):
        toil.record(house.ctx, "locks", [1], False)


def test_defining_it_anew_keeps_its_runs(house: House) -> None:
    toil.define(house.ctx, toil.read("keys", LIST))
    toil.record(house.ctx, "keys", [1, 1, 1, 1], True, house.now)
    toil.define(house.ctx, toil.read("keys", "- only one step", 4))
    one = toil.found(house.ctx, "keys", house.now)
    assert (one["steps"], one["automate_hours"], one["typical"]["n"]) == (["only one step"], 4, 1)


def test_when_automating_pays_off_and_when_it_does_not() -> None:
    often, days = [HOUR] * 60, 180.0
    assert toil.payoff(often, days, 20).verdict == "pays off"
    assert "months" in toil.payoff(often, days, 20).says
    rare = toil.payoff([HOUR] * 4, days, 400)
    assert rare.verdict == "not yet"
    assert "does not pay off yet" in rare.says
    assert toil.payoff([HOUR] * 4, days, 10).verdict == "cannot tell"
    assert toil.payoff(often, days, None).says == "nobody said what automating it would take"
    assert toil.payoff([HOUR] * 2, days, 10).hours is None
    assert toil.payoff([HOUR] * 9, 2, 10).hours is None


def test_the_interval_of_hours_a_month_holds_the_truth() -> None:
    """Runs at random (Poisson), each of a random length: covered at least 92 times of 100."""
    dice, held, worlds = random.Random(4), 0, 400
    for _ in range(worlds):
        n = sum(dice.random() < 0.1 for _ in range(180))
        found = toil.payoff([HOUR * dice.lognormvariate(0, 0.6) for _ in range(n)], 180, 1)
        truth = 0.1 * 2.718281828 ** (0.6**2 / 2) * toil.MONTH
        held += found.low is not None and found.high is not None and found.low <= truth <= found.high
    assert held / worlds > 0.92
