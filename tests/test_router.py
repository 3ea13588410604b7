"""The route plug's contract: one suite for every Router and for the fake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import FakeRouter
from tests.routing import PLACE, ROUTE, edge
from wend.errors import Conflict, Down, Invalid
from wend.route import Backend, Route, Router


@pytest.fixture(params=["envoy", "fake"])
def router(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Router]:
    if request.param == "envoy":
        with edge(tmp_path / "home") as real:
            yield real
    else:
        fake = FakeRouter()
        fake.up()
        yield fake


def test_what_was_set_is_what_is_got(router: Router) -> None:
    assert router.get("shop") is None
    router.set("shop", ROUTE)
    assert router.get("shop") == ROUTE


def test_setting_twice_equals_once(router: Router) -> None:
    router.set("shop", ROUTE)
    router.set("shop", ROUTE)
    assert router.get("shop") == ROUTE


def test_removing_forgets_and_may_be_repeated(router: Router) -> None:
    router.set("shop", ROUTE)
    router.remove("shop")
    router.remove("shop")
    assert router.get("shop") is None


def test_stats_cover_exactly_the_releases_in_force(router: Router) -> None:
    router.set("shop", ROUTE)
    assert set(router.stats("shop")) == {1, 2}
    assert router.stats("other") == {}


def test_readings_are_the_stats_of_every_app(router: Router) -> None:
    router.set("shop", ROUTE)
    router.set("blog", Route((), {7: Backend(100, PLACE)}))
    assert router.readings() == {"shop": router.stats("shop"), "blog": router.stats("blog")}
    router.remove("shop")
    assert set(router.readings()) == {"blog"}


def test_an_idle_release_is_drained_at_once(router: Router) -> None:
    router.set("shop", ROUTE)
    assert router.drain("shop", 1, 0.0)


@pytest.mark.parametrize("weights", [(50, 49), (101, 0), (-10, 110), (0, 1)])
def test_weights_that_do_not_add_up_change_nothing(router: Router, weights: tuple[int, int]) -> None:
    with pytest.raises(Invalid):
        router.set("shop", Route((), {n: Backend(weight, PLACE) for n, weight in enumerate(weights)}))
    assert router.get("shop") is None


def test_a_host_belongs_to_one_app(router: Router) -> None:
    router.set("shop", ROUTE)
    with pytest.raises(Conflict):
        router.set("thief", ROUTE)
    with pytest.raises(Conflict):
        router.set("thief", Route(("shop.localhost",), {}))
    assert router.get("thief") is None


@pytest.mark.parametrize("host", ["shöp.example.com", "a b", "", "x\r\ny"])
def test_what_cannot_be_a_host_is_refused(router: Router, host: str) -> None:
    with pytest.raises(Invalid):
        router.set("shop", Route((host,), {}))


def test_without_a_proxy_nothing_changes(router: Router) -> None:
    router.set("shop", ROUTE)
    assert router.alive()
    router.down()
    assert not router.alive()
    with pytest.raises(Down):
        router.set("shop", Route((), {}))
    assert router.get("shop") == ROUTE
