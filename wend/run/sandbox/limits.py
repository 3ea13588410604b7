"""What a box may use: control groups (version 1 or 2) where they can be had, resource limits otherwise.

Files as documented in the kernel's admin-guide/cgroup-v1 and cgroup-v2.rst.
"""

from __future__ import annotations

import os
import resource

from . import kernel
from .job import Job

MOUNT = "/sys/fs/cgroup"
USUAL = 100  # an app's share of the processor
LAST = 19  # the nicest there is
IDLE_DISK = 3 << 13  # IOPRIO_CLASS_IDLE
CONTROLLERS = ("memory", "pids", "cpu", "cpuacct")


class Group:
    """The control groups of one box: `folders` maps controller to folder; one folder for all on version 2."""

    def __init__(self, folders: dict[str, str], unified: bool) -> None:
        self.folders = folders
        self.unified = unified

    def has(self, controller: str) -> bool:
        return controller in self.folders

    def read(self, controller: str, name: str) -> str:
        try:
            with open(f"{self.folders[controller]}/{name}") as file:
                return file.read()
        except (OSError, KeyError):
            return ""

    def value(self, controller: str, name: str, key: str) -> int:
        """The number after `key` in a file of "key number" lines; 0 when it is not there."""
        for line in self.read(controller, name).splitlines():
            word, _, number = line.partition(" ")
            if word == key:
                return int(number)
        return 0

    def ooms(self) -> int:
        """How many processes of the group the kernel has ended for want of memory."""
        return self.value("memory", "memory.events" if self.unified else "memory.oom_control", "oom_kill")

    def crowded(self) -> bool:
        """Whether a process of the group could not be started for want of room in it."""
        return self.value("pids", "pids.events", "max") > 0

    def usage(self) -> tuple[int, float] | None:
        """Resident bytes and CPU seconds, or None without the controllers."""
        if not (self.has("memory") and self.has("cpu")):
            return None
        if self.unified:
            return self.value("memory", "memory.stat", "anon"), self.value("cpu", "cpu.stat", "usage_usec") / 1e6
        if not self.has("cpuacct"):
            return None
        return self.value("memory", "memory.stat", "rss"), int(self.read("cpuacct", "cpuacct.usage") or 0) / 1e9

    def processes(self) -> set[int]:
        found: set[int] = set()
        for controller in self.folders:
            found.update(int(pid) for pid in self.read(controller, "cgroup.procs").split())
        return found

    def kill(self) -> None:
        """End every process in the group; a fork that is under way is met on the next round."""
        if self.unified and put(next(iter(self.folders.values())), "cgroup.kill", "1"):
            return
        for _ in range(50):
            found = self.processes()
            if not found:
                return
            for pid in found:
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    continue

    def join(self) -> None:
        """Move the calling process in."""
        for folder in set(self.folders.values()):
            if not put(folder, "cgroup.procs", "0"):
                raise OSError(1, "cannot join", folder)

    def remove(self) -> bool:
        """Take the (empty) folders away; False while something is still in them."""
        gone = True
        for folder in set(self.folders.values()):
            try:
                os.rmdir(folder)
            except FileNotFoundError:
                continue
            except OSError:
                gone = False
        return gone


def put(folder: str, name: str, value: str) -> bool:
    """Write one control file; False when the kernel does not want it."""
    try:
        with open(f"{folder}/{name}", "w") as file:
            file.write(value)
    except OSError:
        return False
    return True


def own_groups() -> dict[str, str]:
    """Controller → folder of this process's groups; the empty name is version 2."""
    found: dict[str, str] = {}
    with open("/proc/self/cgroup") as file:
        for line in file:
            _, names, path = line.rstrip("\n").split(":", 2)
            for name in names.split(","):
                found[name] = path
    return found


def make(job: Job) -> Group:
    """Fresh groups for this job, with its limits in force. Below our own group, so that the limits somebody put on
    the platform hold for its apps too. What cannot be had is left out of `folders`."""
    own = own_groups()
    if os.path.exists(f"{MOUNT}/cgroup.controllers"):
        return second(job, own.get("", "/"))
    folders: dict[str, str] = {}
    for controller in CONTROLLERS:
        folder = f"{MOUNT}/{controller}{own.get(controller, '').rstrip('/')}/{job.group}"
        if controller in own and made(folder) and first(controller, folder, job):
            folders[controller] = folder
    return Group(folders, unified=False)


def made(folder: str) -> bool:
    try:
        os.mkdir(folder)
    except FileExistsError:
        return True
    except OSError:
        return False
    return True


def first(controller: str, folder: str, job: Job) -> bool:
    """Version 1: the limits of one controller."""
    if controller == "memory" and job.memory:
        held = put(folder, "memory.limit_in_bytes", str(job.memory))
        put(folder, "memory.memsw.limit_in_bytes", str(job.memory))
        put(folder, "memory.swappiness", "0")
        return held
    if controller == "pids" and job.pids:
        return put(folder, "pids.max", str(job.pids))
    if controller == "cpu":
        put(folder, "cpu.shares", str(max(2, job.share * 1024 // 100)))
        return not job.cpu or put(folder, "cpu.cfs_quota_us", str(int(job.cpu * 100_000)))
    return True


def second(job: Job, own: str) -> Group:
    """Version 2: below our own group when it lets controllers through, else at the top (which only root may)."""
    for parent in (f"{MOUNT}{own.rstrip('/')}", MOUNT):
        put(parent, "cgroup.subtree_control", "+memory +pids +cpu")
        folder = f"{parent}/{job.group}"
        if made(folder):
            with open(f"{folder}/cgroup.controllers") as file:
                known = file.read().split()
            if "memory" in known:
                return Group({name: folder for name in known if restrict(name, folder, job)}, unified=True)
            os.rmdir(folder)
    return Group({}, unified=True)


def restrict(controller: str, folder: str, job: Job) -> bool:
    if controller == "memory" and job.memory:
        put(folder, "memory.swap.max", "0")
        put(folder, "memory.oom.group", "1")
        return put(folder, "memory.max", str(job.memory))
    if controller == "pids" and job.pids:
        return put(folder, "pids.max", str(job.pids))
    if controller == "cpu":
        put(folder, "cpu.weight", str(max(1, job.share)))
        return not job.cpu or put(folder, "cpu.max", f"{int(job.cpu * 100_000)} 100000")
    return controller in CONTROLLERS


def apply(job: Job, group: Group) -> None:
    """Resource limits of the calling process. Address space is never limited: Node and Go reserve far more than
    they use. Without a memory group, writable memory is, at twice the limit, and the shim watches what is resident."""
    if job.share < USUAL:
        yield_to_others(group)
    ceiling(resource.RLIMIT_CORE, 0)
    ceiling(resource.RLIMIT_NOFILE, 65536)
    if job.file or job.disk:
        ceiling(resource.RLIMIT_FSIZE, min(job.file or 2**62, job.disk or 2**62))
    if job.memory and not group.has("memory"):
        ceiling(resource.RLIMIT_DATA, 2 * job.memory + 256 * 2**20)
    if job.pids and not group.has("pids"):
        ceiling(resource.RLIMIT_NPROC, job.pids)


def yield_to_others(group: Group) -> None:
    """Come last where others want the disk; and the processor, where no group says so. Kernels that share it out by
    session heed `nice` within one alone, and have a file for between them."""
    kernel.LIBC.syscall(kernel.IOPRIO_SET, 1, 0, IDLE_DISK)  # not every kernel has such classes
    if not group.has("cpu"):
        os.nice(LAST)
        put("/proc/self", "autogroup", str(LAST))


def ceiling(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))
