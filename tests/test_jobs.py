"""Jobs: when they are due, what happens when they cannot run then, and runs on a real platform."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.boxes import linux
from tests.house import SERVER, House, Repo, small, until
from tests.test_oneoff import running
from wend import jobs
from wend.errors import Invalid
from wend.spec import parse

BERLIN = "Europe/Berlin"
MINUTE = 60 * jobs.SECOND


def at(text: str, zone: str = "UTC", fold: int = 0) -> int:
    return jobs.micros(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold))


# ---------------------------------------------------------------------------------------------- when


def test_the_hour_that_is_missing_and_the_hour_that_comes_twice() -> None:
    assert jobs.after("30 2 * * *", BERLIN, at("2026-03-28T12:00", BERLIN)) == at("2026-03-29T03:00", BERLIN)
    first = at("2026-10-25T02:30", BERLIN)
    assert jobs.after("30 2 * * *", BERLIN, at("2026-10-24T12:00", BERLIN)) == first
    assert jobs.after("30 2 * * *", BERLIN, first) == at("2026-10-26T02:30", BERLIN), "once, not twice"
    in_the_second = at("2026-10-25T02:10", BERLIN, fold=1)
    found = jobs.due("30 2 * * *", BERLIN, at("2026-10-24T02:30", BERLIN), in_the_second)
    assert found is not None and found.at == first and found.missed == 0


def test_every_quarter_of_an_hour_takes_no_notice_of_summer_time() -> None:
    moment, found = at("2026-10-25T01:30", BERLIN), list[int]()
    for _ in range(8):
        moment = jobs.after("*/15 * * * *", BERLIN, moment) or 0
        found.append(moment)
    assert {later - earlier for earlier, later in pairwise(found)} == {15 * MINUTE}


@pytest.mark.parametrize(
    "zone", [BERLIN, "Europe/London", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]
)
def test_no_day_of_two_years_is_left_out_or_comes_twice_in_any_zone(zone: str) -> None:
    moment, days = at("2026-01-01T12:00"), list[str]()
    for _ in range(730):
        moment = jobs.after("30 2 * * *", zone, moment) or 0
        days.append(f"{jobs.local(zone, moment):%Y-%m-%d}")
    assert len(set(days)) == 730
    assert datetime.fromisoformat(days[-1]) - datetime.fromisoformat(days[0]) == timedelta(days=729)


def test_the_nights_of_the_changes_in_berlin() -> None:
    """By the hour of UTC: 02:30 is skipped on 28 March 2027 and comes twice on 25 October 2026."""
    assert jobs.after("30 2 * * *", BERLIN, at("2027-03-27T12:00")) == at("2027-03-28T01:00")
    assert jobs.after("30 2 * * *", BERLIN, at("2027-03-28T01:00")) == at("2027-03-29T00:30")
    assert jobs.after("30 2 * * *", BERLIN, at("2026-10-24T12:00")) == at("2026-10-25T00:30")
    assert jobs.after("30 2 * * *", BERLIN, at("2026-10-25T00:30")) == at("2026-10-26T01:30")
    night = [at("2027-03-27T23:00") + step * MINUTE for step in range(240)]
    found = {moment: jobs.due("30 2 * * *", BERLIN, at("2027-03-27T12:00"), moment) for moment in night}
    assert next(moment for moment, due in found.items() if due and not due.late) == at("2027-03-28T01:00")


def test_a_run_that_was_missed_is_made_up_for_once_and_only_while_it_is_young() -> None:
    since = at("2026-01-01T03:00")
    assert jobs.due("0 3 * * *", "UTC", since, at("2026-01-02T02:59:59")) is None
    assert jobs.due("0 3 * * *", "UTC", since, at("2026-01-02T03:00")) == jobs.Due(at("2026-01-02T03:00"))
    young = jobs.due("0 3 * * *", "UTC", since, at("2026-01-02T03:09"))
    assert young is not None and not young.late
    old = jobs.due("0 3 * * *", "UTC", since, at("2026-01-02T05:00"))
    assert old is not None and old.late
    assert jobs.missed_words(old, down=True) == "the platform was down at 2026-01-02 03:00 UTC: 1 run was missed"


def test_a_clock_set_forward_gives_one_run_and_says_how_many_were_missed() -> None:
    found = jobs.due("* * * * *", "UTC", at("2026-01-01T00:00"), at("2026-01-01T05:00:30"))
    assert found == jobs.Due(at("2026-01-01T05:00"), missed=299, before=at("2026-01-01T04:59"))
    years = jobs.due("* * * * *", "UTC", at("2016-01-01T00:00"), at("2026-01-01T05:00:30"))
    assert years is not None and years.missed == jobs.COUNTED
    assert "1000 or more runs were missed" in jobs.missed_words(years, down=False)


def test_a_job_never_runs_for_a_time_before_it_was_there() -> None:
    now = at("2026-01-01T03:00:30")
    pushed = at("2026-01-01T03:00:10")
    assert jobs.due("0 3 * * *", "UTC", jobs.since(pushed, (0, False), None, now), now) is None
    known = jobs.since(pushed, (0, False), at("2026-01-01T02:59:59"), now)
    assert jobs.due("0 3 * * *", "UTC", known, now) is not None, "another deploy does not swallow a run"


def test_a_clock_set_back_runs_nothing_twice() -> None:
    live_at, done = at("2026-01-01T00:00"), at("2026-01-01T11:59")
    back = at("2026-01-01T10:00:30")
    since = jobs.since(live_at, (0, True), None, back)
    assert jobs.due("* * * * *", "UTC", since, back) is None
    assert jobs.due("* * * * *", "UTC", jobs.since(live_at, (done, True), None, done + 1), done + 1) is None
    from_the_future = jobs.since(at("2030-01-01T00:00"), (0, False), None, back)
    assert jobs.due("* * * * *", "UTC", from_the_future, at("2026-01-01T10:01")) is not None, (
        "it does not wait until 2030"
    )


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("59 23 31 2 *", "never fires"),
        ("* * * * * * *", "cannot be read"),
        ("* * * * * *", "cannot be read"),
        ("61 * * * *", "cannot be read"),
        ("," * 200_000, "cannot be read"),
        ("1," * 100_000 + "1 * * * *", "cannot be read"),
        ("@reboot", "cannot be read"),
    ],
)
def test_hostile_schedules_are_refused_at_once(schedule: str, words: str) -> None:
    began = time.monotonic()
    with pytest.raises(Invalid) as caught:
        parse(f'[cron.nightly]\nschedule = "{schedule}"\ncommand = "true"\n')
    assert words in caught.value.message and "cron.nightly.schedule" in caught.value.message
    assert schedule[:20] in caught.value.message and len(caught.value.message) < 500
    assert time.monotonic() - began < 1


# ---------------------------------------------------------------------------------------------- on a platform


def job(name: str, command: str, schedule: str = "0 0 1 1 *", more: str = "") -> str:
    return f'[cron.{name}]\nschedule = "{schedule}"\ncommand = {command!r}\n{more}\n'


def runs(house: House, app: str, name: str) -> list[dict[str, Any]]:
    return house.api("GET", f"/api/apps/{app}/jobs/{name}")[1]["runs"]


def push(house: House, app: str, folder: Path, toml: str) -> Repo:
    repo = house.repo(app, folder, {**small("one"), "wend.toml": toml})
    taken, said = repo.push()
    assert taken, said
    return repo


@linux
def test_runs_by_hand_are_recorded_limited_and_logged(platform: House, tmp_path: Path) -> None:
    toml = job("good", "echo hello $WEND_RELEASE") + job("bad", "echo oh; exit 3")
    toml += job("slow", "sleep 60", more="timeout = 1") + job("hungry", "head -c 900M /dev/zero | tail")
    push(platform, "jobs-by-hand", tmp_path / "repo", toml)
    for name, state, ended in (
        ("good", "done", "exited with code 0"),
        ("bad", "failed", "exited with code 3"),
        ("slow", "failed", "stopped after 1 s"),
        ("hungry", "failed", ""),
    ):
        _, last = platform.change(f"/api/apps/jobs-by-hand/jobs/{name}/run")
        assert "done" in last, last
        found = runs(platform, "jobs-by-hand", name)[0]
        assert (found["state"], found["cause"], found["release"]) == (state, "hand", 1), found
        assert ended in found["ended"]
    lines = platform.api("GET", "/api/apps/jobs-by-hand/logs?lines=50&process=good")[1]
    assert any(line["text"] == "hello 1" and ".good." in line["source"] for line in lines), lines


@linux
def test_a_push_with_a_schedule_that_never_fires_is_refused(platform: House, tmp_path: Path) -> None:
    files = {**small("one"), "wend.toml": job("x", "true", "0 0 30 2 *")}
    taken, said = platform.repo("jobs-never", tmp_path / "repo", files).push()
    assert not taken and "cron.x.schedule = '0 0 30 2 *' never fires" in said, said


SHIFTED = """
import sys
from dataclasses import replace
from wend import jobs, serve, worker
every, act = worker.clocks, jobs.Roster(lambda: jobs.right_now() + {shift}).tick
worker.clocks = lambda *looks: [replace(c, act=act) if c.name == "jobs" else c for c in every(*looks)]
sys.exit(serve.main(sys.argv[1:]))
"""


def soon(seconds: float = 8) -> int:
    """By how many microseconds the clock of jobs must be ahead, so that its next minute begins in so many seconds."""
    return -(jobs.right_now() + round(seconds * jobs.SECOND)) % MINUTE


@linux
def test_a_schedule_runs_and_overlapping_runs_are_skipped(house: House, tmp_path: Path) -> None:
    shift = soon()
    house.up("-c", SHIFTED.format(shift=shift))
    push(house, "clockwork", tmp_path / "repo", job("tick", f"echo on; sleep 96{os.getpid()}.5", "* * * * *"))
    found = until(lambda: runs(house, "clockwork", "tick"), 75, "the job ran")
    assert (found[0]["state"], found[0]["cause"]) == ("running", "schedule")
    assert found[0]["due_at"] % MINUTE == 0 and found[0]["started_at"] + shift - found[0]["due_at"] < MINUTE
    _, last = house.change("/api/apps/clockwork/jobs/tick/run")
    assert "is under way" in last["message"], last
    mark = f"96{os.getpid()}.5"
    until(lambda: running(mark), 30, "its process is there")
    house.kill()
    until(lambda: not running(mark), 30, "its process ended with the platform")
    house.up("-c", SHIFTED.format(shift=shift))
    ended = until(lambda: [run for run in runs(house, "clockwork", "tick") if run["state"] == "cut off"], 30)
    assert ended[0]["id"] == found[0]["id"] and ended[0]["ended"] == "the platform stopped"
    due = [run["due_at"] for run in runs(house, "clockwork", "tick")]
    assert len(due) == len(set(due)), "no due time ran twice"


@linux
def test_runs_wait_for_their_turn_and_a_restart_makes_up_for_one(tmp_path: Path) -> None:
    house, shift = House(tmp_path / "home", {"WEND_JOBS_AT_ONCE": "1"}), soon()
    try:
        house.up("-c", SHIFTED.format(shift=shift))
        toml = job("first", "sleep 3", "* * * * *") + job("second", "true", "* * * * *")
        push(house, "turns", tmp_path / "repo", toml)
        until(lambda: runs(house, "turns", "first"), 75, "the first began")
        assert runs(house, "turns", "second") == [], "one at a time"
        second = until(lambda: runs(house, "turns", "second"), 30, "the second had its turn")[0]
        first = runs(house, "turns", "first")[-1]
        assert second["due_at"] == first["due_at"] and first["state"] == "done"
        assert second["started_at"] >= first["started_at"] + first["ms"] * 1000
        house.kill()
        house.up("-c", SHIFTED.format(shift=shift + 5 * MINUTE))
        missed, made_up = until(lambda: later(house, second["due_at"]), 30, "it caught up")
        assert missed["state"] == "skipped" and "the platform was down" in missed["ended"], missed
        assert made_up["cause"] == "schedule" and made_up["due_at"] >= second["due_at"] + 5 * MINUTE
    finally:
        house.down()


def later(house: House, due_at: int) -> list[dict[str, Any]]:
    """The two oldest rows of the second job after this due time, oldest first; none while there are fewer."""
    found = [run for run in runs(house, "turns", "second") if run["due_at"] > due_at][::-1]
    return found[:2] if len(found) >= 2 else []


@linux
def test_a_run_goes_on_in_its_release_when_its_caller_leaves_and_another_goes_live(
    platform: House, tmp_path: Path
) -> None:
    toml = job("long", "until [ -e /tmp/never ] || [ $((i=i+1)) -gt 40 ]; do sleep 0.1; done; cat /app/mark")
    files = {**small("one"), "wend.toml": toml, "mark": "of the first"}
    repo = platform.repo("jobs-across", tmp_path / "repo", files)
    assert repo.push()[0]
    caller = http.client.HTTPConnection("127.0.0.1", platform.listen, timeout=30)
    headers = {"Authorization": f"Bearer {platform.token}", "Content-Type": "application/json"}
    caller.request("POST", "/api/apps/jobs-across/jobs/long/run", "{}", headers)
    until(lambda: runs(platform, "jobs-across", "long"), 30, "the run began")
    caller.close()
    repo.change(mark="of the second")
    assert repo.push("-o", "canary=off", "main")[0]
    ended = until(lambda: [run for run in runs(platform, "jobs-across", "long") if run["ended"]], 30)[0]
    assert (ended["state"], ended["release"]) == ("done", 1), ended
    lines = platform.api("GET", "/api/apps/jobs-across/logs?lines=50&process=long")[1]
    assert any(line["text"] == "of the first" for line in lines), lines


@linux
def test_a_job_runs_in_the_stable_release_while_a_canary_is_there(platform: House, tmp_path: Path) -> None:
    repo = push(platform, "jobs-stable", tmp_path / "repo", job("tell", "echo release $WEND_RELEASE"))
    repo.change(app_py=SERVER.format(word="two"))
    assert repo.push("-o", "canary=5", "main")[0]
    assert platform.api("GET", "/api/apps/jobs-stable")[1]["live"] == 1
    lines, last = platform.change("/api/apps/jobs-stable/jobs/tell/run")
    assert "done" in last and "release 1" in lines, (lines, last)
    assert runs(platform, "jobs-stable", "tell")[0]["release"] == 1


@linux
def test_a_job_does_not_wake_an_app_that_sleeps(platform: House, tmp_path: Path) -> None:
    toml = "[process.web]\nreplicas = { min = 0, max = 1, idle = 1 }\n" + job("tell", "echo on")
    push(platform, "jobs-asleep", tmp_path / "repo", toml)

    def phases() -> set[str]:
        return {one["phase"] for one in platform.api("GET", "/api/apps/jobs-asleep/ps")[1]}

    until(lambda: phases() == {"asleep"}, 60, "it sleeps")
    lines, last = platform.change("/api/apps/jobs-asleep/jobs/tell/run")
    assert "on" in lines and "done" in last, (lines, last)
    assert phases() == {"asleep"}


@linux
def test_runs_that_may_overlap_do_and_each_has_its_log(platform: House, tmp_path: Path) -> None:
    push(platform, "jobs-both", tmp_path / "repo", job("both", "echo on; sleep 60", more='overlap = "allow"'))
    address = "/api/apps/jobs-both/jobs/both/run"
    callers = [threading.Thread(target=platform.change, args=(address,)) for _ in range(2)]
    for caller in callers:
        caller.start()

    def logs() -> list[str]:
        files = (platform.home / "logs" / "jobs-both").glob("jobs-both.job.both.*.log")
        return [file.name for file in files if " on\n" in file.read_text()]

    until(lambda: len(logs()) == 2, 30, "both wrote to a log of their own")
    assert [run["state"] for run in runs(platform, "jobs-both", "both")] == ["running", "running"]
    assert platform.api("DELETE", "/api/apps/jobs-both", {"confirm": "jobs-both"})[0] == 200
    for caller in callers:
        caller.join(30)
        assert not caller.is_alive()


@linux
def test_a_command_that_went_with_the_platform_has_its_end(house: House, tmp_path: Path) -> None:
    mark = f"94{os.getpid()}.5"
    house.up()
    push(house, "one-off", tmp_path / "repo", "")
    address = http.client.HTTPConnection("127.0.0.1", house.listen, timeout=30)
    headers = {"Authorization": f"Bearer {house.token}", "Content-Type": "application/json"}
    address.request("POST", "/api/apps/one-off/run", json.dumps({"command": f"sleep {mark}"}), headers)
    until(lambda: running(mark), 30, "it is under way")
    house.kill()
    address.close()
    until(lambda: not running(mark), 30, "its process ended with the platform")
    house.up()
    run = house.api("GET", "/api/apps/one-off")[1]["runs"][0]
    assert run["ended"] == "the platform stopped" and run["ms"] >= 0, run


@linux
def test_destroying_an_app_ends_its_runs(platform: House, tmp_path: Path) -> None:
    mark = f"95{os.getpid()}.5"
    push(platform, "jobs-doomed", tmp_path / "repo", job("long", f"sleep {mark}"))
    caller = threading.Thread(target=platform.change, args=("/api/apps/jobs-doomed/jobs/long/run",))
    caller.start()
    until(lambda: running(mark), 30, "the run is under way")
    status, said = platform.api("DELETE", "/api/apps/jobs-doomed", {"confirm": "jobs-doomed"})
    assert status < 300, said
    until(lambda: not running(mark), 30, "the run ended with its app")
    caller.join(30)
    assert not caller.is_alive()


@linux
def test_a_run_that_replaces_ends_the_older_one(platform: House, tmp_path: Path) -> None:
    push(platform, "jobs-replaced", tmp_path / "repo", job("long", "sleep 600", more='overlap = "replace"'))
    address = "/api/apps/jobs-replaced/jobs/long/run"
    callers = [threading.Thread(target=platform.change, args=(address,)) for _ in range(2)]
    callers[0].start()
    first = until(lambda: runs(platform, "jobs-replaced", "long"), 30, "the first run began")[0]["id"]
    callers[1].start()
    callers[0].join(30)
    second, older = until(lambda: two(runs(platform, "jobs-replaced", "long")), 30, "the second began")
    assert older["id"] == first and older["state"] == "cut off" and "replaced by the run due at" in older["ended"]
    assert second["state"] == "running", second
    assert platform.api("DELETE", "/api/apps/jobs-replaced", {"confirm": "jobs-replaced"})[0] == 200
    callers[1].join(30)
    assert not any(caller.is_alive() for caller in callers)


def two(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return found if len(found) == 2 else []
