"""A bet's life after it was opened: work is linked to it, its kill date is argued about, it ends, and is judged.

Facts: bet_linked, bet_reargued, bet_closed, bet_judged.
"""

from __future__ import annotations

import re
import time
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.bets import SETTLED, lint, verdict
from wend.bets.opening import sentence
from wend.context import Context
from wend.errors import Conflict, Invalid, NotFound
from wend.events import Fact
from wend.ledger import Ledger
from wend.signals.look import bring_up_to_date
from wend.state import bets as table
from wend.state.catalogue import SERVICES
from wend.state.delivery import DAY

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
LONGEST = 500  # characters of a reason
MOMENT = 300_000_000  # microseconds that how a bet stands is good for
KILLED, OVER = "its kill date passed and nobody argued for it", "its date came"
Item = dict[str, Any]
MOMENTS: WeakKeyDictionary[Ledger, dict[tuple[Any, ...], tuple[int, Item]]] = WeakKeyDictionary()


# ---------------------------------------------------------------------------------------------- pure


def ends(bet: Item, today: int) -> tuple[int, str] | None:
    """The last day that counts for an open bet and why it is over; None: it is not. Its kill date closes it, unless
    that was argued away."""
    if today <= bet["kill_day"]:
        return None
    return bet["kill_day"], OVER if bet["kill_day"] == bet["by_day"] else KILLED


def ripe(bet: Item, today: int) -> bool:
    """Whether a closed bet may be judged: which of its deployments failed is known."""
    return today >= bet["ended_day"] + SETTLED


def reason(why: str) -> str:
    """Raises Invalid for none, or one that nobody reads."""
    said = lint.plain(why)
    if not 1 <= len(said) <= LONGEST:
        raise Invalid("a reason is missing" if not said else f"{len(said)} characters are no reason", "--why TEXT")
    return said


# ---------------------------------------------------------------------------------------------- acts


def found(db: Connection, id: int) -> Item:
    """Raises NotFound."""
    row = table.bet(db, id)
    if row is None:
        raise NotFound(f"there is no bet {id}", "`wend bet list` shows them")
    return row


def link(ctx: Context, id: int, what: str, now: int | None = None) -> Item:
    """Say that an app or a commit is work for the bet. Raises NotFound, and Conflict for one that is over."""
    now = now or int(time.time() * 1e6)
    commit = COMMIT.fullmatch(what.lower())
    with ctx.ledger.query() as db:
        bet = found(db, id)
        known = db.execute(sa.select(SERVICES.c.service).where(SERVICES.c.service == what)).first()
    if bet["state"] != "open":
        raise Conflict(f"bet {id} is over", "open a new one; work belongs to a bet while it is open")
    if not commit and known is None:
        raise NotFound(f"{what[:80]!r} is no service and no whole commit", "give an app's name, or 40 hex digits")
    data = {"bet": id, "app": None if commit else what, "commit": commit[0] if commit else None, "at": now}
    fact_id = f"bet:{id}:{'commit' if commit else 'app'}:{what.lower() if commit else what}"
    fact = Fact("bet_linked", f"bet/{id}", {**data, "how": "hand"}, actor=ctx.actor.name, id=fact_id)
    ctx.ledger.append([fact])
    return {"bet": id, "linked": what}


def reargue(ctx: Context, id: int, kill: str, why: str, now: int | None = None) -> Item:
    """Give it a new kill date. One that its kill date closed is open again, while its own date has not come. Raises
    Invalid, NotFound and Conflict."""
    today, day, said = (now or int(time.time() * 1e6)) // DAY, lint.day(kill), reason(why)
    with ctx.ledger.query() as db:
        bet = found(db, id)
    if bet["state"] == "judged" or (bet["state"] == "closed" and bet["why"] != KILLED):
        raise Conflict(f"bet {id} is over: {bet['why']}", "open a new one")
    if not today < day <= bet["by_day"]:
        raise Invalid(
            f"{lint.date_of(day)} is no kill date of bet {id}",
            f"choose a day after {lint.date_of(today)}, up to {lint.date_of(bet['by_day'])}",
        )
    data = {"bet": id, "kill": day, "why": said}
    ctx.ledger.append([Fact("bet_reargued", f"bet/{id}", data, actor=ctx.actor.name)])
    return {"bet": id, "kill": day}


