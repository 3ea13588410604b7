"""The end of a preview, and two who want the same one at once: clocks, pushes, canaries."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import SERVER, House, Repo, until
from tests.test_previews import app, branch, names, why_gone

QUICK = """
import sys
from dataclasses import replace
from wend import serve, worker
every = worker.clocks
worker.clocks = lambda *looks: [replace(c, every=0.3) if c.name == "previews" else c for c in every(*looks)]
sys.exit(serve.main(sys.argv[1:]))
"""


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[House]:
    """A platform whose clock looks at previews all the time."""
    found = House(tmp_path / "home")
    yield found.up("-c", QUICK)
    found.down()


def test_a_preview_ends_by_itself_and_its_branch_stays(quick: House, tmp_path: Path) -> None:
    repo = app(quick, "brief", tmp_path, "[preview]\nhours = 0.0005\n")
    branch(repo, "topic", "two")
    until(lambda: "topic--brief" not in names(quick), 60, "the preview's time is over")
    assert why_gone(quick, "topic--brief") == "its time was over"
    assert repo.git("ls-remote", "wend", "refs/heads/topic").stdout
    assert quick.get("topic--brief")[0] == 404
    assert quick.get("brief") == (200, "one")
    assert not (quick.home / "logs" / "topic--brief").exists()
    assert (quick.home / "logs" / "brief").exists()


def test_a_branch_that_a_canary_brought_in_loses_its_preview(quick: House, tmp_path: Path) -> None:
    repo = app(quick, "slowly", tmp_path)
    branch(repo, "topic", "two")
    repo.git("checkout", "-q", "main")
    repo.git("merge", "-q", "topic")
    taken, said = repo.push("-o", "canary=5", "main")
    assert taken and "is removed" not in said, said
    assert quick.get("topic--slowly") == (200, "two")
    assert "done" in quick.change("/api/apps/slowly/promote")[1]
    until(lambda: "topic--slowly" not in names(quick), 60, "the preview is gone")
    assert why_gone(quick, "topic--slowly") == "branch topic was merged"


def test_a_preview_that_the_clock_removes_while_people_do_goes_once(quick: House, tmp_path: Path) -> None:
    repo = app(quick, "contested", tmp_path)
    for name in ("a", "b", "c"):
        branch(repo, name, name)
    taken, said = repo.push("--delete", "a", "b", "c")
    assert taken and "no preview" not in said, said
    until(lambda: names(quick) == ["contested"], 60, "all are gone")
    events = quick.api("GET", "/api/ledger/events?kind=app_destroyed")[1]
    assert sorted(event["app"] for event in events) == ["a--contested", "b--contested", "c--contested"]
    assert "Traceback" not in quick.log(), quick.log()


def test_two_pushes_of_one_branch_at_once_leave_what_git_has(quick: House, tmp_path: Path) -> None:
    repo = app(quick, "twice", tmp_path)
    branch(repo, "topic", "zero")
    words = ("left", "right")
    for round in range(3):
        sides = {word: side(repo, tmp_path / f"{word}{round}", word) for word in words}
        threads = [threading.Thread(target=one.push, args=("--force", "topic")) for one in sides.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        tip = repo.git("ls-remote", "wend", "refs/heads/topic").stdout.split()[0]
        won = next(word for word, one in sides.items() if one.git("rev-parse", "HEAD").stdout.strip() == tip)
        assert quick.get("topic--twice") == (200, won)
        repo.git("fetch", "-q", "wend", "topic")
        repo.git("reset", "-q", "--hard", "FETCH_HEAD")


def side(repo: Repo, folder: Path, word: str) -> Repo:
    """A developer's own checkout of the branch, with a commit of their own on top."""
    url = repo.git("remote", "get-url", "wend").stdout.strip()
    mine = Repo(folder, url)
    mine.git("fetch", "-q", "wend", "topic")
    mine.git("checkout", "-q", "-B", "topic", "FETCH_HEAD")
    mine.change(app_py=SERVER.format(word=word))
    return mine
