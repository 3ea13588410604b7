"""Shares of the traffic and what is counted of them, by the real proxy: what a canary is judged by."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from tests.routing import App, app, ask, edge, flood, free_port, until
from tests.test_envoy import kill
from wend import traffic
from wend.errors import Invalid
from wend.route import Backend, Route, Traffic, daemon
from wend.route.envoy import Envoy


@pytest.fixture
def envoy(tmp_path: Path) -> Iterator[Envoy]:
    with edge(tmp_path / "home") as router:
        yield router


@pytest.fixture
def two() -> Iterator[tuple[App, App]]:
    with app("old") as old, app("new") as new:
        yield old, new


def shared(old: App, new: App, percent: int, sticky: bool = False) -> Route:
    return Route((), {1: old.backend(100 - percent), 2: new.backend(percent)}, sticky)


def now(envoy: Envoy, release: int = 1) -> Traffic:
    return envoy.readings()["shop"][release]


def latest(envoy: Envoy) -> int:
    """How many answers of release 1 are in its histogram."""
    return now(envoy).latency[-1][1] if now(envoy).latency else 0


@contextlib.contextmanager
def booting(seconds: float, backlog: int = 128, pause: float = 0.0) -> Iterator[int]:
    """A port that is listened on, but whose process takes its first request only after so many seconds, and `pause`
    for each."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as server:

        def serve() -> None:
            ended.wait(seconds)
            while not ended.is_set():
                wire, _ = server.accept()
                with wire:
                    if wire.recv(65536):
                        ended.wait(pause)
                        wire.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nup")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            socket.create_connection(server.getsockname()[:2]).close()
            thread.join(5)


# ---------------------------------------------------------------------------------------------- shares


def test_every_request_is_shared_out_by_weight(envoy: Envoy, two: tuple[App, App]) -> None:
    """10,000 at 5 %: 500, and five standard deviations are 109; one run in 1.7 million fails without a reason."""
    envoy.set("shop", shared(*two, 5))
    flood(envoy.listen[1], "shop.localhost", 10_000)
    counts = [len(one.seen) for one in two]
    assert sum(counts) == 10_000 and abs(counts[1] - 500) <= 109
    assert [seen.ok for _, seen in sorted(envoy.stats("shop").items())] == counts


def test_a_canary_whose_weights_do_not_add_up_changes_nothing(envoy: Envoy, two: tuple[App, App]) -> None:
    envoy.set("shop", shared(*two, 5))
    with pytest.raises(Invalid, match=r"the weights of shop are \{1: 95, 2: 10\}: they must sum to 100"):
        envoy.set("shop", Route((), {1: two[0].backend(95), 2: two[1].backend(10)}))
    assert envoy.get("shop") == shared(*two, 5)


def answers(envoy: Envoy, clients: list[str]) -> dict[str, str]:
    """Client address → who answered it, twice, on connections of their own."""
    found: dict[str, str] = {}
    for client in clients * 2:
        status, said = ask(envoy.listen[1], "shop.localhost", source=client)
        assert status == 200 and found.setdefault(client, said[-3:]) == said[-3:]
    return found


def test_sticky_clients_stay_while_the_weights_do_and_a_canarys_clients_stay_when_it_grows(
    envoy: Envoy, two: tuple[App, App]
) -> None:
    """The address decides, without a cookie; the split over addresses is by hash, so it is always this one."""
    clients = [f"127.0.{number % 7}.{number + 1}" for number in range(150)]
    envoy.set("shop", shared(*two, 20, sticky=True))
    found = answers(envoy, clients)
    first = {client for client, name in found.items() if name == "new"}
    assert 15 <= len(first) <= 45  # 20 % of 150 is 30; three standard deviations are 15
    envoy.set("shop", shared(*two, 60, sticky=True))
    second = {client for client, name in answers(envoy, clients).items() if name == "new"}
    assert first < second and 70 <= len(second) <= 110
    assert envoy.get("shop") == shared(*two, 60, sticky=True)


def test_behind_a_trusted_proxy_stickiness_is_by_the_address_it_vouches_for(
    tmp_path: Path, two: tuple[App, App]
) -> None:
    with edge(tmp_path / "home", hops=1) as envoy:
        envoy.set("shop", shared(*two, 50, sticky=True))
        for client in [f"203.0.113.{number}" for number in range(40)] * 2:
            assert ask(envoy.listen[1], "shop.localhost", more=f"x-forwarded-for: {client}\r\n")[0] == 200
    seen = [[head.lower().split("x-forwarded-for: ")[1].split(",")[0] for head in one.seen] for one in two]
    assert set(seen[0]).isdisjoint(seen[1]) and len(seen[0]) + len(seen[1]) == 80
    assert len(set(seen[0])) >= 10 and len(set(seen[1])) >= 10


