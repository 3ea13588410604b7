"""Interviews: who is next, what to ask, who came and what may be kept of it, and what is still to be written down.

Facts: interview_scheduled, interview_held, interview_missed.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from wend import access
from wend.context import Context
from wend.errors import Conflict, Invalid, NotFound, Refused
from wend.events import Fact
from wend.ingest.people import pseudonyms
from wend.research import people
from wend.research.people import STREAM, Drawn, Person
from wend.state import research as table
from wend.state.delivery import DAY, side_texts
from wend.state.people import ALIASES, PEOPLE
from wend.voice.evidence import monday

CONSENT = {
    "full": "what you say may be kept, and you may be quoted without your name",
    "notes": "what you say may be kept, but no quote of you",
    "none": "nothing of what you say is kept",
}
MISSED = {
    "declined": "they would rather not",
    "absent": "they did not come, or are away",
    "left": "they do not work here any more",
}
OPENING = 'Ask for one story, and how it went on: "What happened first? And then? Can you show me?"'
QUESTIONS = (
    "Tell me about the last time you deployed something.",
    "Tell me about the last time you waited for another team.",
    "Tell me about the last time you left the golden path. What did you do instead?",
    "How long did it take, from when to when?",
    "Who helped you, and how did you find them?",
    "What did you search for first?",
)
NEVER = (
    'Bring "usually" back to the last time. Never ask "would you use …?", "what do you want?" or '
    '"how important is …?", and do not argue: you are there to hear it.'
)
HOURS = 24  # within which a snapshot is due
DUE = HOURS * DAY // 24
OLDEST = 366 * DAY  # that an interview may be when it is told of
SKEW = 300_000_000  # microseconds by which a clock may be ahead
Row = dict[str, Any]


# ---------------------------------------------------------------------------------------------- pure


def next_up(week: Iterable[Row], here: Collection[str]) -> list[Row]:
    """Whom to ask next, of the people drawn for a week, in their order. Whoever was missed, or is gone, is replaced
    by the next of the reserve."""
    drawn = [one for one in week if one["probability"] is not None]

    def lost(one: Row) -> bool:
        return one["state"] == "missed" or (one["state"] == "invited" and one["person"] not in here)

    turn = [one for one in drawn if not one["reserve"]]
    places = sum(map(lost, turn))
    for one in (one for one in drawn if one["reserve"]):
        if one["state"] != "held":
            if not places:
                break
            places += lost(one) - 1
        else:
            places = max(0, places - 1)
        turn.append(one)
    return [one for one in turn if one["state"] == "invited" and not lost(one)]


def due_at(row: Mapping[str, Any]) -> int | None:
    """When the snapshot is due, in microseconds; None when none is, or it is written."""
    owed = row["state"] == "held" and row["consent"] != "none" and row["written_at"] is None
    return row["held_at"] + DUE if owed else None


def shown(row: Mapping[str, Any], names: Mapping[str, str], now: int) -> Row:
    """A row as every door shows it. `name`: null where nobody told it."""
    kept = ("person", "week", "stratum", "probability", "state", "why", "consent", "held_at", "written_at")
    due = due_at(row)
    found = {"interview": row["id"], "name": names.get(row["person"])} | {key: row[key] for key in kept}
    found |= {"reserve": bool(row["reserve"]), "drawn": row["probability"] is not None, "due_at": due}
    return found | {"overdue": due is not None and due < now, "withdrawn_at": row["withdrawn_at"]}


def when(at: int | None, now: int) -> int:
    """The time of an interview. Raises Invalid for one that is yet to come, or too long ago to be told of."""
    if at is None:
        return now
    if at > now + SKEW:
        raise Invalid("an interview cannot have been held in the future", "say when it was, or leave --at out")
    if at < now - OLDEST:
        raise Invalid("an interview of more than a year ago is no news", "ask them again: `wend interview next`")
    return at


# ---------------------------------------------------------------------------------------------- acts


def now_us() -> int:
    return int(time.time() * 1e6)


def names_of(db: Connection, persons: Iterable[str]) -> dict[str, str]:
    """Person → name, of those whose name was told and not erased. Write down who looks (access.seen) first."""
    hashes = table.names(db, sorted(set(persons)))
    texts = side_texts(db, list(hashes.values()))
    return {person: texts[hash] for person, hash in hashes.items() if hash in texts}


def look(ctx: Context) -> None:
    """Write down that somebody is about to see who was, or will be, interviewed."""
    access.seen(ctx, "interviews", "all")


def told(ctx: Context, rows: Sequence[Row]) -> list[Row]:
    """Rows as doors show them, with names; that somebody looked is written down."""
    if rows:
        look(ctx)
    with ctx.ledger.query() as db:
        names, now = names_of(db, (row["person"] for row in rows)), now_us()
    return [shown(row, names, now) for row in rows]


def upcoming(ctx: Context) -> list[Row]:
    """Whom to ask next this week; they are drawn if that is not done yet."""
    people.invite(ctx)
    return drawn(ctx)["next"]


def drawn(ctx: Context) -> dict[str, Any]:
    """Whom to ask next, without drawing: `next`, and whether this week's people are `drawn`."""
    day = people.today()
    with ctx.ledger.query() as db:
        here = {one.id for one in people.customers(ctx, db, day)}
        week = table.of_week(db, monday(day))
    there = any(one["probability"] is not None for one in week)
    return {"drawn": there, "next": told(ctx, next_up(week, here))}


