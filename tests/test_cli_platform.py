"""The command line and a real platform: started, used and stopped as people do it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.house import House, Repo, free_port, small, until
from wend.cli import site, witness

Run = Callable[..., tuple[int, str, str]]
pytest_plugins = ["tests.cli_world"]
pytestmark = pytest.mark.usefixtures("alone")
WEND = [sys.executable, "-m", "wend.cli"]


@pytest.fixture
def addresses() -> list[str]:
    return ["--listen", f"127.0.0.1:{free_port()}", "--edge", f"127.0.0.1:{free_port()}"]


@pytest.fixture
def home(tmp_path: Path, wend: Run) -> Iterator[Path]:
    """A home that nobody uses after the test."""
    folder = tmp_path / "home-of-wend"
    yield folder
    if site.running(folder):
        wend("down", "--home", str(folder))


@pytest.fixture
def here(platform: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """The shared platform, as the one that commands find."""
    monkeypatch.setenv("WEND_HOME", str(platform.home))
    return platform


def checkout(folder: Path, word: str = "one") -> Repo:
    """A repository that no platform knows."""
    made = Repo(folder, "nowhere")
    made.git("remote", "remove", "wend")
    made.write(small(word))
    made.commit()
    return made


# ---------------------------------------------------------------------------------------------- up and down


def test_up_and_down(home: Path, addresses: list[str], wend: Run, tmp_path: Path) -> None:
    where = ["--home", str(home)]
    code, out, _ = wend("up", "--detach", *where, *addresses)
    listen, edge = addresses[1], addresses[3].partition(":")[2]
    assert code == 0 and f"portal\thttp://{listen}\n" in out and f"edge\thttp://APP.localhost:{edge}\n" in out
    assert f"git\thttp://{listen}/git/APP.git\n" in out
    pid = site.running(home)
    code, _, said = wend("up", "--detach", *where, *addresses)
    assert code == 5 and f"process {pid}" in said and "wend down" in said
    code, _, said = wend("up", "--detach", "--home", str(tmp_path / "other"), *addresses)
    assert code == 6 and listen in said and "try: " in said and "Traceback" not in said
    assert wend("down", *where, "--dry-run")[1].startswith("would stop apps") and site.running(home) == pid
    assert wend("down", *where, "--keep-apps")[0] == 0
    assert site.running(home) is None and answers(addresses[3])
    assert wend("down", *where, "--keep-apps")[0] == 6
    assert wend("down", *where)[0] == 0 and not answers(addresses[3])


def answers(address: str) -> bool:
    import socket

    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def test_ctrl_c_ends_what_runs_in_the_foreground(home: Path, addresses: list[str]) -> None:
    command = [*WEND, "up", "--home", str(home), *addresses]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet, env=env, start_new_session=True)
    assert child.stdout
    assert child.stdout.readline().startswith(b"portal\thttp://")
    os.killpg(child.pid, signal.SIGINT)  # a terminal's Ctrl-C goes to the whole group
    assert child.wait(timeout=60) == 0
    child.stdout.close()
    assert site.running(home) is None and not answers(addresses[3])


@pytest.mark.parametrize("words", [["--detach"], []])
def test_a_home_that_cannot_be_is_one_sentence(words: list[str], addresses: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    command = [*WEND, "up", "--home", str(tmp_path / "file" / "home"), *addresses, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 6 and "cannot be written" in done.stderr and "--home" in done.stderr
    assert "Traceback" not in done.stderr


def test_there_is_nothing_to_stop_where_nothing_ever_was(wend: Run, tmp_path: Path) -> None:
    code, _, said = wend("down", "--home", str(tmp_path / "never"))
    assert code == 6 and "wend up" in said and not (tmp_path / "never").exists()


# ---------------------------------------------------------------------------------------------- an app's life


def test_an_apps_life_by_commands_alone(
    here: House, wend: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = checkout(tmp_path / "cli-life")
    monkeypatch.chdir(made.folder)
    assert wend("check")[0] == 0
    assert wend("remote")[0] == 0
    assert here.token not in (made.folder / ".git" / "config").read_text()
    taken, said = made.push()
    assert taken, said
    assert wend("status", "cli-life", "--json")[1].count('"state": "well"') == 1
    assert wend("open")[1] == f"http://cli-life.localhost:{here.edge}\n"
    assert wend("ps")[1].startswith("web.1\tv1\tup\t")
    until(lambda: "serving one" in wend("logs")[1], 10, "the app's line in its log")
    code, out, _ = wend("config", "set", "COLOUR=blue green")
    assert code == 0 and "live in" in out and wend("config")[1] == "COLOUR=blue green\n"
    file = tmp_path / "value"
    file.write_text("a secret value")
    assert wend("secret", "set", "KEY", "--from-file", str(file), "--dry-run")[0] == 0
    assert wend("secret")[1] == ""
    assert wend("scale", "web=2")[0] == 0
    assert [row.split("\t")[2] for row in wend("ps")[1].splitlines()] == ["up", "up", "warm"]
    command = [*WEND, "run", "--", 'echo "$COLOUR"; exit 7']
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (7, "blue green\n")
    assert "would make release 1 live" in wend("rollback", "--dry-run")[1]
    assert wend("rollback", "v1")[0] == 0
    rows = [row.split("\t")[:2] for row in wend("releases")[1].splitlines()]
    assert rows == [["v2", "was live"], ["v1", "live"]]
    assert wend("destroy", "cli-life", "--confirm", "cli-life")[0] == 0
    assert wend("ps")[0] == 3


def test_the_ledger_is_read_and_verified_from_here(here: House, wend: Run) -> None:
    wend("apps")
    assert str(here.home) in witness.kept()
    code, out, _ = wend("ledger", "verify", "--json")
    assert code == 0 and json.loads(out)["events"] >= 2
    code, out, _ = wend("ledger", "verify", "--here")
    assert code == 0 and "seen from here" in out
    code, out, _ = wend("ledger", "events", "-k", "platform_started", "--json")
    assert code == 0 and {event["kind"] for event in json.loads(out)} == {"platform_started"}
    assert wend("ledger", "events", "-k", "nonsense")[0] == 2
    assert wend("ledger", "rebuild")[0] == 0


def test_a_token_with_one_scope_may_do_that_alone(here: House, wend: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, token, _ = wend("tokens", "add", "robot", "--kind", "ci", "--scope", "ledger.read")
    assert code == 0
    monkeypatch.setenv("WEND_TOKEN", token.strip())
    url = ["--url", f"127.0.0.1:{here.listen}"]
    assert wend(*url, "ledger", "events")[0] == 0
    assert wend(*url, "login", url[1])[0] == 0
    code, _, said = wend(*url, "tokens")
    assert code == 4 and "may not token.manage" in said
    monkeypatch.delenv("WEND_TOKEN")
    mine = next(row.split("\t")[0] for row in wend("tokens")[1].splitlines() if "robot" in row)
    assert wend("tokens", "revoke", mine)[0] == 0
    assert wend(*url, "ledger", "events")[0] == 4


def test_a_ledger_that_was_cut_off_is_found_out(house: House, wend: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    house.up()
    monkeypatch.setenv("WEND_HOME", str(house.home))
    assert wend("tokens", "add", "ada")[0] == 0
    assert wend("ledger", "verify")[0] == 0
    house.stop()
    with sqlite3.connect(house.home / "wend.db") as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute("DELETE FROM ledger WHERE seq > 2")
    house.up()
    for how in ([], ["--here"]):
        code, _, said = wend("ledger", "verify", *how)
        assert code == 4 and ("cut off" in said or "rewritten" in said)
