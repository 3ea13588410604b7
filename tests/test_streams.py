"""Answers that come line by line: they start at once, starve nobody, and end with whoever listens, or not."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.house import House, Repo, until
from tests.web_world import World, live_app, world
from wend.run import Line
from wend.web import stream


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("streams") / "home") as made:
        live_app(made)
        yield made


def read_line(sock: socket.socket) -> dict[str, Any]:
    """The first JSON line of a chunked answer."""
    seen = b""
    while not (found := re.search(rb"^(\{.*\})\r?\n", seen, re.MULTILINE)):
        piece = sock.recv(65536)
        assert piece, seen
        seen += piece
    return json.loads(found[1])


def test_many_followers_starve_nobody_and_leave_no_thread(there: World) -> None:
    there.driver.lines = [Line(1.0, "hello.3.web.1", "old")]
    sockets = [there.stream("/api/apps/hello/logs?follow=1") for _ in range(stream.EACH)]
    try:
        assert all(read_line(sock)["text"] == "old" for sock in sockets)
        until(lambda: there.driver.open == stream.EACH, what="every follower")
        full = there.ask("GET", "/api/apps/hello/logs?follow=1")
        assert (full.status, full.json["error"]) == (503, "down")
        began = time.monotonic()
        assert there.ask("GET", "/api/apps").status == 200
        assert time.monotonic() - began < 1
    finally:
        for sock in sockets:
            sock.close()
    until(lambda: there.driver.open == 0, what="every thread to end")
    with closing(there.stream("/api/apps/hello/logs?follow=1")) as again:
        assert read_line(again)["text"] == "old"
        until(lambda: there.driver.open == 1, what="the follower, so that the next test can wait for its end")


def test_following_gets_what_comes(there: World) -> None:
    until(lambda: there.driver.open == 0, what="earlier followers to leave")
    with closing(there.stream("/api/apps/hello/logs?follow=1&lines=0")) as sock:
        there.driver.news.put(Line(2.0, "hello.3.web.1", "fresh ✓ \x1b[31m"))
        line = read_line(sock)
    assert line == {"at": 2.0, "source": "hello.3.web.1", "text": "fresh ✓ \x1b[31m"}


def test_following_the_ledger(there: World) -> None:
    after = there.ctx.ledger.head()[0]
    with closing(there.stream(f"/api/ledger/events?follow=1&after={after}&kind=branch_set")) as sock:
        there.say("scaled", process="web", replicas=1)
        there.say("branch_set", branch="release")
        event = read_line(sock)
    assert (event["kind"], event["data"]) == ("branch_set", {"branch": "release"})
    there.say("branch_set", branch="main")


@pytest.fixture(scope="module")
def pushed(platform: House, tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """An app on the real platform."""
    repo = platform.repo("streamed", tmp_path_factory.mktemp("streamed") / "repo")
    taken, said = repo.push()
    assert taken, said
    return repo


def begin(house: House, path: str, body: dict[str, Any]) -> socket.socket:
    """A request that was sent and not waited for."""
    raw = json.dumps(body).encode()
    sock = socket.create_connection(("127.0.0.1", house.listen), timeout=20)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.token}\r\nContent-Type: application/json\r\n"
    )
    sock.sendall(head.encode() + f"Content-Length: {len(raw)}\r\n\r\n".encode() + raw)
    return sock


def test_leaving_cancels_a_run(platform: House, pushed: Repo) -> None:
    sock = begin(platform, "/api/apps/streamed/run", {"command": "echo begun; sleep 300"})
    assert read_line(sock) == {"line": "begun"}
    sock.close()

    def ended() -> bool:
        return platform.api("GET", "/api/apps/streamed")[1]["runs"][0]["ended"] is not None

    until(ended, 10, "the run to be cancelled")


def test_leaving_does_not_stop_a_deploy(platform: House, pushed: Repo) -> None:
    before = platform.api("GET", "/api/apps/streamed")[1]["live"]
    sock = begin(platform, "/api/apps/streamed/config", {"set": {"LEFT": "yes"}})
    until(lambda: platform.api("GET", "/api/apps/streamed")[1]["deploys"][0]["cause"] == "config", 10)
    sock.close()
    until(
        lambda: platform.api("GET", "/api/apps/streamed")[1]["live"] not in (None, before), 20, "the deploy to go live"
    )
    assert platform.api("GET", "/api/apps/streamed/config")[1]["LEFT"] == "yes"


def test_secrets_are_never_told(platform: House, pushed: Repo) -> None:
    value = "correct-horse-battery"
    lines, last = platform.change("/api/apps/streamed/secrets", {"set": {"PASSPHRASE": value}})
    assert "done" in last, last
    told = json.dumps(lines)
    for path in (
        "/api/apps/streamed",
        "/api/apps/streamed/secrets",
        "/api/apps/streamed/config",
        "/api/ledger/events?limit=1000",
    ):
        told += json.dumps(platform.api("GET", path)[1])
    lines, _ = platform.change("/api/apps/streamed/run", {"command": "echo it is $PASSPHRASE"})
    assert value not in told + json.dumps(lines) and "it is [secret]" in lines
    assert platform.api("GET", "/api/apps/streamed/secrets")[1]["PASSPHRASE"]["version"] == 1
