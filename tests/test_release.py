"""Living with releases: configuration, secrets, rollback, scale, one-off commands, destroy."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tests.house import SERVER, House, Repo, until


@pytest.fixture
def app(platform: House, tmp_path: Path, request: pytest.FixtureRequest) -> tuple[House, Repo, str]:
    """A platform, a pushed repository and the app's name."""
    name = "app-" + request.node.name.removeprefix("test_").replace("_", "-")[:28].rstrip("-")
    repo = platform.repo(name, tmp_path / "repo")
    taken, said = repo.push()
    assert taken, said
    return platform, repo, name


def test_config_makes_a_new_release_and_rollback_brings_the_old_one_back(app: tuple[House, Repo, str]) -> None:
    house, _, name = app
    _, last = house.change(f"/api/apps/{name}/config", {"set": {"GREETING": "hej"}, "unset": []})
    assert "done" in last, last
    assert house.get(name, "/env/GREETING") == (200, "hej")
    assert house.api("GET", f"/api/apps/{name}/config")[1] == {"GREETING": "hej"}
    lines, last = house.change(f"/api/apps/{name}/rollback", {})
    assert "done" in last, (lines, last)
    assert house.get(name, "/env/GREETING") == (200, "")
    assert house.api("GET", f"/api/apps/{name}/config")[1] == {}, "configuration goes back with the artifact"


