"""Whether the platform is used, by whom, how much of it, and whether they stay: of services, never of people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from statistics import median
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import survival
from wend.signals import NOTHING, Scope, Signal, Value, Window
from wend.signals.counted import cannot_tell, mondays, newest, points, share
from wend.signals.definitions import DEFINITIONS
from wend.state.catalogue import SERVICES
from wend.state.delivery import DAY, DEPLOYMENTS
from wend.state.derived.carried import COUNTS
from wend.state.own import HANDS
from wend.state.tables import APPS, RELEASES
from wend.stats import Interval, more_for_quantile, ranks, wilson

ACTIVE = 28  # days since its last deployment here for which a service counts as active
COHORTS = 6  # quarters shown apart
EPOCH = date(1970, 1, 1)
STAYED = 90  # days after the first deployment here at which retention is read
ALONE = (
    "Only services that deploy here are known. Connect the other ways to deploy, or list all services: "
    "`wend ingest file csv services.csv`."
)


# ---------------------------------------------------------------------------------------------- the services


def services(db: Connection, scope: Scope, window: Window) -> list[Mapping[str, Any]]:
    """Every service of the scope that could use the platform and was there in the window, with the days of its first
    deployment anywhere, and of its first and last here and elsewhere."""
    words = f"""
SELECT s.service, s.team, s.since, s.until, s.made, s.why, MIN(d.day) AS first,
  MIN(CASE WHEN d.source = 'wend' THEN d.day END) AS came, MAX(CASE WHEN d.source = 'wend' THEN d.day END) AS last,
  MAX(CASE WHEN d.source <> 'wend' THEN d.day END) AS elsewhere
FROM services s LEFT JOIN deployments d ON d.service = s.service AND {COUNTS} AND d.day <= :last
WHERE s.exempt = 0 AND (s.until IS NULL OR s.until >= :begun) {{whose}}
GROUP BY s.service, s.team, s.since, s.until, s.made, s.why
"""
    whose = {"all": "", "team": "AND s.team = :name", "service": "AND s.service = :name"}[scope.kind]
    given: dict[str, Any] = {"last": window.last, "begun": window.first * DAY} | ({"name": scope.name} if whose else {})
    return [dict(row) for row in db.execute(sa.text(words.format(whose=whose)), given).mappings()]


def there(one: Mapping[str, Any], day: int) -> bool:
    """Whether the service had begun by that day, and had not ended."""
    begun = min((at for at in (one["first"], one["since"] and one["since"] // DAY) if at is not None), default=None)
    return begun is not None and begun <= day and (one["until"] is None or one["until"] // DAY > day)


def outsiders(found: Iterable[Mapping[str, Any]]) -> bool:
    """Whether any service is known that does not deploy here: without one, nothing can be said about adoption."""
    return any(one["came"] is None and one["made"] is None for one in found)


def active_weeks(db: Connection, scope: Scope, window: Window) -> dict[int, set[str]]:
    """Monday → the services that deployed here in the ACTIVE days up to the end of that week, or up to today."""
    c = DEPLOYMENTS.c
    query = sa.select(c.service, c.day).where(
        c.source == "wend", c.tier == "production", c.day.between(window.first - ACTIVE, window.last)
    )
    if scope.kind != "all":
        query = query.where(c[scope.kind] == scope.name)
    ends = {week: min(week + 6, window.last) for week in mondays(window)}
    found: dict[int, set[str]] = {week: set() for week in ends}
    for service, day in db.execute(query.distinct()):
        for week, end in ends.items():
            if end - ACTIVE < day <= end:
                found[week].add(service)
    return found


# ---------------------------------------------------------------------------------------------- signals


def adoption(db: Connection, scope: Scope, window: Window) -> Signal:
    """Active / eligible services, Wilson's interval, per week; beside it the same of teams, and who left."""
    about, found = DEFINITIONS["adoption"], services(db, scope, window)
    active = active_weeks(db, scope, window)
    series: dict[int, Interval | None] = {}
    for week, names in active.items():
        eligible = {one["service"] for one in found if there(one, min(week + 6, window.last))}
        series[week] = wilson(len(names & eligible), len(eligible))
    now = active[max(active)]
    eligible = [one for one in found if there(one, window.last)]
    left = gone(found, window)
    notes = [] if outsiders(found) or not found else [ALONE]
    notes += [f"{one['service']} left: {one['why'] or moved(one)}" for one in left[:10]]
    if not eligible:
        return Signal(about, scope, window, NOTHING, fresh=newest(db), notes=tuple(notes))
    here = [one for one in eligible if one["service"] in now]
    teams = {one["team"] for one in eligible if one["team"]}
    parts = {"teams": share(len({one["team"] for one in here if one["team"]}), len(teams))}
    parts["left"] = Value(float(len(left)), float(len(left)), float(len(left)), len(found))
    value = share(len(here), len(eligible))
    return Signal(about, scope, window, value, parts, points(window, series), newest(db), tuple(notes))


