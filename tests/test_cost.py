"""What a pain costs: answers worked out by hand, and everything that must not fool it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from wend import cost
from wend.cost import whom
from wend.cost.given import Asked, Told, book
from wend.cost.reach import chapman, recaptured

TODAY = 20_787  # a Monday
COMPANY = {f"{team}{number}": team for team in "abcdefgh" for number in range(12)}


def asked(*people: str, week: int = TODAY, probability: float = 0.1, source: str = "interview") -> list[Asked]:
    return [Asked(one, COMPANY[one], week, probability, source) for one in people]


def said(pain: int, *people: str, source: str = "interview", week: int = TODAY, **rest: Any) -> list[Told]:
    about: dict[str, Any] = {"times": 1, "per_week": 1.0, "minutes": 30.0, **rest}
    return [Told(pain, one, COMPANY.get(one, ""), week, source, **about) for one in people]


def ranked(told: list[Told], heard: list[Asked], *pains: int) -> cost.Costs:
    return cost.rank(pains or (1, 2), told, heard, COMPANY, TODAY)


def every(step: int = 1) -> list[str]:
    return sorted(COMPANY)[::step]


# ---------------------------------------------------------------------------------------------- known answers


def test_everybody_was_asked_and_half_lose_half_an_hour_a_week() -> None:
    found = ranked(said(1, *every(2)), asked(*every()))
    first = found.rows[0]
    assert first.pain == 1 and first.reach.value == pytest.approx(0.5) and first.reach.n == 96
    assert first.reach.low == first.reach.high == pytest.approx(0.5), "nobody is left to be unsure of"
    assert first.frequency.low < 1 < first.frequency.high and first.minutes.low < 30 < first.minutes.high
    assert first.low < 24 < first.high and found.separable
    assert first.p_worst > 0.99 and (first.rank_low, first.rank_high) == (1, 1) and found.regret < 0.01


def test_whoever_was_likelier_to_be_drawn_weighs_less() -> None:
    """Horvitz and Thompson: one hit of 0.1 stands for ten, four not hit of 0.4 for ten together."""
    heard = asked("a0", probability=0.1) + asked("b0", "c0", "d0", "e0", probability=0.4)
    assert ranked(said(1, "a0"), heard).rows[0].reach.value == pytest.approx(0.5)


def test_what_was_said_long_ago_weighs_less() -> None:
    heard = asked("a0", week=TODAY - 90) + asked("b0")
    assert ranked(said(1, "a0", week=TODAY - 90), heard).rows[0].reach.value == pytest.approx(1 / 3)


def test_a_person_who_was_asked_again_and_tells_of_it_no_more_is_not_hit() -> None:
    found = ranked(said(1, "a0", week=TODAY - 140), asked("a0", week=TODAY - 140) + asked(*every(2)))
    assert next(row for row in found.rows if row.pain == 1).reach.value == pytest.approx(1 / 96), "known, at most"


def test_telemetry_counts_times_and_measures_minutes() -> None:
    told = [
        one
        for week in range(TODAY - 84, TODAY + 1, 7)
        for one in said(1, *every(4), source="telemetry", week=week, times=3, per_week=None, minutes=40.0)
    ]
    told += said(1, *every(4), minutes=5.0)
    row = ranked(told, asked(*every())).rows[0]
    assert row.frequency.source == row.minutes.source == "telemetry"
    assert row.frequency.value == pytest.approx(3, rel=0.1) and row.minutes.value == pytest.approx(40, rel=0.1)
    check = row.minutes.check
    assert check and check.source == "interview" and check.value == pytest.approx(5, rel=0.2) and row.minutes.disagrees
    assert row.low < 24 * 3 * 40 / 60 < row.high, "said five minutes are shown, and not counted in"


def test_what_nobody_did_is_not_what_one_person_did_often() -> None:
    told = said(1, "", source="telemetry", times=90) + said(1, *every(8), per_week=2.0)
    row = ranked(told, asked(*every())).rows[0]
    assert row.frequency.source == "interview" and row.minutes.source == "telemetry"


def test_chapman() -> None:
    found = chapman(20, 15, 6)
    assert found and found.value == pytest.approx(21 * 16 / 7 - 1) and found.n == 29
    spread = math.sqrt(21 * 16 * 14 * 9 / (49 * 8))
    assert found.high == pytest.approx(found.value + 1.644854 * spread)
    assert found.low == pytest.approx(found.value - 1.644854 * spread)
    assert chapman(20, 15, 2) is None, "so few were seen twice that nothing follows"
    same = chapman(5, 5, 5)
    assert same and (same.value, same.low, same.high) == (5, 5, 5)


def test_two_channels_check_the_reach() -> None:
    told = said(1, *every()[:20], source="ticket") + said(1, *every()[14:29], source="feedback")
    found = recaptured(book([1], told, [], COMPANY, TODAY), 1)
    assert found and found.value == pytest.approx(47 / 96) and "feedback and ticket" in found.source
    row = ranked(told, asked(*every(8)), 1, 2).rows
    assert all(one.reach.source == "interview" for one in row)
    assert next(one for one in row if one.pain == 1).reach.check == found


# ---------------------------------------------------------------------------------------------- what must not fool it


def test_one_angry_team_is_no_company() -> None:
    angry = [f"a{number}" for number in range(12)]
    told = [one for _ in range(9) for one in said(1, *angry, source="ticket", per_week=None, minutes=600.0)]
    quiet = said(2, *every(3)[4:], per_week=3.0, minutes=45.0)
    found = ranked(told + quiet, asked(*every(3)))
    assert found.rows[0].pain == 2 and found.separable
    loud = found.rows[1]
    assert loud.at_least == 12 and loud.reach.value == pytest.approx(12 / 96)
    alone = ranked(told + said(2, "b0", source="ticket"), [])
    assert not alone.separable, "tickets say what hurts, and not whom it hurts"
    one = ranked(said(1, "a0", source="ticket", per_week=None, minutes=600.0), []).rows[0].minutes
    assert loud.minutes.low < 600 and loud.minutes.high / loud.minutes.low > 0.5 * one.high / one.low, "one voice"


def test_one_person_in_five_channels_is_one_person() -> None:
    five = ("interview", "survey", "friction", "ticket", "feedback")
    told = [one for source in five for week in (TODAY, TODAY - 7) for one in said(1, "a0", source=source, week=week)]
    row = next(one for one in ranked(told, asked(*every(8))).rows if one.pain == 1)
    assert row.at_least == 1 and row.reach.value == pytest.approx(1 / 12), "one of the twelve asked"
    assert row.minutes.n == 2 and row.reach.check and row.reach.check.value == pytest.approx(1 / 96)


def test_spam_changes_nothing_but_its_own_count() -> None:
    once, often = said(1, "a0", source="ticket"), said(1, "a0", source="ticket") * 500
    heard = asked(*every(8)) + asked(*every(6))
    few, many = (next(one for one in ranked(told, heard).rows if one.pain == 1) for told in (once, often))
    assert few.reach.value == many.reach.value and few.at_least == many.at_least == 1
    assert many.minutes.high / many.minutes.low == pytest.approx(few.minutes.high / few.minutes.low, rel=0.2)


def test_who_is_nobody_known_reaches_nobody() -> None:
    row = ranked(said(1, "", "stranger", source="feedback"), asked(*every(8))).rows[0]
    assert row.at_least == 0 and row.reach.check is None


def test_nobody_in_the_directory() -> None:
    with pytest.raises(ValueError, match="nobody"):
        cost.rank([1], said(1, "a0"), [], {}, TODAY)


def test_without_anything_it_says_so_itself() -> None:
    assert ranked([], [], 1).rows[0].reach.source == "assumed"
    assert not ranked([], []).separable and cost.rank([], [], [], COMPANY, TODAY).rows == ()


def test_equals_are_not_told_apart() -> None:
    people = every(2)
    found = ranked(said(1, *people) + said(2, *people), asked(*every()))
    assert not found.separable and 0.35 < found.rows[0].p_worst < 0.65
    assert found.beats and 0.3 < found.beats < 0.7 and found.rows[0].rank_high == 2
    nothing = ranked(said(1, *people, minutes=0.0) + said(2, *people, minutes=0.0), asked(*every()))
    assert [one.p_worst for one in nothing.rows] == [0.5, 0.5] and not nothing.separable
    assert [one.mean for one in nothing.rows] == [0, 0]


def test_no_minutes_lost_are_no_hours() -> None:
    found = ranked(said(1, *every(2), minutes=0.0) + said(2, *every(8)), asked(*every()))
    assert [one.pain for one in found.rows] == [2, 1] and found.rows[1].high == 0
    half = said(1, *every(4), minutes=0.0) + said(1, *every(4)[::2], minutes=0.0)
    mixed = ranked(half + said(1, *sorted(COMPANY)[1::4]), asked(*every())).rows[0]
    assert mixed.minutes.low < 15 < mixed.minutes.high, "half of them lose thirty minutes"


def test_the_clock_may_have_been_wrong() -> None:
    """What is dated after today is new, and nothing breaks."""
    later = ranked(said(1, *every(2), week=TODAY + 700), asked(*every(), week=TODAY + 700))
    assert later.rows[0].reach.value == pytest.approx(0.5) and later.rows[0].pain == 1
    assert cost.rank([1], said(1, "a0"), asked("a0"), COMPANY, 3).rows[0].mean > 0


def test_the_same_data_say_the_same_in_any_order() -> None:
    told, heard = said(1, *every(3)) + said(2, *every(4), source="ticket"), asked(*every(5))
    assert ranked(told, heard) == ranked(told[::-1], heard[::-1], 2, 1)


# ---------------------------------------------------------------------------------------------- whom to ask


def next_three(
    told: list[Told], heard: list[Asked], share: float = 1.0, listed: frozenset[str] = frozenset()
) -> list[whom.Ask]:
    first, second = (
        whom.Rival(one.pain, one.mean, one.reach, one.frequency, one.minutes) for one in ranked(told, heard).rows[:2]
    )
    return whom.next_people((first, second), told, heard, COMPANY, TODAY, share, listed=listed)


def test_teams_that_were_not_heard_come_first() -> None:
    heard = asked(*(one for one in every(2) if one[0] in "abcdef"))
    told = said(1, *every(8)[:4]) + said(2, *every(8)[2:6])
    found = next_three(told, heard)
    assert [one.team for one in found[:2]] in (["g", "h"], ["h", "g"]) and len(found) == 3
    assert all(one.why == "whom" and one.gain and one.gain > 0 for one in found)
    assert found == next_three(told, heard), "the page does not flicker"


def test_nobody_is_asked_twice_and_who_is_on_the_list_comes_first() -> None:
    heard, listed = asked(*every()[:90]), frozenset({every()[93]})
    found = next_three(said(1, *every(2)) + said(2, *every(3)), heard, listed=listed)
    assert found[0].person == every()[93] and found[0].listed and found[0].chance is None
    assert [one.chance for one in found[1:]] == [pytest.approx(0.1)] * 2, "like those before"
    assert {one.person for one in found} <= {*every()[90:]}
    assert next_three(said(1, *every(2)), asked(*every())) == [], "everybody was heard"


def test_when_it_is_known_whom_they_hit_those_tell_their_stories() -> None:
    told = said(1, "a0", "b0", "c0", source="telemetry") + said(2, "d0", "d1", "e0", source="ticket", per_week=None)
    found = next_three(told, asked(*every(7)), share=0.0)
    assert len(found) == 3 and {one.why for one in found} == {"story"} and found[0].pain == 2
    assert {one.team for one in found[:2]} == {"d", "e"}, "of every team one first"
