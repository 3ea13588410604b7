"""Every wall is attacked from inside a real box, and each attack is shown to work where there is no wall."""

from __future__ import annotations

import http.server
import json
import os
import shlex
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wend.errors import Invalid
from wend.run import Box, Limits, Mount
from wend.run.launch import direct, uid_of
from wend.run.oneoff import run
from wend.run.sandbox import filter, limits, names, reach
from wend.run.sandbox.job import Job
from wend.run.sandbox.loop import Loop
from wend.run.walls import WALLS, interpreter, probe

ROOT = os.geteuid() == 0
CHECKOUT = Path(__file__).parents[1]
PYTHON = getattr(sys, "_base_executable", "") or sys.executable
PLAIN = 12_345  # a user that nobody is

linux = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's: run these on a Linux machine")


def boxed(tmp_path: Path, code: str, *mounts: Mount, env: dict[str, str] | None = None, **given_values: object):
    """Run Python code in a box; returns how it ended and its lines."""
    lines: list[str] = []
    words = shlex.join([PYTHON, "-I", "-S", "-c", code])
    box = Box(words, cwd="/", mounts=(*mounts, *interpreter()), **given_values)  # type: ignore[arg-type]
    return run(box, env or {}, lines.append, home=tmp_path), lines


# ---------------------------------------------------------------------------------------------- the walls


@linux
@pytest.mark.skipif(not ROOT, reason="run as root to test the walls that root gets")
def test_every_wall_holds_as_root(tmp_path: Path) -> None:
    assert [(wall.name, wall.detail) for wall in probe(tmp_path) if not wall.holds] == []


def as_user(code: str) -> str:
    """Run Python code as a user without privileges; its output."""
    python = PYTHON if not ROOT else next(
        (path for path in ("/usr/bin/python3", "/usr/local/bin/python3") if usable(path)), ""
    )
    if not python:
        pytest.skip("no Python >= 3.11 that other users may run: install one as /usr/bin/python3")
    if ROOT and not all(folder.stat().st_mode & 0o005 == 0o005 for folder in (CHECKOUT, *CHECKOUT.parents)):
        pytest.skip(f"other users cannot read {CHECKOUT}: put the checkout somewhere that they can")
    who = {"user": PLAIN, "group": PLAIN, "extra_groups": []} if ROOT else {}
    program = f"import sys; sys.path.insert(0, {str(CHECKOUT)!r})\n{code}"
    done = subprocess.run(
        [python, "-c", program], cwd="/", capture_output=True, text=True, timeout=60, check=False, **who
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def usable(path: str) -> bool:
    version = "import sys; raise SystemExit(sys.version_info < (3, 11))"
    return Path(path).exists() and not subprocess.run([path, "-c", version], check=False).returncode


@linux
def test_every_wall_but_the_own_user_holds_for_a_plain_user() -> None:
    said = as_user(
        "import json, tempfile; from pathlib import Path; from wend.run.walls import probe\n"
        "with tempfile.TemporaryDirectory() as home:\n"
        "    print(json.dumps([(w.name, w.detail, w.fix) for w in probe(Path(home)) if not w.holds]))"
    )
    fallen = json.loads(said)
    assert [name for name, _, _ in fallen] == [WALLS["user"][0]]
    assert "root" in fallen[0][2]


@linux
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, "") for name in ("processes", "metadata", "namespaces", "kernel_doors", "terminal", "sockets")],
        *[(name, "") for name in ("environment", "privileges", "seccomp", "descriptors", "mounts")],
        ("read_folder", "/etc"), ("user", str(os.getuid())), ("memory", "4096"), ("file_size", "1000"), ("forks", "2"),
        ("signals", "PID"),
    ],
)  # fmt: skip
def test_the_probes_succeed_where_there_is_no_wall(name: str, value: str) -> None:
    if name == "sockets" and not ROOT:
        pytest.skip("packet sockets need root even without walls: run as root")
    probes = CHECKOUT / "wend/run/sandbox/probes.py"
    left_open = os.open("/dev/null", os.O_RDONLY)
    done = subprocess.run(
        [PYTHON, "-I", "-S", str(probes), f"{name}={value.replace('PID', str(os.getpid()))}"],
        capture_output=True, text=True, timeout=30, check=True, pass_fds=[left_open],
        env=dict(os.environ) | {"WEND_PROBE": "1"},
    )  # fmt: skip
    os.close(left_open)
    Path("/tmp/large").unlink(missing_ok=True)
    word, probed, got = done.stdout.strip().split(" ", 2)
    assert (word, probed) == ("PROBE", name)
    assert not got.startswith("held"), got


