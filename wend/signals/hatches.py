"""Who leaves the path, and which exceptions hold: counts, for a hatch is no offence."""

from __future__ import annotations

from collections import Counter

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.signals import Scope, Signal, Value, Window
from wend.signals.definitions import DEFINITIONS
from wend.state.guardrails import WAIVERS
from wend.state.own import HATCHES
from wend.state.tables import APPS


def open_hatches(db: Connection, scope: Scope, window: Window) -> Signal:
    """Hatches in live releases, by kind. All of them are known: the interval is the number itself, n the apps."""
    apps = sa.select(APPS.c.name, APPS.c.live).where(APPS.c.live.is_not(None), APPS.c.parent.is_(None))
    if scope.kind != "all":
        apps = apps.where(APPS.c["team" if scope.kind == "team" else "name"] == scope.name)
    n = len(db.execute(apps).all())
    if not n:
        return Signal(DEFINITIONS["open_hatches"], scope, window, Value(says="no data"))
    mine = apps.subquery()
    here = (HATCHES.c.app == mine.c.name) & (HATCHES.c.release == mine.c.live)
    kinds = Counter(db.execute(sa.select(HATCHES.c.kind).join(mine, here)).scalars())
    parts = {kind: whole(number, n) for kind, number in sorted(kinds.items())}
    return Signal(DEFINITIONS["open_hatches"], scope, window, whole(kinds.total(), n), parts)


def whole(number: int, n: int) -> Value:
    return Value(float(number), float(number), float(number), n)


def open_waivers(db: Connection, scope: Scope, window: Window) -> Signal:
    """Waivers that hold at the end of the window, by guardrail. All of them are known: n the apps that are live."""
    about = DEFINITIONS["open_waivers"]
    apps = sa.select(APPS.c.name).where(APPS.c.live.is_not(None), APPS.c.parent.is_(None))
    if scope.kind != "all":
        apps = apps.where(APPS.c["team" if scope.kind == "team" else "name"] == scope.name)
    n = len(db.execute(apps).all())
    if not n:
        return Signal(about, scope, window, Value(says="no data"))
    holds = (WAIVERS.c.begins <= window.now) & (WAIVERS.c.ends > window.now) & (WAIVERS.c.state == "approved")
    rules = Counter(db.execute(sa.select(WAIVERS.c.rule).where(holds, WAIVERS.c.app.in_(apps))).scalars())
    parts = {"every guardrail" if rule == "*" else rule: whole(count, n) for rule, count in sorted(rules.items())}
    return Signal(about, scope, window, whole(rules.total(), n), parts)
