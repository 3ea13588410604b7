"""Leaving the path always works; what is learnt from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web_world import World, world
from wend import hatches, pains, spec
from wend.errors import Invalid, NotFound
from wend.events import Fact
from wend.hatches import Cluster, clusters

C_EXTENSION = ("we ship a C extension", "our C extension has to be compiled", "there is a C extension to ship")


@pytest.fixture
def there(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "home") as made:
        yield made


def release(there: World, app: str, number: int, kinds: dict[str, tuple[str, str | None]], team: str | None) -> None:
    """A live release with these hatches: kind → (reason, until)."""
    frozen: dict[str, Any] = {
        "deploy": f"{app}{number}",
        "release": number,
        "artifact": "a",
        "path": "p",
        "commit": "c",
    }
    frozen |= {"config": {}, "secrets": {}, "env": {}, "processes": {"web": {}}, "declared": {}, "command": None}
    frozen["hatches"] = {kind: {"reason": reason, "until": until} for kind, (reason, until) in kinds.items()}
    told = [] if number > 1 else [("app_created", {"branch": "main"})]
    told += [
        ("deploy_started", {"deploy": f"{app}{number}", "cause": "push", "commit": "c", "ref": "main", "summary": ""})
    ]
    told += [("release_created", frozen)]
    told += [("release_went_live", {"deploy": f"{app}{number}", "release": number, "previous": None})]
    facts = [Fact(kind, f"app/{app}", data, actor="ann", app=app, team=team) for kind, data in told]
    there.ctx.ledger.append(facts)


def missing(there: World) -> list[tuple[str, int]]:
    """(title, pieces of evidence) of the pains that are missing features."""
    hatches.tend(there.ctx)
    assert hatches.tend(there.ctx) == 0, "looking again changes nothing"
    shown = [pains.show(there.ctx, one["id"]) for one in pains.listed(there.ctx)["pains"]]
    return [(one["title"], len(one["evidence"])) for one in shown if one["title"].startswith("missing feature")]


# ---------------------------------------------------------------------------------------------- the radar


def test_three_teams_make_exactly_one_pain_and_a_fourth_joins_it(there: World) -> None:
    for team, reason in zip(("red", "blue", "green"), C_EXTENSION, strict=True):
        release(there, f"app-{team}", 1, {"build": (reason, None)}, team)
    assert missing(there) == [("missing feature: we ship a C extension", 3)]
    release(there, "app-grey", 1, {"build": ("another C extension to ship", None)}, "grey")
    assert missing(there) == [("missing feature: we ship a C extension", 4)]
    (one,) = there.ask("GET", "/api/radar").json
    assert (one["teams"], one["apps"], one["missing"]) == (4, 4, True)
    assert f"/pains/{one['pain']}" in there.page("/hatches").text


def test_two_teams_make_none_and_one_team_three_times_none(there: World) -> None:
    for number, team in enumerate(("red", "blue", "red", "red", "red")):
        release(there, f"app{number}", 1, {"build": (C_EXTENSION[number % 3], None)}, team)
    release(there, "nobodys", 1, {"build": (C_EXTENSION[0], None)}, None)
    assert missing(there) == []


def test_other_reasons_and_other_kinds_do_not_count_together(there: World) -> None:
    for team, reason in zip(("red", "blue", "green"), (C_EXTENSION[0], "yarn workspaces", "it is Rust"), strict=True):
        release(there, f"app-{team}", 1, {"build": (reason, None)}, team)
    release(there, "app-other", 1, {"start": (C_EXTENSION[0], None)}, "grey")
    assert missing(there) == []
    rows = [{"kind": "build", "reason": "", "team": team, "renewed": 0} for team in ("a", "b", "c")]
    assert clusters(rows) == [], "what nobody explained is like nothing"


def test_one_that_was_put_off_twice_is_a_missing_feature(there: World) -> None:
    for number, until in enumerate(("2026-12-01", "2027-02-01"), 1):
        release(there, "slow", number, {"build": ("waiting for the new toolchain", until)}, "red")
    assert missing(there) == []
    release(there, "slow", 3, {"build": ("waiting for the new toolchain", "2027-06-01")}, "red")
    assert missing(there) == [("missing feature: waiting for the new toolchain", 1)]
    assert there.ask("GET", "/api/hatches").json[0]["renewed"] == 2


def test_a_pain_that_was_closed_stays_closed_and_what_was_linked_elsewhere_stays_there(there: World) -> None:
    for team, reason in zip(("red", "blue", "green"), C_EXTENSION, strict=True):
        release(there, f"app-{team}", 1, {"build": (reason, None)}, team)
    hatches.tend(there.ctx)
    pains.close(there.ctx, 1, "the path compiles C now")
    release(there, "app-grey", 1, {"build": (C_EXTENSION[0], None)}, "grey")
    assert hatches.tend(there.ctx) == 0
    assert [one["state"] for one in pains.listed(there.ctx)["pains"]] == ["closed"]


def test_a_cluster_is_called_by_its_shortest_reason() -> None:
    rows = [{"reason": reason, "team": "a", "renewed": 0} for reason in ("x" * 300, "short one")]
    assert Cluster("build", tuple(rows)).title == "missing feature: short one"
    assert len(Cluster("build", tuple(rows[:1])).title) <= pains.LONGEST


# ---------------------------------------------------------------------------------------------- asking why


def test_a_hatch_needs_no_reason() -> None:
    found = spec.parse("[hatch.build]\ncommand = 'make'")
    assert found.hatches["build"].reason == "" and found.hatches["build"].command == "make"


def test_why_is_said_later_and_is_evidence(there: World) -> None:
    release(there, "shop", 1, {"build": ("", None)}, "red")
    page = there.page("/hatches").text
    assert "why does the path not fit?" in page
    with pytest.raises(NotFound):
        hatches.explain(there.ctx, "shop", "start", "because")
    for wrong in ("", "x" * 501):
        with pytest.raises(Invalid):
            hatches.explain(there.ctx, "shop", "build", wrong)
    with pytest.raises(Invalid):
        hatches.explain(there.ctx, "shop", "build", "because", "next year")
    said = {"kind": "build", "reason": "<b>C</b> extension", "until": "2020-01-01"}
    assert there.ask("POST", "/api/apps/shop/hatches", said, token=there.token("app.push:till")).status == 403
    assert there.ask("POST", "/api/apps/shop/hatches", said, token=there.token("app.push:shop")).status == 200
    (one,) = there.ask("GET", "/api/hatches").json
    assert one["reason"] == "<b>C</b> extension" and one["left"] < 0
    page = there.page("/hatches").text
    assert "&lt;b&gt;C" in page and "<b>C</b>" not in page and "<b>over</b>" in page


def test_an_empty_page_says_how(there: World) -> None:
    assert "Everybody is on the path" in there.page("/hatches").text
