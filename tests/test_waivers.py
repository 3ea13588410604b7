"""Waivers and gates on a real platform: who may, until when, and what a push is told."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.house import House
from tests.test_guardrails import key
from tests.web_world import World, world
from wend import auth
from wend.context import Actor
from wend.events import Fact
from wend.guardrails import waivers
from wend.guardrails.waivers import DAY, held
from wend.state import guardrails as table
from wend.state.guardrails import WAIVERS

WHY = "the vendor's wheel has no versions yet"


@pytest.fixture
def there(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "home") as made:
        made.ctx.ledger.append([Fact("app_created", "app/shop", {"branch": "main"}, app="shop", team="red")])
        yield made


def ask(there: World, token: str | None = "", **more: Any) -> Any:
    return there.ask("POST", "/api/apps/shop/waivers", {"rule": "debug-mode", "reason": WHY, **more}, token=token)


def test_a_waiver_is_asked_for_by_one_and_approved_by_another(there: World) -> None:
    one = ask(there, there.token("app.*", owner="ada"), days=3).json
    assert (one["state"], one["owner"], one["holds"], one["days"]) == ("asked", "ada", False, 3)
    refused = there.ask("POST", "/api/waivers/1/approve", {}, token=there.token("*", owner="ada"))
    assert refused.status == 403 and "your own" in refused.text
    approved = there.ask("POST", "/api/waivers/1/approve", {}, token=there.token("*", owner="bob")).json
    assert approved["holds"] and approved["ends"] - approved["begins"] == 3 * DAY
    assert there.ask("POST", "/api/waivers/1/approve", {}, token=there.token("*", owner="eve")).status == 409
    over = there.ask("POST", "/api/waivers/1/revoke", {"why": "it was mended this morning"}).json
    assert over["state"] == "revoked" and not over["holds"]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"reason": "short"}, 422), ({"reason": "x" * 600}, 422), ({"reason": " \x1b\u202e" * 30}, 422),
        ({"days": 0}, 422), ({"days": 91}, 422), ({"days": 10**9}, 422), ({"rule": "nothing"}, 404),
        ({"rule": "*"}, 404),
    ],
)  # fmt: skip
def test_what_no_waiver_may_be_is_refused_when_it_is_written(there: World, more: dict[str, Any], status: int) -> None:
    """[Attack 29: past expiry, no owner, year 9999, self-approval.]"""
    assert ask(there, **more).status == status
    assert there.ask("GET", "/api/waivers").json == []


def test_agents_ask_and_never_approve_nor_break_glass(there: World) -> None:
    agent = auth.issue(there.ctx, "bot", "agent", ["*"], None)[1]
    assert ask(there, agent).status == 422, "a human has to answer for it"
    assert ask(there, agent, owner="ada").json["owner"] == "ada"
    for path, body in (("waivers/1/approve", {}), ("apps/shop/break-glass", {"reason": WHY})):
        answer = there.ask("POST", f"/api/{path}", body, token=agent)
        assert answer.status == 403 and "no human" in answer.text


def test_a_waiver_that_could_not_have_been_written_is_ignored_where_it_is_read() -> None:
    """[Attack 29, at the gate.]"""
    good = {"id": 1, "rule": "debug-mode", "app": "shop", "print": None, "owner": "ada", "asked_by": "ada", "by": "bob"}
    good |= {"state": "approved", "begins": 5, "ends": 5 + DAY}
    assert held(good)
    forever = {"ends": 253_402_300_799 * 10**6}
    for wrong in ({"by": "ada"}, {"owner": ""}, forever, {"begins": 9 * DAY}, {"state": "asked"}, {"ends": None},
                  {"rule": "*", "ends": 5 + DAY}):  # fmt: skip
        assert held(good | wrong) is None, wrong


def test_a_clock_that_is_set_back_revives_nothing(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """[Attack 30.]"""
    ask(there, there.token("app.*", owner="ada"), days=1)
    there.ask("POST", "/api/waivers/1/approve", {}, token=there.token("*", owner="bob"))
    with there.ctx.ledger.query() as db:
        ends = int(db.execute(sa.select(WAIVERS.c.ends)).scalar() or 0)
    there.ctx.ledger.append([Fact("scaled", "app/shop", {"process": "web", "replicas": 1}, app="shop", at=ends + 1)])
    monkeypatch.setattr(waivers, "time", type("Clock", (), {"time_ns": staticmethod(lambda: (ends - 9) * 1000)}))
    assert not waivers.listed(there.ctx)[0]["holds"]


def test_breaking_the_glass_holds_four_hours_and_is_seen(there: World) -> None:
    glass = there.ask("POST", "/api/apps/shop/break-glass", {"reason": WHY}).json
    assert glass["holds"] and glass["rule"] == "*" and glass["ends"] - glass["begins"] == 4 * 3600 * 10**6
    page = there.page("/guardrails").text
    assert "broken glass" in page and "holds" in page
    hostile = "<script>alert(1)</script> is what I say to that"
    ask(there, reason=hostile)
    assert "<script>alert" not in there.page("/guardrails").text


def test_a_broken_glass_is_reviewed_by_somebody_else_and_until_then_told_of(there: World) -> None:
    mine = there.token("*", owner="ada")
    there.ask("POST", "/api/apps/shop/break-glass", {"reason": WHY}, token=mine)
    assert "its review is due" in waivers.reminders(there.ctx, "shop")[0]
    found = {"why": "one loose version went out, and is pinned"}
    assert there.ask("POST", "/api/waivers/1/review", found, token=mine).status == 403
    assert there.ask("POST", "/api/waivers/1/review", {"why": "fine"}).status == 422
    assert "<b>review due</b>" in there.page("/guardrails").text
    assert there.ask("POST", "/api/waivers/1/review", found).json["review_due"] is None
    assert there.ask("POST", "/api/waivers/1/review", found).status == 409
    assert waivers.reminders(there.ctx, "shop") == [] and "reviewed by" in there.page("/guardrails").text


def test_a_review_is_overdue_after_two_days_and_a_waiver_is_told_of_a_week_before_it_ends() -> None:
    row = {"rule": "*", "reviewed_by": None, "asked_at": 5}
    assert waivers.reviewing(row, 5 + 2 * DAY) == {"review_due": 5 + 2 * DAY, "review_overdue": False}
    assert waivers.reviewing(row, 6 + 2 * DAY)["review_overdue"]
    assert waivers.reviewing(row | {"rule": "debug-mode"}, 9 * DAY)["review_due"] is None


def test_a_push_is_told_of_waivers_that_end_soon(there: World) -> None:
    for days in (3, 30):
        ask(there, there.token("app.*", owner="ada"), days=days)
    for number in (1, 2):
        there.ask("POST", f"/api/waivers/{number}/approve", {}, token=there.token("*", owner="bob"))
    assert waivers.reminders(there.ctx, "shop") == [
        "waiver 1 of debug-mode ends in 2 days: mend it, or ask for another"
    ]


def test_the_page_approves_with_its_own_mark_alone(there: World) -> None:
    ask(there, there.token("app.*", owner="ada"))
    cookie = there.sign_in()
    page = there.page("/guardrails", cookie).text
    mark = page.split('name="csrf" value="')[1].split('"')[0]
    assert there.form("/waivers/1/approve", cookie).status == 422
    assert there.form("/waivers/1/approve", cookie, csrf=mark).status == 303
    assert there.ask("GET", "/api/waivers").json[0]["holds"]


def test_only_who_manages_sets_modes(there: World) -> None:
    body = {"gate": "push", "mode": "enforce"}
    assert there.ask("POST", "/api/guardrails/debug-mode/mode", body, token=there.token("app.*")).status == 403
    assert there.ask("POST", "/api/guardrails/debug-mode/mode", body).status == 200
    for wrong, status in (({"gate": "moon", "mode": "warn"}, 422), ({"gate": "push", "mode": "maybe"}, 422)):
        assert there.ask("POST", "/api/guardrails/debug-mode/mode", wrong).status == status
    shown = {one["rule"]: one["modes"] for one in there.ask("GET", "/api/guardrails").json}
    assert shown["debug-mode"]["push"] == "enforce" and shown["secret-in-tree"]["push"] == "enforce"


def test_an_actor_is_known_by_kind(there: World) -> None:
    machine = replace(there.ctx, actor=Actor("ci", "ci", ("*",)))
    with pytest.raises(Exception, match="no human"):
        waivers.break_glass(machine, "shop", WHY)


# ---------------------------------------------------------------------------------------------- a push


def test_a_secret_stops_a_push_also_from_an_earlier_commit_and_our_tokens_are_revoked(
    platform: House, tmp_path: Path
) -> None:
    """[Attacks 19 and 32.]"""
    repo = platform.repo("rails", tmp_path / "rails")
    taken, said = repo.push()
    assert taken, said
    token = platform.api("POST", "/api/tokens", {"owner": "zoe", "kind": "human", "scopes": ["app.read"]})[1]["token"]
    repo.change(**{"wend.toml": '[guardrails]\nsecret-in-tree = "off"\n'})
    assert not repo.push()[0], "no file of a repository switches a guardrail off"
    repo.git("reset", "-q", "--hard", "HEAD~1")
    repo.change(config_py=f"A = '{key('an AWS access key')}'\nB = '{token}'\n")
    repo.change(config_py="A = 1\n")
    taken, said = repo.push()
    assert not taken and "secret-in-tree" in said and "in an earlier commit of this push" in said
    assert key("an AWS access key") not in said and token not in said
    assert platform.api("GET", "/api/apps", token=token)[0] == 401, "it is revoked"
    kept = json.dumps(platform.api("GET", "/api/ledger/events?limit=200")[1])
    assert key("an AWS access key") not in kept and token not in kept
    assert platform.get("rails")[0] == 200, "what runs is untouched"
    repo.git("reset", "-q", "--hard", "HEAD~2")
    repo.change(debug="1")
    assert repo.push()[0]


def test_a_deploy_is_stopped_whatever_makes_it_and_a_waiver_lets_it_pass(house: House, tmp_path: Path) -> None:
    """[Attack 40: running apps are untouched, and the glass can be broken.]"""
    house.up()
    repo = house.repo("rails", tmp_path / "rails")
    repo.change(**{"wend.toml": '[env]\nDEBUG = "1"\n'})
    taken, said = repo.push()
    assert taken and "warning debug-mode: env.DEBUG" in said
    assert house.api("POST", "/api/guardrails/debug-mode/mode", {"gate": "deploy", "mode": "enforce"})[0] == 200
    refused = house.change("/api/apps/rails/config", {"set": {"COLOUR": "red"}, "unset": []})
    assert "deploy is stopped by debug-mode" in json.dumps(refused)
    assert house.get("rails")[0] == 200
    assert house.api("POST", "/api/apps/rails/break-glass", {"reason": WHY})[0] == 200
    lines, done = house.change("/api/apps/rails/config", {"set": {"COLOUR": "red"}, "unset": []})
    assert "error" not in done, (lines, done)
    assert house.get("rails", "/env/COLOUR")[1] == "red"
    tested = house.api("GET", "/api/guardrails/debug-mode/backtest")[1]
    assert (tested["of"], tested["stopped"]) == (1, 0), "with the waivers of now"


def test_time_is_real(there: World) -> None:
    with there.ctx.ledger.query() as db:
        assert abs(waivers.now(db) - time.time_ns() // 1000) < 10**7
        assert table.modes(db) == {}
