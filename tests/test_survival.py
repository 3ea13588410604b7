"""The product-limit curve: as in the textbooks, as SciPy has it, and right as often as it says."""

from __future__ import annotations

import random
import statistics
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import CensoredData, ecdf

from wend.stats import ranks
from wend.survival import Curve, curve, median, quantile, restricted_mean

# E. J. Freireich et al., Blood 21, 1963: weeks in remission of 42 children with leukaemia; (weeks, ended, censored)
TREATED = [(6, 3, 1), (7, 1, 0), (9, 0, 1), (10, 1, 1), (11, 0, 1), (13, 1, 0), (16, 1, 0), (17, 0, 1), (19, 0, 1)]
TREATED += [(20, 0, 1), (22, 1, 0), (23, 1, 0), (25, 0, 1), (32, 0, 2), (34, 0, 1), (35, 0, 1)]
PLACEBO = [(1, 2, 0), (2, 2, 0), (3, 1, 0), (4, 2, 0), (5, 2, 0), (8, 4, 0), (11, 2, 0), (12, 2, 0)]
PLACEBO += [(15, 1, 0), (17, 1, 0), (22, 1, 0), (23, 1, 0)]
ROWS = st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=60)


def counted(rows: list[tuple[int, bool]]) -> list[tuple[float, int, int]]:
    return [(time, int(ended), int(not ended)) for time, ended in rows]


def test_the_children_on_6_mp() -> None:
    found = curve(TREATED)
    assert (found.n, found.censored, found.last) == (21, 12, 35)
    known = {
        6: (0.8571, 0.6197, 0.9516),
        7: (0.8067, 0.5631, 0.9228),
        10: (0.7529, 0.5032, 0.8894),
        13: (0.6902, 0.4316, 0.8491),
        16: (0.6275, 0.3675, 0.8049),
        22: (0.5378, 0.2678, 0.7468),
        23: (0.4482, 0.1881, 0.6801),
    }
    assert {step.time: (step.share, step.low, step.high) for step in found.steps} == {
        time: pytest.approx(step, abs=5e-5) for time, step in known.items()
    }
    middle, late, mean = median(found), quantile(found, 0.75), restricted_mean(found, 35)
    assert (middle.value, middle.low, middle.high, middle.n, middle.censored) == (23, 13, None, 21, 12)
    assert (late.value, late.high) == (None, None), "not reached"
    assert mean and mean.value == pytest.approx(23.287, abs=1e-3)
    assert (mean.high - mean.value) / 1.96 == pytest.approx(2.827, abs=1e-3)


def test_the_children_on_placebo() -> None:
    found = curve(PLACEBO)
    middle, mean = median(found), restricted_mean(found, 23)
    assert (middle.value, middle.low, middle.high) == (8, 4, 11)
    assert mean and mean.value == pytest.approx(statistics.mean([t for t, n, _ in PLACEBO for _ in range(n)]))
    assert mean == restricted_mean(found, 500), "all are over: nothing is unknown later"


@pytest.mark.filterwarnings("ignore:The confidence interval is undefined")  # at 0, where ours is not SciPy's
@given(ROWS)
def test_steps_are_scipys(rows: list[tuple[int, bool]]) -> None:
    ended = [time for time, over in rows if over]
    lost = [time for time, over in rows if not over]
    known = ecdf(CensoredData(uncensored=ended, right=lost)).sf
    with np.errstate(divide="ignore", invalid="ignore"):
        band = known.confidence_interval(method="log-log")
    for step in curve(counted(rows)).steps:
        assert step.share == pytest.approx(float(known.evaluate(step.time)), abs=1e-9)
        if step.share > 0:
            ends = float(band.low.evaluate(step.time)), float(band.high.evaluate(step.time))
            assert (step.low, step.high) == (pytest.approx(ends[0], abs=1e-6), pytest.approx(ends[1], abs=1e-6))


