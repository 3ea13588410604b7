"""Known weaknesses of dependencies, from a snapshot that somebody brought: no request leaves this machine.

The snapshot lies in `advisories.db` of the home, and its age is a part of every answer. Facts: advisories_taken.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wend.context import Context
from wend.errors import Invalid
from wend.events import Fact
from wend.guardrails.hits import Hit, NotSeen
from wend.guardrails.osv import affects
from wend.guardrails.parts import Part

STALE = 14  # days after which a snapshot says nothing about what is well
SHAPE = "CREATE TABLE IF NOT EXISTS {} (edition TEXT, ecosystem TEXT, name TEXT, about TEXT)"
Item = dict[str, Any]


# ---------------------------------------------------------------------------------------------- pure


@dataclass(frozen=True)
class Snapshot:
    """`newest`: when its youngest record was changed, Unix microseconds."""

    edition: str
    newest: int
    records: int


# ---------------------------------------------------------------------------------------------- the snapshot


def open_db(home: Path) -> sqlite3.Connection:
    db = sqlite3.connect(home / "advisories.db", timeout=30)
    db.execute(SHAPE.format("advisories"))
    db.execute("CREATE INDEX IF NOT EXISTS advisories_name ON advisories (edition, ecosystem, name)")
    db.execute("CREATE TABLE IF NOT EXISTS snapshot (edition TEXT, newest INTEGER, records INTEGER)")
    return db


def standing(home: Path) -> Snapshot | None:
    """The snapshot that holds now."""
    if not (home / "advisories.db").exists():
        return None
    with closing(open_db(home)) as db:
        row = db.execute("SELECT edition, newest, records FROM snapshot").fetchone()
    return Snapshot(*row) if row else None


def take(ctx: Context, edition: str, records: list[Any], newest: int, last: bool) -> Item:
    """Keep some rows (as `rows` makes them) of a new edition; with the `last` of them it takes the place of the one
    before, whole. Raises Invalid for what is no row."""
    kept = [(edition, *stored(one)) for one in records]
    with closing(open_db(ctx.config.home)) as db, db:
        db.executemany("INSERT INTO advisories VALUES (?, ?, ?, ?)", kept)
        count = int(db.execute("SELECT count(*) FROM advisories WHERE edition = ?", (edition,)).fetchone()[0])
        if last:
            db.execute("DELETE FROM advisories WHERE edition <> ?", (edition,))
            db.execute("DELETE FROM snapshot")
            db.execute("INSERT INTO snapshot VALUES (?, ?, ?)", (edition, newest, count))
    if last:
        about = {"edition": edition, "newest": newest, "records": count}
        ctx.ledger.append([Fact("advisories_taken", "guardrails", about, actor=ctx.actor.name)])
    return {"edition": edition, "records": count}


def stored(one: Any) -> tuple[str, str, str]:
    """A row as it is kept. Raises Invalid."""
    try:
        about = one["about"]
        shaped = {"id": str(about["id"]), "cve": [str(each) for each in about["cve"]][:1]}
        shaped |= {"versions": [str(each) for each in about["versions"]]}
        shaped |= {
            "ranges": [[{str(k): str(v) for k, v in event.items()} for event in each] for each in about["ranges"]]
        }
        return str(one["ecosystem"]), str(one["name"]), json.dumps(shaped)
    except (TypeError, KeyError, AttributeError) as error:
        raise Invalid(f"that is no advisory: {error!r}"[:200], "wend guardrails advisories FILE reads OSV's") from error


def age(snapshot: Snapshot, now: float | None = None) -> int:
    """Whole days since its youngest record was changed."""
    return max(0, int(((time.time() if now is None else now) * 1e6 - snapshot.newest) / 86_400e6))


def weak(home: Path, parts: Iterable[Part], now: float | None = None) -> tuple[Hit, ...]:
    """The parts with known weaknesses. Raises NotSeen when that cannot be told: there is no snapshot, or nothing was
    found by one that is too old, or a version cannot be compared."""
    snapshot = standing(home)
    if snapshot is None:
        raise NotSeen("no advisories are here: wend guardrails advisories FILE")
    hits: list[Hit] = []
    odd: list[str] = []
    with closing(open_db(home)) as db:
        for part in parts:
            query = "SELECT about FROM advisories WHERE edition = ? AND ecosystem = ? AND name = ?"
            for (text,) in db.execute(query, (snapshot.edition, part.ecosystem, part.name)):
                about = json.loads(text)
                try:
                    fixed = affects(about, part.ecosystem, part.version)
                except ValueError:
                    odd.append(str(part))
                    continue
                if fixed is not None:
                    hits.append(told(part, about, fixed))
    days = age(snapshot, now)
    if not hits and odd:
        raise NotSeen(f"the version of {odd[0]} cannot be compared")
    if not hits and days > STALE:
        raise NotSeen(f"the advisories are {days} days old, and {STALE} is the most: wend guardrails advisories FILE")
    return tuple(hits)


def told(part: Part, about: Mapping[str, Any], fixed: str) -> Hit:
    name = f"{about['id']} ({about['cve'][0]})" if about["cve"] else about["id"]
    return Hit(
        f"{part.ecosystem}/{part.name}",
        f"{part.version}: {name}, {f'mended in {fixed}' if fixed else 'not mended yet'}",
    )
