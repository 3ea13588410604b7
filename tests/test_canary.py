"""Canaries on a real platform: a push gets a share, is judged by what the proxy sees, and goes live or back."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.house import SERVER, House, Repo, until
from tests.load import Load
from tests.test_crash import CRASH

BAD = SERVER.replace("self.send_response(200)", "self.send_response(500 if self.path == '/' else 200)")
TOML = '[process.web]\nhealth = "/health"\n[canary]\nsteps = [20, 60]\nseconds = 2\nwatch = 30\n'


@pytest.fixture
def app(platform: House, tmp_path: Path, request: pytest.FixtureRequest) -> tuple[House, Repo, str]:
    """A platform, a repository whose first version is live, and the app's name."""
    name = "canary-" + request.node.name.removeprefix("test_").replace("_", "-")[:28].rstrip("-")
    return platform, fresh(platform, tmp_path, name), name


def fresh(house: House, folder: Path, name: str) -> Repo:
    repo = house.repo(name, folder / name)
    repo.change(**{"wend.toml": TOML})
    taken, said = repo.push()
    assert taken, said
    return repo


def canary(house: House, name: str) -> dict[str, Any] | None:
    """The newest canary of the app as the ledger's events tell it: its weight and how it ended."""
    found: dict[str, Any] | None = None
    for kind in events(house, name):
        data = kind["data"]
        if kind["kind"] == "canary_started" and data["mode"] == "canary":
            found = {"release": data["release"], "weight": data["weight"], "state": "running", "why": ""}
        elif found and data.get("mode") == "canary" and kind["kind"] == "canary_stepped":
            found |= {"weight": data["weight"], "state": data["state"]}
        elif found and data.get("mode") == "canary" and kind["kind"] == "canary_ended":
            found |= {"state": data["outcome"], "why": data["why"]}
    return found


def events(house: House, name: str) -> list[dict[str, Any]]:
    kinds = "canary_started,canary_stepped,canary_judged,canary_ended,release_went_live"
    return house.api("GET", f"/api/ledger/events?app={name}&kind={kinds}&limit=1000")[1]


def state(house: House, name: str) -> str:
    found = canary(house, name)
    return found["state"] if found else "none"


