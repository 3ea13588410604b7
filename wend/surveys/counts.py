"""How many were drawn, shown, answered, and what they said, weighted by the chance each had of being asked.

Every invite, shown or not, stands for 1/probability tasks. One that has no answer (a clock held it back, or nobody
answered) is spoken for by the nearest answer of the same person; whoever never answered is missing, and the response
rate says how many did. So who pushes often counts as often as they push, however rarely they may be asked.
"""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import access
from wend.context import Context
from wend.ingest.people import Pseudonyms, pseudonyms
from wend.privacy import K
from wend.state.delivery import DAY
from wend.state.people import ANSWERS
from wend.state.surveys import INVITES
from wend.stats import Interval, Z, wilson
from wend.surveys import Question, gate, question, questions
from wend.surveys.answering import mark
from wend.surveys.asking import rates

ALARM = 0.5  # response below which nobody should trust the rest
EASY = 4  # from which a push was easy
STEP = K  # answers are told in steps of so many, so that no two figures differ by one person's answer
HIDDEN = f"hidden: fewer than {K}"
Counts = dict[str, Any]


@dataclass(frozen=True)
class Drawn:
    """An invite of a person, and the score they gave; None: none."""

    person: str
    at: int
    probability: float
    score: float | None = None


# ---------------------------------------------------------------------------------------------- pure


def weigh(drawn: Sequence[Drawn]) -> list[tuple[str, float, float]]:
    """(person, weight, score) of each answer: how many tasks it speaks for."""
    mine: dict[str, list[Drawn]] = defaultdict(list)
    for one in drawn:
        mine[one.person].append(one)
    found: list[tuple[str, float, float]] = []
    for person, invites in mine.items():
        answers = [one for one in invites if one.score is not None]
        weights = dict.fromkeys(range(len(answers)), 0.0)
        for invite in invites if answers else ():
            nearest = min(weights, key=lambda at: (abs(answers[at].at - invite.at), at))
            weights[nearest] += 1 / invite.probability
        found += [(person, weights[at], one.score or 0.0) for at, one in enumerate(answers)]
    return found


def mean(weighed: Sequence[tuple[str, float, float]]) -> Interval | None:
    """The weighted mean score with its interval, from how much people (not answers) differ: a ratio's variance by
    linearization (W. G. Cochran, 1977, 6.3), clustered by person. n: people. None: fewer than two."""
    whole = sum(weight for _, weight, _ in weighed)
    people = {person for person, _, _ in weighed}
    if len(people) < 2:
        return None
    value = sum(weight * score for _, weight, score in weighed) / whole
    off: dict[str, float] = defaultdict(float)
    for person, weight, score in weighed:
        off[person] += weight * (score - value)
    n = len(people)
    reach = Z * math.sqrt(n / (n - 1) * sum(one * one for one in off.values())) / whole
    return Interval(value, value - reach, value + reach, n)


def share(answered: int, shown: int) -> Counts:
    """The response rate, hidden while it is of few; `alarm` when fewer than half answer."""
    found = wilson(answered, shown)
    if found is None or shown < K:
        return {"value": None, "low": None, "high": None, "n": shown, "says": HIDDEN, "alarm": False}
    says = "fewer than half of those asked answer: trust what they said as little" if found.value < ALARM else ""
    return {"value": found.value, "low": found.low, "high": found.high, "n": shown, "says": says, "alarm": bool(says)}


def told(question: Question, drawn: Sequence[Drawn]) -> Counts:
    """What was answered, as it may be shown."""
    found = mean(weigh(drawn))
    if found is None or found.n < K:
        return {"value": None, "low": None, "high": None, "n": None, "says": HIDDEN}
    low, high = max(found.low, question.lowest), min(found.high, question.highest)
    return {"value": round(found.value, 1), "low": round(low, 1), "high": round(high, 1), "n": found.n, "says": ""}


# ---------------------------------------------------------------------------------------------- asked of the tables


