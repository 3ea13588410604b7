"""A stand-in for the platform's API on loopback: fixed answers, signed checkpoints, and a record of what was asked."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from wend.errors import NotFound, WendError
from wend.ledger.chain import Signer


class Stream(list[Any]):
    """An answer line by line; a string in it goes out as it is."""


class Following(dict[str, Any]):
    """A plain answer, and a stream for whoever asks with follow=1."""

    def __init__(self, plain: dict[str, Any], lines: list[Any]) -> None:
        super().__init__(plain)
        self.lines = Stream(lines)


class FakeApi:
    """`answers` maps "METHOD /path" to a JSON value, a Stream, a WendError, or raw bytes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.signer = Signer(folder / "key")
        self.head = (7, "ab" * 32)
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.tokens: set[str] = set()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                fake.answer(self)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> FakeApi:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path, _, query = request.path.partition("?")
        length = int(request.headers.get("Content-Length") or 0)
        body = json.loads(request.rfile.read(length)) if length else None
        self.tokens.add(request.headers.get("Authorization", ""))
        self.asked.append((f"{request.command} {path}", query, body))
        missing = NotFound(f"there is no {path}", "`wend apps`")
        found = self.answers.get(f"{request.command} {path}", missing)
        if isinstance(found, Following) and "follow=1" in query:
            found = found.lines
        status = found.status if isinstance(found, WendError) else 200
        request.send_response(status)
        request.send_header("Wend-Checkpoint", str(self.signer.sign(self.head)))
        request.end_headers()
        request.wfile.write(encoded(found))


def encoded(found: Any) -> bytes:
    if isinstance(found, bytes):
        return found
    if isinstance(found, Stream):
        return b"".join((line if isinstance(line, str) else json.dumps(line)).encode() + b"\n" for line in found)
    return json.dumps(found.as_dict() if isinstance(found, WendError) else found).encode()
