"""Whether interviews still bring anything new: by the published rule, over random orders, and never a bare word."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.research_world import company, research
from wend.context import Context
from wend.events import Fact
from wend.research import heard, interviews, snapshots
from wend.research.saturation import curve, grown
from wend.research.snapshots import Said
from wend.voice import evidence
from wend.web import curves


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with research(tmp_path) as made:
        yield made


def test_known_themes_only_grow() -> None:
    assert grown([{1, 2}, {2}, {3}, set()]) == [0, 2, 2, 3, 3]


def test_one_order_by_hand() -> None:
    """Four of base with 4 themes; a run of 2 that adds 1: 25 %; the next run adds 1 and 0."""
    told = [{1}, {2}, {3}, {4}, {1}, {5}, {1}]
    counts = grown(told)
    assert (counts[6] - counts[4]) / counts[4] == 0.25 and (counts[7] - counts[5]) / counts[4] == 0.25
    found = curve(told)
    assert [one.new is None for one in found.points] == [True] * 5 + [False] * 2


def test_the_same_said_by_all_is_new_once() -> None:
    found = curve([{1, 2}] * 9)
    assert found.below == 6 and all(one.new == 0 for one in found.points[5:])
    assert found.says.startswith("the last 2 of 9 interviews added 0 % new pains (0–0 %); at most 5 % since 6")


def test_everybody_with_a_pain_of_their_own_goes_on_for_ever() -> None:
    found = curve([{number} for number in range(20)])
    assert found.below is None and found.points[-1].new == 0.5 and found.says.endswith("more than 5 %: go on")


@pytest.mark.parametrize("n", range(6))
def test_too_few_cannot_tell(n: int) -> None:
    more = 6 - n
    assert curve([{1}] * n).says == f"cannot tell, needs about {more} more interview{'s' * (more > 1)} (n {n})"


def test_nothing_found_is_no_saturation() -> None:
    found = curve([set()] * 8)
    assert found.below is None and found.says == "no pain was found in 8 interviews"


def test_the_average_over_orders_is_what_it_must_be() -> None:
    """One of n interviews has a theme that no other has: a run of 2 holds it with probability 2/n; the base has the
    other theme, or both when the odd one is in it, and then nothing is new later."""
    n = 10
    found = curve([{0}] * (n - 1) + [{0, 1}], orders=4000)
    assert found.points[-1].new == pytest.approx(2 / n, abs=0.03)


def test_the_order_in_which_they_were_asked_does_not_matter() -> None:
    dice = random.Random(4)
    told = [frozenset(dice.sample(range(9), 3)) for _ in range(15)]
    one, other = curve(told), curve(told[::-1])
    assert one.points[-1].themes == other.points[-1].themes
    assert abs((one.points[-1].new or 0) - (other.points[-1].new or 0)) < 0.05


def test_it_never_says_a_bare_saturated(ctx: Context) -> None:
    for told in ([{1}] * 9, [{number} for number in range(9)], [set()] * 9, []):
        words = curve(told).says  # pyright: ignore[reportArgumentType]
        assert "saturat" not in words and re.search(r"\d", words)


def test_segments_count_interviews_whose_consent_stands(ctx: Context) -> None:
    company(ctx)
    ctx.ledger.append([Fact("pain_named", f"pain/{one}", {"pain": one, "title": "t"}) for one in (1, 2)])
    ids: list[int] = []
    for login in ("dev0", "dev5", "dev10", "dev1"):
        id = interviews.hold(ctx, login, "full")["interview"]
        snapshots.write(ctx, id, Said(opportunities=("slow", "lost")))
        evidence.link(ctx, f"interview/{id}/1", 1)
        ids.append(id)
    found = heard.overview(ctx)
    assert {(one["way"], one["name"]): one["n"] for one in found["segments"] if one["way"] in ("all", "team")} == {
        ("all", "everybody"): 4,
        ("team", "payments"): 3,
        ("team", "catalogue"): 1,
    }
    assert found["loose"] == 4 and found["segments"][0]["points"][-1]["themes"] == 1
    snapshots.withdraw(ctx, ids[0])
    found = heard.overview(ctx)
    assert found["segments"][0]["n"] == 3 and found["loose"] == 3
    coverage = {one["name"]: (one["heard"], one["people"], one["days"]) for one in found["coverage"]}
    assert coverage["payments"] == (3, 6, 0) and coverage["identity"] == (0, 6, None) and "platform" not in coverage


def test_a_chart_needs_two_points() -> None:
    few, many = ([one.__dict__ for one in curve([{1}] * n).points] for n in (6, 8))
    assert curves.draw(few) is None
    drawn = str(curves.draw(many))
    assert drawn.startswith("<svg") and drawn.count(",") == 9 and "nan" not in drawn
