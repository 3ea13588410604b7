"""Whom to ask next: drawn at random, those sooner who are of a team, a tenure, a role or a way of working that nobody
has listened to lately. Nobody is chosen, and volunteers do not go first.

Facts: interview_scheduled.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from wend.context import Context
from wend.errors import Conflict
from wend.events import Fact
from wend.ingest.people import pseudonyms
from wend.ingest.take import bots_of
from wend.state import research as table
from wend.state.delivery import DAY
from wend.voice.evidence import monday

WANTED = 10  # people a week
RESERVE = 2  # for every one of the reserve, so many wanted
NEWEST = 90  # days for which somebody is one of the newest engineers
LONG = 84  # days after which a group counts as not heard for long, and never heard as no longer than that
LEAST = 7  # days: a group that was heard this week has a small say all the same
RESTED = 28  # days after which somebody who was heard may be asked again
DECLINED = 84  # the same for who declined
WAYS = ("team", "tenure", "role", "way")  # of dividing people; each has the same say
BETWEEN = " · "
STREAM = "interviews"


@dataclass(frozen=True)
class Person:
    """Somebody who may be asked, and the group they are in, in each of WAYS."""

    id: str
    team: str
    tenure: str
    role: str
    way: str
    heard: int | None = None  # the UTC day on which they were last heard

    @property
    def stratum(self) -> str:
        """The four groups, as people read them."""
        return BETWEEN.join(getattr(self, way) for way in WAYS)


@dataclass(frozen=True)
class Drawn:
    """A person, with the probability of being drawn at all; `reserve`: only when somebody else was missed."""

    person: Person
    probability: float
    reserve: bool


# ---------------------------------------------------------------------------------------------- pure


def silence(people: Iterable[Person], way: str, today: int) -> dict[str, int]:
    """Group → days since anybody in it was heard, between LEAST and LONG."""
    found: dict[str, int] = {}
    for one in people:
        days = LONG if one.heard is None else min(max(today - one.heard, LEAST), LONG)
        group = getattr(one, way)
        found[group] = min(found.get(group, LONG), days)
    return found


def weights(able: Sequence[Person], everybody: Sequence[Person], today: int) -> dict[str, float]:
    """Person → how much of the draw is theirs. Each way of dividing people gives away 1: to each group of it by the
    days since it was heard, and in a group to everybody alike. Whoever may be asked has some."""
    found = {one.id: 0.0 for one in able}
    for way in WAYS:
        days = silence(everybody, way, today)
        sizes: dict[str, int] = {}
        for one in able:
            sizes[getattr(one, way)] = sizes.get(getattr(one, way), 0) + 1
        total = sum(days[group] for group in sizes)
        for one in able:
            group = getattr(one, way)
            found[one.id] += days[group] / total / sizes[group]
    return found


def probabilities(weight: Mapping[str, float], wanted: int) -> dict[str, float]:
    """Person → the probability of being among `wanted`, in proportion to the weights and at most 1; they add up to
    `wanted`, or to all there are."""
    sure: set[str] = set()
    left: dict[str, float] = dict(weight)
    while left:
        places, total = wanted - len(sure), sum(left.values())
        over = {one for one, share in left.items() if places * share >= total}
        if not over or places <= 0:
            break
        sure |= over
        left = {one: share for one, share in left.items() if one not in over}
    places, total = max(0, wanted - len(sure)), sum(left.values()) or 1.0
    return {one: 1.0 if one in sure else places * weight[one] / total for one in weight}


def systematic(order: Sequence[str], chance: Mapping[str, float], start: float) -> list[str]:
    """Those on whom a comb with teeth 1 apart falls, when everybody is as wide as their probability (W. G. Madow,
    1949): each is drawn with exactly that, and neighbours in the order rarely together, so all groups are met.
    `start`: the first tooth, from 0 to 1."""
    found, reach, tooth = list[str](), 0.0, start
    for one in order:
        reach += chance[one]
        while tooth < reach - 1e-9:
            found.append(one)
            tooth += 1
    return found


def draw(able: Sequence[Person], everybody: Sequence[Person], wanted: int, today: int, seed: str) -> list[Drawn]:
    """The people of a week, in the order in which to ask; then the reserve. The same seed draws the same."""
    dice = random.Random(seed)
    order = sorted(able, key=lambda one: one.id)
    weight = weights(order, everybody, today)
    dice.shuffle(order)
    order.sort(key=lambda one: (one.tenure, one.way, one.team, one.role))
    places = wanted + -(-wanted // RESERVE)
    chance = probabilities(weight, places)
    listed = systematic([one.id for one in order], chance, dice.random())
    share = {one: min(1.0, wanted / len(listed)) for one in listed}
    first = set(systematic(listed, share, dice.random())) if len(listed) > wanted else set(listed)
    dice.shuffle(listed)
    known = {one.id: one for one in able}
    drawn = [Drawn(known[one], chance[one], one not in first) for one in listed]
    return sorted(drawn, key=lambda one: one.reserve)


def rested(one: Person, missed: tuple[int, str] | None, today: int) -> bool:
    """Whether they may be asked again: neither heard nor refused lately."""
    if one.heard is not None and today - one.heard < RESTED:
        return False
    return missed is None or missed[1] != "declined" or today - missed[0] // DAY >= DECLINED


def person_of(row: Mapping[str, object], off: set[str], heard: Mapping[str, int], today: int) -> Person:
    """A row of the people, with the groups they are in."""
    joined, team = row["joined_at"], plain(row["team"])
    tenure = "tenure not known"
    if isinstance(joined, int):
        tenure = "newest" if today - joined // DAY < NEWEST else "longer here"
    at = heard.get(str(row["person"]))
    way = "off the path" if row["team"] in off else "on the path"
    role = plain(row["role"]) or "role not known"
    return Person(str(row["person"]), team or "no team", tenure, role, way, None if at is None else at // DAY)


def plain(group: object) -> str:
    """A group's name without what stands between groups."""
    return str(group or "").replace(BETWEEN.strip(), "-")


