"""Bets, the work done for them, what was judged, and who was asked whether it helped. People are pseudonyms."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.delivery import DAY, side_texts
from wend.state.tables import add_once, number, table, text

BETS = table(
    "bets",
    number("id", key=True),
    number("pain", null=True),
    text("signal"),
    text("scope"),
    text("state"),  # open, closed, or judged
    number("opened_at"),
    number("opened_day"),
    number("by_day"),
    number("kill_day"),
    number("ended_day", null=True),
    text("why", null=True),
    number("reargued"),
    text("about_json"),
    text("verdict_json", null=True),
    number("judged_at", null=True),
    number("seq"),
)
WORK = table(
    "bet_work",
    number("bet", key=True),
    text("kind", key=True),  # app or commit
    text("id", key=True),
    number("at"),
    text("how"),
    number("seq"),
)
LOOP = table(
    "loop",
    number("bet", key=True),
    text("person", key=True),
    number("asked_at"),
    number("answered_at", null=True),
    text("fixed", null=True),  # yes or no
    text("answer", null=True),  # the hash of the side text with it
    sa.Index("loop_person", "person", "asked_at"),
    sa.Index("loop_answer", "answer"),
)
ABOUT = ("who", "can", "version", "weeks", "baseline", "to", "appetite", "sure", "low", "high")


def bet_opened(db: Connection, event: Event) -> None:
    data = event.data
    row: dict[str, Any] = {key: data.get(key) for key in ("pain", "signal", "scope")}
    row |= {"id": data["bet"], "state": "open", "opened_at": data["at"], "opened_day": data["at"] // DAY}
    row |= {"by_day": data["by"], "kill_day": data["kill"], "reargued": 0, "seq": event.seq}
    row |= dict.fromkeys(("ended_day", "why", "verdict_json", "judged_at"))
    about = {key: data.get(key) for key in ABOUT}
    add_once(db, BETS, [row | {"about_json": json.dumps(about, sort_keys=True)}])


def bet_linked(db: Connection, event: Event) -> None:
    """Work that was done before the bet was opened, or for a bet that there is not, is none of it."""
    data = event.data
    opened = db.execute(sa.select(BETS.c.opened_day).where(BETS.c.id == data["bet"])).scalar()
    if opened is None or data["at"] // DAY < opened:
        return
    kind = "app" if data.get("app") else "commit"
    row = {"bet": data["bet"], "kind": kind, "id": data[kind], "at": data["at"], "how": data["how"]}
    add_once(db, WORK, [row | {"seq": event.seq}])


def bet_reargued(db: Connection, event: Event) -> None:
    """One that was closed by its kill date is open again."""
    values: dict[str, Any] = {"state": "open", "kill_day": event.data["kill"], "ended_day": None, "why": None}
    change(db, event, **values, reargued=BETS.c.reargued + 1)


def bet_closed(db: Connection, event: Event) -> None:
    change(db, event, state="closed", ended_day=event.data["day"], why=event.data["why"])


def bet_judged(db: Connection, event: Event) -> None:
    said = json.dumps(event.data["verdict"], sort_keys=True)
    change(db, event, state="judged", verdict_json=said, judged_at=event.at)


def loop_asked(db: Connection, event: Event) -> None:
    row = {"bet": event.data["bet"], "person": event.data["person"], "asked_at": event.at}
    add_once(db, LOOP, [row | {"answered_at": None, "fixed": None, "answer": None}])


def loop_answered(db: Connection, event: Event) -> None:
    """What was answered stands beside the chain; the last word of a person counts."""
    hash = event.data["answer"]
    fixed = side_texts(db, [hash]).get(hash)
    if fixed is not None:
        here = (LOOP.c.bet == event.data["bet"]) & (LOOP.c.person == event.data["person"])
        db.execute(sa.update(LOOP).where(here).values(answered_at=event.at, fixed=fixed, answer=hash))


def text_erased(db: Connection, event: Event) -> None:
    """An answer goes with its text."""
    here = LOOP.c.answer == event.data["hash"]
    db.execute(sa.update(LOOP).where(here).values(answered_at=None, fixed=None, answer=None))


def change(db: Connection, event: Event, **values: Any) -> None:
    db.execute(sa.update(BETS).where(BETS.c.id == event.data["bet"]).values(**values))


REDUCERS = (
    bet_closed,
    bet_judged,
    bet_linked,
    bet_opened,
    bet_reargued,
    loop_answered,
    loop_asked,
    text_erased,
)


# ---------------------------------------------------------------------------------------------- questions


def unpacked(row: Any) -> dict[str, Any]:
    """A bet's row with what it says in words and numbers, and its verdict."""
    found = {key: value for key, value in row.items() if not key.endswith("_json")}
    verdict = None if row["verdict_json"] is None else json.loads(row["verdict_json"])
    return found | json.loads(row["about_json"]) | {"verdict": verdict}


def bets(db: Connection, *states: str) -> list[dict[str, Any]]:
    """Bets in one of these states (none named: all), the newest first."""
    query = sa.select(BETS).order_by(BETS.c.id.desc())
    query = query.where(BETS.c.state.in_(states)) if states else query
    return [unpacked(row) for row in db.execute(query).mappings()]


def bet(db: Connection, id: int) -> dict[str, Any] | None:
    row = db.execute(sa.select(BETS).where(BETS.c.id == id)).mappings().first()
    return None if row is None else unpacked(row)


def work(db: Connection, id: int) -> list[dict[str, Any]]:
    """What was done for a bet, the first first: kind, id, at, how, seq."""
    columns = (WORK.c.kind, WORK.c.id, WORK.c.at, WORK.c.how, WORK.c.seq)
    query = sa.select(*columns).where(WORK.c.bet == id).order_by(WORK.c.at, WORK.c.id)
    return [dict(row) for row in db.execute(query).mappings()]
