"""Caches: one server for each resource, its password rotated, its data kept."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.house import House, until
from tests.kept import cache_app, needs, pushed
from wend import config
from wend.errors import Down
from wend.resources import server
from wend.resources.redis import Redis, packed

pytestmark = needs("redis-server", "redis-server")


def test_commands_are_packed_as_redis_wants_them() -> None:
    assert packed(["SET", "å", ""]) == b"*3\r\n$3\r\nSET\r\n$2\r\n\xc3\xa5\r\n$0\r\n\r\n"


def test_old_and_new_passwords_hold_side_by_side_until_it_is_settled(tmp_path: Path) -> None:
    kind = Redis(config.load(tmp_path))
    try:
        about = kind.create("hello_cache", "one")
        kind.admit(about, "two")
        assert [works(kind, word) for word in ("one", "two", "three")] == [True, True, False]
        kind.settle(about, "two")
        assert [works(kind, word) for word in ("one", "two")] == [False, True]
        kind.ask("hello_cache", ["SET", "word", "kept"])
        kind.shut(about)
        with pytest.raises(Down, match="no answer from redis at"):
            kind.size(about)
        kind.admit(about, "three")
        assert works(kind, "three") and kind.ask("hello_cache", ["GET", "word"]) == ["kept"]
        assert (kind.size(about) or 0) > 1000
        kind.purge(about)
        assert not kind.server("hello_cache").folder.exists()
    finally:
        server.stop_all(tmp_path)


def works(kind: Redis, password: str) -> bool:
    try:
        return kind.ask("hello_cache", ["AUTH", "app", password], ["PING"]) == ["OK", "PONG"]
    except Down:
        return False


def test_an_app_keeps_words_in_its_cache_and_cannot_change_the_server(house: House, tmp_path: Path) -> None:
    house.up()
    pushed(house, "re-a", tmp_path / "a", cache_app())
    assert house.get("re-a", "/env/REDIS_URL") == house.get("re-a", "/env/CACHE_URL")
    assert house.get("re-a", "/write")[0] == 200
    for words in ("CONFIG%20SET%20dir%20/tmp", "ACL%20LIST", "SHUTDOWN", "MONITOR"):
        assert "NOPERM" in house.get("re-a", f"/{words}")[1]
    first = house.get("re-a", "/env/REDIS_URL")
    lines, last = house.change("/api/apps/re-a/resources/cache/rotate", {})
    assert "done" in last, (lines, last)
    assert house.get("re-a", "/env/REDIS_URL") != first
    assert "\nx\n" in house.get("re-a", "/read")[1]
    house.stop()
    house.up()
    assert "\nx\n" in house.get("re-a", "/read")[1], "it outlives the platform"


def test_a_server_that_lost_its_shim_answers_on_and_one_that_died_is_back_in_seconds(
    house: House, tmp_path: Path
) -> None:
    house.up()
    pushed(house, "re-b", tmp_path / "b", cache_app())
    assert house.get("re-b", "/write")[0] == 200
    (file,) = (house.home / "resources" / "run" / "replicas").glob("*/state.json")
    before = json.loads(file.read_text())
    os.kill(before["shim"][0], signal.SIGKILL)
    (status,) = until(lambda: [one for one in server.yard(house.home).status() if one.phase == "lost"])
    ticks = [house.get("re-b", "/read")[1] for _ in range(30) if not time.sleep(0.1)]
    assert {"\nx\n" in said for said in ticks} == {True}, "nobody touched it"
    assert server.yard(house.home).status()[0].pid == status.pid
    os.kill(before["keeper"][0], signal.SIGKILL)
    died = time.monotonic()
    until(lambda: "\nx\n" in house.get("re-b", "/read")[1], 15, "it is back with its data")
    print(f"back after {time.monotonic() - died:.1f} s")
    assert server.yard(house.home).status()[0].phase == "up"
