"""The ledger's own tables, how facts and events become rows and come back, and what is asked of the rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

import sqlalchemy as sa

from wend.errors import Conflict, Invalid, Refused
from wend.events import KINDS, Event, Fact
from wend.ledger.chain import GENESIS

OWN = sa.MetaData()
LEDGER = sa.Table(
    "ledger",
    OWN,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("team", sa.Text),
    sa.Column("app", sa.Text),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Index("ledger_kind", "kind", "seq"),
    sa.Index("ledger_app", "app", "seq"),
    sa.Index("ledger_stream", "stream", "seq"),
)
TEXTS = sa.Table(
    "texts",
    OWN,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
NOTES = sa.Table("meta", OWN, sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False))

ODD = re.compile("[\0\ud800-\udfff]")  # what PostgreSQL's text cannot hold; lone surrogates are no UTF-8 either

CHUNK = 1000  # ids looked up in one query
BATCH = 5000  # events held in memory when all are read
LONGEST = 500  # characters of a name: PostgreSQL's indexes hold about 2,700 bytes


class Entry(NamedTuple):
    """A fact on its way in, and its data as the JSON that is stored."""

    fact: Fact
    text: str


def entry(fact: Fact) -> Entry:
    """The fact as every database can keep it. A NUL or half a surrogate pair inside the data becomes U+FFFD, so that an
    odd byte in some app's last words never keeps a deploy from being recorded. In a name it is Invalid, as is a
    name that is too long and an unknown kind."""
    if fact.kind not in KINDS:
        raise Invalid(f"unknown kind of event {fact.kind!r}", "add it to wend/events.py")
    for name in ("id", "stream", "actor", "team", "app"):
        value = getattr(fact, name) or ""
        if ODD.search(value) or len(value) > LONGEST:
            raise Invalid(
                f"{name} = {value[:60]!r} cannot be kept", f"at most {LONGEST} characters, and none that is no text"
            )
    text = as_json(fact.data)
    if "\\u0000" in text or ODD.search(text):
        fact = replace(fact, data=plain(fact.data))
        text = as_json(fact.data)
    return Entry(fact, text)


def as_json(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """The same value with every odd character replaced."""
    if isinstance(value, str):
        return ODD.sub("\ufffd", value)
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in cast("Sequence[Any]", value)]
    return value


def as_row(event: Event, text: str) -> dict[str, Any]:
    return {**event.__dict__, "data": text}


def as_event(row: Mapping[Any, Any]) -> Event:
    try:
        return Event(**{**row, "data": json.loads(row["data"])})
    except ValueError as error:
        raise Refused(f"the ledger has been tampered with: event {row['seq']} is not as written") from error


def fetch(connection: sa.Connection, statement: sa.Select[Any]) -> list[Event]:
    return [as_event(row) for row in connection.execute(statement).mappings()]


# ---------------------------------------------------------------------------------------------- questions and texts


def batches(connection: sa.Connection) -> Iterator[list[Event]]:
    """Every event in order, so many at a time that a long ledger fits in memory."""
    after = 0
    while batch := fetch(connection, sa.select(LEDGER).where(LEDGER.c.seq > after).order_by(LEDGER.c.seq).limit(BATCH)):
        yield batch
        after = batch[-1].seq


def newest(connection: sa.Connection) -> tuple[int, str]:
    row = connection.execute(sa.select(LEDGER.c.seq, LEDGER.c.hash).order_by(LEDGER.c.seq.desc()).limit(1)).first()
    return (row.seq, row.hash) if row else (0, GENESIS)


def schema(connection: sa.Connection) -> int:
    """The number of the tables that are there; 0: none."""
    return int(connection.execute(sa.select(NOTES.c.value).where(NOTES.c.key == "schema")).scalar() or 0)


def known(connection: sa.Connection, ids: Iterable[str]) -> set[str]:
    """Those of the ids that are in the ledger."""
    asked, found = list(ids), set[str]()
    for start in range(0, len(asked), CHUNK):
        these = LEDGER.c.id.in_(asked[start : start + CHUNK])
        found.update(connection.execute(sa.select(LEDGER.c.id).where(these)).scalars())
    return found


def keep_texts(connection: sa.Connection, texts: Mapping[str, bytes]) -> None:
    hashes, there = list(texts), set[str]()
    for start in range(0, len(hashes), CHUNK):
        these = TEXTS.c.hash.in_(hashes[start : start + CHUNK])
        there.update(connection.execute(sa.select(TEXTS.c.hash).where(these)).scalars())
    rows = [{"hash": hash, "body": body} for hash, body in texts.items() if hash not in there]
    if rows:
        connection.execute(sa.insert(TEXTS), rows)


def check_expected(connection: sa.Connection, stream: str, seq: int) -> None:
    last = connection.execute(sa.select(sa.func.max(LEDGER.c.seq)).where(LEDGER.c.stream == stream)).scalar() or 0
    if last != seq:
        raise Conflict(f"{stream} changed meanwhile (event {last}, not {seq})", "look again, then repeat it")
