"""A snapshot of known weaknesses on its way to the platform: read here, sent in parts."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from wend.cli.client import client
from wend.errors import Invalid
from wend.guardrails import osv

PART = 600_000  # bytes of one request
BIGGEST = 4 * 2**20  # bytes of one record
Item = dict[str, Any]


def records(file: Path) -> Iterator[Item]:
    """Every record of a zip (one file each), of a JSON file, or of one with a record a line. Raises Invalid."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            for one in archive.infolist():
                if one.filename.endswith(".json") and one.file_size <= BIGGEST:
                    yield parsed(archive.read(one), one.filename)
        return
    body = file.read_bytes()
    try:
        whole = json.loads(body)
    except (ValueError, RecursionError):
        yield from (parsed(line, file.name) for line in body.splitlines() if line.strip())
        return
    every = cast("list[Any]", whole) if isinstance(whole, list) else [whole]
    yield from (parsed(json.dumps(one).encode(), file.name) for one in every)


def parsed(body: bytes, name: str) -> Item:
    try:
        record: Any = json.loads(body)
        if isinstance(record, dict) and "id" in record:
            return cast(Item, record)
    except (ValueError, RecursionError):
        pass
    raise Invalid(f"{name} holds no record of OSV", "a zip of them is what osv.dev offers for each ecosystem")


def send(file: Path) -> Item:
    """Send it all; what the platform says in the end. Raises Invalid when there is nothing in it for us."""
    edition, newest = hashlib.sha256(file.read_bytes()).hexdigest()[:32], 0
    part, size, sent = list[Item](), 0, 0
    for record in records(file):
        newest = max(newest, osv.modified(record))
        for row in osv.rows(record):
            length = len(json.dumps(row))
            if part and size + length > PART:
                put(edition, newest, part, "more")
                part, size = [], 0
            part.append(row)
            size, sent = size + length, sent + 1
    if not sent:
        raise Invalid(f"{file.name} says nothing of {', '.join(osv.ECOSYSTEMS)}", "another ecosystem is not read here")
    return put(edition, newest, part, "last")


def put(edition: str, newest: int, rows: list[Item], state: str) -> Item:
    about = {"edition": edition, "newest": newest, "rows": rows, "state": state}
    return client().ask("POST", "guardrails/advisories", about)
