"""The week of a product team, which starts over for ever: listen, write down what hurts, find the one thing, ship the
simplest thing, ask again. Nobody ticks a step; the tables do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.context import Context
from wend.ledger.rows import LEDGER
from wend.research import interviews, people
from wend.state import research as table
from wend.state.bets import BETS
from wend.state.delivery import DAY
from wend.state.voice import EVIDENCE
from wend.voice.evidence import monday

WANTED = people.WANTED
SILENT = 7  # days without an interview that are too many
ASKED = ("loop_asked", "survey_shown")  # what asks people whether it helped


@dataclass(frozen=True)
class Step:
    """A line of the checklist. `count` of `of`, where it is counted; `next`: what to do, in words."""

    name: str
    title: str
    done: bool
    says: str
    next: str
    count: int | None = None
    of: int | None = None
    known: bool = True  # whether there is anybody to ask


@dataclass(frozen=True)
class Facts:
    """What the steps rest on, of one week. `heard`: drawn people who were interviewed; `undrawn`: others; `owed` and
    `overdue`: snapshots not written, of any week; `hurts`: evidence written down from interviews; `linked`: what of it
    points to a pain; `bets`: open ones; `asked`: people asked whether it helped; `silent`: days since the last
    interview."""

    heard: int = 0
    undrawn: int = 0
    owed: int = 0
    overdue: int = 0
    hurts: int = 0
    linked: int = 0
    bets: int = 0
    asked: int = 0
    silent: int = 0


# ---------------------------------------------------------------------------------------------- pure


def steps(it: Facts, known: int) -> list[Step]:
    """The five. `known`: people who could be asked."""
    return [listen(it, known), write(it), find(it), ship(it), again(it)]


def listen(it: Facts, known: int) -> Step:
    wanted = min(WANTED, known) or WANTED
    says = f"{it.heard} of {wanted} people heard"
    says += f", and {it.undrawn} who were not drawn" if it.undrawn else ""
    next = "`wend interview next` says whom to ask" if known else "tell who is here: `wend ingest file csv people.csv`"
    return Step("listen", f"Interview {wanted} developers", it.heard >= wanted, says, next, it.heard, wanted, known > 0)


def write(it: Facts) -> Step:
    says = f"{counted(it.hurts, 'thing')} that hurt" if it.hurts else "nothing yet"
    if it.owed:
        says += f"; {counted(it.owed, 'snapshot')} due" + (f", {it.overdue} of them overdue" if it.overdue else "")
    done = it.hurts > 0 and not it.owed
    return Step("write", "Write down what hurts, without arguing", done, says, "`wend interview snapshot NUMBER`")


def find(it: Facts) -> Step:
    says = f"{it.linked} of {it.hurts} point to a pain" if it.hurts else "nothing to sort yet"
    done = it.hurts > 0 and it.linked == it.hurts
    return Step(
        "find",
        "Find the one thing, not three",
        done,
        says,
        "say which pain each is; `wend one-thing` says which costs most",
    )


def ship(it: Facts) -> Step:
    says = f"{counted(it.bets, 'open bet')}" if it.bets else "no open bet"
    return Step("ship", "Ship the simplest thing", it.bets > 0, says, "bet on an outcome: `wend bet open`")


def again(it: Facts) -> Step:
    says = f"{counted(it.asked, 'person', 'people')} asked whether it helped" if it.asked else "nobody asked yet"
    return Step(
        "again", "Ask again", it.asked > 0, says, "when a bet ends, ask those who told you; and on Monday begin anew"
    )


def counted(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"


# ---------------------------------------------------------------------------------------------- asked of the tables


def facts(db: Connection, now: int) -> Facts:
    """Those of the week in which `now` (microseconds) is."""
    week = monday(now // DAY)
    held = table.held_between(db, week, week + 6)
    waiting = owed(db)
    c = EVIDENCE.c
    said = sa.select(sa.func.count(), sa.func.count(c.pain)).where(
        c.source == "interview", c.week == week, c.own == 0, c.text.is_not(None)
    )
    hurts, linked = db.execute(said).one()
    return Facts(
        len({one["person"] for one in held if one["probability"] is not None}),
        len({one["person"] for one in held if one["probability"] is None}),
        len(waiting),
        sum((interviews.due_at(one) or 0) < now for one in waiting),
        hurts,
        linked,
        db.execute(sa.select(sa.func.count()).where(BETS.c.state == "open")).scalar() or 0,
        happened(db, ASKED, week * DAY),
        silence(db, now),
    )


def owed(db: Connection) -> list[dict[str, Any]]:
    """Interviews that are not written down yet, the one that is due first before the others."""
    waiting = [one for one in table.unwritten(db) if interviews.due_at(one) is not None]
    return sorted(waiting, key=lambda one: one["held_at"])


def happened(db: Connection, kinds: tuple[str, ...], since: int = 0) -> int:
    """How many events of these kinds there are."""
    query = sa.select(sa.func.count()).select_from(LEDGER).where(LEDGER.c.kind.in_(kinds), LEDGER.c.at >= since)
    return db.execute(query).scalar() or 0


def silence(db: Connection, now: int) -> int:
    """Days since the last interview, or since the platform began."""
    last = db.execute(sa.select(sa.func.max(table.INTERVIEWS.c.held_at))).scalar()
    first = db.execute(sa.select(LEDGER.c.at).order_by(LEDGER.c.seq).limit(1)).scalar()
    return max(0, (now - int(last or first or now)) // DAY)


def checklist(ctx: Context) -> dict[str, Any]:
    """This week's: `week` (its Monday, in UTC days since 1970), `first` (whether
    nobody was interviewed in any week before), `steps`, `who` is to be asked next (null: nobody is
    drawn), `due` (the number of an interview to write down, or null), `silent` (days without an interview), `red`
    (whether those are too many)."""
    now = interviews.now_us()
    with ctx.ledger.query() as db:
        it = facts(db, now)
        known = len(people.customers(ctx, db, now // DAY))
        due = next((one["id"] for one in owed(db)), None)
        first = not table.held_between(db, 0, monday(now // DAY) - 1)
    who = next(iter(interviews.drawn(ctx)["next"]), None)
    found: list[Mapping[str, Any]] = [asdict(one) for one in steps(it, known)]
    return {
        "week": monday(now // DAY),
        "first": first,
        "steps": found,
        "who": who,
        "due": due,
        "silent": it.silent,
        "red": it.silent >= SILENT,
    }
