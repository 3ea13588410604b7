"""The one thing: the pain with the highest probability of costing the most developer-hours a week, what that rests on,
and whom to talk to next while the two worst cannot be told apart.

Facts: figures_read, interview_scheduled. It reads evidence, interviews and people; how it counts is `wend/cost/`.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import access, auth, cost, privacy
from wend.context import Context
from wend.cost import whom
from wend.cost.given import Asked, Quantity, Told
from wend.errors import Conflict, NotFound
from wend.ledger import Ledger
from wend.ledger.rows import LEDGER
from wend.research import people
from wend.research.interviews import names_of
from wend.state.delivery import DAY, side_texts
from wend.state.people import ALIASES, PEOPLE
from wend.state.research import INTERVIEWS, tip
from wend.state.voice import EVIDENCE, PAINS
from wend.voice.evidence import monday

ID, VERSION, TITLE = "one_thing", 1, "The one thing"
LEAD = "research.lead"
MOST = 3  # people to talk to next
ROWS = 200  # of evidence at once
# "waited for a review | 3 a week | 40": how often, in what is written down of an interview.
OFTEN = re.compile(r"\|\s*(?P<times>\d+(?:[.,]\d+)?)\s*(?:x|×|times)?\s*(?:an?|per|/|every)\s*(?P<span>[a-z]+)")
SPANS = {"hour": 40.0, "day": 5.0, "week": 1.0, "month": 12 / 52, "quarter": 4 / 52, "year": 1 / 52}  # in a week
RELEVANT = ("evidence_%", "pain_%", "interview_%", "person_recorded", "snapshot_written", "consent_withdrawn",
            "text_erased")  # fmt: skip
NO_PAIN = "no pain is named yet: `wend feedback` and interviews bring evidence, `wend pains` names what it points to"
NO_PEOPLE = (
    "nobody can say how many people there are: tell who works here, as in `wend ingest file csv people.csv`, and pains "
    "can be counted in hours"
)
NO_EVIDENCE = (
    "no data: nothing is known of any pain yet; `wend pains inbox` has what to link, and interviews bring more"
)
FEW = f"hidden: fewer than {privacy.K} people work here"
Found = dict[str, Any]


@dataclass(frozen=True)
class Hours:
    """Developer-hours a week, with the 90 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """A pain. `evidence`: pieces of it from customers; `atoms`: persons × weeks; `own`: pieces from the platform's own
    team, which count nowhere; `teams`: how many there are behind it; `named`: those of which so many people were hit
    that it tells on nobody; `sources`: pieces by source. Hours and quantities are None while they cannot be counted."""

    pain: int
    title: str
    evidence: int
    atoms: int
    own: int
    teams: int
    named: tuple[str, ...] = ()
    sources: Mapping[str, int] = field(default_factory=dict[str, int])
    hours: Hours | None = None
    p_worst: float | None = None
    rank_low: int | None = None
    rank_high: int | None = None
    reach: Quantity | None = None
    frequency: Quantity | None = None
    minutes: Quantity | None = None
    at_least: int | None = None


@dataclass(frozen=True)
class Ranking:
    """All open pains, the likeliest worst first. `beats`: the chance that the first costs more than the second;
    `regret`: hours a week lost on average by picking the first now; `ask`: whom to talk to next; `people`: who is here,
    without the platform's own; `heard`: those of them who were drawn at random and heard; `unheard`: pains that nothing
    is known of, which have no place in it."""

    rows: tuple[Row, ...]
    separable: bool
    says: str
    ask: tuple[whom.Ask, ...]
    people: int
    heard: int
    beats: float | None = None
    regret: float | None = None
    unheard: tuple[str, ...] = ()
    id: str = ID
    version: int = VERSION


@dataclass(frozen=True)
class Known:
    """What the tables say of one day."""

    today: int
    titles: Mapping[int, str]
    evidence: Sequence[Mapping[str, Any]]
    people: Mapping[str, str]
    asked: Sequence[Asked]
    listed: frozenset[str]
    words: Mapping[str, str]


# ---------------------------------------------------------------------------------------------- pure


