"""Evidence that nobody has to say: what the platform saw people suffer.

A push that failed, by its cause, with the minutes until the next attempt was over; one that waited for others to end; a
build that took far longer than the app's usual one; a guide that was read and nothing came of it; a departure from the
golden path in a live release; a support ticket that a source told of. Each has an id made of what it is about, so that
looking again changes nothing.
Facts: evidence_recorded.
"""

from __future__ import annotations

import hashlib
import re
import statistics
import time
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.context import Context
from wend.events import Event, Fact
from wend.ingest.people import pseudonyms
from wend.state.hatches import live as live_hatches
from wend.state.own import HANDS
from wend.state.people import TICKETS
from wend.state.tables import APPS, DEPLOYS, STEPS, TOKENS
from wend.state.voice import EVIDENCE
from wend.voice.evidence import Told, told

DAY, HALF_HOUR = 1440 * 60_000_000, 30 * 60_000_000  # microseconds
SLICE = 100  # of each kind in one look, so that nobody who writes waits long
MINUTE = 60_000_000  # microseconds
GAP = 240 * MINUTE  # a longer pause between two attempts says nothing about work
USUAL, ENOUGH = 20, 8  # builds of an app that say what is usual, and how many there must be
SLOW, MUCH = 2.0, 60_000  # times the usual, and milliseconds more than it, that make a build slow
LONGEST = 160  # characters of a cause
COLOUR = re.compile("\x1b\\[[0-9;:]*m")
BLOTS = (
    (re.compile(r"https?://\S+"), "URL"),
    (re.compile(r"\S+@\S+\.\w+"), "ADDRESS"),
    (re.compile(r"`[^`]*`|\"[^\"]*\"|'[^']*'"), "…"),
    (re.compile(r"(?<![\w.])[.~]?(?:/[\w.@+-]+)+/?"), "PATH"),
    (re.compile(r"\b[0-9a-f]{7,64}\b"), "ID"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "#"),
)


# ---------------------------------------------------------------------------------------------- pure


def cause(message: str, app: str) -> str:
    """What went wrong, without what is different each time: numbers, names in quotes, paths, ids and the app's name."""
    text = COLOUR.sub("", message.strip().partition("\n")[0])
    for pattern, blot in BLOTS:
        text = pattern.sub(blot, text)
    text = re.sub(rf"\b{re.escape(app)}\b", "APP", text) if app else text
    return " ".join(text.split())[:LONGEST]


def between(failed: int, ended: list[int]) -> float | None:
    """Minutes from a failure to the end of the next attempt; None when that came too late to tell."""
    after = min((at for at in ended if at > failed), default=None)
    return None if after is None or after - failed > GAP else round((after - failed) / MINUTE, 2)


def slower(ms: int, before: list[int]) -> float | None:
    """Milliseconds by which a build was slower than the median of those before; None when it was not much."""
    if len(before) < ENOUGH:
        return None
    usual = statistics.median(before)
    return ms - usual if ms > SLOW * usual and ms - usual >= MUCH else None


# ---------------------------------------------------------------------------------------------- acts


@dataclass(frozen=True)
class Seen:
    """How far a look has come: the ledger's number for failures and tickets, a time for builds."""

    failures: int = 0
    waits: int = 0
    guides: int = 0
    tickets: int = 0
    builds: int = 0


