"""The intervals that verdicts rest on hold the truth as often as they say: by simulation, at least 92 times of 100."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.bets import PLAN, recommend
from wend import opinions
from wend.bets.shares import Count, Week, difference, ratio
from wend.bets.spans import Span, interrupted, log_rank, medians

WORLDS, LEAST = 300, 0.92


@pytest.mark.parametrize("n", [10, 30, 100, 300])
def test_of_an_nps(n: int) -> None:
    dice, held = np.random.default_rng(n), 0
    for _ in range(WORLDS):
        low, middle, high = map(int, dice.multinomial(n, [0.25, 0.35, 0.4]))
        found = opinions.nps({3: low, 7: middle, 9: high})
        held += found.low is not None and found.high is not None and found.low <= 15 <= found.high
    assert held / WORLDS > LEAST


@pytest.mark.parametrize("effect", [0.0, 0.2])
def test_of_the_difference_of_two_waves(effect: float) -> None:
    held = 0
    for seed in range(WORLDS):
        found, _ = recommend(replace(PLAN[-2], effect=effect), np.random.default_rng(seed))
        held += bool(found and found.low <= 100 * effect <= found.high)
    assert held / WORLDS > LEAST


@pytest.mark.parametrize("services", [1, 6, 30])
def test_of_the_difference_of_shares(services: int) -> None:
    dice, held = np.random.default_rng(services), 0
    for _ in range(WORLDS):
        sides = [
            [Count(f"s{one}", week, int(dice.binomial(4, share)), 4) for one in range(services) for week in range(10)]
            for share in (0.1, 0.15)
        ]
        found = difference(sides[0], sides[1])
        held += bool(found and found.low <= 0.05 <= found.high)
    assert held / WORLDS > LEAST


@pytest.mark.parametrize("rates", [(8, 8), (8, 4), (1, 2)])
def test_of_the_ratio_of_rates(rates: tuple[int, int]) -> None:
    dice, held = np.random.default_rng(5), 0
    for _ in range(WORLDS):
        before, after = ([Week(7 * week, int(dice.poisson(rate)), 1.0) for week in range(6)] for rate in rates)
        found = ratio(before, after)
        held += found is None or found.low <= rates[1] - rates[0] <= found.high
    assert held / WORLDS > LEAST


@pytest.mark.parametrize("weeks", [8, 16])
def test_of_an_interrupted_time_series_with_a_trend(weeks: int) -> None:
    dice, held = np.random.default_rng(6), 0
    for _ in range(WORLDS):
        line = 20 + 0.5 * np.arange(2 * weeks) + 5 * (np.arange(2 * weeks) >= weeks) + dice.normal(0, 2, 2 * weeks)
        found = interrupted(list(line[:weeks]), list(line[weeks:]), 0.0, weeks)
        held += bool(found and found.low <= 5 <= found.high)
    assert held / WORLDS > LEAST
    assert interrupted(list(range(7)), list(range(9)), 0.0, 1) is None


@pytest.mark.parametrize("services", [1, 6, 12])
def test_of_the_difference_of_medians(services: int) -> None:
    dice, held, worlds = np.random.default_rng(services), 0, 60
    for _ in range(worlds):
        sides = [
            [Span(f"s{one}", week, float(dice.exponential(mean))) for one in range(services) for week in range(12)]
            for mean in (10, 5)
        ]
        found = medians(sides[0], sides[1])
        held += bool(found and found.low <= -5 * np.log(2) <= found.high)
    assert held / worlds > 0.88


def test_the_log_rank_test_is_that_of_the_books() -> None:
    """Freireich's trial of 6-mercaptopurine (1963), as in Cox and Oakes: chi square 16.79."""
    drug = [(6, 1), (6, 1), (6, 1), (6, 0), (7, 1), (9, 0), (10, 1), (10, 0), (11, 0), (13, 1), (16, 1), (17, 0)]
    drug += [(19, 0), (20, 0), (22, 1), (23, 1), (25, 0), (32, 0), (32, 0), (34, 0), (35, 0)]
    other = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
    one = [Span("a", 0, float(time), bool(over)) for time, over in drug]
    two = [Span("a", 0, float(time)) for time in other]
    assert log_rank(one, two) == pytest.approx(16.79, abs=0.01)
