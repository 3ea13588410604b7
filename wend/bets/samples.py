"""What was measured before a bet and after, as rows: of which service, in which week. Asked of the tables."""

from __future__ import annotations

from statistics import median

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.bets.shares import Count, Week
from wend.bets.spans import Span
from wend.signals import Scope, Window, support
from wend.signals.counted import alive, whose
from wend.signals.throughput import lasting
from wend.state.delivery import COUNTS
from wend.state.derived.blames import ASSUMED
from wend.state.derived.durations import MEASURES, counting, monday

SPANS = {"change_lead_time": "lead", "time_to_deploy": "took"}
COUNTED = {
    "change_fail_rate": (f"failed BETWEEN 1 AND {ASSUMED - 1}", "1 = 1"),
    "deployment_rework_rate": ("rework = 1", "1 = 1"),
    "push_only_rate": ("push_only = 1", "push_only IS NOT NULL"),
}  # which deployments are hits, and of which
QUARTER = 13  # weeks
SETTLING = frozenset({"change_fail_rate", "failed_deployment_recovery_time"})


def last_of(id: str, window: Window) -> int:
    """The last day of the window of which the signal is known."""
    return window.settled if id in SETTLING else window.last


def spans(db: Connection, id: str, scope: Scope, window: Window) -> list[Span]:
    """The durations of the window in seconds."""
    if id == "failed_deployment_recovery_time":
        return recoveries(db, scope, window)
    source, day, value, _ = MEASURES[SPANS[id]]
    only, given = whose(scope, {"first": window.first, "last": window.last})
    words = (
        f"SELECT service, {day} AS day, {value} AS value FROM {source} "
        f"WHERE {counting(SPANS[id], scope.kind)} AND {day} BETWEEN :first AND :last {only} "
        "ORDER BY service, day, value"
    )
    return [Span(row[0], monday(row[1]), row[2] / 1e6) for row in db.execute(sa.text(words), given)]


def recoveries(db: Connection, scope: Scope, window: Window) -> list[Span]:
    """How long what failed by evidence took until a good version served again."""
    only, given = whose(scope, {"first": window.first, "last": window.settled})
    words = (
        f"SELECT service, day, finished_at, restored_at FROM deployments d WHERE failed BETWEEN 1 AND {ASSUMED - 1} "
        f"AND {COUNTS} AND day BETWEEN :first AND :last {only} ORDER BY service, day, id"
    )
    found: list[Span] = []
    for service, day, begun, ended in db.execute(sa.text(words), given):
        if ended is None or ended >= begun:
            seconds, over, _ = lasting(begun, ended, window.now)
            found.append(Span(service, monday(day), seconds, bool(over)))
    return found


def counts(db: Connection, id: str, scope: Scope, window: Window) -> list[Count]:
    """The deployments of every service and week of the window, and the hits among them."""
    hits, of = COUNTED[id]
    only, given = whose(scope, {"first": window.first, "last": last_of(id, window)})
    words = (
        f"SELECT service, day - (day + 3) % 7 AS week, SUM(CASE WHEN {hits} THEN 1 ELSE 0 END), COUNT(*) "
        f"FROM deployments d WHERE {COUNTS} AND {of} AND day BETWEEN :first AND :last {only} "
        "GROUP BY service, day - (day + 3) % 7 ORDER BY service, week"
    )
    return [Count(row[0], int(row[1]), int(row[2]), int(row[3])) for row in db.execute(sa.text(words), given)]


# ---------------------------------------------------------------------------------------------- weeks


def blocks(window: Window, backwards: bool) -> list[range]:
    """The whole weeks of a window, counted back from its last day, or on from its first; the oldest first."""
    whole = window.days // 7
    begin = window.last + 1 - 7 * whole if backwards else window.first
    return [range(begin + 7 * week, begin + 7 * week + 7) for week in range(whole)]


def weeks(db: Connection, id: str, scope: Scope, window: Window, backwards: bool) -> list[Week]:
    """Deployments per day, or tickets per 100 developers and week: what happened in each whole week."""
    if id == "support_tickets":
        return ticket_weeks(db, scope, window, backwards)
    by_day = deployments(db, scope, window)
    return [Week(one[0], sum(by_day.get(day, 0) for day in one), 7.0) for one in blocks(window, backwards)]


def deployments(db: Connection, scope: Scope, window: Window) -> dict[int, int]:
    """UTC day → deployments that reached production on it."""
    only, given = whose(scope, {"first": window.first, "last": window.last})
    words = (
        f"SELECT day, COUNT(*) FROM deployments d WHERE {COUNTS} AND day BETWEEN :first AND :last {only} GROUP BY day"
    )
    return {int(day): int(n) for day, n in db.execute(sa.text(words), given)}


def ticket_weeks(db: Connection, scope: Scope, window: Window, backwards: bool) -> list[Week]:
    """None where so few people are behind them that nothing is shown."""
    everybody = support.stints(db, window.first)
    if scope.kind == "service" or not support.may_show(everybody, scope, window):
        return []
    mine = [(joined, left) for team, joined, left in everybody if scope.kind == "all" or team == scope.name]
    here = support.present(mine, window.first, window.last)
    tickets, _ = support.opened(db, scope, window.first, window)
    return [
        Week(
            one[0],
            sum(tickets.get(day, 0) for day in one),
            sum(here[day - window.first] for day in one) / support.PER,
        )
        for one in blocks(window, backwards)
    ]


def frozen(db: Connection, scope: Scope, window: Window) -> tuple[int, int, float] | None:
    """(weeks of the window with less than a third of the usual deployments, its weeks, the usual per week), the usual
    being the median of the year before, or where less than a quarter of one is known, of the window's better half.
    None: nothing is deployed there, or for less than two weeks."""
    begun = alive(db, scope, Window(window.first - 52 * 7, window.last, window.now))
    if begun is None:
        return None
    by_day = deployments(db, scope, begun)
    every = [(one[0], sum(by_day.get(day, 0) for day in one)) for one in blocks(begun, backwards=True)]
    inside, earlier = [n for day, n in every if day >= window.first], [n for day, n in every if day < window.first]
    if len(inside) < 2:
        return None
    usual = median(earlier) if len(earlier) >= QUARTER else median(sorted(inside)[len(inside) // 2 :])
    return sum(n < usual / 3 for n in inside), len(inside), usual
