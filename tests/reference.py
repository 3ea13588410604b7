"""What the delivery signals are made of, worked out slowly and plainly from the facts alone: no SQL, nothing clever.

It follows the definitions in docs/signals.md and nothing else. `tests/reference_facts.py` reads the facts,
`tests/reference_signals.py` makes the numbers; `tests/test_derived.py` and `bench/signals.py` hold the product to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

DAY = 86_400_000_000
HORIZON = 7
Row = dict[str, Any]


@dataclass(frozen=True)
class Carried:
    """A change in the first deployment of a service that contains it. `lead`: None where it cannot be known."""

    service: str
    commit: str
    deployment: str
    deployed_at: int
    explicit: bool
    seed: bool
    merge: bool
    lead: int | None

    @property
    def order(self) -> tuple[int, str, str]:
        return self.deployed_at, self.deployment, self.service


@dataclass(frozen=True)
class Blame:
    """Something that says that a deployment failed."""

    deployment: str
    by: str
    rank: int
    detected_at: int | None
    restored_at: int | None


@dataclass
class World:
    """What the facts say, in the order in which they were heard."""

    changes: dict[str, Row] = field(default_factory=dict[str, Row])
    parents: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    deployments: dict[str, Row] = field(default_factory=dict[str, Row])
    incidents: dict[str, Row] = field(default_factory=dict[str, Row])
    services: dict[str, Row] = field(default_factory=dict[str, Row])
    reviews: dict[str, Row] = field(default_factory=dict[str, Row])

    # ------------------------------------------------------------------------------------------ who carried what

    def counted(self, service: str | None = None) -> list[Row]:
        """Deployments that reached production, as they ended."""
        return self.reached if service is None else [one for one in self.reached if one["service"] == service]

    @cached_property
    def reached(self) -> list[Row]:
        found = [
            one
            for one in self.deployments.values()
            if (one["tier"], one["outcome"]) == ("production", "success") and one["finished_at"] is not None
        ]
        return sorted(found, key=lambda one: (one["finished_at"], one["id"]))

    def contained(self, deployment: Row) -> set[str]:
        """Its commits and all that came before them."""
        stack = [*deployment["commits"], *([deployment["commit"]] if deployment["commit"] else [])]
        found: set[str] = set()
        while stack:
            one = stack.pop()
            if one not in found:
                found.add(one)
                stack.extend(self.parents.get(one, ()))
        return found

    @cached_property
    def carried(self) -> list[Carried]:
        return [row for service in sorted(self.services) for row in self.carried_by(service)]

    def carried_by(self, service: str) -> Iterator[Carried]:
        known: set[str] = set()
        for number, deployment in enumerate(self.counted(service)):
            for commit in sorted(self.contained(deployment) - known):
                known.add(commit)
                explicit = commit in deployment["commits"]
                seed = not explicit and (number == 0 or self.outside(service, commit))
                change = self.changes.get(commit)
                unknown = change is None or change["bot"] or seed
                lead = None if unknown else deployment["finished_at"] - change["committed_at"]
                merge = bool(change and change["merge"])
                at = deployment["finished_at"]
                yield Carried(service, commit, deployment["id"], at, explicit, seed, merge, lead)

    def outside(self, service: str, commit: str) -> bool:
        """Whether a change touched nothing that the service is made from, as far as both are known."""
        mine, touched = self.services[service]["folders"], self.changes.get(commit, {}).get("folders")
        both = [(one, own) for one in touched or () for own in mine or ()]
        return bool(both) and not any(one == own or one.startswith(f"{own}/") for one, own in both)

    # ------------------------------------------------------------------------------------------ which failed

    @cached_property
    def repairs(self) -> set[str]:
        """Deployments that nobody had planned."""
        unplanned = {id for id, one in self.deployments.items() if one["purpose"] != "planned"}
        return unplanned | {good.deployment for good, _, _ in self.taken_back()}

    def taken_back(self) -> Iterator[tuple[Carried, Carried, int]]:
        """(the revert, what it reverts, when it was committed), both deployed, one after the other."""
        by = {(row.service, row.commit): row for row in self.carried}
        for good in self.carried:
            change = self.changes.get(good.commit) or {"reverts": None}
            bad = by.get((good.service, change["reverts"]))
            if bad and not good.seed and bad.deployed_at < good.deployed_at and not self.brings_back(change["reverts"]):
                yield good, bad, change["committed_at"]

    def brings_back(self, commit: str) -> bool:
        """Whether who reverts this commit brings back what it had reverted."""
        reverts = (self.changes.get(commit) or {}).get("reverts")
        return reverts is not None and (self.changes.get(reverts) or {}).get("reverts") is None

    @cached_property
    def blames(self) -> dict[tuple[str, str], Blame]:
        """The best evidence for each (deployment, what says so)."""
        found: dict[tuple[str, str], Blame] = {}
        for one in self.evidence():
            key = (one.deployment, one.by)
            if key not in found or one.rank < found[key].rank:
                found[key] = one
        return found

    def evidence(self) -> Iterator[Blame]:
        for incident in self.incidents.values():
            yield from self.by_incident(incident)
        for one in self.counted():
            yield from self.by_deployment(one)
        together: dict[tuple[str, str], Blame] = {}
        for good, bad, at in self.taken_back():
            if not bad.seed:
                key = (bad.deployment, good.deployment)
                first = min(at, together[key].detected_at or at) if key in together else at
                together[key] = Blame(*key, 3, first, good.deployed_at)
        yield from together.values()

    def by_incident(self, incident: Row) -> Iterator[Blame]:
        if incident["retracted"] or incident["attributed"] == "":
            return
        named = incident["attributed"] or incident["cause"]
        cause = incident["attributed"] or (self.caused_by(incident) if named else None)
        rank, bad = 1, {one["id"]: one for one in self.counted()}.get(cause or "")
        if not named and incident["service"] and incident["opened_at"] is not None:
            rank = 5
            bad = self.before(incident["service"], incident["opened_at"], HORIZON, incident["environment"])
        if bad:
            resolved, reopened = incident["resolved_at"], incident["reopened_at"]
            ended = None if resolved is None or (reopened is not None and reopened > resolved) else resolved
            yield Blame(bad["id"], incident["id"], rank, incident["opened_at"], ended)

    def caused_by(self, incident: Row) -> str | None:
        """The deployment that the incident's cause names, or that first had the commit, or last the artifact."""
        kind, cause = incident["cause"] or (None, None)
        mine = [one for one in self.counted() if incident["service"] in (None, one["service"])]
        if kind == "deployment":
            return cause
        if kind == "artifact":
            opened = incident["opened_at"]
            had = [
                one for one in mine if one["artifact"] == cause and opened is not None and one["finished_at"] <= opened
            ]
            return had[-1]["id"] if had else None
        rows = [row for row in self.carried if row.commit == cause and incident["service"] in (None, row.service)]
        first = min((row for row in rows if not row.seed), key=lambda row: row.order[:2], default=None)
        own = [one["id"] for one in mine if one["commit"] == cause]
        return first.deployment if first else next(iter(own), None)

    def by_deployment(self, one: Row) -> Iterator[Blame]:
        began = one["finished_at"] if one["started_at"] is None else one["started_at"]
        if one["fault_at"] is not None:
            yield Blame(one["id"], one["id"], 2, one["fault_at"], one["fault_at"])
        if one["purpose"] == "rollback":
            undone = self.deployments.get(one["undoes"] or "")
            bad = undone or self.before(one["service"], one["finished_at"])
            if bad and bad["service"] == one["service"] and bad in self.counted():
                yield Blame(bad["id"], one["id"], 2, began, one["finished_at"])
        if one["purpose"] == "hotfix" and (bad := self.before(one["service"], one["finished_at"], HORIZON)):
            yield Blame(bad["id"], one["id"], 4, began, one["finished_at"])

    def before(self, service: str, time: int, days: int | None = None, environment: str | None = None) -> Row | None:
        """The last deployment of the service before then that is no repair and was not taken back by then."""
        found = [
            one
            for one in self.counted(service)
            if one["finished_at"] < time
            and one["id"] not in self.repairs
            and (one["fault_at"] is None or one["fault_at"] >= time)
            and (days is None or one["finished_at"] >= time - days * DAY)
            and environment in (None, one["environment"])
        ]
        return found[-1] if found else None

    @cached_property
    def verdicts(self) -> dict[str, tuple[int, int | None, int | None]]:
        """Deployment → (the best evidence's rank, when it was noticed, when all was well again), of what failed."""
        every: dict[str, list[Blame]] = {}
        for one in self.blames.values():
            every.setdefault(one.deployment, []).append(one)
        return {id: verdict(known([*some])) for id, some in every.items()}


def known(some: list[Blame]) -> list[Blame]:
    """Without what is only assumed, if anything else is there."""
    return [one for one in some if one.rank < 5] or some


def verdict(some: Sequence[Blame]) -> tuple[int, int | None, int | None]:
    noticed = [one.detected_at for one in some if one.detected_at is not None]
    repaired = [one.restored_at for one in some if one.rank in (2, 3, 4) and one.restored_at is not None]
    ended = [one.restored_at for one in some if one.restored_at is not None]
    restored = min(repaired) if repaired else max(ended) if len(ended) == len(some) else None
    return min(one.rank for one in some), min(noticed, default=None), restored
