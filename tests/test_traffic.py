"""What happened between readings of the proxy: differences, restarts, gaps, and what is told of each release."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.web_world import live_app, world
from wend import traffic
from wend.canary import Side
from wend.errors import NotFound
from wend.route import Backend, Route, Traffic, counters
from wend.route.meter import APART, KEPT, NEAR, Meter, Reading
from wend.run import Status

PLACE = (("127.0.0.1", 9),)
OLD = Traffic(total=110, ok=90, client_errors=5, server_errors=5, connect_failures=3, latency=((10.0, 60), (20.0, 95)))
NEW = Traffic(
    total=160,
    ok=130,
    client_errors=8,
    server_errors=12,
    connect_failures=9,
    active=2,
    latency=((10.0, 70), (20.0, 140)),
)


def test_a_side_is_the_difference_and_each_request_counts_once() -> None:
    """The failed attempts to connect are in the 5xx already: Envoy answered those clients 503."""
    assert traffic.side(OLD, NEW, exits=1) == Side(50, 7, 1, ((10.0, 10), (20.0, 45)))
    assert traffic.side(OLD, OLD) == Side()


@pytest.mark.parametrize("field", ["total", "ok", "client_errors", "server_errors", "connect_failures"])
def test_a_count_that_fell_is_a_proxy_that_began_anew(field: str) -> None:
    again = replace(NEW, **{field: 1})
    assert traffic.side(OLD, again) == Side(again.answered, again.server_errors, 0, NEW.latency)


def test_a_histogram_that_fell_or_has_other_edges_began_anew() -> None:
    lower, other = replace(NEW, latency=((10.0, 61), (20.0, 90))), replace(NEW, latency=((15.0, 100), (30.0, 140)))
    assert traffic.side(OLD, lower) == Side(150, 12, 0, lower.latency)
    assert traffic.side(OLD, other) == Side(150, 12, 0, other.latency)


def test_a_restart_among_many_readings_loses_nothing_but_what_was_between_two() -> None:
    counts = [
        OLD,
        NEW,
        Traffic(),
        Traffic(ok=3, latency=((10.0, 3), (20.0, 3))),
        Traffic(ok=9, latency=((10.0, 8), (20.0, 9))),
    ]
    readings = [Reading(at, {"shop": {1: seen}}) for at, seen in enumerate(counts)]
    assert traffic.over(readings, "shop", 1) == Side(59, 7, 0, ((10.0, 18), (20.0, 54)))
    assert traffic.over(readings, "shop", 2) == traffic.over([], "shop", 1) == Side()


def test_the_meter_keeps_the_last_minute_whole_and_thins_what_is_older() -> None:
    meter = Meter()
    for half in range(int(KEPT * 2 + 500)):
        meter.note(Reading(half / 2, {}))
    assert len(meter.lately(NEAR)) == NEAR * 2 + 1
    everything = meter.lately(10 * KEPT)
    assert KEPT - APART <= everything[-1].at - everything[0].at <= KEPT
    assert len(everything) <= NEAR * 2 + 1 + KEPT / APART
    assert [reading.at for reading in everything] == sorted(reading.at for reading in everything)
    assert [reading.at for reading in meter.lately(0)] == [everything[-1].at]
    assert Meter().lately(60) == []


def test_what_is_told_of_each_release(tmp_path: Path) -> None:
    with world(tmp_path / "home") as there:
        live_app(there)
        ctx, router = there.ctx, there.ctx.router
        router.set("hello", Route((), {2: Backend(90, PLACE), 3: Backend(10, PLACE)}))
        one = replace(there.driver.replicas[0], cpu=5.0, restarts=2)
        there.driver.replicas = [one]
        router.seen["hello", 3] = OLD
        traffic.sample(ctx)
        first = ctx.meter.lately(0)[0]
        router.seen["hello", 3] = NEW
        ctx.meter.note(Reading(first.at + 10, router.readings()))
        there.driver.replicas = [replace(one, cpu=7.5)]
        quiet, seen = traffic.per_release(ctx, "hello")
        assert (quiet.release, quiet.weight, quiet.requests, quiet.error_rate, quiet.p99) == (2, 90, 0, None, None)
        assert (seen.release, seen.weight, seen.requests, seen.rate, seen.active) == (3, 10, 50, 5.0, 2)
        assert seen.error_rate and seen.error_rate.value == 0.14 and seen.error_rate.low < 0.14 < seen.error_rate.high
        assert seen.p50 and 10 < seen.p50.value < 20 and seen.p50.low <= seen.p50.value <= seen.p50.high
        assert (seen.restarts, seen.memory) == (2, 2**24)
        router.down()
        traffic.sample(ctx)
        assert ctx.meter.lately(0)[0].at == first.at + 10, "a gap is not filled"
        with pytest.raises(NotFound):
            traffic.per_release(ctx, "absent")


def test_cores_are_processor_time_over_time_and_a_restart_begins_at_nothing() -> None:
    then = Reading(100.0, {}, {"a": 5.0, "b": 50.0})
    status = Status("a", "shop", 1, "web", 1, "up", cpu=7.0)
    both = [status, replace(status, id="b", cpu=1.0), replace(status, id="new", cpu=2.0)]
    assert traffic.cores(then, 110.0, both) == 0.5
    assert traffic.cores(then, 100.5, both) is None and traffic.cores(None, 110.0, both) is None


def test_counts_go_on_where_the_proxy_began_anew() -> None:
    tally = counters.Tally()
    assert tally.count("shop", 1, OLD) == OLD
    replaced = Traffic(total=115, ok=4, connect_failures=3, latency=((10.0, 1), (20.0, 4)))
    went_on = tally.count("shop", 1, replaced)
    assert (went_on.total, went_on.ok, went_on.server_errors) == (115, 94, 5)
    assert went_on.latency == ((10.0, 61), (20.0, 99))
    restarted = tally.count("shop", 1, Traffic(total=1, ok=1))
    assert (restarted.total, restarted.ok, restarted.connect_failures) == (116, 95, 3)
    assert restarted.latency == went_on.latency
    tally.keep({"shop": [12]})
    assert tally.count("shop", 1, OLD) == OLD, "forgotten with the releases long gone"
