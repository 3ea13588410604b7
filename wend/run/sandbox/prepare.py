"""What a box needs from the host's side, before anything of it runs."""

from __future__ import annotations

import _socket
import os
import time

from . import kernel, limits
from .job import Job
from .root import give


def prepare(job: Job) -> None:
    """What needs the host's view: folders handed to the box's user, and the mapping for its overlays."""
    os.makedirs(job.scratch, exist_ok=True)
    if not can_broker():
        job.without = (*job.without, "network")
    for source, _, mode in job.mounts:
        if job.uid and mode == "rw" and os.stat(source).st_uid != job.uid:
            give(source, job.uid)
    lower = next((source for source, _, mode in job.mounts if mode == "overlay"), None)
    job.users = mapping(lower, job.uid) if lower and job.uid else 0


def can_broker() -> bool:
    """True when this kernel hands over system calls (5.9) and tells networks apart (5.14)."""
    try:
        kernel.syscall("seccomp", kernel.SECCOMP, 3, 0, bytes(6))  # SECCOMP_GET_NOTIF_SIZES
        probe = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
        known = probe.getsockopt(_socket.SOL_SOCKET, 71, 8)  # SO_NETNS_COOKIE
        probe.close()
    except OSError:
        return False
    return len(known) == 8


def mapping(folder: str, uid: int) -> int:
    """A user namespace in which the folder's owner is `uid`; 0 when there is no need, or no way."""
    owner = os.stat(folder)
    if owner.st_uid == uid:
        return 0
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            kernel.unshare(kernel.NEWUSER)
            os.write(tell, b"x")
            time.sleep(10)  # ended from outside long before
        finally:
            os._exit(0)
    os.close(tell)
    try:
        if not os.read(told, 1):
            return 0
        limits.put(f"/proc/{child}", "uid_map", f"{owner.st_uid} {uid} 1")
        limits.put(f"/proc/{child}", "gid_map", f"{owner.st_gid} {uid} 1")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    finally:
        os.close(told)
        os.kill(child, kernel.KILL)
        os.waitpid(child, 0)
