"""New credentials: what a crash leaves of a rotation, what a canary makes of one, and what nobody gets to read."""

from __future__ import annotations

import json
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.house import House, small
from tests.kept import cache_app, database_app, needs, pushed
from tests.resource_world import context
from wend import config, rotation
from wend.errors import Conflict
from wend.resources import credentials, postgres
from wend.resources.postgres import Postgres
from wend.state import resources as stored

CRASH = str(Path(__file__).with_name("crash_serve.py"))
POINTS = (
    "before:fact:resource_rotated",
    "fact:resource_rotated",
    "before:gated",
    "fact:release_went_live",
    "fact:deploy_finished",
)
WITHOUT = small("two") | {"wend.toml": '[canary]\nsteps = "off"\nwatch = 0\n'}


@needs("initdb", "postgresql")
def test_a_rotation_that_a_crash_cut_short_is_finished_by_the_next(house: House, tmp_path: Path) -> None:
    house.up()
    pushed(house, "cut", tmp_path / "cut", database_app())
    assert house.get("cut", "/write") == (200, "here")
    for point in POINTS:
        before = house.get("cut", "/env/DB_URL")[1]
        house.stop(15)
        house.up(CRASH, point)
        with pytest.raises((OSError, HTTPException)):
            house.change("/api/apps/cut/resources/db/rotate", {})
        assert house.process and house.process.wait(timeout=30) == -9
        assert house.get("cut", "/read") == (200, "1"), point
        house.up()
        assert house.get("cut", "/read") == (200, "1"), point
        lines, last = house.change("/api/apps/cut/resources/db/rotate", {})
        assert "done" in last, (point, lines, last)
        assert house.get("cut", "/read") == (200, "1"), point
        assert house.get("cut", "/env/DB_URL")[1] != before
        assert open_logins(house) == [house.get("cut", "/who")[1]], point
    house.stop()
    with context(house.home) as ctx, ctx.ledger.query() as db:
        (one,) = stored.kept(db, "cut")
        assert credentials.REPLACES not in one.about
        every = [event for event in ctx.ledger.read(kinds=("resource_created", "resource_rotated"), limit=1000)]
        sealed = {event.data["hash"] for event in every} - {one.hash}
        assert len(sealed) > 3 and not [hash for hash in sealed if ctx.ledger.text(hash)], "old passwords are gone"


def open_logins(house: House) -> list[str]:
    """Who can log in to our server, but for ourselves."""
    with postgres.connected(Postgres(config.load(house.home)).admin("local")) as db:
        rows = db.execute("SELECT rolname FROM pg_authid WHERE rolcanlogin AND rolname <> 'wend'").fetchall()
    return [row[0] for row in rows]


@needs("redis-server", "redis-server")
def test_a_canary_keeps_a_rotation_and_a_removal_waiting(house: House, tmp_path: Path) -> None:
    house.up()
    repo = house.repo("torn", tmp_path / "torn", cache_app())
    assert repo.push()[0]
    repo.write(WITHOUT)
    repo.commit()
    taken, said = repo.push("-o", "canary=50", "main")
    assert taken, said
    _, last = house.change("/api/apps/torn/resources/cache/rotate", {})
    assert "release 2 is a canary" in json.dumps(last) and "wend abort torn" in json.dumps(last)
    _, last = house.change("/api/apps/torn/promote", {})
    assert "done" in last, last
    status, said = house.api("DELETE", "/api/apps/torn/resources/cache", {"confirm": "cache"})
    assert status == 200 and "done" in said[-1], said
    repo.write(cache_app())
    repo.commit()
    taken, said = repo.push("-o", "canary=50", "main")
    assert taken, said
    _, said = house.api("DELETE", "/api/apps/torn/resources/cache", {"confirm": "cache"})
    assert "release 3, which is under judgement or may come back, uses cache" in json.dumps(said)


@needs("redis-server", "redis-server")
def test_what_is_kept_warm_with_old_credentials_ends_with_them(house: House, tmp_path: Path) -> None:
    house.up()
    repo = house.repo("mild", tmp_path / "mild", cache_app())
    assert repo.push()[0]
    repo.write(WITHOUT)
    repo.commit()
    assert repo.push()[0]
    assert {one["release"] for one in house.api("GET", "/api/apps/mild/ps")[1]} == {1, 2}
    lines, last = house.change("/api/apps/mild/resources/cache/rotate", {})
    assert "done" in last, (lines, last)
    assert {one["release"] for one in house.api("GET", "/api/apps/mild/ps")[1]} == {2}
    _, last = house.change("/api/apps/mild/rollback", {})
    assert "done" in last, last
    assert "OK" in house.get("mild", "/write")[1]


def test_what_the_judge_went_back_to_is_not_stopped(house: House, tmp_path: Path) -> None:
    house.up()
    assert house.repo("back", tmp_path / "back").push()[0]
    running = {one["id"] for one in house.api("GET", "/api/apps/back/ps")[1]}
    house.stop(15)
    with context(house.home) as ctx:
        ctx.router.up()
        with pytest.raises(Conflict, match="back went back to release 1, which has the old credentials"):
            rotation.end(ctx, "back", running)
        assert {one.id for one in ctx.driver.status("back") if one.phase == "up"} == running
