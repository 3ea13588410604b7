"""Attacks on our own walls, run inside a box by `walls.py` (and outside it by the tests, to see that they can work).

Each probe returns what it got hold of, or None (or fails with OSError) when the wall held. Standard library only: the
file is started by itself, as `python -I -S probes.py NAME VALUE`.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import time
from collections.abc import Callable

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
ARM = os.uname().machine == "aarch64"
Probe = Callable[[str], str | None]


def call(x86: int, arm: int, *args: int) -> str | None:
    """Try a system call; says so when the kernel let it through to its own checks."""
    result = LIBC.syscall(ctypes.c_long(arm if ARM else x86), *[ctypes.c_long(arg) for arg in args])
    number = ctypes.get_errno()
    return None if result < 0 and number in (1, 38) else f"not refused (errno {number})" if result < 0 else "allowed"


def connects(host: str, port: int) -> str | None:
    with socket.create_connection((host, port), timeout=2) as there:
        return f"connected to {there.getpeername()[:2]}"


def shadow(value: str) -> str | None:
    with open("/etc/shadow") as file:  # not Path: the isolated interpreter is started often
        return f"read {len(file.read())} bytes of /etc/shadow"


def homes(value: str) -> str | None:
    names = os.listdir("/root")
    mine = sys.base_prefix.split("/")[2] if sys.base_prefix.startswith("/root/") else ""
    return f"sees {names}" if set(names) - {mine} else None


def processes(value: str) -> str | None:
    session = os.getsid(0)
    seen = [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]
    others = [pid for pid in seen if session_of(pid) != session]
    return f"sees {len(others)} other processes" if others else None


def session_of(pid: int) -> int | None:
    """None for one that has ended since it was seen."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def write_system(value: str) -> str | None:
    for folder in ("/usr", "/etc", "/"):
        try:
            os.close(os.open(f"{folder}/wend-probe", os.O_CREAT | os.O_WRONLY))
        except OSError:
            continue
        os.unlink(f"{folder}/wend-probe")
        return f"wrote in {folder}"
    return None


def write_release(value: str) -> str | None:
    os.close(os.open("/app/wend-probe", os.O_CREAT | os.O_WRONLY))
    return "wrote in /app"


def read_folder(value: str) -> str | None:
    return f"sees {len(os.listdir(value))} entries of {value}"


