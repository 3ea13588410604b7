"""Signals about people: cohorts of newcomers, waves of surveys, tickets per developer; right, and hidden where few."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.databases import database, ledger, postgres, served
from wend import signals
from wend.events import Fact
from wend.ledger.chain import text_hash
from wend.ledger.sqlite import Sqlite
from wend.ledger.store import Store
from wend.privacy import quarter
from wend.signals import Scope, Signal, Window
from wend.signals.evidence import evidence
from wend.signals.people import HIDDEN, joined, working_days
from wend.signals.support import present
from wend.signals.voice import closes, comments
from wend.state import SCHEMA, derived
from wend.state.newcomers import Stint
from wend.state.reducers import reduce
from wend.state.tables import META

__all__ = ["database", "ledger", "postgres", "served"]  # fixtures
DAY = 86_400_000_000
Q3 = quarter(20_650)  # 2026-07-01 to 2026-09-30, a Wednesday to a Wednesday
LATER = Q3.last + 200


def look(ledger: Store, id: str, scope: str = "all", today: int = LATER, weeks: int = 52) -> Signal:
    with ledger.transaction() as db:
        derived.refresh(db)
    with ledger.query() as db:
        return signals.measure(db, id, Scope.parse(scope), Window.of(weeks, today * DAY + DAY // 2))


def told(signal: Signal) -> tuple[Any, ...]:
    return signal.value, signal.parts, [point for point in signal.series if point.n]


# ---------------------------------------------------------------------------------------------- newcomers


def person(name: str, joined: int, team: str | None = "a", left: int | None = None) -> Fact:
    data = {"source": "hr", "person": name, "aliases": [name, f"{name}@"], "team": team, "role": None, "name": None}
    data |= {"joined_at": joined * DAY, "left_at": None if left is None else left * DAY}
    return Fact("person_recorded", f"person/{name}", data)


def shipped(ledger: Store, name: str, days: list[int]) -> None:
    """A change of theirs, deployed on each of these days. Under their other name, which the directory knows."""
    facts: list[Fact] = []
    texts: dict[str, bytes] = {}
    for number, day in enumerate(days):
        commit = text_hash(f"{name} {day} {number}".encode())[:40]
        body = f"{commit[:16]} {name}@".encode()
        texts[text_hash(body)] = body
        data = {
            "source": "git",
            "repo": "r",
            "commit": commit,
            "committed_at": day * DAY,
            "parents": [],
            "merge": False,
        }
        data |= {"purpose": "planned", "reverts": None, "bot": False, "author": text_hash(body)}
        facts.append(Fact("change_recorded", "repo/r", data))
        about = {"source": "ci", "deployment": f"d{commit}", "service": "s", "repo": "r", "environment": "production"}
        about |= {
            "tier": "production",
            "outcome": "success",
            "purpose": "planned",
            "commit": commit,
            "commits": [commit],
        }
        about |= {"started_at": day * DAY, "finished_at": day * DAY + 5, "artifact": None, "undoes": None, "url": None}
        facts.append(Fact("deployment_recorded", "service/s", about))
    ledger.append(facts, texts=texts)


def hire(ledger: Store, after: dict[str, int | None], team: str | None = "a", begin: int = Q3.first + 5) -> None:
    """People who join together, a Monday, and ship so many days later (None: never)."""
    ledger.append([person(name, begin, team) for name in after])
    for name, days in after.items():
        if days is not None:
            shipped(ledger, name, [begin + days])


def test_the_median_of_a_cohort_counts_working_days_and_those_not_there_yet(ledger: Store) -> None:
    shipped(ledger, "x", [Q3.first - 90])  # the service was deployed before
    hire(ledger, {"p1": 1, "p2": 4, "p3": 7, "p4": 14, "p5": None, "p6": None, "p7": 21})
    found = look(ledger, "time_to_first_change")
    assert found.value.value == 10, "1, 4, 5, 10, 15 working days and two who never did: the fourth of seven"
    assert found.value.n == 5 and found.value.censored == 0, "in bands, for they are few"
    assert found.value.low is not None and found.value.low <= 4 and found.value.says.startswith("cannot tell")
    assert "2026-Q3" in found.notes[0] and found.parts["three_quarters"].value is None


def test_a_cohort_is_shown_when_its_time_is_over_and_then_stays_as_it_is(ledger: Store) -> None:
    shipped(ledger, "x", [Q3.first - 90])
    hire(ledger, {f"p{number}": number for number in range(1, 7)} | {"p7": None})
    assert look(ledger, "time_to_first_change", today=Q3.last + 30).value.says == "no data"
    before = [told(look(ledger, "time_to_first_change", scope, Q3.last + 31)) for scope in ("all", "team:a")]
    assert before[0][0].value == 4 and before[1][0].value == 4
    ledger.append([person("p1", Q3.first + 5, team="b"), person("p2", Q3.first + 5, left=Q3.last + 32)])
    shipped(ledger, "p7", [Q3.last + 32])
    shipped(ledger, "p1", [Q3.last + 33])
    assert [told(look(ledger, "time_to_first_change", scope, Q3.last + 300)) for scope in ("all", "team:a")] == before


def test_what_happens_after_a_cohorts_time_is_not_counted(ledger: Store) -> None:
    shipped(ledger, "x", [Q3.first - 90])
    late = Q3.last + 31 - Q3.first
    hire(ledger, {"p1": 1, "p2": 2} | {f"q{number}": late + number for number in range(5)}, begin=Q3.first)
    found = look(ledger, "time_to_first_change")
    assert found.value.value is None and found.value.low == 1 and found.parts["three_quarters"].value is None


def test_who_joined_before_anything_was_heard_of_is_left_out(ledger: Store) -> None:
    """Else they would seem never to have shipped."""
    hire(ledger, {f"p{number}": 3 for number in range(6)})
    assert look(ledger, "time_to_first_change").value.says == "no data"
    shipped(ledger, "x", [Q3.first + 4])
    assert look(ledger, "time_to_first_change").value.value == 3


def test_the_tenth_change_is_the_tenth(ledger: Store) -> None:
    shipped(ledger, "x", [Q3.first - 90])
    begin = Q3.first + 5
    ledger.append([person(f"p{number}", begin) for number in range(5)])
    for number in range(5):
        shipped(ledger, f"p{number}", [begin - 20, *(begin + 7 * step for step in range(1, 11))])
    assert look(ledger, "time_to_tenth_change").value.value == 50
    assert look(ledger, "time_to_first_change").value.value == 5, "what they did before they joined is not counted"


def test_few_newcomers_are_hidden_and_their_colleagues_with_them(ledger: Store) -> None:
    shipped(ledger, "x", [Q3.first - 90])
    hire(ledger, {f"a{number}": 3 for number in range(4)})
    assert look(ledger, "time_to_first_change").value == HIDDEN
    hire(ledger, {f"b{number}": 3 for number in range(9)}, team="b")
    hire(ledger, {f"c{number}": 3 for number in range(6)}, team="c")
    assert look(ledger, "time_to_first_change").value.value == 3
    assert look(ledger, "time_to_first_change", "team:b").value.value == 3
    for team in ("a", "c", "nobody"):
        assert look(ledger, "time_to_first_change", f"team:{team}").value == HIDDEN, team
    assert look(ledger, "time_to_first_change", "service:s").value.says == "no data"


def test_who_comes_back_soon_goes_on_and_who_was_long_away_starts_anew() -> None:
    def stint(begin: int, end: int | None) -> Stint:
        return Stint("p", begin * DAY, None if end is None else end * DAY, "a")

    assert joined([stint(0, 100), stint(281, None)]) == [stint(0, 100), stint(281, None)]
    assert joined([stint(0, 100), stint(280, None)]) == [stint(0, None)]
    assert joined([stint(0, None), stint(50, 60)]) == [stint(0, 60)], "nobody said that they left"
    other = Stint("q", 5 * DAY, None, "a")
    assert joined([stint(0, 1), other]) == [stint(0, 1), other]


def test_who_left_before_is_censored_there(ledger: Store) -> None:
    shipped(ledger, "x", [Q3.first - 90])
    begin = Q3.first + 5
    ledger.append([person(f"p{number}", begin, left=begin + 3) for number in range(3)])
    hire(ledger, {"q1": 14, "q2": 14, "q3": 14})
    assert look(ledger, "time_to_first_change").value.value == 10, "of the three who were still there"


@given(st.integers(0, 40_000), st.integers(0, 800))
def test_working_days_are_mondays_to_fridays(begin: int, days: int) -> None:
    assert working_days(begin, begin + days) == sum((day + 3) % 7 < 5 for day in range(begin, begin + days))


# ---------------------------------------------------------------------------------------------- surveys


def answer(
    ledger: Store, survey: str, wave: str, team: str | None, scores: list[int], day: int, text: str = ""
) -> None:
    """So many people answer on that day."""
    facts: list[Fact] = []
    texts: dict[str, bytes] = {}
    for number, score in enumerate(scores):
        said = [f"{number} {json.dumps({'score': score, 'team': team})}".encode(), body(text, number)]
        texts |= {text_hash(one): one for one in said}
        data = {"source": "s", "survey": survey, "wave": wave, "wording": None, "answer": text_hash(said[0])}
        data |= {"comment": text_hash(said[1]) if text else None}
        facts.append(Fact("survey_answered", f"survey/{survey}", data, at=day * DAY))
    ledger.append(facts, texts=texts)


def body(text: str, number: int) -> bytes:
    return f"salt {text} {number}".encode()


def test_an_nps_is_that_of_the_newest_wave_that_is_over(ledger: Store) -> None:
    answer(ledger, "nps", "spring", "a", [9] * 8 + [3] * 2, 20_000)
    answer(ledger, "nps", "autumn", "a", [9] * 2 + [3] * 8, 20_200)
    found = look(ledger, "nps", today=20_213)
    assert found.value.value == 60 and found.value.n == 10
    assert found.notes == ("spring: 10-19 answers.", "autumn is still open; it is shown when it is over.")
    found = look(ledger, "nps", today=20_214)
    assert found.value.value == -60 and [point.value for point in found.series] == [60, -60]
    assert found.value.low is not None and found.value.low == int(found.value.low), "whole points"
    assert found.value.says == "cannot tell, needs about 250 more"


def test_satisfaction_and_ease_have_their_scales(ledger: Store) -> None:
    answer(ledger, "csat", "2026-Q1", "a", [5, 4, 3, 2, 5, 5], 20_600)
    answer(ledger, "ces", "2026-Q1", "a", [7, 6, 5, 4, 2, 7], 20_600)
    assert look(ledger, "csat", today=20_601).value.value == 0.67
    ease = look(ledger, "ces", today=20_601)
    assert ease.value.value == 0.67 and ease.parts["mean"].value == 5.2 and ease.parts["balance"].value == 33
    assert look(ledger, "nps", today=20_601).value.says == "no data"


def test_a_wave_ends_after_two_weeks_or_at_once_when_it_is_brought_in_later() -> None:
    assert closes("spring", 100) == 113
    assert closes("2026-Q3", Q3.last) == Q3.last + 13 and closes("2026-Q3", Q3.last + 1) == Q3.last + 1
    assert closes("2026-Q4", Q3.last + 1) == Q3.last + 14
    assert closes("2026-09", Q3.last + 1) == Q3.last + 1 and closes("2026-12", Q3.last) == Q3.last + 13
    assert closes("2026-13", Q3.last) == closes("2026-00", Q3.last) == Q3.last + 13


def test_teams_of_few_answers_are_hidden_and_cannot_be_got_by_subtraction(ledger: Store) -> None:
    for team, count in (("a", 4), ("b", 6), ("c", 12), (None, 2)):
        answer(ledger, "nps", "w", team, [9] * count, 20_000)
    shown = {team for team in "abc" if look(ledger, "nps", f"team:{team}", today=20_020).value != HIDDEN}
    assert shown == {"b", "c"}, "four and the two without a team are six together"
    answer(ledger, "csat", "w", "a", [5] * 4, 20_000)
    answer(ledger, "csat", "w", "b", [5] * 6, 20_000)
    answer(ledger, "csat", "w", "c", [5] * 12, 20_000)
    shown = {team for team in "abc" if look(ledger, "csat", f"team:{team}", today=20_020).value != HIDDEN}
    assert shown == {"c"}, "four alone would be all less the others"
    assert look(ledger, "csat", today=20_020).value.n == 20
    answer(ledger, "ces", "w", "a", [5] * 4, 20_000)
    assert look(ledger, "ces", today=20_020).value == HIDDEN, "four in all"


def test_how_many_answered_is_told_in_tenths_and_narrows_the_interval(ledger: Store) -> None:
    answer(ledger, "nps", "w", "a", [9] * 6 + [3] * 3, 20_000)
    alone = look(ledger, "nps", today=20_020)
    ledger.append([person(f"p{number}", 19_000) for number in range(10)])
    ledger.append([person(f"gone{number}", 19_000, left=19_900) for number in range(10)])
    known = look(ledger, "nps", today=20_020)
    assert "answered" not in alone.parts and known.parts["answered"].value == 0.9 and known.parts["answered"].n == 10
    assert alone.value.low is not None and known.value.low is not None and known.value.low > alone.value.low


def test_comments_are_shown_of_ten_answers_and_when_the_wave_is_over(ledger: Store) -> None:
    answer(ledger, "nps", "w", "a", [9] * 9, 20_000, "docs")
    with ledger.query() as db:
        assert comments(db, "nps", "w", Scope(), 20_020 * DAY) == []
    answer(ledger, "nps", "w", "b", [9] * 10, 20_001, "docs")
    with ledger.query() as db:
        assert comments(db, "nps", "w", Scope(), 20_013 * DAY) == []
        assert comments(db, "nps", "other", Scope(), 20_020 * DAY) == []
        assert comments(db, "nps", "w", Scope("team", "a"), 20_020 * DAY) == []
        assert comments(db, "nps", "w", Scope("team", "b"), 20_020 * DAY) == [], "the others would be those of team a"
        found = comments(db, "nps", "w", Scope(), 20_020 * DAY)
    assert len(found) == 19 and set(found) == {f"docs {number}" for number in range(10)}


STREAM = st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["a", "b", None]), st.integers(0, 10)), max_size=25)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stream=STREAM, days=st.sets(st.integers(0, 60), min_size=2, max_size=4))
def test_nobody_is_told_on_by_looking_again(tmp_path_factory: pytest.TempPathFactory, stream: Any, days: Any) -> None:
    """Whatever comes in whatever order, a wave's figures are hidden or the same whenever one looks."""
    ledger = Sqlite(tmp_path_factory.mktemp("looks") / "wend.db", META, reduce, SCHEMA)
    try:
        seen: dict[str, set[Any]] = {}
        done = 0
        stream = sorted(stream, key=lambda one: one[0])
        for today in sorted(days):
            due = [one for one in stream[done:] if one[0] <= today]
            done += len(due)
            for day, team, score in due:
                answer(ledger, "nps", "w", team, [score], 20_000 + day)
            for scope in ("all", "team:a", "team:b"):
                value = look(ledger, "nps", scope, 20_000 + today).value
                if value.value is not None:
                    seen.setdefault(scope, set()).add(value)
        assert all(len(values) == 1 for values in seen.values())
    finally:
        ledger.close()


