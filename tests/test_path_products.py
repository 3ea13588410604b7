"""A path as a product: its numbers by hand, each with n and interval, and none where there is too little."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web_world import COMMIT, World, world
from wend.build import golden
from wend.errors import Invalid
from wend.events import Fact
from wend.paths import product, reconsider
from wend.paths.reconsider import standing
from wend.stats import wilson


@pytest.fixture
def there(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "home") as made:
        yield made


def lives(there: World, app: str, team: str, path: str = "python-web", number: int = 1, **hatches: str) -> None:
    """A release of this path goes live; hatches: kind → reason."""
    id = f"{app}{number}"
    if number == 1:
        there.say("app_created", app, branch="main")
        there.say("team_set", app, team=team)
    there.say("deploy_started", app, deploy=id, cause="push", summary="s", commit=COMMIT, ref="refs/heads/main")
    kept: dict[str, Any] = {"artifact": "a", "path": path, "commit": COMMIT, "secrets": {}, "env": {}, "config": {}}
    kept |= {"processes": {"web": {"command": "serve", "replicas": 1}}}
    kept |= {"hatches": {kind: {"reason": reason, "until": None} for kind, reason in hatches.items()}}
    there.say("release_created", app, deploy=id, release=number, **kept)
    there.say("release_went_live", app, deploy=id, release=number, previous=number - 1 or None)
    there.say("deploy_finished", app, deploy=id)


def refused(there: World, app: str, number: int, message: str) -> None:
    id = f"{app}-no{number}"
    there.say("deploy_started", app, deploy=id, cause="push", summary="s", commit=COMMIT, ref="refs/heads/main")
    there.say("deploy_failed", app, deploy=id, step="checked", message=message, tail=[])


def of(there: World, name: str = "python-web") -> dict[str, Any]:
    return product.one(there.ctx, name)


def test_who_is_on_it_and_what_they_left_it_for(there: World) -> None:
    lives(there, "till", "money", build="we compile C")
    lives(there, "shop", "sales", build="we compile C", proxy="quiet streams")
    lives(there, "desk", "sales")
    lives(there, "gate", "doors", path="go-web")
    found = of(there)
    assert (found["apps"], found["teams"]) == (3, 2)
    share = wilson(3, 4)
    assert found["adoption"] == {"value": 0.75, "low": share.low, "high": share.high, "n": 4}
    assert found["hatches"] == {"open": 3, "teams": 2, "kinds": ["build", "proxy"]}
    assert of(there, "static-site")["apps"] == 0 and of(there, "static-site")["adoption"]["n"] == 4


def test_the_time_to_the_first_deploy_needs_six(there: World) -> None:
    assert of(there)["first_deploy"]["says"] == "no data"
    for number in range(5):
        lives(there, f"app{number}", "money")
    few = of(there)["first_deploy"]
    assert (few["value"], few["n"], few["says"]) == (None, 5, "cannot tell, needs about 1 more")
    lives(there, "app5", "money")
    enough = of(there)["first_deploy"]
    assert enough["n"] == 6 and 0 <= enough["low"] <= enough["value"] <= enough["high"] < 60


def test_the_median_and_its_interval_are_those_of_the_order() -> None:
    found = product.median([6.0, 1.0, 2.0, 5.0, 4.0, 3.0])
    assert (found["low"], found["value"], found["high"]) == (1.0, 3.5, 6.0)


def test_the_cage_index_counts_every_wall_and_nothing_else(there: World) -> None:
    lives(there, "till", "money")
    lives(there, "shop", "sales")
    (rule, *_) = golden.get("python-web").refusals
    refused(there, "till", 1, rule["message"])
    refused(there, "till", 2, "wend.toml: hatch.proxy.route.cluster cannot be patched")
    refused(there, "till", 3, "web exited with code 1")
    refused(there, "shop", 1, "wend.toml: hatch.proxy names typed_config, and extensions cannot be loaded")
    asked = {"rule": "missing-owner", "app": "till", "print": None, "reason": "r", "owner": "ada", "days": 14}
    for number in (1, 2):
        there.ctx.ledger.append([Fact("waiver_asked", "waivers", {"waiver": number, **asked}, actor="bob", app="till")])
    there.ctx.ledger.append([Fact("waiver_denied", "waivers", {"waiver": 1, "why": "no"}, actor="eve", app="till")])
    lives(there, "shop", "sales", path="procfile", number=2)
    there.say("app_destroyed", "gone", path="python-web", why="we moved to a cloud")
    found = of(there)["cage"]
    # shop is on another path now, so its pushes and refusals are not this path's any more, but that it left is
    assert (found["refused"], found["denied"], found["left"], found["pushes"]) == (2, 1, 2, 4)
    assert found["why"] == ["we moved to a cloud", "moved to procfile"]
    assert found["index"]["value"] == pytest.approx(125.0) and found["index"]["n"] == 4
    assert found["index"]["low"] < 125 < found["index"]["high"]
    assert of(there, "go-web")["cage"]["index"] == {"value": None, "low": None, "high": None, "n": 0}


def test_when_three_teams_left_it_it_says_to_think_it_over(there: World) -> None:
    for number, team in enumerate(("money", "sales")):
        lives(there, f"app{number}", team, build="we compile C")
    lives(there, "third", "sales", build="we compile C")
    assert of(there)["reconsidered"] == {"holds": False, "says": "2 teams left it for something of their own", "n": 2}
    lives(there, "fourth", "doors", build="something else")
    assert of(there)["reconsidered"]["holds"] is True
    assert "think it over" in there.page("/paths/python-web").text


def test_conditions() -> None:
    assert standing("ease < 60 %", (), None).holds is None
    assert standing("ease < 60 %", (), wilson(10, 100)).holds is True
    assert standing("ease < 60 %", (), wilson(95, 100)).holds is False
    assert standing("ease < 60 %", (), wilson(6, 10)).holds is None
    assert (
        standing("hatches from 1 team", ["red"], None).says
        == "think it over: 1 team left it for something of their own"
    )
    for wrong in ("", "ease > 60 %", "hatches from many teams", "ease < 600 %"):
        with pytest.raises(Invalid, match="is no condition"):
            reconsider.check(wrong)
