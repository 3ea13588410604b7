"""Evidence by itself: failed pushes by cause, slow builds, hatches and tickets; looking again changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.voice_world import NOW, everything, voice_world
from wend.context import Actor, Context
from wend.events import Fact
from wend.ingest.people import pseudonyms
from wend.state.delivery import side_texts
from wend.state.voice import EVIDENCE
from wend.voice import telemetry
from wend.voice.telemetry import MINUTE, Teller, cause


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    monkeypatch.setattr(telemetry.time, "time", lambda: (NOW + 1000 * MINUTE) / 1e6)
    with voice_world(tmp_path) as made:
        made.ledger.append([Fact("app_created", "app/shop", {"branch": "main"}, app="shop", team="red")])
        for owner, kind in (("ada", "human"), ("bot", "agent"), ("eve", "human"), ("eve", "ci")):
            data = {"token": f"{owner}{kind}", "hash": "h", "owner": owner, "kind": kind, "scopes": ["*"]}
            made.ledger.append([Fact("token_created", "token", data)])
        yield made


def happen(ctx: Context, kind: str, minutes: float, actor: str = "ada", **data: Any) -> None:
    ctx.ledger.append([Fact(kind, "app/shop", data, actor=actor, app="shop", at=NOW + round(minutes * MINUTE))])


def begin(ctx: Context, id: str, minutes: float, ref: str = "refs/heads/main", actor: str = "ada") -> None:
    happen(ctx, "deploy_started", minutes, actor, deploy=id, cause="push", commit="c", ref=ref, summary="")


def fail(
    ctx: Context, id: str, minutes: float, message: str = "web exited with code 3 after 254 ms", **more: Any
) -> None:
    begin(ctx, id, minutes - 1, **more)
    actor = more.get("actor", "ada")
    happen(ctx, "deploy_failed", minutes, actor, deploy=id, step="started", message=message, hint="", superseded=False)


def succeed(ctx: Context, id: str, minutes: float, ms: int = 1000, ref: str = "refs/heads/main") -> None:
    begin(ctx, id, minutes - 1, ref)
    happen(ctx, "deploy_step_reached", minutes - 0.5, deploy=id, step="built", ms=ms)
    happen(ctx, "deploy_step_reached", minutes, deploy=id, step="live", ms=5)
    happen(ctx, "deploy_finished", minutes + 0.5, deploy=id)


def kept(ctx: Context) -> list[dict[str, Any]]:
    with ctx.ledger.query() as db:
        rows = [dict(row) for row in db.execute(sa.select(EVIDENCE).order_by(EVIDENCE.c.at, EVIDENCE.c.id)).mappings()]
        words = side_texts(db, [row["text"] for row in rows if row["text"]])
    return [row | {"words": words.get(row["text"] or "")} for row in rows]


@pytest.mark.parametrize(
    ("message", "is_"),
    [
        ("web exited with code 3 after 254 ms", "web exited with code # after # ms"),
        ("port 7080 is taken\nsecond line", "port # is taken"),
        ("/srv/shop/app.py: No such file", "PATH: No such file"),
        ("`wend.toml` has no 'web' in shop", "… has no … in APP"),
        ("commit deadbeef01 by ann@shop.example", "commit ID by ADDRESS"),
        ("GET http://x.example:80/a failed \x1b[31mred\x1b[0m", "GET URL failed red"),
        ("", ""),
        ("x" * 5000, "x" * 160),
    ],
)
def test_causes_are_the_same_when_only_numbers_and_names_differ(message: str, is_: str) -> None:
    assert cause(message, "shop") == is_


def test_a_failure_costs_the_minutes_until_the_next_attempt_was_over(ctx: Context) -> None:
    fail(ctx, "d1", 10)
    fail(ctx, "d2", 25)
    succeed(ctx, "d3", 40)
    assert Teller().tend(ctx) == 2
    first, second = kept(ctx)
    assert (first["minutes"], second["minutes"]) == (15.0, 15.0), "together: from the first failure to the good one"
    assert first["words"] == second["words"] == "deploy failed after started: web exited with code # after # ms"
    assert (first["person"], first["team"], first["app"]) == (pseudonyms(ctx.config.home).of("ada"), "red", "shop")
    assert Teller().tend(ctx) == 0, "after a restart nothing is told twice"


def test_another_branch_is_another_story_and_a_night_is_no_work(ctx: Context) -> None:
    fail(ctx, "d1", 10, ref="refs/heads/idea")
    succeed(ctx, "d2", 20)
    succeed(ctx, "d3", 10 + 600, ref="refs/heads/idea")
    Teller().tend(ctx)
    assert [row["minutes"] for row in kept(ctx)] == [None]


def test_what_may_still_be_mended_is_waited_for(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(ctx, "d1", 10)
    monkeypatch.setattr(telemetry.time, "time", lambda: (NOW + 30 * MINUTE) / 1e6)
    teller = Teller()
    assert teller.tend(ctx) == 0
    succeed(ctx, "d2", 35)
    assert teller.tend(ctx) == 1 and kept(ctx)[0]["minutes"] == 25.0


def test_refused_pushes_count_and_superseded_ones_do_not(ctx: Context) -> None:
    happen(ctx, "push_refused", 5, reason="'a/b' and 'A/b' are one file on some machines")
    begin(ctx, "d1", 9)
    happen(ctx, "deploy_failed", 10, deploy="d1", step="built", message="a newer push came", superseded=True)
    succeed(ctx, "d2", 12)
    Teller().tend(ctx)
    assert [(row["words"], row["minutes"]) for row in kept(ctx)] == [
        ("push refused: … and … are one file on some machines", 5.0)
    ]


@pytest.mark.parametrize("actor", ["bot", "eve", "stranger"])
def test_agents_and_machines_are_nobody(ctx: Context, actor: str) -> None:
    """So is who has a token of theirs under the same name: whose push it was cannot be told."""
    fail(ctx, "d1", 10, actor=actor)
    Teller().tend(ctx)
    assert [row["person"] for row in kept(ctx)] == [None]


def test_a_build_is_slow_against_its_own_app(ctx: Context) -> None:
    for number in range(8):
        succeed(ctx, f"d{number}", 10 * number, ms=40_000)
    succeed(ctx, "slow", 90, ms=190_000)
    succeed(ctx, "not so slow", 100, ms=79_000)
    Teller().tend(ctx)
    assert [(row["id"], row["minutes"]) for row in kept(ctx)] == [("build:slow", 2.5)]


def test_few_builds_say_nothing_of_what_is_usual(ctx: Context) -> None:
    for number in range(4):
        succeed(ctx, f"d{number}", 10 * number, ms=1000)
    succeed(ctx, "slow", 90, ms=900_000)
    assert Teller().tend(ctx) == 0


def test_a_hatch_is_told_once_however_many_releases_have_it(ctx: Context) -> None:
    for number in (1, 2):
        deploy = f"d{number}"
        begin(ctx, deploy, number)
        release = {"deploy": deploy, "release": number, "artifact": "a", "path": "p", "commit": "c", "config": {}}
        hatch = {"build": {"reason": "we ship a C extension", "until": None}}
        release |= {"secrets": {}, "env": {}, "processes": {}, "command": None, "hatches": hatch}
        happen(ctx, "release_created", number, **release)
        happen(ctx, "release_went_live", number, deploy=deploy, release=number, previous=None)
        Teller().tend(ctx)
    assert [(row["source"], row["words"]) for row in kept(ctx)] == [
        ("hatch", "left the golden path for its own build: we ship a C extension")
    ]


def test_tickets_about_the_platform_are_evidence_and_are_erased_with_their_title(ctx: Context) -> None:
    def ticket(id: str, title: str | None, **more: Any) -> None:
        hash, body = pseudonyms(ctx.config.home).text(id, title or "")
        data = {"source": "desk", "ticket": id, "state": "open", "at": NOW, "opened_at": NOW, "resolved_at": None}
        data |= {
            "reason": "build",
            "team": "red",
            "platform": True,
            "automatic": False,
            "title": hash if title else None,
        }
        ctx.ledger.append([Fact("ticket_recorded", f"ticket/{id}", data | more)], texts={hash: body} if title else None)

    ticket("t1", "the build is stuck")
    ticket("t2", None)
    ticket("t3", "an alarm", automatic=True)
    ticket("t4", "my screen is broken", platform=False)
    teller = Teller()
    assert teller.tend(ctx) == 2 and teller.tend(ctx) == 0
    assert [(row["id"], row["words"], row["team"]) for row in kept(ctx)] == [
        ("ticket:t1", "the build is stuck", "red"),
        ("ticket:t2", "support ticket: build", "red"),
    ]
    ctx.ledger.erase([kept(ctx)[0]["text"]], "ada")
    assert kept(ctx)[0]["words"] is None
    rows = everything(ctx)
    ctx.ledger.rebuild()
    assert everything(ctx) == rows


def test_a_long_past_is_told_in_slices(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "SLICE", 3)
    for number in range(7):
        happen(ctx, "push_refused", number, reason="no")
    teller, made = Teller(), list[int]()
    while found := teller.tend(ctx):
        made.append(found)
    assert made == [3, 3, 1]


def test_a_push_that_stood_in_a_queue_lost_those_minutes(ctx: Context) -> None:
    for minutes, waited in ((0, None), (1, 59_000), (2, 150_000)):
        about = {"ref": "refs/heads/main", "old": "0", "new": "1", "forced": False}
        happen(ctx, "push_received", minutes, **about, **({"waited_ms": waited} if waited else {}))
    assert Teller().tend(ctx) == 1
    (one,) = kept(ctx)
    assert (one["minutes"], one["person"]) == (2.5, pseudonyms(ctx.config.home).of("ada")) and "waited" in one["words"]
    assert Teller().tend(ctx) == 0


def test_a_guide_that_was_read_and_nothing_came_of_it_is_evidence_a_day_later(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = pseudonyms(ctx.config.home)

    def read(path: str, who: str, minutes: float) -> None:
        data = {"path": path, "person": names.of(who)}
        at = NOW + round(minutes * MINUTE)
        ctx.ledger.append([Fact("guide_opened", f"path/{path}", data, actor="portal", at=at)])

    read("python-web", "ada", 0)
    read("go-web", "zoe", 0)
    succeed(ctx, "d1", 500)
    assert Teller().tend(ctx) == 0, "the day is not over"
    monkeypatch.setattr(telemetry.time, "time", lambda: (NOW + 1441 * MINUTE) / 1e6)
    assert Teller().tend(ctx) == 1
    (one,) = kept(ctx)
    assert one["person"] == names.of("zoe") and "guide of go-web" in one["words"] and one["minutes"] is None


def test_opening_a_guide_is_kept_once_a_day_and_of_people_alone(ctx: Context) -> None:
    for kind in ("human", "human", "agent"):
        telemetry.opened(replace(ctx, actor=Actor("zoe", kind)), "python-web")
    (event,) = ctx.ledger.read(0, ("guide_opened",))
    assert event.actor == "portal" and "zoe" not in str(event)
