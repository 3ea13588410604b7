"""Leaving the path always works; what is learnt from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.house import House
from tests.web_world import World, world
from wend import departures, hatches, pains, paths, spec
from wend.build.rules import Tree
from wend.errors import Invalid, NotFound
from wend.events import Fact
from wend.hatches import Cluster, clusters
from wend.ingest.people import pseudonyms
from wend.spec import Hatch

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


def shown(there: World, *teams: str) -> list[dict[str, Any]]:
    """The hatches one by one, once these teams have agreed to be named."""
    for team in teams or ("red",):
        about = {"team": team, "agrees": True}
        there.ctx.ledger.append([Fact("hatches_shown", f"team/{team}", about)])
    return there.ask("GET", "/api/hatches").json["hatches"]


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
    assert shown(there)[0]["renewed"] == 2


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
    shown(there)
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
    (one,) = shown(there)
    assert one["reason"] == "<b>C</b> extension" and one["left"] < 0
    page = there.page("/hatches").text
    assert "&lt;b&gt;C" in page and "<b>C</b>" not in page and "<b>over</b>" in page


def test_an_empty_page_says_how(there: World) -> None:
    assert "Everybody is on the path" in there.page("/hatches").text


# ---------------------------------------------------------------------------------------------- who is named


def test_a_team_is_named_with_its_consent_alone_and_counted_without(there: World) -> None:
    for app, team in (("shop", "red"), ("till", "blue"), ("mail", "blue"), ("nobodys", None)):
        release(there, app, 1, {"build": ("we ship a C extension", None)}, team)
    said = there.ask("GET", "/api/hatches").json
    assert [one["app"] for one in said["hatches"]] == ["nobodys"]
    assert said["others"] == [{"kind": "build", "hatches": 3, "teams": 2}]
    page = there.page("/hatches").text
    assert "3 for build (2 teams)" in page and "till" not in page
    narrow = there.token("app.push:till")
    assert there.ask("POST", "/api/apps/shop/hatches/agree", {"agrees": "yes"}, token=narrow).status == 403
    assert there.ask("POST", "/api/apps/till/hatches/agree", {"agrees": "yes"}, token=narrow).json["agrees"]
    said = there.ask("GET", "/api/hatches").json
    assert [one["app"] for one in said["hatches"]] == ["mail", "nobodys", "till"]
    assert there.ask("POST", "/api/apps/till/hatches/agree", {"agrees": "no"}).json == {"team": "blue", "agrees": False}
    assert len(there.ask("GET", "/api/hatches").json["hatches"]) == 1
    assert there.ask("POST", "/api/apps/nobodys/hatches/agree", {"agrees": "yes"}).status == 409


def test_ones_own_team_is_seen(there: World) -> None:
    release(there, "shop", 1, {"build": ("we ship a C extension", None)}, "red")
    person = pseudonyms(there.ctx.config.home).of("ada")
    about = {"source": "csv", "person": person, "aliases": [person], "team": "red", "role": None, "joined_at": 1}
    there.ctx.ledger.append([Fact("person_recorded", "person/a", about | {"left_at": None, "name": None})])
    for owner, sees in (("ada", 1), ("bob", 0)):
        said = there.ask("GET", "/api/hatches", token=there.token("*", owner=owner)).json
        assert len(said["hatches"]) == sees, owner


def test_elsewhere_is_a_hatch_like_any_other_and_three_of_it_are_a_missing_feature(there: World) -> None:
    token = there.token("voice.give")
    for team in ("red", "blue", "green"):
        about = {"service": f"jobs-{team}", "team": team, "where": "AWS Lambda", "reason": "we need a queue trigger"}
        assert there.ask("POST", "/api/hatches/elsewhere", about, token=token).status == 200
    for wrong in ({"service": ""}, {"reason": "x" * 501}, {"until": "soon"}):
        assert there.ask("POST", "/api/hatches/elsewhere", {**about, **wrong}, token=token).status == 422
    assert missing(there) == [("missing feature: AWS Lambda: we need a queue trigger", 3)]
    assert [one["kind"] for one in shown(there, "red", "blue")] == ["elsewhere", "elsewhere"]
    assert "jobs-red" in there.page("/hatches").text
    assert there.ask("DELETE", "/api/hatches/elsewhere/jobs-red", token=token).status == 200
    assert there.ask("DELETE", "/api/hatches/elsewhere/jobs-red", token=token).status == 404


# ---------------------------------------------------------------------------------------------- what a push shows


def files(**texts: str) -> Tree:
    return Tree(frozenset(texts), texts.get)


@pytest.mark.parametrize(
    ("toml", "texts", "kinds"),
    [
        ("", {}, []), ("", {"Dockerfile": "FROM x"}, ["dockerfile"]), ("", {"docs/Dockerfile": "FROM x"}, []),
        ('[process.web]\ncommand = "gunicorn x"', {}, ["command"]), ('[process.worker]\ncommand = "x"', {}, []),
        ('[process.web]\nmemory = "2G"', {}, []), ('[process.web]\nmemory = "3G"', {}, ["limits"]),
        ("[process.web]\nboot = 900", {}, ["limits"]), ("[process.web]\nprocesses = 9000", {}, ["limits"]),
    ],
)  # fmt: skip
def test_what_departs_from_the_path_is_seen(toml: str, texts: dict[str, str], kinds: list[str]) -> None:
    found = departures.with_seen(
        spec.parse(toml), departures.seen(files(**texts), spec.parse(toml), paths.get("python-web"))
    )
    assert sorted(found.hatches) == kinds


def test_what_was_declared_keeps_its_words() -> None:
    wanted = spec.parse('[hatch.dockerfile]\nreason = "the image goes to a customer"')
    found = departures.with_seen(wanted, departures.seen(files(Dockerfile="FROM x"), wanted, paths.get("python-web")))
    assert found.hatches["dockerfile"].reason == "the image goes to a customer"


def test_it_is_asked_once_and_reminded_of_its_end() -> None:
    today = date(2027, 1, 10)
    one, explained = Hatch("dockerfile", None, ""), Hatch("build", None, "because", date(2027, 1, 20))
    late, far = replace(explained, until=date(2027, 1, 1)), replace(explained, until=date(2027, 6, 1))
    asks = departures.asks
    assert "wend hatches explain dockerfile -a shop" in next(asks({"dockerfile": one}, set(), "shop", today))
    assert list(asks({"dockerfile": one}, {"dockerfile"}, "shop", today)) == []
    assert "10 days left" in next(asks({"build": explained}, set(), "shop", today))
    assert "meant to be back on the path by 2027-01-01" in next(asks({"build": late}, set(), "shop", today))
    assert list(asks({"build": far}, set(), "shop", today)) == []


def test_a_push_asks_once_and_new_configuration_forgets_no_hatch(house: House, tmp_path: Path) -> None:
    house.up()
    repo = house.repo("rails", tmp_path / "rails")
    repo.change(**{"Dockerfile": "FROM scratch\nUSER 1\n"})
    taken, said = repo.push()
    assert taken and "hatch | dockerfile: why does the path not fit?" in said, said
    assert house.api("GET", "/api/hatches")[1]["hatches"][0]["kind"] == "dockerfile"
    lines, done = house.change("/api/apps/rails/config", {"set": {"COLOUR": "red"}, "unset": []})
    assert "done" in done, (lines, done)
    assert [one["kind"] for one in house.api("GET", "/api/hatches")[1]["hatches"]] == ["dockerfile"]
    why = {"kind": "dockerfile", "reason": "a customer runs the image", "until": None}
    assert house.api("POST", "/api/apps/rails/hatches", why)[0] == 200
    repo.change(again="1")
    taken, said = repo.push()
    assert taken and "hatch |" not in said


# ---------------------------------------------------------------------------------------------- the path can do it now


def test_when_the_path_can_do_it_the_removal_is_proposed_to_everybody_and_proven(house: House, tmp_path: Path) -> None:
    house.up()
    for name in ("rails", "till"):
        repo = house.repo(name, tmp_path / name)
        repo.change(**{"wend.toml": f'team = "{name}"\n[hatch.build]\ncommand = "true"\nreason = "we ship C"\n'})
        taken, said = repo.push()
        assert taken, said
    lines, done = house.change("/api/hatches/replaced", {"kind": "build", "by": "the path compiles C now"})
    assert [(one["app"], one["state"]) for one in done["done"]["apps"]] == [("rails", "proved"), ("till", "proved")], (
        lines
    )
    repo.git("fetch", "-q", "wend", "wend/without-hatch-build")
    assert repo.git("show", "FETCH_HEAD:wend.toml").stdout == 'team = "till"\n'
    assert "the path compiles C now" in repo.git("log", "-1", "--format=%B", "FETCH_HEAD").stdout
    repo.git("merge", "-q", "FETCH_HEAD")
    assert repo.push()[0]
    assert house.api("GET", "/api/hatches")[1]["others"] == [{"kind": "build", "hatches": 1, "teams": 1}]
