"""What people said and what the platform saw, the pains that it points to, and what a person said does not belong.

An *atom* is a person, a pain and a week, whatever the number of quotes, tickets or votes. The platform's own team
(`own`) is never in one.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.people import ALIASES
from wend.state.tables import add_once, flag, number, table, text

EVIDENCE = table(
    "evidence",
    text("id", key=True),
    text("source"),
    text("text", null=True),  # the hash of a side text
    text("person", null=True),
    text("team", null=True),
    flag("own"),
    text("app", null=True),
    number("week"),
    number("at"),
    sa.Column("minutes", sa.Float, nullable=True),
    text("about_json"),
    number("pain", null=True),
    number("seq"),
    sa.Index("evidence_pain", "pain", "week"),
    sa.Index("evidence_seq", "seq"),
    sa.Index("evidence_text", "text"),
    outlives=True,
)
PAINS = table(
    "pains",
    number("id", key=True),
    text("title"),
    text("state"),  # open, closed or merged
    number("merged_into", null=True),
    number("named_at"),
    number("closed_at", null=True),
    text("why", null=True),
)
NOT_LINKED = table("not_linked", text("evidence", key=True), number("pain", key=True))
LINKS = table(
    "links",
    number("seq", key=True),
    text("evidence"),
    number("pain"),
    text("proposed_json"),
    number("place", null=True),  # of the pain among the proposed, from 0; null: none of them
    sa.Index("links_evidence", "evidence"),
)
DISMISSED = table("dismissed", number("seq", key=True), text("evidence", key=True))


def evidence_recorded(db: Connection, event: Event) -> None:
    data = event.data
    row = {key: data.get(key) for key in ("source", "text", "person", "team", "app", "week", "at", "minutes")}
    row |= {"id": data["evidence"], "own": int(data["own"]), "seq": event.seq, "pain": None}
    add_once(db, EVIDENCE, [row | {"about_json": json.dumps(data.get("about") or {}, sort_keys=True)}])


def evidence_linked(db: Connection, event: Event) -> None:
    """A link elsewhere is a correction: what it was linked to before, it does not belong to. The latest word of a
    person counts, so a link takes back that the two do not belong together."""
    evidence, pain, proposed = event.data["evidence"], event.data["pain"], list(event.data.get("proposed") or ())
    here = EVIDENCE.c.id == evidence
    before = db.execute(sa.select(EVIDENCE.c.pain).where(here)).scalar()
    if before is not None and before != pain:
        add_once(db, NOT_LINKED, [{"evidence": evidence, "pain": before}])
    db.execute(sa.delete(NOT_LINKED).where(NOT_LINKED.c.evidence == evidence, NOT_LINKED.c.pain == pain))
    db.execute(sa.update(EVIDENCE).where(here).values(pain=pain))
    place = proposed.index(pain) if pain in proposed else None
    row = {"seq": event.seq, "evidence": evidence, "pain": pain, "proposed_json": json.dumps(proposed)}
    db.execute(sa.insert(LINKS), row | {"place": place})


def evidence_unlinked(db: Connection, event: Event) -> None:
    evidence, pain = event.data["evidence"], event.data["pain"]
    db.execute(sa.update(EVIDENCE).where(EVIDENCE.c.id == evidence, EVIDENCE.c.pain == pain).values(pain=None))
    add_once(db, NOT_LINKED, [{"evidence": evidence, "pain": pain}])


def pain_named(db: Connection, event: Event) -> None:
    row = {"id": event.data["pain"], "title": event.data["title"], "state": "open", "named_at": event.at}
    add_once(db, PAINS, [row | {"merged_into": None, "closed_at": None, "why": None}])


def pain_renamed(db: Connection, event: Event) -> None:
    change(db, event, title=event.data["title"])


def pain_closed(db: Connection, event: Event) -> None:
    change(db, event, state="closed", closed_at=event.at, why=event.data["why"])


def pain_reopened(db: Connection, event: Event) -> None:
    change(db, event, state="open", closed_at=None, merged_into=None, why=event.data["why"])


def pain_merged(db: Connection, event: Event) -> None:
    """The links move; the number stays taken. What was split off and comes home belongs there again."""
    pain, into = event.data["pain"], event.data["into"]
    moved = sa.select(EVIDENCE.c.id).where(EVIDENCE.c.pain == pain)
    db.execute(sa.delete(NOT_LINKED).where(NOT_LINKED.c.pain == into, NOT_LINKED.c.evidence.in_(moved)))
    db.execute(sa.update(EVIDENCE).where(EVIDENCE.c.pain == pain).values(pain=into))
    change(db, event, state="merged", merged_into=into, closed_at=event.at)


def pain_split(db: Connection, event: Event) -> None:
    """What moves to one of the parts does not belong to the rest."""
    pain = event.data["pain"]
    for evidence, part in event.data["links"].items():
        db.execute(sa.update(EVIDENCE).where(EVIDENCE.c.id == evidence).values(pain=part))
        add_once(db, NOT_LINKED, [{"evidence": evidence, "pain": pain}])


def group_dismissed(db: Connection, event: Event) -> None:
    add_once(db, DISMISSED, [{"seq": event.seq, "evidence": one} for one in event.data["evidence"]])


def text_erased(db: Connection, event: Event) -> None:
    """The row stays, without words."""
    db.execute(sa.update(EVIDENCE).where(EVIDENCE.c.text == event.data["hash"]).values(text=None))


def change(db: Connection, event: Event, **values: Any) -> None:
    db.execute(sa.update(PAINS).where(PAINS.c.id == event.data["pain"]).values(**values))


REDUCERS = (
    group_dismissed,
    evidence_linked,
    evidence_recorded,
    evidence_unlinked,
    pain_closed,
    pain_merged,
    pain_named,
    pain_renamed,
    pain_reopened,
    pain_split,
    text_erased,
)


# ---------------------------------------------------------------------------------------------- questions


def dismissed(db: Connection) -> list[set[str]]:
    """The evidence of each group that somebody said is no pain."""
    found: dict[int, set[str]] = {}
    for row in db.execute(sa.select(DISMISSED)):
        found.setdefault(row.seq, set()).add(row.evidence)
    return list(found.values())


def atoms(
    db: Connection, pain: int | None = None, first: int | None = None, last: int | None = None
) -> list[dict[str, Any]]:
    """One row per person, pain and week (a Monday as UTC days since 1970, from `first` to `last`, both included):
    person, team, pain, week, evidence (ids, the oldest first). Who is not known is "?source/team/week": however much
    such a source told that week, it counts once. A person's several addresses are one person. `team` is the newest
    that is known of it. What the platform's own team said is not here."""
    who = sa.func.coalesce(ALIASES.c.person, EVIDENCE.c.person).label("who")
    joined = EVIDENCE.outerjoin(ALIASES, ALIASES.c.alias == EVIDENCE.c.person)
    query = sa.select(EVIDENCE, who).select_from(joined).where(EVIDENCE.c.own == 0, EVIDENCE.c.pain.is_not(None))
    if pain is not None:
        query = query.where(EVIDENCE.c.pain == pain)
    if first is not None:
        query = query.where(EVIDENCE.c.week >= first)
    if last is not None:
        query = query.where(EVIDENCE.c.week <= last)
    found: dict[tuple[str, int, int], dict[str, Any]] = {}
    for row in db.execute(query.order_by(EVIDENCE.c.seq)).mappings():
        person = row["who"] or f"?{row['source']}/{row['team'] or ''}/{row['week']}"
        fresh = {"person": person, "team": None, "pain": row["pain"], "week": row["week"], "evidence": list[str]()}
        atom = found.setdefault((person, row["pain"], row["week"]), fresh)
        atom["team"] = row["team"] or atom["team"]
        atom["evidence"].append(row["id"])
    return list(found.values())