@linux
def test_the_loopback_probes_succeed_where_there_is_no_wall() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        probes = CHECKOUT / "wend/run/sandbox/probes.py"
        done = subprocess.run(
            [PYTHON, "-I", "-S", str(probes), f"host_loopback={port}", f"host_address=127.0.0.1:{port}"],
            capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
    assert done.stdout.count("connected to") == 2


# ---------------------------------------------------------------------------------------------- files


@linux
def test_what_is_written_to_an_overlay_is_thrown_away(tmp_path: Path) -> None:
    release = tmp_path / "release"
    (release / "deep").mkdir(parents=True)
    (release / "file").write_text("as built")
    code = (
        "open('/app/file', 'w').write('changed'); open('/app/deep/new', 'w').write('new')\n"
        "print(open('/app/file').read(), open('/app/deep/new').read())"
    )
    done, lines = boxed(tmp_path, code, Mount(str(release), "/app", "overlay"))
    assert (done.exit.code, lines) == (0, ["changed new"])
    assert (release / "file").read_text() == "as built"
    assert not (release / "deep/new").exists()
    assert not list((tmp_path / "run/once").iterdir())


@linux
def test_an_overlay_works_where_the_kernel_cannot_map_its_owner(tmp_path: Path) -> None:
    """Two folders of two owners: only one owner is mapped, so the other folder is copied."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for number, folder in enumerate(folders):
        folder.mkdir()
        (folder / "file").write_text("as built")
        if ROOT:
            os.chown(folder, PLAIN + number, PLAIN + number)
            os.chown(folder / "file", PLAIN + number, PLAIN + number)
    mounts = [Mount(str(folder), f"/{folder.name}", "overlay") for folder in folders]
    code = "for at in ('/one/file', '/two/file'): open(at, 'w').write('new'); print(open(at).read())"
    done, lines = boxed(tmp_path, code, *mounts)
    assert (done.exit.code, lines) == (0, ["new", "new"])
    assert [(folder / "file").read_text() for folder in folders] == ["as built"] * 2


@linux
def test_a_writable_mount_is_written_through(tmp_path: Path) -> None:
    folder = tmp_path / "build"
    folder.mkdir()
    done, _ = boxed(tmp_path, "open('/app/made', 'w').write('x')", Mount(str(folder), "/app", "rw"))
    assert done.exit.code == 0
    assert (folder / "made").read_text() == "x"


@linux
def test_a_mount_never_goes_through_a_link_of_the_tenants(tmp_path: Path) -> None:
    tenant, other = tmp_path / "tenant", tmp_path / "other"
    tenant.mkdir()
    other.mkdir()
    (tenant / "deps").symlink_to("/etc")
    mounts = (Mount(str(tenant), "/app", "rw"), Mount(str(other), "/app/deps", "rw"))
    done, _ = boxed(tmp_path, "print('started')", *mounts)
    assert done.exit.code == 127
    assert "link" in done.tail[-1]


@linux
def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="/nowhere"):
        run(Box("true", mounts=(Mount("/nowhere", "/app"),)), {}, print, home=tmp_path)


@pytest.mark.skipif(not ROOT, reason="only root can give apps users of their own")
def test_each_user_has_one_uid_for_ever(tmp_path: Path) -> None:
    first, second = uid_of(tmp_path, "one"), uid_of(tmp_path, "two")
    assert first >= 20_000
    assert second == first + 1
    assert uid_of(tmp_path, "one") == first
    assert uid_of(tmp_path, "three") == second + 1


# ---------------------------------------------------------------------------------------------- limits


def test_the_second_version_of_control_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree of plain files stands for the kernel's: this machine may have only the first version."""

    def made(folder: str) -> bool:
        Path(folder).mkdir()
        (Path(folder) / "cgroup.controllers").write_text("cpu memory pids io\n")
        return True

    monkeypatch.setattr(limits, "MOUNT", str(tmp_path))
    monkeypatch.setattr(limits, "made", made)
    group = limits.second(Job({"group": "wend-x", "memory": 2**26, "pids": 40, "cpu": 0.5}), "/")
    wrote = {path.name: path.read_text() for path in (tmp_path / "wend-x").iterdir()}
    assert wrote == {
        "cgroup.controllers": "cpu memory pids io\n", "memory.max": "67108864", "memory.swap.max": "0",
        "memory.oom.group": "1", "pids.max": "40", "cpu.max": "50000 100000",
    }  # fmt: skip
    (tmp_path / "wend-x/memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    (tmp_path / "wend-x/memory.stat").write_text("anon 4096\nfile 1\n")
    (tmp_path / "wend-x/cpu.stat").write_text("usage_usec 1500000\n")
    assert (group.ooms(), group.usage()) == (2, (4096, 1.5))


# ---------------------------------------------------------------------------------------------- the network


class Away(http.server.BaseHTTPRequestHandler):
    """Sends everybody to the control plane's port."""

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", f"http://{self.headers['X-To']}/")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def redirector():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Away)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def control():
    """A listener on the host's loopback, and how many it let in."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def visitors(server: socket.socket) -> int:
    count = 0
    while True:
        try:
            server.accept()[0].close()
            count += 1
        except BlockingIOError:
            return count


@linux
def test_reach_opens_one_address_and_a_redirect_is_a_new_connection(tmp_path: Path, redirector: int, control) -> None:
    port = control.getsockname()[1]
    code = (
        "import urllib.request, urllib.error\n"
        f"request = urllib.request.Request('http://127.0.0.1:{redirector}/', headers={{'X-To': '127.0.0.1:{port}'}})\n"
        "try: urllib.request.urlopen(request, timeout=3)\n"
        "except urllib.error.URLError as error: print(request.host, error.reason)"
    )
    _, lines = boxed(tmp_path, code, reach=(f"127.0.0.1:{redirector}",))
    assert len(lines) == 1
    assert "refused" in lines[0]
    assert visitors(control) == 0


@linux
def test_a_connect_that_does_not_block_goes_on_in_the_background(tmp_path: Path, control) -> None:
    port = control.getsockname()[1]
    code = (
        "import socket, select\n"
        "s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1); s.setblocking(False)\n"
        f"first = s.connect_ex(('127.0.0.1', {port}))\n"
        "select.select([], [s], [], 3)\n"
        "print(first in (0, 115), s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), s.getpeername()[1],\n"
        "      s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), s.getblocking(), s.get_inheritable())\n"
        f"print(s.connect_ex(('127.0.0.1', {port})), s.connect_ex(('127.0.0.1', {port})))"
    )
    _, lines = boxed(tmp_path, code, reach=(f"127.0.0.1:{port}",))
    assert lines == [f"True 0 {port} 1 False False", "106 106"]


@linux
def test_its_own_loopback_and_unix_sockets_work(tmp_path: Path) -> None:
    code = (
        "import socket, os\n"
        "for kind, at in ((socket.AF_INET, ('127.0.0.1', 0)), (socket.AF_INET6, ('::1', 0)),\n"
        "                 (socket.AF_UNIX, '/tmp/s'), (socket.AF_UNIX, '\\0abstract')):\n"
        "    a = socket.socket(kind); a.bind(at); a.listen(); b = socket.socket(kind); b.connect(a.getsockname())\n"
        "    c = a.accept()[0]; b.send(b'x'); print(c.recv(1).decode(), end=' ')\n"
        "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0))\n"
        "v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); v.connect(u.getsockname()); v.send(b'd')\n"
        "print(u.recv(1).decode())"
    )
    _, lines = boxed(tmp_path, code)
    assert lines == ["x x x x d"]


@linux
def test_an_address_that_changes_while_it_is_judged_changes_nothing(tmp_path: Path, control, redirector: int) -> None:
    """Threads rewrite the address and swap the descriptor all the time; only what was judged is connected."""
    port = control.getsockname()[1]
    code = f"""
import ctypes, os, socket, struct, threading, time
libc = ctypes.CDLL(None)
good = struct.pack('=H', 2) + struct.pack('!H', {redirector}) + bytes([127, 0, 0, 1]) + bytes(8)
evil = struct.pack('=H', 2) + struct.pack('!H', {port}) + bytes([127, 0, 0, 1]) + bytes(8)
unix = struct.pack('=H', 1) + b'/nowhere' + bytes(6)
shared = ctypes.create_string_buffer(good, 16)
until = time.monotonic() + 2
held = socket.create_connection(('127.0.0.1', {redirector}))
def swap():
    while time.monotonic() < until:
        for one in (good, evil, unix, bytes(16)):
            ctypes.memmove(shared, one, 16)
            os.dup2(held.fileno(), 200); os.dup2(mine.fileno(), 200)
mine = socket.socket(socket.AF_UNIX)
threading.Thread(target=swap).start()
done = 0
while time.monotonic() < until:
    with socket.socket() as s:
        done += libc.connect(s.fileno(), shared, 16) == 0
    libc.connect(200, shared, 16)
print(done > 0)
"""
    _, lines = boxed(tmp_path, code, reach=(f"127.0.0.1:{redirector}",))
    assert lines == ["True"]
    assert visitors(control) == 0


@linux
@pytest.mark.skipif(not ROOT, reason="a name server's port needs root: run as root")
def test_lookups_are_relayed_and_a_second_try_goes_to_the_next_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        socket.socket(type=socket.SOCK_DGRAM) as silent,
        socket.socket(type=socket.SOCK_DGRAM) as server,
        socket.socket(type=socket.SOCK_DGRAM) as inside,
        socket.socket(type=socket.SOCK_DGRAM) as client,
    ):
        silent.bind(("127.0.0.78", 53))
        server.bind(("127.0.0.77", 53))
        inside.bind(("127.0.0.1", 0))
        monkeypatch.setattr(names, "servers", lambda: ["127.0.0.78", "127.0.0.77"])
        loop = Loop()
        names.Relay(loop, inside)
        client.connect(inside.getsockname())
        for one in (silent, server, client):
            one.settimeout(5)
        for asked in (silent, server):
            client.send(b"\x12\x34 what is the address")
            loop.turn()
            data, back = asked.recvfrom(512)
            assert data == b"\x12\x34 what is the address"
        server.sendto(b"\x12\x34 this one", back)
        loop.turn()
        assert client.recv(512) == b"\x12\x34 this one"


DENIED = ("127.0.0.1", "0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255", "100.100.100.200")


DENIED_6 = ("::1", "::", "fe80::1", "ff02::1", "fd00:ec2::254", "::7f00:1", "2002:7f00:1::")


@pytest.mark.parametrize("text", [*DENIED, *DENIED_6])
def test_denied_addresses(text: str) -> None:
    assert reach.Reach(0, ()).decide(reach.packed(text), 80) != reach.OUTSIDE


@given(st.sampled_from(DENIED), st.sampled_from(["::ffff:{}", "64:ff9b::{}"]), st.integers(1, 65535))
def test_no_way_of_writing_a_denied_address_opens_it(text: str, form: str, port: int) -> None:
    assert reach.Reach(0, ()).decide(reach.packed(form.format(text)), port) != reach.OUTSIDE


@pytest.mark.parametrize("text", ["8.8.8.8", "10.1.2.3", "192.168.77.5", "2606:4700::1", "64:ff9b::808:808"])
def test_databases_and_the_world_are_open(text: str) -> None:
    assert reach.Reach(0, ()).decide(reach.packed(text), 5432) == reach.OUTSIDE


def test_exceptions_are_exact() -> None:
    rules = reach.Reach(4000, ("127.0.0.1:5432", "169.254.7.0/24:80", "[fe80::2]:*"))
    assert rules.decide(reach.packed("127.0.0.1"), 5432) == reach.OUTSIDE
    assert rules.decide(reach.packed("127.0.0.1"), 5433) == reach.INSIDE
    assert rules.decide(reach.packed("169.254.7.9"), 80) == reach.OUTSIDE
    assert rules.decide(reach.packed("169.254.8.9"), 80) != reach.OUTSIDE
    assert rules.decide(reach.packed("fe80::2"), 1) == reach.OUTSIDE
    assert rules.decide(reach.packed("::1"), 4000) == reach.SERVING


# ---------------------------------------------------------------------------------------------- the filter


def judge(program: bytes, number: int, arm: bool, *arguments: int) -> int:
    """A small interpreter of classic BPF: what the kernel would say to this call."""
    audit = filter.AUDIT[arm]
    data = struct.pack("=iIQ6Q", number, audit, 0, *(*arguments, *[0] * (6 - len(arguments))))
    steps = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    held, at = 0, 0
    while True:
        code, yes, no, value = steps[at]
        at += 1
        if code == filter.RETURN:
            return value
        if code == filter.LOAD:
            held = struct.unpack_from("=I", data, value)[0]
        else:
            tests = {filter.EQUAL: held == value, filter.GREATER: held >= value, filter.SET: bool(held & value)}
            at += yes if tests[code] else no


@pytest.mark.parametrize("arm", [False, True])
def test_the_filter_refuses_and_lets_through(arm: bool) -> None:
    program = filter.seccomp_program(broker=True, arm=arm)
    denied = filter.ERRNO | filter.EPERM
    for name, pair in filter.DENIED.items():
        if pair[arm] is not None:
            assert judge(program, pair[arm], arm) == denied, name
    assert judge(program, filter.CLONE[arm], arm, 0x10000011) == denied
    assert judge(program, filter.CLONE[arm], arm, 0x3D0F00) == filter.ALLOW  # a thread
    assert judge(program, filter.IOCTL[arm], arm, 0, 0x7F00005412) == denied
    assert judge(program, filter.IOCTL[arm], arm, 0, 0x5401) == filter.ALLOW
    assert judge(program, filter.SOCKET[arm], arm, 40, 1) == filter.ERRNO | filter.EAFNOSUPPORT
    assert [judge(program, filter.SOCKET[arm], arm, family, 1) for family in (1, 2, 10, 16)] == [filter.ALLOW] * 4
    assert judge(program, filter.SOCKET[arm], arm, 16, 3, 9) == filter.ERRNO | filter.EPROTONOSUPPORT
    assert judge(program, filter.CONNECTS[arm], arm) == filter.NOTIFY
    assert judge(program, filter.CLONE3, arm) == filter.ERRNO | filter.ENOSYS
    assert judge(program, 0, not arm) == filter.KILL
    if not arm:
        assert judge(program, 0x40000000, arm) == filter.KILL


# ---------------------------------------------------------------------------------------------- one-offs


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
        assert len(running(mark)) >= 1
        cancel.set()

    done = run(Box(command, cwd="/", grace=0.2), {}, say, cancel, home=tmp_path)
    assert started.is_set()
    assert done.exit.code != 0
    assert running(mark) == []
    done = run(Box(f"(setsid sleep {mark} &); echo on", cwd="/"), {}, lambda line: None, home=tmp_path)
    assert done.exit.code == 0
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
