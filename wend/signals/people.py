"""How soon new people get a change of theirs into production: per quarter of joining, never of one person.

A cohort is counted once, when its time is over, and never again: a figure that moved with every newcomer's change would
tell on them. What may be shown is for `wend/privacy.py` to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from wend import privacy, survival
from wend.privacy import Quarter, quarter
from wend.signals import NOTHING, Point, Scope, Signal, Value, Window
from wend.signals.definitions import DEFINITIONS
from wend.state import newcomers
from wend.state.delivery import DAY
from wend.state.derived.rollups import monday
from wend.state.newcomers import Stint
from wend.stats import Open, more_for_quantile

HIDDEN = Value(says=f"hidden: fewer than {privacy.K} people, or fewer would be left of the others")
AWAY = 180 * DAY  # who was away for longer starts anew
FOLLOWED = {1: 30, 10: 91}  # nth change → days after the end of the quarter until which a cohort is followed
LOOK_BACK = 366  # days before the window in which the newest cohort may have been counted
START = "Counted from the first day that the directory told of, in working days (Monday to Friday, UTC)."


# ---------------------------------------------------------------------------------------------- pure


@dataclass(frozen=True)
class Cohort:
    """Those who joined in a quarter, and the last day (UTC, since 1970) until which they were followed."""

    quarter: Quarter
    closes: int
    members: Sequence[Stint]


def joined(stints: Sequence[Stint]) -> list[Stint]:
    """Who is new, of stints by person and time: a stint that begins soon after another goes on with that one."""
    found: list[Stint] = []
    for stint in stints:
        last = found[-1] if found and found[-1].person == stint.person else None
        if last and (last.left_at is None or stint.joined_at - last.left_at <= AWAY):
            found[-1] = replace(last, left_at=stint.left_at)
        else:
            found.append(stint)
    return found


def cohorts(new: Sequence[Stint], nth: int, window: Window) -> list[Cohort]:
    """Those that were over by the window's end, and not more than a year before it began; by time."""
    by_quarter: dict[Quarter, list[Stint]] = {}
    for stint in new:
        by_quarter.setdefault(quarter(stint.joined_at // DAY), []).append(stint)
    every = [Cohort(one, one.last + FOLLOWED[nth], members) for one, members in by_quarter.items()]
    over = min(window.last, window.now // DAY - 1)
    return sorted(
        (one for one in every if window.first - LOOK_BACK <= one.closes <= over), key=lambda one: one.quarter.first
    )


def working_days(begun: int, ended: int) -> int:
    """Mondays to Fridays from one UTC day up to another, the last one not included."""

    def until(day: int) -> int:
        weeks, rest = divmod(day + 3, 7)  # 1970 began on a Thursday
        return 5 * weeks + min(rest, 5)

    return until(ended) - until(begun)


def durations(cohort: Cohort, reached: Mapping[tuple[str, int], int], of: str | None) -> list[tuple[int, int, int]]:
    """(working days, 1 if reached, 1 if not) of everybody in the cohort, or of one team's; who left or has not got
    there by the end counts as not there until then."""
    found: list[tuple[int, int, int]] = []
    for one in cohort.members:
        if of is not None and one.team != of:
            continue
        end = min(cohort.closes, cohort.closes if one.left_at is None else one.left_at // DAY)
        at = reached.get((one.person, one.joined_at))
        there = at is not None and at // DAY <= end
        began = one.joined_at // DAY
        found.append(
            (working_days(began, max(began, at // DAY if at is not None and there else end)), there, not there)
        )
    return found


def may_show(cohort: Cohort, scope: Scope) -> bool:
    teams: dict[str, int] = {}
    for one in cohort.members:
        if one.team is not None:
            teams[one.team] = teams.get(one.team, 0) + 1
    found = privacy.suppress(teams, len(cohort.members))
    return found.whole if scope.kind == "all" else scope.name in found.groups


def told(found: Open) -> Value:
    """A quantile of durations in whole days, and how many people as near as is told."""
    value, low, high = (None if one is None else float(round(one)) for one in (found.value, found.low, found.high))
    needed = more_for_quantile(found.n)
    says = f"cannot tell, needs about {needed} more" if needed else "" if value is not None else "not reached"
    n, censored = privacy.at_least(found.n), privacy.at_least(found.censored)
    return Value(value, low, high, n, says, censored)


# ---------------------------------------------------------------------------------------------- asked of the tables


def time_to_first_change(db: Connection, scope: Scope, window: Window) -> Signal:
    """Kaplan-Meier's median of the newest cohort that is over and may be shown; beside it the third quartile."""
    return nth_change(db, "time_to_first_change", 1, scope, window)


def time_to_tenth_change(db: Connection, scope: Scope, window: Window) -> Signal:
    """The same as for the first change, of a cohort that is followed for a quarter longer."""
    return nth_change(db, "time_to_tenth_change", 10, scope, window)


def nth_change(db: Connection, id: str, nth: int, scope: Scope, window: Window) -> Signal:
    about = DEFINITIONS[id]
    if scope.kind == "service":
        return Signal(about, scope, window, NOTHING, notes=("People join teams, not services.",))
    since = newcomers.known_since(db)
    new = [one for one in joined(newcomers.stints(db)) if since is not None and one.joined_at >= since]
    every = cohorts(new, nth, window)
    shown = [one for one in every if may_show(one, scope)]
    if not shown:
        return Signal(about, scope, window, HIDDEN if every else NOTHING, notes=(START,))
    reached = newcomers.nth_changes(db, nth, shown[0].quarter.first * DAY, (shown[-1].quarter.last + 1) * DAY - 1)
    team = scope.name if scope.kind == "team" else None
    curves = {one.closes: survival.curve(durations(one, reached, team)) for one in shown}
    values = {closes: told(survival.median(found)) for closes, found in curves.items()}
    newest = shown[-1]
    parts = {"three_quarters": told(survival.quantile(curves[newest.closes], 0.75))}
    series = tuple(
        Point(monday(closes), one.value, one.low, one.high, one.n)
        for closes, one in values.items()
        if closes >= window.first
    )
    notes = (f"Those who joined in {newest.quarter.name}.", START)
    return Signal(about, scope, window, values[newest.closes], parts, series, newest.closes * DAY, notes)