def test_config_that_breaks_the_app_changes_nothing(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    repo.change(app_py="import os\nassert os.environ.get('MODE') != 'bad', 'mode is bad'\n" + SERVER.format(word="one"))
    assert repo.push()[0]
    lines, last = house.change(f"/api/apps/{name}/config", {"set": {"MODE": "bad"}, "unset": []})
    assert last.get("error") == "refused", last
    assert any("mode is bad" in line for line in lines)
    assert house.get(name) == (200, "one")
    assert house.api("GET", f"/api/apps/{name}/config")[1] == {}


def test_secrets_reach_the_app_and_nothing_else(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    value = "s3cr3t-" + "x7Kq" * 5
    _, last = house.change(f"/api/apps/{name}/secrets", {"set": {"API_KEY": value}, "unset": []})
    assert "done" in last, last
    assert house.get(name, "/env/API_KEY") == (200, value)
    listed = house.api("GET", f"/api/apps/{name}/secrets")[1]
    assert listed["API_KEY"]["version"] == 1
    assert value not in str(listed)
    repo.change(app_py="import os\nprint('key is', os.environ['API_KEY'], flush=True)\n" + SERVER.format(word="two"))
    assert repo.push()[0]
    lines = [line["text"] for line in house.api("GET", f"/api/apps/{name}/logs?lines=50")[1]]
    assert any("key is" in line for line in lines)
    assert not any(value in line for line in lines)
    assert not hits(house.home, value), "the value is nowhere in the home"
    repo.change(app_py="import os\nraise SystemExit('leak ' + os.environ['API_KEY'])\n")
    taken, said = repo.push()
    assert not taken and "leak" in said and value not in said


def hits(home: Path, value: str) -> list[str]:
    """Files of the home that contain the value."""
    found: list[str] = []
    for folder, _, names in os.walk(home):  # skips what goes while it looks
        for file in (Path(folder) / name for name in names):
            try:
                if file.is_file() and not file.is_symlink() and value.encode() in file.read_bytes():
                    found.append(str(file))
            except OSError:
                continue
    return found


def test_a_push_during_a_rollback_waits_or_wins(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    repo.change(app_py=SERVER.format(word="two"))
    assert repo.push()[0]
    repo.change(app_py=SERVER.format(word="three"))
    outcome: list[dict[str, object]] = []
    back = threading.Thread(target=lambda: outcome.append(house.change(f"/api/apps/{name}/rollback", {})[1]))
    back.start()
    taken, said = repo.push()
    back.join()
    word = house.get(name)[1]
    assert taken or "superseded by a newer rollback" in said, said
    assert "done" in outcome[0] or "superseded" in str(outcome[0]), outcome
    assert word in ({"three", "one"} if taken else {"one"})
    until(lambda: not house.api("GET", f"/api/apps/{name}")[1]["deploying"], what="no deploy is open")


def test_rollback_refusals(app: tuple[House, Repo, str]) -> None:
    house, _, name = app
    for body, words in (
        ({}, "no earlier release"),
        ({"release": 1}, "already live"),
        ({"release": 99}, "no release 99"),
    ):
        _, last = house.change(f"/api/apps/{name}/rollback", body)
        assert words in last["message"]
        assert last["hint"]


def test_scale_up_down_and_back(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    _, last = house.change(f"/api/apps/{name}/scale", {"counts": {"web": 3}})
    assert "done" in last, last
    up = [one for one in house.api("GET", f"/api/apps/{name}/ps")[1] if one["phase"] == "up"]
    assert len(up) == 3 and len({one["port"] for one in up}) == 3
    repo.change(app_py=SERVER.format(word="two"))
    assert repo.push()[0]
    live = [one for one in house.api("GET", f"/api/apps/{name}/ps")[1] if one["release"] == 2]
    assert len(live) == 3, "the scale holds for the next release"
    house.change(f"/api/apps/{name}/scale", {"counts": {"web": 0}})
    assert house.get(name)[0] == 503
    house.change(f"/api/apps/{name}/scale", {"counts": {"web": 1}})
    assert house.get(name) == (200, "two")
    _, last = house.change(f"/api/apps/{name}/scale", {"counts": {"nope": 1}})
    assert "no process 'nope'" in last["message"]


def test_run_a_one_off_command(app: tuple[House, Repo, str]) -> None:
    house, _, name = app
    lines, last = house.change(f"/api/apps/{name}/run", {"command": "echo hello $WEND_APP; ls /app; exit 3"})
    assert lines[0] == f"hello {name}"
    assert "app.py" in lines
    assert last["done"]["code"] == 3
    run = house.api("GET", f"/api/apps/{name}")[1]["runs"][0]
    assert run["ended"] == "exited with code 3"


def test_an_app_that_ignores_sigterm_is_ended(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    repo.write({"wend.toml": "[process.web]\ngrace = 1\n"})
    repo.change(
        app_py=SERVER.format(word="deaf").replace(
            "signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())",
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        )
    )
    assert repo.push()[0]
    house.change(f"/api/apps/{name}/scale", {"counts": {"web": 0}})
    until(
        lambda: not [one for one in house.api("GET", f"/api/apps/{name}/ps")[1] if one["release"] == 2],
        what="the deaf process is gone",
    )


def test_destroy_wants_the_name_and_leaves_nothing(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    status, said = house.api("DELETE", f"/api/apps/{name}", {"confirm": "wrong"})
    assert status == 403 and name in said["hint"]
    status, _ = house.api("DELETE", f"/api/apps/{name}", {"confirm": name})
    assert status == 200
    assert house.get(name)[0] == 404
    assert house.api("GET", f"/api/apps/{name}")[0] == 404
    assert not (house.home / "repos" / f"{name}.git").exists()
    repo.commit()
    taken, said = repo.push()
    assert taken, said
    assert house.get(name) == (200, "one")


def test_only_the_apps_branch_goes_live(app: tuple[House, Repo, str]) -> None:
    house, repo, name = app
    repo.git("checkout", "-q", "-b", "idea")
    repo.change(app_py=SERVER.format(word="idea"))
    taken, said = repo.push("idea")
    assert taken and f"preview http://idea--{name}" in said
    assert house.get(name) == (200, "one")
    status, _ = house.api("POST", f"/api/apps/{name}/branch", {"branch": "idea"})
    assert status == 200
    repo.commit()
    taken, said = repo.push("idea")
    assert taken, said
    assert house.get(name) == (200, "idea")


def test_every_act_is_in_the_ledger_and_it_verifies(platform: House) -> None:
    status, found = platform.api("GET", "/api/ledger/verify")
    assert status == 200 and found["events"] > 0
    kinds = {event["kind"] for event in platform.api("GET", "/api/ledger/events?limit=1000")[1]}
    assert {"platform_started", "token_created"} <= kinds
