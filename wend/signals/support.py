"""How often people need help with the platform: tickets per 100 developers and week; more people have more of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import privacy, rates
from wend.signals import NOTHING, Point, Scope, Signal, Value, Window
from wend.signals.definitions import DEFINITIONS
from wend.signals.people import HIDDEN
from wend.state.delivery import DAY
from wend.state.people import PEOPLE, STINTS, TICKETS
from wend.stats import wilson

PER = 700  # developer-days that are 100 developer-weeks
REASONS = 5  # the most frequent, that are told
NOT_OF_SERVICES = "Tickets come from teams, not from services."
NOBODY = "The directory knows nobody who was here then, so there is no telling per how many."

Stint = tuple[int, int | None]  # joined and left, UTC days; None: still here


# ---------------------------------------------------------------------------------------------- pure


def present(stints: Iterable[Stint], first: int, last: int) -> list[int]:
    """How many people were here on each day from first to last."""
    steps = [0] * (last - first + 2)
    for joined, left in stints:
        begin, end = max(joined, first), last + 1 if left is None else min(left + 1, last + 1)
        if begin < end:
            steps[begin - first] += 1
            steps[end - first] -= 1
    return list(accumulate(steps))[:-1]


def rate(tickets: int, days: int) -> Value:
    """Tickets per 100 developers and week, with Garwood's interval."""
    found = rates.rate(tickets, days / PER)
    if found is None:
        return NOTHING
    needed = rates.more_for_rate(tickets)
    says = f"cannot tell, needs about {needed} more" if needed else ""
    return Value(found.value, found.low, found.high, tickets, says)


def against(tickets: int, days: int, before: int, days_before: int) -> Value:
    """How many times as often as before."""
    found = rates.ratio(tickets, days, before, days_before)
    return Value(found.value, found.low, found.high, found.n) if found else NOTHING


def weekly(window: Window, tickets: Mapping[int, int], here: list[int]) -> tuple[Point, ...]:
    """One point a week; the running one as far as it is over."""
    made: list[Point] = []
    for week in range(window.first, window.last + 1, 7):
        days = range(week, min(week + 7, window.last + 1))
        count = sum(tickets.get(day, 0) for day in days)
        found = rates.rate(count, sum(here[day - window.first] for day in days) / PER)
        ends = (found.value, found.low, found.high) if found else (None, None, None)
        made.append(Point(week, *ends, count))
    return tuple(made)


# ---------------------------------------------------------------------------------------------- asked of the tables


def support_tickets(db: Connection, scope: Scope, window: Window) -> Signal:
    """Tickets about the platform, without those that machines wrote or that were taken back, by the week they were
    opened in / the days that people were employed, a week being seven."""
    about = DEFINITIONS["support_tickets"]
    if scope.kind == "service":
        return Signal(about, scope, window, NOTHING, notes=(NOT_OF_SERVICES,))
    begin = window.first - window.days
    everybody = stints(db, begin)
    mine = [(joined, left) for team, joined, left in everybody if scope.kind == "all" or team == scope.name]
    here = present(mine, begin, window.last)
    before, now = sum(here[: window.days]), sum(here[window.days :])
    tickets, reasons = opened(db, scope, begin, window)
    if not now:
        return Signal(about, scope, window, NOTHING, fresh=newest(db), notes=(NOBODY,))
    if not may_show(everybody, scope, window):
        return Signal(about, scope, window, HIDDEN, fresh=newest(db))
    n = sum(count for day, count in tickets.items() if day >= window.first)
    parts = {"developers": Value(round(now / window.days, 1), n=len(mine))}
    earlier = sum(tickets.values()) - n
    if earlier:
        parts["times_as_before"] = against(n, now, earlier, before)
    for reason, count in sorted(reasons.items(), key=lambda one: (-one[1], one[0]))[:REASONS]:
        found = wilson(count, n)
        parts[f"reason: {reason}"] = Value(found.value, found.low, found.high, n) if found else NOTHING
    series = weekly(window, tickets, here[window.days :])
    return Signal(about, scope, window, rate(n, now), parts, series, newest(db))


def may_show(everybody: Iterable[tuple[str | None, int, int | None]], scope: Scope, window: Window) -> bool:
    """A team of a few people is not shown, nor what gives it away."""
    there = [
        team for team, joined, left in everybody if joined <= window.last and (left is None or left >= window.last)
    ]
    teams = Counter(team for team in there if team is not None)
    found = privacy.suppress(teams, len(there))
    return found.whole if scope.kind == "all" else scope.name in found.groups


def stints(db: Connection, since: int) -> list[tuple[str | None, int, int | None]]:
    """(team, day joined, last day) of everybody who was here on that day or later."""
    columns = (PEOPLE.c.team, STINTS.c.joined_at, STINTS.c.left_at)
    query = sa.select(*columns).select_from(STINTS).outerjoin(PEOPLE, PEOPLE.c.person == STINTS.c.person)
    query = query.where(STINTS.c.left_at.is_(None) | (STINTS.c.left_at >= since * DAY))
    return [(team, joined // DAY, None if left is None else left // DAY) for team, joined, left in db.execute(query)]


def opened(db: Connection, scope: Scope, begin: int, window: Window) -> tuple[dict[int, int], dict[str, int]]:
    """Day → tickets opened on it, from `begin` on; and reason → tickets in the window."""
    counts = (TICKETS.c.platform == 1) & (TICKETS.c.automatic == 0) & (TICKETS.c.retracted == 0)
    here = counts & TICKETS.c.day.between(begin, window.last)
    if scope.kind == "team":
        here &= TICKETS.c.team == scope.name
    by_day = sa.select(TICKETS.c.day, sa.func.count()).where(here).group_by(TICKETS.c.day)
    said = here & (TICKETS.c.day >= window.first) & TICKETS.c.reason.is_not(None)
    by_reason = sa.select(TICKETS.c.reason, sa.func.count()).where(said).group_by(TICKETS.c.reason)
    return {day: n for day, n in db.execute(by_day)}, {reason: n for reason, n in db.execute(by_reason)}


def newest(db: Connection) -> int | None:
    """When the newest ticket that was heard of was opened."""
    return db.execute(sa.select(sa.func.max(TICKETS.c.opened_at))).scalar()
