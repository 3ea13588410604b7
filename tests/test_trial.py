"""Which release may be tried on a share of the traffic, why another may not, and what waits until it is over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.house import House
from tests.kept import cache_app, needs
from wend.declared import Declared
from wend.errors import Conflict, NotFound, Refused
from wend.state.questions import App, Release
from wend.trial import candidate

APP = App("hello", "main", None, 0, "ada", live=3, previous=2, live_at=0)


def release(number: int, retired: int | None = None, web: bool = True) -> Release:
    processes = {"web" if web else "work": {"command": "serve"}}
    return Release(
        "hello", number, "d", f"a{number}", "p", "c" * 40, {}, {}, {}, processes, Declared(), None, number, "ada",
        live_at=1, retired_at=retired,
    )  # fmt: skip


def test_which_release_can_be_tried() -> None:
    known = [release(4), release(3), release(2), release(1, retired=9)]
    assert candidate(APP, known, None).number == 4
    assert candidate(APP, known, 2).number == 2, "also one older than the live one"
    for app, releases, number, error, words in (
        (APP, known, 1, Refused, "release 1 is too old: its files were removed"),
        (APP, known, 3, Conflict, "already live"),
        (APP, known, 9, NotFound, "no release 9"),
        (APP, known[1:], None, NotFound, "no newer release"),
        (APP, [release(4, web=False), release(3)], None, Refused, "release 4 has no web process"),
        (APP, [release(4), release(3, web=False)], None, Refused, "live release has no web process"),
        (replace(APP, live=None), known, None, NotFound, "no live release"),
        (replace(APP, parent="main", of_branch="fix"), known, None, Refused, "a preview, which has no canary"),
    ):
        with pytest.raises(error, match=words) as said:
            candidate(app, releases, number)
        assert said.value.hint


@needs("redis-server", "redis-server")
def test_credentials_and_configuration_wait_until_a_canary_is_over(house: House, tmp_path: Path) -> None:
    house.up()
    repo = house.repo("keeper", tmp_path / "keeper", cache_app())
    assert repo.push()[0]
    repo.commit()
    taken, said = repo.push("-o", "canary=50", "main")
    assert taken, said
    for path, body in (
        ("resources/cache/rotate", {}),
        ("config", {"set": {"A": "1"}, "unset": []}),
        ("secrets", {"set": {"B": "1"}, "unset": []}),
    ):
        last = house.change(f"/api/apps/keeper/{path}", body)[1]
        assert last["error"] == "conflict" and "wend promote keeper, or wend abort keeper" in last["hint"], last
    assert "done" in house.change("/api/apps/keeper/abort")[1]
    assert "done" in house.change("/api/apps/keeper/resources/cache/rotate", {})[1]
    assert house.get("keeper", "/write")[0] == 200
