"""Git's pkt-line framing (gitprotocol-common), and the voice that reaches the person who pushes."""

from __future__ import annotations

import os
import select
import unicodedata
from typing import BinaryIO

FLUSH = b"0000"
MOST = 65516  # bytes of content in one packet


def packet(data: bytes) -> bytes:
    return b"%04x" % (len(data) + 4) + data


def read(stream: BinaryIO) -> bytes | None:
    """The next packet's content without its line end; None for a flush. Raises ValueError on anything else."""
    head = stream.read(4)
    size = int(head, 16) if len(head) == 4 else -1
    if size == 0:
        return None
    if not 4 <= size <= MOST + 4:
        raise ValueError(f"packet length {head!r}")
    data = stream.read(size - 4)
    if len(data) != size - 4:
        raise ValueError("a packet was cut off")
    return data.removesuffix(b"\n")


def read_until_flush(stream: BinaryIO) -> list[bytes]:
    found: list[bytes] = []
    while (data := read(stream)) is not None:
        found.append(data)
    return found


def one_line(text: str, most: int = 900) -> str:
    """Text that can neither break a line nor move a cursor."""
    clean = "".join(" " if letter in "\n\r\t" else letter for letter in text if printable(letter) or letter in "\n\r\t")
    return " ".join(clean.split(" "))[:most].strip()


def printable(letter: str) -> bool:
    return unicodedata.category(letter) not in {"Cc", "Cs", "Zl", "Zp"}


class Voice:
    """Says lines to the person who pushes: what is written to `stream` appears there as `remote: …` at once.

    Nobody has to listen: when the other side has left, or reads nothing for `patience` seconds, lines are dropped, so
    that a deploy never waits for a terminal."""

    def __init__(self, stream: int, patience: float = 2.0) -> None:
        self.stream, self.patience, self.deaf = stream, patience, False
        os.set_blocking(stream, False)

    def __call__(self, text: str) -> None:
        for line in text.split("\n"):
            clean = "".join(letter for letter in line.expandtabs(4) if printable(letter))
            self.write(clean[:4000].encode("utf-8", "replace") + b"\n")

    def write(self, data: bytes) -> None:
        while data and not self.deaf:
            try:
                data = data[os.write(self.stream, data) :]
            except BlockingIOError:
                poll = select.poll()
                poll.register(self.stream, select.POLLOUT)
                self.deaf = not poll.poll(self.patience * 1000)
            except OSError:
                self.deaf = True

    def close(self) -> None:
        self.deaf = True
        os.close(self.stream)
