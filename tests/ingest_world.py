"""Deliveries as their senders make them, for the tests of sources."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from wend.events import Fact
from wend.ingest import Delivery, Heard, source
from wend.ingest.people import Pseudonyms

PEOPLE = Pseudonyms(b"k" * 32)
NOW = 1_772_000_000_000_000  # 25 February 2026
SECRET = "a-shared-secret"
SHA = [f"{number:040x}" for number in range(1, 60)]


def delivery(body: object, headers: dict[str, str] | None = None, source: str = "src", **more: Any) -> Delivery:
    """`body`: bytes as they are, else JSON of it."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery(source, {"content-type": "application/json", **(headers or {})}, raw, NOW, PEOPLE, **more)


def hear(kind: str, body: object, headers: dict[str, str] | None = None, **more: Any) -> Heard:
    """What a source of this kind, set up under its own name, makes of it."""
    return source(kind).read(delivery(body, headers, source=kind, **more))


def only(heard: Heard, kind: str | None = None) -> Fact:
    """The one fact it makes, or the one of this kind."""
    (fact,) = [one for one in heard.facts if kind in (None, one.kind)]
    return fact


def data(heard: Heard, kind: str | None = None) -> dict[str, Any]:
    return only(heard, kind).data


def ids(heard: Heard) -> list[str]:
    return [fact.id for fact in heard.facts]


def texts(heard: Heard) -> list[str]:
    """The side texts without their salts."""
    return [body.decode().partition(" ")[2] for body in heard.texts.values()]


def mac(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def at(text: str) -> int:
    """Unix microseconds of "2026-03-01T12:00:00Z", computed another way than `parse` does."""
    from datetime import datetime

    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)
