"""Where a box's output goes. Each line is `SECONDS.MILLIS TEXT`; nothing an app prints can fill the disk, stop the app
or forge another line's time."""

from __future__ import annotations

import os
import time
from collections import deque

LONGEST = 8192
RATE = 2 * 2**20  # bytes a second that are kept for long; a burst may be as large as the log


class Lines:
    """Cuts a stream into lines of at most LONGEST bytes, with every `hidden` value blotted out before anything else
    sees them."""

    def __init__(self, hidden: tuple[bytes, ...] = ()) -> None:
        self.rest = b""
        self.hidden = hidden

    def cut(self, chunk: bytes) -> list[bytes]:
        *whole, self.rest = (self.rest + chunk).split(b"\n")
        lines = [part for line in whole for part in pieces(self.clean(line))]
        if len(self.rest) > LONGEST:
            *more, self.rest = pieces(self.clean(self.rest))
            lines += more
        return lines

    def flush(self) -> list[bytes]:
        rest, self.rest = self.rest, b""
        return pieces(self.clean(rest)) if rest else []

    def clean(self, line: bytes) -> bytes:
        for value in self.hidden:
            line = line.replace(value, b"[secret]")
        return line


def pieces(line: bytes) -> list[bytes]:
    line = line.removesuffix(b"\r")
    return [line[at : at + LONGEST] for at in range(0, len(line), LONGEST)] or [b""]


class Log:
    """A file of at most `size` bytes in two halves: PATH and the older PATH.1. What comes faster than RATE is dropped,
    and a line says so."""

    def __init__(self, path: str, size: int, hidden: tuple[bytes, ...] = ()) -> None:
        self.path, self.half = path, max(size // 2, 65536)
        self.lines = Lines(hidden)
        self.budget, self.refilled = float(self.half), time.monotonic()
        self.dropped = 0
        self.open()

    def open(self) -> None:
        self.fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self.size = os.fstat(self.fd).st_size

    def write(self, chunk: bytes) -> None:
        now = time.monotonic()
        self.budget = min(self.half, self.budget + (now - self.refilled) * RATE)
        self.refilled = now
        if self.budget < len(chunk):
            self.dropped += len(chunk)
            return
        self.budget -= len(chunk)
        if self.dropped:
            self.mark(f"{self.dropped} bytes of output dropped: more than {RATE // 2**20} MiB a second")
            self.dropped = 0
        self.put(self.lines.cut(chunk))

    def mark(self, text: str) -> None:
        """A line of ours among the app's."""
        self.put([*self.lines.flush(), b"[wend] " + text.encode()])

    def put(self, lines: list[bytes]) -> None:
        stamp = b"%.3f " % time.time()
        data = b"".join(stamp + line + b"\n" for line in lines)
        if self.size + len(data) > self.half:
            self.turn()
        try:
            self.size += os.write(self.fd, data)
        except OSError:
            self.dropped += len(data)  # a full disk stops the log, never the app

    def turn(self) -> None:
        """Begin a new file; the one before the last is gone, and the new one says so."""
        lost = os.path.exists(self.path + ".1")
        os.close(self.fd)
        os.replace(self.path, self.path + ".1")
        self.open()
        if lost:
            note = b"%.3f [wend] output before this was dropped: the log is full\n" % time.time()
            self.size += os.write(self.fd, note)

    def close(self) -> None:
        if self.dropped:
            self.mark(f"{self.dropped} bytes of output dropped")
        self.put(self.lines.flush())
        os.close(self.fd)


class Stream:
    """A one-off's output, handed on line by line: the first `size` bytes, a mark, and the last lines."""

    def __init__(self, fd: int, size: int, hidden: tuple[bytes, ...] = ()) -> None:
        self.fd, self.left = fd, size
        self.lines = Lines(hidden)
        self.dropped = 0
        self.last: deque[bytes] = deque(maxlen=50)

    def write(self, chunk: bytes) -> None:
        for line in self.lines.cut(chunk):
            self.put(line)

    def put(self, line: bytes) -> None:
        if self.left > 0:
            self.left -= len(line) + 1
            self.send(line)
        else:
            self.dropped += len(line) + 1
            self.last.append(line)

    def mark(self, text: str) -> None:
        self.send(b"[wend] " + text.encode())

    def send(self, line: bytes) -> None:
        data = b"L " + line + b"\n"
        while data:
            data = data[os.write(self.fd, data) :]

    def close(self) -> None:
        for line in self.lines.flush():
            self.put(line)
        shown = sum(len(line) + 1 for line in self.last)
        if self.dropped > shown:
            self.mark(f"{self.dropped - shown} bytes of output dropped here: the log is full")
        for line in self.last:
            self.send(line)
