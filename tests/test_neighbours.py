"""What keeps one app's builds, jobs and output from its neighbours, on a small scale."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Event

import pytest

from tests.boxes import linux
from tests.replicas import Yard, wait
from wend.build import Room
from wend.build.work import Job, Work, perform
from wend.errors import Refused
from wend.run import Box, Limits, Mount
from wend.run.oneoff import run
from wend.run.sandbox import limits


def under(tmp_path: Path, seconds: float = 30, **room: int) -> tuple[Work, Mount]:
    """A build under way in a folder of its own, and the folder it may write."""
    folders = [tmp_path / name for name in ("artifacts", "deps", "toolchains", "app")]
    for folder in folders:
        folder.mkdir()
    space = Room(*folders[:3], seconds=seconds, **room)
    work = Work("noisy", space, print, Event(), time.monotonic() + seconds, tmp_path / "home")
    return work, Mount(str(folders[3]), "/app", "rw")


def lines_of(box: Box, tmp_path: Path) -> list[str]:
    lines: list[str] = []
    assert run(box, {}, lines.append, home=tmp_path).exit.code == 0
    return lines


@linux
def test_a_small_share_is_set_where_groups_are_and_niceness_where_not(tmp_path: Path) -> None:
    lines = lines_of(Box("cat /proc/self/cgroup; nice", cwd="/", limits=Limits(share=10)), tmp_path)
    path = next(
        (line.split(":", 2)[2] for line in lines if ":cpu:" in line or ",cpu" in line or "0::/wend" in line), ""
    )
    if "wend-" in path:
        assert lines[-1] == "0"
    else:
        assert lines[-1] == "19"


def test_shares_are_written_for_both_kinds_of_groups(tmp_path: Path) -> None:
    from wend.run.sandbox.job import Job as Boxed

    job = Boxed({"share": 10, "cpu": None, "memory": None, "pids": None})
    assert limits.first("cpu", str(tmp_path), job) and (tmp_path / "cpu.shares").read_text() == "102"
    assert limits.restrict("cpu", str(tmp_path), job) and (tmp_path / "cpu.weight").read_text() == "10"


@linux
def test_a_fork_bomb_in_a_build_is_stopped_and_says_so(tmp_path: Path) -> None:
    work, app = under(tmp_path, seconds=8)
    bomb = Job("the build", "f() { f | f & }; f; sleep 3; echo still; exit 7", "have it fork less", (app,))
    with pytest.raises(Refused) as caught:
        perform(work, bomb)
    assert "fork" in caught.value.message or "time" in caught.value.message, caught.value.message


@linux
def test_a_build_that_writes_without_end_is_stopped_at_its_limit(tmp_path: Path) -> None:
    work, app = under(tmp_path, disk=50 * 2**20)
    with pytest.raises(Refused) as caught:
        perform(work, Job("the build", "while :; do head -c 5M /dev/zero >> /app/big$((i+=1)); done", "less", (app,)))
    assert "on disk are more than" in caught.value.message


@linux
def test_an_app_that_floods_its_log_is_capped_with_a_mark(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    try:
        yard.start("yes 'a line of noise without end' | head -c 60M; exec sleep 60", limits=Limits(log=2**20))
        wait(lambda: any("bytes of output dropped" in line or "log is full" in line for line in yard.lines()))
        kept = sum(file.stat().st_size for file in (tmp_path / "logs").rglob("*.log*"))
        assert kept <= 2 * 2**20, kept
    finally:
        yard.down()
