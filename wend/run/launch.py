"""From a Box to a running shim: resolves users and folders, and starts the small process with the job on its stdin."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import sys
import zlib
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wend.errors import Down, Invalid
from wend.run import Box
from wend.run.sandbox import job

SHIM = Path(__file__).parent / "shim.py"
FIRST_UID, SPREAD = 20_000, 40_000
TAKEN = range(65_533, 65_536)  # the proxy's own, nobody's, and the one that means none
SHELL = re.compile(r"[;&|<>(){}`\n!]")
WORDS = "exec cd export unset set . : eval trap ulimit umask wait test [ if for while until case time true false echo"
BUILTINS = frozenset(f"{WORDS} printf exit kill read command type".split())
SHORTEST = 6  # bytes: a shorter value occurs in any text by chance
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"


def command() -> list[str]:
    """How a shim is started: isolated from the environment, without site packages."""
    return [getattr(sys, "_base_executable", "") or sys.executable, "-I", "-S", str(SHIM)]


def describe(
    box: Box, env: dict[str, str], folder: Path, name: str, uid: int, without: tuple[str, ...] = ()
) -> dict[str, object]:
    """The job (see sandbox/job.py) for this box. `without` names walls to leave out ("network"). Raises Invalid for a
    folder that is not there."""
    for mount in box.mounts:
        if not Path(mount.source).exists():
            raise Invalid(f"{name}: the folder {mount.source} that it needs as {mount.target} is not there")
        if not mount.target.startswith("/") or ".." in mount.target.split("/"):
            raise Invalid(f"{name}: {mount.target!r} cannot be the place of a folder")
    limits = box.limits
    return {
        "id": name, "group": group_name(folder), "once": False, "folder": str(folder), "log": "",
        "scratch": str(folder / "scratch"),
        "command": direct(box.command), "cwd": box.cwd, "home": "/home",
        "env": {"PATH": PATH, "HOME": "/home", "LANG": "C.UTF-8"} | env,
        "hidden": hidden(box, env),
        "mounts": tuple((str(Path(mount.source).resolve()), mount.target, mount.mode) for mount in box.mounts),
        "reach": box.reach, "without": without, "uid": uid, "users": 0,
        "memory": limits.memory, "pids": limits.pids, "cpu": limits.cpu, "seconds": limits.seconds,
        "share": limits.share, "file": limits.file, "disk": limits.disk, "output": limits.log,
        "port": box.port, "fixed": box.fixed, "grace": box.grace, "boot": box.boot, "naps": box.naps,
        "terminal": -1, "input": -1,
    }  # fmt: skip


def hidden(box: Box, env: dict[str, str]) -> tuple[bytes, ...]:
    """The values that must not be logged, longest first; those of several lines also line by line, as logs see them."""
    values = {part for name in box.secrets if name in env for part in telling(env[name])}
    parts = {part.strip().encode("utf-8", "surrogatepass") for value in values for part in (value, *value.splitlines())}
    return tuple(sorted((part for part in parts if len(part) >= SHORTEST), key=len, reverse=True))


def telling(value: str) -> set[str]:
    """What must not be shown of a secret value: itself and, of an address, the password in it."""
    try:
        password = urlsplit(value).password
    except ValueError:
        password = None
    return {value, password, unquote(password)} if password else {value}


def group_name(folder: Path) -> str:
    """The name of the replica's control groups. Two homes on one machine may have an app of the same name, and ending
    a group must never end the other's: so the folder, not the replica, names it."""
    return f"wend-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}-{folder.name}"[:200]


def direct(text: str) -> str:
    """The command with `exec` before it when it is a simple one, so that signals and exit codes are the program's own
    and not a shell's."""
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    simple = first and "=" not in first and first not in BUILTINS and not SHELL.search(text)
    return f"exec {text.lstrip()}" if simple else text


def packed(values: dict[str, object]) -> bytes:
    return job.packed(values)


def uid_of(home: Path, user: str) -> int:
    """The uid that belongs to this name on this home, for ever; 0 (keep ours) when we are not root. Homes begin at
    different places, so that two on one machine are unlikely to share."""
    if os.geteuid() != 0:
        return 0
    table = home / "run" / "uids"
    try:
        table.parent.mkdir(parents=True, exist_ok=True)
        with table.open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            known = dict(line.split() for line in file if len(line.split()) == 2)
            if user in known:
                return int(known[user])
            start = FIRST_UID + zlib.crc32(str(home.resolve()).encode()) % SPREAD
            uid = max([start, *(int(number) + 1 for number in known.values())])
            uid = TAKEN.stop if uid in TAKEN else uid
            file.write(f"{user} {uid}\n")
            return uid
    except OSError as error:
        raise Down(f"cannot keep the table of users {table}: {error.strerror}", "wend doctor") from error
