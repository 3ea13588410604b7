"""NPS, CSAT and CES: the published formulae, the size of their intervals, and how often they are right."""

from __future__ import annotations

import random
from collections import Counter
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wend.errors import Invalid
from wend.opinions import Opinion, ces_balance, ces_mean, ces_share, csat, nps
from wend.stats import wilson

KINDS = {
    nps: (range(11), -100, 100),
    csat: (range(1, 6), 0, 1),
    ces_mean: (range(1, 8), 1, 7),
    ces_share: (range(1, 8), 0, 1),
    ces_balance: (range(1, 8), -100, 100),
}
EVERY = st.sampled_from(list(KINDS)).flatmap(
    lambda kind: st.tuples(st.just(kind), st.dictionaries(st.sampled_from(list(KINDS[kind][0])), st.integers(0, 3000)))
)


def ends(found: Opinion) -> tuple[float, float]:
    assert found.low is not None and found.high is not None
    return found.low, found.high


def width(found: Opinion) -> float:
    return (ends(found)[1] - ends(found)[0]) / 2


@pytest.mark.parametrize(
    ("n", "half"), [(10, 40), (20, 32), (30, 27), (50, 21), (100, 15), (200, 11), (400, 8), (1000, 5)]
)
def test_how_wide_an_nps_is(n: int, half: int) -> None:
    promoters, detractors = round(0.4 * n), round(0.25 * n)
    found = nps({9: promoters, 3: detractors, 8: n - promoters - detractors})
    assert found.value == pytest.approx(100 * (promoters - detractors) / n) and found.n == n
    assert round(width(found)) == half


def test_the_adjusted_wald_interval_is_as_written() -> None:
    promoters, detractors, n = 24, 15, 60
    high, low = (promoters + 0.75) / (n + 3), (detractors + 0.75) / (n + 3)
    reach = 1.959964 * sqrt((high + low - (high - low) ** 2) / (n + 3))
    known = (100 * (high - low - reach), 100 * (high - low + reach))
    assert ends(nps({10: promoters, 0: detractors, 7: 21})) == pytest.approx(known)


def test_when_most_of_all_have_answered_little_is_left_to_chance() -> None:
    counts = {10: 24, 0: 15, 8: 21}
    open_ended, half_of_them, everybody = nps(counts), nps(counts, 120), nps(counts, 60)
    assert (round(width(open_ended)), round(width(half_of_them))) == (19, 14)
    assert ends(everybody) == (pytest.approx(15), pytest.approx(15)) and everybody.needed == 0
    assert half_of_them.needed < open_ended.needed


def test_so_it_is_for_shares() -> None:
    counts = {5: 40, 1: 20}
    open_ended, half_of_them, everybody = csat(counts), csat(counts, 120), csat(counts, 60)
    assert width(half_of_them) / width(open_ended) == pytest.approx(sqrt(60 / 119), abs=0.02)
    assert ends(everybody) == (pytest.approx(2 / 3), pytest.approx(2 / 3)) and everybody.needed == 0
    assert half_of_them.needed < open_ended.needed and csat(counts, 10**9).low == pytest.approx(open_ended.low)


def test_five_equal_answers_are_not_certainty() -> None:
    assert ends(nps({10: 5})) == (pytest.approx(17.5, abs=0.1), 100)
    assert ends(ces_mean({7: 5}))[0] < 5


def test_how_many_answers_are_needed() -> None:
    assert nps({}).needed == 239, "242 without the three thought in addition"
    assert 370 <= nps({10: 100, 0: 100}).needed + 200 <= 385, "the worst there is"
    assert nps({9: 160, 3: 100, 8: 140}).needed == 0
    assert nps({}, population=12).needed == 12, "of twelve, all have to be asked"
    assert csat({}).needed == 93 and csat({}, 20).needed == 17
    assert csat({5: 3, 1: 1}, 4).needed == 0


def test_effort_has_three_scorings() -> None:
    counts = {7: 3, 6: 2, 5: 2, 4: 1, 2: 2}
    assert ces_mean(counts).value == pytest.approx(51 / 10)
    assert ces_share(counts).value == pytest.approx(0.7)
    assert ces_balance(counts).value == pytest.approx(30)


def test_satisfaction_is_the_share_of_fours_and_fives() -> None:
    found, known = csat({5: 6, 4: 3, 3: 2, 1: 1}), wilson(9, 12)
    assert known and (found.value, *ends(found)) == (known.value, known.low, known.high)


@pytest.mark.parametrize(("kind", "score"), [(nps, 11), (nps, -1), (csat, 0), (csat, 6), (ces_mean, 8), (ces_share, 0)])
def test_a_score_that_cannot_be_given_is_refused(kind: type, score: int) -> None:
    with pytest.raises(Invalid, match=f"{score} is not a score"):
        kind({score: 1})


@given(EVERY, st.none() | st.integers(1, 40_000))
def test_the_value_is_in_its_interval_and_on_its_scale(case: tuple, population: int | None) -> None:
    kind, counts = case
    found, (_, lowest, highest) = kind(counts, population), KINDS[kind]
    assert found.n == sum(counts.values()) and found.needed >= 0
    if found.value is None:
        assert found.n == 0 and (found.low, found.high) == (None, None)
        return
    low, high = ends(found)
    assert lowest <= low + 1e-9 and low <= found.value + 1e-9 and found.value <= high + 1e-9 and high <= highest + 1e-9


@given(EVERY)
def test_ten_times_the_answers_are_nearer_and_need_fewer(case: tuple) -> None:
    kind, counts = case
    few, many = kind(counts), kind({score: 10 * count for score, count in counts.items()})
    if few.n >= 30:
        assert width(many) <= width(few) + 1e-9 and many.needed <= few.needed


@given(EVERY, st.integers(0, 10))
def test_a_better_answer_never_lowers_the_score(case: tuple, place: int) -> None:
    kind, counts = case
    scores = list(KINDS[kind][0])
    score, best = scores[place % len(scores)], scores[-1]
    if counts.get(score):
        better = Counter(counts) + Counter([best])
        better[score] -= 1
        assert (kind(better).value or 0) >= (kind(counts).value or 0) - 1e-9


@pytest.mark.parametrize("n", [10, 30, 100])
@pytest.mark.parametrize("weights", [(40, 35, 25), (70, 20, 10), (10, 30, 60)])
def test_intervals_hold_the_truth_as_often_as_said(n: int, weights: tuple[int, int, int]) -> None:
    """Adjusted Wald is published as 93 to 97 % from ten answers on; 3000 draws add half a point either way."""
    dice, truth, inside = random.Random(20261125), weights[0] - weights[2], 0
    for _ in range(3000):
        low, high = ends(nps(Counter(dice.choices((9, 8, 3), weights, k=n))))
        inside += low <= truth <= high
    assert 0.925 <= inside / 3000 <= 0.985


def test_a_mean_of_effort_holds_the_truth_as_often_as_said() -> None:
    dice, inside, weights = random.Random(20261125), 0, (2, 3, 6, 12, 25, 32, 20)
    truth = sum(score * weight for score, weight in enumerate(weights, 1)) / sum(weights)
    for _ in range(3000):
        low, high = ends(ces_mean(Counter(dice.choices(range(1, 8), weights, k=12))))
        inside += low <= truth <= high
    assert 0.925 <= inside / 3000 <= 0.99
