"""Dated exceptions from guardrails: asked for with a reason, approved by somebody else, gone by themselves.

Facts: waiver_asked, waiver_approved, waiver_denied, waiver_revoked, waiver_reviewed.

The time by which a waiver holds is the clock's, but never before the newest event of the ledger: setting the clock back
revives nothing. What is wrong with a waiver is refused when it is written, and it is ignored where it is read.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.context import Context
from wend.errors import Conflict, Invalid, NotFound, Refused
from wend.events import Fact
from wend.guardrails import own
from wend.guardrails.decide import EVERY, Waiver
from wend.guardrails.rules import RULES
from wend.ledger.rows import LEDGER
from wend.state import guardrails as table
from wend.state import questions

DAY, HOUR = 86_400_000_000, 3_600_000_000  # microseconds
USUAL, MOST = 14, 90  # days
GLASS = 4 * HOUR
REVIEW = 48 * HOUR  # after a glass was broken
SOON = 7  # days before its end that a waiver is spoken of
LEAST, LONGEST = 20, 500  # characters of a reason
TRIES = 5
Item = dict[str, Any]


# ---------------------------------------------------------------------------------------------- pure


def reason_of(text: str) -> str:
    """Raises Invalid for one that nobody could judge later."""
    found = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    if not LEAST <= len(found) <= LONGEST:
        said = f"a reason of {len(found)} characters"
        raise Invalid(said, f"say why in {LEAST} to {LONGEST}, for whoever reads it later")
    return found


def held(row: Mapping[str, Any]) -> Waiver | None:
    """The waiver that a row is, if it is one: what could not have been written is none, however it came there."""
    begins, ends = int(row["begins"] or 0), int(row["ends"] or 0)
    right = row["state"] in ("approved", "revoked") and begins and ends
    glass = row["rule"] == EVERY
    alone = row["by"] == row["asked_by"] and row["state"] == "approved" and not glass
    if not right or not row["owner"] or alone or not 0 <= ends - begins <= (GLASS if glass else MOST * DAY):
        return None
    return Waiver(row["id"], row["rule"], row["app"], row["print"], row["owner"], begins, ends)


# ---------------------------------------------------------------------------------------------- the time


def now(db: Connection) -> int:
    """Unix microseconds by which waivers are judged."""
    newest = db.execute(sa.select(LEDGER.c.at).order_by(LEDGER.c.seq.desc()).limit(1)).scalar() or 0
    return max(time.time_ns() // 1000, int(newest))


# ---------------------------------------------------------------------------------------------- acts


def ask(
    ctx: Context,
    rule: str,
    app: str,
    reason: str,
    days: int = USUAL,
    print: str | None = None,
    owner: str | None = None,
) -> Item:
    """Ask for one. `print`: of one finding alone; `owner`: the human who answers for it, by default who asks (of an
    agent: whom it acts for). Raises Invalid, NotFound."""
    with ctx.ledger.query() as db:
        known = {one.id for one in RULES} | own.ids(db)
    if rule not in known:
        raise NotFound(f"there is no guardrail {rule[:60]!r}", f"there are: {', '.join(sorted(known))}")
    if not 1 <= days <= MOST:
        raise Invalid(f"{days} days are no time for a waiver", f"1 to {MOST}; {USUAL} is usual")
    person = owner or (ctx.actor.name if ctx.actor.kind == "human" else ctx.actor.behalf)
    if not person:
        raise Invalid(f"{ctx.actor.name} is no human, and a waiver has a human owner", "name one: --owner")
    about = {"rule": rule, "app": app, "print": print, "reason": reason_of(reason), "owner": person, "days": days}
    with ctx.ledger.query() as db:
        questions.app(db, app)
    return write(ctx, about)


def write(ctx: Context, about: Mapping[str, Any], more: tuple[str, Mapping[str, Any]] | None = None) -> Item:
    """Under the next number, which somebody else may have taken meanwhile."""
    for _ in range(TRIES):
        with ctx.ledger.query() as db:
            id, last = table.newest_waiver(db) + 1, tip(db)
        said = [("waiver_asked", about), *([more] if more else [])]
        facts = [
            Fact(kind, "waivers", {"waiver": id, **data}, actor=ctx.actor.name, app=str(about["app"]))
            for kind, data in said
        ]
        try:
            ctx.ledger.append(facts, expect=("waivers", last))
        except Conflict:
            continue
        return shown(ctx, id)
    raise Conflict("others ask for waivers at the same moment", "try again")


def tip(db: Connection) -> int:
    return int(db.execute(sa.select(sa.func.max(LEDGER.c.seq)).where(LEDGER.c.stream == "waivers")).scalar() or 0)


def approve(ctx: Context, id: int) -> Item:
    """From now on, for as many days as were asked for. Raises Refused for agents and for whoever asked or owns it."""
    row = asked(ctx, id)
    human(ctx, "approve a waiver")
    if ctx.actor.name in (row["asked_by"], row["owner"]):
        raise Refused(f"waiver {id} is your own", "somebody else approves it")
    with ctx.ledger.query() as db:
        begins = now(db)
    return say(ctx, row, "waiver_approved", {"begins": begins, "ends": begins + row["days"] * DAY})


def deny(ctx: Context, id: int, why: str) -> Item:
    """Raises Refused, Conflict."""
    row = asked(ctx, id)
    human(ctx, "deny a waiver")
    return say(ctx, row, "waiver_denied", {"why": reason_of(why)})


def revoke(ctx: Context, id: int, why: str) -> Item:
    """It ends now, at every gate. Raises Conflict for one that does not hold."""
    with ctx.ledger.query() as db:
        row = table.waiver(db, id)
    if row is None or row["state"] != "approved":
        raise Conflict(f"waiver {id} is {row['state'] if row else 'none'}", "`wend waivers` lists them")
    return say(ctx, row, "waiver_revoked", {"why": reason_of(why)})


def break_glass(ctx: Context, app: str, reason: str) -> Item:
    """Every guardrail of an app is waived for four hours, at once, by a human; everybody sees it. Raises Refused."""
    human(ctx, "break the glass")
    with ctx.ledger.query() as db:
        questions.app(db, app)
        begins = now(db)
    about = {"rule": EVERY, "app": app, "print": None, "reason": reason_of(reason), "owner": ctx.actor.name, "days": 0}
    return write(ctx, about, ("waiver_approved", {"begins": begins, "ends": begins + GLASS}))


def review(ctx: Context, id: int, found: str) -> Item:
    """Finish the review of a broken glass: what went out meanwhile, and what should change. By somebody else than who
    broke it. Raises Refused, Conflict."""
    human(ctx, "review a broken glass")
    with ctx.ledger.query() as db:
        row = table.waiver(db, id)
    if row is None or row["rule"] != EVERY or row["reviewed_by"]:
        what = "none" if row is None else "no broken glass" if row["rule"] != EVERY else "reviewed already"
        raise Conflict(f"waiver {id} is {what}", "`wend waivers` lists them")
    if row["asked_by"] == ctx.actor.name:
        raise Refused("you broke this glass yourself", "somebody else reviews it")
    return say(ctx, row, "waiver_reviewed", {"found": reason_of(found)})


def human(ctx: Context, what: str) -> None:
    if ctx.actor.kind != "human":
        raise Refused(f"{ctx.actor.name} is no human and may not {what}", "an agent may ask: wend waive")


def asked(ctx: Context, id: int) -> Item:
    with ctx.ledger.query() as db:
        row = table.waiver(db, id)
    if row is None:
        raise NotFound(f"there is no waiver {id}", "`wend waivers` lists them")
    if row["state"] != "asked":
        raise Conflict(f"waiver {id} is {row['state']} already", "`wend waivers` lists them")
    return row


def say(ctx: Context, row: Item, kind: str, data: Mapping[str, Any]) -> Item:
    fact = Fact(kind, "waivers", {"waiver": row["id"], **data}, actor=ctx.actor.name, app=row["app"])
    ctx.ledger.append([fact])
    return shown(ctx, row["id"])


# ---------------------------------------------------------------------------------------------- looks


def shown(ctx: Context, id: int) -> Item:
    return next(one for one in listed(ctx) if one["id"] == id)


def listed(ctx: Context, app: str | None = None) -> list[Item]:
    """Every waiver, newest first, with `holds`: whether it does now."""
    with ctx.ledger.query() as db:
        rows, at = table.waivers(db, app), now(db)
    return [row | {"holds": bool((one := held(row)) and one.begins <= at < one.ends), **reviewing(row, at)}
            for row in rows]  # fmt: skip


def reviewing(row: Mapping[str, Any], at: int) -> Item:
    """Of a broken glass: until when somebody else reviews it, and whether that is overdue. None: nothing is due."""
    due = None if row["rule"] != EVERY or row["reviewed_by"] else int(row["asked_at"]) + REVIEW
    return {"review_due": due, "review_overdue": due is not None and at > due}


def reminders(ctx: Context, app: str) -> list[str]:
    """What a push of the app is told of its waivers: those that end soon, and a broken glass that nobody reviewed."""
    with ctx.ledger.query() as db:
        at = now(db)
    lines: list[str] = []
    for row in listed(ctx, app):
        days = (int(row["ends"] or 0) - at) // DAY
        if row["holds"] and row["rule"] != EVERY and days < SOON:
            when = "today" if days < 1 else f"in {days} days"
            lines.append(f"waiver {row['id']} of {row['rule']} ends {when}: mend it, or ask for another")
        if row["review_due"]:
            late = "is overdue" if row["review_overdue"] else "is due"
            lines.append(f'the glass was broken; its review {late}: wend waivers review {row["id"]} --found "…"')
    return lines


def of(db: Connection, app: str) -> list[Waiver]:
    """Those that ever held for the app."""
    return [one for row in table.waivers(db, app) if (one := held(row))]
