"""What may go and what must stay: pure, and then on a real home."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.house import SERVER, House, until
from wend.declared import Declared
from wend.retention import heaviest, needed_now, overdue
from wend.runs import Run
from wend.state.canaries import Canary
from wend.state.questions import App, Release

APP = App("a", "main", None, 0, "ada", live=5, previous=2, live_at=0)
NEEDED = needed_now([APP], [], [])


def release(number: int, app: str = "a", retired: int | None = None) -> Release:
    return Release(
        app,
        number,
        "d",
        f"{app}{number}",
        "p",
        "c",
        {},
        {},
        {},
        {},
        Declared(),
        None,
        number,
        "ada",
        live_at=1,
        retired_at=retired,
    )


def test_by_count_the_oldest_go_but_never_the_live_one_or_the_one_before_it() -> None:
    found = overdue([release(number) for number in range(1, 11)], 3, NEEDED)
    assert [one.number for one in found] == [7, 6, 4, 3, 1]


def test_by_count_retired_ones_do_not_count() -> None:
    many = [release(1, retired=9), release(2), release(3), release(4), release(5)]
    assert [one.number for one in overdue(many, 2, NEEDED)] == [3]


def test_a_canary_stays_however_old_it_is() -> None:
    row = Canary("d", "canary", "a", 3, 5, {}, "ada", 0, 5, "paused", "wait", "", {}, 0, 0, None)
    needed = needed_now([APP], [row], [])
    assert [one.number for one in overdue([release(number) for number in range(1, 8)], 2, needed)] == [4, 1]
    sizes = {f"a{number}": 100 for number in range(1, 6)}
    assert [one.number for one in heaviest([release(number) for number in range(1, 6)], sizes, 0, needed)] == [1, 4]


def test_a_release_that_a_job_still_runs_in_stays() -> None:
    needed = needed_now([APP], [], [Run("r1", "a", "nightly", release=1), Run("r2", "a")])
    assert [one.number for one in overdue([release(number) for number in range(1, 8)], 2, needed)] == [4, 3]


def test_by_bytes_the_oldest_go_until_it_fits() -> None:
    releases = [release(number) for number in range(1, 6)]
    sizes = {f"a{number}": 100 for number in range(1, 6)}
    assert [one.number for one in heaviest(releases, dict(sizes), 350, NEEDED)] == [1, 3]
    assert heaviest(releases, dict(sizes), 500, NEEDED) == []
    assert [one.number for one in heaviest(releases, dict(sizes), 0, NEEDED)] == [1, 3, 4], "2 and 5 are needed"


def test_old_releases_lose_their_files_and_say_so(house: House, tmp_path: Path) -> None:
    house.env |= {"WEND_KEEP_RELEASES": "2", "WEND_WARM_SECONDS": "0"}
    house.up()
    repo = house.repo("aging", tmp_path / "aging")
    assert repo.push()[0]
    for word in ("two", "three", "four"):
        repo.change(app_py=SERVER.format(word=word))
        assert repo.push()[0]
    artifacts = house.home / "artifacts"
    before = len(list(artifacts.glob("*.json")))
    an_hour_ago = time.time() - 4000
    for file in [*artifacts.glob("*"), *artifacts.glob("*.json")]:
        os.utime(file, (an_hour_ago, an_hour_ago))
    house.down()
    sweep(house)
    house.up()
    left = len(list(artifacts.glob("*.json")))
    assert (before, left) == (4, 2)
    _, last = house.change("/api/apps/aging/rollback", {"release": 1})
    assert "its files were removed" in last["message"] and "push commit" in last["hint"]
    until(lambda: house.get("aging") == (200, "four"), what="the live release is untouched")


def sweep(house: House) -> None:
    """One round of retention on a home whose platform is down."""
    from dataclasses import replace

    from wend import config, retention, serve

    settings = config.load(house.home)
    settings = replace(settings, values={**settings.values, "keep_releases": 2})
    ctx = serve.wire(settings)
    assert retention.sweep(ctx) == 2
    ctx.ledger.close()
