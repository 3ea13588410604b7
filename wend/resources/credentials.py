"""The passwords of resources: sealed beside the ledger like secrets, opened on the way into a process."""

from __future__ import annotations

import secrets as random
from dataclasses import replace
from typing import Any

from wend import secrets
from wend.context import Context
from wend.errors import Down
from wend.ledger.chain import text_hash
from wend.state.resources import Kept, Trashed

REPLACES = "replaces"  # in `about` until the old password is worth nothing: the hash of its text


def new() -> str:
    """A password of 256 bits that needs no quoting in an address."""
    return random.token_urlsafe(32)


def sealed(ctx: Context, app: str, name: str, version: int, password: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What a fact says of it (`version` and `hash`), and the texts to append with the fact."""
    if not password:
        return {"version": version, "hash": None}, {}
    body = secrets.seal(secrets.key(ctx.config.home), app, f"resource {name}", version, password)
    return {"version": version, "hash": text_hash(body)}, {text_hash(body): body}


def opened(ctx: Context, one: Kept) -> str:
    """The password; empty when the resource has none. Raises Down when it was erased."""
    if one.hash is None:
        return ""
    body = ctx.ledger.text(one.hash)
    if body is None:
        raise Down(
            f"the password of {one.app}'s resource {one.name} was erased", f"wend resources rotate {one.app} {one.name}"
        )
    return secrets.unseal(secrets.key(ctx.config.home), one.app, f"resource {one.name}", one.version, body)


def texts(one: Kept | Trashed) -> list[str]:
    """The hashes of what is sealed of it: two, while a rotation is not finished."""
    return [hash for hash in (one.hash, one.about.get(REPLACES)) if hash]


def holding(ctx: Context, one: Kept) -> list[str]:
    """Every password that lets somebody in: two, while a rotation is not finished."""
    old = one.about.get(REPLACES)
    known = old is not None and ctx.ledger.text(old) is not None
    before = [replace(one, hash=old, version=one.version - 1)] if known else []
    return [password for this in (one, *before) if (password := opened(ctx, this))]