# ---------------------------------------------------------------------------------------------- tickets


def ticket(id: str, day: int, team: str = "a", **more: Any) -> Fact:
    data = {"source": "z", "ticket": id, "state": "open", "at": day * DAY, "opened_at": day * DAY, "resolved_at": None}
    data |= {"reason": "how do I", "team": team, "platform": True, "automatic": False, "title": None}
    return Fact("ticket_recorded", f"ticket/{id}", data | more)


def test_tickets_are_told_per_hundred_developers_and_week(ledger: Store) -> None:
    today = Window.of(4, 20_000 * DAY).last
    ledger.append([person(f"p{number}", 19_000, team="ab"[number % 2]) for number in range(20)])
    ledger.append([ticket(f"t{number}", today - number) for number in range(8)])
    ledger.append([ticket("old", today - 40), ticket("other", today, platform=False)])
    ledger.append([ticket("robot", today, automatic=True), ticket("wrong", today, state="retracted")])
    found = look(ledger, "support_tickets", today=today, weeks=4)
    weeks = found.window.days / 7
    assert found.value.n == 8 and found.value.value == pytest.approx(8 / (20 * weeks) * 100)
    assert found.value.low and found.value.high and found.value.low < found.value.value < found.value.high
    assert found.value.says == "cannot tell, needs about 10 more"
    assert sum(point.n for point in found.series) == 8 and len(found.series) == 4
    assert found.parts["developers"].value == 20
    assert found.parts["times_as_before"].value == pytest.approx(8)
    assert found.parts["reason: how do I"].value == 1
    mine = look(ledger, "support_tickets", "team:b", today=today, weeks=4)
    assert mine.value.value == 0 and mine.value.n == 0 and mine.value.high


