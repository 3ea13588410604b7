"""What can keep the platform from starting, each with one clear sentence and the next command."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import House, until
from wend.state import SCHEMA


def fails(house: House, code: int, *words: str) -> None:
    """Starting ends with this exit code, saying each of the words, a next command, and no traceback."""
    process = house.start()
    assert process.wait(timeout=30) == code, house.log()
    said = house.log()
    for word in (*words, "error:", "try:"):
        assert word in said, said
    assert "Traceback" not in said


def test_first_start_makes_a_private_home(house: House) -> None:
    house.up()
    for name in ("admin.token", "secrets.key", "ledger.key", "wend.db"):
        assert (house.home / name).stat().st_mode & 0o077 == 0, name
    token = house.token
    house.stop()
    assert not (house.home / "run" / "serve.json").exists()
    house.up()
    assert house.token == token, "the token stays the same"


@pytest.mark.parametrize("which", ["listen", "edge"])
def test_port_taken(house: House, which: str) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", getattr(house, which)))
        sock.listen()
        fails(house, 6, f"127.0.0.1:{getattr(house, which)}")


def test_a_second_platform_on_the_same_home(house: House) -> None:
    house.up()
    second = House(house.home)
    (house.home / "test.log").write_text("")
    fails(second, 5, "already runs", str(house.process.pid if house.process else ""))


def test_a_home_from_a_newer_wend(house: House) -> None:
    house.up()
    house.stop()
    raw = sqlite3.connect(house.home / "wend.db")
    raw.executescript(f"UPDATE meta SET value = '{SCHEMA + 1}' WHERE key = 'schema';")
    raw.close()
    fails(house, 4, "newer Wend")


def test_a_home_that_cannot_be_written(house: House, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    said = subprocess.run(
        [sys.executable, "-m", "wend.serve", "--home", str(blocked / "home"), "--listen", "127.0.0.1:0"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert said.returncode == 6
    assert f"the home {blocked / 'home'} cannot be written" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_damaged_database(house: House) -> None:
    house.home.mkdir(parents=True)
    (house.home / "wend.db").write_bytes(b"this is not a database" * 1000)
    fails(house, 6, "wend.db")


def test_nearly_full_disk_refuses_the_push_and_nothing_else(house: House, tmp_path: Path) -> None:
    house.up()
    repo = house.repo("thin", tmp_path / "thin")
    assert repo.push()[0]
    house.stop(signal.SIGTERM)
    house.env["WEND_DISK_FLOOR"] = str(2**60)
    house.up()
    repo.commit()
    taken, said = repo.push()
    assert not taken
    assert "the disk is nearly full" in said
    assert house.get("thin") == (200, "one")


def test_sigterm_leaves_the_apps_serving_and_the_next_start_adopts_them(house: House, tmp_path: Path) -> None:
    house.up()
    repo = house.repo("steady", tmp_path / "steady")
    assert repo.push()[0]
    before = house.api("GET", "/api/apps/steady/ps")[1]
    assert house.stop(signal.SIGTERM) == 0
    assert house.get("steady") == (200, "one")
    house.up()
    after = house.api("GET", "/api/apps/steady/ps")[1]
    assert [one["pid"] for one in after] == [one["pid"] for one in before]


def test_sigint_stops_everything(house: House, tmp_path: Path) -> None:
    house.up()
    assert house.repo("brief", tmp_path / "brief").push()[0]
    pids = [one["pid"] for one in house.api("GET", "/api/apps/brief/ps")[1]]
    assert pids and house.stop(signal.SIGINT) == 0
    with pytest.raises(OSError):
        house.get("brief")
    until(lambda: not any(alive(pid) for pid in pids), what="the app's processes are gone")
    house.up()
    until(lambda: answers(house), what="a start brings the apps back")


def answers(house: House) -> bool:
    try:
        return house.get("brief") == (200, "one")
    except OSError:
        return False


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
