"""What a request carries, read with suspicion: size, depth, numbers, names, and nothing that nobody asked for."""

from __future__ import annotations

import asyncio
import difflib
import json
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from wend.errors import Down, Invalid

MOST = 2**20
WASTE, PATIENCE = 26 * 2**20, 2.0  # bytes and seconds of a refused body that are read all the same
SLOW = 30.0  # seconds a body may take to arrive
DEPTH = 20
EXAMPLE = 'send an object like {"set": {"NAME": "value"}}'


class TooBig(Invalid):
    """More bytes than are accepted."""

    status = 413


class WrongKind(Invalid):
    """A content type that is not read here."""

    status = 415


class Field(NamedTuple):
    """A key of a JSON body: its name, the kind of its value (a key of KINDS), and what holds without it
    (`...`: it must be there)."""

    name: str
    kind: str
    default: Any = ...


KINDS = {
    "text": "a text",
    "number": "a number",
    "whole": "a whole number",
    "texts": "a list of texts",
    "table": "an object whose values are texts",
    "rows": "a list of objects",
    "counts": "an object whose values are whole numbers, or null",
}


class Room:
    """The memory for bodies whose sender is not known yet, in bytes. Used by one event loop alone."""

    def __init__(self, most: int) -> None:
        self.left = most

    @contextmanager
    def share(self) -> Generator[Share]:
        """A part of it for one body, given back in the end."""
        mine = Share(self)
        try:
            yield mine
        finally:
            self.left += mine.bytes


class Share:
    def __init__(self, room: Room) -> None:
        self.room, self.bytes = room, 0

    def grow(self, by: int) -> None:
        """Raises Down when the room is full."""
        if by > self.room.left:
            raise Down("too much is being sent at once", "send it again in a minute")
        self.room.left -= by
        self.bytes += by


async def take(request: Request, most: int = MOST, share: Share | None = None) -> bytes:
    """The body, at most `most` bytes of it, in its `share` of the memory. Raises TooBig, Invalid, and WrongKind for a
    compressed one: nobody knows what comes out."""
    said = request.headers.get("content-length", "0")
    if not said.isdigit() or int(said[:12]) > most:
        raise TooBig(f"the body has {said[:20]} bytes; at most {most} are read", "send less at once")
    packed = request.headers.get("content-encoding", "identity")
    if packed.lower() != "identity":
        raise WrongKind(f"a body in {packed[:30]!r} is not read here", "send it uncompressed")
    body = bytearray()
    try:
        async with asyncio.timeout(SLOW):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise TooBig(f"the body has more than {most} bytes", "send less at once")
                if share:
                    share.grow(len(chunk))
    except TimeoutError:
        raise Invalid(f"the body did not arrive within {SLOW:.0f} s", "try again") from None
    return bytes(body)


async def swallow(request: Request) -> bool:
    """Read what is left of a refused body, when that is soon done: who still sends does not hear the answer. Whether
    it is done."""
    said = request.headers.get("content-length", "0")
    if not said.isdigit() or int(said[:12]) > WASTE or "expect" in request.headers:
        return False
    left = WASTE
    try:
        async with asyncio.timeout(PATIENCE):
            async for chunk in request.stream():
                left -= len(chunk)
                if left < 0:
                    return False
    except RuntimeError:
        return True  # it was read to its end before
    except (TimeoutError, ClientDisconnect):
        return False
    return True


