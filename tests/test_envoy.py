"""What only the real proxy can show: what passes through it, switching under load, refusals and faults."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import signal
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.routing import PLACE, ROUTE, app, ask, connect, edge, exchange, free_port, more_than, until
from wend.errors import Down
from wend.route import Backend, Route, daemon
from wend.route.envoy import Envoy


@pytest.fixture
def envoy(tmp_path: Path) -> Iterator[Envoy]:
    with edge(tmp_path / "home") as router:
        yield router


# ---------------------------------------------------------------------------------------------- hosts and headers


def test_an_app_answers_at_its_names_with_and_without_port(envoy: Envoy) -> None:
    with app("one") as one:
        envoy.set("shop", Route(("shop.example.com", "*.shop.test"), {1: one.backend()}))
        port = envoy.listen[1]
        for host in (
            "shop.localhost",
            f"shop.localhost:{port}",
            "SHOP.localhost",
            "shop.example.com:80",
            "a.shop.test",
        ):
            status, said = ask(port, host)
            assert (status, said.endswith("one")) == (200, True), host


def test_unknown_hosts_and_apps_without_traffic_say_so(envoy: Envoy) -> None:
    envoy.set("idle", Route((), {1: Backend(0, PLACE)}))
    status, said = ask(envoy.listen[1], "nobody.localhost")
    assert status == 404 and "wend apps" in said and "x-wend: unknown-host" in said
    status, said = ask(envoy.listen[1], "idle.localhost")
    assert status == 503 and "wend ps idle" in said and "x-wend: no-release" in said


def test_an_app_that_is_gone_is_named_in_plain_words(envoy: Envoy) -> None:
    envoy.set("shop", Route((), {1: Backend(100, (("127.0.0.1", free_port()),))}))
    status, said = ask(envoy.listen[1], "shop.localhost")
    assert status == 503 and "did not answer" in said and "x-wend: no-answer" in said


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nhost: sh\xc3\xb6p.localhost\r\nconnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a.localhost/../x\r\nconnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: \x00\r\nconnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: " + b"a" * 70_000 + b"\r\nconnection: close\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: shop.localhost\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: shop.localhost\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc",
    ],
)
def test_hostile_requests_never_reach_an_app(envoy: Envoy, raw: bytes) -> None:
    with app("one") as one:
        envoy.set("shop", Route((), {1: one.backend()}))
        with contextlib.suppress(ConnectionResetError):  # a head that is too long may be cut off before it is answered
            assert 400 <= exchange(envoy.listen[1], raw)[0] < 500
        assert one.seen == []


def test_what_a_client_claims_about_itself_is_dropped(envoy: Envoy) -> None:
    claims = (
        "x-forwarded-for: 9.9.9.9\r\nx-forwarded-proto: https\r\nx-forwarded-host: evil\r\nx_forwarded_for: 9.9.9.9\r\n"
    )
    with app("one") as one:
        envoy.set("shop", Route((), {1: one.backend()}))
        host = f"shop.localhost:{envoy.listen[1]}"
        _, said = ask(envoy.listen[1], host, "/head", more=f"{claims}forwarded: for=9.9.9.9\r\nproxy: evil\r\n")
    head, _, seen = said.partition("\r\n\r\n")
    assert "server: mine" in head
    assert "9.9.9.9" not in seen and "evil" not in seen
    for line in (f"host: {host}", "x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http", f"x-forwarded-host: {host}"):
        assert line in seen.splitlines()


# ---------------------------------------------------------------------------------------------- what passes through


def test_an_answer_is_streamed_as_it_is_made(envoy: Envoy) -> None:
    with app("one") as one:
        envoy.set("shop", Route((), {1: one.backend()}))
        with connect(envoy.listen[1]) as wire:
            wire.sendall(b"GET /stream HTTP/1.1\r\nhost: shop.localhost\r\nconnection: close\r\n\r\n")
            said = b""
            while b"first" not in said:
                said += wire.recv(1024)
            assert not envoy.drain("shop", 1, 0.05)
            envoy.set("shop", Route((), {2: one.backend()}))  # dropped from the routes, but not cut
            one.release.set()
            while piece := wire.recv(1024):
                said += piece
        assert b"last" in said
        assert envoy.drain("shop", 1, 5)


def test_websockets_pass(envoy: Envoy) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = f"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n"
    with app("one") as one:
        envoy.set("shop", Route((), {1: one.backend()}))
        with connect(envoy.listen[1]) as wire:
            wire.sendall(f"GET /socket HTTP/1.1\r\nhost: shop.localhost\r\n{upgrade}\r\n".encode())
            said = b""
            while b"\r\n\r\n" not in said:
                said += wire.recv(1024)
            assert said.startswith(b"HTTP/1.1 101")
            wire.sendall(b"abc")
            assert wire.recv(1024) == b"cba"


def test_a_large_body_arrives_whole(envoy: Envoy) -> None:
    body = os.urandom(2**20) * 8
    with app("one") as one:
        envoy.set("shop", Route((), {1: one.backend()}))
        head = (
            f"POST /upload HTTP/1.1\r\nhost: shop.localhost\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        status, said = exchange(envoy.listen[1], head.encode() + body)
    assert status == 200 and said.endswith(hashlib.sha256(body).hexdigest())


def test_a_connection_that_the_app_closes_is_never_an_error(envoy: Envoy) -> None:
    """The app drops idle connections long before the proxy would, which is the worst case."""
    with app("one", idle=0.02) as one:
        envoy.set("shop", Route((), {1: one.backend()}))
        deadline = time.monotonic() + 1.5
        pauses = 0
        while time.monotonic() < deadline:
            assert ask(envoy.listen[1], "shop.localhost")[0] == 200
            time.sleep(0.018 + (pauses % 5) / 1000)  # around the moment of closing
            pauses += 1


def test_only_what_may_be_repeated_is_repeated(envoy: Envoy) -> None:
    with app("one") as one:
        envoy.set("shop", Route((), {1: one.backend()}))
        assert ask(envoy.listen[1], "shop.localhost", "/die", "POST", "content-length: 0\r\n")[0] == 503
        assert len(one.seen) == 1
        assert ask(envoy.listen[1], "shop.localhost", "/die")[0] == 503
        assert len(one.seen) > 2


# ---------------------------------------------------------------------------------------------- switching


def test_switching_under_load_drops_nothing(envoy: Envoy) -> None:
    stop = threading.Event()
    answers: list[tuple[int, str]] = []

    def client() -> None:
        while not stop.is_set():
            answers.append(ask(envoy.listen[1], "shop.localhost"))

    with app("one") as one, app("two") as two:
        envoy.set("shop", Route((), {0: one.backend()}))
        clients = [threading.Thread(target=client) for _ in range(4)]
        for thread in clients:
            thread.start()
        for number in range(1, 21):
            envoy.set("shop", Route((), {number: (one, two)[number % 2].backend()}))
            enough = len(answers) + 5
            until(partial(more_than, answers, enough))
        stop.set()
        for thread in clients:
            thread.join(10)
    assert {status for status, _ in answers} == {200}
    assert {said[-3:] for _, said in answers} == {"one", "two"}


def test_after_set_returns_only_the_new_release_answers(envoy: Envoy) -> None:
    with app("one") as one, app("two") as two:
        for number in range(10):
            server = (one, two)[number % 2]
            envoy.set("shop", Route((), {number: server.backend()}))
            assert ask(envoy.listen[1], "shop.localhost")[1].endswith(server.name)


def test_a_canary_gets_its_share_and_both_are_counted(envoy: Envoy) -> None:
    with app("one") as one, app("two") as two:
        envoy.set("shop", Route((), {1: one.backend(75), 2: two.backend(25)}))
        for _ in range(200):
            assert ask(envoy.listen[1], "shop.localhost")[0] == 200
        ask(envoy.listen[1], "nobody.localhost")
        seen = envoy.stats("shop")
        assert seen[1].total + seen[2].total == seen[1].ok + seen[2].ok == 200
        assert 20 <= seen[2].total <= 85  # 25 % of 200 is 50; six standard deviations are 37
        until(lambda: sum(row.latency[-1][1] for row in envoy.readings()["shop"].values() if row.latency) == 200, 2)


def test_stats_tell_errors_apart(envoy: Envoy) -> None:
    envoy.set("shop", Route((), {7: Backend(100, (("127.0.0.1", free_port()),))}))
    ask(envoy.listen[1], "shop.localhost")
    assert envoy.stats("shop")[7].connect_failures >= 1


def test_two_hundred_apps_stay_fast(envoy: Envoy) -> None:
    took: list[float] = []
    for number in range(200):
        both: list[float] = []
        for release in (2, 1):  # the quicker of two: the other may have met with something else the machine does
            before = time.perf_counter()
            envoy.set(f"app{number}", Route((), {release: Backend(100, PLACE)}))
            both.append(time.perf_counter() - before)
        took.append(min(both))
    assert statistics.median(took) < 0.05
    assert envoy.get("app123") == Route((), {1: Backend(100, PLACE)})


# ---------------------------------------------------------------------------------------------- refusals and faults


def test_a_refused_change_leaves_the_old_serving(envoy: Envoy) -> None:
    with app("one") as one:
        good = Route((), {1: one.backend()})
        envoy.set("shop", good)
        with pytest.raises(Down, match="malformed IP address: nonsense"):
            envoy.set("shop", Route((), {2: Backend(100, (("nonsense", 1),))}))
        assert envoy.get("shop") == good
        assert ask(envoy.listen[1], "shop.localhost")[0] == 200
        kill(envoy)
        envoy.up()
        assert ask(envoy.listen[1], "shop.localhost")[0] == 200


def kill(envoy: Envoy) -> None:
    found = daemon.recorded(envoy.folder)
    assert found
    os.kill(found.pid, signal.SIGKILL)
    until(lambda: not envoy.alive())


def test_a_killed_proxy_comes_back_with_the_same_routes(envoy: Envoy) -> None:
    with app("one") as one:
        envoy.set("shop", Route((), {1: one.backend()}))
        kill(envoy)
        envoy.up()
        assert ask(envoy.listen[1], "shop.localhost") != (404, "")
        assert ask(envoy.listen[1], "shop.localhost")[0] == 200


def test_a_new_control_plane_adopts_the_running_proxy(envoy: Envoy) -> None:
    envoy.set("shop", ROUTE)
    again = Envoy(envoy.folder.parent.parent, envoy.listen, workers=1)
    before = daemon.recorded(envoy.folder)
    again.up()
    assert daemon.recorded(envoy.folder) == before
    assert again.get("shop") == ROUTE


def test_a_change_cut_off_half_way_is_finished_at_the_next_start(envoy: Envoy) -> None:
    """As after SIGKILL while a file was being written beside the one in force."""
    envoy.set("shop", ROUTE)
    (envoy.folder / "rds.json.new").write_text('{"version_info": "torn')
    kill(envoy)
    envoy.up()
    assert envoy.get("shop") == ROUTE


def test_another_process_with_the_recorded_number_is_not_taken_for_the_proxy(envoy: Envoy) -> None:
    kill(envoy)
    (envoy.folder / "pid").write_text(json.dumps({"pid": os.getpid(), "born": "1"}))
    assert not envoy.alive()
    envoy.up()
    assert envoy.alive()


def test_a_taken_port_is_said_plainly(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Down, match=f"cannot listen on 127.0.0.1:{port}") as caught:
            Envoy(tmp_path, ("127.0.0.1", port)).up()
        assert "wend up --edge" in caught.value.hint


def test_a_home_with_a_very_long_path_works(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30) / ("longer" * 20)
    home.mkdir(parents=True)
    with edge(home) as router:
        router.set("shop", ROUTE)
        assert router.get("shop") == ROUTE


def test_the_proxy_has_no_rights_it_does_not_need(envoy: Envoy) -> None:
    found = daemon.recorded(envoy.folder)
    assert found
    status = Path(f"/proc/{found.pid}/status")
    if not status.exists():
        pytest.skip("needs /proc: run on Linux")
    lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
    assert int(lines["CapEff"], 16) == 0
    assert os.geteuid() != 0 or lines["Uid"].split()[0] == str(daemon.USER)
    assert os.getsid(found.pid) == found.pid
