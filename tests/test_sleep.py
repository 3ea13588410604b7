"""Sleep under the shim: the socket listens on without the app, the first caller wakes it, and nobody is cut off."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.replicas import Yard, answers, python, wait
from wend.run import Status, Step
from wend.run.local import Local, alive, state_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the local driver is Linux's: run these on Linux")

# Counts its starts in the log; `/slow` takes a second; SIGTERM is met as `LEAVES` says.
APP = """
import http.server, os, signal, socket, sys, threading, time
print('start', flush=True)
time.sleep(BOOT)
class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        if 'slow' in self.path: time.sleep(1)
        body = b'pid %d' % os.getpid()
        self.send_response(200); self.send_header('Content-Length', str(len(body)))
        self.send_header('Connection', 'close'); self.end_headers(); self.wfile.write(body)
    def log_message(self, *args): pass
class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64
server = Server(('0.0.0.0', int(os.environ['PORT'])), Hello)
LEAVES
server.serve_forever()
"""
POLITE = "signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())"
SHUTS = "signal.signal(signal.SIGTERM, lambda *_: (server.socket.shutdown(socket.SHUT_RDWR), os._exit(0)))"


def app(boot: float = 0.0, leaves: str = "") -> str:
    return python(APP.replace("BOOT", str(boot)).replace("LEAVES", leaves))


@pytest.fixture
def yard(tmp_path: Path):
    made = Yard(tmp_path / "home")
    yield made
    made.down()


def starts(yard: Yard) -> int:
    return yard.lines().count("start")


def serving(yard: Yard, name: str) -> Status:
    return yard.until(name, lambda one: one.phase == "up" and bool(answers(one.port)))


def asleep(yard: Yard, name: str) -> Status:
    """Put it to sleep, as often as it takes for its last caller to be gone; the status once its keeper is gone too."""
    wait(lambda: yard.driver.idle(name))
    yard.driver.apply(Step("sleep", name), {})
    return yard.until(name, lambda one: one.phase == "asleep" and not state_of(yard.driver.replicas / name)["keeper"])


@pytest.mark.parametrize("leaves", ["", POLITE, SHUTS], ids=["killed", "polite", "shuts"])
def test_the_first_caller_wakes_it_and_is_answered(yard: Yard, leaves: str) -> None:
    name = yard.start(app(leaves=leaves), port=True, naps=True)
    before = serving(yard, name)
    dozing = asleep(yard, name)
    assert (dozing.pid, dozing.port, dozing.restarts, dozing.exit, dozing.rss) == (None, before.port, 0, None, 0)
    again = answers(before.port)
    assert again.startswith("pid ")
    assert starts(yard) == 2
    assert yard.until(name, lambda one: one.phase == "up").restarts == 0
    asleep(yard, name)  # and a second night


def test_concurrent_first_callers_start_one_process(yard: Yard) -> None:
    name = yard.start(app(boot=0.3), port=True, naps=True)
    port = serving(yard, name).port
    asleep(yard, name)
    with ThreadPoolExecutor(50) as pool:
        got = list(pool.map(lambda _: answers(port), range(50)))
    assert len(set(got)) == 1
    assert got[0].startswith("pid ")
    assert starts(yard) == 2


def test_one_with_a_caller_does_not_fall_asleep(yard: Yard) -> None:
    name = yard.start(app(), port=True, naps=True)
    port = serving(yard, name).port
    with socket.create_connection(("127.0.0.1", port or 0)) as caller:
        caller.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        wait(lambda: not yard.driver.idle(name))
        time.sleep(0.1)  # let the app take it: a caller who only waits may wait on in the socket
        yard.driver.apply(Step("sleep", name), {})
        assert b"200" in caller.recv(100)
    assert yard.status(name).phase == "up"
    assert starts(yard) == 1


def test_one_that_may_not_nap_or_is_not_there_is_left_alone(yard: Yard) -> None:
    name = yard.start(app(), port=True)
    port = serving(yard, name).port
    wait(lambda: yard.driver.idle(name))
    yard.driver.apply(Step("sleep", name), {})
    yard.driver.apply(Step("sleep", "nobody.1.web.1"), {})
    assert answers(port)
    assert (yard.status(name).phase, starts(yard)) == ("up", 1)


@pytest.mark.parametrize("leaves", ["", POLITE], ids=["killed", "polite"])
def test_nobody_is_cut_off_while_it_falls_asleep_again_and_again(yard: Yard, leaves: str) -> None:
    """Callers come all the time; it is told to sleep all the time. Each is answered."""
    name = yard.start(app(leaves=leaves), port=True, naps=True)
    port = serving(yard, name).port
    ended = threading.Event()

    def tease() -> None:
        while not ended.is_set():
            yard.driver.apply(Step("sleep", name), {})
            ended.wait(0.02)

    def call(number: int) -> str:
        time.sleep(0.013 * (number % 7))
        return answers(port)

    teaser = threading.Thread(target=tease)
    teaser.start()
    try:
        with ThreadPoolExecutor(2) as pool:
            got = list(pool.map(call, range(80)))
    finally:
        ended.set()
        teaser.join()
    assert got.count("") == 0
    assert starts(yard) > 3  # it did sleep meanwhile


def test_a_wake_that_fails_tells_its_caller_and_goes_on_with_patience(yard: Yard) -> None:
    flag = yard.home / "release" / "broken"
    code = (
        APP.replace("BOOT", "0")
        .replace("LEAVES", "")
        .replace("print(", "os.path.exists('broken') and sys.exit(3)\nprint(", 1)
    )
    name = yard.start(python(code), port=True, naps=True)
    port = serving(yard, name).port
    asleep(yard, name)
    flag.touch()
    began = time.monotonic()
    assert answers(port) == ""
    assert time.monotonic() - began < 1.5
    status = yard.until(name, lambda one: one.restarts >= 1)
    assert str(status.exit) == "exited with code 3"
    flag.unlink()
    serving(yard, name)


def test_one_that_wakes_and_lets_nobody_in_is_ended(yard: Yard) -> None:
    code = APP.replace("BOOT", "60 if os.path.exists('stuck') else 0").replace("LEAVES", "")
    name = yard.start(python(code), port=True, naps=True, boot=0.5)
    port = serving(yard, name).port
    asleep(yard, name)
    (yard.home / "release" / "stuck").touch()
    began = time.monotonic()
    assert answers(port) == ""
    assert 0.4 < time.monotonic() - began < 1.9
    assert any("took nobody in" in line for line in yard.lines())
    yard.until(name, lambda one: one.restarts >= 1)


def test_a_sleeper_is_adopted_stopped_and_replaced(yard: Yard) -> None:
    name = yard.start(app(), port=True, naps=True)
    port = serving(yard, name).port
    asleep(yard, name)
    other = Local(yard.home)
    assert [(one.id, one.phase, one.port) for one in other.status()] == [(name, "asleep", port)]
    assert yard.start(app(), port=True, naps=True) == name  # it is there
    assert starts(yard) == 1
    shim = state_of(other.replicas / name)["shim"]
    began = time.monotonic()
    other.stop("hello")
    assert time.monotonic() - began < 1
    assert other.status() == []
    assert not alive(shim)
    assert answers(port) == ""


def test_a_killed_sleeper_is_gone_and_can_be_started_anew(yard: Yard) -> None:
    name = yard.start(app(), port=True, naps=True)
    serving(yard, name)
    asleep(yard, name)
    os.kill(state_of(yard.driver.replicas / name)["shim"][0], signal.SIGKILL)
    yard.until(name, lambda one: one.phase == "exited")
    yard.start(app(), port=True, naps=True)
    serving(yard, name)
