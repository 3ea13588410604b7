"""Where a boxed process may connect to: a pure decision about one address, made once and then pinned.

Addresses are bytes, 4 or 16 long, since importing `ipaddress` would cost more than deciding.
"""

from __future__ import annotations

import _socket
import errno

INSIDE, OUTSIDE, SERVING, NAMES = "inside", "outside", "serving", "names"
MAPPED, NAT64, COMPATIBLE = bytes(10) + b"\xff\xff", bytes.fromhex("0064ff9b") + bytes(8), bytes(12)
DENIED_4 = (
    ("169.254.0.0", 16),  # link-local, and every cloud's metadata service
    ("100.100.100.200", 32), ("192.0.0.192", 32),  # two more of those
    ("224.0.0.0", 4), ("240.0.0.0", 4),  # multicast, reserved, broadcast
)  # fmt: skip
DENIED_6 = (("fe80::", 10), ("ff00::", 8), ("fec0::", 10), ("fd00:ec2::254", 128), ("fd20:ce::254", 128))


class Reach:
    """The rules of one box: its own port (0: none), and exact exceptions as "address:port" or "network/bits:port"."""

    def __init__(self, port: int, exceptions: tuple[str, ...]) -> None:
        self.port = port
        self.exceptions = [entry for text in exceptions for entry in exception(text)]

    def decide(self, address: bytes, port: int) -> str | int:
        """Where this goes, or the errno of a refusal. Looks at the host's own addresses as they are now."""
        plain = unwrapped(address)
        here = loopback(plain)
        if here and port == self.port:
            return SERVING
        if any(within(plain, network, bits) and only in (None, port) for network, bits, only in self.exceptions):
            return OUTSIDE
        if here:
            return NAMES if port == 53 else INSIDE
        if denied(plain) or own(plain):
            return errno.EACCES
        return OUTSIDE


def unwrapped(address: bytes) -> bytes:
    """An IPv4 address that is written as IPv6 (mapped, NAT64, 6to4), as IPv4; anything else as it is."""
    if len(address) == 16 and address[:12] in (MAPPED, NAT64):
        return address[12:]
    if len(address) == 16 and address[:2] == b"\x20\x02":
        return address[2:6]
    if len(address) == 16 and address[:12] == COMPATIBLE and address[12:] not in (bytes(4), b"\0\0\0\1"):
        return address[12:]
    return address


def loopback(address: bytes) -> bool:
    """This very machine by any name, the unspecified address included: connecting to it means loopback."""
    if len(address) == 4:
        return address[0] in (0, 127)
    return address[:15] == bytes(15) and address[15] < 2


def packed(text: str) -> bytes:
    return _socket.inet_pton(_socket.AF_INET6 if ":" in text else _socket.AF_INET, text)


def within(address: bytes, network: bytes, bits: int) -> bool:
    if len(address) != len(network):
        return False
    shift = 8 * len(network) - bits
    return int.from_bytes(address, "big") >> shift == int.from_bytes(network, "big") >> shift


def denied(address: bytes) -> bool:
    return any(within(address, packed(net), bits) for net, bits in (DENIED_4 if len(address) == 4 else DENIED_6))


def own(address: bytes) -> bool:
    """True when the address is one of this machine's: then, and only then, one can bind to it."""
    family, text = family_of(address)
    probe = _socket.socket(family, _socket.SOCK_DGRAM)
    try:
        probe.bind((text, 0))
    except OSError as error:
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    finally:
        probe.close()
    return not binds_anything(family)


def binds_anything(family: int) -> bool:
    """Some load balancers let processes bind addresses that are not there; then `own` would refuse the world."""
    name = "ipv6" if family == _socket.AF_INET6 else "ipv4"
    try:
        with open(f"/proc/sys/net/{name}/ip_nonlocal_bind") as file:
            return file.read().strip() != "0"
    except OSError:
        return False


def family_of(address: bytes) -> tuple[int, str]:
    family = _socket.AF_INET if len(address) == 4 else _socket.AF_INET6
    return family, _socket.inet_ntop(family, address)


def exception(text: str) -> list[tuple[bytes, int, int | None]]:
    """Parsed "host:port", "[v6]:port", "net/bits:port"; port `*` is any. A name stands for all it resolves to now."""
    host, _, port = text.rpartition(":")
    host, only = host.strip("[]"), None if port == "*" else int(port)
    host, _, bits = host.partition("/")
    try:
        found = [packed(host)]
    except OSError:
        found = sorted({packed(str(entry[4][0])) for entry in _socket.getaddrinfo(host, None)})
    return [(address, int(bits or 8 * len(address)), only) for address in found]
