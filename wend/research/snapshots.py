"""Snapshots: what an interview said, written down within a day, so that it can be erased when consent is withdrawn.

Facts: snapshot_written, consent_withdrawn, evidence_recorded, evidence_unlinked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.context import Context
from wend.errors import Conflict, Invalid, Refused
from wend.events import Fact
from wend.ingest.parse import clean
from wend.ingest.people import Pseudonyms, pseudonyms
from wend.ledger.rows import LEDGER
from wend.research.interviews import known, look, told
from wend.state import research as table
from wend.state.delivery import side_texts
from wend.state.voice import EVIDENCE
from wend.voice import evidence

MOST = {"facts": 4_000, "quote": 2_000, "notes": 200_000}  # characters
MOST_OF_ONE, MOST_OF_MANY = 2_000, 50  # characters of a step, an opportunity or an insight; and how many of each
MINUTES = re.compile(r"(?P<text>.*\S)\s*\|\s*(?P<minutes>\d+(?:\.\d+)?)\s*(?:min|minutes|m)?\s*", re.DOTALL)
CLOCK = re.compile(r"(?P<at>\d{1,2}:\d{2}|\+?\d+(?:\.\d+)?\s?(?:min|m|h|s|d))\s+(?P<text>.+)", re.DOTALL)
Texts = dict[str, bytes]


@dataclass(frozen=True)
class Said:
    """What is written down. `story`: steps, each with its time in front, as "10:05 opened the change" or "40 min
    waited"; `opportunities`: needs, pains and wishes, each with the minutes it cost as "waited for a review | 40"."""

    facts: str = ""
    quote: str = ""
    notes: str = ""
    story: tuple[str, ...] = ()
    opportunities: tuple[str, ...] = ()
    insights: tuple[str, ...] = field(default=())


# ---------------------------------------------------------------------------------------------- pure


def one(name: str, text: object, most: int) -> str:
    """A text as it is kept. Raises Invalid for what is no text, or longer than `most`."""
    if not isinstance(text, str):
        raise Invalid(f"{name} is no text", "write it in quotes")
    if len(text) > most:
        raise Invalid(f"{name} is {len(text):,} characters long; {most:,} at most are kept", "keep what matters")
    return clean(text).strip()


def many(name: str, texts: object) -> tuple[str, ...]:
    """A list of texts as it is kept; empty ones are left out."""
    if not isinstance(texts, list | tuple):
        raise Invalid(f"{name} is no list", "write it as a list of texts")
    there = cast(Sequence[object], texts)
    if len(there) > MOST_OF_MANY:
        raise Invalid(f"{name} has {len(there):,} parts; {MOST_OF_MANY} at most are kept", "keep what matters")
    return tuple(found for part in there if (found := one(name, part, MOST_OF_ONE)))


def read(given: Mapping[str, object]) -> Said:
    """A snapshot out of a file, a form or options. Raises Invalid for what is too long, unknown, or empty."""
    fields = tuple(Said.__dataclass_fields__)
    if unknown := [name for name in given if name not in fields]:
        raise Invalid(f"a snapshot has no {unknown[0][:60]!r}", f"it has: {', '.join(fields)}")
    there = {name: value for name, value in given.items() if value}
    found: dict[str, Any] = {name: one(name, there[name], most) for name, most in MOST.items() if name in there}
    found |= {name: many(name, value) for name, value in there.items() if name not in MOST}
    said = Said(**found)
    if said == Said():
        raise Invalid("the snapshot is empty", "write down at least one step of the story, or what hurt")
    for text in said.opportunities:
        evidence.lost(cost(text)[1])
    return said


def cost(opportunity: str) -> tuple[str, float | None]:
    """(the words, the minutes it cost) of "waited for a review | 40"."""
    match = MINUTES.fullmatch(opportunity)
    return (match["text"], float(match["minutes"])) if match else (opportunity, None)


def step(text: str) -> dict[str, str | None]:
    """A step of the story: the time in front of it, if there is one, and what happened."""
    match = CLOCK.fullmatch(text)
    return {"at": match["at"], "text": match["text"]} if match else {"at": None, "text": text}


def allowed(said: Said, consent: str, id: int) -> None:
    """Raises Refused for what they did not consent to."""
    if consent == "none":
        raise Refused(f"interview {id}: nothing of it may be kept", "it counts as held; there is no snapshot to write")
    if consent == "notes" and said.quote:
        raise Refused(f"interview {id}: they may not be quoted", "put it in your own words, as a fact or an insight")


# ---------------------------------------------------------------------------------------------- acts


def write(ctx: Context, id: int, said: Said) -> dict[str, Any]:
    """Keep it, once; each opportunity becomes evidence. All of it is recorded, or nothing. Raises NotFound, Conflict
    and Refused."""
    stream = f"interview/{id}"
    with ctx.ledger.query() as db:
        row = known(db, id)
        last = db.execute(sa.select(sa.func.max(LEDGER.c.seq)).where(LEDGER.c.stream == stream)).scalar() or 0
    if row["state"] != "held" or row["withdrawn_at"] is not None:
        word = "its consent was withdrawn" if row["withdrawn_at"] else f"it is {row['state']}"
        raise Conflict(f"interview {id} has no snapshot: {word}", "`wend interview list` shows those that are due")
    if row["written_at"] is not None:
        raise Conflict(f"interview {id} has its snapshot", f"`wend interview list {id}` shows it")
    allowed(said, row["consent"], id)
    facts, texts = made_evidence(ctx, row, said)
    data, kept = hashes(pseudonyms(ctx.config.home), id, said)
    data |= {"interview": id, "opportunities": [fact.data["evidence"] for fact in facts]}
    fact = Fact("snapshot_written", stream, data, actor=ctx.actor.name, id=f"snapshot_written:{id}")
    # Whatever happened to the interview meanwhile counts, above all that consent was withdrawn.
    ctx.ledger.append([*facts, fact], expect=(stream, last), texts=texts | kept)
    return show(ctx, id)