def metadata(value: str) -> str | None:
    for host in ("169.254.169.254", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            if probe.connect_ex((host, 80)) not in (13, 101, 111):
                return f"{host} was tried"
    return None


def host_loopback(value: str) -> str | None:
    for host in ("127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "::1", "localhost"):
        try:
            return connects(host, int(value))
        except OSError:
            continue
    return None


def host_address(value: str) -> str | None:
    host, _, port = value.rpartition(":")
    return connects(host, int(port))


def foreign_port(value: str) -> str | None:
    """Listen, and wait for the outside to try: `walls.py` does, and writes down what came of it."""
    with socket.socket() as server:
        server.bind(("0.0.0.0", int(value)))
        server.listen()
        print("LISTENING", flush=True)
        server.settimeout(1)
        server.accept()
        return f"reached from outside on port {value}"


def namespaces(value: str) -> str | None:
    return call(272, 97, 0x10000000) or call(56, 220, 0x10000000 | 17, 0, 0, 0, 0)


def mounts(value: str) -> str | None:
    return call(165, 40, 0, 0, 0, 0, 0) or call(428, 428, -100, 0, 1) or call(155, 41, 0, 0) or call(161, 51, 0)


def kernel_doors(value: str) -> str | None:
    """bpf, io_uring, keyctl, perf, userfaultfd, module and kexec loading, setns, clone3."""
    calls = ((321, 280), (425, 425), (250, 219), (298, 241), (323, 282), (313, 273), (246, 104), (308, 268), (435, 435))
    open_ones = [str(pair[ARM]) for pair in calls if call(pair[0], pair[1], -1, 0, 0, 0, 0)]
    return f"system calls {', '.join(open_ones)} are open" if open_ones else None


def terminal(value: str) -> str | None:
    return call(16, 29, 0, 0x5412, 0) or call(16, 29, 0, 0x100005412, 0) or call(16, 29, 0, 0x541C, 0)


def sockets(value: str) -> str | None:
    for family in (40, 38, 17):  # vsock, alg, packet
        try:
            socket.socket(family, socket.SOCK_STREAM if family != 17 else socket.SOCK_RAW).close()
        except OSError as error:
            if error.errno in (97, 1):
                continue
        return f"socket family {family} is open"
    return None


def environment(value: str) -> str | None:
    known = {"PATH", "HOME", "LANG", "PORT", "PWD", "SHLVL", "_", "OLDPWD", "LC_CTYPE"}
    more = sorted(set(os.environ) - known)
    if more:
        return f"sees {', '.join(more[:5])}"
    try:
        with open("/proc/1/environ", "rb") as file:
            return f"read {len(file.read())} bytes of the first process's environment"
    except OSError:
        return None


def status(key: str) -> str:
    with open("/proc/self/status") as file:
        return next((line.split()[1] for line in file if line.startswith(key + ":")), "")


def capabilities(value: str) -> str | None:
    held = [status(key) for key in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")]
    return f"holds {held}" if any(int(mask, 16) for mask in held) else None


def privileges(value: str) -> str | None:
    return None if status("NoNewPrivs") == "1" else "may gain privileges by exec"


def seccomp(value: str) -> str | None:
    return None if status("Seccomp") == "2" else "no system call filter"


def user(value: str) -> str | None:
    return f"runs as the platform's own user {value}" if os.getuid() == int(value) else None


def memory(value: str) -> str | None:
    """Take twice the limit, page by page."""
    taken = bytearray(2 * int(value))
    for at in range(0, len(taken), 4096):
        taken[at] = 1
    time.sleep(2)  # where no control group can be had, we are looked at now and then
    return f"took {len(taken)} bytes"


def file_size(value: str) -> str | None:
    with open("/tmp/large", "wb") as file:
        file.write(b"x" * (int(value) + 1))
        file.flush()
    return "wrote past the limit"


def forks(value: str) -> str | None:
    children: list[int] = []
    try:
        for _ in range(int(value) + 10):
            child = os.fork()
            if not child:
                time.sleep(5)
                os._exit(0)
            children.append(child)
    except OSError:
        return None
    finally:
        for child in children:
            os.kill(child, 9)
    return f"started {len(children)} processes"


def signals(value: str) -> str | None:
    os.kill(int(value), 0)
    return f"can signal process {value}"


def trace(value: str) -> str | None:
    return call(101, 117, 16, int(value), 0, 0) or call(310, 270, int(value), 0, 0, 0, 0, 0)


def descriptors(value: str) -> str | None:
    extra = [fd for fd in range(3, 1024) if alive(fd)]
    return f"descriptors {extra} were left open" if extra else None


def alive(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def device(value: str) -> str | None:
    os.mknod("/tmp/disk", 0o60600, os.makedev(254, 0))
    return "made a disk device"


PROBES: dict[str, Probe] = {
    probe.__name__: probe
    for probe in (
        shadow, homes, processes, write_system, write_release, read_folder, metadata, host_loopback, host_address,
        foreign_port, namespaces, mounts, kernel_doors, terminal, sockets, environment, capabilities, privileges,
        seccomp, user, memory, file_size, forks, signals, trace, descriptors, device,
    )
}  # fmt: skip


def attempt(name: str, value: str) -> str:
    """What the probe got, or "held: why"."""
    try:
        return PROBES[name](value) or "held"
    except (OSError, MemoryError) as error:
        return f"held: {error or 'no memory'}"


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        probe_name, _, probe_value = argument.partition("=")
        print("PROBE", probe_name, attempt(probe_name, probe_value), flush=True)
