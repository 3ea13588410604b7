"""Answers that come line by line: work in a thread of its own, lines through a bounded queue, an end for both sides.

When the reader leaves, `gone` is set: what only listens stops, `wend run` is cancelled, and a deploy goes on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from wend.errors import Bug, Down, WendError
from wend.journal import Say

ROOM = 2000  # lines that may wait for a slow reader
STALLED = 60.0  # seconds without reading after which a reader counts as gone
EACH, ALL = 32, 256  # streams of one actor, and of all
Item = dict[str, Any]
log = logging.getLogger(__name__)


def ndjson(item: Item) -> bytes:
    return json.dumps(item, ensure_ascii=False, default=str).encode("utf-8", "replace") + b"\n"


@dataclass(frozen=True)
class Flow:
    """An answer still to be made. `work(put, gone)` runs in a thread; `put` never raises. `patient`: a slow reader
    slows the work; otherwise it loses lines. `at_once`: the answer begins before the first line, so an error that
    comes later is a line too."""

    work: Callable[[Callable[[Item], None], threading.Event], None]
    patient: bool = True
    at_once: bool = False
    media: str = "application/x-ndjson"
    encode: Callable[[Item], bytes] = ndjson
    head: bytes = b""
    foot: bytes = b""


def told(act: Callable[[Say, threading.Event], Item | None], patient: bool = False) -> Flow:
    """The flow of an act that says lines: `{"line"}` … then `{"done"}`."""

    def work(put: Callable[[Item], None], gone: threading.Event) -> None:
        done = act(lambda line: put({"line": line}), gone)
        put({"done": done or {}})

    return Flow(work, patient)


def listened(items: Callable[[], Iterable[Item | None]]) -> Flow:
    """The flow of something that goes on by itself; None among the items means "nothing new"."""

    def work(put: Callable[[Item], None], gone: threading.Event) -> None:
        for item in items():
            if gone.is_set():
                return
            if item is not None:
                put(item)

    return Flow(work, at_once=True)


class Wire:
    """Items on their way from a thread to the event loop. Made in the loop."""

    def __init__(self, patient: bool) -> None:
        self.loop = asyncio.get_running_loop()
        self.items: asyncio.Queue[Item | WendError | None] = asyncio.Queue()
        self.room = threading.Semaphore(ROOM)
        self.gone = threading.Event()
        self.patient = patient

    def put(self, item: Item) -> None:
        """From the thread: pass it on, unless nobody listens any more."""
        while not self.gone.is_set():
            if self.room.acquire(timeout=0.25 if self.patient else 0) or "done" in item:
                return self.send(item)
            if not self.patient:
                return None
        return None

    def send(self, item: Item | WendError | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process is ending, and the work may outlive it a little
            self.loop.call_soon_threadsafe(self.items.put_nowait, item)

    async def next(self) -> Item | WendError | None:
        """From the loop: the next item; None at the end."""
        item = await self.items.get()
        self.room.release()
        return item


class Streams:
    """All streams under way, so that no actor can take every thread."""

    def __init__(self) -> None:
        self.taken = Counter[str]()
        self.lock = threading.Lock()

    def begin(self, flow: Flow, owner: str) -> Wire:
        """Start the work. Raises Down when too many run."""
        with self.lock:
            if self.taken[owner] >= EACH or self.taken.total() >= ALL:
                raise Down(f"{self.taken[owner]} streams of {owner} are open", "close one, then try again")
            self.taken[owner] += 1
        wire = Wire(flow.patient)
        threading.Thread(target=self.run, args=(flow, wire, owner), name=f"stream-{owner}", daemon=True).start()
        return wire

    def run(self, flow: Flow, wire: Wire, owner: str) -> None:
        try:
            flow.work(wire.put, wire.gone)
        except WendError as error:
            wire.send(error)
        except Exception as error:
            log.exception("a stream of %s", owner)
            wire.send(bug(error))
        finally:
            wire.send(None)
            with self.lock:
                self.taken[owner] -= 1
                if not self.taken[owner]:
                    del self.taken[owner]


def bug(error: Exception) -> Bug:
    """What a person is told of an error that nobody foresaw; its details are in the log."""
    return Bug(f"the platform failed ({type(error).__name__})", "this is its own fault; its log has the details")


class StreamResponse(Response):
    """The answer while it is being made. `first` was taken from the wire to know the status."""

    def __init__(self, flow: Flow, wire: Wire, first: Item | None) -> None:
        super().__init__(None, 200, media_type=flow.media)
        del self.headers["content-length"]
        self.flow, self.wire, self.first = flow, wire, first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watcher = asyncio.create_task(self.watch(receive))
        writer = asyncio.create_task(self.write(send))
        try:
            await asyncio.wait({watcher, writer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.wire.gone.set()
            for task in (watcher, writer):
                task.cancel()
            for done in await asyncio.gather(watcher, writer, return_exceptions=True):
                if isinstance(done, Exception):
                    log.info("a stream ended early: %s", type(done).__name__)

    async def watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        body = self.flow.head + (self.flow.encode(self.first) if self.first is not None else b"")
        await self.piece(send, body)
        ended = False
        while not ended:
            body, ended = await self.waiting()
            await self.piece(send, body)
        await self.piece(send, self.flow.foot, last=True)

    async def waiting(self) -> tuple[bytes, bool]:
        """Everything that waits on the wire, at least one item; and whether that was the end."""
        parts: list[bytes] = []
        while not parts or not self.wire.items.empty():
            item = await self.wire.next()
            if item is None:
                return b"".join(parts), True
            parts.append(self.flow.encode(item.as_dict() if isinstance(item, WendError) else item))
        return b"".join(parts), False

    async def piece(self, send: Send, body: bytes, last: bool = False) -> None:
        async with asyncio.timeout(STALLED):
            await send({"type": "http.response.body", "body": body, "more_body": not last})
