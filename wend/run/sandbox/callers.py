"""Who is connected to a port of this machine, as the kernel lists it (proc_net_tcp in the kernel's documentation)."""

from __future__ import annotations

ESTABLISHED, BEING_MADE = b"01", b"03"


def connected(port: int, accepted: bool = False) -> bool:
    """Whether a connection stands at this port, or is just being made; with `accepted`, only those count that a process
    has taken: one that waits to be accepted has no inode yet."""
    end = b":%04X" % port
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/net/{name}", "rb") as file:
                if any(stands(line.split(), end, accepted) for line in file):
                    return True
        except OSError:
            continue  # a kernel without IPv6
    return False


def stands(fields: list[bytes], end: bytes, accepted: bool) -> bool:
    """Whether a line of the list is such a connection."""
    if not fields[1].endswith(end) or fields[3] not in (ESTABLISHED, BEING_MADE):
        return False
    return not accepted or fields[9] != b"0"