@given(ROWS, st.floats(0.05, 0.95), st.randoms(use_true_random=False))
def test_order_and_grouping_do_not_matter(rows: list[tuple[int, bool]], share: float, dice: random.Random) -> None:
    mixed = dice.sample(rows, len(rows))
    times = {time for time, _ in rows}
    grouped = [
        (t, sum(over and t == u for u, over in rows), sum(not over and t == u for u, over in rows)) for t in times
    ]
    assert curve(counted(mixed)) == curve(grouped) == curve(counted(rows))
    assert quantile(curve(grouped), share) == quantile(curve(counted(rows)), share)


@given(ROWS)
def test_a_curve_falls_and_its_quantiles_rise_within_their_intervals(rows: list[tuple[int, bool]]) -> None:
    found = curve(counted(rows))
    shares = [1.0, *(step.share for step in found.steps)]
    assert all(after < before for before, after in pairwise(shares))
    assert all(0 <= step.low <= step.share <= step.high <= 1 for step in found.steps)
    several = [quantile(found, share) for share in (0.1, 0.25, 0.5, 0.75, 0.9)]
    for one in several:
        assert one.value is None or (one.low is not None and one.low <= one.value)
        assert one.high is None or (one.value is not None and one.value <= one.high)
    values = [float("inf") if one.value is None else one.value for one in several]
    assert values == sorted(values)


@given(st.lists(st.integers(-5, 50), min_size=1, max_size=80))
def test_with_nothing_censored_it_is_the_ordinary_median(times: list[int]) -> None:
    assert median(curve([(time, 1, 0) for time in times])).value == pytest.approx(statistics.median(times))


def test_two_values_have_their_middle() -> None:
    assert median(curve([(315, 1, 0), (670, 1, 0)])).value == 492.5


def test_nothing_and_nothing_that_ended() -> None:
    assert median(curve([])) == median(curve([(3.0, 0, 0)]))
    assert median(curve([])).value is None and curve([]).n == 0
    waiting = curve([(5, 0, 9), (8, 0, 1)])
    middle = median(waiting)
    assert (middle.value, middle.low, middle.high, middle.n, middle.censored) == (None, None, None, 10, 10)
    mean = restricted_mean(waiting, 8)
    assert mean and mean.value == 8, "none ended before"
    assert restricted_mean(waiting, 9) is None and restricted_mean(curve([]), 5) is None


@pytest.mark.parametrize("n", [5, 6, 100, 10**9])
def test_all_at_once(n: int) -> None:
    """Where the curve drops to 0 in one step the log-log band is silent; order statistics are not, and agree."""
    found = median(curve([(7, n, 0)]))
    assert (found.value, found.low) == (7, 7)
    assert found.high == (7 if ranks(n, 0.5)[1] <= n else None)


def test_huge_counts_are_no_harder() -> None:
    found = median(curve([(hour, 10**9, 10**3) for hour in range(1, 102)]))
    assert found.value == 51 and found.low == found.high == 51


def drawn(n: int, dice: random.Random) -> Curve:
    """Exponential durations, median log 2, about a third of them lost sight of."""
    pairs = [(dice.expovariate(1), dice.expovariate(0.5)) for _ in range(n)]
    return curve([(min(pair), int(pair[0] <= pair[1]), int(pair[0] > pair[1])) for pair in pairs])


@pytest.mark.parametrize("n", [8, 20, 60])
def test_intervals_of_the_median_hold_it_as_often_as_said(n: int) -> None:
    """The log-log interval is known to be near 95 % from few on, a little more or less."""
    dice, truth, inside = random.Random(20261125), 0.6931, 0
    for _ in range(2000):
        found = median(drawn(n, dice))
        inside += (found.low is None or found.low <= truth) and (found.high is None or truth <= found.high)
    assert 0.935 <= inside / 2000 <= 0.985


def test_leaving_out_what_has_not_ended_would_be_wrong_and_this_is_not() -> None:
    found = drawn(20_000, random.Random(20261125))
    middle = median(found).value
    assert middle and middle == pytest.approx(0.6931, rel=0.04)
    alone = median(curve([(step.time, 1, 0) for step in found.steps])).value
    assert alone and alone < 0.55
