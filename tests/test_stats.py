"""Shares, quantiles and bounds against what is known of them by other ways."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wend.stats import kl_upper, quantile, wilson


def tail(hits: int, n: int, share: float) -> float:
    """The chance of at most so many hits."""
    return sum(math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(hits + 1))


def test_wilson_gives_what_the_tables_give() -> None:
    found = wilson(1, 10)
    assert found and (found.low, found.high) == (pytest.approx(0.0179, abs=2e-4), pytest.approx(0.4042, abs=2e-4))
    none = wilson(0, 20)
    assert none and none.low == 0 and none.high == pytest.approx(0.1611, abs=2e-4)
    assert wilson(0, 0) is None


@given(st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_value(counts: tuple[int, int]) -> None:
    found = wilson(*counts)
    assert found is None or (0 <= found.low <= found.value + 1e-12 and found.value - 1e-12 <= found.high <= 1)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_so_few_hits_are_as_rare_as_said_when_the_share_is_at_the_bound(counts: tuple[int, int]) -> None:
    hits, n = counts
    bound = kl_upper(hits, n, 0.01)
    assert hits / n <= bound <= 1
    assert tail(hits, n, bound) <= 0.01 + 1e-9 or bound == 1


def test_the_bound_for_no_hits_is_exact_and_nothing_is_known_of_nothing() -> None:
    assert kl_upper(0, 100, 0.01) == pytest.approx(1 - 0.01 ** (1 / 100))
    assert kl_upper(0, 0, 0.01) == 1.0


def test_quantiles_lie_between_the_edges() -> None:
    found = quantile(((10.0, 50), (20.0, 100), (40.0, 100)), 0.75)
    assert found and found.value == pytest.approx(15.0) and found.low < 15.0 < found.high <= 20.0
    assert quantile((), 0.5) is None