def close(ctx: Context, id: int, why: str, now: int | None = None) -> Item:
    """End it today; it is judged when what was deployed until now has settled. Raises NotFound, Conflict, Invalid."""
    said = reason(why)
    with ctx.ledger.query() as db:
        bet = found(db, id)
    if bet["state"] != "open":
        raise Conflict(f"bet {id} is over: {bet['why']}", f"`wend bet show {id}` says what it came to")
    day = max(bet["opened_day"], (now or int(time.time() * 1e6)) // DAY)
    closed(ctx, bet, day, said, ctx.actor.name)
    return {"bet": id, "closed": True}


def closed(ctx: Context, bet: Item, day: int, why: str, actor: str = "platform") -> None:
    """Said once, however many clocks look."""
    fact_id = f"bet:{bet['id']}:closed:{bet['reargued']}"
    data = {"bet": bet["id"], "day": day, "why": why}
    ctx.ledger.append([Fact("bet_closed", f"bet/{bet['id']}", data, actor=actor, id=fact_id)])


def tend(ctx: Context, now: int | None = None) -> None:
    """Close the bets whose kill date passed, and judge those that are over and settled."""
    at = now or int(time.time() * 1e6)
    with ctx.ledger.query() as db:
        going = table.bets(db, "open", "closed")
    for bet in going:
        end = ends(bet, at // DAY) if bet["state"] == "open" else None
        if end:
            closed(ctx, bet, *end)
            bet |= {"state": "closed", "ended_day": end[0]}
        if bet["state"] == "closed" and ripe(bet, at // DAY):
            settle(ctx, bet, at)


def settle(ctx: Context, bet: Item, now: int) -> None:
    bring_up_to_date(ctx)
    with ctx.ledger.query() as db:
        said = verdict.judge(db, bet, now, ctx.config.platform_team, ctx.config.timezone)
    data = {"bet": bet["id"], "verdict": said}
    ctx.ledger.append([Fact("bet_judged", f"bet/{bet['id']}", data, id=f"bet:{bet['id']}:judged")])


# ---------------------------------------------------------------------------------------------- looks


def looked(ctx: Context, now: int | None = None, *states: str) -> list[Item]:
    """Every bet in one of these states (none named: all), the newest first, with its sentence; how each stands is on
    its own page."""
    with ctx.ledger.query() as db:
        return [bet | {"sentence": sentence(bet)} for bet in table.bets(db, *states)]


def seen(ctx: Context, id: int, now: int | None = None) -> Item:
    """A bet with its work and its verdict: the one that was written down, or how it stands now (`so_far`), which is no
    verdict, for who looks often enough sees what they hope for. Raises NotFound."""
    at = now or int(time.time() * 1e6)
    bring_up_to_date(ctx)
    with ctx.ledger.query() as db:
        bet = found(db, id)
        bet |= {"sentence": sentence(bet), "work": table.work(db, id), "so_far": bet["verdict"] is None}
        bet["verdict"] = bet["verdict"] or so_far(ctx, db, bet, at)
    return bet


def so_far(ctx: Context, db: Connection, bet: Item, now: int) -> Item:
    """How it stands, as of a moment ago: thousands of draws are not made anew for everybody who looks."""
    kept = MOMENTS.setdefault(ctx.ledger, {})
    key = (bet["id"], bet["seq"], bet["kill_day"], bet["ended_day"], len(bet["work"]))
    known = kept.get(key)
    if known is None or not 0 <= now - known[0] < MOMENT:
        known = (now, verdict.judge(db, bet, now, ctx.config.platform_team, ctx.config.timezone))
        kept[key] = known
    return known[1]
