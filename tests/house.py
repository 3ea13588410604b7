"""A real platform on loopback for tests: the control plane as its own process, on a home and ports of its own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SERVER = """
import http.server, os, signal, sys, threading, time
WORD = {word!r}
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 2**16
    def do_GET(self):
        if self.path.startswith("/slow"):
            time.sleep(float(self.path.partition("=")[2] or 1))
        body = (os.environ.get(self.path[5:], "") if self.path.startswith("/env/") else WORD).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128
server = Server(("0.0.0.0", int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("serving", WORD, flush=True)
server.serve_forever()
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def until(holds: Callable[[], Any], seconds: float = 15.0, what: str = "") -> Any:
    """What `holds` returns once that is true; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what or holds}")


class House:
    """One platform. `up` starts it, `kill` ends the control plane with SIGKILL, `down` stops everything."""

    def __init__(self, home: Path, env: dict[str, str] | None = None) -> None:
        self.home = home
        self.listen, self.edge = free_port(), free_port()
        self.env = {**os.environ, "WEND_SETTLE_SECONDS": "0.6", "WEND_DRAIN_SECONDS": "5", **(env or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *launcher: str) -> subprocess.Popen[bytes]:
        """Start the control plane; `launcher` stands in for `-m wend.serve`."""
        words = ["--home", str(self.home), "--listen", f"127.0.0.1:{self.listen}", "--edge", f"127.0.0.1:{self.edge}"]
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "test.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *(launcher or ("-m", "wend.serve")), *words],
                env=self.env,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        return self.process

    def up(self, *launcher: str) -> House:
        process = self.start(*launcher)

        def answers() -> bool:
            assert process.poll() is None, self.log()
            return self.ready()

        until(answers, 30, "the platform answers")
        return self

    def ready(self) -> bool:
        try:
            found = json.loads((self.home / "run" / "serve.json").read_text())
            return self.process is not None and found["pid"] == self.process.pid
        except (OSError, ValueError):
            return False

    def log(self) -> str:
        return (self.home / "test.log").read_text(errors="replace")[-5000:]

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self, number: int = signal.SIGINT) -> int:
        assert self.process
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=60)

    def down(self) -> None:
        if self.process and self.process.poll() is None:
            self.stop()
        else:
            words = [sys.executable, "-m", "wend.serve", "--halt", "--home", str(self.home)]
            subprocess.run(words, env=self.env, check=False, timeout=60)

    @property
    def token(self) -> str:
        return (self.home / "admin.token").read_text().strip()

    def api(self, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        """(status, JSON). Streams come as a list of their lines."""
        connection = http.client.HTTPConnection("127.0.0.1", self.listen, timeout=60)
        try:
            headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            raw = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(raw or b"null")
        except ValueError:
            return answer.status, [json.loads(line) for line in raw.splitlines()]

    def change(self, path: str, body: Any = None) -> tuple[list[str], dict[str, Any]]:
        """A streamed act: its lines, and its last word (`done` or the error)."""
        status, found = self.api("POST", path, body if body is not None else {})
        items = found if isinstance(found, list) else [found]
        assert items, (status, found)
        return [item["line"] for item in items if "line" in item], items[-1]

    def get(self, app: str, path: str = "/", timeout: float = 20.0) -> tuple[int, str]:
        """Through the proxy, as a browser would ask for it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.edge, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Host": f"{app}.localhost:{self.edge}"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def repo(self, app: str, folder: Path, files: dict[str, str] | None = None, word: str = "one") -> Repo:
        """A git repository whose remote `wend` is this platform."""
        found = Repo(folder, f"http://x:{self.token}@127.0.0.1:{self.listen}/git/{app}.git")
        found.write(files if files is not None else small(word))
        found.commit("first version")
        return found


def small(word: str, **more: str) -> dict[str, str]:
    """The smallest app: the standard library answers `word`."""
    return {"requirements.txt": "", "Procfile": "web: exec python app.py\n", "app.py": SERVER.format(word=word), **more}


def at_once(word: str) -> dict[str, str]:
    """The same, live at once however many requests come: where much is asked, a push may well go out in steps."""
    return small(word, **{"wend.toml": '[canary]\nsteps = "off"\n'})


class Repo:
    """A developer's checkout."""

    def __init__(self, folder: Path, remote: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "wend", remote)

    def git(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        names = {
            f"GIT_{who}_{what}": f"dev{'@localhost' if what == 'EMAIL' else ''}"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        env = {**os.environ, **names, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}
        return subprocess.run(
            ["git", *words], cwd=self.folder, env=env, capture_output=True, text=True, check=check, timeout=120
        )

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)

    def commit(self, message: str = "change") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").stdout.strip()

    def change(self, **files: str) -> str:
        """Write files (`app_py` is app.py) and commit."""
        self.write({name.replace("_py", ".py"): text for name, text in files.items()})
        return self.commit()

    def push(self, *words: str) -> tuple[bool, str]:
        """(taken, what git said)."""
        done = self.git("push", "wend", *(words or ("main",)), check=False)
        return done.returncode == 0, done.stderr
