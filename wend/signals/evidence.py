"""The rows behind a number, newest first, each with the number of the event in the ledger that it came from."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.errors import Refused
from wend.signals import Scope, Window, definition
from wend.signals.support import may_show, stints
from wend.state.delivery import DAY
from wend.state.derived.carried import COUNTS
from wend.state.derived.durations import FIRST

DEPLOYED = """
SELECT d.id, d.service, d.purpose, d.finished_at AS at, d.cause, d.failed, d.rework, d.url, d.seq FROM deployments d
WHERE d.day BETWEEN :first AND :last AND {counts} AND {where} {whose} ORDER BY d.finished_at DESC, d.id
"""
CHANGES = """
SELECT d."commit" AS id, d.service, d.deployment, d.deployed_at AS at, d.lead, x.repo, x.seq
FROM carried d JOIN changes x ON x."commit" = d."commit"
WHERE d.day BETWEEN :first AND :last AND d.merge = 0 AND d.lead IS NOT NULL {whose}
ORDER BY d.deployed_at DESC, d."commit"
"""
FAILED = f"""
SELECT d.id, d.service, d.finished_at AS at, b."by", b.rank, d.detected_at, d.restored_at, d.url, d.seq
FROM deployments d JOIN blames b ON b.deployment = d.id
WHERE d.day BETWEEN :first AND :last AND d.failed > 0 AND {COUNTS} {{whose}} ORDER BY d.finished_at DESC, d.id, b.rank
"""
TICKETS = """
SELECT d.id, d.opened_at AS at, d.reason, d.resolved_at, d.seq FROM tickets d
WHERE d.day BETWEEN :first AND :last AND d.platform = 1 AND d.automatic = 0 AND d.retracted = 0 {whose}
ORDER BY d.opened_at DESC, d.id
"""
SERVICES = """
SELECT d.service AS id, d.service, d.team, d.since AS at, d.until, d.why,
  (SELECT MAX(o.day) FROM deployments o WHERE o.service = d.service AND o.source = 'wend') AS last_here,
  (SELECT MAX(o.day) FROM deployments o WHERE o.service = d.service AND o.source <> 'wend') AS last_elsewhere,
  (SELECT MAX(o.seq) FROM deployments o WHERE o.service = d.service) AS seq
FROM services d WHERE d.exempt = 0 AND :first <= :last {whose} ORDER BY d.service
"""
HATCHES = """
SELECT h.app AS id, h.app AS service, h.kind, h.reason, h.until, h.since AS at, d.seq
FROM hatches h JOIN apps a ON a.name = h.app AND a.live = h.release
LEFT JOIN (SELECT service, MAX(seq) AS seq FROM deployments GROUP BY service) AS d ON d.service = h.app
WHERE :first <= :last {whose} ORDER BY h.since DESC, h.app
"""


def counted(where: str) -> str:
    return DEPLOYED.format(counts=COUNTS, where=where, whose="{whose}")


BEHIND: dict[str, str] = {
    "deployment_frequency": counted("1 = 1"),
    "change_lead_time": CHANGES,
    "failed_deployment_recovery_time": FAILED,
    "change_fail_rate": FAILED,
    "deployment_rework_rate": counted("d.rework = 1"),
    "time_to_deploy": counted("d.started_at IS NOT NULL"),
    "push_only_rate": counted("d.push_only IS NOT NULL"),
    "friday_confidence": counted("1 = 1"),
    "adoption": SERVICES,
    "adoption_depth": SERVICES,
    "voluntary_adoption": SERVICES,
    "adoption_retention": SERVICES,
    "onboarding_funnel": SERVICES,
    "support_tickets": TICKETS,
    "open_hatches": HATCHES,
}
NONE = frozenset({"open_waivers"})
OWNED = {TICKETS: "d.team", HATCHES: "a.team"}  # whose column says whose it is, where it is not d.team and d.service
EVIDENCE = ("", "incident or word", "rollback", "revert", "hotfix", "assumed")  # by rank, see derived/blames.py


def evidence(
    db: Connection, id: str, scope: Scope, window: Window, limit: int = 100, offset: int = 0
) -> list[dict[str, Any]]:
    """`at` and other times in microseconds; `lead` too. Raises NotFound, and Refused for signals about people: those
    are shown as groups, not one by one. No tickets of a team of a few people."""
    definition(id)
    if id in NONE:
        return []
    if id not in BEHIND:
        raise Refused(f"what is behind {id} is about people, and is shown as groups only", "docs/privacy.md says why")
    words = BEHIND[id]
    if words is TICKETS and (scope.kind == "service" or of_few(db, scope, window)):
        return []
    team = OWNED.get(words, "d.team")
    service = "h.app" if words is HATCHES else "d.service"
    whose = {"all": "", "team": f"AND {team} = :name", "service": f"AND {service} = :name"}[scope.kind]
    whose += f" AND d.{FIRST[scope.kind]}" if words is CHANGES and scope.kind != "service" else ""
    given: dict[str, Any] = {"first": window.first, "last": window.last, "limit": limit, "offset": offset}
    given |= {"name": scope.name} if ":name" in whose else {}
    rows = db.execute(sa.text(f"{words.format(whose=whose)} LIMIT :limit OFFSET :offset"), given).mappings()
    return [told(dict(row)) for row in rows]


def of_few(db: Connection, scope: Scope, window: Window) -> bool:
    """Whether the people are known, and so few that their tickets are not shown either."""
    everybody = stints(db, window.first)
    return bool(everybody) and not may_show(everybody, scope, window)


def told(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its codes in words."""
    for key in ("failed", "rank"):
        if key in row:
            row[key] = EVIDENCE[row[key]]
    for key in ("last_here", "last_elsewhere"):
        if row.get(key) is not None:
            row[key] *= DAY
    return row
