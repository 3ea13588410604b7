"""Our own deploys as deployments among the others, and whether a push was all they needed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.canaries import CANARIES
from wend.state.catalogue import SERVICES, add_services
from wend.state.delivery import DEPLOYMENTS, put_deployments
from wend.state.dirty import mark
from wend.state.tables import APPS, DEPLOYS, number, table, text

HANDS = table(
    "hands", text("service", key=True), number("seq", key=True), number("at"), text("what"), sa.Index("hands_at", "at")
)
HATCHES = table(
    "hatches",
    text("app", key=True),
    number("release", key=True),
    text("kind", key=True),
    text("reason"),
    text("until", null=True),
    number("since"),
)


def app_created(db: Connection, event: Event) -> None:
    if not event.data.get("parent") and event.app:
        made = {"since": event.at, "made": event.at}
        add_services(db, [{"service": event.app, "repo": event.app, "team": event.team, **made}])


def team_set(db: Connection, event: Event) -> None:
    db.execute(sa.update(SERVICES).where(SERVICES.c.service == event.app).values(team=event.data["team"]))
    mark(db, "team", [event.app or ""])


def app_destroyed(db: Connection, event: Event) -> None:
    values = {"until": event.at, "why": event.data.get("why")}
    db.execute(sa.update(SERVICES).where(SERVICES.c.service == event.app).values(**values))


def release_created(db: Connection, event: Event) -> None:
    rows = [
        {"app": event.app, "release": event.data["release"], "kind": kind, "since": event.at, **about}
        for kind, about in event.data.get("hatches", {}).items()
    ]
    if rows:
        db.execute(sa.insert(HATCHES), rows)


def release_went_live(db: Connection, event: Event) -> None:
    """A deployment that succeeded, unless of a preview."""
    row = own_row(db, event)
    if row is None:
        return
    row |= {"finished_at": event.at}
    if row["cause"] == "push":
        row["push_only"] = int(not hand(db, event))
    else:
        touched(db, event, f"deployed by {row['cause']}")
    put_deployments(db, [row])


def canary_ended(db: Connection, event: Event) -> None:
    """One that was taken back had reached people; it failed."""
    data = event.data
    row = own_row(db, event)
    if row is None or data["mode"] != "canary" or data["outcome"] not in ("rolled back", "aborted"):
        return
    here = (CANARIES.c.deploy == data["deploy"]) & (CANARIES.c.mode == "canary")
    began = db.execute(sa.select(CANARIES.c.started_at).where(here)).scalar() or event.at
    put_deployments(db, [row | {"finished_at": began, "fault_at": event.at}])
    touched(db, event, f"canary {data['outcome']}")


def own_row(db: Connection, event: Event) -> dict[str, Any] | None:
    """The deployment that this deploy is; None for a preview's."""
    app = db.execute(sa.select(APPS).where(APPS.c.name == event.app)).mappings().first()
    deploy = db.execute(sa.select(DEPLOYS).where(DEPLOYS.c.id == event.data["deploy"])).mappings().first()
    if app is None or deploy is None or app["parent"]:
        return None
    row = {"id": f"wend:{deploy['id']}", "source": "wend", "service": event.app, "repo": event.app}
    row |= {"environment": "production", "tier": "production", "outcome": "success", "artifact": None, "undoes": None}
    row |= {"purpose": "rollback" if deploy["cause"] == "rollback" else "planned", "cause": deploy["cause"]}
    return row | {"commit": deploy["commit"], "started_at": deploy["started_at"], "url": None, "seq": event.seq}


# ---------------------------------------------------------------------------------------------- by hand


def hand(db: Connection, event: Event) -> bool:
    """Whether anybody had to do more than push since the push before this one went live."""
    mine = (DEPLOYMENTS.c.service == event.app) & DEPLOYMENTS.c.push_only.is_not(None)  # not a canary taken back
    before = db.execute(sa.select(sa.func.max(DEPLOYMENTS.c.seq)).where(mine)).scalar() or 0
    found = sa.select(HANDS.c.seq).where(HANDS.c.service == event.app, HANDS.c.seq > before).limit(1)
    return db.execute(found).scalar() is not None


def touched(db: Connection, event: Event, what: str) -> None:
    row = {"service": event.app, "seq": event.seq, "at": event.at, "what": what}
    db.execute(sa.insert(HANDS), row)


def push_refused(db: Connection, event: Event) -> None:
    touched(db, event, "push refused")


def deploy_failed(db: Connection, event: Event) -> None:
    if not event.data.get("superseded"):
        touched(db, event, "deploy failed")


def config_changed(db: Connection, event: Event) -> None:
    touched(db, event, "configuration")


def secret_changed(db: Connection, event: Event) -> None:
    touched(db, event, "secret")


def scaled(db: Connection, event: Event) -> None:
    touched(db, event, "scaled by hand")


def run_started(db: Connection, event: Event) -> None:
    touched(db, event, "one-off command")


def canary_stepped(db: Connection, event: Event) -> None:
    if event.actor != "platform":
        touched(db, event, "canary moved by hand")


REDUCERS = (
    app_created,
    app_destroyed,
    canary_ended,
    canary_stepped,
    config_changed,
    deploy_failed,
    push_refused,
    release_created,
    release_went_live,
    run_started,
    scaled,
    secret_changed,
    team_set,
)
