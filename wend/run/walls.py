"""Which walls hold on this machine: each is attacked from inside a real box; what is missing comes with its remedy."""

from __future__ import annotations

import os
import shlex
import socket
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wend.errors import WendError
from wend.run import Box, Finished, Limits, Mount
from wend.run.oneoff import run

PROGRAM = Path(__file__).parent / "sandbox" / "probes.py"
MEMORY, FILE, PIDS = 64 * 2**20, 2**20, 40
USERNS = (
    "let users make namespaces: sysctl user.max_user_namespaces=10000 "
    "(on Ubuntu also kernel.apparmor_restrict_unprivileged_userns=0)"
)
GROUPS = "run as root, or under systemd-run --user --scope -p Delegate=yes, so that control groups can be made"
KERNEL = "a Linux kernel of 5.14 or newer with CONFIG_SECCOMP_FILTER"
ROOT = "run Wend as root, so that every app gets a user of its own"

# wall: (the words for people, what to do when it does not hold)
WALLS: dict[str, tuple[str, str]] = {
    "shadow": ("the machine's password file is out of sight", USERNS),
    "homes": ("home folders are out of sight", USERNS),
    "processes": ("other processes are out of sight", USERNS),
    "write_system": ("the system is read-only", USERNS),
    "write_release": ("a read-only release cannot be changed", USERNS),
    "read_folder": ("another app's folder is out of sight", USERNS),
    "metadata": ("link-local and metadata addresses are refused", KERNEL),
    "host_loopback": ("the machine's loopback is refused", KERNEL),
    "host_address": ("the machine's own addresses are refused", KERNEL),
    "foreign_port": ("a port it opens by itself is not reachable", KERNEL),
    "namespaces": ("no namespaces of its own", KERNEL),
    "mounts": ("nothing can be mounted", KERNEL),
    "kernel_doors": ("bpf, io_uring, keyctl and their like are refused", KERNEL),
    "terminal": ("no keystrokes into a terminal (TIOCSTI)", KERNEL),
    "sockets": ("only unix and internet sockets", KERNEL),
    "environment": ("the platform's environment is out of sight", USERNS),
    "capabilities": ("no capabilities", KERNEL),
    "privileges": ("none can be gained", KERNEL),
    "seccomp": ("system calls are filtered", KERNEL),
    "user": ("a user of its own", ROOT),
    "memory": ("memory is limited", GROUPS),
    "file_size": ("file size is limited", KERNEL),
    "forks": ("the number of processes is limited", GROUPS),
    "signals": ("other processes cannot be signalled", USERNS),
    "trace": ("other processes cannot be traced", KERNEL),
    "descriptors": ("no descriptors are left open", KERNEL),
    "device": ("no devices can be made", KERNEL),
}


@dataclass(frozen=True)
class Wall:
    """One wall: does it hold here, what the attack got or was told, and what to do when it does not."""

    name: str
    holds: bool
    detail: str
    fix: str = ""


def probe(home: Path) -> list[Wall]:
    """Attack every wall from inside a box. Takes about a second. A wall whose probe did not come back held only when
    the box itself was ended by a limit (memory)."""
    with tempfile.TemporaryDirectory(prefix="wend-walls-") as temporary, listener() as server:
        folder = Path(temporary)
        folder.chmod(0o755)
        (folder / "app").mkdir()
        (folder / "other").mkdir()
        given = values(folder / "other", server.getsockname()[1])
        found: dict[str, str] = {}
        names = [name for name in WALLS if name not in ("memory", "forks")]
        for group in (names, ["memory"], ["forks"]):
            aimed = {name: given.get(name, "") for name in group}
            found |= attack(home, folder / "app", aimed, int(given["foreign_port"]))
    return [judged(name, found.get(name, "the probe did not come back")) for name in WALLS]


def judged(name: str, got: str) -> Wall:
    words, fix = WALLS[name]
    holds = got.startswith("held")
    return Wall(words, holds, got.removeprefix("held").removeprefix(": ") or "refused", "" if holds else fix)


def values(other: Path, port: int) -> dict[str, str]:
    """What each probe is told to aim at."""
    return {
        "read_folder": str(other), "host_loopback": str(port), "host_address": f"{own_address()}:{port}",
        "foreign_port": str(free_port()), "user": str(os.getuid()), "memory": str(MEMORY), "file_size": str(FILE),
        "forks": str(PIDS), "signals": str(os.getpid()), "trace": str(os.getpid()),
    }  # fmt: skip


def attack(home: Path, app: Path, given: dict[str, str], port: int) -> dict[str, str]:
    """Run these probes in one box; what each one said."""
    found: dict[str, str] = {}

    def hear(line: str) -> None:
        if line.startswith("PROBE "):
            _, name, got = line.split(" ", 2)
            found[name] = got
        elif line == "LISTENING":
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=0.5).close()

    try:
        done = run(box(app, given), {}, hear, home=home)
    except WendError as error:
        return {name: f"no box: {error.message}" for name in given}
    return ended(found, given, done)


def ended(found: dict[str, str], given: dict[str, str], done: Finished) -> dict[str, str]:
    """How a memory probe was ended is its answer; why a box could not be made is the answer of all."""
    if "memory" in given and "memory" not in found and (done.exit.oom or done.exit.signal == 9):
        return {"memory": f"held: {done.exit}"}
    last = done.tail[-1] if done.tail and not found else "the probe did not come back"
    return {name: found.get(name, last) for name in given}


def box(app: Path, given: dict[str, str]) -> Box:
    python = getattr(sys, "_base_executable", "") or sys.executable
    words = [python, "-I", "-S", "/probes.py", *(f"{name}={value}" for name, value in given.items())]
    return Box(
        shlex.join(words),
        user="probe",
        mounts=(Mount(str(app), "/app"), Mount(str(PROGRAM), "/probes.py"), *interpreter()),
        limits=Limits(memory=MEMORY, pids=PIDS, seconds=30, file=FILE),
    )


def interpreter() -> tuple[Mount, ...]:
    """The folder of the running Python, when it is not in the system's own."""
    prefix = os.path.realpath(sys.base_prefix)
    return () if prefix.startswith("/usr") else (Mount(prefix, prefix),)


def listener() -> socket.socket:
    server = socket.socket()
    server.bind(("0.0.0.0" if own_address() != "127.0.0.1" else "127.0.0.1", 0))
    server.listen()
    return server


def own_address() -> str:
    """An address of this machine that is not loopback, when it has one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe_socket, suppress(OSError):
        probe_socket.connect(("192.0.2.1", 9))
        return str(probe_socket.getsockname()[0])
    return "127.0.0.1"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
