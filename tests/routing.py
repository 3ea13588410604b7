"""An edge, an app behind it that misbehaves on request, and a client that sends any bytes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from wend.route import Backend, Route
from wend.route.envoy import Envoy

PLACE = (("127.0.0.1", 9),)
ROUTE = Route(("shop.example.com",), {1: Backend(0, PLACE), 2: Backend(100, PLACE)})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def more_than(answers: list[tuple[int, str]], count: int) -> bool:
    return len(answers) > count


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@contextlib.contextmanager
def edge(home: Path, hops: int = 0) -> Iterator[Envoy]:
    """A running Envoy of its own."""
    router = Envoy(home, ("127.0.0.1", free_port()), hops, workers=1)
    try:
        router.up()
        yield router
    finally:
        router.down()


# ---------------------------------------------------------------------------------------------- an app to route to


class App:
    """A small HTTP server: `/` answers with its name, `reply` lists the rest. `idle`: seconds it keeps a connection."""

    def __init__(self, name: str, idle: float = 60) -> None:
        self.name, self.idle = name, idle
        self.port = 0
        self.seen: list[str] = []
        self.release = threading.Event()
        started = threading.Event()
        self.thread = threading.Thread(target=asyncio.run, args=(self.serve(started),), daemon=True)
        self.thread.start()
        assert started.wait(5)

    async def serve(self, started: threading.Event) -> None:
        self.loop, self.stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self.talk, "127.0.0.1", 0, limit=2**20)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self.stop.wait()
        server.close()

    def close(self) -> None:
        self.release.set()
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(5)

    def backend(self, weight: int = 100) -> Backend:
        return Backend(weight, (("127.0.0.1", self.port),))

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), self.idle)).decode("latin-1")
                self.seen.append(head)
                await self.reply(head, reader, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, TimeoutError, ConnectionError):
            pass
        finally:
            writer.close()

    async def reply(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = head.split(" ")[1]
        if path == "/die":
            raise ConnectionError
        if path == "/stream":
            await self.stream(writer)
        elif path == "/upload":
            await self.upload(head, reader, writer)
        elif path == "/socket":
            await self.websocket(head, reader, writer)
        elif path == "/head":
            send(writer, head)
        else:
            send(writer, self.name)

    async def stream(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nserver: mine\r\ntransfer-encoding: chunked\r\n\r\n6\r\nfirst\n\r\n")
        await writer.drain()
        await asyncio.to_thread(self.release.wait, 10)
        writer.write(b"5\r\nlast\n\r\n0\r\n\r\n")

    async def upload(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = int(head.lower().split("content-length:")[1].split("\r\n")[0])
        digest = hashlib.sha256()
        while left:
            piece = await reader.read(min(left, 65536))
            digest.update(piece)
            left -= len(piece)
        send(writer, digest.hexdigest())

    async def websocket(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
        while data := await reader.read(1024):
            writer.write(data[::-1])
            await writer.drain()


def send(writer: asyncio.StreamWriter, text: str) -> None:
    body = text.encode("latin-1")
    writer.write(b"HTTP/1.1 200 OK\r\nserver: mine\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))


@contextlib.contextmanager
def app(name: str, idle: float = 60) -> Iterator[App]:
    server = App(name, idle)
    try:
        yield server
    finally:
        server.close()


# ---------------------------------------------------------------------------------------------- a client


def connect(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))


def exchange(port: int, raw: bytes, source: str = "127.0.0.1") -> tuple[int, str]:
    """Status and everything after the status line, for raw bytes that ask for the connection to be closed."""
    with connect(port, source) as wire:
        wire.sendall(raw)
        said = b""
        while piece := wire.recv(65536):
            said += piece
    assert said, "no answer at all"
    return int(said.split(b" ")[1]), said.decode("latin-1")


def ask(
    port: int, host: str, path: str = "/", method: str = "GET", more: str = "", source: str = "127.0.0.1"
) -> tuple[int, str]:
    raw = f"{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{more}\r\n"
    return exchange(port, raw.encode(), source)


def flood(port: int, host: str, count: int) -> None:
    """So many requests on one connection, a few at a time; every one must be answered 200."""
    request = f"GET / HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()
    with connect(port) as wire:
        for start in range(0, count, 50):
            batch = min(50, count - start)
            wire.sendall(request * batch)
            said = b""
            while said.count(b"\r\n\r\n") < batch:
                piece = wire.recv(65536)
                assert piece, "the connection was closed"
                said += piece
            assert said.count(b"HTTP/1.1 200") == batch
