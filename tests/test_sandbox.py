"""Every wall is attacked from inside a real box, and each attack is shown to work where there is no wall."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from tests.boxes import CHECKOUT, PLAIN, PYTHON, ROOT, boxed, linux
from wend.errors import Invalid
from wend.run import Box, Mount
from wend.run.launch import uid_of
from wend.run.oneoff import run
from wend.run.sandbox import filter, limits
from wend.run.sandbox.job import Job
from wend.run.walls import WALLS, probe

# ---------------------------------------------------------------------------------------------- the walls


@linux
@pytest.mark.skipif(not ROOT, reason="run as root to test the walls that root gets")
def test_every_wall_holds_as_root(tmp_path: Path) -> None:
    assert [(wall.name, wall.detail) for wall in probe(tmp_path) if not wall.holds] == []


def as_user(code: str) -> str:
    """Run Python code as a user without privileges; its output."""
    python = (
        PYTHON
        if not ROOT
        else next((path for path in ("/usr/bin/python3", "/usr/local/bin/python3") if usable(path)), "")
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


@pytest.mark.skipif(not ROOT, reason="only root can give apps users of their own")
def test_nobody_is_given_the_uid_of_the_proxy(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "uids").write_text("old 65532\n")
    done = run(Box("id -u", cwd="/", user="new"), {}, print, home=tmp_path)
    assert (done.exit.code, done.tail) == (0, ["65536"])


# ---------------------------------------------------------------------------------------------- limits


def test_the_second_version_of_control_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree of plain files stands for the kernel's: this machine may have only the first version."""

    def made(folder: str) -> bool:
        Path(folder).mkdir()
        (Path(folder) / "cgroup.controllers").write_text("cpu memory pids io\n")
        return True

    monkeypatch.setattr(limits, "MOUNT", str(tmp_path))
    monkeypatch.setattr(limits, "made", made)
    group = limits.second(Job({"group": "wend-x", "memory": 2**26, "pids": 40, "cpu": 0.5, "share": 25}), "/")
    wrote = {path.name: path.read_text() for path in (tmp_path / "wend-x").iterdir()}
    assert wrote == {
        "cgroup.controllers": "cpu memory pids io\n", "memory.max": "67108864", "memory.swap.max": "0",
        "memory.oom.group": "1", "pids.max": "40", "cpu.max": "50000 100000", "cpu.weight": "25",
    }  # fmt: skip
    (tmp_path / "wend-x/memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    (tmp_path / "wend-x/memory.stat").write_text("anon 4096\nfile 1\n")
    (tmp_path / "wend-x/cpu.stat").write_text("usage_usec 1500000\n")
    assert (group.ooms(), group.usage()) == (2, (4096, 1.5))


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
