"""Kill the control plane at every step of a deploy, the proxy, and a shim: old or new serves, always; the restart takes
the matter up; nothing stays stuck and nothing is orphaned."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.house import SERVER, House, at_once, until
from wend.journal import FORWARD, STEPS

CRASH = str(Path(__file__).with_name("crash_serve.py"))
POINTS = [f"{when}:{step}" for step in STEPS for when in ("before", "after") if step not in ("received", "canary")]
POINTS.append("after:received")  # a canary's step has its own tests, in test_canary.py


class Watcher(threading.Thread):
    """Asks for the app all the time; `failed` collects what was not a 200 of an expected word."""

    def __init__(self, house: House, app: str, words: set[str]) -> None:
        super().__init__(daemon=True)
        self.house, self.app, self.words = house, app, words
        self.failed: list[object] = []
        self.seen: list[str] = []
        self.ended = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.ended.is_set():
            try:
                status, body = self.house.get(self.app)
                if status != 200 or body not in self.words:
                    self.failed.append((status, body))
                self.seen.append(body)
            except OSError as error:
                self.failed.append(error)
            time.sleep(0.005)

    def stop(self) -> None:
        self.ended.set()
        self.join()


def expected_after(point: str) -> str:
    """The word that serves after recovery: the deploy goes forward once `gated` is written."""
    when, _, step = point.partition(":")
    order = [one for one in STEPS if one != "canary"]
    written = order.index(step) if when == "after" else order.index(step) - 1
    return "two" if order[written] in FORWARD or order[written] == "done" else "one"


@pytest.mark.parametrize("point", POINTS)
def test_kill_nine_at_every_step(house: House, tmp_path: Path, point: str) -> None:
    house.up()
    repo = house.repo("phoenix", tmp_path / "phoenix", at_once("one"))
    assert repo.push()[0]
    house.stop(signal.SIGTERM)
    house.up(CRASH, point)
    watcher = Watcher(house, "phoenix", {"one", "two"})
    head = repo.change(app_py=SERVER.format(word="two"))
    repo.push()
    assert house.process
    assert house.process.wait(timeout=30) == -signal.SIGKILL
    house.up()
    word = expected_after(point)
    until(lambda: house.get("phoenix") == (200, word), 10, f"{word} serves after {point}")
    settle(house, "phoenix", 2 if word == "two" else 1)
    watcher.stop()
    assert watcher.failed == []
    branch = repo.git("ls-remote", "wend", "main").stdout.split()[0]
    assert (branch == head) == (word == "two"), "the branch says what is live"
    repo.change(app_py=SERVER.format(word="three"))
    taken, said = repo.push()
    assert taken, said
    assert house.get("phoenix") == (200, "three")


def settle(house: House, app: str, live: int) -> None:
    """Wait until no deploy is open and only the live release and the one kept warm have processes."""

    def calm() -> bool:
        page = house.api("GET", f"/api/apps/{app}")[1]
        states = {deploy["state"] for deploy in page["deploys"]}
        running = {one["release"] for one in page["processes"] if one["phase"] != "stopping"}
        return not states & {"running", "live"} and live in running and running <= {1, live} and page["live"] == live

    until(calm, 15, f"{app} is calm with release {live}")


def pid_of(folder: Path, name: str) -> int:
    return int((folder / name).read_text().split()[0])


def test_kill_nine_of_the_proxy(house: House, tmp_path: Path) -> None:
    house.up()
    repo = house.repo("shielded", tmp_path / "shielded")
    assert repo.push()[0]
    old = envoys(house)
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    until(lambda: answers(house, "shielded"), 10, "the proxy is back")
    assert time.monotonic() - began < 3
    assert not set(envoys(house)) & set(old)


def envoys(house: House) -> list[int]:
    """Processes whose working folder is the proxy's."""
    folder = (house.home / "run" / "envoy").resolve()
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").resolve() == folder:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def answers(house: House, app: str) -> bool:
    try:
        return house.get(app)[0] == 200
    except OSError:
        return False


def test_kill_nine_of_a_shim_keeps_serving(house: House, tmp_path: Path) -> None:
    house.up()
    repo = house.repo("tough", tmp_path / "tough", at_once("one"))
    assert repo.push()[0]
    watcher = Watcher(house, "tough", {"one"})
    before = house.api("GET", "/api/apps/tough/ps")[1]
    shims = shim_pids(house)
    assert shims
    os.kill(shims[0], signal.SIGKILL)

    def replaced() -> bool:
        now = house.api("GET", "/api/apps/tough/ps")[1]
        return [one["phase"] for one in now] == ["up"] and now[0]["id"] != before[0]["id"]

    until(replaced, 15, "the replica is replaced and the old one gone")
    watcher.stop()
    assert watcher.failed == []


def shim_pids(house: House) -> list[int]:
    """The shims of this home, as their replicas' state files name them."""
    files = (house.home / "run" / "replicas").glob("*/state.json")
    return [json.loads(file.read_text())["shim"][0] for file in files]


def test_a_crashed_process_comes_back_and_its_end_is_recorded(house: House, tmp_path: Path) -> None:
    house.up()
    source = SERVER.format(word="one").replace(
        "def do_GET(self):", "def do_GET(self):\n        if self.path == '/die': os._exit(9)"
    )
    repo = house.repo(
        "mortal",
        tmp_path / "mortal",
        {"requirements.txt": "", "Procfile": "web: exec python app.py\n", "app.py": source},
    )
    assert repo.push()[0]
    house.get("mortal", "/die")
    until(lambda: answers(house, "mortal"), 10, "it is restarted")
    exits = until(lambda: house.api("GET", "/api/apps/mortal")[1]["exits"], 10, "the end is recorded")
    assert exits[0]["cause"] == "exited with code 9"
