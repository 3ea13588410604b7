"""What may be shown of people. The tests attack it: they know how many people are where, and solve for the rest."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wend.errors import Invalid
from wend.privacy import (
    EPOCH,
    Shown,
    Table,
    at_least,
    band,
    blurred,
    by,
    comments,
    comparable,
    crossed,
    quarter,
    suppress,
)

FEW = st.integers(0, 14)
GROUPS = st.dictionaries(st.sampled_from("abcdefgh"), FEW, min_size=1)
ROWS, COLUMNS = "abcde", "xyzw"
TABLES = st.tuples(st.integers(1, 5), st.integers(1, 4)).flatmap(
    lambda size: st.fixed_dictionaries({(row, column): FEW for row in ROWS[: size[0]] for column in COLUMNS[: size[1]]})
)


def found_out(known: Iterable[Iterable[str]], wanted: Iterable[str], every: list[str]) -> bool:
    """Whether some combination of the sums over these sets, all published, is the sum over the wanted ones."""
    rows = np.array([[one in part for one in every] for part in map(set, known)], dtype=float).reshape(-1, len(every))
    target = np.array([one in set(wanted) for one in every], dtype=float)
    if not len(rows):
        return False
    best = np.linalg.lstsq(rows.T, target, rcond=None)[0]
    return bool(np.allclose(rows.T @ best, target, atol=1e-8))


def small_sets(people: Mapping[str, int], k: int) -> Iterable[tuple[str, ...]]:
    """Every set of cells with fewer than k people in all, and somebody in each."""
    there = [name for name, count in people.items() if 0 < count < k]
    for size in range(1, k):
        for some in combinations(there, size):
            if sum(people[name] for name in some) < k:
                yield some


def published(groups: Mapping[str, int], rest: int, found: Shown) -> tuple[dict[str, int], list[list[str]]]:
    people = {**groups, "nobody's": rest}
    return people, [[one] for one in found.groups] + ([list(people)] if found.whole else [])


@given(GROUPS, FEW, st.integers(2, 6))
def test_no_small_group_comes_out_of_what_is_shown(groups: dict[str, int], rest: int, k: int) -> None:
    found = suppress(groups, sum(groups.values()) + rest, k)
    people, known = published(groups, rest, found)
    assert all(groups[name] >= k for name in found.groups)
    known += [[name] for name, count in people.items() if count == 0]
    for some in small_sets(people, k):
        assert not found_out(known, some, list(people)), f"{some} is the rest of {known}"


@given(GROUPS, FEW)
def test_all_that_can_be_shown_is(groups: dict[str, int], rest: int) -> None:
    found, whole = suppress(groups, sum(groups.values()) + rest), sum(groups.values()) + rest
    assert found.whole == (whole >= 5)
    if rest == 0 and min(groups.values()) >= 5:
        assert found.groups == groups.keys()
    if found.whole and found.groups != groups.keys():
        assert all(people < 5 for name, people in groups.items() if name not in found.groups) or whole - sum(
            groups[name] for name in found.groups
        ) <= 4 + max(groups.values()), "one group more than needed is hidden at most"


def test_one_hidden_group_takes_the_next_with_it() -> None:
    assert suppress({"a": 3, "b": 10, "c": 8}, 21).groups == {"b"}
    assert suppress({"a": 3, "b": 2, "c": 8}, 13).groups == {"c"}, "two that are five together hide each other"
    assert suppress({"a": 8, "b": 9}, 20).groups == {"b"}, "three are in no group"
    assert suppress({"a": 0, "b": 9}, 9).groups == {"b"}, "nobody is given away by nobody"
    assert suppress({"a": 4}, 4) == Shown(frozenset(), False)
    assert suppress({}, 7) == Shown(frozenset(), True)


def test_groups_that_overlap_are_refused() -> None:
    with pytest.raises(Invalid, match="11 people, all of them together 10"):
        suppress({"a": 5, "b": 6}, 10)


# ---------------------------------------------------------------------------------------------- two attributes


def sums(cells: Mapping[tuple[str, str], int], found: Table) -> list[list[str]]:
    """What is published, as sets of cells; cells without anybody are known to be so."""
    known = [["".join(cell)] for cell in cells if cell in found.cells or not cells[cell]]
    for place, shown in ((0, found.rows), (1, found.columns)):
        known += [["".join(cell) for cell in cells if cell[place] == name] for name in shown]
    return known + ([["".join(cell) for cell in cells]] if found.whole else [])


@settings(max_examples=300, deadline=None)
@given(TABLES, st.integers(2, 5))
def test_no_few_people_come_out_of_a_table(cells: dict[tuple[str, str], int], k: int) -> None:
    found = crossed(cells, k)
    people = {"".join(cell): count for cell, count in cells.items()}
    assert all(cells[cell] >= k for cell in found.cells)
    for place, shown in ((0, found.rows), (1, found.columns)):
        assert all(sum(count for cell, count in cells.items() if cell[place] == name) >= k for name in shown)
    known = sums(cells, found)
    for some in small_sets(people, k):
        assert not found_out(known, some, list(people)), f"{some} comes out of {known}"


@given(TABLES)
def test_a_table_without_few_people_is_shown_whole(cells: dict[tuple[str, str], int]) -> None:
    many = {cell: count + 5 for cell, count in cells.items()}
    found = crossed(many)
    assert found.cells == many.keys() and found.whole
    assert found.rows == {row for row, _ in many} and found.columns == {column for _, column in many}


def test_a_small_cell_takes_others_of_its_row_and_column_with_it() -> None:
    cells = {(row, column): 10 for row in "abc" for column in "xyz"} | {("a", "x"): 2}
    found = crossed(cells)
    assert len(found.cells) == 5 and found.rows == set("abc") and found.columns == set("xyz")


def test_the_attacker_of_these_tests_is_able() -> None:
    """What hides single cells alone is broken by them."""
    cells = {("a", "x"): 2, ("a", "y"): 10, ("b", "x"): 10, ("b", "y"): 10}
    naive = Table(
        frozenset(cell for cell, count in cells.items() if count >= 5), frozenset("ab"), frozenset("xy"), True
    )
    assert found_out(sums(cells, naive), ["ax"], ["".join(cell) for cell in cells])
    chain = Table(frozenset(), frozenset("ab"), frozenset("xy"), True)
    assert not found_out(sums(cells, chain), ["ax"], ["".join(cell) for cell in cells])


def test_a_large_table_keeps_its_totals() -> None:
    dice = random.Random(20261125)
    cells = {(f"r{row}", f"c{column}"): dice.choice([0, 1, 3, 8, 20, 40]) for row in range(60) for column in range(8)}
    found = crossed(cells)
    assert found.whole and len(found.rows) >= 55


def test_more_than_two_attributes_single_people_out() -> None:
    by(["team", "role"])
    by(["team", "team", "role"])
    with pytest.raises(Invalid, match="single people out"):
        by(["team", "role", "site"])


# ---------------------------------------------------------------------------------------------- time


@given(st.integers(-40_000, 60_000))
def test_quarters_follow_each_other_without_gap_or_overlap(day: int) -> None:
    now = quarter(day)
    assert now.first <= day <= now.last and 90 <= now.last - now.first + 1 <= 92
    assert quarter(now.first) == quarter(now.last) == now != quarter(now.last + 1)
    assert quarter(now.last + 1).first == now.last + 1
    first = EPOCH + timedelta(days=now.first)
    assert first.day == 1 and now.name == f"{first.year}-Q{(first.month + 2) // 3}"


def test_a_quarter_has_its_days() -> None:
    assert quarter((date(2026, 12, 31) - EPOCH).days).name == "2026-Q4"
    assert EPOCH + timedelta(days=quarter((date(2026, 11, 25) - EPOCH).days).last) == date(2026, 12, 31)


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_two_sets_are_comparable_when_neither_gives_away_few_of_the_other(then: set[int], now: set[int]) -> None:
    may = comparable(len(then), len(now), len(then & now))
    assert may == all(len(only) == 0 or len(only) >= 5 for only in (then - now, now - then))
    assert may == comparable(len(now), len(then), len(then & now))


# ---------------------------------------------------------------------------------------------- what is shown


@given(st.integers(0, 500))
def test_counts_are_told_in_bands(people: int) -> None:
    told = band(people)
    assert told in ("fewer than 5", "5-9", "10-19", "20-49", "50-99", "100+")
    assert at_least(people) <= people and (people < 5) == (at_least(people) == 0)


def test_bands_begin_where_they_say() -> None:
    assert [band(n) for n in (4, 5, 9, 10, 19, 20, 49, 50, 99, 100)] == (
        ["fewer than 5", "5-9", "5-9", "10-19", "10-19", "20-49", "20-49", "50-99", "50-99", "100+"]
    )


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=3), st.sampled_from([1, 10, 100]))
def test_figures_are_blurred_and_their_intervals_never_narrower(ends: list[float], parts: int) -> None:
    low, value, high = sorted(ends)
    found = blurred(value, low, high, parts)
    assert found[1] <= low + 1e-6 and high - 1e-6 <= found[2] and abs(found[0] - value) <= 0.5 / parts + 1e-9
    assert found[1] <= found[0] <= found[2]


def test_comments_are_shown_of_many_and_in_no_order() -> None:
    texts = [f"comment {number}" for number in range(12)]
    assert comments(texts, 9) == []
    assert sorted(comments(texts, 10)) == sorted(texts) and comments(texts, 10) != texts
    assert comments(texts, 10) == comments(texts[::-1], 10)
