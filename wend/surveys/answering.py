"""Answering a question, or asking for peace. Once a question, by whom it was put to, while its wave is open.

An answer is tied to its invite by a mark that only the platform's key makes, so that the ledger says that somebody was
asked and that somebody answered, and not who said what. Facts: survey_answered, survey_dismissed.
"""

from __future__ import annotations

import json
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import feedback
from wend.context import Context
from wend.errors import Conflict, Invalid, NotFound
from wend.events import Fact
from wend.feedback import Person
from wend.ingest.people import Pseudonyms, pseudonyms
from wend.state.people import ALIASES, ANSWERS
from wend.state.surveys import INVITES
from wend.surveys import gate, question
from wend.surveys.asking import Invite, invite_of
from wend.voice import evidence

SOURCE = "wend"
Row = dict[str, Any]


def mark(names: Pseudonyms, invite: str) -> str:
    return names.digest(f"answer {invite}")


def score_of(invite: Invite, words: str, text: str) -> tuple[int, str]:
    """(score, text) of what was typed: a number of the scale, and words. Raises Invalid."""
    one = question(invite.question)
    given = words.strip()
    if one.open and given != "0":
        said = " ".join(part for part in (given, text.strip()) if part)
        if not said:
            raise Invalid("the answer has no words", 'wend answer "in your words", or wend answer 0 for nothing')
        return 1, said
    whole = given.isascii() and given.isdigit() and len(given) < 3
    if not whole or not one.lowest <= int(given) <= one.highest:
        scale = f"{one.lowest} ({invite.labels[0]}) to {one.highest} ({invite.labels[-1]})" if invite.labels else "0"
        raise Invalid(f"{given[:20]!r} is no answer to: {invite.text}", f"it goes from {scale}")
    return int(given), text.strip()


# ---------------------------------------------------------------------------------------------- questions


def put_to(db: Connection, who: Person, invite: str | None) -> Row:
    """The question that was put to this person: the one of this id, or else the last one. Raises NotFound, the same for
    one that was put to somebody else."""
    names = sa.select(ALIASES.c.alias).where(ALIASES.c.person == who.id)
    mine = ((INVITES.c.person == who.id) | INVITES.c.person.in_(names)) & INVITES.c.held.is_(None)
    mine &= INVITES.c.id == invite if invite else INVITES.c.shown_at.is_not(None)
    found = db.execute(sa.select(INVITES).where(mine).order_by(INVITES.c.at.desc()).limit(1)).mappings().first()
    if found is None:
        raise NotFound(
            "no question was put to you" + (f" as {invite[:40]!r}" if invite else " yet"),
            'there is always: wend feedback "in your words"',
        )
    return dict(found)


def waiting(ctx: Context) -> Invite | None:
    """The question that still waits for this person's answer; None: nothing does."""
    if ctx.actor.kind != "human":
        return None
    names, now = pseudonyms(ctx.config.home), int(time.time() * 1e6)
    with ctx.ledger.query() as db:
        who = feedback.person(ctx, db)
        try:
            row = put_to(db, who, None)
        except NotFound:
            return None
        if row["until"] <= now or row["dismissed_at"] is not None or is_answered(db, names, row["id"]):
            return None
    return shape(row)


def is_answered(db: Connection, names: Pseudonyms, invite: str) -> bool:
    id = f"survey:{mark(names, invite)}"
    return db.execute(sa.select(ANSWERS.c.id).where(ANSWERS.c.id == id)).first() is not None


def shape(row: Row) -> Invite:
    return invite_of(row["id"], row["question"], row["wording"], row["topic"])


# ---------------------------------------------------------------------------------------------- acts


def answer(ctx: Context, words: str, text: str = "", invite: str | None = None) -> Row:
    """Take an answer: `words`, a score or, to an open question, what the person says; `text`, what they add. What was
    said in words is evidence. Raises Invalid, NotFound, Conflict, Refused."""
    who, names, now = feedback.speaker(ctx), pseudonyms(ctx.config.home), int(time.time() * 1e6)
    with ctx.ledger.query() as db:
        row = put_to(db, who, invite)
        done = is_answered(db, names, row["id"])
    if done:
        raise twice()
    if row["until"] <= now:
        raise Conflict("that question is closed: its answers are counted", 'wend feedback "in your words"')
    score, said = score_of(shape(row), words, text)
    given, facts, texts = mark(names, row["id"]), list[Fact](), dict[str, bytes]()
    hash, body = names.text(f"answer {given}", json.dumps({"score": score, "team": who.team}, ensure_ascii=False))
    texts[hash] = body
    data = {"source": SOURCE, "survey": row["question"], "wave": row["wave"], "wording": row["wording"]}
    data |= {"answer": hash, "comment": None, "invite": given}
    stream = f"survey/{row['question']}"
    facts.append(Fact("survey_answered", stream, data, actor="survey", id=f"survey:{given}"))
    if said:
        feedback.check_pace(ctx, who)
        about = {"survey": row["question"], "wave": row["wave"], "wording": row["wording"]}
        fact, more = evidence.told(ctx, "survey", said, who.id, who.team, None, about, None, names.digest(given))
        facts.append(fact)
        texts |= more
    if not ctx.ledger.append(facts, texts=texts):
        raise twice()
    return {"question": row["question"], "next": feedback.NEXT if said else "It counts, without your name."}


def twice() -> Conflict:
    return Conflict("you have answered that already, thank you", 'to add something: wend feedback "in your words"')


def dismiss(ctx: Context, invite: str | None = None) -> Row:
    """Not now: nothing is asked of this person for 90 days. Raises NotFound, Refused."""
    who = feedback.speaker(ctx)
    with ctx.ledger.query() as db:
        row = put_to(db, who, invite)
    stream, id = f"asked/{row['person']}", f"survey_dismissed:{row['id']}"
    ctx.ledger.append([Fact("survey_dismissed", stream, {"invite": row["id"]}, actor="survey", id=id)])
    return {"question": row["question"], "next": f"You are asked nothing for {gate.SNOOZE} days."}
