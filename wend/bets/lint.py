"""Outcome statements, read with suspicion: "who can do what in a new number instead of an old number".

A feature dressed as an outcome is refused, and so is what nobody could ever check. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from wend.bets.vocabulary import (
    DONE,
    FEATURE_FORMS,
    FILLERS,
    FITS,
    GETTING_FORMS,
    HAVING_FORMS,
    KINDS,
    TEAM,
    THINGS,
    UNITS,
)
from wend.errors import Invalid
from wend.signals.definitions import DEFINITIONS, Definition

EPOCH = date(1970, 1, 1)
LONGEST = 200  # characters of who, and of what they can do
FARTHEST = 366  # days ahead that a bet may reach
REPHRASE = "say what they can do then: who can DO WHAT in NEW instead of OLD"
SENTENCE = re.compile(
    r"(?P<who>.+?) can (?P<can>.+?) (?:in|with|at) (?P<new>[^ ].*?) instead of (?P<old>.+)", re.DOTALL
)
AMOUNT = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*(.*)", re.DOTALL)
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Problem:
    """What is wrong with a bet, and what to do about it."""

    what: str
    hint: str


@dataclass(frozen=True)
class Dates:
    """UTC days since 1970. `appetite`: days of work that may be lost on it."""

    today: int
    by: int
    kill: int
    appetite: int


# ---------------------------------------------------------------------------------------------- words


def plain(text: str) -> str:
    """One line, without what cannot be seen, and letters of other shapes as the usual ones."""
    folded = unicodedata.normalize("NFKC", text)
    seen = "".join(" " if one.isspace() else one for one in folded if one.isspace() or one.isprintable())
    return re.sub(" +", " ", seen).strip()


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+(?:'[a-z]+)?", plain(text).casefold())


def of_people(who: str, team: str) -> Iterator[Problem]:
    """What is wrong with who it is for. `team`: the platform's own."""
    said = words(who)
    if not said or len(who) > LONGEST:
        yield Problem("it does not say who", f"name the people in 1 to {LONGEST} characters, as in: new engineers")
        return
    ours = {" ".join(words(name)) for name in (team, f"{team} team", f"the {team} team", "platform engineers")}
    if TEAM & set(said) or " ".join(said) in ours or said[-2:] in (["platform", "team"], ["our", "team"]):
        yield Problem(f"{plain(who)!r} is the team itself, not its users", "say who of the developers is better off")
    elif re.split(r" (?:of|on|in|with|who|that|at|from|for) ", " ".join(said))[0].split()[-1] in THINGS:
        yield Problem(f"{plain(who)!r} is a thing, not people", "say who of the developers is better off")


def of_doing(can: str) -> Iterator[Problem]:
    """What is wrong with what they can do."""
    said = words(can)
    if not said or len(can) > LONGEST:
        yield Problem("it does not say what they can do", f"say it in 1 to {LONGEST} characters; {REPHRASE}")
        return
    if TEAM & set(said):
        yield Problem(f"{plain(can)!r} is about us", REPHRASE)
    said = re.sub(r"\broll(s|ed|ing)? (it |them )?out\b", "rollout", " ".join(said)).split()
    first = next((one for one in said if one not in FILLERS and not one.endswith("ly")), "")
    after = said[said.index(first) + 1 :][:4] if first else []
    inner = next((FEATURE_FORMS[one] for one in after if one in FEATURE_FORMS), "")
    if first in FEATURE_FORMS:
        yield Problem(f"{FEATURE_FORMS[first]!r} is what a team does to a feature, not an outcome", REPHRASE)
    elif first in HAVING_FORMS or (
        first in GETTING_FORMS and not DONE & set(said) and (inner or {"access", "new"} & set(after))
    ):
        whose = f"{first} … {inner}" if inner else first
        yield Problem(f"{whose!r} says what is there, not what they do with it", REPHRASE)
    elif not first or first in ("new", "a", "an", "the"):
        yield Problem(f"{plain(can)!r} names a thing and no deed", REPHRASE)


# ---------------------------------------------------------------------------------------------- numbers


def amount(text: str) -> tuple[str, float]:
    """(kind of unit, value in seconds, shares of one, per day, or as it is). Raises Invalid."""
    match = AMOUNT.fullmatch(plain(text).casefold().rstrip("."))
    if not match or match[2] not in UNITS:
        raise Invalid(f"{text[:60]!r} is no number with a unit", "write it like 3 min, 4 days, 12 % or 2 per day")
    kind, one = UNITS[match[2]]
    return kind, float(match[1].replace(",", ".")) * one


