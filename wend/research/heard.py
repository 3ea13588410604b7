"""How far people were listened to: who was not heard for how long, and whether interviews still bring anything new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.context import Context
from wend.research import people, saturation
from wend.research.interviews import look
from wend.research.people import WAYS, groups_of
from wend.state import research as table
from wend.state.voice import EVIDENCE

WEEKS = 26  # back to which interviews count: what was new before may be old, for the product has changed
Themes = frozenset[int]


# ---------------------------------------------------------------------------------------------- pure


@lru_cache(maxsize=256)
def curve(interviews: tuple[Themes, ...]) -> saturation.Curve:
    """The curve of these, remembered: the same interviews have the same one."""
    return saturation.curve(interviews)


def segments(rows: Sequence[Mapping[str, Any]], themes: Mapping[int, Themes]) -> list[dict[str, Any]]:
    """The curve of everybody and of each group that was heard, most interviews first in each way."""
    found: dict[tuple[str, str], list[Themes]] = {}
    for row in rows:
        groups = groups_of(row["stratum"])
        for key in [("all", "everybody"), *((way, groups[way]) for way in WAYS if groups)]:
            found.setdefault(key, []).append(themes.get(row["id"], Themes()))
    ways = ("all", *WAYS)
    order = sorted(found, key=lambda key: (ways.index(key[0]), -len(found[key]), key[1]))
    return [segment(way, name, found[way, name]) for way, name in order]


def segment(way: str, name: str, interviews: Sequence[Themes]) -> dict[str, Any]:
    """A group's curve as plain values: way, name, n, what it says, since when it is below, and the points."""
    it = curve(tuple(interviews))
    points = [dict(vars(one)) for one in it.points]
    return {"way": way, "name": name, "n": len(interviews), "says": it.says, "below": it.below, "points": points}


# ---------------------------------------------------------------------------------------------- acts


def themes_of(db: Connection) -> tuple[dict[int, Themes], int]:
    """(interview → the pains that what it said points to; how many things that were said point to none yet)."""
    c = EVIDENCE.c
    query = sa.select(c.id, c.pain).where(c.source == "interview", c.id.like("interview/%"), c.text.is_not(None))
    found: dict[int, set[int]] = {}
    loose = 0
    for id, pain in db.execute(query):
        if pain is None:
            loose += 1
        else:
            found.setdefault(int(id.split("/")[1]), set()).add(int(pain))
    return {id: frozenset(pains) for id, pains in found.items()}, loose


def overview(ctx: Context) -> dict[str, Any]:
    """`coverage`: of each group how many there are, how many were heard lately, and when last; `segments`: the curve of
    new pains of each; `loose`: things said that no curve knows of yet, because they point to no pain. Only interviews
    of the last WEEKS count that were written down and whose consent stands. Who looks is written down."""
    look(ctx)
    day = people.today()
    with ctx.ledger.query() as db:
        everybody = people.customers(ctx, db, day)
        held = [row for row in table.held_between(db, day - 7 * WEEKS, day) if row["said_json"]]
        themes, loose = themes_of(db)
    found = [asdict(one) for one in people.coverage(everybody, day)]
    return {"people": len(everybody), "coverage": found, "segments": segments(held, themes), "loose": loose,
            "weeks": WEEKS, "lately": people.LONG // 7}  # fmt: skip
