"""What people say unasked: a sentence, or a friction log. It becomes evidence, and whoever said it hears what is next.

Facts: friction_recorded, and evidence_recorded by way of `wend/voice`.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import access, friction, spec
from wend.context import Context
from wend.errors import Invalid, Refused
from wend.events import Fact
from wend.ingest.people import pseudonyms
from wend.state.delivery import side_texts
from wend.state.surveys import FRICTION
from wend.state.tables import DEPLOYS
from wend.state.voice import EVIDENCE
from wend.voice import evidence

HOUR = 3_600_000_000  # microseconds
DAY = 24 * HOUR
MOST = 20  # things one person may say in an hour, through all channels together
CHANNELS = ("feedback", "ticket", "survey")  # a friction log counts once, however much hurt
NEXT = "The platform's team reads it this week and says which pain it is about; when something is done, you hear of it."
Answer = dict[str, Any]


class Enough(Refused):
    """More than anybody can read."""

    status, exit = 429, 6


@dataclass(frozen=True)
class Person:
    """Who speaks: the chief of their pseudonyms, their team, and whether that is the platform's own."""

    id: str
    team: str | None
    own: bool


# ---------------------------------------------------------------------------------------------- who speaks


def speaker(ctx: Context) -> Person:
    """The person who acts. Raises Refused for who is none: an agent or a machine speaks for nobody."""
    if ctx.actor.kind != "human":
        raise Refused(
            f"only people are heard: {ctx.actor.name} is here with a token of kind {ctx.actor.kind}",
            "say it with your own token: `wend login`",
        )
    with ctx.ledger.query() as db:
        return person(ctx, db)


def person(ctx: Context, db: Connection) -> Person:
    """The same, for who is known to be one."""
    mine = pseudonyms(ctx.config.home).of(ctx.actor.name)
    id = evidence.known_as(db, mine) or mine
    team = evidence.team_of(db, id)
    return Person(id, team, team == ctx.config.platform_team)


def check_pace(ctx: Context, who: Person) -> None:
    """Raises Enough when the person said so much in this hour that nobody would read it."""
    since = int(time.time() * 1e6) - HOUR
    here = (EVIDENCE.c.person == who.id) & (EVIDENCE.c.at > since) & EVIDENCE.c.source.in_(CHANNELS)
    with ctx.ledger.query() as db:
        said = db.execute(sa.select(sa.func.count()).where(here)).scalar() or 0
        logs = (FRICTION.c.person == who.id) & (FRICTION.c.at > since)
        said += db.execute(sa.select(sa.func.count()).where(logs)).scalar() or 0
    if said >= MOST:
        raise Enough(
            f"thank you: {said} things from you in this hour are kept, and {MOST} an hour are read",
            "say the next in an hour, or all of it in one friction log: wend feedback --friction FILE.md",
        )


def failed_lately(db: Connection, actor: str, now: int) -> tuple[str, str] | None:
    """(deploy, app) of the person's last deploy, when it failed within a day: that is what they mean."""
    columns = (DEPLOYS.c.id, DEPLOYS.c.app, DEPLOYS.c.state)
    mine = (DEPLOYS.c.actor == actor) & (DEPLOYS.c.started_at > now - DAY)
    row = db.execute(sa.select(*columns).where(mine).order_by(DEPLOYS.c.started_at.desc()).limit(1)).first()
    return (row.id, row.app) if row and row.state == "failed" else None


# ---------------------------------------------------------------------------------------------- acts


def give(ctx: Context, text: str, app: str | None = None, minutes: float | None = None, about: str = "") -> Answer:
    """Keep what the person says: `evidence`, its id; the `deploy` it is taken to be about, if their last one failed;
    and what is `next`. `about`: where they said it, such as a page of the portal. Raises Invalid and Refused."""
    who = speaker(ctx)
    if evidence.words(text) is None:
        raise Invalid("there are no words in this feedback", 'wend feedback "what slowed you down, in your words"')
    app = spec.any_name(app) if app else None
    with ctx.ledger.query() as db:
        failed = failed_lately(db, ctx.actor.name, int(time.time() * 1e6))
    points: Answer = {"app": app} if app else {}
    deploy = failed[0] if failed and app in (None, failed[1]) else None
    if failed and deploy:
        points |= {"deploy": deploy, "app": failed[1]}
    if about:
        points["page"] = about[:200]
    check_pace(ctx, who)
    id = evidence.record(ctx, "feedback", text, who.id, who.team, minutes, points)
    return {"evidence": id, "deploy": deploy, "next": NEXT}


def log(ctx: Context, text: str) -> Answer:
    """Keep a friction log: each red step becomes evidence, with the minutes until the next step. The same log again
    changes nothing. Raises Invalid with the line that is wrong."""
    who = speaker(ctx)
    found, names = friction.read(text), pseudonyms(ctx.config.home)
    id = names.digest(f"friction {who.id} {text}")
    colours = Counter(step.colour for step in found.steps)
    with ctx.ledger.query() as db:
        known = db.execute(sa.select(FRICTION.c.id).where(FRICTION.c.id == id)).first()
    if not known:
        check_pace(ctx, who)
        hash, body = names.text(f"friction {id}", text)
        about = {"friction": id, "person": who.id, "team": who.team, "own": who.own, "date": found.date}
        about |= {"colours": dict(sorted(colours.items())), "log": hash}
        facts = [Fact("friction_recorded", f"friction/{id}", about, actor="friction", id=f"friction:{id}")]
        texts = {hash: body}
        for number, step in enumerate(found.steps):
            if step.colour == "red":
                points = {"friction": id, "step": number, "environment": found.environment}
                words = f"{step.text}\n({found.scenario})"
                told = evidence.told(
                    ctx, "friction", words, who.id, who.team, step.minutes, points, None, f"friction:{id}:{number}"
                )
                facts.append(told[0])
                texts |= told[1]
        ctx.ledger.append(facts, texts=texts)
    joys = [step.text for step in found.steps if step.colour == "green"]
    return {"friction": id, "colours": colours, "evidence": colours["red"], "joys": joys, "next": NEXT}


# ---------------------------------------------------------------------------------------------- looks


def logs(ctx: Context, limit: int = 30) -> list[Answer]:
    """The newest friction logs, without whose they are: id, date, team, environment, scenario, steps (at, colour, text,
    minutes), colours. An erased one has no steps. Who looks is written down."""
    access.seen(ctx, "friction", "all")
    with ctx.ledger.query() as db:
        query = sa.select(FRICTION).order_by(FRICTION.c.seq.desc()).limit(limit)
        rows = [dict(row) for row in db.execute(query).mappings()]
        texts = side_texts(db, [row["log"] for row in rows if row["log"]])
    return [shown(row, texts.get(row["log"] or "")) for row in rows]


def shown(row: Answer, text: str | None) -> Answer:
    found = friction.read(text) if text else None
    said: Answer = {"friction": row["id"], "date": row["date"], "team": row["team"], "seq": row["seq"]}
    said |= {"environment": found.environment if found else None, "scenario": found.scenario if found else None}
    steps = [vars(step) | {"at": f"{step.at // 60:02}:{step.at % 60:02}"} for step in found.steps] if found else []
    return said | {"steps": steps, "colours": json.loads(row["colours_json"])}
