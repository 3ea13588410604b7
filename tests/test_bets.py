"""Bets: what may be opened, what is measured of it, and what is said of that."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.bets import PLAN, World, run
from tests.bet_world import House, deploys, teams
from tests.databases import Served, postgres, served
from tests.told import at
from wend.bets import ending, lint, scoring
from wend.errors import Conflict, Invalid, NotFound
from wend.events import Fact
from wend.state import bets as table
from wend.stats import wilson

__all__ = ["postgres", "served"]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.tell([*teams(), *deploys(0, 13, 9.0)])
    yield made
    made.ctx.ledger.close()


# ---------------------------------------------------------------------------------------------- statements

DRESSED = (
    "build a new pipeline",
    "ship self-service databases",
    "be migrated to Kubernetes",
    "add canaries",
    "have Go supported",
    "implementing single sign-on",
    "roll it out to all teams",
    "finally use the new portal",
    "get access to a dashboard",
    "benefit from caching",
    "ＢＵＩＬＤ a pipeline",
    "Launch v2",
    "a faster pipeline",
)


@pytest.mark.parametrize("can", DRESSED)
def test_a_feature_dressed_as_an_outcome_is_refused_with_a_way_out(house: House, can: str) -> None:
    said = house.refusal(can=can)
    assert "who can DO WHAT in NEW instead of OLD" in said
    assert not ending.looked(house.ctx)


@pytest.mark.parametrize(
    "can",
    ["deploy on a Friday", "get a database", "roll back a release", "see why a push failed", "get a build done"],
)
def test_what_developers_do_is_an_outcome(can: str) -> None:
    assert not list(lint.of_doing(can))


@pytest.mark.parametrize("who", ["we", "our team", "the platform team", "Platform", "the pipeline", " "])
def test_it_is_for_users_and_not_for_the_team_or_a_thing(house: House, who: str) -> None:
    assert "who" in house.refusal(who=who) or "developers" in house.refusal(who=who)


@pytest.mark.parametrize("who", ["new engineers", "users of the platform", "the payments team"])
def test_users_have_many_names(who: str) -> None:
    assert not list(lint.of_people(who, "platform"))


def test_everything_that_is_wrong_is_said_at_once(house: House) -> None:
    said = house.refusal(who="we", can="ship it", by="2025-01-01", kill="2025-02-01", appetite=0, sure=100)
    for word in ("the team itself", "'ship'", "2025-01-01 is not in the future", "kill date", "appetite", "100 % sure"):
        assert word in said


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"by": "2026-04-06"}, "not in the future"),
        ({"by": "2028-01-01"}, "more than a year"),
        ({"kill": "2026-08-01"}, "is after 2026-07-31"),
        ({"kill": "2026-04-01"}, "not in the future"),
        ({"by": "31 July"}, "is no date"),
        ({"signal": "happiness"}, "there is no signal"),
        ({"signal": "friday_confidence"}, "nobody can say"),
        ({"signal": "open_hatches"}, "nobody can say"),
        ({"to": "40 %"}, "is not counted in what"),
        ({"to": "soon"}, "is no number"),
        ({"to": "nan min"}, "is no number"),
        ({"to": "30 min"}, "is not better than what is measured now"),
        ({"signal": "change_fail_rate", "to": "140 %"}, "is no share"),
        ({"low": "2 min"}, "--low and --high"),
        ({"low": "4 min", "high": "2 min"}, "in this order"),
        ({"weeks": 2}, "a baseline of 2 weeks"),
    ],
)
def test_what_cannot_be_checked_is_refused(house: House, changes: dict[str, str], word: str) -> None:
    assert word in house.refusal(**changes)


def test_a_sentence_counts_both_sides_in_the_same(house: House) -> None:
    rest = {"who": "", "can": "", "to": ""}
    assert "one unit on both sides" in house.refusal(sentence="all can try in 2 min instead of 9 points", **rest)
    assert "no outcome statement" in house.refusal(sentence="Faster deploys for everybody", **rest)
    assert "the sentence says 2 h, but" in house.refusal(sentence="all can deploy in 3 min instead of 2 h", **rest)
    bet = house.open(sentence="Engineers can deploy a change in 3 min instead of 9 min.", **rest)
    assert bet["sentence"].startswith("Engineers can deploy a change in 3 min instead of ")


# ---------------------------------------------------------------------------------------------- baselines


def test_the_baseline_is_measured_with_its_interval_and_n(house: House) -> None:
    found = house.open()["baseline"]
    assert found["n"] == 8 * 12 * 3  # the running week, and twelve before it
    assert found["low"] < found["value"] < found["high"]
    assert 420 < found["value"] < 660
    assert found["last"] == house.today


def test_a_signal_without_data_has_no_baseline(house: House) -> None:
    said = house.refusal(signal="nps", to="40")
    assert "nothing is measured of nps of all: no data" in said
    assert "wend signals show nps" in said


def test_a_freeze_is_no_baseline_and_what_to_do_instead_is_said(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.tell([*teams(), *deploys(0, 26, 9.0), *deploys(26, 39, 9.0, services=1, a_week=1)])
    house.week = 39
    said = house.refusal(by="2026-12-31", kill="2026-12-31")
    assert "less than a third of the usual 24 deployments a week: that is a freeze" in said
    assert "--weeks 4 to 52" in said
    assert house.open(by="2026-12-31", kill="2026-12-31", weeks=39)["id"] == 1


def test_a_pain_must_be_there_and_open(house: House) -> None:
    with pytest.raises(NotFound, match="no pain 4"):
        house.open(pain=4)
    house.tell(
        [
            Fact("pain_named", "pain/1", {"pain": 1, "title": "slow"}),
            Fact("pain_closed", "pain/1", {"pain": 1, "why": "w"}),
        ]
    )
    with pytest.raises(Conflict, match="closed"):
        house.open(pain=1)


def test_a_team_nobody_knows_is_not_bet_on(house: House) -> None:
    with pytest.raises(NotFound, match="no team 'blue'"):
        house.open(scope="team:blue")


# ---------------------------------------------------------------------------------------------- verdicts


def later(house: House, minutes: float, failing: float = 0.0, **rest: int) -> dict[str, object]:
    """What is said after the bet's date, when deploys have taken so long since."""
    house.tell(deploys(14, 30, minutes, failing=failing, **rest))
    house.week = 31
    ending.tend(house.ctx, house.now)
    return house.see()["verdict"]


