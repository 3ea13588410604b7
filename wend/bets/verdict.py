"""What a bet came to, worked out from what was measured before it and since: never declared.

The time after begins when the first of its work reached production, and ends with the bet; it is at most as long as
the time before. Signal, times and direction are fixed when the bet is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import signals
from wend.bets import Effect, deciding, samples, shares, spans
from wend.bets.deciding import CANNOT_TELL, GUARDS, WORSE, Promise
from wend.bets.shares import Count, Figure
from wend.bets.spans import Span
from wend.signals import Scope, Signal, Value, Window
from wend.state import bets as table
from wend.state.catalogue import SERVICES
from wend.state.delivery import DAY
from wend.state.derived.carried import CARRIED

COMPARED = 3  # services that have what the bet is about, and others that have not, for a comparison
SURE = 3.841  # of chi square with one degree of freedom, 95 %
RATES = frozenset({"deployment_frequency", "support_tickets"})
NOT_YET = "nothing can be told yet: its time has not begun"
FROZEN = "{} of the {} weeks since had less than a third of the usual deployments"
FEW = "It hangs on {} services: what else happened to them at that time cannot be told apart."
Item = dict[str, Any]


@dataclass(frozen=True)
class Times:
    """The windows of a bet, and since when its work is there (UTC day; None: none is known of)."""

    before: Window
    after: Window | None
    began: int | None


# ---------------------------------------------------------------------------------------------- pure


def times(bet: Item, began: int | None, now: int, zone: str) -> Times:
    """A clock that went back before the opening leaves no time after it."""
    baseline = bet["baseline"]
    before = Window(baseline["first"], baseline["last"], now, zone)
    end = min(bet["by_day"] if bet["ended_day"] is None else bet["ended_day"], now // DAY)
    first = max(bet["opened_day"] + 1, began + 1 if began is not None else 0, end - before.days + 1)
    return Times(before, Window(first, end, now, zone) if first <= end else None, began)


def split(rows: Sequence[Any], treated: set[str]) -> tuple[list[Any], list[Any]]:
    """The rows of services that have it, and of the others."""
    return [row for row in rows if row.service in treated], [row for row in rows if row.service not in treated]


def of_medians(before: Sequence[Span], after: Sequence[Span], treated: set[str]) -> tuple[Effect | None, bool]:
    if treated:
        (one, rest), (other, left) = split(before, treated), split(after, treated)
        found = spans.medians(one, other, (rest, left))
        if found:
            return found, True
    return spans.medians(before, after), False


def of_shares(before: Sequence[Count], after: Sequence[Count], treated: set[str]) -> tuple[Effect | None, bool]:
    """The difference, or with others to compare with, that of the differences."""
    if treated:
        (one, rest), (other, left) = split(before, treated), split(after, treated)
        mine, theirs = shares.difference(one, other), shares.difference(rest, left)
        if mine and theirs:
            low, high = shares.joined((theirs.value, theirs.low, theirs.high), (mine.value, mine.low, mine.high))
            inner = shares.joined((theirs.value, *theirs.inner), (mine.value, *mine.inner))
            name, groups = f"{mine.method}, less that of those without it", min(mine.groups, theirs.groups)
            return Effect(mine.value - theirs.value, low, high, inner, mine.n + theirs.n, groups, name), True
    return shares.difference(before, after), False


def overlaps(bet: Item, other: Item, teams: Mapping[str, str | None], today: int) -> bool:
    """Whether another bet was on the same signal at the same time, of anything that this one is of."""
    if other["id"] == bet["id"] or other["signal"] != bet["signal"]:
        return False
    ends = [min(one["by_day"] if one["ended_day"] is None else one["ended_day"], today) for one in (bet, other)]
    if max(bet["opened_day"], other["opened_day"]) > min(ends):
        return False
    one, two = Scope.parse(bet["scope"]), Scope.parse(other["scope"])
    if "all" in (one.kind, two.kind) or one == two:
        return True
    service, team = (one, two) if one.kind == "service" else (two, one)
    return (service.kind, team.kind) == ("service", "team") and teams.get(service.name) == team.name


# ---------------------------------------------------------------------------------------------- asked of the tables


def began(db: Connection, work: Sequence[Item]) -> int | None:
    """The day on which the first of the work was there: deployed, where that is known, else committed or named."""
    commits = [one["id"] for one in work if one["kind"] == "commit"]
    query = sa.select(CARRIED.c.commit, sa.func.min(CARRIED.c.deployed_at)).where(CARRIED.c.commit.in_(commits))
    live: dict[str, int] = {str(row[0]): int(row[1]) for row in db.execute(query.group_by(CARRIED.c.commit))}
    return min((live.get(str(one["id"]), int(one["at"])) // DAY for one in work), default=None)


def carrying(db: Connection, work: Sequence[Item], platform: str) -> set[str]:
    """The services that have what the bet is about. The platform's own are the work, not who has it."""
    commits = [one["id"] for one in work if one["kind"] == "commit"]
    found = {one["id"] for one in work if one["kind"] == "app"}
    found |= set(db.execute(sa.select(CARRIED.c.service).where(CARRIED.c.commit.in_(commits))).scalars())
    ours = sa.select(SERVICES.c.service).where(SERVICES.c.team == platform)
    return found - set(db.execute(ours).scalars())