def made_evidence(ctx: Context, row: Mapping[str, Any], said: Said) -> tuple[list[Fact], Texts]:
    """The opportunities as evidence."""
    facts, texts = list[Fact](), Texts()
    for number, opportunity in enumerate(said.opportunities, 1):
        text, minutes = cost(opportunity)
        fact, kept = evidence.told(ctx, "interview", text, row["person"], None, minutes, {"interview": row["id"]},
                                   row["held_at"], f"interview/{row['id']}/{number}")  # fmt: skip
        facts.append(fact)
        texts |= kept
    return facts, texts


def hashes(people: Pseudonyms, id: int, said: Said) -> tuple[dict[str, Any], Texts]:
    """The names of the snapshot's texts by field, and the texts."""
    texts = Texts()

    def keep(name: str, text: str) -> str:
        hash, body = people.text(f"interview {id} {name}", text)
        texts[hash] = body
        return hash

    data: dict[str, Any] = {name: keep(name, text) if (text := getattr(said, name)) else None for name in MOST}
    for name in ("story", "insights"):
        data[name] = [keep(f"{name} {place}", text) for place, text in enumerate(getattr(said, name))]
    return data, texts


def show(ctx: Context, id: int) -> dict[str, Any]:
    """An interview and what was written down of it; who looks is written down. A text that was erased is null. Raises
    NotFound."""
    look(ctx)
    with ctx.ledger.query() as db:
        row = known(db, id)
        said: dict[str, Any] = json.loads(row["said_json"]) if row["said_json"] else {}
        wanted = [hash for name in table.TEXTS for hash in listed(said.get(name))]
        words = side_texts(db, wanted)
        opportunities = opportunities_of(db, id) if said else []
    found = told(ctx, [row])[0]
    snapshot: dict[str, Any] = {name: words.get(said[name]) if said[name] else None for name in MOST} if said else {}
    if said:
        snapshot["story"] = [step(words[hash]) for hash in said["story"] if hash in words]
        snapshot["insights"] = [words[hash] for hash in said["insights"] if hash in words]
        snapshot["opportunities"] = opportunities
    return found | {"snapshot": snapshot or None}


def listed(value: str | list[str] | None) -> list[str]:
    return value if isinstance(value, list) else [value] if value else []


def opportunities_of(db: Connection, id: int) -> list[dict[str, Any]]:
    """Those of an interview, as evidence: evidence (its id), text (null: erased), minutes, pain (null: not linked)."""
    here = EVIDENCE.c.id.like(f"interview/{id}/%")
    rows = db.execute(sa.select(EVIDENCE).where(here).order_by(EVIDENCE.c.seq)).mappings().all()
    words = side_texts(db, [row["text"] for row in rows if row["text"]])
    return [
        {"evidence": row["id"], "text": words.get(row["text"]), "minutes": row["minutes"], "pain": row["pain"]}
        for row in rows
    ]


def withdraw(ctx: Context, id: int) -> dict[str, Any]:
    """Whoever was interviewed takes back their consent: what they said is erased for ever, and their evidence points to
    no pain any more. Once more finishes what was cut off. Raises NotFound, and Conflict when it was not held."""
    with ctx.ledger.query() as db:
        row = known(db, id)
        linked = [one for one in opportunities_of(db, id) if one["pain"] is not None]
        texts = all_texts(db, id)
    if row["state"] != "held":
        raise Conflict(f"interview {id} is {row['state']}: there is nothing to take back", "`wend interview list`")
    facts = [unlinked(ctx, one["evidence"], one["pain"]) for one in linked]
    facts.append(Fact("consent_withdrawn", f"interview/{id}", {"interview": id}, actor=ctx.actor.name,
                      id=f"consent_withdrawn:{id}"))  # fmt: skip
    ctx.ledger.append(facts)
    ctx.ledger.erase(texts, ctx.actor.name)
    return show(ctx, id)


def unlinked(ctx: Context, id: str, pain: int) -> Fact:
    return Fact("evidence_unlinked", f"evidence/{id}", {"evidence": id, "pain": pain}, actor=ctx.actor.name)


def all_texts(db: Connection, id: int) -> list[str]:
    """The names of every text of the interview that is still there, as the ledger has them: the tables forget."""
    here = (LEDGER.c.stream == f"interview/{id}") & (LEDGER.c.kind == "snapshot_written")
    told_of = db.execute(sa.select(LEDGER.c.data).where(here)).scalar()
    said: dict[str, Any] = json.loads(told_of) if told_of else {}
    own = sa.select(EVIDENCE.c.text).where(EVIDENCE.c.id.like(f"interview/{id}/%"), EVIDENCE.c.text.is_not(None))
    found = [hash for name in table.TEXTS for hash in listed(said.get(name))] + list(db.execute(own).scalars())
    there = side_texts(db, found)
    return [hash for hash in found if hash in there]
