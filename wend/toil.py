"""Work by hand: a procedure is a checklist that is run and timed, so that it can be told when automating it would pay
off, and when it would not. Who ran it is written down nowhere.

Facts: toil_defined, toil_run.
"""

from __future__ import annotations

import math
import re
import time
import tomllib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from wend import rates, survival
from wend.context import Context
from wend.errors import Invalid, NotFound
from wend.events import Fact
from wend.state import toil as table
from wend.state.delivery import DAY

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
STEP = re.compile(r"\s*(?:[-*+]\s+(?:\[[ xX]?\]\s*)?|\d{1,3}[.)]\s+)(\S.*)")
TITLE = re.compile(r"#+\s+(\S.*)")
LONGEST, STEPS = 500, 100  # characters of a step, and steps
HOURS = 10_000.0  # that automating something may be estimated at
RUN = 7 * 86_400.0  # seconds that one step may take
BACK, MONTH = 182, 365.25 / 12  # days of runs that count, and of a month
WITHIN = 12.0  # months in which it must have paid off
FEW = 3  # runs below which nothing is said
Item = dict[str, Any]


# ---------------------------------------------------------------------------------------------- pure


@dataclass(frozen=True)
class Procedure:
    """A checklist. `automate_hours`: what automating it is estimated to take; None: nobody said."""

    name: str
    title: str
    steps: tuple[str, ...]
    automate_hours: float | None = None


def read(name: str, text: str, automate_hours: float | None = None) -> Procedure:
    """A procedure in TOML (title, steps, automate_hours) or as a Markdown list. Raises Invalid."""
    if not NAME.fullmatch(name):
        raise Invalid(f"{name[:60]!r} cannot be a procedure's name", "use lower-case letters, digits and -")
    title, steps, hours = markdown(text) if marked(text) else toml(text)
    hours = automate_hours if automate_hours is not None else hours
    if hours is not None and not (math.isfinite(hours) and 0 < hours <= HOURS):
        raise Invalid(f"{hours!r} is no estimate in hours", f"use more than 0 and at most {HOURS:,.0f}")
    clean = [re.sub(r"\s+", " ", one).strip() for one in steps]
    if not 1 <= len(clean) <= STEPS or any(not 1 <= len(one) <= LONGEST for one in clean):
        raise Invalid(f"{len(clean)} steps make no procedure", f"write 1 to {STEPS}, as lines that begin with `- `")
    return Procedure(name, re.sub(r"\s+", " ", title).strip()[:LONGEST] or name, tuple(clean), hours)


def marked(text: str) -> bool:
    """Whether it is Markdown: it has a line of a list."""
    return any(STEP.fullmatch(line) for line in text.splitlines())


def markdown(text: str) -> tuple[str, list[str], float | None]:
    lines = text.splitlines()
    title = next((match[1] for line in lines if (match := TITLE.fullmatch(line))), "")
    return title, [match[1] for line in lines if (match := STEP.fullmatch(line))], None


def toml(text: str) -> tuple[str, list[str], float | None]:
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"this is neither a Markdown list nor TOML: {str(error)[:100]}", "see docs/toil.md") from None
    odd = [key for key in given if key not in ("title", "steps", "automate_hours")]
    steps, hours = given.get("steps", []), given.get("automate_hours")
    if odd:
        raise Invalid(f"unknown key {odd[0][:60]!r}", "known: title, steps, automate_hours")
    if not isinstance(steps, list) or not all(isinstance(one, str) for one in cast(list[object], steps)):
        raise Invalid("steps is a list of texts", 'steps = ["Ask for a ticket", "Wait for it"]')
    if hours is not None and (isinstance(hours, bool) or not isinstance(hours, int | float)):
        raise Invalid(f"automate_hours = {str(hours)[:20]} is no number", "write hours, as in 8.5")
    return str(given.get("title", "")), cast(list[str], steps), None if hours is None else float(hours)


@dataclass(frozen=True)
class Payoff:
    """What it costs by hand, in hours per month, and in how many months automating it would be worth its estimate.
    `verdict`: pays off · not yet · cannot tell."""

    hours: float | None
    low: float | None
    high: float | None
    n: int
    months: tuple[float, float, float] | None  # as measured, at best, at worst
    verdict: str
    says: str


