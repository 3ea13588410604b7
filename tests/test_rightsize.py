"""How small it may be: from measured hours to words, and from replicas to measured hours."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from wend import load, rightsize
from wend.ledger.sqlite import Sqlite
from wend.load import Look, Scales, Used
from wend.route import Traffic
from wend.route.meter import Meter, Reading
from wend.run import Status
from wend.state import SCHEMA
from wend.state import load as state_load
from wend.state.questions import Release
from wend.state.reducers import reduce
from wend.state.tables import META

GB = 2**30


def hour(number: int, cpu: float = 0.1, memory: int = GB // 4, cpus: int = 8, **more: Any) -> dict[str, Any]:
    row = {"hour": number, "cpu_peak": cpu, "memory_peak": memory, "cpus": cpus, "memory": 16 * GB, "replicas": 1}
    return row | more


@pytest.mark.parametrize(
    ("cpu", "memory", "name", "machines", "words"),
    [
        (0.32, GB // 4, "smaller", 1, "4 % of this machine's cores"),
        (3.0, GB, "this", 1, "Do not add a cluster"),
        (0.1, 7 * GB, "this", 1, "44 % of this machine's memory"),
        (7.0, GB, "larger", 1, "16 cores"),
        (90.0, GB, "several", 3, "3 machines"),
        (1.0, 700 * GB, "several", 6, "6 machines"),
    ],
)
def test_the_simplest_topology_holds_the_highest_minute_twice(
    cpu: float, memory: int, name: str, machines: int, words: str
) -> None:
    hours = [hour(number) for number in range(200)]
    hours[77] = hour(77, cpu, memory)
    found = rightsize.topology(hours)
    assert (found.name, found.machines, found.n) == (name, machines, 200)
    assert words in found.says
    assert found.cpus * found.machines >= cpu * 2 and found.memory * found.machines >= memory * 2
    assert found.risk == pytest.approx(1 - 0.05 ** (1 / 200))


def test_a_smaller_machine_is_the_next_that_is_sold() -> None:
    found = rightsize.topology([hour(number, 0.6, GB) for number in range(24)])
    assert (found.name, found.cpus, found.memory) == ("smaller", 2, 2 * GB)


def test_few_hours_tell_nothing() -> None:
    found = rightsize.topology([hour(number) for number in range(23)])
    assert (found.name, found.share) == ("cannot tell", None) and "about 1 more" in found.says
    assert rightsize.topology([]).n == 0
    assert rightsize.topology([hour(number, 0.0, 0) for number in range(24)]).share == 0, (
        "nothing used, nothing divided"
    )


def test_growth_is_told_with_its_interval_and_not_from_few_days() -> None:
    def days(slope: float, count: int, noise: float) -> list[dict[str, Any]]:
        dice = random.Random(7)
        return [hour(24 * day + 3, 8 * (0.1 + slope * day + dice.gauss(0, noise))) for day in range(count)]

    assert (
        rightsize.growth(days(0.01, 13, 0.001))["n"] == 13 and "1 more" in rightsize.growth(days(0.01, 13, 0))["says"]
    )
    grows = rightsize.growth(days(0.005, 30, 0.002))
    assert grows["low"] < 0.005 < grows["high"] and grows["says"].startswith("it grows")
    assert 29 + 40 < grows["full_on"] < 29 + 60, "from 0.25 to 0.5 at 0.005 a day"
    flat = rightsize.growth(days(0.0, 60, 0.002))
    assert flat["low"] < 0 < flat["high"] and not flat["says"].startswith("it grows:")
    assert "no headroom" in rightsize.growth(days(0.02, 30, 0.001))["says"]


def released(processes: Mapping[str, Mapping[str, Any]]) -> Release:
    return cast(Release, SimpleNamespace(processes=processes))


def test_what_an_app_may_do_without() -> None:
    hours = [hour(number, 0.2, 400 * 2**20, replicas=4) for number in range(24)]
    found = rightsize.fits("shop", released({"web": {"replicas": 4, "memory": GB, "scaling": None}}), hours)
    assert [(one.what, one.change) for one in found] == [
        ("replicas", "[process.web] replicas = 2"),
        ("memory", '[process.web] memory = "256M"'),
    ]
    scaled = released({"web": {"replicas": None, "memory": None, "scaling": {"min": 1}}})
    assert rightsize.fits("shop", scaled, hours) == []
    assert rightsize.fits("shop", released({"web": {"replicas": 4, "memory": None}}), hours[:23]) == [], "too few hours"
    two = released({"web": {"replicas": 9, "memory": GB}, "worker": {"replicas": 1, "memory": None}})
    assert rightsize.fits("shop", two, hours) == [], "nobody knows which of them used it"


def test_sprawl_counts_an_app_once_and_retires_what_fewest_take() -> None:
    uses = [("python", "python-3.12", f"a{number}") for number in range(5)]
    uses += [("python", "python-3.11", "b"), ("python", "python-3.11", "b"), ("golden path", "python-web", "b")]
    uses += [("node", "node-20", "c"), ("node", "node-22", "d")]
    found = rightsize.sprawl(uses)
    assert found[0]["ways"] == [{"way": "node-20", "apps": 1}, {"way": "node-22", "apps": 1}]
    retire = rightsize.retire_next(found)
    assert retire is not None and (retire["way"], retire["apps"], retire["instead_apps"]) == ("python-3.11", 1, 5)
    assert rightsize.retire_next(rightsize.sprawl(uses[-2:])) is None, "one against one: nobody knows which"


# ---------------------------------------------------------------------------------------------- the measuring


def status(id: str, app: str, cpu: float, rss: int = 100) -> Status:
    return Status(id, app, 1, "web", 1, "up", rss=rss, cpu=cpu)


def test_a_minutes_use_is_what_was_added_and_a_restart_begins_at_nothing() -> None:
    before = Look(100.0, [status("a.1", "a", 50.0), status("a.2", "a", 9.0)], None)
    after = Look(160.0, [status("a.1", "a", 80.0), status("a.2", "a", 3.0), status("b.1", "b", 6.0)], None)
    found = load.between(before, after)
    assert found["a"].cpu == pytest.approx((30 + 3) / 60) and found["a"].memory_peak == 200
    assert found["b"].cpu == pytest.approx(0.1) and found["b"].replicas == 1


def test_requests_are_those_the_proxy_answered_meanwhile() -> None:
    def reading(at: float, answered: int) -> Reading:
        return Reading(at, {"a": {1: Traffic(total=answered, ok=answered)}})

    looks = [Look(at, [status("a.1", "a", 0.0)], reading(at, n)) for at, n in ((0.0, 40), (60.0, 160))]
    assert load.between(*looks)["a"].requests == 120 and load.between(*looks)["a"].rate_peak == 2.0


def test_an_hour_keeps_the_highest_minute_of_all_together() -> None:
    hour = load.Hour(1)
    load.add(hour, {"a": Used(2, 2, 10), "b": Used(0, 0, 10)}, 60)
    load.add(hour, {"a": Used(0, 0, 30), "b": Used(3, 3, 1)}, 60)
    assert (hour.whole.cpu_peak, hour.whole.memory_peak) == (3, 31), "never in the same minute"
    assert hour.whole.cpu == pytest.approx(2.5) and hour.apps["a"].cpu == pytest.approx(1)
    load.add(hour, {"b": Used(0, 0, 0)}, 120)
    assert hour.apps["a"].cpu == pytest.approx(0.5), "an app that went used nothing since"


def test_the_clock_writes_an_hour_down_when_the_next_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    at, told = [0.0], list[Any]()
    driver = SimpleNamespace(status=lambda: [status("a.1", "a", at[0] / 2)])
    ledger = SimpleNamespace(append=told.extend)
    meter, actor = Meter(), SimpleNamespace(name="platform")
    ctx: Any = SimpleNamespace(driver=driver, ledger=ledger, meter=meter, actor=actor)
    monkeypatch.setattr(load, "time", SimpleNamespace(monotonic=lambda: at[0], time=lambda: at[0]))
    scales = Scales()
    for minute in range(0, 121):
        at[0] = minute * 60.0
        scales.tend(ctx, at[0])
    assert [fact.data["hour"] for fact in told] == [0, 1]
    assert told[0].data["apps"]["a"]["cpu"] == pytest.approx(0.5) and 3500 < told[0].data["seconds"] <= 3600
    at[0] += 5000.0
    scales.tend(ctx, at[0])
    assert len(told) == 2, "it slept: nobody knows what was used"


def test_parts_of_an_hour_are_put_together(tmp_path: Path) -> None:
    tables = Sqlite(tmp_path / "wend.db", META, reduce, SCHEMA)
    hour = load.Hour(500_000)
    load.add(hour, {"a": Used(1, 1, 10, 5, 0.1, 1)}, 600)
    other = load.Hour(500_000)
    load.add(other, {"a": Used(4, 4, 4, 7, 0.2, 2)}, 1200)
    tables.append([replace(load.fact(one, 8, GB), actor="platform") for one in (hour, other)])
    with tables.query() as db:
        (row,) = state_load.hours(db, 0, "a")
    tables.close()
    assert row["cpu"] == pytest.approx(3.0) and (row["cpu_peak"], row["memory_peak"]) == (4, 10)
    assert (row["requests"], row["seconds"], row["replicas"], row["cpus"]) == (12, 1800, 2, 8)
