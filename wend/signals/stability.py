"""How much of it goes wrong: DORA's change fail rate and deployment rework rate."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from wend.signals import NOTHING, Scope, Signal, Window
from wend.signals.counted import by_week, days, newest, points, share, total
from wend.signals.definitions import DEFINITIONS
from wend.stats import wilson

PENDING = "{} deployments are younger than a week: whether they failed is not known yet."


def change_fail_rate(db: Connection, scope: Scope, window: Window) -> Signal:
    """Failed by evidence / settled deployments, Wilson's interval; beside it the rate with the assumed ones."""
    about, every = DEFINITIONS["change_fail_rate"], days(db, scope, window)
    found = [day for day in every if day["day"] <= window.settled]
    n, failed, assumed = (total(found, name) for name in ("deployments", "failed", "assumed"))
    pending = total(every, "deployments") - n
    notes = (PENDING.format(pending),) if pending else ()
    if not n:
        none = replace(NOTHING, pending=pending)
        return Signal(about, scope, window, none, fresh=newest(db, window.now), notes=notes)
    guessed = assumed / (failed + assumed) if failed + assumed else None
    value = share(failed, n, assumed=guessed, pending=pending)
    weeks = {week: wilson(total(some, "failed"), total(some, "deployments")) for week, some in by_week(found).items()}
    parts = {"with_assumed": share(failed + assumed, n)}
    return Signal(about, scope, window, value, parts, points(window, weeks), newest(db, window.now), notes)


def deployment_rework_rate(db: Connection, scope: Scope, window: Window) -> Signal:
    """Rollbacks, hotfixes and reverts / deployments, Wilson's interval."""
    about, found = DEFINITIONS["deployment_rework_rate"], days(db, scope, window)
    n = total(found, "deployments")
    if not n:
        return Signal(about, scope, window, NOTHING, fresh=newest(db, window.now))
    weeks = {week: wilson(total(some, "rework"), total(some, "deployments")) for week, some in by_week(found).items()}
    value, fresh = share(total(found, "rework"), n), newest(db, window.now)
    return Signal(about, scope, window, value, {}, points(window, weeks), fresh)