def treated(db: Connection, scope: Scope, carriers: set[str], window: Window) -> set[str]:
    """Those of the scope that carry it, when there are enough of them and of others; else none."""
    if scope.kind == "service" or not carriers:
        return set()
    rows = samples.counts(db, "deployment_rework_rate", scope, window)
    there = {row.service for row in rows}
    mine = there & carriers
    return mine if len(mine) >= COMPARED and len(there - mine) >= COMPARED else set()


def effect(db: Connection, id: str, scope: Scope, at: Times, mine: set[str]) -> tuple[Effect | None, bool]:
    """How much the signal changed, by the method that fits its unit; and whether others were compared with."""
    if at.after is None:
        return None, False
    both = (at.before, at.after)
    if id in samples.COUNTED:
        old, new = (samples.counts(db, id, scope, one) for one in both)
        return of_shares(old, new, mine)
    if id in samples.SPANS:
        one, other = (samples.spans(db, id, scope, one) for one in both)
        return of_medians(one, other, mine)
    if id == "failed_deployment_recovery_time":
        before, after = (samples.recoveries(db, scope, one) for one in both)
        found = spans.medians(before, after)
        return (found if found and spans.log_rank(before, after) >= SURE else unsure(found)), False
    if id in RATES:
        before, after = (samples.weeks(db, id, scope, one, one is at.before) for one in both)
        return of_rates(before, after), False
    return None, False


def unsure(found: Effect | None) -> Effect | None:
    """The same, not surely different from nothing: the log-rank test does not see it."""
    if found is None or found.low <= 0 <= found.high:
        return found
    low, high = min(found.low, 0.0), max(found.high, 0.0)
    return Effect(found.value, low, high, found.inner, found.n, found.groups, f"{found.method}; log-rank sees none")


def of_rates(before: Sequence[shares.Week], after: Sequence[shares.Week]) -> Effect | None:
    """An interrupted time series where there are weeks enough, else the ratio of two rates."""
    every = [*before, *after]
    if any(not week.exposure for week in every) or not every:
        return None
    old, new = ([week.events / week.exposure for week in side] for side in (before, after))
    events, exposure = shares.totals(every)
    floor = events / exposure / (exposure / len(every))
    return spans.interrupted(old, new, floor, events) or shares.ratio(before, after)


def of_figures(bet: Item, found: Signal, at: Times) -> Effect | None:
    """Of signals whose rows may not be seen, or are what is there on a day: the figures themselves, when the newer one
    is of something that came after the bet was opened."""
    value, baseline = found.value, bet["baseline"]
    old = found.fresh is not None and at.after is not None and found.fresh < at.after.first * DAY
    ends = (baseline["value"], baseline["low"], baseline["high"])
    if old or None in ends or value.value is None or value.low is None or value.high is None:
        return None
    return shares.figures(Figure(*ends, baseline["n"]), Figure(value.value, value.low, value.high, value.n))