def gone(found: Iterable[Mapping[str, Any]], window: Window) -> list[Mapping[str, Any]]:
    """The services that were active here and are not any more, whose last deployment is in the window."""
    return [
        one for one in found if one["last"] is not None and window.first - ACTIVE <= one["last"] <= window.last - ACTIVE
    ]


def moved(one: Mapping[str, Any]) -> str:
    if one["elsewhere"] is not None and one["elsewhere"] > one["last"]:
        return "it deploys elsewhere now"
    return "nobody said why"


def voluntary_adoption(db: Connection, scope: Scope, window: Window) -> Signal:
    """New services that began here / new services, while there was another way."""
    about, found = DEFINITIONS["voluntary_adoption"], services(db, scope, window)
    new = [one for one in found if one["first"] is not None and one["first"] >= window.first]
    if not outsiders(found):
        return Signal(about, scope, window, Value(says="cannot tell: no other way is known"), notes=(ALONE,))
    ours = sum(one["came"] == one["first"] for one in new)
    return Signal(about, scope, window, share(ours, len(new)), fresh=newest(db))


def adoption_retention(db: Connection, scope: Scope, window: Window) -> Signal:
    """Kaplan-Meier over the services that came here: one has left when it was ended, when it deploys elsewhere since,
    or after STAYED days without a deployment; the time of its last deployment here is when. Read at STAYED days."""
    about = DEFINITIONS["adoption_retention"]
    found = [one for one in services(db, scope, window) if one["came"] is not None]
    curve = survival.curve(stay(one, window.last) for one in found)
    value = staying(curve)
    parts = {f"{days}_days": staying(curve, days) for days in (28, 180)}
    for begun in sorted({quarter(one["came"]) for one in found})[-COHORTS:]:
        cohort = survival.curve(stay(one, window.last) for one in found if quarter(one["came"]) == begun)
        parts[f"came in {begun}"] = staying(cohort)
    return Signal(about, scope, window, value, parts, fresh=newest(db))


def quarter(day: int) -> str:
    """2026 Q4."""
    found = EPOCH + timedelta(days=day)
    return f"{found.year} Q{(found.month + 2) // 3}"


def stay(one: Mapping[str, Any], today: int) -> tuple[float, int, int]:
    """(days here, left, still here)."""
    elsewhere = one["elsewhere"] is not None and one["elsewhere"] > one["last"]
    left = elsewhere or today - one["last"] > STAYED or one["until"] is not None
    return (float(one["last"] - one["came"]), 1, 0) if left else (float(today - one["came"]), 0, 1)


def staying(curve: survival.Curve, days: int = STAYED) -> Value:
    """The share that stays longer than so many days."""
    if not curve.n:
        return NOTHING
    if days > curve.last:
        return Value(n=curve.n, says=f"cannot tell: nobody is here for {days} days yet", censored=curve.censored)
    step = next((step for step in reversed(curve.steps) if step.time <= days), None)
    if step is None:
        low = wilson(curve.n, curve.n)
        return Value(1.0, low.low if low else 0.0, 1.0, curve.n, censored=curve.censored)
    return Value(step.share, step.low, step.high, curve.n, censored=curve.censored)


