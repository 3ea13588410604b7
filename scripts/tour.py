"""The story that `./try` tells: a new app from a golden path, live; a second version while requests flow; a broken one
refused; one that fails only its users taken back by itself; a branch beside its app; a rollback. Every sentence is
checked; `--once` exits 0 only if all of it held."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

APP = "hello"
ROOT = Path(__file__).resolve().parent.parent
BOLD, DIM, GREEN, RED, PLAIN = (
    ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("",) * 5
)


class Traffic(threading.Thread):
    """Asks for the app's page until stopped: how many answers, how many failures, how long each took (ms)."""

    def __init__(self, edge: int) -> None:
        super().__init__(daemon=True)
        self.edge, self.ended = edge, threading.Event()
        self.took: list[float] = []
        self.failed: list[str] = []
        self.start()

    def run(self) -> None:
        while not self.ended.is_set():
            began = time.monotonic()
            try:
                status, _ = ask(self.edge)
                self.took.append((time.monotonic() - began) * 1000)
                if status != 200:
                    self.failed.append(f"HTTP {status}")
            except OSError as error:
                self.failed.append(str(error))
            time.sleep(0.005)


def ask(edge: int, app: str = APP) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", edge, timeout=20)
    try:
        connection.request("GET", "/", headers={"Host": f"{app}.localhost:{edge}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def free_port(wanted: int) -> int:
    """The port people expect, or another when it is taken."""
    for port in (wanted, 0):
        with socket.socket() as sock:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(("127.0.0.1", port))
                return sock.getsockname()[1]
            except OSError:
                continue
    raise SystemExit("no port is free on 127.0.0.1")


class Tour:
    """The state of the story: where things are, and whether all held so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home, self.app = folder / "home", folder / APP
        self.listen, self.edge = free_port(7000), free_port(7080)
        self.held = True
        me = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "you"), ("EMAIL", "you@localhost"))
        }
        binaries = str(Path(sys.executable).parent)
        self.env = {**os.environ, **me, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
        self.env |= {
            "WEND_HOME": str(self.home),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "NO_COLOR": "1",
        }
        for name in ("WEND_URL", "WEND_TOKEN"):
            self.env.pop(name, None)

    def head(self, text: str) -> None:
        print(f"\n{BOLD}{text}{PLAIN}", flush=True)

    def check(self, holds: bool, text: str) -> None:
        print(f"  {GREEN}✓{PLAIN} {text}" if holds else f"  {RED}✗ {text}{PLAIN}", flush=True)
        self.held = self.held and holds

    def run(self, *words: str, cwd: Path | None = None, show: bool = True) -> tuple[int, str]:
        """Run a command as the reader would, showing it and what it says."""
        if show:
            print(f"{DIM}  $ {' '.join(words)}{PLAIN}", flush=True)
        process = subprocess.Popen(
            words, cwd=cwd or self.app, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        said: list[str] = []
        assert process.stdout
        for line in process.stdout:
            said.append(line)
            if show:
                print(f"    {line.rstrip()}", flush=True)
        return process.wait(), "".join(said)


def change(tour: Tour, line: str, message: str) -> None:
    """Put a line before the first import of the app's source and commit it."""
    source = tour.app / "app.py"
    lines = source.read_text().splitlines()
    at = next(number for number, text in enumerate(lines) if text.startswith(("import ", "from ")))
    source.write_text("\n".join([*lines[:at], line, *lines[at:], ""]))
    tour.run("git", "commit", "--quiet", "--all", "--message", message, show=False)


# ---------------------------------------------------------------------------------------------- the chapters


def start(tour: Tour) -> None:
    tour.head("1. The platform, in a throw-away home")
    addresses = ("--listen", f"127.0.0.1:{tour.listen}", "--edge", f"127.0.0.1:{tour.edge}")
    code, _ = tour.run("wend", "up", "--detach", *addresses, cwd=tour.folder)
    tour.check(code == 0, "it is up")
    if code:
        raise SystemExit(1)


def first_push(tour: Tour) -> None:
    tour.head("2. A new app from a golden path, pushed with plain git")
    tour.run("wend", "new", "python-web", APP, cwd=tour.folder)
    code, said = tour.run("git", "push", "wend", "main")
    status, _ = ask(tour.edge) if code == 0 else (0, "")
    tour.check(code == 0 and status == 200, f"http://{APP}.localhost:{tour.edge} answers {status}{took(said)}")


def took(said: str) -> str:
    found = re.search(r"live in (\d+) ms", said)
    return f", {found[1]} ms after the push arrived" if found else ""


def second_push(tour: Tour) -> None:
    tour.head("3. A second version, while requests flow")
    change(tour, "# The second version.", "Second version")
    traffic = [Traffic(tour.edge) for _ in range(4)]
    code, said = tour.run("git", "push", "wend", "main")
    time.sleep(0.5)  # some more requests after the switch, so that the count means something
    for one in traffic:
        one.ended.set()
    for one in traffic:
        one.join()
    times = sorted(ms for one in traffic for ms in one.took)
    failed = [why for one in traffic for why in one.failed]
    middle, high = (statistics.median(times), times[int(len(times) * 0.95)]) if times else (0.0, 0.0)
    tour.check(code == 0, f"live{took(said)}")
    tour.check(not failed, f"{len(failed)} of {len(times)} requests failed (median {middle:.1f} ms, p95 {high:.1f} ms)")


def broken_push(tour: Tour) -> None:
    tour.head("4. A broken version is refused, with its cause")
    change(tour, "raise RuntimeError('the database is away')", "Broken version")
    code, said = tour.run("git", "push", "wend", "main")
    tour.check(code != 0 and "[remote rejected]" in said, "the push was refused")
    tour.check("the database is away" in said, "its cause was named")
    tour.check(ask(tour.edge)[0] == 200, "the version before still answers")
    tour.run("git", "reset", "--quiet", "--hard", "HEAD~1", show=False)


FAILS = """
@app.before_request
def fail():
    from flask import request
    return None if request.user_agent.string == "wend-gate" else ("out of order", 500)
"""


def bad_canary(tour: Tour) -> None:
    tour.head("5. A version that passes its gate and fails its users, as a canary")
    source = tour.app / "app.py"
    source.write_text(source.read_text() + FAILS)
    tour.run("git", "commit", "--quiet", "--all", "--message", "Fails its users", show=False)
    traffic = [Traffic(tour.edge) for _ in range(4)]
    began = time.monotonic()
    code, _ = tour.run("git", "push", "-o", "canary=20", "wend", "main")
    tour.check(code == 0, "it got a share of the requests")
    code, _ = tour.run("wend", "canary", APP, "--watch")
    tour.check(code == 4, f"it was taken back by itself, {time.monotonic() - began:.1f} s after the push began")
    for one in traffic:
        one.ended.set()
    for one in traffic:
        one.join()
    failed, asked = sum(len(one.failed) for one in traffic), sum(len(one.took) for one in traffic)
    tour.check(0 < failed < asked / 4, f"{failed} of {asked} requests failed, and none does now")
    tour.check(ask(tour.edge)[0] == 200, "the version before answers all of them")
    tour.run("git", "reset", "--quiet", "--hard", "HEAD~1", show=False)


def preview(tour: Tour) -> None:
    tour.head("6. Another branch, beside the app")
    tour.run("git", "checkout", "--quiet", "-b", "idea", show=False)
    change(tour, "# An idea.", "An idea")
    code, _ = tour.run("git", "push", "wend", "idea")
    name = f"idea--{APP}"
    tour.check(code == 0 and ask(tour.edge, name)[0] == 200, f"http://{name}.localhost:{tour.edge} answers 200")
    tour.run("git", "checkout", "--quiet", "main", show=False)


def back(tour: Tour) -> None:
    tour.head("7. Roll back")
    code, said = tour.run("wend", "rollback", APP)
    tour.check(code == 0 and ask(tour.edge)[0] == 200, f"the first version is back{took(said)}")
    tour.run("wend", "releases", APP)


def measured(tour: Tour) -> None:
    tour.head("8. What it was like, in numbers that say how sure they are")
    tour.run("wend", "ingest", "git", str(ROOT), "--service", "wend-itself", "--deploys-are", "commits")
    code, _ = tour.run("wend", "signals", "--weeks", "4")
    _, said = tour.run("wend", "signals", "--scope", f"service:{APP}", "--json", show=False)
    found = {one["id"]: one for one in json.loads(said)} if code == 0 else {}
    tour.check(bool(found) and found["deployment_frequency"]["n"] == 4, "four deployments of hello: a canary, too")
    tour.check(bool(found) and found["deployment_rework_rate"]["value"] == 0.25, "the rollback was not planned")


def goodbye(tour: Tour) -> None:
    tour.run("wend", "down", cwd=tour.folder, show=False)
    left = [line for line in (tour.folder / "home" / "run" / "replicas").glob("*")] if tour.home.exists() else []
    tour.check(not left, "everything is stopped")


def stay(tour: Tour) -> None:
    """Keep the platform until Ctrl-C, with a link that signs in."""
    tour.head("It stays up until Ctrl-C")
    print(f"  app     http://{APP}.localhost:{tour.edge}")
    _, link = tour.run("wend", "open", "--portal", "--print", show=False)
    print(f"  portal  {link.strip() or f'http://127.0.0.1:{tour.listen}'}")
    print(f"  code    {tour.app}")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print()


CHAPTERS: tuple[Callable[[Tour], None], ...] = (
    start, first_push, second_push, broken_push, bad_canary, preview, back, measured,
)  # fmt: skip


def main() -> int:
    once = "--once" in sys.argv[1:]
    if set(sys.argv[1:]) - {"--once"}:
        print(__doc__)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="wend-try-"))
    tour = Tour(folder)
    began = time.monotonic()
    try:
        for chapter in CHAPTERS:
            chapter(tour)
        print(f"\n{'All of it held' if tour.held else 'Not all of it held'}, in {time.monotonic() - began:.1f} s.")
        if not once:
            stay(tour)
    except KeyboardInterrupt:
        print()
    finally:
        goodbye(tour)
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if tour.held else 1


if __name__ == "__main__":
    sys.exit(main())