class Teller:
    """Looks for what is new, a slice at a time. After a restart it looks from the beginning; what is known is
    skipped."""

    def __init__(self) -> None:
        self.seen = Seen()

    def tend(self, ctx: Context) -> int:
        """Record what was seen since the last look; how many pieces of evidence that made."""
        now = int(time.time() * 1e6)
        with ctx.ledger.query() as db:
            made = [*self.failures(ctx, db, now), *self.waits(ctx, db), *self.builds(ctx, db)]
            made += [*self.guides(ctx, db, now), *self.tickets(ctx, db), *hatches(ctx, db)]
        facts = [fact for fact, _ in made]
        if not facts:
            return 0
        return len(ctx.ledger.append(facts, texts={hash: body for _, texts in made for hash, body in texts.items()}))

    def failures(self, ctx: Context, db: Connection, now: int) -> list[Told]:
        """Those whose next attempt is over, or will tell nothing any more. An agent's or a machine's are of nobody."""
        events = ctx.ledger.read(self.seen.failures, ("push_refused", "deploy_failed"), limit=SLICE)
        ready = [not event.data.get("superseded") for event in events]
        ended = [ends(db, event) for event in events]
        ripe = [
            now - event.at > GAP or any(at > event.at for at in ends) for event, ends in zip(events, ended, strict=True)
        ]
        upto = next((place for place, is_ripe in enumerate(ripe) if not is_ripe), len(events))
        if upto:
            self.seen = replace(self.seen, failures=events[upto - 1].seq)
        fresh = unknown(db, [failure_id(event) for event in events])
        return [
            failure(ctx, db, event, ends)
            for event, ends, is_ready, is_ripe in zip(events, ended, ready, ripe, strict=True)
            if is_ready and is_ripe and failure_id(event) in fresh
        ]

    def waits(self, ctx: Context, db: Connection) -> list[Told]:
        """Pushes that stood in a queue behind what else the app was doing."""
        events = ctx.ledger.read(self.seen.waits, ("push_received",), limit=SLICE)
        if events:
            self.seen = replace(self.seen, waits=events[-1].seq)
        long = [one for one in events if int(one.data.get("waited_ms", 0)) >= MUCH]
        fresh = unknown(db, [f"wait:{one.seq}" for one in long])
        return [wait(ctx, db, one) for one in long if f"wait:{one.seq}" in fresh]

    def guides(self, ctx: Context, db: Connection, now: int) -> list[Told]:
        """Guides that somebody opened, a day after: whether anything of theirs went live since."""
        events = ctx.ledger.read(self.seen.guides, ("guide_opened",), limit=SLICE)
        over = [one for one in events if one.at + DAY <= now]
        if over:
            self.seen = replace(self.seen, guides=over[-1].seq)
        fresh = unknown(db, [f"guide:{one.seq}" for one in over])
        return [found for one in over if f"guide:{one.seq}" in fresh and (found := guide(ctx, db, one))]

    def builds(self, ctx: Context, db: Connection) -> list[Told]:
        joined = STEPS.join(DEPLOYS, DEPLOYS.c.id == STEPS.c.deploy)
        query = sa.select(STEPS.c.at, STEPS.c.ms, DEPLOYS.c.id, DEPLOYS.c.app, DEPLOYS.c.actor).select_from(joined)
        query = query.where(STEPS.c.step == "built", STEPS.c.at > self.seen.builds).order_by(STEPS.c.at).limit(SLICE)
        rows = [dict(row) for row in db.execute(query).mappings()]
        if rows:
            self.seen = replace(self.seen, builds=rows[-1]["at"])
        fresh = unknown(db, [f"build:{row['id']}" for row in rows])
        made = [slow_build(ctx, db, row) for row in rows if f"build:{row['id']}" in fresh]
        return [one for one in made if one]

    def tickets(self, ctx: Context, db: Connection) -> list[Told]:
        """What sources told of. A ticket by hand is evidence from its beginning, under the same id."""
        query = sa.select(TICKETS).where(TICKETS.c.seq > self.seen.tickets).order_by(TICKETS.c.seq).limit(SLICE)
        rows = [dict(row) for row in db.execute(query).mappings()]
        if rows:
            self.seen = replace(self.seen, tickets=rows[-1]["seq"])
        counted = [row for row in rows if row["platform"] and not row["automatic"] and not row["retracted"]]
        fresh = unknown(db, [f"ticket:{row['id']}" for row in counted])
        return [ticket(ctx, row) for row in counted if f"ticket:{row['id']}" in fresh]


def opened(ctx: Context, path: str) -> None:
    """Somebody opened a guide; kept once a person, guide and day, and of people alone."""
    if ctx.actor.kind != "human":
        return
    who, day = pseudonyms(ctx.config.home).of(ctx.actor.name), int(time.time() * 1e6) // DAY
    about = {"path": path, "person": who}
    # The actor is the portal: a name beside a pseudonym would say whose it is.
    ctx.ledger.append([Fact("guide_opened", f"path/{path}", about, actor="portal", id=f"guide:{path}:{who}:{day}")])


def unknown(db: Connection, ids: list[str]) -> set[str]:
    """Those that are no evidence yet."""
    there = sa.select(EVIDENCE.c.id).where(EVIDENCE.c.id.in_(ids))
    return set(ids) - set(db.execute(there).scalars())


# ---------------------------------------------------------------------------------------------- one of each


def failure_id(event: Event) -> str:
    return f"failure:{event.data['deploy'] if event.kind == 'deploy_failed' else event.seq}"


def failure(ctx: Context, db: Connection, event: Event, ended: list[int]) -> Told:
    app, data = event.app or "", event.data
    refused = event.kind == "push_refused"
    words = "push refused" if refused else f"deploy failed after {data['step']}"
    said = f"{words}: {cause(str(data['reason'] if refused else data['message']), app)}"
    about = {"app": parent(db, app), "event": event.seq} | ({} if refused else {"deploy": data["deploy"]})
    who = person(ctx, db, event.actor)
    return told(ctx, "telemetry", said, who, None, between(event.at, ended), about, event.at, failure_id(event))