# ---------------------------------------------------------------------------------------------- depth and funnel


def adoption_depth(db: Connection, scope: Scope, window: Window) -> Signal:
    """The median number of capabilities that the live releases of active apps use; beside it how many use each."""
    about, sets = DEFINITIONS["adoption_depth"], [used(row) for row in live(db, scope, window)]
    if not sets:
        return Signal(about, scope, window, NOTHING)
    counts, n = sorted(len(one) for one in sets), len(sets)
    low, high = ranks(n, 0.5)
    ends = counts[low - 1] if low else None, counts[high - 1] if high <= n else None
    value = Value(float(median(counts)), *ends, n, cannot_tell(more_for_quantile(n)))
    every = Counter(name for one in sets for name in one)
    return Signal(about, scope, window, value, {name: share(every[name], n) for name in sorted(every)})


def live(db: Connection, scope: Scope, window: Window) -> list[Mapping[str, Any]]:
    """The live releases of the apps that deployed in the last ACTIVE days."""
    here = (RELEASES.c.app == APPS.c.name) & (RELEASES.c.number == APPS.c.live)
    query = sa.select(RELEASES).join(APPS, here).where(APPS.c.parent.is_(None))
    query = query.where(APPS.c.live_at > (window.last - ACTIVE) * DAY)
    if scope.kind != "all":
        query = query.where(APPS.c["team" if scope.kind == "team" else "name"] == scope.name)
    return [dict(row) for row in db.execute(query).mappings()]


def used(row: Mapping[str, Any]) -> set[str]:
    """The capabilities beside plain deploys that a release uses."""
    declared, processes = json.loads(row["declared_json"]), json.loads(row["processes_json"])
    found = {name for name in ("cron", "resources") if declared.get(name)}
    found |= {"secrets"} if json.loads(row["secrets_json"]) else set()
    found |= {"config"} if json.loads(row["config_json"]) else set()
    found |= {"release command"} if row["command"] else set()
    found |= {"workers"} if len(processes) > 1 else set()
    return found | ({"scaling"} if any(one.get("scaling") for one in processes.values()) else set())


def onboarding_funnel(db: Connection, scope: Scope, window: Window) -> Signal:
    """Apps made in the window: how many went live once, twice, ten times; and what stopped those that did not."""
    about, found = DEFINITIONS["onboarding_funnel"], made(db, scope, window)
    n = len(found)
    if not n:
        return Signal(about, scope, window, NOTHING)
    parts = {
        name: share(sum(one["times"] >= least for one in found), n) for name, least in (("again", 2), ("tenth", 10))
    }
    stuck = Counter(one["stopped"] or "nobody pushed" for one in found if not one["times"])
    notes = tuple(f"{count} never went live: {why}" for why, count in stuck.most_common(5))
    return Signal(about, scope, window, share(sum(one["times"] > 0 for one in found), n), parts, notes=notes)


def made(db: Connection, scope: Scope, window: Window) -> list[dict[str, Any]]:
    """service, how many times it went live, and what last stopped it, of the apps made in the window."""
    d, h = DEPLOYMENTS.c, HANDS.c
    times = sa.select(sa.func.count()).where(d.service == SERVICES.c.service, d.source == "wend").scalar_subquery()
    last = sa.select(h.what).where(h.service == SERVICES.c.service).order_by(h.seq.desc()).limit(1).scalar_subquery()
    query = sa.select(SERVICES.c.service, times.label("times"), last.label("stopped"))
    query = query.where(SERVICES.c.made.between(window.first * DAY, (window.last + 1) * DAY - 1))
    if scope.kind != "all":
        query = query.where(SERVICES.c[scope.kind] == scope.name)
    return [dict(row) for row in db.execute(query).mappings()]
