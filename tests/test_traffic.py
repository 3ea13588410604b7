"""What happened between readings of the proxy: differences, restarts, gaps, and what is told of each release."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wend import traffic
from wend.canary import Side
from wend.route import Traffic
from wend.route.meter import APART, KEPT, NEAR, Meter, Reading

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
