"""The local driver: plans are pure, verbs may be repeated, and another one on the same home takes everything over."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.replicas import Yard, answers, wait
from wend.errors import Down, Invalid
from wend.run import Box, Line, Mount, Replica, Status, Step
from wend.run.local import Local, alive, send, state_of
from wend.run.sandbox import kernel
from wend.run.sandbox.state import text_of

linux = pytest.mark.skipif(sys.platform != "linux", reason="the local driver is Linux's: run these on Linux")
PHASES = ("starting", "up", "backoff", "stopping", "exited", "lost")


@pytest.fixture
def yard(tmp_path: Path):
    made = Yard(tmp_path / "home")
    yield made
    made.down()


def wanted(index: int) -> Replica:
    return Replica("hello", 1, "web", index, Box("true"))


def had(index: int, phase: str) -> Status:
    return Status(wanted(index).id, "hello", 1, "web", index, phase)  # type: ignore[arg-type]


@given(st.sets(st.integers(0, 5)), st.dictionaries(st.integers(0, 5), st.sampled_from(PHASES)))
def test_a_plan_leads_from_have_to_want(want: set[int], have: dict[int, str]) -> None:
    steps = Local(Path("/nowhere")).plan([wanted(index) for index in want], [had(*one) for one in have.items()])
    verbs = [step.verb for step in steps]
    assert verbs == sorted(verbs)  # starts before stops
    healthy = {index for index, phase in have.items() if phase not in ("exited", "lost")}
    assert {step.id for step in steps if step.verb == "start"} == {wanted(index).id for index in want - healthy}
    gone = {index for index, phase in have.items() if phase != "stopping"} - want
    assert {step.id for step in steps if step.verb == "stop"} == {wanted(index).id for index in gone}
    assert all(step.replica for step in steps if step.verb == "start")


@linux
def test_starting_twice_is_starting_once(yard: Yard) -> None:
    name = yard.start(port=True)
    before = yard.until(name, lambda one: one.phase == "up")
    assert yard.start(port=True) == name
    assert yard.status(name).pid == before.pid
    assert len(yard.driver.status("hello")) == 1
    assert yard.driver.status("other") == []


@linux
def test_starting_is_quick(yard: Yard) -> None:
    took: list[float] = []
    for index in range(5):
        began = time.perf_counter()
        yard.start("sleep 60", index=index)
        took.append(time.perf_counter() - began)
    assert sorted(took)[2] < 0.25  # 20 ms on an idle machine


@linux
def test_another_driver_adopts(yard: Yard) -> None:
    name = yard.start(port=True)
    before = yard.until(name, lambda one: bool(answers(one.port)))
    other = Local(yard.home)
    assert [(one.id, one.pid, one.port) for one in other.status()] == [(name, before.pid, before.port)]
    other.apply(Step("stop", name), {})
    other.apply(Step("stop", name), {})
    wait(lambda: other.status() == [])
    other.stop("hello")


@linux
def test_a_lost_replica_is_replaced(yard: Yard) -> None:
    name = yard.start(port=True)
    yard.until(name, lambda one: one.phase == "up")
    old = state_of(yard.driver.replicas / name)
    os.kill(old["shim"][0], signal.SIGKILL)
    yard.until(name, lambda one: one.phase == "lost")
    yard.start(port=True)
    yard.until(name, lambda one: one.phase == "up" and bool(answers(one.port)))
    assert not alive(old["keeper"])


@linux
def test_what_is_left_of_a_dead_replica_is_cleared_away(yard: Yard) -> None:
    name = yard.start(port=True)
    yard.until(name, lambda one: one.phase == "up")
    state = state_of(yard.driver.replicas / name)
    os.kill(state["shim"][0], signal.SIGKILL)
    yard.until(name, lambda one: one.phase == "lost")
    os.kill(state["keeper"][0], signal.SIGKILL)
    yard.until(name, lambda one: one.phase == "exited")
    assert yard.driver.sweep() == [name]
    assert yard.driver.status() == []
    assert not any(Path(folder).exists() for folder in state["groups"].values())
    assert yard.driver.sweep() == []


@linux
def test_a_pid_that_was_used_again_is_never_signalled() -> None:
    me = os.getpid()
    assert alive([me, kernel.started(me)])
    assert not alive([me, kernel.started(me) - 1])
    assert not send([me, kernel.started(me) - 1], signal.SIGKILL)
    assert not send(None, signal.SIGKILL)


@linux
def test_logs_of_all_replicas_come_in_the_order_of_time(yard: Yard) -> None:
    for index in range(3):
        yard.start(f"for i in 1 2 3 4 5; do echo {index} $i; sleep 0.02; done; sleep 60", index=index)
    wait(lambda: len(yard.lines()) == 15)
    lines = list(yard.driver.logs("hello"))
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    assert {line.source for line in lines} == {f"hello.1.web.{index}" for index in range(3)}
    assert list(yard.driver.logs("hello", 4)) == lines[-4:]
    assert abs(lines[-1].at - time.time()) < 30


@linux
def test_following_tells_each_new_line_once(yard: Yard) -> None:
    yard.start("for i in $(seq 200); do echo $i; sleep 0.002; done; sleep 60")
    heard: list[Line] = []

    def listen() -> None:
        for line in yard.driver.logs("hello", 1000, follow=True):
            heard.append(line)
            if line.text == "200":
                return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    thread.join(10)
    assert [line.text for line in heard] == [str(number) for number in range(1, 201)]


@linux
def test_a_log_outlives_its_replica(yard: Yard) -> None:
    yard.start("echo once; sleep 60")
    wait(lambda: "once" in yard.lines())
    yard.driver.stop("hello")
    assert "once" in yard.lines()


@linux
def test_old_logs_go(yard: Yard) -> None:
    logs = yard.home / "logs/hello"
    logs.mkdir(parents=True)
    for number in range(30):
        (logs / f"hello.{number}.web.9.log").write_text("1.000 x\n")
    yard.start("sleep 60")
    assert len(list(logs.glob("*.log"))) <= 21


@linux
def test_what_cannot_start_says_why(yard: Yard, tmp_path: Path) -> None:
    replica = Replica("hello", 1, "web", 7, Box("true", mounts=(Mount("/nowhere", "/app"),)))
    with pytest.raises(Invalid, match="/nowhere"):
        yard.driver.apply(Step("start", replica.id, replica), {})
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(Down):
        Local(blocked).apply(Step("start", wanted(0).id, wanted(0)), {})
    assert yard.driver.status() == []


@given(st.dictionaries(st.text(), st.one_of(st.none(), st.integers(), st.text(), st.booleans())))
def test_a_state_is_json(table: dict[str, str | int | None]) -> None:
    import json

    assert json.loads(text_of(table)) == table
