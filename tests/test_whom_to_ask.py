"""Whom to ask next: with the probabilities that are written down, everybody at some time, and nobody of our own."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest

from tests.research_world import company, hire, persons, research
from wend.context import Context
from wend.errors import Conflict
from wend.events import Fact
from wend.research import interviews, people
from wend.research.people import LONG, coverage, draw, groups_of, probabilities, rested, systematic, weights
from wend.state import research as table
from wend.state.delivery import DAY

TODAY = 20_500


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with research(tmp_path) as made:
        yield made


# ---------------------------------------------------------------------------------------------- the draw


def test_probabilities_add_up_and_nobody_has_more_than_certainty() -> None:
    found = probabilities({"a": 100.0, "b": 1.0, "c": 1.0, "d": 2.0}, 2)
    assert found == {"a": 1.0, "b": 0.25, "c": 0.25, "d": 0.5}
    assert probabilities({"a": 1.0, "b": 3.0}, 5) == {"a": 1.0, "b": 1.0}
    assert probabilities({}, 3) == {}


def test_each_is_drawn_as_often_as_is_written() -> None:
    everybody = persons(40)
    drawn: Counter[str] = Counter()
    chance: dict[str, float] = {}
    for number in range(1500):
        for one in draw(everybody, everybody, 10, TODAY, f"seed {number}"):
            drawn[one.person.id] += 1
            chance[one.person.id] = one.probability
    assert set(chance) == {one.id for one in everybody}, "somebody can never be asked"
    # a share of 1500 draws is known to within four times sqrt(p (1 - p) / 1500), at most 0.052
    assert max(abs(drawn[one] / 1500 - chance[one]) for one in chance) < 0.052


def test_the_draw_has_ten_and_a_reserve_of_five_and_is_the_same_again() -> None:
    everybody = persons(40)
    once = draw(everybody, everybody, 10, TODAY, "w1")
    assert [one.reserve for one in once] == [False] * 10 + [True] * 5
    assert len({one.person.id for one in once}) == 15
    assert draw(everybody, everybody, 10, TODAY, "w1") == once
    assert draw(everybody[::-1], everybody, 10, TODAY, "w1") == once, "the order of the rows must not matter"
    assert draw(everybody, everybody, 10, TODAY, "w2") != once


def test_few_people_are_all_drawn_for_certain() -> None:
    few = persons(4, teams=1)
    assert [(one.probability, one.reserve) for one in draw(few, few, 10, TODAY, "x")] == [(1.0, False)] * 4
    assert draw([], [], 10, TODAY, "x") == []


def test_who_was_not_heard_lately_has_the_larger_share() -> None:
    heard = [replace(one, heard=TODAY - 30) if one.team == "team0" else one for one in persons(40)]
    weight = weights(heard, heard, TODAY)
    team = {one.id: one.team for one in heard}
    assert mean(weight[one] for one in weight if team[one] == "team0") < 0.9 * mean(
        weight[one] for one in weight if team[one] == "team1"
    )
    assert sum(weight.values()) == pytest.approx(4)
    newest = [weight[one.id] for one in heard if one.tenure == "newest"]
    assert min(newest) > max(weight[one.id] for one in heard if one.tenure != "newest")


def test_a_crowded_team_does_not_crowd_out_the_small_ones() -> None:
    crowd = [replace(one, team="crowd" if number < 35 else "small") for number, one in enumerate(persons(40, newest=0))]
    per_draw = [
        sum(one.person.team == "small" for one in draw(crowd, crowd, 10, TODAY, str(seed)) if not one.reserve)
        for seed in range(300)
    ]
    assert 1.5 < mean(per_draw) < 3.5  # 5 of 40 people would get 1.25 by number alone


def test_a_comb_takes_the_whole_number_of_people() -> None:
    chance = {str(number): 0.3 for number in range(10)}
    assert {len(systematic(list(chance), chance, start / 50)) for start in range(50)} == {3}


def test_who_was_heard_or_refused_has_rest() -> None:
    one = persons(1)[0]
    assert rested(one, None, TODAY) and not rested(replace(one, heard=TODAY - 27), None, TODAY)
    assert rested(replace(one, heard=TODAY - 28), None, TODAY)
    assert not rested(one, ((TODAY - 83) * DAY, "declined"), TODAY)
    assert rested(one, ((TODAY - 84) * DAY, "declined"), TODAY) and rested(one, (TODAY * DAY, "absent"), TODAY)


def test_coverage_begins_with_who_was_never_heard() -> None:
    everybody = [replace(one, heard=TODAY - 5) if one.team == "team0" else one for one in persons(10, teams=2)]
    everybody[0] = replace(everybody[0], heard=TODAY - LONG)
    found = [one for one in coverage(everybody, TODAY) if one.way == "team"]
    assert [(one.name, one.people, one.heard, one.days) for one in found] == [("team1", 5, 0, None), ("team0", 5, 4, 5)]


# ---------------------------------------------------------------------------------------------- of a ledger


def test_asking_twice_gives_the_same_list_with_probabilities_in_the_ledger(ctx: Context) -> None:
    company(ctx)
    once = interviews.schedule(ctx)
    assert len(once) == 15 and interviews.schedule(ctx) == once
    assert all(0 < one["probability"] <= 1 for one in once)
    written = [event.data for event in ctx.ledger.read(kinds=["interview_scheduled"])]
    assert [one["person"] for one in written] == [one["person"] for one in once]
    assert sum(one["probability"] for one in once) <= 15.001
    assert "person" not in {event.actor for event in ctx.ledger.read(kinds=["interview_scheduled"])}


def test_a_new_home_with_the_same_people_and_key_draws_the_same(ctx: Context, tmp_path: Path) -> None:
    company(ctx)
    other = tmp_path / "other"
    other.mkdir()
    (other / "people.key").write_bytes((tmp_path / "people.key").read_bytes())
    with research(other) as again:
        company(again)
        mine = [(one["person"], one["probability"]) for one in interviews.schedule(ctx)]
        assert [(one["person"], one["probability"]) for one in interviews.schedule(again)] == mine


def test_never_the_platforms_own_nor_machines_nor_who_left_nor_who_is_yet_to_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEND_BOTS", "Renovate, deploybot@example.org")
    with research(tmp_path) as ctx:
        hire(ctx, "own", "platform")
        hire(ctx, "renovate")
        hire(ctx, "gone", left_at=(people.today() - 1) * DAY)
        hire(ctx, "tomorrow", days=-3)
        here = hire(ctx, "here")
        assert [one["person"] for one in interviews.schedule(ctx)] == [here]


def test_who_is_missed_or_leaves_is_replaced_from_the_reserve(ctx: Context) -> None:
    company(ctx)
    listed = interviews.schedule(ctx)
    first, second, reserve = listed[0], listed[1], [one for one in listed if one["reserve"]]
    assert [one["interview"] for one in interviews.upcoming(ctx)] == [one["interview"] for one in listed[:10]]
    interviews.miss(ctx, first["interview"], "declined")
    now = interviews.upcoming(ctx)
    assert first["interview"] not in {one["interview"] for one in now} and now[-1] == reserve[0]
    interviews.miss(ctx, reserve[0]["interview"], "absent")
    assert interviews.upcoming(ctx)[-1] == reserve[1] and len(interviews.upcoming(ctx)) == 10
    data = {"source": "csv", "person": second["person"], "aliases": [], "team": None, "role": None, "joined_at": None}
    data |= {"left_at": (people.today() - 1) * DAY, "name": None}
    ctx.ledger.append([Fact("person_recorded", f"person/{second['person']}", data, actor="csv")])
    now = [one["interview"] for one in interviews.upcoming(ctx)]
    assert second["interview"] not in now and now[-1] == reserve[2]["interview"] and len(now) == 10


def test_a_reserve_that_was_heard_fills_the_place(ctx: Context) -> None:
    company(ctx)
    listed = interviews.schedule(ctx)
    interviews.miss(ctx, listed[0]["interview"], "absent")
    interviews.hold(ctx, str(listed[10]["interview"]), "full")
    assert [one["interview"] for one in interviews.upcoming(ctx)] == [one["interview"] for one in listed[1:10]]


def test_everyone_in_one_team_and_no_role_or_tenure(ctx: Context) -> None:
    for number in range(20):
        hire(ctx, f"dev{number}", "only", role=None, joined_at=None)
    listed = interviews.schedule(ctx)
    assert {one["stratum"] for one in listed} == {"only · tenure not known · role not known · on the path"}
    assert {one["probability"] for one in listed} == {0.75} and len(listed) == 15


def test_a_name_cannot_forge_a_stratum(ctx: Context) -> None:
    hire(ctx, "dev", "a · b · c", role="x · y")
    [one] = interviews.schedule(ctx)
    assert groups_of(one["stratum"])["team"] == "a - b - c" and groups_of(one["stratum"])["role"] == "x - y"


def test_nobody_is_known(ctx: Context) -> None:
    assert interviews.schedule(ctx) == [] and interviews.upcoming(ctx) == [] and ctx.ledger.head()[0] == 0


def test_two_who_draw_at_once_draw_one_list(ctx: Context) -> None:
    company(ctx)
    found: list[list[int]] = []
    threads = [threading.Thread(target=lambda: found.append(people.invite(ctx))) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(found) == 6 and all(one == found[0] for one in found)
    assert len(ctx.ledger.read(kinds=["interview_scheduled"])) == 15


def test_who_draws_while_another_always_was_first_is_told(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    company(ctx)
    monkeypatch.setattr(table, "tip", lambda db: (0, 7))  # pyright: ignore[reportUnknownLambdaType]
    with pytest.raises(Conflict):
        people.invite(ctx)


def test_who_has_hatches_or_left_is_off_the_path(ctx: Context) -> None:
    hire(ctx, "a", "hatched")
    hire(ctx, "b", "left")
    hire(ctx, "c", "happy")
    release = {"deploy": "d", "release": 1, "artifact": "a", "path": "p", "commit": "c", "env": {}, "config": {}}
    release |= {"secrets": {}, "processes": {}, "declared": {}, "command": None}
    release |= {"hatches": {"build": {"reason": "r", "until": None}}}
    deploy = {"deploy": "d", "cause": "push", "commit": "c", "ref": "r", "summary": ""}
    service = {"source": "csv", "service": "x", "team": "left", "repo": None, "since": 1, "until": 2}
    ctx.ledger.append([
        Fact("app_created", "app/shop", {"branch": "main"}, app="shop", team="hatched"),
        Fact("deploy_started", "deploy/d", deploy, app="shop"),
        Fact("release_created", "app/shop", release, app="shop"),
        Fact("release_went_live", "app/shop", {"deploy": "d", "release": 1, "previous": None}, app="shop"),
        Fact("service_recorded", "service/x", {**service, "why": "too slow", "exempt": False}),
    ])  # fmt: skip
    ways = {groups_of(one["stratum"])["team"]: groups_of(one["stratum"])["way"] for one in interviews.schedule(ctx)}
    assert ways == {"hatched": "off the path", "left": "off the path", "happy": "on the path"}
