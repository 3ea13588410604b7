"""Announcing that something goes, moving its dates, taking it back, and saying when it is done.

Facts: deprecation_announced, deprecation_moved, deprecation_withdrawn, deprecation_counted, deprecation_done,
deprecation_stayed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import feedback, outgoing
from wend.context import Context
from wend.deprecations import burndown, users
from wend.errors import Conflict, Invalid, NotFound, Refused
from wend.events import Fact
from wend.guardrails.uses import KINDS
from wend.ledger.rows import LEDGER
from wend.outgoing import DAY, Outgoing
from wend.state import deprecations as table
from wend.state import questions
from wend.voice import evidence

BUDGET = 16 * 60  # minutes of moving that one team may be asked for by all that is open at once
LONGEST = 500
STREAM = "deprecations"
Item = dict[str, Any]


@dataclass(frozen=True)
class Wish:
    """`minutes`: what moving one app costs its team; `script`: a command that does it in a checkout; `guide`: a page
    that says how."""

    what: str
    replacement: str
    because: str
    minutes: int
    script: str | None = None
    guide: str | None = None
    warned: str | None = None
    blocked: str | None = None
    retired: str | None = None
    unused: int = 14


# ---------------------------------------------------------------------------------------------- pure


def named(text: str, what: str) -> str:
    """The name when it is one: KIND:NAME. Raises Invalid."""
    kind, colon, name = text.strip().partition(":")
    if kind not in KINDS or not colon or not name or len(text) > 200 or not text.isprintable():
        kinds = ", ".join(f"{one}:…" for one in KINDS)
        raise Invalid(f"{what} = {text[:60]!r} is no name of what is offered", f"write one of {kinds}")
    return text.strip()


def dated(wish: Wish, id: int, now: int) -> Outgoing:
    """The timeline of the wish. Raises Invalid."""
    times = outgoing.usual(now)
    times |= {key: outgoing.moment(said, key) for key in times if (said := getattr(wish, key)) is not None}
    windows = outgoing.usual_brownouts(times["retired"])
    fitting = tuple(window for window in windows if window[0] >= times["blocked"])
    found = Outgoing(id, wish.what, wish.replacement, now, brownouts=fitting, unused=wish.unused, **times)
    outgoing.check(found)
    if not 1 <= wish.unused <= 365:
        raise Invalid(f"unused = {wish.unused} days make no sense", "1 to 365; 14 is usual")
    return found


def over(costs: Mapping[str, int], asked: Mapping[str, int]) -> dict[str, int]:
    """Team → minutes, of those that would be asked for more than their budget."""
    return {team: asked.get(team, 0) + more for team, more in costs.items() if asked.get(team, 0) + more > BUDGET}


def sentence(text: str, what: str) -> str:
    said = " ".join(text.split())
    if not 10 <= len(said) <= LONGEST or not said.isprintable():
        raise Invalid(f"{what} has {len(said)} letters", f"a sentence of 10 to {LONGEST}")
    return said


# ---------------------------------------------------------------------------------------------- acts


def announce(ctx: Context, wish: Wish, offered: Collection[str] = (), dry: bool = False) -> Item:
    """Say that it goes. `offered`: the addresses of the API that there are. Raises Invalid, Conflict when it goes
    already, and Refused when the customers cannot be asked for it: the replacement is used by no real team, there is
    no help, or a team would be asked for more than its budget."""
    wish = replace(wish, what=named(wish.what, "what"), replacement=named(wish.replacement, "replacement"))
    because, now = sentence(wish.because, "because"), int(time.time() * 1e6)
    if wish.what == wish.replacement:
        raise Invalid(f"{wish.what} cannot take its own place", "name what does: --replacement")
    if not 1 <= wish.minutes <= 10_000:
        raise Invalid(f"{wish.minutes} minutes for one app cannot be", "an honest guess, from 1 to 10,000")
    if not (wish.script or wish.guide):
        raise Refused("there is no help: neither a script nor a guide", "--script COMMAND, or --guide URL")
    with ctx.ledger.query() as db:
        rows, there = table.every(db), users.live(db)
        head = newest(db)
        if any(row["state"] == "open" and row["what"] == wish.what for row in rows):
            raise Conflict(f"{wish.what} is on its way out already", "`wend deprecations` shows it")
        works(db, wish, there, offered)
        one = dated(wish, 1 + max((row["id"] for row in rows), default=0), now)
        costs = users.hours(db, wish.what, wish.minutes, there)
        asked = Counter[str]()
        for row in (row for row in rows if row["state"] == "open"):
            asked += users.hours(db, row["what"], row["minutes"], there)
    if beyond := over(costs, asked):
        told = ", ".join(f"{team} ({minutes / 60:.1f} h)" for team, minutes in sorted(beyond.items()))
        hint = f"the budget is {BUDGET / 60:g} h of a team at once: let another one end first, or bring a script"
        raise Refused(f"this would ask too much of {told}", hint)
    about = {**told_of(one), "because": because, "owner": ctx.actor.name, "minutes": wish.minutes}
    about |= {"announced": now, "unused": wish.unused, "script": wish.script, "guide": wish.guide}
    if not dry:
        ctx.ledger.append([Fact("deprecation_announced", STREAM, about, actor=ctx.actor.name)], expect=(STREAM, head))
        count(ctx)
    return about | {"costs": dict(costs), "using": sum(costs.values()) // wish.minutes, "dry": dry}


def works(db: Connection, wish: Wish, there: Any, offered: Collection[str]) -> None:
    """Raises Refused when nobody lives on the replacement."""
    if wish.what.startswith("api:"):
        missing = [name for name in (wish.what, wish.replacement) if name not in offered]
        if missing:
            raise Refused(f"{missing[0]} is no address of this platform", "docs/api.md lists them: api:GET /api/apps")
        return
    on_it = {app: team for app, team in users.of(db, wish.replacement, there).using.items() if team}
    if not on_it:
        hint = "move one team first, by hand: what nobody lives on is no replacement"
        raise Refused(f"no team has anything live on {wish.replacement}", hint)


def told_of(one: Outgoing) -> Item:
    times = {key: getattr(one, key) for key in ("warned", "blocked", "retired")}
    about: Item = {"deprecation": one.id, "what": one.what, "replacement": one.replacement, **times}
    return about | {"brownouts": [list(window) for window in one.brownouts]}


def newest(db: Connection) -> int:
    """The last event of all deprecations: two of them never get one number."""
    return int(db.execute(sa.select(sa.func.max(LEDGER.c.seq)).where(LEDGER.c.stream == STREAM)).scalar() or 0)


def found(ctx: Context, id: int) -> Item:
    """Raises NotFound, and Conflict when it is over."""
    with ctx.ledger.query() as db:
        row = table.one(db, id)
    if row is None:
        raise NotFound(f"there is no deprecation {id}", "`wend deprecations` lists them")
    if row["state"] != "open":
        raise Conflict(f"deprecation {id} is {row['state']}", "`wend deprecations` lists those that are open")
    return row


def postpone(ctx: Context, id: int, retired: str, why: str) -> Item:
    """Move its end, and the brown-outs before it; never to earlier: people have planned. Raises Invalid."""
    row, end = found(ctx, id), outgoing.moment(retired, "retired")
    if end <= row["retired"]:
        raise Invalid(f"{retired} is not later than {outgoing.day(row['retired'])}", "an end is only moved to later")
    now = int(time.time() * 1e6)
    windows = tuple(one for one in outgoing.usual_brownouts(end) if one[0] >= max(row["blocked"], now))
    one = replace(outgoing.of_row(row), retired=end, brownouts=windows)
    outgoing.check(one)
    about = told_of(one) | {"why": sentence(why, "why")}
    ctx.ledger.append([Fact("deprecation_moved", STREAM, about, actor=ctx.actor.name)])
    return about


def withdraw(ctx: Context, id: int, why: str) -> None:
    """It stays after all."""
    found(ctx, id)
    about = {"deprecation": id, "why": sentence(why, "why")}
    ctx.ledger.append([Fact("deprecation_withdrawn", STREAM, about, actor=ctx.actor.name)])


def stay(ctx: Context, id: int, app: str, why: str) -> Item:
    """Say why an app has not moved: that is evidence, like anything that people say."""
    row, who = found(ctx, id), feedback.speaker(ctx)
    feedback.check_pace(ctx, who)
    with ctx.ledger.query() as db:
        team = questions.app(db, app).team
    said = f"cannot move from {row['what']} to {row['replacement']}: {sentence(why, 'why')}"
    name = evidence.record(ctx, "feedback", said, who.id, team or who.team, None, {"app": app, "deprecation": id})
    about = {"deprecation": id, "evidence": name}
    ctx.ledger.append([Fact("deprecation_stayed", STREAM, about, app=app)])
    return {"app": app, "deprecation": id, "evidence": name}


def count(ctx: Context, now: int | None = None) -> None:
    """Once a day, and when it changes: who uses what is on its way out. What is past its end and was used by nobody for
    so many days is done."""
    at = now or int(time.time() * 1e6)
    with ctx.ledger.query() as db:
        there = users.live(db)
        rows = [row for row in table.every(db) if row["state"] == "open"]
        seen = {row["id"]: (users.of(db, row["what"], there), table.days(db, row["id"])) for row in rows}
    for row in rows:
        now_is, days = seen[row["id"]]
        today, using = at // DAY, frozenset(now_is.using)
        if not days or (days[-1][0], days[-1][1]) != (today, using) or days[-1][2] != len(now_is.unknown):
            about = {"deprecation": row["id"], "day": today, "using": sorted(using), "unknown": len(now_is.unknown)}
            ctx.ledger.append([Fact("deprecation_counted", STREAM, about)])
            days = [*(one for one in days if one[0] != today), (today, using, len(now_is.unknown))]
        since = burndown.unused_since([(day, apps) for day, apps, _ in days])
        known = not now_is.unknown or row["what"].startswith("api:")
        if at >= row["retired"] and known and since is not None and today - since >= row["unused"]:
            ctx.ledger.append([Fact("deprecation_done", STREAM, {"deprecation": row["id"]})])
