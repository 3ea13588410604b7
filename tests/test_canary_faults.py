"""Canaries that meet trouble on a real platform: killed processes, a killed proxy, restarts, counts that change, sleep,
a push in the middle, and an app that goes away."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.house import SERVER, House, Repo, until
from tests.load import Load
from tests.test_canary import BAD, TOML, events, fresh, state
from tests.test_crash import answers, envoys

PATIENT = TOML.replace("seconds = 2", "seconds = 600")
SLOW_PUSH = '[hatch.build]\ncommand = "sleep {}"\nreason = "it is slow"\n'


@pytest.fixture
def app(platform: House, tmp_path: Path, request: pytest.FixtureRequest) -> tuple[House, Repo, str]:
    name = "fault-" + request.node.name.removeprefix("test_").replace("_", "-")[:28].rstrip("-")
    return platform, fresh(platform, tmp_path, name), name


def begin(house: House, repo: Repo, toml: str = PATIENT, share: str = "50", word: str = "two") -> None:
    """Release 2 beside release 1, in one step that lasts."""
    repo.change(**{"app_py": SERVER.format(word=word), "wend.toml": toml})
    taken, said = repo.push("-o", f"canary={share}", "main")
    assert taken, said


def ps(house: House, name: str) -> list[dict[str, Any]]:
    return house.api("GET", f"/api/apps/{name}/ps")[1]


def up(house: House, name: str) -> dict[int, int]:
    """Release → how many of its web processes are up."""
    found: dict[int, int] = {}
    for one in ps(house, name):
        if one["phase"] == "up":
            found[one["release"]] = found.get(one["release"], 0) + 1
    return found


def told(house: House, name: str) -> dict[str, Any]:
    return house.api("GET", f"/api/apps/{name}/canary")[1]


def seen(house: House, name: str) -> int:
    """Requests to the canary as the judge last wrote them down."""
    canary = told(house, name)["canary"]
    return canary["numbers"].get("canary", {}).get("requests", 0) if canary else 0


def building(house: House, repo: Repo, name: str, seconds: int = 8) -> tuple[threading.Thread, list[tuple[bool, str]]]:
    """A push of release 3 as a canary, which is being built now and takes its time; what git will have said."""
    before = house.api("GET", f"/api/apps/{name}/deploys")[1][0]["id"]
    repo.change(**{"app_py": SERVER.format(word="three"), "wend.toml": PATIENT + SLOW_PUSH.format(seconds)})
    said: list[tuple[bool, str]] = []
    push = threading.Thread(target=lambda: said.append(repo.push("-o", "canary=50", "main")))
    push.start()
    until(lambda: house.api("GET", f"/api/apps/{name}/deploys")[1][0]["id"] != before, 10)
    return push, said


def inside(house: House, name: str, release: int) -> list[int]:
    """Pids of the release's app processes."""
    return [one["pid"] for one in ps(house, name) if one["release"] == release and one["pid"]]


# ---------------------------------------------------------------------------------------------- killed


