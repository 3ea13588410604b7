"""A replica under its shim: it serves, dies, is killed, floods, and nothing of it is lost or left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.replicas import SERVER, Yard, answers, python, wait
from wend.run import Limits
from wend.run.local import alive, state_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the local driver is Linux's: run these on Linux")


@pytest.fixture
def yard(tmp_path: Path):
    made = Yard(tmp_path / "home")
    yield made
    made.down()


def running(mark: str) -> int:
    """How many processes have this argument."""
    count = 0
    for entry in Path("/proc").iterdir():
        try:
            count += entry.name.isdigit() and mark.encode() in (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
    return count


def test_it_serves_on_the_port_it_was_told(yard: Yard) -> None:
    status = yard.until(yard.start(port=True), lambda one: bool(answers(one.port)))
    assert (status.phase, status.restarts, status.listens) == ("up", 0, ())
    assert answers(status.port).startswith("pid ")
    assert status.rss > 2**20
    assert yard.driver.missing(status.id) == []


def test_two_apps_that_want_the_same_port_both_get_their_own(yard: Yard) -> None:
    names = [yard.start(port=True, app=app) for app in ("one", "two")]
    ports = {yard.until(name, lambda one: bool(answers(one.port))).port for name in names}
    assert len(ports) == 2


def test_without_a_network_of_its_own_it_serves_all_the_same_and_says_so(tmp_path: Path) -> None:
    yard = Yard(tmp_path / "plain")
    yard.driver.without = ("network",)
    status = yard.until(yard.start(port=True), lambda one: bool(answers(one.port)))
    assert [text.partition(":")[0] for text in yard.driver.missing(status.id)] == ["network"]
    yard.down()


def test_the_wrong_port_is_named(yard: Yard) -> None:
    name = yard.start(python(SERVER.replace("int(os.environ['PORT'])", "8000")), port=True)
    status = yard.until(name, lambda one: bool(one.listens))
    assert status.listens == (8000,)
    assert not answers(status.port)


def test_a_killed_shim_takes_nothing_with_it(yard: Yard) -> None:
    name = yard.start(port=True)
    before = yard.until(name, lambda one: bool(answers(one.port)))
    state = state_of(yard.driver.replicas / name)
    os.kill(state["shim"][0], signal.SIGKILL)
    lost = yard.until(name, lambda one: one.phase == "lost")
    assert answers(lost.port) == answers(before.port) != ""
    count = yard.lines().count("served")
    answers(lost.port)
    wait(lambda: yard.lines().count("served") > count)  # the log goes on too
    yard.driver.stop("hello")
    assert yard.driver.status() == []
    assert not alive(state["keeper"])
    assert not answers(before.port)


def test_a_killed_keeper_is_replaced_on_the_same_port(yard: Yard) -> None:
    name = yard.start(port=True)
    before = yard.until(name, lambda one: bool(answers(one.port)))
    os.kill(state_of(yard.driver.replicas / name)["keeper"][0], signal.SIGKILL)
    after = yard.until(name, lambda one: one.restarts == 1 and bool(answers(one.port)))
    assert after.port == before.port


def test_exits_are_told_and_met_with_growing_patience(yard: Yard) -> None:
    name = yard.start("echo bye; exit 3", port=True)
    status = yard.until(name, lambda one: one.restarts >= 3)
    assert str(status.exit) == "exited with code 3"
    stamps = [line.at for line in yard.driver.logs("hello") if line.text == "bye"]
    first, second = stamps[1] - stamps[0], stamps[2] - stamps[1]
    assert 0.08 < first < second
    assert not answers(status.port)  # refused at once, not left hanging


def test_a_signal_is_told(yard: Yard) -> None:
    status = yard.until(yard.start("kill -ABRT $$"), lambda one: one.restarts >= 1)
    assert str(status.exit) == "killed by SIGABRT"


@pytest.mark.skipif(os.geteuid() != 0, reason="memory groups need root here: run as root")
def test_want_of_memory_is_told(yard: Yard) -> None:
    hungry = python("import time; taken = bytearray(b'x') * (200 * 2**20); time.sleep(60)")
    status = yard.until(yard.start(hungry, limits=Limits(memory=48 * 2**20)), lambda one: one.restarts >= 1)
    assert status.exit
    assert status.exit.oom
    assert str(status.exit) == "killed: out of memory"


def test_one_that_ignores_sigterm_is_gone_after_its_grace(yard: Yard) -> None:
    mark = f"97{os.getpid()}.5"
    yard.start(f"trap '' TERM; (setsid sleep {mark} &); echo ready; while :; do sleep {mark}; done", grace=0.5)
    wait(lambda: "ready" in yard.lines() and running(mark) == 2)
    began = time.monotonic()
    yard.driver.stop("hello")
    assert 0.4 < time.monotonic() - began < 5
    assert running(mark) == 0
    assert yard.driver.status() == []


def test_one_that_is_polite_may_finish(yard: Yard) -> None:
    yard.start("trap 'echo finished; exit 0' TERM; echo ready; while :; do sleep 0.05; done", grace=5.0)
    wait(lambda: "ready" in yard.lines())
    yard.driver.stop("hello")
    assert yard.lines()[-1] == "finished"


def test_a_flood_is_capped_and_says_so(yard: Yard) -> None:
    name = yard.start("yes flooding the log with the same words again and again", limits=Limits(log=256 * 1024))
    logs = yard.home / "logs/hello"
    wait(lambda: (logs / f"{name}.log.1").exists())
    wait(lambda: any("dropped" in line for line in yard.lines()))
    assert sum(path.stat().st_size for path in logs.iterdir()) < 400 * 1024
    assert yard.status(name).phase == "up"


def test_a_line_without_end_and_raw_bytes_are_harmless(yard: Yard) -> None:
    yard.start("head -c 30000 /dev/zero | tr '\\0' a; printf '\\n\\377\\033[31m\\n'; sleep 60")
    wait(lambda: len(yard.lines()) >= 5)
    lines = yard.lines()
    assert max(len(line) for line in lines) == 8192
    assert sum(line.count("a") for line in lines) == 30000


def test_the_environment_never_touches_a_disk(yard: Yard) -> None:
    name = yard.start(port=True, env={"PASSWORD": "grand-secret-8"})
    yard.until(name, lambda one: bool(answers(one.port)))
    search = ["grep", "-rl", "grand-secret-8", str(yard.home)]
    assert subprocess.run(search, capture_output=True, text=True, check=False).stdout == ""
    shown = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True)
    assert "grand-secret-8" not in shown.stdout


def test_what_the_box_needs_and_is_not_there_is_told_in_the_log(yard: Yard) -> None:
    name = yard.start("true", cwd="/nowhere")
    yard.until(name, lambda one: one.restarts >= 1)
    assert any("no such working folder (/nowhere)" in line for line in yard.lines())


NODE = "require('http').createServer((q, r) => r.end('node')).listen(process.env.PORT)"


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::1"])
def test_node_serves_on_any_address(yard: Yard, host: str) -> None:
    node = next((path for path in (shutil.which("node"),) if path and path.startswith("/usr/")), None)
    if not node:
        pytest.skip("no node in /usr: install nodejs to run this")
    code = NODE.replace("PORT)", f"PORT, '{host}')") if host else NODE
    name = yard.start(f'{node} -e "{code}"', port=True)
    yard.until(name, lambda one: answers(one.port) == "node")


def test_forked_workers_share_the_port(yard: Yard) -> None:
    code = SERVER.replace(
        "http.server.ThreadingHTTPServer(('0.0.0.0', int(os.environ['PORT'])), Hello).serve_forever()",
        "s = http.server.HTTPServer(('', int(os.environ['PORT'])), Hello); os.fork(); os.fork(); s.serve_forever()",
    )
    name = yard.start(python(code), port=True)
    status = yard.until(name, lambda one: bool(answers(one.port)))
    seen: set[str] = set()
    wait(lambda: seen.add(answers(status.port)) or len(seen) >= 2)
