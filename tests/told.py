"""Facts as sources tell them, in as few words as a test needs. Times are hours since `BEGUN`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wend.events import Fact
from wend.ledger.sqlite import Sqlite
from wend.signals import Scope, Signal, Window, measure
from wend.state import SCHEMA, derived
from wend.state.delivery import DAY
from wend.state.reducers import reduce
from wend.state.tables import META

BEGUN = 20_458 * DAY  # Monday, 2026-01-05
HOUR = DAY // 24


def at(hours: float) -> int:
    return BEGUN + round(hours * HOUR)


def committed(commit: str, hours: float, *parents: str, **rest: Any) -> Fact:
    data = {"source": "git", "repo": "shop", "commit": commit, "committed_at": at(hours), "parents": list(parents)}
    data |= {"merge": len(parents) > 1, "purpose": "planned", "reverts": None, "bot": False, "author": None, **rest}
    return Fact("change_recorded", "repo/shop", data, actor="git")


def deployed(id: str, hours: float, service: str = "shop", **rest: Any) -> Fact:
    data = {"source": "ci", "deployment": id, "service": service, "repo": service, "environment": "production"}
    data |= {"tier": "production", "outcome": "success", "purpose": "planned", "commit": None, "commits": []}
    data |= {"artifact": None, "started_at": at(hours - 0.1), "finished_at": at(hours), "undoes": None, "url": None}
    return Fact("deployment_recorded", f"service/{service}", {**data, **rest}, actor=str({**data, **rest}["source"]))


def broke(id: str, hours: float, service: str | None = "shop", state: str = "open", **rest: Any) -> Fact:
    data = {"source": "pager", "incident": id, "service": service, "environment": None, "state": state, "at": at(hours)}
    data |= {"opened_at": None, "resolved_at": None, "cause": None, "severity": None, "title": None, "url": None}
    return Fact("incident_recorded", f"incident/{id}", {**data, **rest}, actor="pager")


def requested(review: str, commit: str | None = None, **rest: Any) -> Fact:
    """A request to merge, or a moment of one."""
    data = dict.fromkeys(("opened_at", "reviewed_at", "merged_at", "head", "own"))
    return Fact(
        "review_recorded",
        "repo/shop",
        {"source": "git", "review": review, "repo": "shop", "commit": commit, **data, **rest},
    )


def owned(service: str, team: str | None, **rest: Any) -> Fact:
    data = {"source": "csv", "service": service, "team": team, "repo": None, "since": None, "until": None, "why": None}
    return Fact("service_recorded", f"service/{service}", {**data, "exempt": False, **rest}, actor="csv")


class Book:
    """A ledger to tell facts to, and to ask for signals."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Sqlite(folder / "wend.db", META, reduce, SCHEMA, clock=lambda: self.now)
        self.now = BEGUN / 1e6

    def tell(self, *facts: Fact) -> None:
        self.ledger.append(list(facts))

    def live(self, app: str, number: int, hours: float, cause: str = "push", **release: Any) -> None:
        """One of Wend's own deploys, by the events that it writes."""
        deploy = f"{app}{number}"
        frozen = {"deploy": deploy, "release": number, "artifact": "a", "path": "p", "commit": f"c{number}", "env": {}}
        frozen |= {"config": {}, "secrets": {}, "processes": {"web": {}}, "declared": {}, "command": None, **release}
        data = {"deploy": deploy, "cause": cause, "commit": f"c{number}", "ref": "refs/heads/main", "summary": ""}
        for kind, said in (
            ("deploy_started", data),
            ("release_created", frozen),
            ("release_went_live", {"deploy": deploy, "release": number, "previous": None}),
        ):
            self.happen(kind, app, hours, **said)

    def happen(self, kind: str, app: str, hours: float, actor: str = "ann", **data: Any) -> None:
        self.tell(Fact(kind, f"app/{app}", data, actor=actor, app=app, at=at(hours)))

    def ask(self, id: str, scope: str = "all", weeks: int = 1, day: float = 6.5) -> Signal:
        """A signal of the weeks up to the day (from 0) on which somebody looks."""
        with self.ledger.transaction() as db:
            derived.refresh(db)
            while derived.stale(db):
                derived.refresh(db)
        with self.ledger.query() as db:
            return measure(db, id, Scope.parse(scope), Window.of(weeks, at(24 * day)))
