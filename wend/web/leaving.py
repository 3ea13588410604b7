"""Addresses of our own API that are on their way out: they say so in every answer, are counted, and end.

`Deprecation` is RFC 9745's, a date of structured fields; `Sunset` RFC 8594's, an HTTP date: two syntaxes, as they are.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from starlette.responses import Response

from wend.context import Context
from wend.deprecations.users import CALLS
from wend.errors import Refused
from wend.outgoing import Outgoing, stage
from wend.state import deprecations

FRESH = 5.0  # seconds for which what was read holds
KIND = "api:"


class Gone(Refused):
    """It was there, and had its time."""

    status = 410


@dataclass
class Leaving:
    """Those there are, by their names; read anew every few seconds."""

    known: dict[str, Outgoing] = field(default_factory=dict[str, Outgoing])
    read_at: float = -FRESH

    def of(self, ctx: Context, method: str, path: str) -> Outgoing | None:
        if time.monotonic() - self.read_at >= FRESH:
            self.read_at = time.monotonic()
            with ctx.ledger.query() as db:
                self.known = {one.what: one for one in deprecations.outgoing(db) if one.what.startswith(KIND)}
        return self.known.get(f"{KIND}{method} {path}") if self.known else None

    def check(self, ctx: Context, method: str, path: str) -> Outgoing | None:
        """The address when it is on its way out; the call is counted. Raises Gone when its end is past."""
        one = self.of(ctx, method, path)
        if one is None:
            return None
        CALLS.add(one.what, ctx.actor.name)
        if stage(one, int(time.time() * 1e6)) == "retired":
            since = f"{moment(one.retired):%d %B %Y}"
            raise Gone(f"{method} {path} is gone since {since}", f"use {address(one.replacement)}")
        return one


def tell(response: Response, one: Outgoing) -> None:
    """The headers of an answer from such an address."""
    response.headers["Deprecation"] = f"@{one.announced // 1_000_000}"
    response.headers["Sunset"] = format_datetime(moment(one.retired), usegmt=True)
    response.headers["Link"] = f'</deprecations/{one.id}>; rel="deprecation", </deprecations/{one.id}>; rel="sunset"'
    target = address(one.replacement).partition(" ")[2]
    if target.startswith("/") and "{" not in target:
        response.headers["Link"] += f', <{target}>; rel="successor-version"'


def address(name: str) -> str:
    return name.removeprefix(KIND)


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(at // 1_000_000, UTC)