def ends(db: Connection, event: Event) -> list[int]:
    """When attempts of the same app and branch were over, after this one: the next that went live or failed, and the
    next that was refused (which names no branch)."""
    ref = sa.select(DEPLOYS.c.ref).where(DEPLOYS.c.id == event.data.get("deploy"))
    branch = db.execute(ref).scalar()
    mine = (
        (DEPLOYS.c.app == event.app)
        & (DEPLOYS.c.started_at > event.at)
        & DEPLOYS.c.state.in_(("live", "done", "failed"))
    )
    query = sa.select(DEPLOYS.c.id, DEPLOYS.c.ended_at).where(mine, DEPLOYS.c.cause == "push")
    query = query.where(DEPLOYS.c.ref == branch) if branch else query
    after = db.execute(query.order_by(DEPLOYS.c.started_at).limit(1)).first()
    live = sa.select(STEPS.c.at).where(STEPS.c.deploy == (after.id if after else None), STEPS.c.step == "live")
    refused = sa.select(sa.func.min(HANDS.c.at)).where(HANDS.c.service == event.app, HANDS.c.at > event.at)
    times = (db.execute(live).scalar(), after.ended_at if after else None)
    first = next((at for at in times if at), None)
    return [at for at in (first, db.execute(refused.where(HANDS.c.what == "push refused")).scalar()) if at]


def wait(ctx: Context, db: Connection, event: Event) -> Told:
    about = {"app": parent(db, event.app or ""), "event": event.seq}
    words, minutes = "waited: a push stood behind other deploys of its app", event.data["waited_ms"] / 60_000
    who = person(ctx, db, event.actor)
    return told(ctx, "telemetry", words, who, None, round(minutes, 2), about, event.at, f"wait:{event.seq}")


def guide(ctx: Context, db: Connection, event: Event) -> Told | None:
    """None when they went live with something within the day: the guide did its work."""
    went = DEPLOYS.c.started_at.between(event.at - HALF_HOUR, event.at + DAY)
    live = sa.select(DEPLOYS.c.actor).where(went, DEPLOYS.c.state.in_(("live", "done"))).distinct()
    names = pseudonyms(ctx.config.home)
    if any(names.of(actor) == event.data["person"] for actor in db.execute(live).scalars()):
        return None
    words, about = f"read the guide of {event.data['path']}, and nothing went live within a day", {"event": event.seq}
    return told(ctx, "telemetry", words, event.data["person"], None, None, about, event.at, f"guide:{event.seq}")


def slow_build(ctx: Context, db: Connection, row: dict[str, Any]) -> Told | None:
    joined = STEPS.join(DEPLOYS, DEPLOYS.c.id == STEPS.c.deploy)
    mine = (DEPLOYS.c.app == row["app"]) & (STEPS.c.step == "built") & (STEPS.c.at < row["at"])
    query = sa.select(STEPS.c.ms).select_from(joined).where(mine).order_by(STEPS.c.at.desc()).limit(USUAL)
    more = slower(row["ms"], list(db.execute(query).scalars()))
    if more is None:
        return None
    about = {"app": parent(db, row["app"]), "deploy": row["id"]}
    words = "slow build: it took much longer than this app's usual one"
    who = person(ctx, db, row["actor"])
    return told(ctx, "telemetry", words, who, None, round(more / 60_000, 2), about, row["at"], f"build:{row['id']}")


def ticket(ctx: Context, row: dict[str, Any]) -> Told:
    """Its title is the same side text, so that who erases one erases both. Nobody is known, but for the team."""
    said = None if row["title"] or not row["reason"] else f"support ticket: {row['reason']}"
    about, at = {"ticket": row["id"]}, row["opened_at"] or row["said_at"]
    fact, texts = told(ctx, "ticket", said, None, row["team"], None, about, at, f"ticket:{row['id']}")
    return (replace(fact, data=fact.data | {"text": row["title"]}), texts) if row["title"] else (fact, texts)


def hatches(ctx: Context, db: Connection) -> list[Told]:
    """Departures from the path in live releases: once for each app, kind and reason, however many releases have it."""
    rows = {hatch_id(row): row for row in live_hatches(db) if row["reason"]}
    made: list[Told] = []
    for id in sorted(unknown(db, list(rows)))[:SLICE]:
        row = rows[id]
        about = {"app": row["app"], "hatch": row["kind"]}
        said = f"left the golden path for its own {row['kind']}: {row['reason']}"[:2000]
        made.append(told(ctx, "hatch", said, None, None, None, about, row["since"], id))
    return made


def hatch_id(row: dict[str, Any]) -> str:
    return f"hatch:{row['app']}:{row['kind']}:{hashlib.sha256(str(row['reason']).encode()).hexdigest()[:12]}"


def parent(db: Connection, app: str) -> str:
    """The app that a preview is of."""
    return db.execute(sa.select(APPS.c.parent).where(APPS.c.name == app)).scalar() or app


def person(ctx: Context, db: Connection, name: str) -> str | None:
    """Their pseudonym; None for a name that an agent or a machine has a token for, too."""
    kinds = set(db.execute(sa.select(TOKENS.c.kind).where(TOKENS.c.owner == name)).scalars())
    return pseudonyms(ctx.config.home).of(name) if kinds == {"human"} else None