def test_a_push_goes_out_in_steps_and_is_promoted_by_what_was_seen(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    repo.change(app_py=SERVER.format(word="two"))
    with Load(house, name, rate=150) as load:
        taken, said = repo.push("-o", "canary", "main")
        assert taken, said
        assert "20 → 60 → 100 %" in said and f"wend canary {name}" in said
        until(lambda: state(house, name) == "promoted", 60, "promoted")
        until(lambda: house.get(name) == (200, "two"), 5)
    assert load.failed == {}
    weights = [
        one["data"]["weight"] for one in events(house, name) if one["kind"] in ("canary_started", "canary_stepped")
    ]
    assert weights[:2] == [20, 60]
    deploy = house.api("GET", f"/api/apps/{name}/deploys")[1][0]
    until(lambda: house.api("GET", f"/api/apps/{name}/deploys")[1][0]["state"] == "done", 15, deploy)


def test_a_release_that_answers_only_errors_goes_back_by_itself(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    repo.change(app_py=BAD.format(word="two"))
    with Load(house, name, rate=100) as load:
        taken, said = repo.push("-o", "canary=50", "main")
        assert taken, said
        began = time.monotonic()
        until(lambda: state(house, name) == "rolled back", 15, "rolled back")
        assert time.monotonic() - began < 5, "in less than 5 s of traffic"
        until(lambda: house.get(name) == (200, "one"), 5)
        failed = sum(load.failed.values())
        before = load.count()
        until(lambda: load.count() > before + 100)
    assert sum(load.failed.values()) == failed > 0, "no request fails once it is over"
    ended = canary(house, name)
    assert ended and "%" in ended["why"]
    deploy = house.api("GET", f"/api/apps/{name}/deploys")[1][0]
    assert deploy["state"] == "failed" and "rolled back" in deploy["message"]
    assert repo.git("ls-remote", "wend", "main").stdout.split()[0] == repo.git("rev-parse", "HEAD").stdout.strip()
    until(lambda: {one["release"] for one in house.api("GET", f"/api/apps/{name}/ps")[1]} == {1}, 15, "it is stopped")


def test_a_release_that_turns_bad_when_live_goes_back_by_itself(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    repo.change(app_py=BAD.format(word="two"))
    with Load(house, name, rate=100) as load:
        until(lambda: load.count() > 200)
        taken, said = repo.push("-o", "canary=off", "main")
        assert taken, said
        until(lambda: house.api("GET", f"/api/apps/{name}")[1]["live"] == 1, 10, "back to release 1")
        until(lambda: house.get(name) == (200, "one"), 5)
    last = house.api("GET", f"/api/apps/{name}/deploys")[1][0]
    assert last["cause"] == "rollback" and "by the judge" in last["summary"] and "%" in last["summary"]


def test_a_canary_without_traffic_says_that_it_cannot_tell(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    repo.change(app_py=SERVER.format(word="two"))
    assert repo.push("-o", "canary=10", "main")[0]
    until(lambda: state(house, name) == "paused", 15, "paused")
    told = [one["data"] for one in events(house, name) if one["kind"] == "canary_stepped"][-1]
    assert told["verdict"] == "cannot tell" and told["weight"] == 10
    assert house.change(f"/api/apps/{name}/abort")[1].get("done") is not None
    assert state(house, name) == "aborted"


def test_a_newer_push_takes_a_canarys_place(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    with Load(house, name, rate=60) as load:
        repo.change(app_py=SERVER.format(word="two"))
        assert repo.push("-o", "canary", "main")[0]
        repo.change(app_py=SERVER.format(word="three"))
        assert repo.push("-o", "canary", "main")[0]
        assert canary(house, name) == {"release": 3, "weight": 20, "state": "running", "why": ""}
        until(lambda: load.count("three") > 0)
        repo.change(app_py=SERVER.format(word="four"))
        assert repo.push("-o", "canary=off", "main")[0]
        assert state(house, name) == "superseded"
        until(lambda: {one["release"] for one in house.api("GET", f"/api/apps/{name}/ps")[1]} <= {1, 4}, 15)
    assert load.failed == {}
    states = [one["state"] for one in house.api("GET", f"/api/apps/{name}/deploys")[1]]
    assert states[1:3] == ["failed", "failed"], "both say that they were superseded"


def test_promote_and_abort_at_once_one_wins(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    with Load(house, name, rate=60) as load:
        for word in ("two", "three"):
            repo.change(app_py=SERVER.format(word=word))
            assert repo.push("-o", "canary=50", "main")[0]
            answers: dict[str, dict[str, Any]] = {}

            def ask(verb: str, into: dict[str, dict[str, Any]] = answers) -> None:
                into[verb] = house.change(f"/api/apps/{name}/{verb}")[1]

            threads = [threading.Thread(target=ask, args=(verb,)) for verb in ("promote", "abort")]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            done = [verb for verb, said in answers.items() if "done" in said]
            assert len(done) == 1, answers
            assert state(house, name) == {"promote": "promoted", "abort": "aborted"}[done[0]]
            other = answers[({"promote", "abort"} - set(done)).pop()]
            assert other["error"] == "conflict" and other["hint"], other
    assert load.failed == {}


def test_what_a_canary_does_not_allow_says_what_to_do(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    for verb in ("promote", "abort"):
        said = house.change(f"/api/apps/{name}/{verb}")[1]
        assert said["error"] == "notfound" and f"wend canary {name}" in said["hint"], said
    repo.change(app_py=SERVER.format(word="two"))
    taken, said = repo.push("-o", "canary=50,20", "main")
    assert not taken and "rising whole percents" in said
    assert repo.push("-o", "canary=50", "main")[0]
    last = house.change(f"/api/apps/{name}/config", {"set": {"A": "1"}, "unset": []})[1]
    assert last["error"] == "conflict" and f"wend promote {name}" in last["hint"], last
    assert "done" in house.change(f"/api/apps/{name}/rollback")[1], "going back without a number ends the canary"
    assert state(house, name) == "aborted"


def test_workers_of_a_canary_wait_for_its_promotion(platform: House, tmp_path: Path) -> None:
    files = {"requirements.txt": "", "Procfile": "web: exec python app.py\nwork: exec sleep 600\n"}
    repo = platform.repo("canary-workers", tmp_path / "repo", {**files, "app.py": SERVER.format(word="one")})
    assert repo.push()[0]
    repo.change(app_py=SERVER.format(word="two"))
    assert repo.push("-o", "canary=50", "main")[0]

    def running() -> set[tuple[int, str]]:
        found = platform.api("GET", "/api/apps/canary-workers/ps")[1]
        return {(one["release"], one["process"]) for one in found if one["phase"] == "up"}

    until(lambda: running() == {(1, "web"), (1, "work"), (2, "web")}, what=running())
    assert "done" in platform.change("/api/apps/canary-workers/promote")[1]
    until(lambda: running() == {(1, "web"), (2, "web"), (2, "work")}, what=running())


POINTS = {
    "fact:canary_started": ("running", {"one", "two"}),
    "before:canary": ("none", {"one"}),
    "after:canary": ("running", {"one", "two"}),
    "fact:canary_stepped": ("running", {"one", "two"}),
}


@pytest.mark.parametrize("point", POINTS)
def test_kill_nine_while_a_canary_begins_or_steps(house: House, tmp_path: Path, point: str) -> None:
    expected, words = POINTS[point]
    house.up()
    repo = fresh(house, tmp_path, "phoenix")
    house.stop(signal.SIGTERM)
    house.up(CRASH, point)
    with Load(house, "phoenix", rate=50) as load:
        repo.change(app_py=SERVER.format(word="two"))
        repo.push("-o", "canary", "main")
        assert house.process and house.process.wait(timeout=30) == -signal.SIGKILL
        house.up()
        assert state(house, "phoenix") in (expected, "promoted", "paused")
        if expected == "running":
            until(lambda: load.count("two") > 0, 10, "the canary has its share")
            until(lambda: state(house, "phoenix") in ("promoted", "paused"), 60, "it goes on")
        else:
            until(lambda: {one["release"] for one in house.api("GET", "/api/apps/phoenix/ps")[1]} == {1}, 15)
    assert load.failed == {}
    assert {word for (_, word) in load.seen} <= words


@pytest.mark.parametrize("point", ["before:live", "after:live", "fact:canary_ended"])
@pytest.mark.parametrize("verb", ["promote", "abort"])
def test_kill_nine_while_a_canary_ends(house: House, tmp_path: Path, verb: str, point: str) -> None:
    if verb == "abort" and "live" in point:
        point = "before:fact:canary_ended"
    house.up()
    repo = fresh(house, tmp_path, "phoenix")
    house.stop(signal.SIGTERM)
    house.up(CRASH, point)
    repo.change(app_py=SERVER.format(word="two"))
    assert repo.push("-o", "canary=50", "main")[0]
    with Load(house, "phoenix", rate=50) as load:
        with pytest.raises(OSError):
            house.change(f"/api/apps/phoenix/{verb}")
        assert house.process and house.process.wait(timeout=30) == -signal.SIGKILL
        house.up()
        over = not point.startswith("before")
        assert state(house, "phoenix") == ({"promote": "promoted", "abort": "aborted"}[verb] if over else "running")
        if over:
            word = "two" if verb == "promote" else "one"
            until(lambda: not house.api("GET", "/api/apps/phoenix")[1]["deploying"], 15, "nothing is open")
            before = load.count("one" if word == "two" else "two")
            mark = load.count()
            until(lambda: load.count() > mark + 50)
            assert load.count("one" if word == "two" else "two") - before <= 1, f"only {word} answers"
    assert load.failed == {}


def test_bad_news_does_not_wait_for_a_push_that_is_being_built(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    repo.change(app_py=BAD.format(word="two"))
    with Load(house, name, rate=60) as load:
        assert repo.push("-o", "canary=50", "main")[0]
        slow = f'{TOML}[hatch.build]\ncommand = "sleep 8"\nreason = "it is slow"\n'
        repo.change(**{"app_py": SERVER.format(word="three"), "wend.toml": slow})
        said: list[tuple[bool, str]] = []
        push = threading.Thread(target=lambda: said.append(repo.push("-o", "canary=off", "main")))
        push.start()
        until(lambda: state(house, name) == "rolled back", 10, "rolled back")
        assert push.is_alive(), "the push is still being built"
        push.join()
        assert said[0][0], said
        until(lambda: house.get(name) == (200, "three"), 5)
    assert load.count("one") and load.count("three")