def test_an_improvement_is_told_with_effect_interval_n_and_method(house: House) -> None:
    house.open()
    said = later(house, 3.0)
    assert said["verdict"] == said["primary"] == "improved"
    assert said["effect"]["high"] < 0 and said["effect"]["n"] > 500
    assert "2000 draws of services" in said["effect"]["method"]
    assert said["effect"]["detectable"] > 0
    assert house.see()["state"] == "judged"


def test_it_can_get_worse(house: House) -> None:
    house.open()
    assert later(house, 18.0)["verdict"] == "worse"


def test_no_change_is_said_where_it_is_sure(house: House) -> None:
    house.open()
    said = later(house, 9.0)
    assert said["verdict"] == "no change"
    assert said["least"] == pytest.approx(abs(house.see()["baseline"]["value"] - 180) / 2)
    assert "bigger than" in str(said["says"])


def test_too_little_says_so_and_how_much_is_missing(house: House) -> None:
    house.open(to="8 min")
    said = later(house, 8.0, services=8, a_week=1)
    assert said["verdict"] == "cannot tell"
    assert said["needs"] > 0


def test_stability_breaks_the_verdict_whatever_the_signal_says(house: House) -> None:
    house.open()
    said = later(house, 3.0, failing=0.4)
    assert (said["verdict"], said["primary"]) == ("worse", "improved")
    assert str(said["says"]).startswith("Less stable: Change fail rate got worse. Time to deploy improved")


def test_two_bets_on_one_signal_cannot_be_told_apart(house: House) -> None:
    house.open()
    house.open(scope="team:red", can="roll back a release")
    said = later(house, 3.0)
    assert (said["verdict"], said["primary"], said["beside"]) == ("cannot tell", "improved", [2])
    assert "cannot tell which of them did it" in str(said["says"])
    assert house.see(2)["verdict"]["beside"] == [1]


def test_those_who_got_it_are_compared_with_those_who_did_not(house: House) -> None:
    """Everybody got faster, and who carries the bet's work no more than the others."""
    house.open()
    for number in range(4):
        ending.link(house.ctx, 1, f"s{number}", house.now)
    said = later(house, 3.0)
    assert said["compared"] == ["s0", "s1", "s2", "s3"]
    assert said["verdict"] != "improved"


def test_nothing_is_told_before_its_time(house: House) -> None:
    house.open()
    assert house.see()["so_far"]
    assert house.see()["verdict"]["verdict"] == "cannot tell"


# ---------------------------------------------------------------------------------------------- by simulation


def often(world: World, worlds: int) -> Counter[str]:
    return run((world, 0, worlds))


@pytest.mark.parametrize("plan", [PLAN[1], PLAN[3], PLAN[6], PLAN[8], PLAN[10], PLAN[13]], ids=lambda plan: plan.kind)
def test_where_nothing_changed_it_improves_at_most_five_times_of_a_hundred(plan: World) -> None:
    """`bench/bets.py` does more of them: here the interval of 60 worlds must not be above it."""
    found = wilson(often(replace(plan, effect=0.0), 60)["improved"], 60)
    assert found and found.low < 0.05