def schedule(ctx: Context) -> list[Row]:
    """Everybody drawn this week, the reserve and those who came undrawn, and what became of them."""
    people.invite(ctx)
    with ctx.ledger.query() as db:
        rows = table.of_week(db, monday(people.today()))
    return told(ctx, rows)


def past(ctx: Context, limit: int) -> list[Row]:
    """The newest interviews that took place or were missed."""
    with ctx.ledger.query() as db:
        rows = table.over(db, limit)
    return told(ctx, rows)


def hold(ctx: Context, who: str, consent: str, at: int | None = None) -> Row:
    """An interview begins, or took place `at`. `who`: its number, or a person: their pseudonym or its beginning, or
    an e-mail address or login of theirs. Whoever was not drawn that week has no probability, and is counted apart.
    Raises NotFound, Refused for the platform's own team, Invalid and Conflict."""
    if consent not in CONSENT:
        raise Invalid(f"{consent[:20]!r} is no consent", f"there are: {', '.join(CONSENT)}")
    held_at = when(at, now_us())
    with ctx.ledger.query() as db:
        row, person = find(ctx, db, who.strip(), monday(held_at // DAY))
        refuse_own(ctx, db, person)
    if row is not None:
        begin(ctx, row, consent, held_at)
        return the_one(ctx, row["id"])
    return the_one(ctx, begin_undrawn(ctx, person, consent, held_at))


def begin(ctx: Context, row: Row, consent: str, at: int) -> None:
    if row["state"] == "held":
        raise Conflict(f"interview {row['id']} was held already", f"`wend interview snapshot {row['id']}`")
    ctx.ledger.append([began(ctx, row["id"], consent, at)])


def began(ctx: Context, id: int, consent: str, at: int) -> Fact:
    data = {"interview": id, "consent": consent, "at": at}
    return Fact("interview_held", f"interview/{id}", data, actor=ctx.actor.name, id=f"interview_held:{id}")


def begin_undrawn(ctx: Context, person: str, consent: str, at: int) -> int:
    """Somebody came whom nobody drew; the number of the interview."""
    day = people.today()
    for _ in range(3):
        with ctx.ledger.query() as db:
            number, seq = table.tip(db)
            known = [one for one in people.customers(ctx, db, day) if one.id == person]
        groups = known[0] if known else Person(person, "", "", "", "")
        asked = people.invitation(ctx, number + 1, monday(at // DAY), Drawn(groups, 0.0, False))
        asked.data["probability"], asked.data["stratum"] = None, groups.stratum if known else ""
        try:
            ctx.ledger.append([asked, began(ctx, number + 1, consent, at)], expect=(STREAM, seq))
            return number + 1
        except Conflict:
            continue  # somebody else took the number
    raise Conflict("interviews are being drawn elsewhere", "try again")


def miss(ctx: Context, id: int, why: str) -> Row:
    """An interview that is not to be; the reserve takes its place. Raises NotFound, Invalid and Conflict."""
    if why not in MISSED:
        raise Invalid(f"{why[:20]!r} is no reason", f"there are: {', '.join(MISSED)}")
    with ctx.ledger.query() as db:
        row = known(db, id)
    if row["state"] == "held":
        raise Conflict(f"interview {id} was held", "`wend interview withdraw` takes consent back")
    data = {"interview": id, "why": why}
    ctx.ledger.append([Fact("interview_missed", f"interview/{id}", data, actor=ctx.actor.name,
                            id=f"interview_missed:{id}")])  # fmt: skip
    return the_one(ctx, id)


# ---------------------------------------------------------------------------------------------- finding


def known(db: Connection, id: int) -> Row:
    """The interview with this number. Raises NotFound."""
    row = table.interview(db, id)
    if row is None:
        raise NotFound(f"there is no interview {id}", "`wend interview list` shows them")
    return row


def the_one(ctx: Context, id: int) -> Row:
    with ctx.ledger.query() as db:
        row = known(db, id)
    return told(ctx, [row])[0]


def find(ctx: Context, db: Connection, who: str, week: int) -> tuple[Row | None, str]:
    """(the interview with them of that week, if there is one; their pseudonym). Raises NotFound."""
    if who.isascii() and who.isdigit() and len(who) < 7:
        row = known(db, int(who))
        return row, row["person"]
    person = person_of(ctx, db, who)
    mine = [row for row in table.of_week(db, week) if row["person"] == person]
    return (mine[-1] if mine else None), person


def person_of(ctx: Context, db: Connection, who: str) -> str:
    """The pseudonym of somebody known. Raises NotFound, and Conflict when several begin so."""
    both = {row.alias: row.person for row in db.execute(ALIASES.select())}
    both |= {person: person for (person,) in db.execute(PEOPLE.select().with_only_columns(PEOPLE.c.person))}
    for one in (who, pseudonyms(ctx.config.home).of(who)):
        if one in both:
            return both[one]
    begins = {person for alias, person in both.items() if len(who) >= 4 and alias.startswith(who.lower())}
    if len(begins) > 1:
        raise Conflict(f"{len(begins)} people begin with {who!r}", "write more of it")
    if begins:
        return begins.pop()
    hint = "`wend interview next` says whom to ask; `wend ingest file csv people.csv` tells of people"
    raise NotFound(f"nobody is known as {who[:60]!r}", hint)


def refuse_own(ctx: Context, db: Connection, person: str) -> None:
    """Raises Refused for the platform's own team."""
    team = db.execute(PEOPLE.select().where(PEOPLE.c.person == person)).mappings().one()["team"]
    if team == ctx.config.platform_team:
        raise Refused(f"they are of the team {team}, which owns this platform", "listen to those who use it")