# ---------------------------------------------------------------------------------------------- the verdict


def guards(db: Connection, bet: Item, at: Times) -> list[Item]:
    """The stability of the same scope: whether it surely got worse, whatever the signal did."""
    scope, found = Scope.parse(bet["scope"]), list[Item]()
    for id in GUARDS:
        if id != bet["signal"]:
            change, _ = effect(db, id, scope, at, set())
            said = {"signal": id, "title": signals.definition(id).title, "says": deciding.guard(id, change)}
            found.append(said | {"effect": deciding.as_json(change)})
    return found


def judge(db: Connection, bet: Item, now: int, platform: str, zone: str = "UTC") -> Item:
    """The verdict as things stand `now` (Unix microseconds): a JSON object with the sentence it `says`, the `verdict`
    on the bet, `primary` on its signal alone, `effect`, `before` and `after`, the guard-rails, and what to keep in
    mind."""
    scope, about, work = Scope.parse(bet["scope"]), signals.definition(bet["signal"]), table.work(db, bet["id"])
    at = times(bet, began(db, work), now, zone)
    promise = Promise(about.unit, about.better, bet["baseline"]["value"], bet["to"])
    found = signals.measure(db, about.id, scope, at.after).value if at.after else Value(says=NOT_YET)
    carriers = carrying(db, work, platform)
    mine = treated(db, scope, carriers, at.before)
    change, compared = effect(db, about.id, scope, at, mine)
    if change is None and at.after and not direct(about.id):
        change = of_figures(bet, signals.measure(db, about.id, scope, at.after), at)
    primary = deciding.decide(change, about.better, promise.least)
    rails = guards(db, bet, at)
    worse = [one["title"] for one in rails if one["says"] == WORSE]
    beside = [] if compared else shared(db, bet, now // DAY)
    said: Item = {"verdict": deciding.overall(primary, beside, worse), "primary": primary}
    said |= {"says": deciding.headline(primary, promise, about.title, beside, worse)}
    said |= {"effect": deciding.as_json(change), "after": figure(found), "least": promise.least, "guards": rails}
    said |= {"needs": deciding.more(change, promise) if primary == CANNOT_TELL else None, "beside": beside}
    said |= {"reached": deciding.reached(promise, found.value), "compared": sorted(mine) if compared else []}
    said |= {"first": at.after.first if at.after else None, "last": at.after.last if at.after else None}
    return said | {"began": at.began, "notes": notes(db, bet, at, change, carriers, compared)}


def direct(id: str) -> bool:
    """Whether the rows behind a signal are compared, and not its figures."""
    return id in samples.COUNTED or id in samples.SPANS or id in RATES or id == "failed_deployment_recovery_time"


def figure(value: Value) -> Item:
    return {key: getattr(value, key) for key in ("value", "low", "high", "n", "says")}


def shared(db: Connection, bet: Item, today: int) -> list[int]:
    """The other bets that the change may be of."""
    query = sa.select(SERVICES.c.service, SERVICES.c.team)
    teams: dict[str, str | None] = {service: team for service, team in db.execute(query)}
    return sorted(one["id"] for one in table.bets(db) if overlaps(bet, one, teams, today))


def notes(db: Connection, bet: Item, at: Times, change: Effect | None, carriers: set[str], compared: bool) -> list[str]:
    """What to keep in mind, in words."""
    said: list[str] = []
    if at.began is None:
        said.append("No work is linked to it: the time after begins with the day after it was opened.")
    if at.after and (frozen := samples.frozen(db, Scope.parse(bet["scope"]), at.after)) and frozen[0]:
        said.append(FROZEN.format(*frozen[:2]) + ".")
    if carriers and not compared:
        several = f"{len(carriers)} services carry it" if len(carriers) > 1 else "1 service carries it"
        said.append(f"{several}: too few, or too few others, to compare them with each other.")
    if change and "of weeks" in change.method:
        said.append(FEW.format("fewer than 5"))
    return said
