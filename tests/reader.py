"""Someone who follows a page to the letter: its commands in one shell, in order, and what they showed.

In a ```` ```console ```` fence a line that starts with `$ ` is a command and one that starts with `> ` continues it;
the lines below are what it shows. A page may leave lines out, but every line it shows must come, in this order. `…` in
a line stands for anything. In a fence marked `fails` the last command must fail, any other must not. Measures (times,
sizes, ports, commit ids, dates) may differ; everything else may not.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.house import free_port

FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```\s*$", re.MULTILINE | re.DOTALL)
CURL = """#!{python}
# Where there is no curl: a GET that takes every NAME.localhost for this machine.
import http.client, sys, urllib.parse
there = urllib.parse.urlsplit(next(word for word in sys.argv[1:] if not word.startswith("-")))
connection = http.client.HTTPConnection("127.0.0.1", there.port, timeout=20)
connection.request("GET", there.path or "/", headers={{"Host": there.netloc}})
sys.stdout.write(connection.getresponse().read().decode())
"""
BLUR = (
    (re.compile(r"\x1b\[[0-9;]*[A-Za-z]"), ""),
    (re.compile(r"\b(?:now|\d+ (?:second|minute)s? ago)\b"), "now"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"\b(?=\w*\d)(?:[0-9a-f]{7,64}|0[0-9a-z]{12})\b"), "ID"),
    (re.compile(r"(?<![\w.×-])(?<!release )\d+(?:\.\d+)*"), "0"),
    (re.compile(r"\s+"), " "),
)
ADA = {
    "LOGNAME": "ada",
    "GIT_AUTHOR_NAME": "ada",
    "GIT_AUTHOR_EMAIL": "ada@localhost",
    "GIT_COMMITTER_NAME": "ada",
    "GIT_COMMITTER_EMAIL": "ada@localhost",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
    "NO_COLOR": "1",
    "TERM": "xterm",
}


@dataclass(frozen=True)
class Said:
    """One command of a page, what the page shows below it, and whether it is said to fail."""

    command: str
    shown: tuple[str, ...]
    fails: bool


@dataclass(frozen=True)
class Block:
    """One fence: its line in the page and its commands."""

    line: int
    commands: tuple[Said, ...]


def blocks(text: str) -> list[Block]:
    """The console fences of a page. In one marked `fails`, the last command fails."""
    found: list[Block] = []
    for fence in FENCE.finditer(text):
        kind, *marks = fence["info"].split() or [""]
        if kind == "console":
            line = text.count("\n", 0, fence.start()) + 1
            found.append(Block(line, tuple(commands(fence["body"], "fails" in marks))))
    return found


def commands(body: str, fails: bool) -> list[Said]:
    """The commands of a fence."""
    parts = re.split(r"^\$ ", body, flags=re.MULTILINE)
    assert not parts[0].strip(), f"output before any command: {parts[0]!r}"
    found: list[Said] = []
    for at, part in enumerate(parts[1:], 1):
        first, *rest = part.splitlines()
        more = next((number for number, line in enumerate(rest) if not line.startswith("> ")), len(rest))
        command = "\n".join([first, *(line[2:] for line in rest[:more])])
        shown = tuple(line for line in rest[more:] if line.strip())
        found.append(Said(command, shown, fails and at == len(parts) - 1))
    return found


def blur(line: str) -> str:
    """The line without its measures."""
    for pattern, instead in BLUR:
        line = pattern.sub(instead, line)
    return line.strip()


def settled(output: str) -> str:
    """What stays to be read on a terminal: progress that was written over is gone."""
    return "\n".join(line.rpartition("\r")[2] for line in output.replace("\r\n", "\n").split("\n"))


def missing(shown: tuple[str, ...], output: str) -> str | None:
    """The first line that the page shows and the output, from there on, has not."""
    lines = [blur(line) for line in output.split("\n")]
    at = 0
    for line in shown:
        pattern = re.compile(".*".join(map(re.escape, re.split(r" ?… ?|\.\.\.", blur(line)))))
        at = next((number + 1 for number in range(at, len(lines)) if pattern.fullmatch(lines[number])), 0)
        if not at:
            return line
    return None


@dataclass
class Reader:
    """A shell on a terminal of its own, with a throw-away home. To the page, `folder` is /srv/ada."""

    folder: Path
    listen: int = field(default_factory=free_port)
    edge: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        (self.folder / "bin").mkdir(parents=True)
        if not shutil.which("curl"):
            curl = self.folder / "bin" / "curl"
            curl.write_text(CURL.format(python=sys.executable))
            curl.chmod(0o755)
        self.terminal, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.shell = subprocess.Popen(
            ["sh"],
            cwd=self.folder,
            env=self.env(),
            stdin=subprocess.PIPE,
            stdout=other,
            stderr=other,
            start_new_session=True,
        )
        os.close(other)

    @property
    def home(self) -> Path:
        return self.folder / ".wend"

    def env(self) -> dict[str, str]:
        """A developer's environment: nothing of this machine's git settings, logins and platforms."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WEND_", "GIT_"))}
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "COLUMNS", "LINES"):
            kept.pop(name, None)
        path = [str(Path(sys.executable).parent), os.environ["PATH"], str(self.folder / "bin")]
        here = {
            "PATH": os.pathsep.join(path),
            "WEND_HOME": str(self.home),
            "WEND_LISTEN": f"127.0.0.1:{self.listen}",
            "WEND_EDGE": f"127.0.0.1:{self.edge}",
            "XDG_STATE_HOME": str(self.folder / "state"),
            "no_proxy": f"{os.environ.get('no_proxy', '')},localhost,.localhost,127.0.0.1".lstrip(","),
        }
        return {**kept, **ADA, **here}

    def run(self, command: str, seconds: float = 300.0) -> tuple[int, str]:
        """(exit code, output) of a command, with the page's addresses and folder in both."""
        for shown, real in ((":7080", f":{self.edge}"), (":7000", f":{self.listen}"), ("/srv/ada", str(self.folder))):
            command = command.replace(shown, real)
        script, end = self.folder / "bin" / "command", f"ended-{time.monotonic_ns()}"
        script.write_text(command + "\n")
        assert self.shell.stdin
        self.shell.stdin.write(f". {script} </dev/null; printf '\\n%s %s\\n' {end} $?\n".encode())
        self.shell.stdin.flush()
        output, code = self.until(end, seconds)
        for shown, real in ((":7080", f":{self.edge}"), (":7000", f":{self.listen}"), ("/srv/ada", str(self.folder))):
            output = output.replace(real, shown)
        return code, settled(output)

    def until(self, end: str, seconds: float) -> tuple[str, int]:
        """What the terminal shows until the command has ended, and its exit code."""
        said, deadline = b"", time.monotonic() + seconds
        while True:
            ready, _, _ = select.select([self.terminal], [], [], max(0.0, deadline - time.monotonic()))
            text = said.decode("utf-8", "replace")
            assert ready, f"not done after {seconds:g} s:\n{text}"
            said += os.read(self.terminal, 2**16)
            text = said.decode("utf-8", "replace")
            if done := re.search(rf"\r?\n{end} (\d+)\r?\n", text):
                return text[: done.start()], int(done[1])

    def follow(self, page: str, text: str) -> list[tuple[int, float]]:
        """Do what the page says. (line, seconds) of each block; AssertionError names the line that is not true."""
        took: list[tuple[int, float]] = []
        for block in blocks(text):
            began = time.monotonic()
            for said in block.commands:
                code, output = self.run(said.command)
                where = f"{page}:{block.line}: $ {said.command}"
                assert (code != 0) == said.fails, f"{where}\nexit code {code}\n{output}"
                lacks = missing(said.shown, output)
                assert lacks is None, f"{where}\nthe page shows\n  {lacks}\nbut what came was\n{output}"
            took.append((block.line, time.monotonic() - began))
        return took

    def close(self) -> None:
        """Stop the platform and the shell."""
        subprocess.run(["wend", "down"], env=self.env(), capture_output=True, check=False, timeout=120)
        assert self.shell.stdin
        self.shell.stdin.close()
        self.shell.wait(timeout=10)
        os.close(self.terminal)
