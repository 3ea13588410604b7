"""Random worlds: a few repositories with merges, services that share them, deployments in parts, incidents of every
kind, teams that change, and all of it told twice, late and out of order. The same seed makes the same world."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.told import BEGUN, HOUR, at, broke, committed, deployed, owned, requested
from wend.events import Fact

TEAMS = (None, "red", "blue", "green")
PLACES = ("production", "eu-production")
FOLDERS = [".", "a", "a/x", "a/xy", "b/z", "c"]


class Maker:
    """Facts in groups; only within a group does it matter which comes first. `days`: how long the world goes on."""

    def __init__(self, dice: random.Random, commits: int, deployments: int, services: int = 4, days: int = 40) -> None:
        self.dice, self.days = dice, days
        self.repos = [f"repo{number}" for number in range(1 + services // 2)]
        self.services = {f"s{number}": dice.choice(self.repos) for number in range(services)}
        self.line: dict[str, list[str]] = {repo: [] for repo in self.repos}
        self.groups: list[list[Fact]] = []
        self.made: list[dict[str, Any]] = []
        self.count = 0
        for number in range(max(commits, len(self.repos))):
            self.commit(self.repos[number % len(self.repos)] if number < len(self.repos) else dice.choice(self.repos))
        for _ in range(deployments):
            self.deployment(dice.choice(list(self.services)))
        for _ in range(deployments // 4 + 1):
            self.incident()
        for service in self.services:
            self.owner(service)
        self.own()

    def fact(self, fact: Fact) -> Fact:
        self.count += 1
        return replace(fact, id=f"f{self.count}")

    def hours(self, low: float = 0.0, high: float = 1.0) -> float:
        """A moment, often one that others have too, and now and then midnight."""
        hours = 24 * self.days * (low + (high - low) * self.dice.random())
        grain = self.dice.choice((24, 6, 1, 0.01))
        return round(hours / grain) * grain

    def maybe(self, share: float) -> bool:
        return self.dice.random() < share

    # ------------------------------------------------------------------------------------------ changes

    def commit(self, repo: str) -> None:
        line, dice = self.line[repo], self.dice
        name = f"{repo}c{len(line):04}"
        parents = [line[-1]] if line else []
        if line and self.maybe(0.3):
            parents = [dice.choice(line[-6:])]
        if len(line) > 2 and self.maybe(0.25):
            parents = list(dict.fromkeys([line[-1], dice.choice(line[-6:])]))
        line.append(name)
        if self.maybe(0.05):
            return  # nobody tells of it
        said: dict[str, Any] = {"repo": repo, "bot": self.maybe(0.1), "merge": len(parents) > 1 or self.maybe(0.1)}
        if len(line) > 3 and self.maybe(0.15):
            said |= {"reverts": dice.choice(line[-8:-1]), "purpose": "revert"}
        said |= {"folders": dice.sample(FOLDERS, dice.choice((1, 1, 2)))} if self.maybe(0.6) else {}
        place = len(line) / 40
        hours = self.hours(max(0.0, place - 0.2), min(1.0, place + 0.1))
        told = [committed(name, hours, *parents, **said)]
        if self.maybe(0.2):  # another source knows less of it
            told.append(committed(name, hours, *parents[:1], repo=repo, bot=False, merge=False))
        self.groups.extend([self.fact(one)] for one in told)
        if self.maybe(0.4):
            self.review(name, hours, parents)

    def review(self, commit: str, hours: float, parents: Sequence[str]) -> None:
        """It came of a request, of which some moments are told, now and then in an order that cannot be."""
        dice, id = self.dice, f"r{self.count}"
        opened, first = hours - 9 * dice.random(), hours - 6 * dice.random()
        head = dice.choice([commit, *parents])
        whole = {"opened_at": at(opened), "merged_at": at(hours), "head": head, "own": dice.choice((None, 1, 2, 3))}
        told = [requested(id, commit, **whole)] if self.maybe(0.9) else []
        told += [requested(id, reviewed_at=at(first + more)) for more in (0, 0.5)[: dice.randrange(3)]]
        self.groups.extend([self.fact(one)] for one in told)

    # ------------------------------------------------------------------------------------------ deployments

    def deployment(self, service: str) -> None:
        dice, id = self.dice, f"d{len(self.made):04}"
        line, hours = self.line[self.services[service]], self.hours()
        until = max(1, round(len(line) * min(1.0, hours / 24 / self.days + 0.1)))
        about: dict[str, Any] = {"commit": line[dice.randrange(max(0, until - 6), until)], "service": service}
        about |= {"repo": self.services[service], "environment": dice.choice(PLACES), "tier": "production"}
        about |= {"purpose": dice.choices(("planned", "hotfix", "rollback"), (8, 1, 1))[0]}
        about |= {"artifact": f"a{dice.randrange(8)}" if self.maybe(0.5) else None}
        if self.maybe(0.1):
            about |= {"tier": "staging", "environment": "staging"}
        if self.maybe(0.1):
            about["commit"] = None
        if about["purpose"] == "rollback" and self.made and self.maybe(0.5):
            about["undoes"] = dice.choice(self.made)["id"]
        self.made.append({"id": id, **about})
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            self.groups.append([self.fact(self.part(id, hours, line, about))])

    def part(self, id: str, hours: float, line: Sequence[str], about: dict[str, Any]) -> Fact:
        dice = self.dice
        ended = hours + dice.choice((0, 0, 0.5, 30))
        said = {**about, "outcome": dice.choices(("success", "failure", "running", "cancelled"), (12, 1, 1, 1))[0]}
        said["commits"] = dice.sample(list(line), min(2, len(line))) if self.maybe(0.15) else []
        made = deployed(id, ended, **said)
        if self.maybe(0.1):
            made.data["started_at"] = made.data["finished_at"] + HOUR if self.maybe(0.3) else None
        if said["outcome"] == "running":
            made.data["finished_at"] = None
        return made

    # ------------------------------------------------------------------------------------------ incidents

    def incident(self) -> None:
        dice, id, hours = self.dice, f"i{self.count}", self.hours(0.0, 1.1)
        service = dice.choice([*self.services, None])
        about = {"environment": dice.choice((None, None, "production", "staging")), "cause": self.cause()}
        told = [broke(id, hours, service, **about)]
        if self.maybe(0.7):
            ended = hours + 5 * dice.random()
            told.append(broke(id, ended, service, "resolved", **about))
            if self.maybe(0.3):
                told.append(
                    broke(id, ended + 3, dice.choice([*self.services]), "reopened", **{**about, "cause": self.cause()})
                )
                if self.maybe(0.5):
                    told.append(broke(id, ended + 9, service, "resolved", **about))
        if self.maybe(0.1):
            told.append(broke(id, hours + 20, service, "retracted", **about))
        dice.shuffle(told)
        if self.made and self.maybe(0.15):
            data = {"incident": id, "deployment": dice.choice([dice.choice(self.made)["id"], None]), "why": "w"}
            told.insert(dice.randint(1, len(told)), Fact("incident_attributed", f"incident/{id}", data))
        self.groups.append([self.fact(one) for one in told])

    def cause(self) -> dict[str, str] | None:
        line = self.line[self.dice.choice(self.repos)]
        kinds = [None, {"artifact": f"a{self.dice.randrange(8)}"}, {"deployment": f"d{self.dice.randrange(40):04}"}]
        return self.dice.choice([None, *kinds, {"commit": self.dice.choice(line)} if line else None])

    # ------------------------------------------------------------------------------------------ whose it is, and ours

    def owner(self, service: str) -> None:
        """It changes hands, and its repository may be told or not."""
        told = [owned(service, self.dice.choice(TEAMS)) for _ in range(self.dice.randrange(3))]
        for one in told:
            one.data["repo"] = self.services[service] if self.maybe(0.4) else None
            one.data["folders"] = self.dice.choice((None, None, ["a"], ["b"], ["a/x", "c"], []))
        self.groups.append([self.fact(one) for one in told])

    def own(self) -> None:
        """An app of ours, deployed by push and by hand."""
        told = [Fact("app_created", "app/own", {"branch": "main"}, app="own", team=self.dice.choice(TEAMS), at=BEGUN)]
        hours = 0.0
        for number in range(1, self.dice.randrange(2, 12)):
            hours += 60 * self.dice.random()
            told += self.ours(number, hours)
        self.groups.append([self.fact(one) for one in told])

    def ours(self, number: int, hours: float) -> list[Fact]:
        deploy, at = f"own{number}", BEGUN + round(hours * HOUR)
        cause = self.dice.choice(("push", "push", "push", "rollback", "config"))
        frozen = {
            "deploy": deploy,
            "release": number,
            "artifact": "a",
            "path": "p",
            "commit": f"own{number}",
            "env": {},
        }
        frozen |= {"config": {}, "secrets": {}, "processes": {"web": {}}, "declared": {}, "command": None}
        begun = {"deploy": deploy, "cause": cause, "commit": f"own{number}", "ref": "main", "summary": ""}
        live = {"deploy": deploy, "release": number, "previous": None}
        trial = {"deploy": deploy, "mode": "canary", "release": number, "stable": 1, "weight": 5, "policy": {}}
        taken = {
            "deploy": deploy,
            "mode": "canary",
            "outcome": self.dice.choice(("rolled back", "aborted")),
            "why": "w",
        }
        said = [("deploy_started", begun), ("release_created", frozen)]
        ways: list[list[tuple[str, dict[str, Any]]]] = [
            [("release_went_live", live)],
            [("release_went_live", live)],
            [("canary_started", trial), ("canary_ended", taken)],
            [("deploy_failed", {"deploy": deploy, "step": "built", "message": "m"})],
        ]
        by_hand = [("push_refused", {"reason": "r"}), ("scaled", {"process": "web", "replicas": 2})]
        said = [*([self.dice.choice(by_hand)] if self.maybe(0.3) else []), *said, *self.dice.choice(ways)]
        return [
            Fact(kind, "app/own", data, actor="ann", app="own", at=at + place * HOUR // 4)
            for place, (kind, data) in enumerate(said)
        ]

    # ------------------------------------------------------------------------------------------ as it is heard

    def heard(self, dice: random.Random, twice: float = 0.1) -> list[Fact]:
        """All of it in one of the orders in which it may arrive, some of it more than once."""
        left = [list(reversed(group)) for group in self.groups if group]
        turns = [number for number, group in enumerate(left) for _ in group]
        dice.shuffle(turns)
        told = [left[number].pop() for number in turns]
        for one in [one for one in told if dice.random() < twice]:
            told.insert(dice.randint(told.index(one) + 1, len(told)), one)
        return told
