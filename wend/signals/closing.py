"""Settling the numbers of a week once its deployments are old enough, and restating them when something comes late.

Facts: figures_closed, figures_restated.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from math import isclose

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import signals
from wend.context import Context
from wend.events import Fact
from wend.signals import Scope, Window
from wend.signals.look import bring_up_to_date
from wend.state import figures
from wend.state.delivery import DAY
from wend.state.derived.blames import HORIZON
from wend.state.derived.rollups import DAYS, monday
from wend.state.dirty import DIRTY, LATE

SETTLED = (
    "deployment_frequency",
    "change_lead_time",
    "change_fail_rate",
    "failed_deployment_recovery_time",
    "deployment_rework_rate",
)
BACK = 26  # weeks: what comes later than that changes the numbers all the same, without an entry
AT_ONCE = 4  # weeks settled in one look
CAUSES = ("change_recorded", "deployment_recorded", "incident_recorded", "incident_attributed", "service_recorded")
Numbers = dict[tuple[str, str], float | None]


# ---------------------------------------------------------------------------------------------- pure


def due(today: int, first: int | None, known: Iterable[int]) -> list[int]:
    """The weeks to settle now, oldest first: over for HORIZON days, with anything in them or later than what is."""
    if first is None:
        return []
    last = monday(today - HORIZON - 6)
    begun = max(monday(first), last - 7 * (BACK - 1))
    return [week for week in range(begun, last + 1, 7) if week not in set(known)][:AT_ONCE]


def moved(before: float | None, after: float | None) -> bool:
    """Whether a number is another one, not the same one computed again."""
    if before is None or after is None:
        return before is not after
    return not isclose(before, after, rel_tol=1e-9, abs_tol=1e-12)


def changes(said: Mapping[tuple[str, str], tuple[float | None, int]], now: Numbers) -> Numbers:
    """What differs from what was said."""
    every = said.keys() | now.keys()
    return {key: now.get(key) for key in sorted(every) if moved(said.get(key, (None, 0))[0], now.get(key))}


# ---------------------------------------------------------------------------------------------- acts


def tend(ctx: Context) -> None:
    """Settle the weeks that are due, and restate those that something late fell into."""
    bring_up_to_date(ctx)
    today = int(time.time() * 1e6) // DAY
    with ctx.ledger.query() as db:
        known = figures.weeks(db)
        first = db.execute(sa.select(sa.func.min(DAYS.c.day)).where(DAYS.c.scope == "all")).scalar()
        late = {int(key) for key in db.execute(sa.select(DIRTY.c.key).where(DIRTY.c.kind == LATE)).scalars()}
    for week in due(today, first, known):
        with ctx.ledger.query() as db:
            found = numbers(db, week)
        told: dict[str, dict[str, float | None]] = {}
        for (scope, signal), value in found.items():
            told.setdefault(scope, {})[signal] = value
        ctx.ledger.append([Fact("figures_closed", "figures", {"week": week, "figures": told}, id=f"figures:{week}")])
    for week in sorted(late):
        if week in known:
            restate(ctx, week)
        with ctx.ledger.transaction() as db:
            db.execute(sa.delete(DIRTY).where(DIRTY.c.kind == LATE, DIRTY.c.key == str(week)))


def restate(ctx: Context, week: int) -> None:
    """Say from what to what the week's numbers changed, and which events came since they were said."""
    with ctx.ledger.query() as db:
        said, now = figures.closed(db, week), numbers(db, week)
    facts: list[Fact] = []
    for (scope, signal), after in changes(said, now).items():
        before, seq = said.get((scope, signal), (None, min((seq for _, seq in said.values()), default=0)))
        because = [event.seq for event in ctx.ledger.read(after=seq, kinds=CAUSES, limit=20)]
        data = {"week": week, "scope": scope, "signal": signal, "before": before, "after": after, "because": because}
        facts.append(Fact("figures_restated", "figures", data))
    if facts:
        ctx.ledger.append(facts)


def numbers(db: Connection, week: int) -> Numbers:
    """(scope, signal) → value in that week, of everything and of every team that deployed in it. They are those of the
    end of the horizon, so that they do not depend on when somebody looks."""
    window = Window(week, week + 6, (week + 7 + HORIZON) * DAY)
    here = DAYS.c.day.between(week, week + 6) & DAYS.c.scope.not_like("service:%")
    scopes = sorted(db.execute(sa.select(DAYS.c.scope).where(here).distinct()).scalars())
    return {
        (scope, id): signals.measure(db, id, Scope.parse(scope), window).value.value
        for scope in scopes
        for id in SETTLED
    }
