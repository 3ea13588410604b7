"""Asking: who is drawn, what they are shown, and what is written down of it.

The draw takes no look at any table, so who is not drawn pays nothing; who is, is decided on while the deploy is at
work. Facts: survey_invited, survey_shown, survey_dismissed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import feedback
from wend.context import Context
from wend.errors import Conflict, WendError
from wend.events import Fact
from wend.feedback import Person
from wend.ingest.people import Pseudonyms, pseudonyms
from wend.ledger import Ledger
from wend.state.bets import LOOP
from wend.state.delivery import DAY, INCIDENTS
from wend.state.people import ALIASES, ANSWERS
from wend.state.surveys import INVITES
from wend.state.tables import APPS, DEPLOYS, RELEASES
from wend.surveys import Question, gate, question, questions, worded, wording
from wend.surveys.gate import Ask, Past, Situation
from wend.voice import evidence

MONTH = 30 * DAY
RATES: WeakKeyDictionary[Ledger, tuple[int, Mapping[str, float]]] = WeakKeyDictionary()
HANDS = ThreadPoolExecutor(2, thread_name_prefix="survey")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Invite:
    """A question to a person, as it can be shown."""

    id: str
    question: str
    text: str
    labels: tuple[str, ...]
    lowest: int
    highest: int

    def line(self) -> str:
        """In a terminal, which cannot read keys for git."""
        if not self.labels:
            return f'{self.text}  wend answer "in your words", or: wend answer 0 (nothing), wend answer skip'
        ends = f"{self.lowest} {self.labels[0]} … {self.highest} {self.labels[-1]}"
        return f"{self.text}  wend answer {self.lowest}-{self.highest} ({ends}), or: wend answer skip"


# ---------------------------------------------------------------------------------------------- the draw


def lot(names: Pseudonyms, unit: str) -> float:
    """A number from 0 to below 1 that nobody can know without the platform's key, and nobody can draw again."""
    return int(names.digest(f"draw {unit}"), 16) / 2**64


def rates(ctx: Context) -> Mapping[str, float]:
    """The chances of this week by question; until they are worked out, the least there are."""
    return RATES.get(ctx.ledger, (0, {one.id: one.least for one in questions()}))[1]