def listed(ctx: Context) -> list[Counts]:
    """Every question with its newest wave, and one of satisfaction for each thing it is about: question, topic, text,
    wording, wave, chance, target, invited (drawn), shown, answered, dismissed, held (why → how many), response, and
    result (the mean score). That somebody saw what people answered is written down."""
    day, names, chances = int(time.time() * 1e6) // DAY, pseudonyms(ctx.config.home), rates(ctx)
    found: list[Counts] = []
    with ctx.ledger.query() as db:
        for one in questions():
            for topic in dict.fromkeys(map(one.topic, one.after)):
                wave = gate.wave(one, day) if gate.in_season(one, day) else "not yet"
                found.append(of(db, names, one, topic, wave) | {"chance": chances[one.id]})
    if any(one["result"]["value"] is not None for one in found):
        access.seen(ctx, "surveys", "all")
    return found


def of(db: Connection, names: Pseudonyms, one: Question, topic: str, wave: str) -> Counts:
    here = (INVITES.c.topic == topic) & (INVITES.c.wording == one.wording.id)
    wave = db.execute(sa.select(sa.func.max(INVITES.c.wave)).where(here)).scalar() or wave
    query = sa.select(INVITES).where(here & (INVITES.c.wave == wave)).order_by(INVITES.c.at)
    rows = db.execute(query).mappings().all()
    scores = scored(db, one.id, wave)
    given = {row["id"]: scores.get(f"survey:{mark(names, row['id'])}") for row in rows}
    order = sorted(score[0] for score in given.values() if score)
    kept = set(order[: len(order) // STEP * STEP])
    drawn = [
        Drawn(row["person"], row["at"], row["probability"], score[1] if score and score[0] in kept else None)
        for row in rows
        for score in [given[row["id"]]]
    ]
    shown = sum(row["shown_at"] is not None for row in rows)
    dismissed = sum(row["dismissed_at"] is not None for row in rows)
    return {
        "question": one.id, "topic": topic, "text": one.text(topic), "wording": one.wording.id, "wave": wave,
        "target": one.target, "labels": list(one.wording.labels), "lowest": one.lowest, "highest": one.highest,
        "open": one.open, "invited": len(rows), "shown": shown, "answered": len(order), "dismissed": dismissed,
        "held": dict(Counter(row["held"] for row in rows if row["held"])),
        "response": share(len(order), shown), "result": told(one, drawn),
    }  # fmt: skip


def scored(db: Connection, survey: str, wave: str) -> dict[str, tuple[int, int]]:
    """Id of an answer to a question of ours → (its event, the score)."""
    here = (ANSWERS.c.survey == survey) & (ANSWERS.c.wave == wave) & ANSWERS.c.id.like("survey:%")
    return {row.id: (row.seq, row.score) for row in db.execute(sa.select(ANSWERS).where(here))}


def ease(db: Connection, names: Pseudonyms) -> dict[str, Interval]:
    """Golden path → the share who found their push easy (4 or 5 of 5) in the newest wave, weighted like everything
    else. Of all paths that were answered for, or of none: with one left out, its few answers would be what is missing
    from the whole."""
    one = question("ease")
    here = INVITES.c.question == one.id
    wave = db.execute(sa.select(sa.func.max(INVITES.c.wave)).where(here)).scalar()
    scores = scored(db, one.id, wave) if wave else {}
    drawn: dict[str, list[Drawn]] = defaultdict(list)
    for row in db.execute(sa.select(INVITES).where(here, INVITES.c.wave == wave).order_by(INVITES.c.at)).mappings():
        score = scores.get(f"survey:{mark(names, row['id'])}")
        good = None if score is None else float(score[1] >= EASY)
        drawn[row["path"] or ""].append(Drawn(row["person"], row["at"], row["probability"], good))
    found = {path: mean(weigh(some)) for path, some in drawn.items() if any(each.score is not None for each in some)}
    if any(each is None or each.n < K for each in found.values()):
        return {}
    return {path: bounded(each) for path, each in found.items() if path and each}


def bounded(found: Interval) -> Interval:
    """As a share."""
    return Interval(found.value, max(0.0, found.low), min(1.0, found.high), found.n)
