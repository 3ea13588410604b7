"""Facts read into a `World`, one after the other, as they were heard."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.reference import DAY, Row, World
from wend.events import Event, Fact

OUTCOMES = ("running", "cancelled", "failure", "success")
PURPOSES = ("planned", "hotfix", "rollback")
HANDS = ("push_refused", "config_changed", "secret_changed", "scaled", "run_started")
BLANK: Row = {"fault_at": None, "cause": None, "push_only": None}


def world(facts: Iterable[Fact | Event]) -> World:
    """What they say together. A fact whose id was heard before says nothing."""
    reader = Reader()
    seen: set[str] = set()
    for fact in facts:
        if fact.id not in seen:
            seen.add(fact.id)
            reader.read(fact)
    return reader.finish()


class Reader:
    def __init__(self) -> None:
        self.world = World()
        self.parts: dict[str, list[Row]] = {}
        self.told: dict[str, list[Row]] = {}  # of each incident
        self.attributed: dict[str, str] = {}
        self.begun: dict[str, Row] = {}  # our own deploys, by id
        self.canaries: dict[str, int] = {}
        self.previews: set[str] = set()
        self.by_hand: set[str] = set()  # apps that were touched since their last push went live

    def read(self, fact: Fact | Event) -> None:
        known = getattr(self, fact.kind, None)
        if known:
            known(fact.data, fact)
        elif fact.kind in HANDS:
            self.by_hand.add(str(fact.app))

    def finish(self) -> World:
        for id, parts in self.parts.items():
            self.world.deployments[id] = one_of(id, parts)
        for one in self.world.deployments.values():
            self.service(one["service"], repo=one["repo"])
        for id, told in self.told.items():
            self.world.incidents[id] = incident_of(id, told) | {"attributed": self.attributed.get(id)}
        return self.world

    def service(self, name: str, over: bool = False, **said: Any) -> None:
        row = self.world.services.setdefault(name, {"team": None, "repo": None, "until": None, "folders": None})
        for key, value in said.items():
            if value is not None and (over or row[key] is None):
                row[key] = value

    # ------------------------------------------------------------------------------------------ told by others

    def change_recorded(self, data: Row, _fact: Any) -> None:
        new: Row = {key: data[key] for key in ("repo", "committed_at", "merge", "bot", "reverts")}
        new["folders"] = set[str]()
        row = self.world.changes.setdefault(data["commit"], new)
        row |= {"merge": row["merge"] or data["merge"], "bot": row["bot"] or data["bot"]}
        row["reverts"] = data["reverts"] if row["reverts"] is None else row["reverts"]
        row["folders"] = row["folders"] | set(data.get("folders") or ())
        self.world.parents.setdefault(data["commit"], set()).update(data["parents"])

    def review_recorded(self, data: Row, _fact: Any) -> None:
        row = self.world.reviews.setdefault(data["review"], dict.fromkeys(data))
        reviewed = [at for at in (row["reviewed_at"], data["reviewed_at"]) if at is not None]
        row |= {key: value for key, value in data.items() if row[key] is None}
        row["reviewed_at"] = min(reviewed, default=None)

    def deployment_recorded(self, data: Row, _fact: Any) -> None:
        self.parts.setdefault(data["deployment"], []).append({**BLANK, **data})

    def incident_recorded(self, data: Row, _fact: Any) -> None:
        self.told.setdefault(data["incident"], []).append(data)

    def incident_attributed(self, data: Row, _fact: Any) -> None:
        self.attributed[data["incident"]] = data["deployment"] or ""

    def service_recorded(self, data: Row, _fact: Any) -> None:
        said = {key: data[key] for key in ("team", "repo", "until")} | {"folders": data.get("folders")}
        self.service(data["service"], True, **said)

    # ------------------------------------------------------------------------------------------ our own

    def app_created(self, data: Row, fact: Any) -> None:
        if data.get("parent"):
            self.previews.add(fact.app)
        else:
            self.service(fact.app, team=fact.team, repo=fact.app)

    def team_set(self, data: Row, fact: Any) -> None:
        self.service(fact.app, True, team=data["team"])

    def deploy_started(self, data: Row, fact: Any) -> None:
        self.begun[data["deploy"]] = {**data, "at": fact.at}

    def deploy_failed(self, data: Row, fact: Any) -> None:
        if not data.get("superseded"):
            self.by_hand.add(fact.app)

    def canary_started(self, data: Row, fact: Any) -> None:
        if data["mode"] == "canary":
            self.canaries[data["deploy"]] = fact.at

    def canary_stepped(self, _data: Row, fact: Any) -> None:
        if fact.actor != "platform":
            self.by_hand.add(fact.app)

    def canary_ended(self, data: Row, fact: Any) -> None:
        if data["mode"] == "canary" and data["outcome"] in ("rolled back", "aborted"):
            self.own(data["deploy"], fact, self.canaries[data["deploy"]], fault_at=fact.at)
            self.by_hand.add(fact.app)

    def release_went_live(self, data: Row, fact: Any) -> None:
        if fact.app in self.previews:
            return
        push = self.begun[data["deploy"]]["cause"] == "push"
        self.own(data["deploy"], fact, fact.at, push_only=int(fact.app not in self.by_hand) if push else None)
        if push:
            self.by_hand.discard(fact.app)
        else:
            self.by_hand.add(fact.app)

    def own(self, deploy: str, fact: Any, finished: int, **more: Any) -> None:
        begun = self.begun[deploy]
        row = {**BLANK, "service": fact.app, "repo": fact.app, "environment": "production", "tier": "production"}
        row |= {"purpose": "rollback" if begun["cause"] == "rollback" else "planned", "outcome": "success"}
        row |= {"commit": begun["commit"], "commits": [], "artifact": None, "undoes": None, "cause": begun["cause"]}
        row |= {"started_at": begun["at"], "finished_at": finished, **more}
        self.parts.setdefault(f"wend:{deploy}", []).append(row)


def one_of(id: str, parts: list[Row]) -> Row:
    """A deployment of its parts: it succeeded if any did, and ended with the last of those."""
    row = {key: first(part[key] for part in parts) for key in ("service", "repo", "environment", "commit")}
    row |= {key: first(part[key] for part in reversed(parts)) for key in ("artifact", "undoes", *BLANK)}
    row["outcome"] = max((part["outcome"] for part in parts), key=OUTCOMES.index)
    row["purpose"] = max((part["purpose"] for part in parts), key=PURPOSES.index)
    row["tier"] = "production" if any(part["tier"] == "production" for part in parts) else parts[0]["tier"]
    row["started_at"] = min((part["started_at"] for part in parts if part["started_at"] is not None), default=None)
    ends = [part["finished_at"] for part in parts if part["outcome"] == row["outcome"]]
    row["finished_at"] = max((end for end in ends if end is not None), default=None)
    row["day"] = None if row["finished_at"] is None else row["finished_at"] // DAY
    return row | {"id": id, "commits": {commit for part in parts for commit in part["commits"]}}


def incident_of(id: str, told: list[Row]) -> Row:
    """An incident of what was told of it, in whatever order."""
    by_state = sorted(told, key=lambda one: one["at"])  # stable: of the same state, what was heard last holds
    begun = [either(one["opened_at"], one["at"] if one["state"] == "open" else None) for one in told]
    ended = [either(one["resolved_at"], one["at"] if one["state"] == "resolved" else None) for one in told]
    again = [one["at"] for one in told if one["state"] == "reopened"]
    causes = [next(iter(one["cause"].items())) for one in by_state if one["cause"]]
    return {
        "id": id,
        "service": first(one["service"] for one in reversed(by_state)),
        "environment": first(one["environment"] for one in reversed(told)),
        "opened_at": min((time for time in begun if time is not None), default=None),
        "resolved_at": max((time for time in ended if time is not None), default=None),
        "reopened_at": max(again, default=None),
        "retracted": latest(told, "retracted") > -1
        and latest(told, "retracted") >= latest(told, "open", "resolved", "reopened"),
        "cause": causes[-1] if causes else None,
    }


def latest(told: list[Row], *states: str) -> int:
    """When it was last in one of these states; before all time, if never."""
    return max((one["at"] for one in told if one["state"] in states), default=-1)


def either(one: Any, other: Any) -> Any:
    return other if one is None else one


def first(values: Iterable[Any]) -> Any:
    """The first that is not None."""
    return next((value for value in values if value is not None), None)
