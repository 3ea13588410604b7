"""Talking to Envoy's admin page through its unix socket."""

from __future__ import annotations

import http.client
import os
import socket
import sys
from pathlib import Path

from wend.errors import Down

SOCKET = "admin/sock"


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket whose path may be longer than the 108 bytes that the kernel takes."""

    def __init__(self, folder: Path, timeout: float) -> None:
        super().__init__("envoy", timeout=timeout)
        self.folder = folder

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        if not sys.platform.startswith("linux"):
            self.sock.connect(str(self.folder / SOCKET))
            return
        folder = os.open(self.folder, os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{SOCKET}")
        finally:
            os.close(folder)


class Admin:
    """One kept-open conversation; not for several threads at once. Every verb raises Down when nobody answers."""

    def __init__(self, folder: Path, timeout: float = 5.0) -> None:
        self.http = UnixConnection(folder, timeout)

    def __enter__(self) -> Admin:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def ask(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Status and body."""
        try:
            self.http.request(method, path)
            answer = self.http.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            self.http.close()
            raise Down(f"Envoy's admin socket does not answer: {error}", "run `wend up`") from error

    def ready(self) -> bool:
        """Whether it has its configuration and serves."""
        return self.ask("/ready")[0] == 200

    def version(self, kind: str) -> str:
        """The `version_info` of the file in force; kind: cds or rds. Empty before the first."""
        lines = self.ask(f"/stats?type=TextReadouts&filter={kind}.*version_text")[1].splitlines()
        return lines[0].partition(": ")[2].strip('"') if lines else ""

    def counters(self, pattern: str = "") -> str:
        """Everything counted that is not 0 and whose name matches: a line each, histograms with cumulative buckets."""
        wanted = f"&filter={pattern}" if pattern else ""
        status, body = self.ask(f"/stats?usedonly&histogram_buckets=cumulative{wanted}")
        if status != 200:
            raise Down(f"Envoy gave no stats: {body.strip()[:200]}")
        return body
