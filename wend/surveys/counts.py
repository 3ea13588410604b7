"""How many were drawn, shown, answered, and what they said, weighted by the chance each had of being asked.

Every invite, shown or not, stands for 1/probability tasks. One that has no answer (a clock held it back, or nobody
answered) is spoken for by the nearest answer of the same person; whoever never answered is missing, and the response
rate says how many did. So who pushes often counts as often as they push, however rarely they may be asked.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.context import Context
from wend.ingest.people import Pseudonyms, pseudonyms
from wend.privacy import K
from wend.state.delivery import DAY
from wend.state.people import ANSWERS
from wend.state.surveys import INVITES
from wend.stats import Interval, Z, wilson
from wend.surveys import Question, gate, questions
from wend.surveys.answering import mark
from wend.surveys.asking import rates

ALARM = 0.5  # response below which nobody should trust the rest
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
    """Every question with its newest wave: question, text, wording, wave, chance, target, invited (drawn), shown,
    answered, dismissed, held (why → how many), response, and result (the mean score)."""
    day, names, chances = int(time.time() * 1e6) // DAY, pseudonyms(ctx.config.home), rates(ctx)
    with ctx.ledger.query() as db:
        return [of(db, names, one, gate.wave(one, day)) | {"chance": chances[one.id]} for one in questions()]


def of(db: Connection, names: Pseudonyms, one: Question, wave: str) -> Counts:
    newest = sa.select(sa.func.max(INVITES.c.wave)).where(INVITES.c.question == one.id)
    wave = db.execute(newest).scalar() or wave
    here = (INVITES.c.question == one.id) & (INVITES.c.wave == wave)
    rows = db.execute(sa.select(INVITES).where(here).order_by(INVITES.c.at)).mappings().all()
    scores = scored(db, one.id, wave)
    given = {row["id"]: scores.get(f"survey:{mark(names, row['id'])}") for row in rows}
    kept = set(sorted(score[0] for score in given.values() if score)[: len(scores) // STEP * STEP])
    drawn = [
        Drawn(row["person"], row["at"], row["probability"], score[1] if score and score[0] in kept else None)
        for row in rows
        for score in [given[row["id"]]]
    ]
    shown, answered = sum(row["shown_at"] is not None for row in rows), sum(one is not None for one in given.values())
    held: dict[str, int] = defaultdict(int)
    for row in rows:
        if row["held"]:
            held[row["held"]] += 1
    return {
        "question": one.id, "text": one.text(""), "wording": one.wording.id, "wave": wave, "target": one.target,
        "labels": list(one.wording.labels), "lowest": one.lowest, "highest": one.highest, "open": one.open,
        "invited": len(rows), "shown": shown, "answered": answered,
        "dismissed": sum(row["dismissed_at"] is not None for row in rows), "held": dict(sorted(held.items())),
        "response": share(answered, shown), "result": told(one, drawn),
    }  # fmt: skip


def scored(db: Connection, survey: str, wave: str) -> dict[str, tuple[int, int]]:
    """Id of an answer to a question of ours → (its event, the score)."""
    here = (ANSWERS.c.survey == survey) & (ANSWERS.c.wave == wave) & ANSWERS.c.id.like("survey:%")
    return {row.id: (row.seq, row.score) for row in db.execute(sa.select(ANSWERS).where(here))}