# ---------------------------------------------------------------------------------------------- counts


def test_counts_survive_changes_of_weights_and_replicas_and_a_short_absence(envoy: Envoy, two: tuple[App, App]) -> None:
    places = [one.backend().endpoints[0] for one in two]
    for weight, endpoints, count in ((100, places[:1], 90), (100, places, 40), (50, places[1:], 20)):
        envoy.set("shop", Route((), {1: Backend(weight, tuple(endpoints)), 2: two[1].backend(100 - weight)}))
        flood(envoy.listen[1], "shop.localhost", count)
        until(lambda: latest(envoy) == now(envoy).ok, 3)
    before = now(envoy)
    assert before.total == before.ok >= 130
    envoy.set("shop", Route((), {2: two[1].backend()}))
    assert set(envoy.readings()["shop"]) == {2}
    envoy.set("shop", shared(*two, 50))
    assert now(envoy).ok == before.ok == latest(envoy)


def test_counts_go_on_through_a_restart_of_the_proxy_but_not_of_a_control_plane(
    envoy: Envoy, two: tuple[App, App]
) -> None:
    envoy.set("shop", shared(*two, 50))
    flood(envoy.listen[1], "shop.localhost", 50)
    before = now(envoy)
    kill(envoy)
    envoy.up()
    assert now(envoy) == before
    flood(envoy.listen[1], "shop.localhost", 50)
    assert traffic.side(before, now(envoy)).requests == len(two[0].seen) - before.ok
    again = Envoy(envoy.folder.parent.parent, envoy.listen, workers=1)
    assert now(again).ok == len(two[0].seen) - before.ok
    assert 0 <= traffic.side(before, now(again)).requests <= 50


def test_a_request_that_nobody_took_is_one_error_however_often_it_was_tried(envoy: Envoy) -> None:
    envoy.set("shop", Route((), {1: Backend(100, (("127.0.0.1", free_port()),))}))
    for _ in range(5):
        assert ask(envoy.listen[1], "shop.localhost")[0] == 503
    seen = now(envoy)
    assert (seen.total, seen.server_errors, seen.connect_failures) == (0, 5, 15)
    assert traffic.side(Traffic(), seen) == traffic.Side(5, 5)


def test_latency_lands_in_narrow_buckets_within_a_second(envoy: Envoy) -> None:
    with booting(0.0, pause=0.15) as port:
        envoy.set("shop", Route((), {1: Backend(100, (("127.0.0.1", port),))}))
        for _ in range(4):
            assert ask(envoy.listen[1], "shop.localhost")[0] == 200
        answered = time.monotonic()
        until(lambda: now(envoy).latency[-1:] == ((3_600_000.0, 4),), 3)
        assert time.monotonic() - answered < 1.5
    counts = dict(now(envoy).latency)
    assert counts[130.0] == 0 and counts[250.0] == 4
    edges = [edge for edge in counts if 4 <= edge <= 60_000]
    assert all(above / below < 1.34 for below, above in pairwise(edges))


def test_a_proxy_of_an_older_version_is_started_anew_with_the_same_routes(envoy: Envoy, two: tuple[App, App]) -> None:
    envoy.set("shop", shared(*two, 5))
    file = envoy.folder / "bootstrap.json"
    old = json.loads(file.read_text())
    del old["stats_flush_interval"]
    file.write_text(json.dumps(old))
    before = daemon.recorded(envoy.folder)
    envoy.up()
    assert daemon.recorded(envoy.folder) != before
    assert envoy.get("shop") == shared(*two, 5)
    flood(envoy.listen[1], "shop.localhost", 10)


# ---------------------------------------------------------------------------------------------- sleepers


@pytest.mark.parametrize("backlog", [128, 1])
def test_requests_to_a_process_that_still_boots_are_held(envoy: Envoy, backlog: int) -> None:
    """With room in its queue they wait there; without, the kernel tries the connection again after 1, 3, 7 … seconds,
    and the proxy lets it."""
    boots = 3.2
    with booting(boots, backlog) as port, ThreadPoolExecutor(8) as clients:
        envoy.set("shop", Route((), {1: Backend(100, (("127.0.0.1", port),))}))
        began = time.monotonic()
        said = list(clients.map(lambda _: ask(envoy.listen[1], "shop.localhost"), range(8)))
        assert {status for status, _ in said} == {200} and time.monotonic() - began > boots - 1
        assert now(envoy).server_errors == now(envoy).connect_failures == 0
