"""Ranks, differences of shares, rates and ratios: as published, as SciPy has them, and right as often as they say."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from wend.rates import clopper_pearson, more_for_rate, rate, ratio, reach
from wend.stats import Interval, half_width, more_for_quantile, more_for_share, newcombe, ranks, wilson

SHARES = st.floats(0.01, 0.99)
COUNTED = st.integers(0, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (0, 5, 0, 43.4),
        (0, 20, 0, 16.1),
        (1, 20, 0.9, 23.6),
        (2, 20, 2.8, 30.1),
        (5, 100, 2.2, 11.2),
        (10, 100, 5.5, 17.4),
    ],
)
def test_shares_of_few_deployments(hits: int, n: int, low: float, high: float) -> None:
    found = wilson(hits, n)
    assert found and (100 * found.low, 100 * found.high) == (
        pytest.approx(low, abs=0.06),
        pytest.approx(high, abs=0.06),
    )


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((10, 10, 0, 20), 0.6791, 1.0),
    ],
)
def test_differences_as_newcombe_published_them(counts: tuple[int, int, int, int], low: float, high: float) -> None:
    found = newcombe(*counts)
    assert found and (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


@given(COUNTED, COUNTED)
def test_a_difference_is_in_its_interval_and_turns_with_its_sides(one: tuple[int, int], other: tuple[int, int]) -> None:
    found, turned = newcombe(*one, *other), newcombe(*other, *one)
    if found is None or turned is None:
        assert 0 in (one[1], other[1])
        return
    assert -1 <= found.low <= found.value + 1e-12 and found.value - 1e-12 <= found.high <= 1
    assert (found.value, found.low, found.high) == pytest.approx((-turned.value, -turned.high, -turned.low))


def at_most(hits: int, n: int, share: float) -> float:
    return float(binom.cdf(hits, n, share))


@given(st.integers(0, 1000), SHARES)
def test_ranks_are_the_narrowest_that_hold(n: int, share: float) -> None:
    low, high = ranks(n, share)
    assert 0 <= low < high <= n + 1
    assert at_most(low - 1, n, share) <= 0.025 + 1e-9 and at_most(low, n, share) > 0.025 - 1e-9
    assert at_most(high - 1, n, share) >= 0.975 - 1e-9 and at_most(high - 2, n, share) < 0.975 + 1e-9


@given(st.integers(1001, 3_000_000), SHARES)
def test_ranks_among_many_are_never_narrower_than_exact_and_at_most_one_wider(n: int, share: float) -> None:
    low, high = ranks(n, share)
    assert at_most(low - 1, n, share) <= 0.025 < at_most(low + 1, n, share)
    assert at_most(high - 1, n, share) >= 0.975 > at_most(high - 3, n, share)


def test_few_values_have_no_interval_of_a_quantile() -> None:
    assert ranks(0, 0.5) == (0, 1)
    assert ranks(5, 0.5) == (0, 6) and ranks(6, 0.5) == (1, 6)
    assert ranks(100, 0.5) == (40, 61), "as in the tables: the 40th and the 61st"
    assert more_for_quantile(0) == 20 and more_for_quantile(20) == 0
    assert more_for_quantile(20, 0.9) == 16 and ranks(36, 0.9)[1] == 36


@given(COUNTED, st.floats(0.01, 0.3))
def test_so_many_more_of_a_share_are_enough(counts: tuple[int, int], half: float) -> None:
    hits, n = counts
    more = more_for_share(hits, n, half)
    assert more == 0 or half_width((hits / n) if n else 0.5, n + more) <= half
    if n and more:
        found = wilson(hits, n)
        assert found and half_width((found.low + found.high) / 2, n + more - 1) > half, "not one too many"


def test_how_many_a_share_needs() -> None:
    assert more_for_share(0, 0) == 93
    assert more_for_share(40, 400) == 0
    assert more_for_share(0, 5) > 50, "that nothing failed five times says little"


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0, 3.689), (1, 0.025, 5.572), (5, 1.623, 11.668), (10, 4.795, 18.390), (100, 81.364, 121.627)],
)
def test_rates_as_garwoods_tables_have_them(count: int, low: float, high: float) -> None:
    found = rate(count, 2.0)
    assert found and found.value == count / 2 and found.n == count
    assert (2 * found.low, 2 * found.high) == (pytest.approx(low, abs=6e-4), pytest.approx(high, abs=6e-4))


@given(st.integers(0, 10**12), st.floats(1e-3, 1e9))
def test_a_rate_is_in_its_interval_whatever_the_count(count: int, exposure: float) -> None:
    found, more = rate(count, exposure), rate(count + max(1, count // 100), exposure)
    assert found and more and 0 <= found.low <= found.value < found.high
    assert found.low < more.low and found.high < more.high


def test_a_rate_of_nothing_to_happen_to() -> None:
    assert rate(0, 0.0) is None and rate(3, -1.0) is None
    assert ratio(1, 0.0, 1, 1.0) is None and ratio(1, 1.0, 1, 0.0) is None


@given(COUNTED)
def test_the_exact_share_is_scipys(counts: tuple[int, int]) -> None:
    found = clopper_pearson(*counts)
    if found is None:
        assert counts[1] == 0
        return
    known = binomtest(*counts).proportion_ci(0.95, "exact")
    assert (found.low, found.high) == (pytest.approx(known.low, abs=1e-9), pytest.approx(known.high, abs=1e-9))


@given(st.integers(0, 400), st.floats(0.1, 100), st.integers(0, 400), st.floats(0.1, 100))
def test_a_ratio_is_in_its_interval_and_the_other_way_round_its_inverse(
    count: int, exposure: float, other: int, other_exposure: float
) -> None:
    found, turned = ratio(count, exposure, other, other_exposure), ratio(other, other_exposure, count, exposure)
    assert found and turned and found.low is not None
    assert (found.high is None) == (other == 0)
    if found.value is None or found.high is None:
        assert other == 0
        return
    assert found.low <= found.value * (1 + 1e-9) and found.value <= found.high * (1 + 1e-9)
    if count:
        assert turned.low == pytest.approx(1 / found.high) and turned.high == pytest.approx(1 / found.low)


def test_a_ratio_of_equal_rates_holds_one_and_of_very_unequal_ones_does_not() -> None:
    same, far = ratio(20, 1.0, 40, 2.0), ratio(60, 1.0, 20, 1.0)
    assert same and same.value == pytest.approx(1) and same.low and same.high and same.low < 1 < same.high
    assert far and far.value == pytest.approx(3) and far.low and far.low > 1
    assert (ratio(0, 1.0, 0, 1.0) or far).value is None


def test_how_many_events_a_rate_needs() -> None:
    assert more_for_rate(0) == 18 and more_for_rate(10) == 8 and more_for_rate(18) == 0
    assert reach(18) <= 0.5 < reach(17)


def poisson(mean: float, dice: random.Random) -> int:
    count, left = 0, dice.expovariate(1)
    while left < mean:
        count, left = count + 1, left + dice.expovariate(1)
    return count


@pytest.mark.parametrize("mean", [0.3, 2.0, 8.0, 30.0])
def test_rates_hold_the_truth_as_often_as_said(mean: float) -> None:
    """Exact means at least 95 %; 4000 draws of that are below 94 % with a chance of 1 in 500."""
    dice = random.Random(20261125)
    found = [rate(poisson(mean, dice), 1.0) for _ in range(4000)]
    assert sum(one is not None and one.low <= mean <= one.high for one in found) / 4000 >= 0.94


@pytest.mark.parametrize(("n", "share"), [(8, 0.5), (25, 0.5), (60, 0.9)])
def test_ranks_hold_the_quantile_as_often_as_said(n: int, share: float) -> None:
    dice = random.Random(20261125)
    low, high = ranks(n, share)
    inside = 0
    for _ in range(4000):
        drawn = sorted(dice.random() for _ in range(n))
        inside += (low == 0 or drawn[low - 1] <= share) and (high > n or share <= drawn[high - 1])
    assert inside / 4000 >= 0.94


def test_differences_hold_the_truth_as_often_as_said() -> None:
    """Newcombe's is about 95 %, not at least; published: from 92.5 % on."""
    dice = random.Random(20261125)
    inside = 0
    for _ in range(3000):
        one, other = (sum(dice.random() < share for _ in range(30)) for share in (0.2, 0.05))
        found = newcombe(one, 30, other, 30)
        inside += isinstance(found, Interval) and found.low <= 0.15 <= found.high
    assert 0.925 <= inside / 3000 <= 0.99


def test_nothing_heavy_is_imported_before_it_is_asked_for() -> None:
    code = "import sys; import wend.stats, wend.survival, wend.rates, wend.opinions, wend.privacy\n"
    code += "wend.stats.ranks(10, 0.5); wend.opinions.nps({9: 5})\n"
    code += "print([name for name in ('numpy', 'scipy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("n", [1, 2, 3, 7, 100, 10**6])
def test_none_and_all_are_ends_of_their_intervals(n: int) -> None:
    none, every = wilson(0, n), wilson(n, n)
    assert none and every and (none.low, every.high) == (0.0, 1.0)
