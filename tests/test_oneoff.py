"""One-off commands: builds, release commands and `wend run`, ended, capped and leaving nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from tests.boxes import linux
from tests.house import until
from wend.run import Box, Limits, Mount
from wend.run.launch import direct
from wend.run.oneoff import run
from wend.run.sandbox import limits
from wend.run.sandbox.job import Job
from wend.run.sandbox.keeper import Keeper


@linux
def test_a_command_ends_as_it_ends(tmp_path: Path) -> None:
    lines: list[str] = []
    assert run(Box("echo one; echo two >&2; exit 3", cwd="/"), {}, lines.append, home=tmp_path).exit.code == 3
    assert lines == ["one", "two"]
    killed = run(Box("kill -SEGV $$", cwd="/"), {}, print, home=tmp_path).exit
    assert str(killed) == "killed by SIGSEGV"
    assert run(Box("no-such-program", cwd="/"), {}, print, home=tmp_path).exit.code == 127


@linux
def test_a_one_off_without_a_home_leaves_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert run(Box("true", cwd="/"), {}, print).exit.code == 0
    assert list(tmp_path.iterdir()) == []


@linux
def test_a_build_sees_no_secret_of_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEND_SECRET_KEY", "the-platform-s-own")
    (tmp_path / "secrets.key").write_text("the-platform-s-own")
    lines: list[str] = []
    command = f"env; cat {tmp_path}/secrets.key; cat /proc/1/environ; cat /proc/*/environ"
    run(Box(command, cwd="/"), {"ASKED": "for"}, lines.append, home=tmp_path)
    assert "ASKED=for" in lines
    assert "the-platform-s-own" not in "\n".join(lines)


@linux
def test_a_build_that_fills_the_disk_is_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "build"
    folder.mkdir()
    box = Box(
        "i=0; while :; do i=$((i+1)); head -c 4000000 /dev/zero > /app/f$i; done",
        mounts=(Mount(str(folder), "/app", "rw"),),
        limits=Limits(disk=20 * 2**20, seconds=30),
    )
    began = time.monotonic()
    done = run(box, {}, print, home=tmp_path)
    assert "on disk are more than the 20971520 allowed" in done.tail[-1]
    assert done.exit.signal == 9
    assert time.monotonic() - began < 20
    subprocess.run(["rm", "-rf", str(folder)], check=True)


@linux
def test_endless_output_is_capped_with_a_mark(tmp_path: Path) -> None:
    lines: list[str] = []
    box = Box("yes abcdefghij | head -c 7700000; echo last words", cwd="/", limits=Limits(log=65536))
    done = run(box, {}, lines.append, home=tmp_path)
    assert done.exit.code == 0
    assert sum(len(line) for line in lines) < 80_000
    assert any("bytes of output dropped" in line for line in lines)
    assert lines[-1] == "last words"
    assert len(done.tail) == 200


@linux
def test_a_fork_bomb_is_told_what_stopped_it(tmp_path: Path) -> None:
    bomb = "i=0; while [ $i -lt 60 ]; do sleep 30 & i=$((i+1)); done"
    seen: list[str] = []
    box = Box(f"cat /proc/self/cgroup; {bomb}", cwd="/", limits=Limits(pids=20, seconds=30))
    done = run(box, {}, seen.append, home=tmp_path)
    if not any("wend-" in line for line in seen if ":pids:" in line or line.startswith("0::")):
        pytest.skip("no group that counts processes can be had here: run as root, or delegate the pids controller")
    assert done.exit.code != 0
    assert done.tail[-1] == "[wend] refused a process: 20 were there, the most allowed"


def running(mark: str) -> list[str]:
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                found.append(entry.name)
        except OSError:
            continue
    return found


@linux
def test_nothing_outlives_a_one_off(tmp_path: Path) -> None:
    mark = f"98{os.getpid()}.5"
    started = threading.Event()
    cancel = threading.Event()
    command = f"trap '' TERM; (setsid sleep {mark} &) ; setsid sleep {mark} & echo on; sleep {mark}"

    def say(line: str) -> None:
        started.set()
        until(lambda: running(mark), 5, "the command is under way")
        cancel.set()

    done = run(Box(command, cwd="/", grace=0.2), {}, say, cancel, home=tmp_path)
    assert started.is_set()
    assert done.exit.code != 0
    assert running(mark) == []
    done = run(Box(f"(setsid sleep {mark} &); echo on", cwd="/"), {}, lambda line: None, home=tmp_path)
    assert done.exit.code == 0
    assert running(mark) == []


@linux
def test_a_listener_that_fails_ends_the_command(tmp_path: Path) -> None:
    mark = f"97{os.getpid()}.5"

    def say(line: str) -> None:
        raise BrokenPipeError("the person left")

    with pytest.raises(BrokenPipeError):
        run(Box(f"echo on; sleep {mark}", cwd="/", grace=0.2), {}, say, home=tmp_path)
    assert running(mark) == []


@linux
def test_a_one_off_is_stopped_in_time(tmp_path: Path) -> None:
    began = time.monotonic()
    done = run(Box("sleep 60", cwd="/", limits=Limits(seconds=0.3)), {}, print, home=tmp_path)
    assert time.monotonic() - began < 5
    assert done.exit.signal == 15
    assert done.tail == ["[wend] stopped after 0.3 s"]


@linux
def test_a_person_gets_a_terminal_and_input(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"hello\n")
    os.close(writing)
    said: list[str] = []
    box = Box("test -t 0 && read x && echo got $x", cwd="/")
    done = run(box, {}, said.append, stdin=reading, interactive=True, home=tmp_path)
    assert done.exit.code == 0
    assert "got hello" in "".join(said)
    os.close(reading)
    with tempfile.TemporaryFile() as file:
        file.write(b"piped")
        file.seek(0)
        said = []
        assert run(Box("cat", cwd="/"), {}, said.append, stdin=file.fileno(), home=tmp_path).exit.code == 0
    assert said == ["piped"]


def test_simple_commands_are_run_without_a_shell_in_between() -> None:
    assert direct("gunicorn -b 0.0.0.0:$PORT app:app") == "exec gunicorn -b 0.0.0.0:$PORT app:app"
    for text in ("cd x && y", "A=1 y", "exec y", "y | z", "y; z", "", "y > /tmp/z"):
        assert direct(text) == text


@linux
def test_why_a_box_could_not_be_made_is_told_before_its_end() -> None:
    """The child's words and its end come on two descriptors; however the end is seen first, the words are not lost."""
    report, told = os.pipe()
    output, unused = os.pipe()
    os.close(unused)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.send(b"fail the mount goes through a link")
    theirs.close()
    pid = os.fork()
    if pid == 0:
        keeper = Keeper(Job({"once": True, "output": 1000, "hidden": ()}), limits.Group({}, False), -1, 0, told)
        keeper.channel, keeper.output = ours, output
        keeper.loop.watch(ours.fileno(), 1, keeper.hear)
        keeper.finish(127)
    os.close(told)
    assert os.waitpid(pid, 0)[1] == 0
    assert os.read(report, 1000) == b"fail the mount goes through a link\nexit 127\n"
