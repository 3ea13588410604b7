"""The system calls that Python has no name for, by ctypes. Every wrapper raises OSError naming the call.

Numbers and structures are those of the kernel's uapi headers for x86_64 and aarch64.
"""

from __future__ import annotations

import ctypes
import os
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
MACHINE = os.uname().machine
ARM = MACHINE == "aarch64"

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
DETACH = 2
HUP, INT, KILL, USR1, TERM, CHLD, CONT, STOP, WINCH = 1, 2, 9, 10, 15, 17, 18, 19, 28
SUBREAPER, NO_NEW_PRIVS, CAPBSET_DROP, DUMPABLE, AMBIENT, SET_NAME, PDEATHSIG = 36, 38, 24, 4, 47, 15, 1

PIVOT_ROOT, CAPSET, SECCOMP, VM_READV = (41, 91, 277, 270) if ARM else (155, 126, 317, 310)
IOPRIO_SET = 30 if ARM else 251
OPEN_TREE, MOVE_MOUNT, PIDFD_OPEN, CLOSE_RANGE, PIDFD_GETFD, MOUNT_SETATTR = 428, 429, 434, 436, 438, 442
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000


def syscall(name: str, number: int, *args: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """The call's result. Raises OSError with `name` where a path would stand."""
    given = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    return checked(name, LIBC.syscall(ctypes.c_long(number), *given))


def checked(name: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    result = LIBC.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode())
    checked(f"mount {kind or 'bind'} {target}", result)


def unmount(target: str) -> None:
    checked(f"umount {target}", LIBC.umount2(target.encode(), DETACH))


def pivot_here() -> None:
    """Make the working directory the root, and let the old one go."""
    syscall("pivot_root", PIVOT_ROOT, b".", b".")
    unmount(".")
    os.chdir("/")


def unshare(flags: int) -> None:
    checked(f"unshare {flags:#x}", LIBC.unshare(flags))


def setns(fd: int, flags: int) -> None:
    checked("setns", LIBC.setns(fd, flags))


def prctl(option: int, *args: int | bytes) -> int:
    given = [ctypes.c_ulong(arg) if isinstance(arg, int) else arg for arg in args]
    padding = [ctypes.c_ulong(0)] * (4 - len(given))
    return checked(f"prctl {option}", LIBC.prctl(option, *given, *padding))


def restrict_mount(path: str, flags: int, recursive: bool = True) -> None:
    """Add read-only, nosuid, nodev (the mount flags) to what is mounted at `path`; never takes a flag away."""
    attributes = struct.pack("=QQQQ", flags & (RDONLY | NOSUID | NODEV | NOEXEC), 0, 0, 0)
    try:
        where = AT_RECURSIVE if recursive else 0
        syscall("mount_setattr", MOUNT_SETATTR, AT_FDCWD, path.encode(), where, attributes, len(attributes))
    except OSError:  # before 5.12: only the top mount, and flags that are locked must be repeated
        kept = os.statvfs(path).f_flag & (RDONLY | NOSUID | NODEV | NOEXEC | 1024 | 2048 | 4096)
        atime = (1024 if kept & 1024 else 0) | (2048 if kept & 2048 else 0) | ((1 << 21) if kept & 4096 else 0)
        mount("none", path, "", REMOUNT | BIND | (kept & 15) | atime | flags)


def mapped_mount(source: str, target: str, users: int) -> None:
    """Bind `source` at `target` with its owners seen through the user namespace `users` (a file descriptor)."""
    tree = syscall("open_tree", OPEN_TREE, AT_FDCWD, source.encode(), 1 | os.O_CLOEXEC)
    try:
        attributes = struct.pack("=QQQQ", 0x100000, 0, 0, users)  # MOUNT_ATTR_IDMAP
        syscall("idmap", MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, attributes, len(attributes))
        syscall("move_mount", MOVE_MOUNT, tree, b"", AT_FDCWD, target.encode(), 4)
    finally:
        os.close(tree)


def drop_bounding() -> None:
    """No exec can bring a capability back."""
    for number in range(64):
        try:
            prctl(CAPBSET_DROP, number)
        except OSError:
            break


def drop_capabilities() -> None:
    """No capability from now on."""
    prctl(AMBIENT, 4)
    syscall("capset", CAPSET, struct.pack("=II", 0x20080522, 0), bytes(24))


def close_on_exec(first: int) -> None:
    """Every descriptor from `first` on is gone after the next exec."""
    try:
        syscall("close_range", CLOSE_RANGE, first, 2**32 - 1, 4)
    except OSError:  # before 5.11
        for name in os.listdir("/proc/self/fd"):
            if int(name) >= first:
                try:
                    os.set_inheritable(int(name), False)
                except OSError:
                    continue  # the descriptor of the listing itself


def pidfd(pid: int) -> int:
    return syscall("pidfd_open", PIDFD_OPEN, pid, 0)


def copy_fd(process: int, number: int) -> int:
    """Our own copy of another process's descriptor (`process`: a pidfd)."""
    return syscall("pidfd_getfd", PIDFD_GETFD, process, number, 0)


def read_memory(pid: int, address: int, size: int) -> bytes:
    """Up to `size` bytes of another process's memory."""
    buffer = ctypes.create_string_buffer(size)
    local = struct.pack("=QQ", ctypes.addressof(buffer), size)
    remote = struct.pack("=QQ", address, size)
    count = syscall("process_vm_readv", VM_READV, pid, local, 1, remote, 1, 0)
    return buffer.raw[:count]


# ---------------------------------------------------------------------------------------------- signals


def signal_set(*numbers: int) -> bytes:
    return struct.pack("=Q", sum(1 << (number - 1) for number in numbers)) + bytes(120)


def block_signals(*numbers: int) -> int:
    """Block these and hand back a descriptor that tells of them: no handler ever runs between two instructions."""
    wanted = signal_set(*numbers)
    LIBC.pthread_sigmask(0, wanted, None)
    return checked("signalfd", LIBC.signalfd(-1, wanted, 0o2004000))


def read_signal(fd: int) -> int:
    """The number of the next signal told by `block_signals`, or 0."""
    try:
        return int.from_bytes(os.read(fd, 128)[:4], "little")
    except BlockingIOError:
        return 0


def reset_signals() -> None:
    """As a shell would start a program: nothing blocked, and nothing ignored that Python ignores."""
    LIBC.pthread_sigmask(2, bytes(128), None)
    LIBC.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    for number in (13, 25):  # SIGPIPE, SIGXFSZ
        LIBC.signal(number, None)


def started(pid: int, proc: str = "/proc") -> int:
    """When the process started, in clock ticks since boot: with the pid it names a process for ever. 0: no such one,
    or it is only waiting to be reaped."""
    try:
        with open(f"{proc}/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])
