"""Two control planes on one PostgreSQL database and one home, real processes and real pushes: either takes a push, one
leads, and what one leaves when it is killed, the other finishes or undoes, while the app answers all the time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import PostgresServer, Served, postgres, served
from tests.house import SERVER, House, Repo, at_once, until
from tests.kept import needs
from tests.test_crash import CRASH, Watcher, expected_after, settle
from wend.home import places

__all__ = ["postgres", "served"]  # fixtures
pytestmark = needs("initdb", "postgresql")


class Plane(House):
    """One of several control planes on a home: its own address, the same edge."""

    def __init__(self, home: Path, database: str, edge: int | None = None, more: dict[str, str] | None = None) -> None:
        super().__init__(home, {"WEND_DATABASE": database, "WEND_WARM_SECONDS": "0", **(more or {})})
        self.edge = edge or self.edge

    def ready(self) -> bool:
        try:
            said = [json.loads(file.read_text()) for place in places(self.home) for file in place.glob("serve.json")]
        except (OSError, ValueError):
            return False
        return self.process is not None and self.process.pid in [one["pid"] for one in said]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.listen}"

    def leads(self) -> bool:
        status, said = self.api("GET", "/api/status")
        return status == 200 and {"plane": self.address, "leads": True} in said["planes"]


@pytest.fixture
def pair(tmp_path: Path, served: Served) -> Iterator[tuple[Plane, Plane]]:
    """The leading plane, and one to be started beside it."""
    first = Plane(tmp_path / "home", served.url)
    second = Plane(tmp_path / "home", served.url, first.edge)
    first.up()
    yield first, second
    for plane in (first, second):
        if plane.process and plane.process.poll() is None:
            plane.stop(signal.SIGTERM)
    first.down()


def at(plane: Plane, repo: Repo) -> Repo:
    """The same checkout, pushing to this plane."""
    url = repo.git("remote", "get-url", "wend").stdout.strip()
    repo.git("remote", "set-url", "wend", url.replace(url.partition("@")[2].partition("/")[0], plane.address))
    return repo


def live(plane: Plane, app: str) -> int:
    return plane.api("GET", f"/api/apps/{app}")[1]["live"]


def test_either_takes_a_push_and_both_see_it(pair: tuple[Plane, Plane], tmp_path: Path) -> None:
    first, second = pair
    second.up()
    repo = first.repo("shared", tmp_path / "shared")
    assert repo.push()[0]
    assert live(second, "shared") == 1
    repo.change(app_py=SERVER.format(word="two"))
    taken, said = at(second, repo).push()
    assert taken, said
    assert first.get("shared") == (200, "two") and second.get("shared") == (200, "two")
    assert [live(plane, "shared") for plane in pair] == [2, 2]
    assert [plane.leads() for plane in pair] == [True, False]

    def events() -> list[list[str]]:
        """What each plane says has happened."""
        pages = [plane.api("GET", "/api/ledger/events?limit=1000")[1] for plane in pair]
        return [[event["hash"] for event in page] for page in pages]

    until(lambda: len({tuple(page) for page in events()}) == 1, 10, "both tell the same story")
    assert [plane.api("GET", "/api/ledger/verify")[0] for plane in pair] == [200, 200]
    second.change("/api/apps/shared/rollback", {})
    assert first.get("shared") == (200, "one"), "rolled back at the second, seen at the edge"


def test_a_home_moves_into_a_database_while_its_app_serves(served: Served, tmp_path: Path) -> None:
    house = House(tmp_path / "home").up()
    repo = house.repo("mover", tmp_path / "mover", at_once("one"))
    assert repo.push()[0]
    head = house.api("GET", "/api/ledger/verify")[1]
    house.stop(signal.SIGTERM)
    watcher = Watcher(house, "mover", {"one"})
    house.env["WEND_DATABASE"] = served.url
    house.up()
    del house.env["WEND_DATABASE"]
    house.stop(signal.SIGTERM)
    house.up()  # it remembers the database
    watcher.stop()
    assert watcher.failed == []
    assert not (house.home / "wend.db").exists() and (house.home / "wend.db.moved").exists()
    witness = f"{head['events']}.{head['head']}"
    status, said = house.api("GET", f"/api/ledger/verify?witness={witness}")
    assert status == 200 and said["events"] > head["events"]
    repo.change(app_py=SERVER.format(word="two"))
    assert repo.push()[0] and house.get("mover") == (200, "two")
    house.down()


@pytest.mark.parametrize("point", ["after:built", "after:gated", "after:live"])
def test_a_leader_killed_at_a_deploy_is_taken_over(
    pair: tuple[Plane, Plane], served: Served, tmp_path: Path, point: str
) -> None:
    first, second = pair
    repo = first.repo("phoenix", tmp_path / "phoenix", at_once("one"))
    assert repo.push()[0]
    first.stop(signal.SIGTERM)
    first.up(CRASH, point)
    second.up()
    killed_at(point, first, second, repo)


@pytest.mark.parametrize("point", ["after:gated"])
def test_a_plane_that_does_not_lead_is_cleared_up_after(pair: tuple[Plane, Plane], tmp_path: Path, point: str) -> None:
    first, second = pair
    repo = first.repo("phoenix", tmp_path / "phoenix", at_once("one"))
    assert repo.push()[0]
    second.up(CRASH, point)
    killed_at(point, second, first, at(second, repo))


def killed_at(point: str, doomed: Plane, other: Plane, repo: Repo) -> None:
    """Push to the one that ends itself at this point of the deploy; the other one takes the matter up."""
    watcher = Watcher(other, "phoenix", {"one", "two"})
    head = repo.change(app_py=SERVER.format(word="two"))
    assert not repo.push()[0]
    assert doomed.process
    assert doomed.process.wait(timeout=30) == -signal.SIGKILL
    word = expected_after(point)
    settle(other, "phoenix", 2 if word == "two" else 1)
    until(lambda: other.get("phoenix") == (200, word), 10, f"{word} serves after {point}")
    until(other.leads, 5, "the one that is left leads")
    watcher.stop()
    assert watcher.failed == []
    branch = repo.git("ls-remote", at(other, repo).git("remote", "get-url", "wend").stdout.strip(), "main")
    assert (branch.stdout.split()[0] == head) == (word == "two"), "the branch says what is live"
    repo.change(app_py=SERVER.format(word="three"))
    taken, said = repo.push()
    assert taken, said
    assert other.get("phoenix") == (200, "three")


SLOW = "import time\ntime.sleep(6)\n"


def test_a_plane_that_starts_leaves_what_another_has_under_way(pair: tuple[Plane, Plane], tmp_path: Path) -> None:
    first, second = pair
    repo = first.repo("slow", tmp_path / "slow")
    assert repo.push()[0]
    repo.change(app_py=SLOW + SERVER.format(word="two"))
    said: list[tuple[bool, str]] = []
    pushing = threading.Thread(target=lambda: said.append(repo.push()))
    pushing.start()
    until(lambda: first.api("GET", "/api/apps/slow")[1]["deploying"], 10, "the push is under way")
    second.up()
    assert second.api("GET", "/api/apps/slow")[1]["deploying"]
    pushing.join()
    assert said[0][0], said[0][1]
    assert second.get("slow") == (200, "two")


def test_the_newer_push_wins_at_whichever_plane(pair: tuple[Plane, Plane], tmp_path: Path) -> None:
    first, second = pair
    second.up()
    repo = first.repo("race", tmp_path / "race")
    assert repo.push()[0]
    repo.change(app_py=SLOW + SERVER.format(word="two"))
    said: list[tuple[bool, str]] = []
    pushing = threading.Thread(target=lambda: said.append(repo.push()))
    pushing.start()
    until(lambda: first.api("GET", "/api/apps/race")[1]["deploying"], 10, "the push is under way")
    other = Repo(tmp_path / "other", f"http://x:{first.token}@{second.address}/git/race.git")
    other.git("fetch", "-q", str(repo.folder), "main")
    other.git("reset", "-q", "--hard", "FETCH_HEAD")
    other.change(app_py=SERVER.format(word="three"))
    taken, words = other.push()
    pushing.join()
    assert taken, words
    assert not said[0][0] and "superseded by a newer push" in said[0][1]
    assert first.get("race") == (200, "three")


def test_another_database_cannot_join_and_sqlite_neither(pair: tuple[Plane, Plane], postgres: PostgresServer) -> None:
    first, second = pair
    second.edge += 1
    assert second.start().wait(timeout=30) == 5
    assert f"answer at 127.0.0.1:{first.edge}" in second.log(), "there is one proxy"
    other = postgres.make()
    for database in (other.url, ""):
        stranger = Plane(first.home, database, first.edge)
        if not database:
            (first.home / "database").unlink()
        assert stranger.start().wait(timeout=30) == 5
        assert "a platform already runs on" in stranger.log()
    postgres.drop(other)


def test_the_command_line_finds_and_stops_all_and_shows_no_password(
    pair: tuple[Plane, Plane], postgres: PostgresServer, tmp_path: Path
) -> None:
    first, second = pair
    second.up()
    assert first.repo("shown", tmp_path / "shown").push()[0]
    env = {**os.environ, "WEND_HOME": str(first.home)}
    env.pop("WEND_DATABASE", None)

    def wend(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "wend.cli", *words], env=env, capture_output=True, text=True, check=True, timeout=100
        )
        return done.stdout + done.stderr

    said = wend("status") + wend("ledger", "verify") + wend("ledger", "rebuild") + wend("ledger", "events")
    assert f"{first.address} (leads), {second.address}" in said
    first.kill()
    until(lambda: second.leads(), 5, "the other leads")
    said += wend("status")
    first.up()
    said += wend("down")
    assert [plane.process.wait(5) for plane in pair if plane.process] == [0, 0]
    with pytest.raises(OSError):
        first.get("shown")
    assert postgres.password not in said + first.log() + second.log()
    assert (first.home / "database").stat().st_mode & 0o077 == 0
    assert "stopped" in wend("down"), "also when no plane is left to ask"
