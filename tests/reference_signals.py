"""The delivery signals, made slowly of a `World`. Each is a dictionary of what there is to compare with the product's:
`value`, `n` and so on, `parts` (name → value or (value, n)) and `series` (Monday → value)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from tests.reference import DAY, HORIZON, Carried, Row, World
from wend.signals import Scope, Window
from wend.stats import ranks

Numbers = dict[str, Any]


class Look:
    """A world, seen for one scope in one window."""

    def __init__(self, world: World, scope: Scope, window: Window) -> None:
        self.world, self.scope, self.window = world, scope, window
        every = world.services.items()
        self.services = {
            name for name, about in every if scope.kind == "all" or scope.name == (about["team"], name)[kind(scope)]
        }
        self.ever = [one for one in world.counted() if one["service"] in self.services]
        self.deployments = [one for one in self.ever if window.first <= one["day"] <= window.last]

    def inside(self, time: int) -> bool:
        return self.window.first <= time // DAY <= self.window.last

    def failed(self, one: Row) -> bool:
        return 1 <= self.world.verdicts.get(one["id"], (0,))[0] <= 4

    def assumed(self, one: Row) -> bool:
        return self.world.verdicts.get(one["id"], (0,))[0] == 5

    def old_enough(self, one: Row) -> bool:
        """Whether all of its day is HORIZON days ago."""
        return (one["day"] + 1 + HORIZON) * DAY <= self.window.now

    def by_week(self, some: Iterable[Row]) -> dict[int, list[Row]]:
        found: dict[int, list[Row]] = {}
        for one in some:
            found.setdefault(monday(one["day"]), []).append(one)
        return found

    def leads(self) -> list[Carried]:
        """Every change once, in the scope's first deployment of it, with its lead time, however long ago."""
        found: dict[str, Carried] = {}
        for row in self.world.carried:
            if row.service in self.services and row.lead is not None:
                found[row.commit] = min(row, found.get(row.commit, row), key=lambda one: one.order)
        return list(found.values())


def kind(scope: Scope) -> int:
    return 0 if scope.kind == "team" else 1


def monday(day: int) -> int:
    return next(one for one in range(day, day - 7, -1) if datetime.fromtimestamp(one * 86400, UTC).weekday() == 0)


# ---------------------------------------------------------------------------------------------- numbers


def quantile(values: Sequence[float], share: float) -> float | None:
    """Between the two nearest, as if spread evenly."""
    ordered = sorted(values)
    if not ordered:
        return None
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def ends(values: Sequence[float], share: float) -> tuple[float | None, float | None]:
    """The interval of order statistics."""
    ordered = sorted(values)
    low, high = ranks(len(ordered), share) if ordered else (0, 1)
    return ordered[low - 1] if low else None, ordered[high - 1] if high <= len(ordered) else None


def bucketed(seconds: float) -> float:
    """The middle of its bucket: edges are 2^(1/32) apart, from the 1024th part of a second on, to the microsecond."""
    micros = round(seconds * 1e6)
    if micros < edge(-320):
        return 0.0
    step = max(-320, math.floor(32 * math.log2(micros / 1e6)) - 1)
    while step < 32 * 29 - 1 and edge(step + 1) <= micros:
        step += 1
    top = edge(step + 1) if step < 32 * 29 - 1 else edge(step) * 2 ** (1 / 32)
    return math.sqrt(edge(step) * top) / 1e6


def edge(step: int) -> int:
    return round(1_000_000 * 2 ** (step / 32))


def kaplan_meier(ended: Sequence[float], lost: Sequence[float], share: float = 0.5) -> float | None:
    """When so many are over, those that are not yet (`lost`: for how long) taken into account. None: not reached."""
    left, alive = 1.0, len(ended) + len(lost)
    times = sorted(set(ended))
    for place, time in enumerate(times):
        here = sum(1 for one in ended if one >= time) + sum(1 for one in lost if one >= time)
        assert here <= alive
        left *= 1 - sum(1 for one in ended if one == time) / here
        if math.isclose(left, 1 - share, abs_tol=1e-9):
            return (time + times[place + 1]) / 2 if place + 1 < len(times) else time
        if left < 1 - share:
            return time
    return None


def share(hits: int, n: int) -> float | None:
    return hits / n if n else None


# ---------------------------------------------------------------------------------------------- signals