def groups_of(stratum: str) -> dict[str, str]:
    """Way → group, of a stratum as it was written; empty for somebody of whom it was not known."""
    parts = stratum.split(BETWEEN)
    return dict(zip(WAYS, parts, strict=True)) if len(parts) == len(WAYS) else {}


@dataclass(frozen=True)
class Group:
    """How far a group was listened to. `days`: since anybody in it was heard; None: nobody ever was."""

    way: str
    name: str
    people: int
    heard: int
    days: int | None


def coverage(everybody: Sequence[Person], today: int) -> list[Group]:
    """Every group of every way, those that were not heard for longest first. `heard`: people, within LONG days."""
    found: list[Group] = []
    for way in WAYS:
        members: dict[str, list[Person]] = {}
        for one in everybody:
            members.setdefault(getattr(one, way), []).append(one)
        for name, there in members.items():
            days = [today - one.heard for one in there if one.heard is not None]
            lately = sum(1 for one in days if one < LONG)
            found.append(Group(way, name, len(there), lately, min(days, default=None)))
    return sorted(found, key=lambda one: (WAYS.index(one.way), one.days is not None, -(one.days or 0), one.name))


# ---------------------------------------------------------------------------------------------- acts


def today() -> int:
    """The UTC day since 1970."""
    return int(time.time() * 1e6) // DAY


def customers(ctx: Context, db: Connection, day: int) -> list[Person]:
    """Everybody who is here and is a customer: not of the platform's own team, and no machine."""
    names = pseudonyms(ctx.config.home)
    machines = {names.of(one) for one in bots_of(ctx.config.bots)}
    off, heard = table.off_the_path(db), table.last_heard(db)
    now = (day + 1) * DAY
    return [
        person_of(row, off, heard, day)
        for row in table.everybody(db)
        if row["team"] != ctx.config.platform_team
        and row["person"] not in machines
        and (row["left_at"] is None or row["left_at"] >= now)
        and (row["joined_at"] is None or row["joined_at"] < now)
    ]


def invite(ctx: Context) -> list[int]:
    """Draw the people of this week, if that is not done yet; the numbers of the interviews. Asking twice is the same
    as asking once, for the first draw is kept."""
    for _ in range(3):
        day = today()
        week = monday(day)
        with ctx.ledger.query() as db:
            number, seq = table.tip(db)  # first: whoever draws after this makes ours a Conflict, never a second list
            there = [one["id"] for one in table.of_week(db, week) if one["probability"] is not None]
            everybody, missed = customers(ctx, db, day), table.last_missed(db)
        if there:
            return there
        able = [one for one in everybody if rested(one, missed.get(one.id), day)]
        seed = pseudonyms(ctx.config.home).digest(f"interviews {week}")
        drawn = draw(able, everybody, WANTED, day, seed) if able else []
        facts = [invitation(ctx, number + place, week, one) for place, one in enumerate(drawn, 1)]
        try:
            ctx.ledger.append(facts, expect=(STREAM, seq) if facts else None)
            return [fact.data["interview"] for fact in facts]
        except Conflict:
            continue  # somebody else drew at the same time; theirs holds
    raise Conflict("the interviews of this week are being drawn elsewhere", "`wend interview next`")


def invitation(ctx: Context, interview: int, week: int, drawn: Drawn) -> Fact:
    data = {"interview": interview, "person": drawn.person.id, "week": week, "stratum": drawn.person.stratum}
    data |= {"probability": round(drawn.probability, 6), "reserve": drawn.reserve}
    return Fact("interview_scheduled", STREAM, data, actor=ctx.actor.name, id=f"interview_scheduled:{interview}")
