"""Talking to the API: requests, streams, and the errors on the other side of the wire."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import click

from wend import errors
from wend.cli import repo, show, site, witness
from wend.cli.site import Site
from wend.errors import Bug, Down, WendError

PATIENCE = 60.0  # seconds an ordinary answer may take; a stream may be silent for as long as it likes
CONNECT = 10.0


class Client:
    """The API of one platform."""

    def __init__(self, where: Site) -> None:
        self.site = where

    def get(self, path: str, **query: object) -> Any:
        """The answer to a question. Raises what the platform answers, or Down."""
        return self.ask("GET", path, query=query)

    def ask(self, method: str, path: str, body: object = None, query: Mapping[str, object] | None = None) -> Any:
        """The JSON answer of one request."""
        with self.exchange(method, path, body, query or {}, PATIENCE) as answer:
            return decoded(answer.read(), self.site.url)

    def deliver(self, address: str, body: bytes, headers: Mapping[str, str]) -> Any:
        """The JSON answer to bytes sent as they are, to an address that is not below /api/."""
        with self.send("POST", address, body, self.headers() | dict(headers), PATIENCE) as answer:
            return decoded(answer.read(), self.site.url)

    def lines(
        self, method: str, path: str, body: object = None, query: Mapping[str, object] | None = None
    ) -> Iterator[dict[str, Any]]:
        """The objects of an NDJSON answer as they come; a plain answer counts as one."""
        with self.exchange(method, path, body, query or {}, None) as answer:
            while line := answer.readline():
                if line.strip():
                    yield decoded(line, self.site.url)

    def act(
        self, method: str, path: str, body: object = None, tell: Callable[[str], None] = show.say, **query: object
    ) -> dict[str, Any]:
        """Do something that tells how it goes: each line to `tell`; what it ended with. Raises its error."""
        last: dict[str, Any] | None = None
        for said in self.lines(method, path, body, query):
            last = said
            if "line" in said:
                tell(str(said["line"]))
            elif "error" in said:
                raise errors.from_dict(said)
        if last is None or "line" in last:
            raise Down("the platform went away before it was done", "`wend status` shows what became of it")
        return last.get("done", last)

    @contextmanager
    def exchange(
        self, method: str, path: str, body: object, query: Mapping[str, object], patience: float | None
    ) -> Generator[http.client.HTTPResponse]:
        """One request of the API and its answer."""
        said = None if body is None else json.dumps(body).encode()
        with self.send(method, f"/api/{path}{asked(query)}", said, self.headers(), patience) as answer:
            yield answer

    @contextmanager
    def send(
        self, method: str, address: str, body: bytes | None, headers: Mapping[str, str], patience: float | None
    ) -> Generator[http.client.HTTPResponse]:
        """One request and its answer. Whatever the network does becomes a Down."""
        connection = connect(self.site.url)
        try:
            connection.connect()
            connection.sock.settimeout(patience)
            connection.request(method, address, body, dict(headers))
            answer = connection.getresponse()
            witness.remember(self.site.name, answer.headers.get("Wend-Checkpoint"))
            if answer.status >= 400:
                raise refusal(answer.status, answer.read(2**20), self.site.url)
            yield answer
        except (OSError, http.client.HTTPException) as error:
            raise down(self.site, error) from error
        finally:
            connection.close()

    def headers(self) -> dict[str, str]:
        there = {"Authorization": f"Bearer {self.site.token}", "Content-Type": "application/json"}
        return there | ({"Wend-Asks": "terminal"} if attended() else {})


def attended() -> bool:
    """Whether a person sits at a terminal: then a finished deploy may bring one question."""
    return sys.stdin.isatty() and sys.stdout.isatty() and not os.environ.get("CI")


def client() -> Client:
    """The API of the platform that this command is about. Raises Down, Refused or Invalid."""
    root = click.get_current_context().find_root()
    return Client(site.find(root.params.get("url"), repo.platform()))


def asked(query: Mapping[str, object]) -> str:
    """The query as it goes into the address; True is 1, and what is None or False is not asked."""
    there = {key: int(value) if value is True else value for key, value in query.items() if value not in (None, False)}
    return f"?{urlencode(there)}" if there else ""


def app_path(app: str, *more: str) -> str:
    """The address below /api/ of an app, or of something of it."""
    return "/".join(["apps", quote(app, safe=""), *more])


def connect(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=CONNECT)


def decoded(body: bytes, url: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise Down(f"what answers at {url} is not a Wend platform", "check the address: `wend login URL`") from None


def refusal(status: int, body: bytes, url: str) -> WendError:
    """The error that an answer carries; or what to make of one that carries none."""
    try:
        return errors.from_dict(json.loads(body))
    except (ValueError, AttributeError):
        return Bug(f"{url} answered {status} without a reason", "is it a Wend platform? `wend login URL` names another")


def down(where: Site, error: Exception) -> Down:
    """Why nothing answers, in words."""
    why = "it took too long" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or str(error)
    if isinstance(error, socket.gaierror):
        why = "this name is not known"
    hint = "`wend up` starts it" if where.home else "is it up? `wend login URL` names another"
    return Down(f"no platform answers at {where.url}: {why or type(error).__name__}", hint)
