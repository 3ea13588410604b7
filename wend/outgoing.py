"""What is on its way out, and how far: pure, from dates alone, so that every gate and every page says the same.

announced → warned → blocked for new → brown-outs of new deploys → retired. Nothing that runs is ever stopped by it:
only the making of something new that still uses it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from wend.errors import Invalid

Stage = Literal["announced", "warned", "blocked", "brown-out", "retired"]
STAGES: tuple[Stage, ...] = ("announced", "warned", "blocked", "brown-out", "retired")
DAY = 86_400_000_000  # microseconds
HOUR = DAY // 24
LEAST = 30  # days between the announcement and the end
LONGEST = 4 * HOUR  # of a brown-out


@dataclass(frozen=True)
class Outgoing:
    """A name that is on its way out. Times are Unix microseconds; `brownouts`: (begin, end), longer each time;
    `unused`: days without any use after which it is done."""

    id: int
    what: str
    replacement: str
    announced: int
    warned: int
    blocked: int
    retired: int
    brownouts: tuple[tuple[int, int], ...] = ()
    unused: int = 14


@dataclass(frozen=True)
class Met:
    """An outgoing thing that something uses: whether that stops it now, and the date that matters next."""

    one: Outgoing
    stage: Stage
    stops: bool
    next: int


def stage(one: Outgoing, now: int) -> Stage:
    if now >= one.retired:
        return "retired"
    if any(begin <= now < end for begin, end in one.brownouts):
        return "brown-out"
    return "blocked" if now >= one.blocked else "warned" if now >= one.warned else "announced"


def matches(name: str, use: str) -> bool:
    """Whether this use is one of what the name means: the same, or a version of it ("toolchain:python@3.8" means
    3.8.10 too)."""
    return use == name or use.startswith(f"{name}." if "@" in name else f"{name}@")


def used(name: str, uses: Iterable[str]) -> bool:
    return any(matches(name, use) for use in uses)


def met(every: Iterable[Outgoing], uses: Collection[str], had: Collection[str] | None, now: int) -> list[Met]:
    """What of it these uses meet, once it is warned of. `had`: what the live release uses; None when there is none.
    What is blocked for new stops whoever did not use it before; brown-outs and the end stop everybody."""
    found: list[Met] = []
    for one in every:
        if not used(one.what, uses) or (now_is := stage(one, now)) == "announced":
            continue
        fresh = not used(one.what, had or ())
        stops = now_is in ("brown-out", "retired") or (now_is == "blocked" and fresh)
        found.append(Met(one, now_is, stops, after(one, now)))
    return found


def after(one: Outgoing, now: int) -> int:
    """The next date at which it becomes harder; its end, when there is none."""
    times = (one.warned, one.blocked, *(begin for begin, _ in one.brownouts), one.retired)
    return min((at for at in times if at > now), default=one.retired)


# ---------------------------------------------------------------------------------------------- dates


def day(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).date().isoformat()


def moment(text: str, what: str) -> int:
    """Midnight UTC of a date like 2027-03-01. Raises Invalid."""
    try:
        return int(datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC).timestamp() * 1e6)
    except (ValueError, TypeError) as error:
        raise Invalid(f"{what} = {str(text)[:30]!r} is no date", "write it like 2027-03-01") from error


def usual(now: int) -> dict[str, int]:
    """The dates that hold when nobody names others: a week, a month, three months."""
    today = now // DAY * DAY
    return {"warned": today + 7 * DAY, "blocked": today + 30 * DAY, "retired": today + 90 * DAY}


def usual_brownouts(retired: int) -> tuple[tuple[int, int], ...]:
    """Five minutes, half an hour and two hours, at 10:00 UTC three, two and one weeks before the end."""
    minutes = ((21, 5), (14, 30), (7, 120))
    return tuple((begin := retired - days * DAY + 10 * HOUR, begin + length * 60_000_000) for days, length in minutes)


def check(one: Outgoing) -> None:
    """Raises Invalid for a timeline that nobody could keep to."""
    if one.retired - one.announced < LEAST * DAY:
        days = (one.retired - one.announced) // DAY
        raise Invalid(f"{days} days until the end are too few", f"give people {LEAST} days or more")
    if not one.announced <= one.warned + DAY <= one.blocked or not one.blocked < one.retired:
        raise Invalid("its dates are not in order", "announced, warned, blocked a day later or more, retired")
    last = 0
    for begin, end in one.brownouts:
        if not one.blocked <= begin < end <= one.retired or end - begin > LONGEST or end - begin < last:
            what = f"a brown-out from {day(begin)} of {(end - begin) // 60_000_000} minutes"
            hint = "between blocked and retired, 4 hours at most, none shorter than the one before"
            raise Invalid(f"{what} cannot be", hint)
        last = end - begin


def of_row(row: Mapping[str, Any]) -> Outgoing:
    """As it was announced, or moved last."""
    windows: Sequence[Sequence[int]] = row["brownouts"]
    times = {key: int(row[key]) for key in ("announced", "warned", "blocked", "retired")}
    brownouts = tuple((int(begin), int(end)) for begin, end in windows)
    return Outgoing(row["id"], row["what"], row["replacement"], brownouts=brownouts, unused=row["unused"], **times)