def value(text: str, about: Definition) -> float:
    """The number in the signal's unit. Raises Invalid when it is counted in something else."""
    kind, found = amount(text)
    wanted = KINDS[about.unit]
    if kind == "plain" and wanted != "time":
        if wanted == "share" and abs(found) > 1:
            raise Invalid(f"{text[:30]!r} is no share", "write it like 12 %")
        return found
    if wanted == "days" and kind == "time":
        return found / 86400.0
    if kind != wanted:
        raise Invalid(f"{about.id} is not counted in what {text[:30]!r} is", f"write it like {FITS[wanted]}")
    return found


def statement(text: str) -> dict[str, str]:
    """The parts of a whole sentence: who, can, new, old. Raises Invalid, also when both numbers are not of one unit."""
    match = SENTENCE.fullmatch(plain(text).rstrip("."))
    if not match:
        deed = next((FEATURE_FORMS[one] for one in words(text)[:4] if one in FEATURE_FORMS), "")
        what = f"{deed!r} is what a team does to a feature, not an outcome" if deed else "this is no outcome statement"
        raise Invalid(what, "write: WHO can DO WHAT in NEW NUMBER instead of OLD NUMBER")
    (new, _), (old, _) = amount(match["new"]), amount(match["old"])
    if new != old:
        raise Invalid(
            f"{match['new'][:30]!r} and {match['old'][:30]!r} are not counted in the same", "use one unit on both sides"
        )
    return match.groupdict()


def of_target(about: Definition, target: float, baseline: float) -> Iterator[Problem]:
    """What is wrong with the number that is promised."""
    if about.unit == "share" and not 0 <= target <= 1:
        yield Problem(f"{target:.0%} is no share", "promise 0 to 100 %")
    elif about.unit == "score" and not -100 <= target <= 100:
        yield Problem(f"{target:g} is no score", "promise -100 to 100")
    elif about.unit != "score" and target < 0:
        yield Problem(f"{target:g} is less than nothing", "promise 0 or more")
    if target == baseline or (target > baseline) != (about.better == "higher"):
        yield Problem(
            f"{target:g} is not better than what is measured now, {baseline:g} ({about.better} is better)",
            f"promise a {about.better} number, or name another signal",
        )


# ---------------------------------------------------------------------------------------------- signal and dates


def of_signal(id: str) -> Iterator[Problem]:
    if id not in DEFINITIONS:
        yield Problem(f"there is no signal {id[:60]!r}", f"there are: {', '.join(judgeable())}")
    elif not DEFINITIONS[id].better:
        yield Problem(f"nobody can say whether more or less of {id} is better", f"use one of: {', '.join(judgeable())}")


def judgeable() -> list[str]:
    return [id for id, about in DEFINITIONS.items() if about.better]


def day(text: str) -> int:
    """The UTC day of a date. Raises Invalid."""
    try:
        return (date.fromisoformat(text.strip()) - EPOCH).days
    except ValueError:
        raise Invalid(f"{text[:30]!r} is no date", "write it like 2027-03-31") from None


def date_of(number: int) -> str:
    return (EPOCH + timedelta(days=number)).isoformat()


def of_dates(dates: Dates) -> Iterator[Problem]:
    if dates.by <= dates.today:
        yield Problem(f"{date_of(dates.by)} is not in the future", "choose the day by which it is to have come true")
    elif dates.by > dates.today + FARTHEST:
        yield Problem(f"{date_of(dates.by)} is more than a year away", "bet on something nearer")
    if dates.kill <= dates.today:
        yield Problem(f"the kill date {date_of(dates.kill)} is not in the future", "choose the day to give it up")
    elif dates.kill > dates.by:
        yield Problem(f"the kill date {date_of(dates.kill)} is after {date_of(dates.by)}", "choose an earlier one")
    if not 1 <= dates.appetite <= FARTHEST:
        yield Problem(f"{dates.appetite} days is no appetite", f"say how many days may be lost on it, 1 to {FARTHEST}")


def sentence(who: str, can: str, new: str, old: str) -> str:
    """The outcome in words."""
    return f"{plain(who)} can {plain(can)} in {new} instead of {old}"


def refuse(problems: list[Problem]) -> None:
    """Raises Invalid with all that is wrong, when anything is."""
    if problems:
        raise Invalid("\n".join(one.what for one in problems), "; ".join(dict.fromkeys(one.hint for one in problems)))