def per_week(text: str) -> float | None:
    """How often "waited for a review | 3 a week" is, in times a week; None when it does not say."""
    match = OFTEN.search(text.lower())
    span = match and SPANS.get(match["span"].rstrip("s"))
    return float(match["times"].replace(",", ".")) * span if match and span else None


def told(evidence: Iterable[Mapping[str, Any]], words: Mapping[str, str]) -> list[Told]:
    """One for each person, pain, week and source, whatever the number of pieces. `minutes` are per time: a piece may
    say in `about` that it stands for several `times`."""
    groups: dict[tuple[int, str, str, int, str], list[Mapping[str, Any]]] = {}
    for row in evidence:
        key = (row["pain"], row["who"] or "", row["team"] or "", row["week"], row["source"])
        groups.setdefault(key, []).append(row)
    return [one_of(key, rows, words) for key, rows in sorted(groups.items(), key=lambda one: one[0])]


def one_of(
    key: tuple[int, str, str, int, str], rows: Sequence[Mapping[str, Any]], words: Mapping[str, str]
) -> Told:  # fmt: skip
    pain, person, team, week, source = key
    abouts: list[Found] = [json.loads(row["about_json"]) for row in rows]
    times = [positive(about.get("times")) or 1.0 for about in abouts]
    minutes = [row["minutes"] / many for row, many in zip(rows, times, strict=True) if row["minutes"] is not None]
    often = [positive(about.get("per_week")) for about in abouts]
    often += [per_week(words.get(row["text"] or "", "")) for row in rows]
    known = [one for one in often if one is not None]
    count = round(sum(times)) if source == "telemetry" else 1
    return Told(pain, person, team, week, source, count, max(known, default=None),
                sum(minutes) / len(minutes) if minutes else None)  # fmt: skip


