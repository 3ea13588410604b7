"""Pains: named problems that evidence points to. A person names them, links to them, puts them together and takes them
apart; their numbers never change and are never used again.

Facts: pain_named, pain_renamed, pain_closed, pain_reopened, pain_merged, pain_split, evidence_linked, group_dismissed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import access, privacy
from wend.context import Context
from wend.errors import Conflict, Invalid, NotFound
from wend.events import Fact
from wend.ingest.parse import clean
from wend.state.delivery import DAY, side_texts
from wend.state.voice import EVIDENCE, LINKS, PAINS, atoms, dismissed
from wend.stats import wilson
from wend.voice import evidence, grouping, nearest

LONGEST = 120  # characters of a title
WEEKS = 13  # of a pain's page
SHOWN = 40  # pieces of evidence on a page; a form has room for so many ticks
MOST_DISMISSED = 500  # pieces of evidence in a group
SHORTEST = 4  # characters that stand for the id of a piece of evidence
HIGHEST = 2**31  # a number that no pain will have
TRIES = 5  # for a number, when others name pains at the same moment
Found = dict[str, Any]


# ---------------------------------------------------------------------------------------------- pure


def title_of(text: str) -> str:
    """A title on one line. Raises Invalid."""
    found = " ".join(clean(text).split())
    if not 3 <= len(found) <= LONGEST:
        raise Invalid(f"{found[:60]!r} has {len(found)} characters", f"a pain's title has 3 to {LONGEST}")
    return found


def reason(text: str) -> str:
    found = " ".join(clean(text).split())[:500]
    if not found:
        raise Invalid("nothing says why", 'add --why "…"')
    return found


def by_team(found: Sequence[Found]) -> Found:
    """Whom atoms are of. Teams of whom fewer than 5 people spoke are hidden, and so many with them that they cannot be
    worked out (wend/privacy.py). `unnamed`: atoms of sources that name nobody; they say nothing about how many."""
    named = [one for one in found if not one["person"].startswith("?")]
    team = {one["person"]: one["team"] or "" for one in sorted(named, key=lambda one: one["week"])}
    people: dict[str, int] = {}
    for name in team.values():
        people[name] = people.get(name, 0) + 1
    shown = privacy.suppress({name: count for name, count in people.items() if name}, len(team))
    rows = [{"team": name, "people": privacy.band(people[name]), "atoms": 0} for name in sorted(shown.groups)]
    for row in rows:
        row["atoms"] = sum(team[one["person"]] == row["team"] for one in named)
    teams = {one["team"] for one in found if one["team"]}
    return {
        "atoms": len(found),
        "teams": len(teams),
        "people": privacy.band(len(team)),
        "unnamed": len(found) - len(named),
        "rows": rows,
        "hidden": len(people) - len(rows),
    }


def by_week(found: Sequence[Found], last: int) -> list[Found]:
    """Atoms of each of the last weeks, the oldest first."""
    weeks = [last - 7 * back for back in reversed(range(WEEKS))]
    return [{"week": week, "atoms": sum(one["week"] == week for one in found)} for week in weeks]


# ---------------------------------------------------------------------------------------------- acts


def name(ctx: Context, title: str, given: Sequence[str] = (), proposed: Sequence[int] = ()) -> int:
    """Give a problem a name, and link evidence to it; its number. `proposed`: what was offered instead. Raises
    Conflict when an open pain has this name."""
    words = title_of(title)
    with ctx.ledger.query() as db:
        ids = [resolve(db, one) for one in given]
        free(db, words)
        last = db.execute(sa.select(sa.func.max(PAINS.c.id))).scalar() or 0
    for pain in range(last + 1, last + 1 + TRIES):
        links = [linked(ctx, id, pain, proposed) for id in dict.fromkeys(ids)]
        try:
            ctx.ledger.append([named(ctx, pain, words), *links], expect=(f"pain/{pain}", 0))
            return pain
        except Conflict:
            continue  # somebody else has this number by now
    raise Conflict("others name pains at this moment", "try again")


def rename(ctx: Context, pain: int, title: str) -> None:
    """Raises NotFound, and Conflict when another open pain has this name."""
    words = title_of(title)
    with ctx.ledger.query() as db:
        row = one_of(db, pain)
        if row["title"] == words:
            return
        free(db, words, pain)
    say(ctx, "pain_renamed", pain, {"title": words})


def close(ctx: Context, pain: int, why: str) -> None:
    """It hurts no more, or not enough. Its evidence stays."""
    is_in(ctx, pain, "open", "closed")
    say(ctx, "pain_closed", pain, {"why": reason(why)})


def reopen(ctx: Context, pain: int, why: str) -> None:
    """It is there again: one that was closed, or one that was merged and is a pain of its own after all."""
    if is_in(ctx, pain, "closed", "open") or is_in(ctx, pain, "merged", "open"):
        say(ctx, "pain_reopened", pain, {"why": reason(why)})


def merge(ctx: Context, pain: int, into: int) -> None:
    """Two names of one problem: everything that was linked to the first is linked to the second."""
    with ctx.ledger.query() as db:
        one, other = one_of(db, pain), one_of(db, into)
    if pain == into:
        raise Invalid(f"pain {pain} cannot become a part of itself", "name another one")
    if one["state"] == "merged":
        raise Conflict(f"pain {pain} is a part of {one['merged_into']} already", "`wend pains` lists what is open")
    if other["state"] != "open":
        raise Conflict(f"pain {into} is {other['state']}", f"`wend pains reopen {into} --why …`")
    say(ctx, "pain_merged", pain, {"into": into})


def split(ctx: Context, pain: int, parts: Mapping[str, Sequence[str]]) -> list[int]:
    """Several problems had one name: title → the evidence that goes there. What is not named stays; the numbers of the
    new pains. Raises Invalid for evidence that is not linked to it."""
    with ctx.ledger.query() as db:
        one_of(db, pain)
        found = {title_of(title): [resolve(db, one) for one in ids] for title, ids in parts.items()}
        mine = set(db.execute(sa.select(EVIDENCE.c.id).where(EVIDENCE.c.pain == pain)).scalars())
        for title in found:
            free(db, title)
        last = db.execute(sa.select(sa.func.max(PAINS.c.id))).scalar() or 0
    every = [id for ids in found.values() for id in ids]
    strange = next((id for id in every if id not in mine), None)
    if not found or not all(found.values()) or len(every) != len(set(every)) or strange:
        about = f"{strange[:60]!r} is not linked to pain {pain}" if strange else "each part needs evidence of its own"
        raise Invalid(about, f"`wend pains show {pain}` lists its evidence")
    numbers = {title: last + place for place, title in enumerate(found, 1)}
    links = {id: numbers[title] for title, ids in found.items() for id in ids}
    data = {"pain": pain, "into": list(numbers.values()), "links": links}
    facts = [named(ctx, number, title) for title, number in numbers.items()]
    whole = Fact("pain_split", f"pain/{pain}", data, actor=ctx.actor.name)
    ctx.ledger.append([*facts, whole], expect=(f"pain/{last + 1}", 0))
    return list(numbers.values())


def link(ctx: Context, given: str, pain: int, proposed: Sequence[int] = ()) -> str:
    """Say what a piece of evidence is about, by its id or the beginning of it; the id."""
    with ctx.ledger.query() as db:
        id = resolve(db, given)
    evidence.link(ctx, id, pain, proposed)
    return id


def unlink(ctx: Context, given: str, pain: int) -> str:
    """Say what it is not about: that is kept for ever."""
    with ctx.ledger.query() as db:
        id = resolve(db, given)
    evidence.unlink(ctx, id, pain)
    return id


def named(ctx: Context, pain: int, title: str) -> Fact:
    return Fact("pain_named", f"pain/{pain}", {"pain": pain, "title": title}, actor=ctx.actor.name)


def linked(ctx: Context, id: str, pain: int, proposed: Sequence[int]) -> Fact:
    data = {"evidence": id, "pain": pain, "by": ctx.actor.name, "proposed": list(proposed)}
    return Fact("evidence_linked", f"evidence/{id}"[:400], data, actor=ctx.actor.name)


def say(ctx: Context, kind: str, pain: int, data: Mapping[str, Any]) -> None:
    ctx.ledger.append([Fact(kind, f"pain/{pain}", {"pain": pain, **data}, actor=ctx.actor.name)])


def is_in(ctx: Context, pain: int, state: str, after: str) -> bool:
    """Whether it is in this state. Raises Conflict when it is in the one that it shall come into."""
    with ctx.ledger.query() as db:
        row = one_of(db, pain)
    if row["state"] == after or (state == "open" and row["state"] != "open"):
        raise Conflict(f"pain {pain} is {row['state']}", "`wend pains` lists them")
    return row["state"] == state


# ---------------------------------------------------------------------------------------------- what is there


def listed(ctx: Context) -> Found:
    """Every pain, and of whom, the most atoms first; how much is in the inbox; how good the proposals are."""
    this = evidence.monday(int(time.time() * 1e6) // DAY)
    with ctx.ledger.query() as db:
        found = atoms(db)
        mine: dict[int, list[Found]] = {}
        for one in found:
            mine.setdefault(one["pain"], []).append(one)
        rows = [dict(row) for row in db.execute(sa.select(PAINS).order_by(PAINS.c.id)).mappings()]
        waiting = db.execute(sa.select(sa.func.count()).select_from(EVIDENCE).where(INBOX)).scalar() or 0
        quality = measured(db)
    for row in rows:
        those = mine.get(row["id"], [])
        whom = by_team(those)
        row |= {key: whom[key] for key in ("atoms", "teams", "people")}
        row["weeks"] = by_week(those, this)
    rows.sort(key=lambda row: (row["state"] != "open", -row["atoms"], row["id"]))
    return {"pains": rows, "inbox": waiting, "proposals": quality}


INBOX = EVIDENCE.c.pain.is_(None) & (EVIDENCE.c.own == 0)


def inbox(ctx: Context, limit: int = 20, offset: int = 0) -> Found:
    """Evidence that is about no pain yet, the newest first, with the nearest pains; the look is written down."""
    access.seen(ctx, "pains", "inbox")
    with ctx.ledger.query() as db:
        query = sa.select(EVIDENCE).where(INBOX).order_by(EVIDENCE.c.seq.desc()).limit(limit).offset(offset)
        found = [dict(row) for row in db.execute(query).mappings()]
        rows = shown(db, found)
        asked = [
            nearest.Asked(row["text"] or "", row["evidence"], one["text"]) for row, one in zip(rows, found, strict=True)
        ]
        offers = nearest.offers(db, asked)
        whole = db.execute(sa.select(sa.func.count()).select_from(EVIDENCE).where(INBOX)).scalar() or 0
    for row, near in zip(rows, offers.found, strict=True):
        row["near"] = [dict(zip(("pain", "title", "similarity"), one, strict=True)) for one in near if row["text"]]
    return {"evidence": rows, "method": offers.method, "waiting": whole}


def groups(ctx: Context) -> Found:
    """Groups of the inbox that may each be a pain; nothing is done with them until somebody names one."""
    access.seen(ctx, "pains", "inbox")
    with ctx.ledger.query() as db:
        found, said_no = grouping.propose(db), dismissed(db)
        kept = tuple(one for one in found.groups if not any(set(one.evidence) <= no for no in said_no))
        found = replace(found, groups=kept)
        ids = [id for group in found.groups for id in group.evidence]
        rows: dict[str, Found] = {}
        for start in range(0, len(ids), 500):
            these = sa.select(EVIDENCE).where(EVIDENCE.c.id.in_(ids[start : start + 500]))
            part = shown(db, [dict(row) for row in db.execute(these).mappings()])
            rows |= {row["evidence"]: row for row in part}
    said = [{"alike": round(one.alike, 3), "evidence": [rows[id] for id in one.evidence]} for one in found.groups]
    return asdict(found) | {"groups": said}


def dismiss(ctx: Context, pieces: Sequence[str]) -> None:
    """Say that these pieces, proposed as one pain, are none. The group, or a part of it, is proposed no more; with new
    evidence it may be. Raises Invalid and NotFound."""
    if not 1 <= len(pieces) <= MOST_DISMISSED:
        raise Invalid(f"{len(pieces)} pieces of evidence are no group", f"1 to {MOST_DISMISSED}")
    with ctx.ledger.query() as db:
        data = {"evidence": sorted({resolve(db, one) for one in pieces})}
    ctx.ledger.append([Fact("group_dismissed", "pains", data, actor=ctx.actor.name)])


def propose(ctx: Context, text: str, most: int = nearest.MOST) -> Found:
    """The nearest pains to a text, and how it was compared. Raises Invalid for no text."""
    words = evidence.words(text)
    if words is None:
        raise Invalid("nothing was said that could be near to a pain", 'wend pains propose "the build is slow"')
    with ctx.ledger.query() as db:
        found = nearest.offers(db, [nearest.Asked(words)], most)
    near = [dict(zip(("pain", "title", "similarity"), one, strict=True)) for one in found.found[0]]
    return {"method": found.method, "near": near}


def show(ctx: Context, pain: int) -> Found:
    """One pain: whom it is heard of, by week and by team, and what they said; the look is written down. What the
    platform's own team said is apart. Raises NotFound."""
    this = evidence.monday(int(time.time() * 1e6) // DAY)
    with ctx.ledger.query() as db:
        row = one_of(db, pain)
    access.seen(ctx, "pains", f"pain:{pain}")
    with ctx.ledger.query() as db:
        found = atoms(db, pain)
        query = sa.select(EVIDENCE).where(EVIDENCE.c.pain == pain).order_by(EVIDENCE.c.seq.desc()).limit(SHOWN)
        rows = [dict(one) for one in db.execute(query).mappings()]
        said, own = (shown(db, [one for one in rows if one["own"] == flag]) for flag in (0, 1))
    return row | by_team(found) | {"weeks": by_week(found, this), "evidence": said, "own": own}


def shown(db: Connection, rows: Sequence[Found]) -> list[Found]:
    """Evidence as it may be read: what was said and where, and not by whom."""
    words = side_texts(db, [row["text"] for row in rows if row["text"]])
    keys = ("source", "week", "app", "minutes", "seq", "pain")
    return [
        {"evidence": row["id"], "text": words.get(row["text"] or "")}
        | {key: row[key] for key in keys}
        | {"about": public(json.loads(row["about_json"]))}
        for row in rows
    ]


def public(about: Mapping[str, Any]) -> Found:
    """What evidence points to; of an interview nothing, for its page has a name."""
    return {key: value for key, value in about.items() if key in ("app", "deploy", "event", "ticket", "hatch")}


def measured(db: Connection) -> Found:
    """How good proposals are. `accepted`: of what was linked with proposals beside it, the share that went to one of
    them. `together`: of all pairs that accepted proposals put under one pain, the share that people left there."""
    rows = list(db.execute(sa.select(LINKS).order_by(LINKS.c.seq)).mappings())
    offered = [row for row in rows if row["proposed_json"] != "[]"]
    taken = {row["evidence"]: row["pain"] for row in offered if row["place"] is not None}
    query = sa.select(EVIDENCE.c.id, EVIDENCE.c.pain).where(EVIDENCE.c.id.in_(sa.select(LINKS.c.evidence)))
    now = {str(row[0]): row[1] for row in db.execute(query)}
    then, still = dict[int, int](), dict[tuple[int, int], int]()
    for id, pain in taken.items():
        then[pain] = then.get(pain, 0) + 1
        if now.get(id) is not None:
            still[pain, now[id]] = still.get((pain, now[id]), 0) + 1
    pairs = sum(count * (count - 1) // 2 for count in then.values())
    kept = sum(count * (count - 1) // 2 for count in still.values())
    accepted = wilson(sum(row["place"] is not None for row in offered), len(offered))
    return {"accepted": asdict(accepted) if accepted else None, "pairs": pairs,
            "together": kept / pairs if pairs else None}  # fmt: skip


def one_of(db: Connection, pain: int) -> Found:
    here = PAINS.c.id == min(pain, HIGHEST)
    row = db.execute(sa.select(PAINS).where(here)).mappings().first()
    if row is None:
        raise NotFound(f"there is no pain {pain}", "`wend pains` lists them")
    return dict(row)


def free(db: Connection, title: str, but: int = 0) -> None:
    """Raises Conflict when an open pain has this name."""
    same = (sa.func.lower(PAINS.c.title) == title.lower()) & (PAINS.c.state == "open") & (PAINS.c.id != but)
    there = db.execute(sa.select(PAINS.c.id).where(same)).scalar()
    if there is not None:
        raise Conflict(f"pain {there} has this name", f"`wend pains link EVIDENCE {there}`, or say what is different")


def resolve(db: Connection, given: str) -> str:
    """The id of the one piece of evidence whose id is this, or begins with it. Raises NotFound and Conflict."""
    exact = db.execute(sa.select(EVIDENCE.c.id).where(EVIDENCE.c.id == given)).scalar()
    if exact is not None:
        return exact
    begins = EVIDENCE.c.id.startswith(given, autoescape=True)
    found = (
        list(db.execute(sa.select(EVIDENCE.c.id).where(begins).limit(2)).scalars()) if len(given) >= SHORTEST else []
    )
    if len(found) == 2:
        raise Conflict(f"{given[:60]!r} begins several ids", "give more of it")
    if not found:
        raise NotFound(f"there is no evidence {given[:60]!r}", "`wend pains inbox` lists what is not linked yet")
    return found[0]