@pytest.mark.parametrize("plan", [PLAN[1], PLAN[11], PLAN[14]], ids=lambda plan: plan.kind)
def test_what_changed_as_promised_is_seen(plan: World) -> None:
    found = often(plan, 40)
    assert found["improved"] > 12  # docs/figures.md says how often in many
    assert not found["worse"]


# ---------------------------------------------------------------------------------------------- time


def test_the_kill_date_closes_a_bet_unless_it_is_argued_for(house: House) -> None:
    house.open(kill="2026-05-04")
    with pytest.raises(Invalid, match="is no kill date"):
        ending.reargue(house.ctx, 1, "2026-08-02", "more time", house.now)
    ending.reargue(house.ctx, 1, "2026-06-01", "half of it is live", house.now)
    house.week = 18
    ending.tend(house.ctx, house.now)
    assert house.see()["state"] == "open"
    house.week = 22
    ending.tend(house.ctx, house.now)
    found = house.see()
    assert (found["state"], found["why"], found["ended_day"]) == ("closed", ending.KILLED, lint.day("2026-06-01"))
    ending.reargue(house.ctx, 1, "2026-07-01", "the clock was wrong", house.now)
    assert house.see()["state"] == "open"


def test_a_clock_that_jumps_does_no_harm(house: House) -> None:
    house.open()
    house.week = -20  # back to before everything
    ending.tend(house.ctx, house.now)
    assert house.see()["state"] == "open"
    assert house.see()["verdict"]["verdict"] == "cannot tell"
    house.week = 400
    for _ in range(3):
        ending.tend(house.ctx, house.now)
    house.week = 14
    ending.tend(house.ctx, house.now)
    kinds = [event.kind for event in house.ctx.ledger.read(kinds=("bet_closed", "bet_judged"))]
    assert kinds == ["bet_closed", "bet_judged"]
    assert house.see()["verdict"]["last"] == lint.day("2026-07-31")


def test_a_bet_that_is_over_takes_no_more(house: House) -> None:
    house.open()
    ending.close(house.ctx, 1, "we learnt enough", house.now)
    for act in (
        lambda: ending.close(house.ctx, 1, "again", house.now),
        lambda: ending.link(house.ctx, 1, "s1", house.now),
    ):
        with pytest.raises(Conflict, match="is over"):
            act()
    with pytest.raises(NotFound):
        ending.seen(house.ctx, 9, house.now)


# ---------------------------------------------------------------------------------------------- work


def test_work_from_before_the_bet_is_not_its_work(house: House) -> None:
    house.open()
    work = {"bet": 1, "app": None, "how": "trailer"}
    house.tell(
        Fact("bet_linked", "bet/1", {**work, "bet": bet, "commit": commit, "at": when})
        for bet, commit, when in ((1, "a" * 40, at(5)), (1, "b" * 40, house.now + 5), (2, "c" * 40, house.now + 5))
    )
    assert [one["id"] for one in house.see()["work"]] == ["b" * 40]


# ---------------------------------------------------------------------------------------------- predictions


def test_predictions_are_scored_against_who_always_says_half() -> None:
    def bet(sure: float | None, reached: bool | None, value: float | None) -> dict[str, object]:
        return {"sure": sure, "low": 1.0, "high": 3.0, "verdict": {"reached": reached, "after": {"value": value}}}

    found = scoring.of([bet(0.9, True, 2.0), bet(0.8, False, 5.0), bet(None, True, 2.5), bet(0.5, None, None)])
    assert found.brier == pytest.approx((0.01 + 0.64) / 2)
    assert (found.said, found.unknown, found.always_half) == (2, 1, 0.25)
    assert found.coverage and (found.coverage.n, found.coverage.value) == (3, pytest.approx(2 / 3))
    assert scoring.of([]).brier is None


def test_tables_are_the_same_when_they_are_made_anew(house: House) -> None:
    house.open()
    later(house, 3.0)
    with house.ctx.ledger.query() as db:
        before = json.dumps(table.bets(db), sort_keys=True)
    house.ctx.ledger.rebuild()
    with house.ctx.ledger.query() as db:
        assert json.dumps(table.bets(db), sort_keys=True) == before


def told(house: House) -> str:
    """A bet's whole life, and what the tables say in the end."""
    house.tell([*teams(), *deploys(0, 13, 9.0)])
    house.open()
    ending.link(house.ctx, 1, "s1", house.now)
    later(house, 3.0, failing=0.1)
    with house.ctx.ledger.query() as db:
        return json.dumps([table.bets(db), table.work(db, 1)], sort_keys=True)


def test_both_databases_say_the_same(tmp_path: Path, served: Served) -> None:
    here, there = House(tmp_path), House(tmp_path, served.open())
    assert told(here) == told(there)
    for house in (here, there):
        house.ctx.ledger.close()