def deployment_frequency(look: Look) -> Numbers:
    window = look.window
    began = min((one["day"] for one in look.ever), default=None)
    if began is None or began > window.last:
        return {"value": None, "n": 0, "series": {}}
    ended = window.last
    left = look.world.services[look.scope.name]["until"] if look.scope.kind == "service" else None
    if left is not None:
        ended = min(ended, max(left // DAY, max(one["day"] for one in look.ever)))
    alive = [day for day in range(max(began, window.first), ended + 1)]
    if not alive:
        return {"value": None, "n": 0, "series": {}}
    on = {day: sum(1 for one in look.deployments if one["day"] == day) for day in alive}
    series = {week: sum(on[d] for d in alive if monday(d) == week) / sum(monday(d) == week for d in alive)
              for week in sorted({monday(day) for day in alive})}  # fmt: skip
    whole = [week for week in series if all(week + n in on for n in range(7))]
    active = [sum(1 for n in range(7) if on[week + n]) for week in whole]
    used = [day for day in alive if on[day]]
    gaps = [after - before for before, after in pairwise(used)]
    rollbacks = sum(1 for one in look.deployments if one["purpose"] == "rollback")
    parts = {"rollbacks": float(rollbacks)}
    parts |= {"days_per_week": float(median(active))} if active else {}
    parts |= {"days_between": float(median(gaps))} if gaps else {}
    n = sum(on.values())
    return {"value": n / len(alive), "n": n, "series": series, "parts": parts}


def change_lead_time(look: Look) -> Numbers:
    here = [row for row in look.leads() if look.inside(row.deployed_at)]
    plain = [row for row in here if not row.merge]
    leads = [row.lead / 1e6 for row in plain if row.lead is not None and row.lead >= 0]
    joined = [row.lead / 1e6 for row in here if row.merge and row.lead is not None and row.lead >= 0]
    weeks: dict[int, list[float]] = {}
    for row in plain:
        if row.lead is not None and row.lead >= 0:
            weeks.setdefault(monday(row.deployed_at // DAY), []).append(bucketed(row.lead / 1e6))
    waiting, over = still_waiting(look)
    parts = {"p75": quantile(leads, 0.75), "p90": quantile(leads, 0.9), "with_waiting": kaplan_meier(over, waiting)}
    parts |= stages(look, {row.commit for row in here if row.lead is not None})
    parts |= {"merge_to_deploy": quantile(joined, 0.5)} if joined else {}
    found = {"value": quantile(leads, 0.5), "n": len(leads), "censored": len(waiting)}
    found |= {"skewed": sum(1 for row in plain if row.lead is not None and row.lead < 0)}
    low, high = ends(leads, 0.5)
    series = {week: sorted(some)[middle_rank(len(some)) - 1] for week, some in weeks.items()}
    return {**found, "low": low, "high": high, "parts": parts, "series": series}


def stages(look: Look, deployed: set[str]) -> dict[str, float | None]:
    """The medians of the stages of requests to merge that ended in these commits."""
    found: dict[str, list[float]] = {"coding": [], "pickup": [], "review": []}
    for one in look.world.reviews.values():
        if one["commit"] in deployed:
            begun = branch_begun(look.world, one)
            opened, reviewed, merged = one["opened_at"], one["reviewed_at"], one["merged_at"]
            if begun is not None and opened is not None:
                found["coding"].append(max(0, opened - begun) / 1e6)
            if opened is not None and reviewed is not None and opened <= reviewed:
                found["pickup"].append((reviewed - opened) / 1e6)
            if reviewed is not None and merged is not None and reviewed <= merged:
                found["review"].append((merged - reviewed) / 1e6)
    return {name: quantile(values, 0.5) for name, values in found.items() if values}


def branch_begun(world: Any, review: Any) -> int | None:
    """When the first of the branch's own commits was made: they are as many as it has, one after the other."""
    own, row = review["own"], {review["head"]} - {None}
    reached = set(row)
    for _ in range((own or 1) - 1):
        row = {parent for commit in row for parent in world.parents.get(commit, ())}
        reached |= row
    known = [world.changes[commit] for commit in reached if commit in world.changes]
    if own is None or len(known) != own or any(change["merge"] for change in known):
        return None
    return min(change["committed_at"] for change in known)


def middle_rank(n: int) -> int:
    return min(n, max(1, round((n + 1) * 0.5)))


def made_from(look: Look, service: str) -> str | None:
    return look.world.services[service]["repo"]


def still_waiting(look: Look) -> tuple[list[float], list[float]]:
    """(ages of the changes committed in the window that nobody of the scope deployed, lead times of the others)."""
    repos = {look.world.services[name]["repo"] for name in look.services}
    outside = look.world.outside
    deployed = {
        row.commit
        for row in look.world.carried
        if row.service in look.services and (row.explicit or not outside(row.service, row.commit))
    }
    waiting = [
        float(look.window.last - change["committed_at"] // DAY) * 86400
        for commit, change in look.world.changes.items()
        if look.inside(change["committed_at"]) and change["repo"] in repos - {None}
        if not (change["merge"] or change["bot"] or commit in deployed)
        if any(not outside(name, commit) for name in look.services if made_from(look, name) == change["repo"])
    ]  # fmt: skip
    over = [
        bucketed(row.lead / 1e6)
        for row in look.leads()
        if row.lead is not None and row.lead >= 0 and not row.merge
        if look.inside(look.world.changes[row.commit]["committed_at"])
    ]
    return waiting, over


def failed_deployment_recovery_time(look: Look) -> Numbers:
    failed = [one for one in look.deployments if look.failed(one)]
    if not failed:
        return {"value": None, "n": 0}
    stamps = [(one["finished_at"], *look.world.verdicts[one["id"]][1:]) for one in failed]
    good = [(at, noticed, well) for at, noticed, well in stamps if well is None or well >= at]
    over = [(well - at) / 1e6 for at, _, well in good if well is not None]
    lost = [max(0, look.window.now - at) / 1e6 for at, _, well in good if well is None]
    lag = [max(0, noticed - at) / 1e6 for at, noticed, _ in good if noticed is not None]
    parts = {"p90": kaplan_meier(over, lost, 0.9), "until_noticed": kaplan_meier(lag, [])}
    found = {"value": kaplan_meier(over, lost), "n": len(good), "censored": len(lost)}
    return {**found, "skewed": len(failed) - len(good), "parts": parts}


def change_fail_rate(look: Look) -> Numbers:
    settled = [one for one in look.deployments if look.old_enough(one)]
    pending = len(look.deployments) - len(settled)
    failed, assumed = sum(map(look.failed, settled)), sum(map(look.assumed, settled))
    if not settled:
        return {"value": None, "n": 0, "pending": pending}
    series = {week: sum(map(look.failed, some)) / len(some) for week, some in look.by_week(settled).items()}
    found = {"value": failed / len(settled), "n": len(settled), "pending": pending, "series": series}
    return {
        **found,
        "assumed": share(assumed, failed + assumed),
        "parts": {"with_assumed": (failed + assumed) / len(settled)},
    }


def deployment_rework_rate(look: Look) -> Numbers:
    def rework(one: Row) -> bool:
        return one["id"] in look.world.repairs

    n, series = len(look.deployments), look.by_week(look.deployments).items()
    found = {"value": share(sum(map(rework, look.deployments)), n), "n": n}
    return {**found, "series": {week: sum(map(rework, some)) / len(some) for week, some in series}}


def time_to_deploy(look: Look) -> Numbers:
    known = [one for one in look.deployments if one["started_at"] is not None]
    took = [(one["finished_at"] - one["started_at"]) / 1e6 for one in known if one["started_at"] <= one["finished_at"]]
    low, high = ends(took, 0.5)
    return {
        "value": quantile(took, 0.5),
        "n": len(took),
        "low": low,
        "high": high,
        "parts": {"p90": quantile(took, 0.9)},
    }


def push_only_rate(look: Look) -> Numbers:
    pushes = [one["push_only"] for one in look.deployments if one["push_only"] is not None]
    return {"value": share(sum(pushes), len(pushes)), "n": len(pushes)}


def friday_confidence(look: Look) -> Numbers:
    place = ZoneInfo(look.window.zone)

    def friday(one: Row) -> bool:
        return datetime.fromtimestamp(one["finished_at"] // 1_000_000, place).weekday() == 4

    n, hits = len(look.deployments), sum(map(friday, look.deployments))
    if not n:
        return {"value": None, "n": 0}
    settled = [one for one in look.deployments if look.old_enough(one)]
    on = [look.failed(one) for one in settled if friday(one)]
    off = [look.failed(one) for one in settled if not friday(one)]
    parts = {"fail_rate_friday": share(sum(on), len(on)), "fail_rate_other_days": share(sum(off), len(off))}
    return {"value": hits / n, "n": n, "parts": parts}


EVERY: dict[str, Callable[[Look], Numbers]] = {
    made.__name__: made
    for made in (
        deployment_frequency,
        change_lead_time,
        failed_deployment_recovery_time,
        change_fail_rate,
        deployment_rework_rate,
        time_to_deploy,
        push_only_rate,
        friday_confidence,
    )
}
