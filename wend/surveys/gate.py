"""Whether somebody may be asked something now. Pure: the same history, question, time and situation, the same answer.

The rules are those of discovery research: the chance is fixed before anything happens and is written down with whoever
is drawn, shown or not; one question in 14 days at most, one about a topic in 84 by a clock of its own, counted from
when it was shown; nothing in trouble; and there is an end to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from wend import privacy
from wend.surveys import Question

DAY = 86_400_000_000  # microseconds
EVERY = 14  # days between two questions to one person, whatever they are about
SNOOZE = 90  # days of peace after "not now"
SEASON = 14  # days a season's question is asked from the first of its month on
OPEN = 7  # days for which a question can be answered
UNDER_WAY = 3_600_000_000  # microseconds for which a question that was drawn may still be shown
RESPONSE, PRIOR = 0.3, 10.0  # of those asked who answer, and how many asked that guess is worth
WEEKS = 13.0  # of a wave


@dataclass(frozen=True)
class Past:
    """A question that a person was drawn for. `shown_at`: None, not (or not yet). `held`: it was not to be shown."""

    topic: str
    at: int
    shown_at: int | None = None
    dismissed_at: int | None = None
    held: bool = False


@dataclass(frozen=True)
class Situation:
    """What just happened to whom. `drawn`: their number of the draw, from 0 to below 1; `probability`: below which it
    is their turn. `watched`: a person reads along; `own`: of the platform's team; `answered`: answers of this wave."""

    drawn: float
    probability: float
    trigger: str
    person: bool = True
    watched: bool = True
    own: bool = False
    answered: int = 0
    incident: bool = False
    failed: bool = False
    under_way: bool = False


@dataclass(frozen=True)
class Ask:
    """Ask, with this chance."""

    probability: float


@dataclass(frozen=True)
class Reason:
    """Why not. `held`: it was their turn, so it is written down that they were not asked; others were never in
    question."""

    code: str
    held: bool = False


def may_ask(history: Sequence[Past], question: Question, now: int, context: Situation) -> Ask | Reason:
    """Whether to ask this person this question now. `history`: what they were drawn for, in any order."""
    out = outside(question, now, context)
    if out:
        return Reason(out)
    if context.drawn >= context.probability:
        return Reason("not drawn")
    kept = trouble(context) or clocks(history, question.topic(context.trigger), question.rest, now)
    return Reason(kept, held=True) if kept else Ask(context.probability)


def outside(question: Question, now: int, context: Situation) -> str:
    """Why nobody like this is asked at all."""
    if not context.person:
        return "not a person"
    if not context.watched:
        return "nobody reads along"
    if context.own:
        return "the platform's own team"
    if context.trigger not in question.after:
        return "another task"
    if not in_season(question, now // DAY):
        return "out of season"
    return "enough answers" if context.answered >= question.target else ""


def trouble(context: Situation) -> str:
    if context.incident:
        return "an incident is open"
    if context.failed:
        return "a deploy failed"
    return "a deploy is under way" if context.under_way else ""


def clocks(history: Sequence[Past], topic: str, rest: int, now: int) -> str:
    """The global clock, that of the topic, and peace for who wants it. What is about to be shown counts as shown."""
    if any(one.dismissed_at is not None and now - one.dismissed_at < SNOOZE * DAY for one in history):
        return "not now"
    seen = [(one.topic, at) for one in history if (at := seen_at(one, now)) is not None]
    if any(now - at < EVERY * DAY for _, at in seen):
        return "asked lately"
    if any(one == topic and now - at < rest * DAY for one, at in seen):
        return "asked about this lately"
    return ""


def seen_at(one: Past, now: int) -> int | None:
    if one.shown_at is not None or one.held:
        return one.shown_at
    return one.at if now - one.at < UNDER_WAY else None


# ---------------------------------------------------------------------------------------------- waves and chances


def wave(question: Question, day: int) -> str:
    """The wave that a question of this UTC day belongs to: its quarter, or the month of its season."""
    at = privacy.EPOCH + timedelta(days=day)
    return f"{at.year}-{at.month:02}" if question.season else privacy.quarter(day).name


def in_season(question: Question, day: int) -> bool:
    at = privacy.EPOCH + timedelta(days=day)
    return not question.season or (at.month in question.season and at.day <= SEASON)


def unit(question: Question, person: str, event: str, day: int) -> str:
    """What is drawn: the event, or of a season's question the person, once a wave."""
    return f"{question.id} {person} {wave(question, day) if question.season else event}"


def chance(question: Question, weekly: float, shown: int, answered: int) -> float:
    """How likely one is asked after a task, when there are so many a week, so that a wave reaches its target, given how
    many of those asked so far answered. Worked out before the week begins."""
    response = (answered + RESPONSE * PRIOR) / (shown + PRIOR)
    needed = question.target / WEEKS / response
    return min(question.most, max(question.least, needed / weekly if weekly > 0 else question.most))
