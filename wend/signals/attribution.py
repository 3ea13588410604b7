"""Saying what caused an incident: a person's word is better evidence than any guess.

Facts: incident_attributed.
"""

from __future__ import annotations

import sqlalchemy as sa

from wend.context import Context
from wend.errors import Invalid, NotFound
from wend.events import Fact
from wend.state.delivery import DEPLOYMENTS, INCIDENTS

LONGEST = 500


def attribute(ctx: Context, incident: str, deployment: str | None, why: str) -> None:
    """Record that this deployment caused the incident, or (None) that no change did. Raises NotFound, Invalid."""
    with ctx.ledger.query() as db:
        known = db.execute(sa.select(INCIDENTS.c.id).where(INCIDENTS.c.id == incident)).scalar()
        there = (
            deployment is None or db.execute(sa.select(DEPLOYMENTS.c.id).where(DEPLOYMENTS.c.id == deployment)).scalar()
        )
    if known is None:
        raise NotFound(f"there is no incident {incident[:80]!r}", "`wend signals show change_fail_rate` lists them")
    if not there:
        raise NotFound(f"there is no deployment {deployment!r}", "`wend signals show deployment_frequency` lists them")
    if not why.strip() or len(why) > LONGEST:
        raise Invalid("say why, in a sentence" if not why.strip() else f"{len(why)} characters are too many", "--why")
    data = {"incident": incident, "deployment": deployment, "why": why.strip()}
    ctx.ledger.append([Fact("incident_attributed", f"incident/{incident}", data, actor=ctx.actor.name)])
