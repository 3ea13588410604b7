"""Reading the logs of replicas, and waiting for more without asking again and again."""

from __future__ import annotations

import ctypes
import heapq
import os
import time
from collections.abc import Iterator
from pathlib import Path

from wend.poll import readable
from wend.run import Line
from wend.run.sandbox import kernel

BLOCK = 65536


def parse(raw: bytes, source: str) -> Line | None:
    """A line of a log file: seconds, a space, the text. None for what is not one."""
    stamp, _, text = raw.partition(b" ")
    try:
        return Line(float(stamp), source, text.decode("utf-8", "replace"))
    except ValueError:
        return None


def last(marks: dict[Path, int], count: int) -> Iterator[Line]:
    """The last `count` lines up to the marked sizes, in time order."""
    each = [[line for line in backwards(path, size, count)] for path, size in marks.items()]
    yield from list(heapq.merge(*each, key=lambda line: line.at))[-count:] if count > 0 else []


def backwards(path: Path, size: int, count: int) -> list[Line]:
    """The last `count` lines of one log and its older half."""
    data = ending(path, size, count)
    older = path.with_name(path.name + ".1")
    if data.count(b"\n") < count and older.exists():
        data = ending(older, older.stat().st_size, count) + data
    found = [parse(raw, path.stem) for raw in data.split(b"\n")]
    return [line for line in found if line][-count:]


def ending(path: Path, size: int, count: int) -> bytes:
    """The end of a file that holds at least `count` whole lines, or all of it."""
    data = b""
    try:
        with path.open("rb") as file:
            while size > 0 and data.count(b"\n") <= count:
                size, step = max(0, size - BLOCK), min(BLOCK, size)
                file.seek(size)
                data = file.read(step) + data
    except OSError:
        return b""
    return data


def follow(folder: Path, marks: dict[Path, int]) -> Iterator[Line]:
    """Every line that is written after the marks, to these logs and to new ones; when nothing was written for five
    seconds, an empty one without a source. Ends when the caller stops asking."""
    folder.mkdir(parents=True, exist_ok=True)
    watch = kernel.checked("inotify", kernel.LIBC.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
    try:
        name = ctypes.c_char_p(os.fsencode(folder))
        kernel.checked("inotify", kernel.LIBC.inotify_add_watch(watch, name, 0x2 | 0x100 | 0x80))  # modify create moved
        rest: dict[Path, bytes] = {}
        while True:
            yield from sorted(fresh(folder, marks, rest), key=lambda line: line.at)
            if readable([watch], 5):
                os.read(watch, BLOCK)
            else:
                yield Line(time.time(), "", "")
    finally:
        os.close(watch)


def fresh(folder: Path, marks: dict[Path, int], rest: dict[Path, bytes]) -> list[Line]:
    """What was added since the marks, which are moved."""
    found: list[Line] = []
    for path in folder.glob("*.log"):
        data = added(path, marks)
        *lines, rest[path] = (rest.get(path, b"") + data).split(b"\n")
        found += [line for line in (parse(raw, path.stem) for raw in lines) if line]
    return found


def added(path: Path, marks: dict[Path, int]) -> bytes:
    """The bytes after the mark; when the log was begun anew, first what its older half got meanwhile."""
    try:
        size, mark = path.stat().st_size, marks.get(path, 0)
        before = b""
        if size < mark:
            before, mark = path.with_name(path.name + ".1").read_bytes()[mark:], 0
        with path.open("rb") as file:
            file.seek(mark)
            data = file.read(size - mark)
    except OSError:
        return b""
    marks[path] = mark + len(data)
    return before + data
