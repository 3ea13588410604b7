"""A second wall, for when the first has a hole: the kernel's Landlock, as in linux/landlock.h."""

from __future__ import annotations

import os
import struct

from . import kernel

WRITE_FILE, TRUNCATE = 2, 16384
WRITES = WRITE_FILE | 0x1FF0  # remove and make, of every kind
REFER = 8192
OWN = ("/tmp", "/home", "/var/tmp", "/run", "/dev", "/proc")


def version() -> int:
    """The newest rules this kernel knows; 0 without Landlock."""
    try:
        return kernel.syscall("landlock", kernel.LANDLOCK_CREATE, None, 0, 1)
    except OSError:
        return 0


def confine(writable: list[str], network: bool) -> bool:
    """Writes only below `writable`; signals and abstract sockets stay among ourselves; with `network`, no TCP bind or
    connect but the broker's. False when this kernel cannot (before 5.19 it would forbid plain renames)."""
    known = version()
    if known < 2:
        return False
    files = WRITES | REFER | (TRUNCATE if known >= 3 else 0)
    rules = struct.pack("=QQQ", files, 3 if network and known >= 4 else 0, 3)
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    ruleset = kernel.syscall("landlock", kernel.LANDLOCK_CREATE, rules, size, 0)
    for path in (*OWN, *writable):
        allow(ruleset, path, files)
    kernel.syscall("landlock", kernel.LANDLOCK_RESTRICT, ruleset, 0)
    os.close(ruleset)
    return True


def allow(ruleset: int, path: str, access: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(path):
        access &= WRITE_FILE | TRUNCATE
    kernel.syscall("landlock", kernel.LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", access, fd), 0)
    os.close(fd)
