"""Taking a delivery: it is genuine, it is read, and what it says is in the ledger before it is answered.

What nobody here can read is kept aside, with its body beside the chain, and shown.
Facts: delivery_kept_aside, delivery_read, and what the source says.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wend.context import Actor, Context
from wend.errors import Bug, Invalid, NotFound, Refused, WendError
from wend.events import Fact
from wend.ingest import SOURCES, Delivery, Heard, Unknown, source, sources
from wend.ingest.people import pseudonyms
from wend.ledger.chain import text_hash
from wend.state import ingest as table

ASIDE = "delivery_kept_aside"
KEPT = 256 * 1024  # bytes of a body that are kept aside
SHOWN = 200  # characters of what is told about one
SHAPES = ("x-github-event", "x-gitlab-event", "ce-type", "x-event-key", "content-type")  # headers that name a shape

Answer = dict[str, Any]


@dataclass(frozen=True)
class Known:
    """A delivery whose sender is known."""

    actor: Actor
    kind: str
    delivery: Delivery


class Unasked(Refused):
    """No source of this name with this signature: which of the two is not told."""

    status = 401


# ---------------------------------------------------------------------------------------------- pure


def shape_of(headers: Mapping[str, str]) -> str:
    """What a delivery says it is, like "x-github-event: star"."""
    found = next((f"{name}: {headers[name]}" for name in SHAPES if headers.get(name)), "")
    return plain(found)


def plain(text: str) -> str:
    """Short, on one line, without anything that cannot be printed."""
    return re.sub(r"\s+", " ", "".join(one if one.isprintable() else " " for one in text))[:SHOWN].strip()


def bots_of(setting: str) -> frozenset[str]:
    """The identities of the setting `bots`."""
    return frozenset(word.strip().lower() for word in setting.split(",") if word.strip())


# ---------------------------------------------------------------------------------------------- acts


def arrived(ctx: Context, name: str, headers: Mapping[str, str], body: bytes) -> Delivery:
    """What came just now under this name. `headers`: their names in lower case."""
    now = time.time_ns() // 1000
    return Delivery(name, headers, body, now, pseudonyms(ctx.config.home), bots_of(ctx.config.bots))


def knock(ctx: Context, delivery: Delivery) -> Known:
    """Who delivers, when the delivery is signed with one of the source's secrets. Raises Unasked, the same whether
    there is no such source or the signature is wrong."""
    known = sources.find(ctx, delivery.source, delivery.at)
    if known is None:
        hmac.new(b"nobody", delivery.body, hashlib.sha256)  # as long as for a source that is there
        raise unasked()
    reader = source(known.kind)
    for secret in sources.opened(ctx, known):
        try:
            reader.genuine(delivery, secret, delivery.at / 1e6)
        except Refused:
            continue
        return Known(Actor(known.source, "source", (f"ingest.write:{known.source}",)), known.kind, delivery)
    raise unasked()


def unasked() -> Unasked:
    return Unasked(
        "no source of this name with this signature is known here",
        "`wend ingest list` shows the sources; `wend ingest add NAME` renews a secret",
    )


def kind_of(ctx: Context, name: str) -> str:
    """The kind of the source called so; whoever has a token may also use a kind's own name without setting it up.
    Raises NotFound."""
    known = sources.find(ctx, name)
    if known is not None or name in SOURCES:
        return known.kind if known else name
    raise NotFound(f"there is no source {name[:60]!r}", f"`wend ingest add NAME`; kinds: {', '.join(SOURCES)}")


def take(ctx: Context, delivery: Delivery, kind: str) -> Answer:
    """Record what a genuine delivery says, in one append: how many `facts` it holds and how many are `new`. With
    `aside` (why) when it, or a part of it, was not understood. Raises Invalid when it makes no sense; that is kept
    aside, too."""
    try:
        heard = source(kind).read(delivery)
        aside = set_aside(delivery, heard.asides)
        made = ctx.ledger.append([*heard.facts, *aside.facts], texts=heard.texts | aside.texts)
    except Unknown as error:
        keep_aside(ctx, delivery, error.message)
        return {"facts": 0, "new": 0, "aside": error.message}
    except Invalid as error:
        keep_aside(ctx, delivery, error.message)
        raise
    except WendError:
        raise
    except Exception as error:
        keep_aside(ctx, delivery, f"our fault: {type(error).__name__}")
        raise Bug(f"a {kind} delivery could not be read: {type(error).__name__}", "it is kept aside") from error
    said: Answer = {"facts": len(heard.facts), "new": sum(one.kind != ASIDE for one in made)}
    return said | ({"aside": f"{len(aside.facts)} of its parts: {heard.asides[0][0]}"} if heard.asides else {})


def set_aside(delivery: Delivery, parts: Sequence[tuple[str, bytes]]) -> Heard:
    """The facts that these parts of a delivery were kept aside, each for its reason. The same again is kept once."""
    heard = Heard()
    for why, whole in parts:
        body = whole[:KEPT]
        hash, about = text_hash(body), {"source": delivery.source, "why": plain(why)}
        data = {**about, "shape": shape_of(delivery.headers), "hash": hash, "bytes": len(whole)}
        id = f"{delivery.source}:aside:{hashlib.sha256(whole).hexdigest()}"
        heard.facts.append(Fact(ASIDE, f"source/{delivery.source}", data, actor=delivery.source, id=id))
        heard.texts[hash] = body
    return heard


def keep_aside(ctx: Context, delivery: Delivery, why: str) -> None:
    """Keep a delivery that was not read."""
    aside = set_aside(delivery, [(why, delivery.body)])
    ctx.ledger.append(aside.facts, texts=aside.texts)


# ---------------------------------------------------------------------------------------------- what lies aside


def asides(ctx: Context, name: str | None, limit: int) -> list[Answer]:
    """What was kept aside and not read since, newest first: seq, source, at, why, shape, hash, bytes."""
    with ctx.ledger.query() as db:
        return table.asides(db, name, limit)


def aside(ctx: Context, seq: int) -> Answer:
    """One of them, with its `body` as text (null when it was erased). Raises NotFound."""
    with ctx.ledger.query() as db:
        found = table.aside(db, seq)
    if found is None:
        raise NotFound(f"nothing was kept aside as event {seq}", "`wend ingest aside` lists what was")
    body = ctx.ledger.text(found["hash"])
    return found | {"body": None if body is None else body.decode("utf-8", "replace")}


def forget(ctx: Context, seq: int) -> None:
    """Erase the body of what was kept aside. Raises NotFound."""
    ctx.ledger.erase([aside(ctx, seq)["hash"]], ctx.actor.name)


def read_again(ctx: Context, seq: int) -> Answer:
    """Read one of them with the readers of today: how many `facts` it holds and how many are `new`. It is then kept
    aside no more. Raises NotFound; Invalid when it still cannot be read, or there is no more of it than a part."""
    found = aside(ctx, seq)
    body = ctx.ledger.text(found["hash"])
    if body is None or found["bytes"] > KEPT:
        why = "was erased" if body is None else f"is only the first {KEPT:,} of {found['bytes']:,} bytes"
        raise Invalid(f"what is kept of {seq} {why}", "have its source send it again")
    name, _, value = str(found["shape"]).partition(": ")
    headers = {"content-type": "application/json", **({name: value} if value else {})}
    delivery = replace(arrived(ctx, found["source"], headers, body), at=found["at"])
    heard = source(kind_of(ctx, found["source"])).read(delivery)
    if heard.asides:
        raise Invalid(f"parts of {seq} still cannot be read: {plain(heard.asides[0][0])}", "it stays aside")
    about = {"aside": seq, "facts": len(heard.facts)}
    read = Fact("delivery_read", f"source/{found['source']}", about, actor=ctx.actor.name, id=f"aside-read:{seq}")
    made = ctx.ledger.append([*heard.facts, read], texts=heard.texts)
    return {"aside": seq, "facts": len(heard.facts), "new": sum(one.kind != "delivery_read" for one in made)}
