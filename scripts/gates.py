"""What `./check` runs: lint, format and types as one check each, then every test; counted together.

Words after `./check` go to pytest (`./check tests/test_spec.py -k size`). Nothing may take longer than 25 minutes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
MINUTES = 25
TOO_LONG = 124  # what timeout(1) exits with
# A program that tests need, and the distribution package that brings it.
PROGRAMS = {"chromium": "chromium", "postgres": "postgresql", "redis-server": "redis-server"}
PLACES = ("/usr/lib/postgresql", "/usr/local/pgsql")
GATES = {
    "lint": [str(BIN / "ruff"), "check", "."],
    "format": [str(BIN / "ruff"), "format", "--check", "."],
    "types": [str(BIN / "pyright"), "--pythonpath", sys.executable],
}


@dataclass
class Count:
    """Checks so far."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def installed(program: str) -> bool:
    return bool(shutil.which(program)) or any(any(Path(place).rglob(f"bin/{program}")) for place in PLACES)


def get_programs() -> None:
    """Install what only a distribution has, where that is ours to do; else say what is missing."""
    missing = {name: package for name, package in PROGRAMS.items() if not installed(name)}
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        why = "not root" if os.geteuid() != 0 else "no apt-get"
        print(f"{', '.join(missing)} missing and not installed ({why}); install: {' '.join(missing.values())}")
        return
    print(f"installing {' '.join(missing.values())} ...", flush=True)
    # RUNLEVEL: Debian's packages then start no service of their own; the tests start what they need
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *missing.values()]):
        done = subprocess.run(["apt-get", *words], env=env, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            print(f"apt-get {words[0]} failed: {done.stderr.strip()[-300:]}")
            return


def run(command: list[str], left: float) -> int:
    """The exit code; the process group is ended when the time is over."""
    # the tests start the platform some hundred times: compiled once, that takes a third of the time
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True)
    try:
        return process.wait(max(1.0, left))
    except BaseException as error:
        os.killpg(process.pid, 15)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            print(f"stopped: the checks took over {MINUTES} minutes")
            return TOO_LONG
        raise


@contextmanager
def titled(name: str) -> Iterator[None]:
    print(f"\n== {name}", flush=True)
    begun = time.monotonic()
    yield
    print(f"-- {name}: {time.monotonic() - begun:.1f} s", flush=True)


def gates(count: Count, until: float) -> None:
    for name, command in GATES.items():
        with titled(name):
            good = run(command, until - time.monotonic()) == 0
        count.passed += good
        count.failed += not good


def tests(count: Count, until: float, words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, titled("tests"):
        report = Path(folder) / "tests.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-ra", f"--junitxml={report}", *words]
        code = run(command, until - time.monotonic())
        seen = counted(report)
    count.passed += seen.passed
    count.skipped += seen.skipped
    # a run that ended badly without naming a test is a failure all the same
    count.failed += seen.failed or int(code != 0)


def counted(report: Path) -> Count:
    """What pytest wrote. A test that passed and then failed to clean up is one failure."""
    if not report.exists():
        return Count()
    count = Count()
    for case in ET.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            count.failed += 1
        elif "skipped" in kinds:
            count.skipped += 1
        else:
            count.passed += 1
    return count


def main(words: list[str]) -> int:
    until = time.monotonic() + MINUTES * 60
    count = Count()
    get_programs()
    gates(count, until)
    tests(count, until, words)
    print(f"\n{count}")
    return 1 if count.failed or not count.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