def work_out(ctx: Context) -> None:
    """Work out the week's chances, once, from what was there before it began."""
    monday = evidence.monday(int(time.time() * 1e6) // DAY)
    if RATES.get(ctx.ledger, (0, {}))[0] != monday:
        with ctx.ledger.query() as db:
            RATES[ctx.ledger] = (monday, {one.id: chance(db, one, monday * DAY) for one in questions()})


def chance(db: Connection, one: Question, before: int) -> float:
    done = DEPLOYS.c.cause.in_(one.after) & DEPLOYS.c.state.in_(("live", "done"))
    done &= DEPLOYS.c.started_at.between(before - 28 * DAY, before - 1)
    units = sa.func.count(sa.distinct(DEPLOYS.c.actor)) if one.season else sa.func.count()
    weekly = (db.execute(sa.select(units).where(done)).scalar() or 0) / (gate.WEEKS if one.season else 4)
    seen = (INVITES.c.question == one.id) & (INVITES.c.shown_at < before)
    shown = db.execute(sa.select(sa.func.count()).where(seen)).scalar() or 0
    given = (ANSWERS.c.survey == one.id) & ANSWERS.c.id.like("survey:%") & (ANSWERS.c.day < before // DAY)
    return gate.chance(one, weekly, shown, db.execute(sa.select(sa.func.count()).where(given)).scalar() or 0)


def drawn(ctx: Context, trigger: str, event: str) -> dict[str, tuple[str, float, float]]:
    """Question → (what was drawn for, the number, the chance), of those whose turn it is. No table is looked at."""
    names, day, chances = pseudonyms(ctx.config.home), int(time.time() * 1e6) // DAY, rates(ctx)
    person, found = names.of(ctx.actor.name), dict[str, tuple[str, float, float]]()
    for one in questions():
        if trigger in one.after and gate.in_season(one, day):
            unit = gate.unit(one, person, event, day)
            if (number := lot(names, unit)) < chances[one.id]:
                found[one.id] = (unit, number, chances[one.id])
    return found


# ---------------------------------------------------------------------------------------------- the decision


def decide(ctx: Context, trigger: str, app: str, event: str) -> Invite | None:
    """Whether the person is asked something after this; it is written down who was drawn. The same event is decided
    once."""
    lots = drawn(ctx, trigger, event) if ctx.actor.kind == "human" else {}
    if not lots:
        return None
    now, names, facts, asked = int(time.time() * 1e6), pseudonyms(ctx.config.home), list[Fact](), list[Invite]()
    with ctx.ledger.query() as db:
        who = feedback.person(ctx, db)
        past, last = history(db, who)
        for id, (unit, number, likely) in lots.items():
            one, key = question(id), names.digest(f"invite {unit}")
            if db.execute(sa.select(INVITES.c.id).where(INVITES.c.id == key)).first():
                continue
            here = situation(ctx, db, who, app, one, Situation(number, likely, trigger, own=who.own))
            answer = gate.may_ask(past, one, now, here)
            if isinstance(answer, Ask) or answer.held:
                late = isinstance(answer, Ask) and bool(asked)
                held = "another question" if late else "" if isinstance(answer, Ask) else answer.code
                facts.append(invited(key, one, who, likely, trigger, held, now, path_of(db, app)))
                asked += [] if held else [invite_of(key, one.id, one.wording.id, one.topic(trigger))]
    try:
        ctx.ledger.append(facts, expect=(f"asked/{who.id}", last)) if facts else None
    except Conflict:
        return None  # they are being asked elsewhere at this moment
    return asked[0] if asked else None


def decide_after(ctx: Context, trigger: str, app: str, begun: int) -> Invite | None:
    """The same after an act that may have been a deploy of this person's since then; one that was none asks nothing."""
    mine = (DEPLOYS.c.app == app) & (DEPLOYS.c.actor == ctx.actor.name) & (DEPLOYS.c.cause == trigger)
    query = sa.select(DEPLOYS.c.id).where(mine & (DEPLOYS.c.started_at >= begun)).order_by(DEPLOYS.c.started_at.desc())
    with ctx.ledger.query() as db:
        deploy = db.execute(query.limit(1)).scalar()
    return decide(ctx, trigger, app, str(deploy)) if deploy else None


def path_of(db: Connection, app: str) -> str | None:
    """The golden path that the app is on."""
    here = (RELEASES.c.app == APPS.c.name) & (RELEASES.c.number == APPS.c.live)
    return db.execute(sa.select(RELEASES.c.path).join(APPS, here).where(APPS.c.name == app)).scalar()


def invited(
    key: str, one: Question, who: Person, likely: float, trigger: str, held: str, now: int, path: str | None
) -> Fact:
    data = {"invite": key, "question": one.id, "topic": one.topic(trigger), "wording": one.wording.id}
    data |= {"wave": gate.wave(one, now // DAY), "person": who.id, "team": who.team, "probability": likely}
    data |= {"trigger": trigger, "held": held or None, "until": now + gate.OPEN * DAY, "path": path}
    return Fact("survey_invited", f"asked/{who.id}", data, actor="survey", id=f"survey_invited:{key}")


def invite_of(key: str, id: str, version: str, topic: str) -> Invite:
    one, words = question(id), wording(version)
    return Invite(key, id, worded(words.text, topic), words.labels, one.lowest, one.highest)


def history(db: Connection, who: Person) -> tuple[list[Past], int]:
    """What the person was drawn for, under any of their names; and the last event of their stream."""
    names = sa.select(ALIASES.c.alias).where(ALIASES.c.person == who.id)
    mine = (INVITES.c.person == who.id) | INVITES.c.person.in_(names)
    rows = db.execute(sa.select(INVITES).where(mine)).mappings().all()
    keys = ("topic", "at", "shown_at", "dismissed_at")
    past = [Past(**{key: row[key] for key in keys}, held=row["held"] is not None) for row in rows]
    loop = sa.select(LOOP.c.asked_at).where((LOOP.c.person == who.id) | LOOP.c.person.in_(names))
    past += [Past("bet", at, at) for at in db.execute(loop).scalars()]  # whether a bet helped is a question, too
    return past, max((row["seq"] for row in rows if row["person"] == who.id), default=0)


def situation(ctx: Context, db: Connection, who: Person, app: str, one: Question, here: Situation) -> Situation:
    """How things stand for the person: incidents and deploys of their apps, other than this one's own deploy."""
    now = int(time.time() * 1e6)
    mine = set(db.execute(sa.select(APPS.c.name).where(APPS.c.team == who.team)).scalars()) if who.team else set[str]()
    theirs = (DEPLOYS.c.actor == ctx.actor.name) & (DEPLOYS.c.started_at > now - MONTH)
    mine |= {app, *db.execute(sa.select(DEPLOYS.c.app).where(theirs).distinct()).scalars()}
    recent = DEPLOYS.c.app.in_(mine - {app}) & (DEPLOYS.c.started_at > now - DAY)
    query = sa.select(DEPLOYS.c.app, DEPLOYS.c.state).where(recent).order_by(DEPLOYS.c.started_at)
    states = {row.app: row.state for row in db.execute(query)}
    over = INCIDENTS.c.resolved_at.is_(None) | (INCIDENTS.c.reopened_at > INCIDENTS.c.resolved_at)
    broken = INCIDENTS.c.service.in_(mine) & (INCIDENTS.c.retracted == 0) & over
    given = (
        (ANSWERS.c.survey == one.id) & (ANSWERS.c.wave == gate.wave(one, now // DAY)) & ANSWERS.c.id.like("survey:%")
    )
    return Situation(
        here.drawn, here.probability, here.trigger, own=here.own,
        answered=db.execute(sa.select(sa.func.count()).where(given)).scalar() or 0,
        incident=db.execute(sa.select(INCIDENTS.c.id).where(broken).limit(1)).first() is not None,
        failed="failed" in states.values(), under_way="running" in states.values(),
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------- acts


@dataclass
class Asking:
    """A decision under way beside a deploy."""

    ctx: Context
    found: list[Invite] = field(default_factory=list[Invite])

    def show(self, say: Callable[[str], None]) -> None:
        """Say the question if there is one by now. That it was shown is written down by another thread: nobody waits
        for it."""
        if self.found:
            say(f"  {self.found[0].line()}")
            apart("shown", lambda: shown(self.ctx, self.found[0].id, "terminal"))


def pushed(ctx: Context, app: str, commit: str) -> Asking | None:
    """Decide beside a push whether its end brings a question; None: it does not, as mostly. It raises nothing: no push
    fails for a question."""
    event, asking = push_event(app, commit), Asking(ctx)

    def think() -> None:
        found = decide(ctx, "push", app, event)
        asking.found += [found] if found else []

    try:
        if ctx.actor.kind != "human" or not drawn(ctx, "push", event):
            return None
        apart("ask", think)
    except Exception:
        log.exception("the draw")
        return None
    return asking


def push_event(app: str, commit: str) -> str:
    return f"push {app} {commit}"


def apart(name: str, act: Callable[[], object]) -> None:
    """Act soon, on a thread that is there already: to start one is to wait until it has begun."""

    def quietly() -> None:
        try:
            act()
        except WendError as error:
            log.warning("%s: %s", name, error.message)
        except Exception:
            log.exception("%s", name)

    HANDS.submit(quietly)


def shown(ctx: Context, invite: str, channel: str) -> None:
    """Write down that a question was shown, in the terminal or the portal; again changes nothing."""
    with ctx.ledger.query() as db:
        person = db.execute(sa.select(INVITES.c.person).where(INVITES.c.id == invite)).scalar()
    data = {"invite": invite, "channel": channel}
    ctx.ledger.append([Fact("survey_shown", f"asked/{person}", data, actor="survey", id=f"survey_shown:{invite}")])