def positive(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 < value < 1e6 else None


def ranking(known: Known, own: Mapping[int, int]) -> Ranking:
    """Everything that follows from what is known."""
    rows = {pain: counted(known, pain, own.get(pain, 0)) for pain in known.titles}
    if not rows or len(known.people) < privacy.K:
        says = NO_PAIN if not rows else FEW if known.people else NO_PEOPLE
        order = sorted(rows.values(), key=lambda row: (-row.atoms, row.pain))
        return Ranking(tuple(order), False, says, (), len(known.people), len(known.asked))
    heard_of = [pain for pain, row in rows.items() if row.evidence]
    unheard = tuple(row.title for row in rows.values() if not row.evidence)
    if not heard_of:
        return Ranking((), False, NO_EVIDENCE, (), len(known.people), len(known.asked), unheard=unheard)
    tolds = told(known.evidence, known.words)
    found = cost.rank(heard_of, tolds, known.asked, known.people, known.today)
    made = tuple(filled(rows[one.pain], one) for one in found.rows)
    ask = () if found.separable else next_people(known, tolds, found)
    heard = len({one.person for one in known.asked})
    says = said(made, found, ask)
    return Ranking(made, found.separable, says, ask, len(known.people), heard, found.beats, found.regret, unheard)


def counted(known: Known, pain: int, own: int) -> Row:
    """What there is of a pain, before anything is worked out."""
    mine = [row for row in known.evidence if row["pain"] == pain]
    atoms = {(row["who"] or f"?{row['source']}/{row['team']}", row["week"]) for row in mine}
    persons = {row["who"]: known.people[row["who"]] for row in mine if row["who"] in known.people}
    teams = {row["team"] for row in mine if row["team"]} | set(persons.values())
    shown = privacy.suppress(Counter(persons.values()), len(persons)).groups
    sources = Counter(row["source"] for row in mine)
    return Row(pain, known.titles[pain], len(mine), len(atoms), own, len(teams), tuple(sorted(shown)), dict(sources))


def filled(row: Row, one: cost.Cost) -> Row:
    return replace(
        row,
        hours=Hours(one.mean, one.low, one.high),
        p_worst=one.p_worst,
        rank_low=one.rank_low,
        rank_high=one.rank_high,
        reach=one.reach,
        frequency=one.frequency,
        minutes=one.minutes,
        at_least=one.at_least,
    )


def next_people(known: Known, tolds: Sequence[Told], found: cost.Costs) -> tuple[whom.Ask, ...]:
    """Whom to talk to, so that the first two come apart; with one pain, whom it hits."""
    first, *rest = found.rows[:2]
    second = rest[0] if rest else first
    rivals = [whom.Rival(one.pain, one.mean, one.reach, one.frequency, one.minutes) for one in (first, second)]
    return tuple(
        whom.next_people(
            (rivals[0], rivals[1]), tolds, known.asked, known.people, known.today, found.whom, MOST, known.listed
        )
    )


def said(rows: Sequence[Row], found: cost.Costs, ask: Sequence[whom.Ask]) -> str:
    first = rows[0]
    if found.separable:
        return f"{first.title}: the worst with a probability of {first.p_worst or 0:.0%}"
    people = {0: "everybody was heard lately; ask again in a few weeks", 1: "talk to this person next"}
    return "not separable yet: " + people.get(len(ask), f"talk to these {len(ask)} people next")


# ---------------------------------------------------------------------------------------------- asked of the tables


def evidence_of(db: Connection, since: int | None = None) -> Any:
    """Linked evidence of open pains, each person under one name."""
    who = sa.func.coalesce(ALIASES.c.person, EVIDENCE.c.person).label("who")
    joined = EVIDENCE.join(PAINS, PAINS.c.id == EVIDENCE.c.pain)
    joined = joined.outerjoin(ALIASES, ALIASES.c.alias == EVIDENCE.c.person)
    query = sa.select(EVIDENCE, who).select_from(joined).where(PAINS.c.state == "open")
    return query if since is None else query.where(EVIDENCE.c.week >= since)


def heard(db: Connection, team_of: Mapping[str, str]) -> list[Asked]:
    """Interviews of people who were drawn, and of which something was kept: of the others nobody knows what hurts."""
    here = INTERVIEWS.c.probability.is_not(None) & INTERVIEWS.c.written_at.is_not(None)
    here &= INTERVIEWS.c.withdrawn_at.is_(None) & INTERVIEWS.c.held_at.is_not(None)
    return [
        Asked(row.person, team_of[row.person], monday(row.held_at // DAY), row.probability)
        for row in db.execute(sa.select(INTERVIEWS).where(here).order_by(INTERVIEWS.c.id))
        if row.person in team_of
    ]


def known(ctx: Context, db: Connection, today: int) -> tuple[Known, dict[int, int]]:
    """What there is, and the pieces of evidence of the platform's own team by pain."""
    query = sa.select(PAINS.c.id, PAINS.c.title).where(PAINS.c.state == "open").order_by(PAINS.c.id)
    titles = {row.id: row.title for row in db.execute(query)}
    here = {one.id: one.team for one in people.customers(ctx, db, today)}
    ours = set(db.execute(sa.select(PEOPLE.c.person).where(PEOPLE.c.team == ctx.config.platform_team)).scalars())
    rows = [dict(row) for row in db.execute(evidence_of(db).order_by(EVIDENCE.c.seq)).mappings()]
    mine = [row for row in rows if not row["own"] and row["who"] not in ours]
    own = Counter(row["pain"] for row in rows if row["own"] or row["who"] in ours)
    stories = [row["text"] for row in mine if row["source"] == "interview" and row["text"]]
    drawn = sa.select(INTERVIEWS.c.person).where(INTERVIEWS.c.probability.is_not(None))
    drawn = drawn.where(INTERVIEWS.c.week == monday(today))
    listed = frozenset(db.execute(drawn.where(INTERVIEWS.c.state == "invited")).scalars())
    return Known(today, titles, mine, here, heard(db, here), listed, side_texts(db, stories)), dict(own)


class Memory:
    """The ranking of a ledger, good until something that it rests on is heard of, or the day is over."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kept: tuple[int, Ranking] | None = None  # the day, and what was found
        self.upto = 0

    def get(self, ctx: Context, today: int) -> Ranking:
        with self.lock:
            head = ctx.ledger.head()[0]
            if self.kept is None or self.kept[0] != today or self.news(ctx, head):
                with ctx.ledger.query() as db:
                    self.kept = today, ranking(*known(ctx, db, today))
            self.upto = head
            return self.kept[1]

    def news(self, ctx: Context, head: int) -> bool:
        if head == self.upto:
            return False
        kinds = sa.or_(*(LEDGER.c.kind.like(kind) for kind in RELEVANT))
        with ctx.ledger.query() as db:
            here = LEDGER.c.seq.between(self.upto + 1, head) & kinds
            return db.execute(sa.select(LEDGER.c.seq).where(here).limit(1)).first() is not None


MEMORIES: WeakKeyDictionary[Ledger, Memory] = WeakKeyDictionary()


# ---------------------------------------------------------------------------------------------- acts


def now(ctx: Context) -> Ranking:
    """The ranking as it is today."""
    return MEMORIES.setdefault(ctx.ledger, Memory()).get(ctx, int(time.time() * 1e6) // DAY)


def leads(ctx: Context) -> bool:
    return auth.permits(ctx.actor.scopes, LEAD, None)


def show(ctx: Context) -> Found:
    """All of it as plain JSON values; that somebody looked is written down first, where people are in it. Whom to talk
    to is for those who lead interviews; the others see how many they are."""
    found = now(ctx)
    if found.rows and found.people >= privacy.K:
        access.seen(ctx, ID, "all")
    lead, ask = leads(ctx), [asdict(one) for one in found.ask]
    if lead and ask:
        access.seen(ctx, ID, "people to ask")
        with ctx.ledger.query() as db:
            names = names_of(db, [one["person"] for one in ask])
        ask = [one | {"name": names.get(one["person"])} for one in ask]
    return asdict(found) | {"title": TITLE, "ask": ask if lead else [], "to_ask": len(ask), "lead": lead}


def invite(ctx: Context) -> list[int]:
    """Put those to talk to next, who were drawn from their teams and are not on this week's list of interviews yet, on
    it, after the list itself is drawn; the numbers of their interviews. Raises Refused, and Conflict when there is
    nobody to ask."""
    auth.authorize(ctx, LEAD, None)
    people.invite(ctx)
    for _ in range(3):
        with ctx.ledger.query() as db:
            number, seq = tip(db)  # before the rest: who comes after it is then a Conflict, and nobody is listed twice
        found, day = now(ctx), int(time.time() * 1e6) // DAY
        if not found.ask:
            raise Conflict("there is nobody to ask now", "`wend one-thing` says what is known")
        with ctx.ledger.query() as db:
            everybody = {one.id: one for one in people.customers(ctx, db, day)}
        drawn = [people.Drawn(everybody[one.person], one.chance, False) for one in found.ask if one.chance is not None]
        facts = [people.invitation(ctx, number + place, monday(day), one) for place, one in enumerate(drawn, 1)]
        try:
            ctx.ledger.append(facts, expect=(people.STREAM, seq) if facts else None)
            return [fact.data["interview"] for fact in facts]
        except Conflict:
            continue  # somebody else wrote to the list; look again
    raise Conflict("the interviews of this week are being drawn elsewhere", "`wend one-thing --invite`")


def behind(ctx: Context, pain: int, limit: int = ROWS) -> list[Found]:
    """The evidence of an open pain, the newest first: evidence, source, week, at, text (None: said nothing, or erased),
    minutes, own, counts, seq. Nobody's name is on it. For who leads interviews; that they looked is written down.
    Raises NotFound and Refused."""
    auth.authorize(ctx, LEAD, None)
    with ctx.ledger.query() as db:
        query = evidence_of(db).where(EVIDENCE.c.pain == pain).order_by(EVIDENCE.c.at.desc(), EVIDENCE.c.seq.desc())
        rows = [dict(row) for row in db.execute(query.limit(limit)).mappings()]
        if not rows and db.execute(sa.select(PAINS.c.id).where(PAINS.c.id == pain)).first() is None:
            raise NotFound(f"there is no pain {pain}", "`wend one-thing --json` lists them")
        texts = side_texts(db, [row["text"] for row in rows if row["text"]])
    access.seen(ctx, ID, f"pain:{pain}")
    kept = ("source", "week", "at", "minutes", "seq")
    return [
        {name: row[name] for name in kept}
        | {"evidence": row["id"], "text": texts.get(row["text"] or ""), "own": bool(row["own"])}
        | {"about": json.loads(row["about_json"])}
        for row in rows
    ]
