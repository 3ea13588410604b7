"""What a push to Wend itself brings: its commits are known as changes, and nobody waits for that."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.web_world import World, world
from wend import changes
from wend.context import Actor
from wend.receive import Push
from wend.repos import NONE
from wend.state.delivery import CHANGES, PARENTS


@pytest.fixture
def there(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "home") as made:
        yield made


class Work:
    """A working copy whose commits arrive in the app's bare repository."""

    def __init__(self, there: World, path: Path) -> None:
        self.there, self.path = there, path
        self.repo = there.ctx.repos.open("hello", create=True)
        path.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str) -> str:
        person = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER")
                  for key, value in (("NAME", "ada"), ("EMAIL", "ada@example.org"))}  # fmt: skip
        env = {**os.environ, **person, "GIT_CONFIG_GLOBAL": "/dev/null"}
        done = subprocess.run(["git", *words], cwd=self.path, env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, message: str = "work") -> str:
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def push(self, old: str, app: str = "hello") -> Push:
        """As the git door hands it on: the objects are there, and it is live."""
        self.git("push", "-q", "--force", str(self.repo), "main")
        new = self.git("rev-parse", "HEAD")
        return Push(app, Actor("ann"), "refs/heads/main", old, new, "", {}, self.repo, "t")


@pytest.fixture
def work(there: World, tmp_path: Path) -> Work:
    return Work(there, tmp_path / "work")


def known(there: World) -> dict[str, Any]:
    with there.ctx.ledger.query() as db:
        return {row["commit"]: row for row in db.execute(sa.select(CHANGES)).mappings()}


def note(there: World, pushed: Push) -> None:
    thread = changes.note(there.ctx, pushed)
    assert thread
    thread.join(20)


def test_the_commits_of_a_push_are_changes_once(there: World, work: Work) -> None:
    first = [work.commit(), work.commit()]
    note(there, work.push(NONE))
    later = [work.commit(), work.commit(f"Revert it\n\nThis reverts commit {first[0]}.")]
    pushed = work.push(first[1])
    note(there, pushed)
    found = known(there)
    assert set(found) == {*first, *later}
    assert (found[later[1]]["purpose"], found[later[1]]["reverts"]) == ("revert", first[0])
    assert {row["repo"] for row in found.values()} == {"hello"}
    with there.ctx.ledger.query() as db:
        above = db.execute(sa.select(PARENTS.c.parent).where(PARENTS.c.commit == later[0])).scalars().all()
    assert above == [first[1]]
    events = there.ctx.ledger.read(0, ["change_recorded"])
    assert {(one.actor, one.data["source"]) for one in events} == {("wend", "wend")}
    before = there.ctx.ledger.head()
    assert changes.record(there.ctx, pushed) == 0 and there.ctx.ledger.head() == before


def test_only_what_a_push_brings_is_read(there: World, work: Work) -> None:
    first = work.commit()
    note(there, work.push(NONE))
    second = work.commit()
    pushed = work.push(first)
    assert changes.record(there.ctx, pushed) == 1
    assert set(known(there)) == {first, second}


def test_what_was_cut_off_is_made_up_for_by_the_next_push(there: World, work: Work) -> None:
    first = work.commit()
    work.push(NONE)  # and the platform was killed before it recorded anything
    second = work.commit()
    note(there, work.push(first))
    assert set(known(there)) == {first, second}


def test_a_forced_push_tells_what_is_new(there: World, work: Work) -> None:
    first, lost = work.commit(), work.commit()
    note(there, work.push(NONE))
    work.git("reset", "-q", "--hard", first)
    anew = work.commit("other")
    note(there, work.push(lost))
    assert set(known(there)) == {first, lost, anew}


def test_a_very_long_history_is_bounded(there: World, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST", 3)
    made = [work.commit(str(number)) for number in range(5)]
    note(there, work.push(NONE))
    assert set(known(there)) == set(made[2:])


def test_previews_and_deleted_branches_bring_none(there: World, work: Work) -> None:
    work.commit()
    assert changes.note(there.ctx, work.push(NONE, "idea--hello")) is None
    gone = Push("hello", Actor("ann"), "refs/heads/main", "a" * 40, NONE, "", {}, work.repo, "t")
    assert changes.note(there.ctx, gone) is None


def test_trouble_is_nobodys_but_the_logs(there: World, work: Work, caplog: pytest.LogCaptureFixture) -> None:
    work.commit()
    pushed = work.push(NONE)
    note(there, Push("hello", Actor("ann"), pushed.ref, NONE, "f" * 40, "", {}, work.repo, "t"))
    assert "changes of hello" in caplog.text and known(there) == {}


def test_a_commit_that_names_a_bet_is_its_work_and_only_the_number_is_kept(there: World, work: Work) -> None:
    commit = work.commit("make it faster for Ann\n\nBet: 7")
    for _ in range(2):
        changes.record(there.ctx, work.push(NONE))
    (event,) = there.ctx.ledger.read(kinds=("bet_linked",))
    assert (event.data["bet"], event.data["commit"], event.data["how"]) == (7, commit, "trailer")
    assert "faster" not in str([one.data for one in there.ctx.ledger.read(limit=1000)])
