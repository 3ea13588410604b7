"""Replicas by load: pure decisions over made-up histories, then a real platform under 200 requests a second."""

from __future__ import annotations

import itertools
import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.house import House, small, until
from tests.load import Load
from wend.declared import Scaling
from wend.route import Traffic
from wend.route.meter import Reading
from wend.scaling import OVER, STEADY, Quiet, desired, in_flight, loads, quiet

BOUNDS = Scaling(1, 10, 20.0)


def played(active: list[float], bounds: Scaling = BOUNDS, count: int = 1) -> list[int]:
    """The count at each second of a history of requests in flight, decided every two seconds as the clock does."""
    samples, counts = [(float(at), round(value)) for at, value in enumerate(active)], list[int]()
    for at in range(len(samples)):
        if at % 2 == 0:
            count = desired(loads(samples[max(0, at - 70) : at + 1]), bounds, count)[0]
        counts.append(count)
    return counts


def changes(counts: list[int]) -> int:
    return sum(before != after for before, after in itertools.pairwise(counts))


def test_more_come_within_seconds_and_fewer_after_a_minute() -> None:
    counts = played([5] * 100 + [100] * 60 + [5] * 120)
    assert counts[99] == 1
    assert counts[106] > 1  # a few seconds into the load
    assert counts[112] == 5  # ceil(100 / 20)
    assert counts[160 + 55] == 5
    assert counts[-1] == 1


def test_why_is_told_in_numbers() -> None:
    assert desired(loads([(0.0, 34)]), BOUNDS, 1) == (2, "34 requests in flight over 10 s, 20 per replica")
    quieter = loads((float(at), 4) for at in range(100))
    assert desired(quieter, BOUNDS, 2) == (1, "at most 4 requests in flight over 60 s, 20 per replica")


@pytest.mark.parametrize("period", [4, 10, 20, 40])
def test_load_that_swings_does_not_flap(period: int) -> None:
    counts = played([60 + 50 * math.sin(2 * math.pi * at / period) for at in range(600)])
    assert changes(counts[30:]) <= 2  # it finds its height, and stays


def test_load_at_the_very_edge_does_not_flap() -> None:
    noise = random.Random(7)
    assert changes(played([20 + noise.gauss(0, 4) for _ in range(1200)])) <= 2


def test_one_burst_is_no_reason() -> None:
    assert max(played([2] * 50 + [60] + [2] * 50)) == 1


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=200), st.integers(0, 3), st.integers(0, 20))
def test_the_bounds_always_hold(active: list[int], low: int, room: int) -> None:
    bounds = Scaling(low, max(1, low + room))
    assert all(max(1, low) <= count <= bounds.max for count in played([*map(float, active)], bounds, max(1, low)))


def test_nothing_known_changes_nothing_but_what_is_not_allowed() -> None:
    assert desired([], BOUNDS, 4) == (4, "")
    assert desired([], BOUNDS, 12)[0] == 10
    short = loads((float(at), 0) for at in range(int(STEADY) - 1))
    assert desired(short, BOUNDS, 4)[0] == 4  # a platform that just started has not seen a minute yet


def test_a_mean_is_over_its_window_alone() -> None:
    found = loads((float(at), 100 if at < 50 else 0) for at in range(50 + int(OVER) + 2))
    assert [found[49].mean, found[-1].mean] == [100, 0]


def reading(at: float, total: int, active: int = 0) -> Reading:
    return Reading(at, {"one": {1: Traffic(total=total, active=active), 2: Traffic(active=active)}})


def test_quiet_lasts_while_nothing_is_asked_or_under_way() -> None:
    first = quiet(None, reading(1.0, 5), "one", 2)
    assert first == Quiet(2, 5, 1.0)
    assert quiet(first, reading(9.0, 5), "one", 2).since == 1.0
    assert quiet(first, reading(9.0, 6), "one", 2).since == 9.0
    assert quiet(first, reading(9.0, 5, active=1), "one", 2).since == 9.0
    assert quiet(first, reading(9.0, 5), "one", 3).since == 9.0  # another release has its own time
    assert in_flight([reading(9.0, 5, active=2)], "one") == [(9.0, 4)]


# ---------------------------------------------------------------------------------------------- a real platform


@pytest.fixture
def house(tmp_path: Path):
    made = House(tmp_path / "home").up()
    yield made
    made.down()


def phases(house: House) -> list[str]:
    return sorted(one["phase"] for one in house.api("GET", "/api/apps/one")[1]["processes"])


def history(house: House) -> list[tuple[int | None, int | None]]:
    return [(one["before"], one["after"]) for one in house.api("GET", "/api/apps/one/scale")[1]["history"]]


def files(bounds: str) -> dict[str, str]:
    return small("one", **{"wend.toml": f"[process.web]\nreplicas = {{ {bounds} }}\n"})


def test_it_sleeps_wakes_and_survives_the_platform(house: House, tmp_path: Path) -> None:
    repo = house.repo("one", tmp_path / "one", files("min = 0, max = 3, idle = 1"))
    assert repo.push()[0]
    assert house.get("one") == (200, "one")
    until(lambda: phases(house) == ["asleep"] and history(house)[:1] == [(1, 0)], 30)
    assert house.get("one") == (200, "one")
    until(lambda: history(house)[:1] == [(0, 1)], 15)
    until(lambda: phases(house) == ["asleep"], 30)
    house.kill()
    assert house.get("one") == (200, "one")  # nobody but the shim wakes it
    house.up()
    until(lambda: phases(house) == ["asleep"], 30)
    house.kill()
    house.up()
    assert phases(house) == ["asleep"]  # adopted as it is
    repo.change(**{"app_py": small("two")["app.py"]})
    assert repo.push()[0]
    assert house.get("one") == (200, "two")


def test_counts_change_under_load_without_a_failed_request(house: House, tmp_path: Path) -> None:
    assert house.repo("one", tmp_path / "one", files("min = 0, max = 3, idle = 2")).push()[0]
    with Load(house, "one", rate=200, hands=8) as load:
        for count in (3, 1, 2, 1):
            _, last = house.change("/api/apps/one/scale", {"counts": {"web": count}})
            assert "done" in last, last
            until(lambda count=count: phases(house) == ["up"] * count, 20)
            mark = load.count()
            until(lambda mark=mark: load.count() > mark + 60, 20)
    assert load.failed == {}
    _, last = house.change("/api/apps/one/scale", {"counts": {"web": None}})
    assert "done" in last, last
    until(lambda: phases(house) == ["asleep"], 30)
    with Load(house, "one", rate=200, hands=8) as load:  # eight first requests at once
        until(lambda: load.count() > 50, 20)
    assert load.failed == {}


def test_load_brings_replicas(house: House, tmp_path: Path) -> None:
    assert house.repo("one", tmp_path / "one", files("min = 1, max = 3, target = 2")).push()[0]
    with Load(house, "one", rate=600, path="/slow=0.2", hands=6) as load:
        until(lambda: phases(house) == ["up"] * 3, 30)
    assert load.failed == {}
    assert history(house)[0][1] == 3


def test_a_count_without_bounds_cannot_go_back_to_the_load(house: House, tmp_path: Path) -> None:
    assert house.repo("one", tmp_path / "one").push()[0]
    _, last = house.change("/api/apps/one/scale", {"counts": {"web": None}})
    assert "bounds" in str(last)