def payoff(seconds: Sequence[float], days: float, automate_hours: float | None) -> Payoff:
    """From the runs of so many days. The hours of a month are a sum of a random number of random times: its interval is
    Garwood's for as many runs of one length as would vary as much, (Σx)²/Σx² of them."""
    n, total, squares = len(seconds), sum(seconds), sum(one * one for one in seconds)
    if n < FEW or not total or days < 7:
        return Payoff(None, None, None, n, None, "cannot tell", f"cannot tell, needs about {max(1, FEW - n)} more runs")
    alike = total * total / squares
    low, high = (end / alike for end in rates.garwood(alike))
    hours = total / 3600 / days * MONTH
    ends = (hours, hours * low, hours * high)
    if automate_hours is None:
        return Payoff(*ends, n, None, "cannot tell", "nobody said what automating it would take")
    months = (automate_hours / hours, automate_hours / ends[2], automate_hours / ends[1] if ends[1] else math.inf)
    if months[2] <= WITHIN:
        return Payoff(*ends, n, months, "pays off", f"automating it pays off in about {months[0]:.1f} months")
    if months[1] > WITHIN:
        says = (
            f"automating it does not pay off yet: not within {WITHIN:.0f} months, even at {ends[2]:.1f} hours a month"
        )
        return Payoff(*ends, n, months, "not yet", says)
    return Payoff(*ends, n, months, "cannot tell", "cannot tell yet whether automating it pays off within a year")


def typical(runs: Sequence[Item]) -> Item:
    """How long a run takes in the middle: given up ones would have taken longer (Kaplan-Meier)."""
    found = survival.median(survival.curve((one["seconds"], int(one["done"]), int(not one["done"])) for one in runs))
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n, "given_up": found.censored}


def stopped(runs: Sequence[Item], steps: Sequence[str]) -> list[Item]:
    """Per step: seconds in the middle of those who finished it, how many did, and how many gave up at it."""
    told: list[Item] = []
    for index, text in enumerate(steps):
        took = sorted(run["steps"][index] for run in runs if len(run["steps"]) > index)
        quit = sum(not run["done"] and len(run["steps"]) == index for run in runs)
        told.append({"step": text, "seconds": took[len(took) // 2] if took else None, "n": len(took), "given_up": quit})
    return told


# ---------------------------------------------------------------------------------------------- acts


def define(ctx: Context, procedure: Procedure) -> Item:
    """Write it down, or anew under the same name; runs so far stay."""
    data = {"toil": procedure.name, "title": procedure.title, "steps": list(procedure.steps)}
    data |= {"automate_hours": procedure.automate_hours}
    ctx.ledger.append([Fact("toil_defined", f"toil/{procedure.name}", data, actor=ctx.actor.name)])
    return {"toil": procedure.name, "steps": len(procedure.steps)}


def record(ctx: Context, name: str, seconds: Sequence[float], done: bool, now: int | None = None) -> Item:
    """Keep a run: the seconds of each finished step, and, for one given up, those at the step that was left as the last
    of them. By our clock it ends now. Raises NotFound and Invalid."""
    at, one = now or int(time.time() * 1e6), found(ctx, name)
    most = len(one["steps"])
    if not 1 <= len(seconds) <= most or (done and len(seconds) != most):
        raise Invalid(f"{len(seconds)} steps were timed; {name} has {most}", f"`wend toil run {name}` times them")
    if any(not math.isfinite(step) or not 0 <= step <= RUN for step in seconds):
        raise Invalid("a step took no time that can be", "seconds from 0 to a week")
    total, id = sum(seconds), uuid.uuid4().hex
    data = {"run": id, "toil": name, "started_at": at - round(total * 1e6), "seconds": total, "done": done}
    data |= {"steps": list(seconds if done else seconds[:-1])}
    ctx.ledger.append([Fact("toil_run", f"toil/{name}", data, id=f"toil:{id}")])
    return {"run": id, "seconds": total, "done": done}


# ---------------------------------------------------------------------------------------------- looks


def found(ctx: Context, name: str, now: int | None = None) -> Item:
    """A procedure with what its runs say. Raises NotFound."""
    for one in listed(ctx, now):
        if one["name"] == name:
            return one
    raise NotFound(f"there is no procedure {name[:60]!r}", "`wend toil list` shows them")


def listed(ctx: Context, now: int | None = None) -> list[Item]:
    """Every procedure with its runs of the last BACK days, what they cost, and whether automating it pays off."""
    at = now or int(time.time() * 1e6)
    with ctx.ledger.query() as db:
        every = table.procedures(db)
        return [one | told(one, table.runs(db, one["name"], at - BACK * DAY), at) for one in every]


def told(one: Item, runs: Sequence[Item], now: int) -> Item:
    begun = min([one["first_at"], *(run["started_at"] for run in runs)])
    days = max(1.0, min(BACK, (now - begun) / DAY))
    paid = payoff([run["seconds"] for run in runs], days, one["automate_hours"])
    said = paid.__dict__ | {"months": [end if math.isfinite(end) else None for end in paid.months or ()]}
    return {"payoff": said, "typical": typical(runs), "by_step": stopped(runs, one["steps"]), "days": round(days)}
