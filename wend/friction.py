"""Friction logs: what somebody wrote down while they did something for the first time, step by step. Pure.

    name: Ada
    date: 2026-11-25
    environment: laptop, Python 3.12
    scenario: Deploy a Flask app that I have, without help.

    10:02 green   `wend new` just worked
    10:05 red     the push was refused, and I do not know what $PORT is
    10:19 blue    where would I have read that?

Green is great, orange could be better, red is where I would give up if this were not my job, blue is a question and
purple any other comment (A. Hammerly's colours).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from wend.errors import Invalid

COLOURS = ("green", "orange", "red", "blue", "purple")
HEAD = ("name", "date", "environment", "scenario")
LONGEST, MOST = 200_000, 300  # characters and steps of one log
STEP = re.compile(r"[-*]?\s*\[?([0-9]{1,2}):([0-9]{2})\]?\s+\**(\w+)\**\s*[:–-]?\s*(.*)")  # people type it
FIELD = re.compile(r"[-*]?\s*\**([A-Za-z]+)\**\s*:\**\s*(.*)")
EXAMPLE = "10:05 red the push was refused, and I do not know why"


@dataclass(frozen=True)
class Step:
    """What happened at `at` (minutes of the day). `minutes` until the next step; None: there is none."""

    at: int
    colour: str
    text: str
    minutes: float | None = None


@dataclass(frozen=True)
class Log:
    name: str
    date: str
    environment: str
    scenario: str
    steps: tuple[Step, ...]


def read(text: str) -> Log:
    """The log. Raises Invalid with the line that is wrong, or the part that is missing."""
    if len(text) > LONGEST:
        raise Invalid(f"the log has {len(text):,} characters; {LONGEST:,} at most are read", "send it in parts")
    head, steps = dict[str, str](), list[Step]()
    for number, line in enumerate(text.splitlines(), 1):
        said = line.strip()
        step, field = STEP.fullmatch(said), FIELD.fullmatch(said)
        if step:
            steps.append(step_of(number, step))
        elif steps and said:
            steps[-1] = replace(steps[-1], text=f"{steps[-1].text}\n{said}".strip())
        elif field and not steps and field[1].lower() in HEAD:
            head[field[1].lower()] = field[2].strip()
    for name in HEAD:
        if not head.get(name):
            raise Invalid(f"the log does not say its {name}", f"begin it with lines like: {name}: …")
    if not 1 <= len(steps) <= MOST:
        raise Invalid(f"the log has {len(steps)} steps; it needs 1 to {MOST}", f"a step a line: {EXAMPLE}")
    return Log(**head | {"date": day(head["date"])}, steps=tuple(timed(steps)))  # type: ignore[arg-type]


def step_of(number: int, found: re.Match[str]) -> Step:
    hour, minute, colour = int(found[1]), int(found[2]), found[3].lower()
    if hour > 23 or minute > 59:
        raise Invalid(f"line {number}: {found[1]}:{found[2]} is no time of a day", EXAMPLE)
    if colour not in COLOURS:
        raise Invalid(f"line {number}: {found[3][:20]!r} is no colour of a step", f"there are: {', '.join(COLOURS)}")
    return Step(60 * hour + minute, colour, found[4].strip())


def timed(steps: list[Step]) -> Iterator[Step]:
    """Each with the minutes until the next; a step that is earlier than the one before is on the next day."""
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        if not step.text:
            raise Invalid(f"the step at {step.at // 60:02}:{step.at % 60:02} has no words", EXAMPLE)
        yield replace(step, minutes=float((after.at - step.at) % 1440)) if after else step


def day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise Invalid(f"date: {text[:30]!r} is no day", "write it like 2026-11-25") from None
