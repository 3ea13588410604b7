"""Sources of deliveries: each has a name, a kind, and a secret of its own that is shown once.

Facts: source_set, source_removed.
"""

from __future__ import annotations

import re
import secrets as chance
from typing import Any

from wend import secrets
from wend.context import Context
from wend.errors import Conflict, Invalid, NotFound
from wend.events import Fact
from wend.ingest import SOURCES
from wend.ledger.chain import text_hash
from wend.state import ingest as table

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST = 40
OWN = {"wend": "our own deploys are recorded as they happen", "git": "`wend ingest git` reads repositories"}
SHORTEST, MOST = 8, 512  # characters of a secret that somebody else has made


# ---------------------------------------------------------------------------------------------- pure


def name_of(text: str) -> str:
    """The text, if it can be a source's name. Raises Invalid."""
    if len(text) > LONGEST or not NAME.fullmatch(text):
        raise Invalid(f"{text[:60]!r} cannot be a source's name", f"at most {LONGEST} of a-z, 0-9 and single -")
    return text


def kind_of(text: str) -> str:
    """The text, if it is a kind of source. Raises Invalid."""
    if text not in SOURCES:
        raise Invalid(f"{text[:60]!r} is not a kind of source", f"there are: {', '.join(SOURCES)}")
    return text


def secret_of(text: str) -> str:
    """The text, if it can be a secret. Raises Invalid; the text is not repeated."""
    if not (SHORTEST <= len(text) <= MOST and text.isascii() and text.isprintable() and text == text.strip()):
        raise Invalid("this cannot be a source's secret", f"{SHORTEST} to {MOST} printable ASCII characters")
    return text


# ---------------------------------------------------------------------------------------------- acts


def add(ctx: Context, name: str, kind: str, secret: str | None) -> str:
    """Set up a source, or renew its secret: the one before holds for a day more. The secret, made here unless it is
    given. Raises Invalid, and Conflict when the name is another kind's."""
    if name_of(name) in OWN:
        raise Invalid(f"{name} is the platform's own name", OWN[name])
    if known := find(ctx, name):
        kind = kind or known.kind
        if known.kind != kind:
            raise Conflict(f"{name} is of kind {known.kind}", f"another name, or first: wend ingest remove {name}")
    kind_of(kind)
    made = chance.token_urlsafe(32) if secret is None else secret_of(secret)
    body = secrets.seal(secrets.key(ctx.config.home), f"source {name}", kind, 1, made)
    data = {"source": name, "kind": kind, "hash": text_hash(body)}
    with ctx.ledger.query() as db:
        before = table.hashes(db, name)
    ctx.ledger.append([Fact("source_set", f"source/{name}", data, actor=ctx.actor.name)], texts={data["hash"]: body})
    if before and before[1]:
        ctx.ledger.erase([before[1]], ctx.actor.name)
    return made


def remove(ctx: Context, name: str) -> None:
    """Let the source deliver no more, and erase its secret. What it said stays. Raises NotFound."""
    with ctx.ledger.query() as db:
        hashes = table.hashes(db, name)
    if hashes is None:
        raise NotFound(f"there is no source {name[:60]!r}", "`wend ingest list` shows those there are")
    ctx.ledger.append([Fact("source_removed", f"source/{name}", {"source": name}, actor=ctx.actor.name)])
    ctx.ledger.erase([one for one in hashes if one], ctx.actor.name)


def find(ctx: Context, name: str, now: int = 0) -> table.Known | None:
    """The source of this name, with the secrets that hold at `now` (Unix microseconds) still sealed."""
    with ctx.ledger.query() as db:
        return table.source(db, name, now)


def opened(ctx: Context, known: table.Known) -> list[str]:
    """The secrets that hold, the newest first."""
    key = secrets.key(ctx.config.home)
    return [secrets.unseal(key, f"source {known.source}", known.kind, 1, body) for body in known.sealed]


def listed(ctx: Context) -> list[dict[str, Any]]:
    """Every source: source, kind, set_at, set_by, before_until, heard_at."""
    with ctx.ledger.query() as db:
        return table.sources(db)
