"""The programs the kernel runs for us: which system calls are refused, and which packets a handed-out socket takes.

Classic BPF, as in linux/filter.h and linux/seccomp.h, packed by hand so that nothing needs to be installed.
"""

from __future__ import annotations

import ctypes
import struct

from . import kernel

LOAD, EQUAL, GREATER, SET, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
LOAD_HALF, LOAD_BYTE = 0x28, 0x30
KILL, ALLOW, NOTIFY, ERRNO = 0x80000000, 0x7FFF0000, 0x7FC00000, 0x00050000
EPERM, ENOSYS, EPROTONOSUPPORT, EAFNOSUPPORT = 1, 38, 93, 97
NAMESPACES = 0x7E020080  # CLONE_NEW*: time, cgroup, uts, ipc, user, pid, net, mount
NETWORK_HEADER = 0xFFF00000  # SKF_NET_OFF

# name: (x86_64, aarch64); None where the machine has no such call
DENIED: dict[str, tuple[int | None, int | None]] = {
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "setns": (308, 268),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442), "open_tree_attr": (467, 467),
    "bpf": (321, 280), "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "memfd_secret": (447, 447),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "create_module": (174, None), "query_module": (178, None), "get_kernel_syms": (177, None),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "fanotify_init": (300, 262),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "sethostname": (170, 161), "setdomainname": (171, 162), "syslog": (103, 116), "vhangup": (153, 58),
    "lookup_dcookie": (212, 18), "nfsservctl": (180, 42), "iopl": (172, None), "ioperm": (173, None),
    "modify_ldt": (154, None), "uselib": (134, None), "_sysctl": (156, None), "lsm_set_self_attr": (460, 460),
}  # fmt: skip
CLONE, UNSHARE, IOCTL, SOCKET, BINDS, CONNECTS = (56, 220), (272, 97), (16, 29), (41, 198), (49, 200), (42, 203)
CLONE3, AUDIT = 435, (0xC000003E, 0xC00000B7)
BIND = BINDS[kernel.ARM]
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
FAMILIES = (1, 2, 10)  # unix, inet, inet6; vsock, alg, packet … are the host's even in another namespace
NETLINK = 16


def op(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def refuse(number: int) -> bytes:
    return op(RETURN, ERRNO | number)


def argument(index: int) -> bytes:
    """Load the low 32 bits: the kernel's own width for these, so that high bits cannot hide a value."""
    return op(LOAD, 16 + 8 * index)


def block(number: int, *body: bytes) -> bytes:
    """`body` for one system call; falls through with the call's number loaded again."""
    inner = b"".join(body) + op(LOAD, 0)
    return op(EQUAL, number, 0, len(inner) // 8) + inner


def seccomp_program(broker: bool, arm: bool = kernel.ARM) -> bytes:
    """The deny-list. With `broker`, bind and connect are handed to the supervisor."""
    denied = [pair[arm] for pair in DENIED.values()]
    return b"".join(
        [
            op(LOAD, 4) + op(EQUAL, AUDIT[arm], 1, 0) + op(RETURN, KILL) + op(LOAD, 0),
            b"" if arm else op(GREATER, 0x40000000, 0, 1) + op(RETURN, KILL),
            *(op(EQUAL, pair[arm], 0, 1) + op(RETURN, NOTIFY) for pair in (BINDS, CONNECTS) if broker),
            *(op(EQUAL, number, 0, 1) + refuse(EPERM) for number in denied if number is not None),
            op(EQUAL, CLONE3, 0, 1) + refuse(ENOSYS),
            *(block(pair[arm], argument(0), op(SET, NAMESPACES, 0, 1), refuse(EPERM)) for pair in (CLONE, UNSHARE)),
            block(IOCTL[arm], argument(1), op(EQUAL, TIOCSTI, 1, 0), op(EQUAL, TIOCLINUX, 0, 1), refuse(EPERM)),
            block(SOCKET[arm], families()),
            op(RETURN, ALLOW),
        ]
    )


def families() -> bytes:
    plain = b"".join(op(EQUAL, family, len(FAMILIES) - index + 4, 0) for index, family in enumerate(FAMILIES))
    routes = op(EQUAL, NETLINK, 1, 0) + refuse(EAFNOSUPPORT) + argument(2) + op(EQUAL, 0, 1, 0)
    return argument(0) + plain + routes + refuse(EPROTONOSUPPORT)


def install(broker: bool) -> int:
    """Put the filter on this process for ever. Returns the supervisor's descriptor, or -1 without `broker`."""
    program = ctypes.create_string_buffer(seccomp_program(broker))
    header = struct.pack("=HxxxxxxQ", (len(program) - 1) // 8, ctypes.addressof(program))
    if not broker:
        kernel.syscall("seccomp", kernel.SECCOMP, 1, 0, header)
        return -1
    try:  # the second flag (5.19): Go's own signals do not interrupt a call that is being answered
        return kernel.syscall("seccomp", kernel.SECCOMP, 1, 8 | 32, header)
    except OSError:
        return kernel.syscall("seccomp", kernel.SECCOMP, 1, 8, header)


# ---------------------------------------------------------------------------------------------- pinned sockets


def only_from(address: bytes, port: int) -> bytes:
    """Packets of one peer. A socket that is handed out stays tied to the peer that was checked, whatever is done
    to it later."""
    first = 12 if len(address) == 4 else 8
    words = [address[at : at + 4] for at in range(0, len(address), 4)]
    checks = [(op(LOAD_HALF, 0), port)]
    for at, word in enumerate(words):
        checks.append((op(LOAD, NETWORK_HEADER + first + 4 * at), int.from_bytes(word, "big")))
    left = 2 * len(checks)
    body = b""
    for load, value in checks:
        left -= 2
        body += load + op(EQUAL, value, 0, left + 1)
    return body + op(RETURN, 0xFFFFFFFF) + op(RETURN, 0)


def only_serving() -> bytes:
    """No answer to a connection that this socket began (SYN with ACK): it can listen and nothing else."""
    return op(LOAD_BYTE, 13) + op(AND, 0x12) + op(EQUAL, 0x12, 0, 1) + op(RETURN, 0) + op(RETURN, 0xFFFFFFFF)