def test_tickets_of_few_developers_are_hidden_and_of_none_no_number(ledger: Store) -> None:
    ledger.append([ticket("t", 20_000)])
    assert look(ledger, "support_tickets", today=20_001).value.says == "no data"
    ledger.append([person(f"p{number}", 19_000, team="a") for number in range(4)])
    assert look(ledger, "support_tickets", today=20_001).value == HIDDEN
    ledger.append([person(f"q{number}", 19_000, team="b") for number in range(5)])
    assert look(ledger, "support_tickets", "team:a", today=20_001).value == HIDDEN
    assert look(ledger, "support_tickets", "team:b", today=20_001).value == HIDDEN, "what is left would be team a's"
    with ledger.query() as db:
        for team in ("a", "b"):
            assert evidence(db, "support_tickets", Scope("team", team), Window.of(52, 20_001 * DAY)) == []
        assert len(evidence(db, "support_tickets", Scope(), Window.of(52, 20_001 * DAY))) == 1, "of nobody's team"


@given(st.lists(st.tuples(st.integers(0, 30), st.none() | st.integers(0, 30)), max_size=12))
def test_people_are_counted_on_the_days_they_were_here(stints: list[tuple[int, int | None]]) -> None:
    found = present(stints, 10, 20)
    assert found == [sum(a <= day and (b is None or day <= b) for a, b in stints) for day in range(10, 21)]
