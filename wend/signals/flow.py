"""How it feels to deploy: how long it takes, whether a push is all it needs, and whether people dare to on a Friday."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.signals import NOTHING, Scope, Signal, Window
from wend.signals.counted import by_week, days, histogram, newest, points, quantiles, share, total, weekly, whose
from wend.signals.definitions import DEFINITIONS
from wend.state.delivery import DAY
from wend.state.derived.blames import ASSUMED
from wend.state.derived.carried import COUNTS
from wend.stats import Interval, newcombe, wilson

FRIDAY = 4  # date.weekday()


def time_to_deploy(db: Connection, scope: Scope, window: Window) -> Signal:
    """Quantiles of start to end, of the deployments whose start is known."""
    found = histogram(db, "took", scope, window)
    half, nine = quantiles(db, "took", scope, window, found, (0.5, 0.9))
    about = DEFINITIONS["time_to_deploy"]
    return Signal(about, scope, window, half, {"p90": nine}, points(window, weekly(found, 0.5)), newest(db, window.now))


def push_only_rate(db: Connection, scope: Scope, window: Window) -> Signal:
    """Deployments by push that nobody had to help / deployments by push, here."""
    about, found = DEFINITIONS["push_only_rate"], days(db, scope, window)
    n = total(found, "pushes")
    if not n:
        return Signal(about, scope, window, NOTHING, fresh=newest(db, window.now))
    weeks = {week: wilson(total(some, "push_only"), total(some, "pushes")) for week, some in by_week(found).items()}
    value, fresh = share(total(found, "push_only"), n), newest(db, window.now)
    return Signal(about, scope, window, value, {}, points(window, weeks), fresh)


# ---------------------------------------------------------------------------------------------- Fridays


def friday_confidence(db: Connection, scope: Scope, window: Window) -> Signal:
    """Deployments of Fridays / all, and the fail rates of both with their difference (Newcombe)."""
    about, found = DEFINITIONS["friday_confidence"], days(db, scope, window)
    n = total(found, "deployments")
    if not n:
        return Signal(about, scope, window, NOTHING, fresh=newest(db, window.now))
    settled = [day for day in found if day["day"] <= window.settled]
    every, (made, failed) = on_fridays(db, scope, window, window.last), on_fridays(db, scope, window, window.settled)
    others, wrong = total(settled, "deployments") - made, total(settled, "failed") - failed
    parts = {"fail_rate_friday": share(failed, made), "fail_rate_other_days": share(wrong, others)}
    notes = compared(newcombe(failed, made, wrong, others))
    return Signal(about, scope, window, share(every[0], n), parts, fresh=newest(db, window.now), notes=notes)


def compared(found: Interval | None) -> tuple[str, ...]:
    """What the difference of the fail rates says."""
    if found is None:
        return ()
    ends = f"{100 * found.low:+.0f} to {100 * found.high:+.0f} points"
    if found.low <= 0 <= found.high:
        return (f"Fridays fail neither more nor less, as far as can be told ({ends}).",)
    return (f"Fridays fail {'more' if found.value > 0 else 'less'} often ({ends}).",)


def fridays(window: Window, last: int) -> list[tuple[int, int]]:
    """Beginning and end of every Friday from the window's first day to `last`, in microseconds, by the clocks of its
    time zone, which may be a day ahead or behind: one with a change to summer time has 23 hours."""
    place = ZoneInfo(window.zone)
    found: list[tuple[int, int]] = []
    for number in range(window.first - 1, last + 2):
        day = date(1970, 1, 1) + timedelta(days=number)
        if day.weekday() == FRIDAY:
            begun, ended = midnight(day, place), midnight(day + timedelta(days=1), place)
            found.append((max(begun, window.first * DAY), min(ended, (last + 1) * DAY)))
    return [(begun, ended) for begun, ended in found if begun < ended]


def midnight(day: date, place: ZoneInfo) -> int:
    return int(datetime.combine(day, time(), place).astimezone(UTC).timestamp()) * 1_000_000


def on_fridays(db: Connection, scope: Scope, window: Window, last: int) -> tuple[int, int]:
    """(deployments, failed ones) of the Fridays from the window's first day to `last`."""
    found = fridays(window, last)
    if not found:
        return 0, 0
    only, given = whose(scope, {})
    words = f"""
WITH fridays (begun, ended) AS (VALUES {", ".join(map(str, found))})
SELECT COUNT(*), coalesce(SUM(CASE WHEN failed BETWEEN 1 AND {ASSUMED - 1} THEN 1 ELSE 0 END), 0)
FROM fridays f JOIN deployments d ON d.finished_at >= f.begun AND d.finished_at < f.ended WHERE {COUNTS} {only}"""
    row = db.execute(sa.text(words), given).one()
    return int(row[0]), int(row[1])
