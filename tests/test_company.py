"""The method on simulated companies whose pains are known: it finds the worst more often than votes, RICE and sums of
importance do, and its probabilities mean what they say. bench/company.py has the larger figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import company_told
from tests.company_world import TODAY, Company, found, importance, live, rice, votes
from tests.voice_world import voice_world
from wend import cost, one_thing
from wend.cost import Costs

RUNS, WEEKS, INTERVIEWS = 40, 10, 5


@pytest.fixture(scope="module")
def lived() -> list[tuple[Company, Costs]]:
    made: list[tuple[Company, Costs]] = []
    for seed in range(RUNS):
        company = found(seed)
        live(company, WEEKS, INTERVIEWS)
        pains = range(len(company.pains))
        made.append((company, cost.rank(pains, company.told, company.asked, company.people, TODAY)))
    return made


def worst(company: Company) -> int:
    return max(company.hours, key=lambda pain: company.hours[pain])


def regret(company: Company, pain: int) -> float:
    return company.hours[worst(company)] - company.hours[pain]


def test_it_beats_votes_rice_and_importance(lived: list[tuple[Company, Costs]]) -> None:
    ours = sum(costs.rows[0].pain == worst(company) for company, costs in lived)
    lost = sum(regret(company, costs.rows[0].pain) for company, costs in lived)
    for other in (votes, rice, importance):
        theirs = sum(other(company) == worst(company) for company, _ in lived)
        theirs_lost = sum(regret(company, other(company)) for company, _ in lived)
        assert ours >= theirs + 0.2 * RUNS, f"{other.__name__}: {ours} to {theirs} of {RUNS}"
        assert lost < theirs_lost / 2, f"{other.__name__}: {lost:.0f} to {theirs_lost:.0f} hours"
    assert ours >= 0.6 * RUNS


def test_its_probabilities_mean_what_they_say(lived: list[tuple[Company, Costs]]) -> None:
    said = sum(costs.rows[0].p_worst for _, costs in lived)
    true = sum(costs.rows[0].pain == worst(company) for company, costs in lived)
    assert abs(said - true) < 0.17 * RUNS, f"said {said:.1f}, true {true} of {RUNS}"
    unlikely = [(company, row) for company, costs in lived for row in costs.rows if row.p_worst < 0.05]
    assert sum(row.pain == worst(company) for company, row in unlikely) <= 0.03 * len(unlikely)
    inside = [row.low <= company.hours[row.pain] <= row.high for company, costs in lived for row in costs.rows]
    assert 0.85 < sum(inside) / len(inside) < 0.99


def test_what_it_calls_separable_is_rightly_so(lived: list[tuple[Company, Costs]]) -> None:
    sure = [costs.rows[0].pain == worst(company) for company, costs in lived if costs.separable]
    open_ = [costs.rows[0].pain == worst(company) for company, costs in lived if not costs.separable]
    assert len(sure) >= 0.4 * RUNS and sum(sure) >= 0.75 * len(sure)
    assert sum(sure) / len(sure) > sum(open_) / max(1, len(open_))


def test_it_needs_interviews() -> None:
    company = found("silent")
    live(company, WEEKS, 0)
    assert not cost.rank(range(12), company.told, company.asked, company.people, TODAY).separable


def test_the_ledger_tells_the_same_story(lived: list[tuple[Company, Costs]], tmp_path: Path) -> None:
    company, costs = lived[0]
    with voice_world(tmp_path) as ctx:
        company_told.tell(ctx, company)
        told = one_thing.now(ctx)
    assert told.people == len(company.people) and told.heard == len(company.asked)
    mine = {row.pain - 1: row for row in told.rows}
    for row in costs.rows:
        there = mine[row.pain]
        assert there.reach and row.reach.value == pytest.approx(there.reach.value, abs=1e-4)
        assert there.frequency and row.frequency.value == pytest.approx(there.frequency.value, rel=0.25)
        assert there.minutes and row.minutes.value == pytest.approx(there.minutes.value, rel=0.25)
        assert there.p_worst == pytest.approx(row.p_worst, abs=0.1)
    assert told.rows[0].pain - 1 == costs.rows[0].pain and told.separable == costs.separable