def kind_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def parse(body: bytes) -> Any:
    """The JSON value. Raises Invalid for what is not strict JSON: NaN, keys twice, nesting without end, half a
    surrogate pair."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=not_json, object_pairs_hook=once)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise Invalid("the JSON is nested too deeply", f"use at most {DEPTH} levels") from None
    except UnicodeError:
        raise Invalid("the body is not UTF-8 text", "encode it as UTF-8") from None
    except ValueError as error:
        raise Invalid(f"the body is not JSON: {str(error)[:200]}", EXAMPLE) from None
    if deep(value, DEPTH):
        raise Invalid("the JSON is nested too deeply", f"use at most {DEPTH} levels")
    return value


def not_json(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object. Two readers of a key that is there twice may see different values, so nobody gets to."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def deep(value: Any, left: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inside = cast(Iterable[Any], value.values() if isinstance(value, dict) else value)
    return left == 0 or any(deep(one, left - 1) for one in inside)


def read(body: bytes, *fields: Field) -> dict[str, Any]:
    """The object's values by name, each of its field's kind. Raises Invalid naming the key."""
    value: Any = parse(body) if body.strip() else {}
    if not isinstance(value, dict):
        raise Invalid(f"the body is {json.dumps(value)[:40]}, not an object", EXAMPLE)
    given = cast(dict[str, Any], value)
    check_names(given, [field.name for field in fields], "key")
    return {field.name: pick(given, field) for field in fields}


def pick(given: Mapping[str, Any], field: Field) -> Any:
    if field.name not in given or (given[field.name] is None and field.default is not ...):
        if field.default is ...:
            raise Invalid(f"{field.name!r} is missing", f"it is {KINDS[field.kind]}")
        return field.default
    value = given[field.name]
    if not fits(value, field.kind):
        raise Invalid(f"{field.name} = {json.dumps(value)[:60]} is not {KINDS[field.kind]}", "see docs/api.md")
    return value


def fits(value: Any, kind: str) -> bool:
    """Whether a JSON value is of one of KINDS."""
    if kind == "text":
        return isinstance(value, str)
    if kind in ("whole", "number"):
        return isinstance(value, int if kind == "whole" else int | float) and not isinstance(value, bool)
    if kind == "texts":
        return isinstance(value, list) and all(fits(one, "text") for one in cast(list[Any], value))
    if kind == "rows":
        return isinstance(value, list) and all(isinstance(one, dict) for one in cast(list[Any], value))
    inside = list(cast(dict[str, Any], value).values()) if isinstance(value, dict) else [value]
    if kind == "counts":
        return isinstance(value, dict) and all(one is None or fits(one, "whole") for one in inside)
    return isinstance(value, dict) and all(fits(one, "text") for one in inside)


def check_names(given: Iterable[str], known: list[str], what: str) -> None:
    """Raises Invalid for the first name that nobody reads, with the nearest that somebody does."""
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name[:60], known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known) or 'none'}"
            raise Invalid(f"unknown {what} {name[:60]!r}", hint)


class Query:
    """The part after the question mark, one asked-for name at a time; `done` refuses what nobody asked for."""

    def __init__(self, request: Request) -> None:
        self.given = dict(request.query_params)
        self.asked: list[str] = []

    def text(self, name: str) -> str | None:
        self.asked.append(name)
        return self.given.get(name) or None

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number of 0 to `most`. Raises Invalid."""
        raw = self.text(name)
        if raw is None:
            return default
        if not (raw.isascii() and raw.isdigit() and len(raw) < 19 and int(raw) <= most):
            raise Invalid(f"{name} = {raw[:30]!r} is not a whole number of 0 to {most}", f"like {name}={default}")
        return int(raw)

    def flag(self, name: str) -> bool:
        """Whether it is 1, true or there without a value."""
        self.asked.append(name)
        raw = self.given.get(name, "0").lower()
        if raw not in ("", "0", "1", "true", "false"):
            raise Invalid(f"{name} = {raw[:30]!r} is neither 0 nor 1", f"{name}=1")
        return raw in ("", "1", "true")

    def done(self) -> None:
        check_names(self.given, self.asked, "parameter")


def form(body: bytes) -> dict[str, str]:
    """The fields of a page's form. Raises Invalid."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=50, errors="strict")
    except (ValueError, UnicodeError):
        raise Invalid("the form cannot be read", "go back, reload the page and try again") from None
    return dict(pairs)
