"""Name lookups of a box: a relay at 127.0.0.53 of its own loopback that asks the host's name servers.

A socket handed in would let the box send datagrams to any address; a relay lets it ask, and nothing else.
"""

from __future__ import annotations

import _socket
import time

from .broker import inet
from .loop import READ, Loop
from .reach import packed

INSIDE = ("127.0.0.53", 53)
MOST, PATIENCE = 256, 10.0


def servers(path: str = "/etc/resolv.conf") -> list[str]:
    """The host's name servers in order; its own loopback when none is named (resolv.conf(5))."""
    named = [line.split()[1].partition("%")[0] for line in settings(path) if line.startswith("nameserver")]
    return named or ["127.0.0.1"]


def settings(path: str = "/etc/resolv.conf") -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return [line for line in file.read(65536).splitlines() if len(line.split()) > 1]
    except OSError:
        return []


def resolver(relayed: bool) -> str:
    """The box's resolv.conf."""
    kept = [line for line in settings() if line.startswith(("search", "domain", "options"))]
    lines = [f"nameserver {name}" for name in (["127.0.0.53"] if relayed else servers()[:3])]
    return "\n".join(lines + kept) + "\n"


def listen() -> _socket.socket:
    """The relay's socket; called in the box's own network."""
    inside = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK)
    inside.bind(INSIDE)
    return inside


class Relay:
    """Passes questions out and answers in. A question asked again goes to the next server."""

    def __init__(self, loop: Loop, inside: _socket.socket) -> None:
        self.loop, self.inside = loop, inside
        self.waiting: dict[int, tuple[_socket.socket, tuple[str, int], float]] = {}
        self.asked: dict[tuple[tuple[str, int], bytes], int] = {}
        loop.watch(inside.fileno(), READ, self.question)

    def first(self) -> bytes:
        """Where a lookup over a stream goes."""
        return inet((next((packed(name) for name in servers() if ":" not in name), packed("127.0.0.1")), 53))

    def question(self, events: int) -> None:
        try:
            data, client = self.inside.recvfrom(65535)
        except OSError:
            return
        self.forget()
        if len(self.waiting) >= MOST or len(data) < 12:
            return
        known = servers()
        turn = self.asked.get((client, data[:2]), 0)
        self.asked[(client, data[:2])] = turn + 1
        self.ask(known[turn % len(known)], data, client)

    def ask(self, server: str, data: bytes, client: tuple[str, int]) -> None:
        family = _socket.AF_INET6 if ":" in server else _socket.AF_INET
        out = _socket.socket(family, _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK)
        try:
            out.connect((server, 53))
            out.send(data)
        except OSError:
            out.close()
            return
        self.waiting[out.fileno()] = (out, client, time.monotonic() + PATIENCE)
        self.loop.watch(out.fileno(), READ, lambda events: self.answer(out, client))

    def answer(self, out: _socket.socket, client: tuple[str, int]) -> None:
        try:
            data = out.recv(65535)
            self.inside.sendto(data, client)
        except OSError:
            data = b""
        self.asked.pop((client, data[:2]), None)
        self.end(out)

    def end(self, out: _socket.socket) -> None:
        self.waiting.pop(out.fileno(), None)
        self.loop.drop(out.fileno())
        out.close()

    def forget(self) -> None:
        """Give up on answers that do not come."""
        now = time.monotonic()
        for out, _, until in list(self.waiting.values()):
            if until < now:
                self.end(out)
        if len(self.asked) > MOST:
            self.asked.clear()
