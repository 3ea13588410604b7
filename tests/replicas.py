"""A local driver in a folder of its own, small apps for it, and waiting with a deadline."""

from __future__ import annotations

import shlex
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from wend.run import Box, Mount, Replica, Status, Step
from wend.run.local import Local
from wend.run.walls import interpreter

PYTHON = getattr(sys, "_base_executable", "") or sys.executable
SERVER = """
import http.server, os, sys
class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'pid %d' % os.getpid())
    def log_message(self, *args): print('served', flush=True)
http.server.ThreadingHTTPServer(('0.0.0.0', int(os.environ['PORT'])), Hello).serve_forever()
"""


def python(code: str) -> str:
    return shlex.join([PYTHON, "-I", "-S", "-u", "-c", code])


class Yard:
    """Starts replicas of the app `hello`, one after the other, and stops them all at the end."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.driver = Local(home)
        self.release = home / "release"
        self.release.mkdir(parents=True)

    def start(
        self, command: str = "", app: str = "hello", index: int = 0, env: dict[str, str] | None = None, **box: object
    ) -> str:
        mounts = (Mount(str(self.release), "/app", "overlay"), *interpreter())
        made = Box(command or python(SERVER), mounts=mounts, **{"grace": 1.0, **box})
        replica = Replica(app, 1, "web", index, made)
        self.driver.apply(Step("start", replica.id, replica), env or {})
        return replica.id

    def status(self, name: str) -> Status:
        return next(status for status in self.driver.status() if status.id == name)

    def lines(self, app: str = "hello") -> list[str]:
        return [line.text for line in self.driver.logs(app, 10_000)]

    def until(self, name: str, true: Callable[[Status], bool]) -> Status:
        """The status once `true` of it."""
        wait(lambda: true(self.status(name)), lambda: f"{self.status(name)} {self.lines()[-5:]}")
        return self.status(name)

    def down(self) -> None:
        for app in {status.app for status in self.driver.status()}:
            self.driver.stop(app)


def wait(true: Callable[[], object], told: Callable[[], object] = lambda: "", seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, told()
        time.sleep(0.01)


def answers(port: int | None, path: str = "/") -> str:
    """What is served there; empty while nothing answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
            return str(reply.read().decode())
    except OSError:
        return ""