def test_a_canary_whose_process_is_killed_again_and_again_goes_back(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    begin(house, repo)
    until(lambda: told(house, name)["canary"]["numbers"], what="the judge has looked once")
    for _ in range(2):
        pids = until(lambda: inside(house, name, 2) if state(house, name) == "running" else [0], 15, "it is back")
        if pids != [0]:
            os.kill(pids[0], signal.SIGKILL)
            until(lambda pid=pids[0]: pid not in inside(house, name, 2), 10)
    until(lambda: state(house, name) == "rolled back", 15, "rolled back")
    assert "its processes ended 2 times" in told(house, name)["past"][0]["why"]
    until(lambda: up(house, name) == {1: 1}, 15)


def test_the_stable_release_killed_beside_it_blames_nobody(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    begin(house, repo)
    with Load(house, name, rate=60) as load:
        until(lambda: load.count("one") > 30 and load.count("two") > 30)
        for pid in inside(house, name, 1):
            os.kill(pid, signal.SIGKILL)
        until(lambda: load.count("two") > 100 and up(house, name) == {1: 1, 2: 1}, 15)
        mark = load.count("one")
        until(lambda: load.count("one") > mark + 30, 15, "it is back")
    assert state(house, name) == "running"


def test_a_killed_shim_of_a_canary_is_replaced_without_a_failed_request(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    begin(house, repo)
    old = {one["id"] for one in ps(house, name)}
    [folder] = (house.home / "run" / "replicas").glob(f"{name}.2.*")
    with Load(house, name, rate=60) as load:
        os.kill(json.loads((folder / "state.json").read_text())["shim"][0], signal.SIGKILL)
        until(lambda: {one["id"] for one in ps(house, name) if one["release"] == 2} - old, 15, "replaced")
        until(lambda: up(house, name) == {1: 1, 2: 1}, 15)
        mark = load.count("two")
        until(lambda: load.count("two") > mark + 30, 15)
    assert load.failed == {} and state(house, name) == "running"


def test_a_killed_proxy_blames_nobody_and_keeps_the_share(house: House, tmp_path: Path) -> None:
    house.up()
    repo = fresh(house, tmp_path, "shielded")
    begin(house, repo)
    with Load(house, "shielded", rate=60) as load:
        until(lambda: load.count("two") > 30)
        for pid in envoys(house):
            os.kill(pid, signal.SIGKILL)
        until(lambda: answers(house, "shielded"), 10, "the proxy is back")
        one, two = load.count("one"), load.count("two")
        until(lambda: load.count("one") > one + 60 and load.count("two") > two + 60, 15, "both have their share")
        assert state(house, "shielded") == "running"
        numbers = until(lambda: told(house, "shielded")["canary"]["numbers"].get("canary"))
        assert numbers["errors"] == 0, numbers


def test_a_canary_that_ends_as_it_starts_never_gets_a_request(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    with Load(house, name, rate=60) as load:
        repo.change(app_py="raise SystemExit(3)\n")
        taken, said = repo.push("-o", "canary=50", "main")
    assert not taken and "exited with code 3" in said, said
    assert load.failed == {} and state(house, name) == "none"
    until(lambda: up(house, name) == {1: 1})


def test_a_release_that_is_only_slower_goes_back(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    late = SERVER.replace("body = (", "time.sleep(0.06)\n        body = (")
    repo.change(**{"app_py": late.format(word="two"), "wend.toml": PATIENT})
    with Load(house, name, rate=60, hands=8) as load:
        assert repo.push("-o", "canary=50", "main")[0]
        until(lambda: state(house, name) == "rolled back", 40)
    assert load.failed == {} and "is slower" in told(house, name)["past"][0]["why"]


# ---------------------------------------------------------------------------------------------- restarted


def test_a_stopped_platform_leaves_the_share_and_goes_on(house: House, tmp_path: Path) -> None:
    house.up()
    repo = fresh(house, tmp_path, "phoenix")
    begin(house, repo)
    with Load(house, "phoenix", rate=60) as load:
        before = until(lambda: seen(house, "phoenix") > 60 and told(house, "phoenix")["canary"])
        house.stop(signal.SIGTERM)
        two = load.count("two")
        until(lambda: load.count("two") > two + 30, 15, "the share stays without the platform")
        house.up()
        after = until(lambda: (now := told(house, "phoenix")["canary"])["numbers"] != before["numbers"] and now)
        assert after["numbers"]["canary"]["requests"] > before["numbers"]["canary"]["requests"]
        assert after["numbers"]["seconds"] > before["numbers"]["seconds"]
        assert "done" in house.change("/api/apps/phoenix/promote")[1]
        until(lambda: house.get("phoenix") == (200, "two"))
        house.stop(signal.SIGTERM)
        house.up()
        watch = told(house, "phoenix")["watch"]
        assert watch and watch["release"] == 2, "the watch goes on after a restart"
    assert load.failed == {}


# ---------------------------------------------------------------------------------------------- counts and sleep


def test_counts_by_hand_hold_for_both_releases(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    begin(house, repo)
    with Load(house, name, rate=60) as load:
        for count in (3, 1):
            assert "done" in house.change(f"/api/apps/{name}/scale", {"counts": {"web": count}})[1]
            until(lambda count=count: up(house, name) == {1: count, 2: count}, 20, str(ps(house, name)))
        assert "done" in house.change(f"/api/apps/{name}/abort")[1]
        until(lambda: up(house, name) == {1: 1}, 15)
    assert load.failed == {}


def test_load_brings_replicas_to_both_releases_and_takes_none_away(platform: House, tmp_path: Path) -> None:
    name = "fault-load"
    toml = PATIENT.replace("[canary]", "replicas = { min = 1, max = 3, target = 1 }\n[canary]")
    repo = platform.repo(name, tmp_path / name)
    repo.change(**{"wend.toml": toml})
    assert repo.push()[0]
    begin(platform, repo, toml)
    with Load(platform, name, rate=60, path="/slow=0.2", hands=8) as load:
        until(lambda: up(platform, name) == {1: 3, 2: 3}, 40, str(ps(platform, name)))
    assert load.failed == {}
    assert "done" in platform.change(f"/api/apps/{name}/promote")[1]
    until(lambda: up(platform, name)[2] == 3 and platform.get(name) == (200, "two"))


def test_a_sleeper_gets_a_canary_and_sleeps_again_when_it_is_over(platform: House, tmp_path: Path) -> None:
    name = "fault-sleeper"
    toml = PATIENT.replace("[canary]", "replicas = { min = 0, max = 2, idle = 1 }\n[canary]")
    repo = platform.repo(name, tmp_path / name)
    repo.change(**{"wend.toml": toml})
    taken, said = repo.push()
    assert taken, said
    until(lambda: [one["phase"] for one in ps(platform, name)] == ["asleep"], 30, "asleep")
    begin(platform, repo, toml)
    words = {platform.get(name) for _ in range(30)}
    assert words == {(200, "one"), (200, "two")}, words
    assert "done" in platform.change(f"/api/apps/{name}/abort")[1]
    until(lambda: [(one["release"], one["phase"]) for one in ps(platform, name)] == [(1, "asleep")], 30, "asleep again")
    assert platform.get(name) == (200, "one")


# ---------------------------------------------------------------------------------------------- other wishes


def test_a_promotion_that_waited_does_not_promote_a_newer_canary(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    begin(house, repo)
    push, said = building(house, repo, name)
    last = house.change(f"/api/apps/{name}/promote")[1]
    push.join()
    assert said[0][0], said
    assert last.get("error") == "conflict" and "release 2" in last["message"] and "superseded" in last["message"], last
    found = told(house, name)
    assert found["live"] == 1 and found["canary"]["release"] == 3


def test_the_judge_does_not_promote_a_newer_canary_either(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    begin(house, repo, TOML.replace("seconds = 2", 'seconds = 3\ncannot_tell = "promote"'))
    push, said = building(house, repo, name)
    assert told(house, name)["live"] == 1, "the push has the turn before the step is over"
    push.join()
    assert said[0][0], said
    with Load(house, name, rate=60):
        until(lambda: seen(house, name) > 120, 15, "the newer one is judged by what it does")
    assert told(house, name)["canary"]["release"] == 3
    assert [one["data"]["release"] for one in events(house, name) if one["kind"] == "release_went_live"] == [1]


def test_the_judge_that_waits_to_promote_still_takes_back(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    turns = SERVER.replace("self.send_response(200)", "self.send_response(500 if hasattr(Server, 'bad') else 200)")
    turns = turns.replace("def do_GET(self):", "def do_GET(self):\n        if self.path == '/turn': Server.bad = True")
    repo.change(**{"app_py": turns.format(word="two"), "wend.toml": TOML.replace("seconds = 2", "seconds = 1")})
    with Load(house, name, rate=150):
        assert repo.push("-o", "canary=80", "main")[0]
        push, said = building(house, repo, name, seconds=100)
        until(lambda: told(house, name)["canary"]["verdict"] == "promote", 60)
        while push.is_alive() and house.get(name, "/turn")[0] == 200:
            pass
        until(lambda: state(house, name) == "rolled back", 20)
        assert push.is_alive(), "the push is still being built"
    house.api("DELETE", f"/api/apps/{name}", {"confirm": name})  # ends the push too
    push.join()
    assert not said[0][0], said


def test_going_back_by_number_during_a_canary(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    repo.change(app_py=SERVER.format(word="two"))
    assert repo.push("-o", "canary=off", "main")[0]
    begin(house, repo, word="three")
    assert house.change(f"/api/apps/{name}/rollback", {"release": 3})[1]["error"] == "refused"
    assert "done" in house.change(f"/api/apps/{name}/rollback", {"release": 2})[1]
    assert state(house, name) == "aborted", "going back to the one that serves ends the canary"
    assert house.change(f"/api/apps/{name}/canary", {"release": 3, "steps": "50"})[1].get("done"), "try it again"
    with Load(house, name, rate=60) as load:
        assert "done" in house.change(f"/api/apps/{name}/rollback", {"release": 1})[1]
        until(lambda: house.get(name) == (200, "one"))
    assert load.failed == {} and state(house, name) == "superseded"
    assert house.change(f"/api/apps/{name}/canary", {"release": 2, "steps": "50"})[1].get("done")
    assert "done" in house.change(f"/api/apps/{name}/rollback", {"release": 2})[1], "a canary that was live once"
    assert house.get(name) == (200, "two")


def test_destroying_during_a_canary_leaves_nothing(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    deaf = SERVER.replace("signal.signal(signal.SIGTERM, ", "signal.signal(signal.SIGTERM, signal.SIG_IGN) or (")
    steps = '[process.web]\nhealth = "/health"\ngrace = 4\n[canary]\nsteps = [20, 40, 60, 80]\nseconds = 1\n'
    repo.change(**{"app_py": deaf.format(word="two"), "wend.toml": steps})
    assert repo.push("-o", "canary", "main")[0]
    assert house.api("DELETE", f"/api/apps/{name}", {"confirm": name})[0] == 200, "the judge wants a step meanwhile"
    assert house.api("GET", f"/api/apps/{name}")[0] == 404 and house.get(name)[0] == 404
    assert not list((house.home / "run" / "replicas").glob(f"{name}.*"))


@pytest.mark.parametrize(("cannot_tell", "ends"), [("promote", "promoted"), ("rollback", "rolled back")])
def test_what_cannot_be_told_goes_as_the_policy_says(
    platform: House, tmp_path: Path, cannot_tell: str, ends: str
) -> None:
    name = f"fault-silent-{cannot_tell}"
    repo = fresh(platform, tmp_path, name)
    toml = TOML.replace("seconds = 2", f'seconds = 1\ncannot_tell = "{cannot_tell}"')
    begin(platform, repo, toml)
    until(lambda: state(platform, name) == ends, 20)
    until(lambda: platform.get(name) == (200, "two" if ends == "promoted" else "one"))
    assert told(platform, name)["past"][0]["why"] == "no requests came to it, so nobody can tell"


def test_a_sticky_canary_keeps_a_client_at_one_release(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    begin(house, repo, PATIENT + "sticky = true\n")
    assert len({house.get(name) for _ in range(30)}) == 1, "one address, one release"


def test_what_has_no_canary_says_why(platform: House, tmp_path: Path) -> None:
    first = platform.repo("fault-first", tmp_path / "first")
    taken, said = first.push("-o", "canary", "main")
    assert taken and "no canary: there is no live web process" in said and "live in" in said
    files = {"requirements.txt": "", "Procfile": "work: exec sleep 600\n"}
    worker = platform.repo("fault-worker", tmp_path / "worker", files)
    assert worker.push()[0]
    worker.change(Procfile="web: exec python app.py\nwork: exec sleep 600\n", app_py=SERVER.format(word="one"))
    taken, said = worker.push("-o", "canary=50", "main")
    assert taken and "no canary" in said
    assert "done" in platform.change("/api/apps/fault-worker/rollback")[1]
    last = platform.change("/api/apps/fault-worker/canary", {"release": 2})[1]
    assert last["error"] == "refused" and "no web process to compare with" in last["message"], last
    first.git("checkout", "-q", "-b", "feature")
    first.change(app_py=SERVER.format(word="two"))
    taken, said = first.push("-o", "canary", "feature")
    assert taken, said
    assert platform.get("feature--fault-first") == (200, "two")
    first.change(app_py=SERVER.format(word="three"))
    assert first.push("feature")[0]
    last = platform.change("/api/apps/feature--fault-first/canary", {"release": 1})[1]
    assert last["error"] == "refused" and "preview" in last["message"], last


# ---------------------------------------------------------------------------------------------- nothing to go back to


def test_a_watch_whose_release_before_is_gone_says_so_and_ends(tmp_path: Path) -> None:
    house = House(tmp_path / "home", {"WEND_WARM_SECONDS": "0", "WEND_DRAIN_SECONDS": "1"}).up()
    try:
        repo = fresh(house, tmp_path, "stranded")
        repo.change(**{"app_py": BAD.format(word="two"), "wend.toml": TOML.replace("watch = 30", "watch = 8")})
        assert repo.push("-o", "canary=off", "main")[0]
        until(lambda: {one["release"] for one in ps(house, "stranded")} == {2}, 20)
        [first, _] = sorted((house.home / "artifacts").glob("*.json"), key=lambda file: file.stat().st_mtime)
        first.unlink()
        with Load(house, "stranded", rate=60):
            until(lambda: told(house, "stranded")["watch"] is None, 40)
        ended = told(house, "stranded")["past"][0]
        assert ended["state"] == "kept", ended
        assert "going back failed: the files of stranded's release 1 are gone" in ended["why"]
        tries = [one for one in house.api("GET", "/api/apps/stranded/deploys")[1] if one["cause"] == "rollback"]
        assert 1 <= len(tries) <= 3 and {one["state"] for one in tries} == {"failed"}, "tried with patience"
        assert house.get("stranded") == (500, "two")
    finally:
        house.down()
