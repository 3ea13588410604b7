"""One git process behind one HTTP request: the body flows in, the answer flows out, at the pace of the slower side."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
import zlib
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from starlette.types import Message, Receive, Send

from wend.errors import Bug, Invalid, WendError

CHUNK = 2**16
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What conversations may take. body: bytes, inflated; idle: seconds without a byte; rate: bytes per second that
    the sender keeps up on average once `idle` seconds were spent waiting; cpu, memory: seconds and address
    space of each git process (a tiny delta can claim to become gigabytes); each, all: conversations of one actor and
    in all."""

    body: int = 110 * 2**20
    idle: float = 30.0
    rate: float = 1024.0
    cpu: int = 60
    memory: int = 2**31
    each: int = 4
    all: int = 32


class Gone(Exception):
    """The other side left, or might as well have."""


class TooBig(WendError):
    """More bytes than are accepted."""

    status, exit = 413, 2


class Body:
    """A request's body, piece by piece, inflated when it is gzipped, and never more of it than the limits allow."""

    def __init__(self, receive: Receive, limits: Limits, zipped: bool = False) -> None:
        self.receive, self.limits = receive, limits
        self.inflate = zlib.decompressobj(zlib.MAX_WBITS | 16) if zipped else None
        self.tail = b""
        self.done = False
        self.size = self.wire = 0
        self.waited = 0.0

    async def next(self) -> bytes:
        """The next piece; `done` tells whether it was the last. Raises Gone, TooBig, Invalid."""
        data = self.tail or await self.arrive()
        if self.inflate:
            data = self.unzip(data)
        self.size += len(data)
        if self.size > self.limits.body:
            raise TooBig(f"more than {self.limits.body // 2**20} MB in one request", "push the history in pieces")
        return data

    async def arrive(self) -> bytes:
        """Bytes as they come off the wire, from a sender that is neither silent nor dripping."""
        began = time.monotonic()
        try:
            message = await asyncio.wait_for(self.receive(), self.limits.idle)
        except TimeoutError as error:
            raise Gone(f"nothing arrived for {self.limits.idle:g} s") from error
        if message["type"] == "http.disconnect":
            raise Gone("the client left")
        self.waited += time.monotonic() - began
        data: bytes = message.get("body", b"")
        self.wire += len(data)
        self.ended = not message.get("more_body", False)
        self.done = self.ended
        if not self.done and self.waited > self.limits.idle and self.wire < self.waited * self.limits.rate:
            raise Gone(f"only {self.wire} bytes arrived in {self.waited:.0f} s")
        return data

    def unzip(self, data: bytes) -> bytes:
        assert self.inflate is not None
        try:
            found = self.inflate.decompress(data, CHUNK)
        except zlib.error as error:
            raise Invalid(f"the body is not gzip: {error}") from error
        self.tail = self.inflate.unconsumed_tail
        self.done = self.ended and not self.tail
        return found

    async def left(self) -> None:
        """Return when the client has gone; only after the body is done."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


@dataclass
class Answer:
    """A response that starts with git's first byte, and goes nowhere once nobody listens."""

    send: Send
    headers: list[tuple[bytes, bytes]]
    patience: float
    started: bool = False
    deaf: bool = False
    first: bytes = b""

    async def write(self, data: bytes) -> None:
        self.first += data[: 4000 - len(self.first)]
        if not self.started and not self.deaf:
            self.started = True
            await self.out({"type": "http.response.start", "status": 200, "headers": self.headers})
        await self.out({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self) -> None:
        """The end of what was begun."""
        if self.started:
            await self.out({"type": "http.response.body", "body": b"", "more_body": False})

    async def out(self, message: Message) -> None:
        if self.deaf:
            return
        try:
            await asyncio.wait_for(self.send(message), self.patience)
        except (TimeoutError, OSError, RuntimeError):
            self.deaf = True


@dataclass
class Pipe:
    """A conversation. `arrived` says whether git has the whole push, from when on it is not stopped any more."""

    process: Process
    body: Body
    answer: Answer
    arrived: Callable[[], bool]

    async def run(self, first: bytes) -> None:
        """Talk to the end. Raises Gone when the client left too early, Bug when git said nothing and failed."""
        relay = asyncio.create_task(self.relay())
        said = asyncio.create_task(self.complaints())
        try:
            await self.feed(first)
            watch = asyncio.create_task(self.watch())
            await relay
            watch.cancel()
            code = await self.process.wait()
            if code and not self.answer.started:
                raise Bug(f"git ended with code {code}: {await said}")
            await self.answer.write(b"")
        except (Gone, WendError):
            await self.hang_up()
            raise
        finally:
            await asyncio.gather(relay, said, return_exceptions=True)
            await self.answer.finish()

    async def feed(self, first: bytes) -> None:
        """The body into git. When git wants no more of it, the rest is read all the same: a client that cannot send
        would not read why."""
        stdin, data, open_ = self.process.stdin, first, True
        assert stdin is not None
        while True:
            if open_:
                try:
                    stdin.write(data)
                    await stdin.drain()
                except (BrokenPipeError, ConnectionResetError):
                    open_ = False
            if self.body.done:
                break
            data = await self.body.next()
        stdin.close()

    async def relay(self) -> None:
        assert self.process.stdout is not None
        while data := await self.process.stdout.read(CHUNK):
            await self.answer.write(data)

    async def complaints(self) -> str:
        """The last of what git printed beside the protocol."""
        assert self.process.stderr is not None
        last = b""
        while data := await self.process.stderr.read(CHUNK):
            last = (last + data)[-500:]
        return last.decode("utf-8", "replace").strip()

    async def watch(self) -> None:
        """A fetch ends when its client leaves; a push that has arrived goes on, unheard."""
        await self.body.left()
        self.answer.deaf = True
        if not self.arrived():
            await self.hang_up()

    async def hang_up(self) -> None:
        """End git. An early end of its input makes it clear its quarantine away by itself; the rest is for the case
        that it does not."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if self.arrived():
                return
            with suppress(ProcessLookupError):
                if number is not None:
                    os.killpg(self.process.pid, number)
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self.process.wait()), 2.0)
                break
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
