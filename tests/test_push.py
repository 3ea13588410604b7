"""The main job, whole: a real `git push` to a real platform, and the app answers, or a reason in plain words."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.house import SERVER, House, at_once, small, until


def test_push_is_live_and_says_where(platform: House, tmp_path: Path) -> None:
    repo = platform.repo("first", tmp_path / "first")
    taken, said = repo.push()
    assert taken, said
    assert "remote:   live in" in said
    assert f"http://first.localhost:{platform.edge}" in said
    assert platform.get("first") == (200, "one")
    assert platform.api("GET", "/api/apps/first")[1]["live"] == 1


def test_second_push_drops_no_request(platform: House, tmp_path: Path) -> None:
    repo = platform.repo("steady", tmp_path / "steady", at_once("one"))
    assert repo.push()[0]
    stop, seen, failed = threading.Event(), set[str](), list[object]()

    def ask() -> None:
        while not stop.is_set():
            try:
                status, body = platform.get("steady")
                seen.add(body)
                if status != 200:
                    failed.append(status)
            except OSError as error:
                failed.append(error)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for word in ("two", "three"):
        repo.change(app_py=SERVER.format(word=word))
        taken, said = repo.push()
        assert taken, said
        assert platform.get("steady") == (200, word)
    stop.set()
    for asker in askers:
        asker.join()
    assert failed == []
    assert seen == {"one", "two", "three"}


BROKEN = {
    "exits at once": ("import sys; print('no database'); sys.exit(3)", ["exited with code 3", "no database"]),
    "syntax error": ("def broken(:\n", ["exited with code 1", "SyntaxError"]),
    "wrong port": (
        SERVER.format(word="lost").replace('int(os.environ["PORT"])', "8099"),
        ["listens on port 8099, not on $PORT"],
    ),
    "answers 500": (
        SERVER.format(word="bad").replace("send_response(200)", "send_response(500)"),
        ["answers 500 at /"],
    ),
    "out of memory": ("x = []\nwhile True:\n    x.append(bytearray(2**20))\n", ["out of memory"]),
    "killed": ("import os; os.kill(os.getpid(), 9)", ["SIGKILL"]),
    "never listens": ("import time; time.sleep(600)", ["did not listen on $PORT", "boot = "]),
}


@pytest.mark.parametrize("why", BROKEN)
def test_broken_push_is_rejected_with_its_cause(platform: House, tmp_path: Path, why: str) -> None:
    app = "broken-" + why.split()[-1]
    repo = platform.repo(app, tmp_path / "repo")
    assert repo.push()[0]
    source, expected = BROKEN[why]
    repo.write({"wend.toml": '[process.web]\nboot = 7\nmemory = "64M"\n'})
    repo.change(app_py=source)
    taken, said = repo.push()
    assert not taken
    assert "[remote rejected] main -> main" in said
    for words in expected:
        assert words in said, said
    assert platform.get(app) == (200, "one")
    page = platform.api("GET", f"/api/apps/{app}")[1]
    assert page["live"] == 1
    assert page["deploys"][0]["state"] == "failed"
    gone = lambda: all(one["release"] == 1 for one in platform.api("GET", f"/api/apps/{app}/ps")[1])  # noqa: E731
    until(gone, what="the broken release's processes are gone")


def test_a_failing_worker_keeps_the_old_release(platform: House, tmp_path: Path) -> None:
    """dokku#5435: the web process is well, the worker crashes, and nothing may change."""
    repo = platform.repo("pair", tmp_path / "pair")
    assert repo.push()[0]
    repo.write({"Procfile": "web: exec python app.py\nworker: sleep 0.2; echo worker is sick; exit 7\n"})
    repo.change(app_py=SERVER.format(word="two"))
    taken, said = repo.push()
    assert not taken
    assert "worker exited with code 7" in said
    assert "worker is sick" in said
    assert platform.get("pair") == (200, "one")


def test_release_command_runs_once_before_traffic(platform: House, tmp_path: Path) -> None:
    files = small("one", Procfile="web: exec python app.py\nrelease: echo migrating; exit 0\n")
    repo = platform.repo("migrating", tmp_path / "migrating", files)
    taken, said = repo.push()
    assert taken, said
    assert said.count("release | migrating") == 1
    repo.write({"Procfile": "web: exec python app.py\nrelease: echo cannot reach the database; exit 4\n"})
    repo.change(app_py=SERVER.format(word="two"))
    taken, said = repo.push()
    assert not taken
    assert "the release command exited with code 4" in said
    assert "cannot reach the database" in said
    assert platform.get("migrating") == (200, "one")


def test_slow_boot_passes(platform: House, tmp_path: Path) -> None:
    slow = "import time; time.sleep(4)\n" + SERVER.format(word="late")
    repo = platform.repo("sleepy", tmp_path / "sleepy", {**small("x"), "app.py": slow})
    taken, said = repo.push()
    assert taken, said
    assert platform.get("sleepy") == (200, "late")


def test_in_flight_requests_finish_on_the_old_release(platform: House, tmp_path: Path) -> None:
    repo = platform.repo("patient", tmp_path / "patient")
    assert repo.push()[0]
    answers: list[tuple[int, str]] = []
    asker = threading.Thread(target=lambda: answers.append(platform.get("patient", "/slow=3")))
    asker.start()
    repo.change(app_py=SERVER.format(word="two"))
    taken, said = repo.push()
    assert taken, said
    assert platform.get("patient") == (200, "two")
    assert answers == [], "the slow request must still be under way for this test to mean anything"
    asker.join()
    assert answers == [(200, "one")]


def test_no_path_says_what_it_looked_for(platform: House, tmp_path: Path) -> None:
    repo = platform.repo("nothing", tmp_path / "nothing", {"notes.txt": "just words"})
    taken, said = repo.push()
    assert not taken
    for name in ("requirements.txt", "package.json", "go.mod", "Procfile"):
        assert name in said


def test_unknown_key_is_refused_with_the_nearest(platform: House, tmp_path: Path) -> None:
    repo = platform.repo("typo", tmp_path / "typo", small("one", **{"wend.toml": '[process.web]\nmemry = "1G"\n'}))
    taken, said = repo.push()
    assert not taken
    assert "process.web.memry" in said
    assert "did you mean 'memory'" in said


def test_worker_only_app(platform: House, tmp_path: Path) -> None:
    files = {"requirements.txt": "", "Procfile": "worker: exec sleep 600\n"}
    repo = platform.repo("quiet", tmp_path / "quiet", files)
    taken, said = repo.push()
    assert taken, said
    assert platform.get("quiet")[0] == 503


def test_newer_push_wins(platform: House, tmp_path: Path) -> None:
    repo = platform.repo("racing", tmp_path / "racing")
    assert repo.push()[0]
    repo.change(app_py="import time; time.sleep(30)\n" + SERVER.format(word="slow"))
    results: list[tuple[bool, str]] = []
    older = threading.Thread(target=lambda: results.append(repo.push()))
    older.start()
    until(lambda: platform.api("GET", "/api/apps/racing")[1]["deploying"], what="the slow push is deploying")
    repo.change(app_py=SERVER.format(word="new"))
    began = time.monotonic()
    taken, said = repo.push()
    older.join()
    assert taken, said
    assert time.monotonic() - began < 15
    assert platform.get("racing") == (200, "new")
    assert not results[0][0]
    assert "superseded by a newer push" in results[0][1]
