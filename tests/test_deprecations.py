"""Deprecations on a platform: what may be announced, whom it stops and when, who uses it, and how one moves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house import House
from tests.test_outgoing import DAY
from tests.web_world import World, began, world
from wend.deprecations import announcing, users
from wend.events import Fact
from wend.guardrails import gates, waivers
from wend.guardrails.facts import Facts
from wend.outgoing import day
from wend.web.leaving import FRESH

WISH = {"what": "path:procfile", "replacement": "path:python-web", "because": "nobody keeps it any more", "minutes": 30}
WISH |= {"guide": "https://wiki.example.com/move"}


def live(there: World, name: str, path: str, team: str | None = "red", commit: str = "", uses: Any = ()) -> None:
    """An app whose live release is on this path; `uses` None: nobody knows."""
    made = f"{name}-deploy"
    there.ctx.ledger.append([Fact("app_created", f"app/{name}", {"branch": "main"}, app=name, team=team)])
    began(there, name, made, "x")
    commit = commit or f"{name:0<40}"
    frozen = {"artifact": "a", "path": path, "commit": commit, "secrets": {}, "env": {}, "config": {}}
    there.say("release_created", name, deploy=made, release=1, processes={"web": {"command": "x"}}, **frozen)
    there.say("release_went_live", name, deploy=made, release=1, previous=None)
    there.say("deploy_finished", name, deploy=made)
    if uses is not None:
        facts = Facts(name, uses=(f"path:{path}", *uses)).kept()
        about = {"gate": "push", "commit": commit, "facts": facts, "verdicts": {}, "of": "h"}
        there.ctx.ledger.append([Fact("guardrails_judged", f"app/{name}", about, app=name)])


@pytest.fixture
def there(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "home") as made:
        live(made, "old-one", "procfile", "red")
        live(made, "old-two", "procfile", "blue")
        live(made, "new-one", "python-web", "green")
        yield made


def announce(there: World, token: str | None = "", **more: Any) -> Any:
    return there.ask("POST", "/api/deprecations", {**WISH, **more}, token=token)


def at(monkeypatch: pytest.MonkeyPatch, days: float) -> int:
    """The clock of gates and of the room, so many days from now."""
    now = time.time_ns() // 1000 + round(days * DAY)
    monkeypatch.setattr(waivers, "time", type("Clock", (), {"time_ns": staticmethod(lambda: now * 1000)}))
    return now


# ---------------------------------------------------------------------------------------------- announcing


def test_one_is_announced_with_dates_costs_and_who_uses_it(there: World) -> None:
    dry = there.ask("POST", "/api/deprecations?dry_run=1", WISH).json
    assert dry["dry"] and there.ask("GET", "/api/deprecations").json == []
    said = announce(there).json
    assert (said["deprecation"], said["using"], said["costs"]) == (1, 2, {"red": 30, "blue": 30})
    assert len(said["brownouts"]) == 3 and said["retired"] - said["warned"] == 83 * DAY
    (row,) = there.ask("GET", "/api/deprecations").json
    assert (row["stage"], row["using"], row["unknown"]) == ("announced", 2, 0)
    shown = there.ask("GET", "/api/deprecations/1").json
    assert [one["app"] for one in shown["users"]] == ["old-one", "old-two"] and len(shown["days"]) == 1
    assert announce(there).status == 409
    assert announce(there, there.token("app.*"), what="path:go-web").status == 403


@pytest.mark.parametrize(
    ("wrong", "status", "word"),
    [
        ({"replacement": "path:go-web"}, 403, "no team has anything live"), ({"guide": None}, 403, "no help"),
        ({"what": "procfile"}, 422, "no name"), ({"what": "colour:red"}, 422, "no name"),
        ({"what": "path:"}, 422, "no name"),
        ({"replacement": "path:procfile"}, 422, "its own place"), ({"because": "old"}, 422, "because has 3"),
        ({"minutes": 0}, 422, "0 minutes"), ({"minutes": 2000}, 403, "too much of blue (33.3 h), red"),
        ({"retired": "2020-01-01"}, 422, "too few"), ({"retired": "soon"}, 422, "no date"),
        ({"unused": 0}, 422, "unused"),
        ({"what": "path:\x1b[2J"}, 422, "no name"),
        ({"what": "api:GET /api/nothing", "replacement": "api:GET /api/apps"}, 403, "no address"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_of_anybody_is_refused(
    there: World, wrong: dict[str, Any], status: int, word: str
) -> None:
    answer = announce(there, **wrong)
    assert answer.status == status and word in answer.text, answer.text
    assert there.ask("GET", "/api/deprecations").json == []


def test_all_that_is_asked_of_a_team_at_once_counts(there: World) -> None:
    live(there, "both", "go-web", "red", uses=("hatch:build", "setting:process.*.boot"))
    live(there, "fresh", "go-web", "green", uses=("setting:process.*.health",))
    assert announce(there, minutes=600).status == 200
    more = {"what": "hatch:build", "replacement": "setting:process.*.health"}
    answer = announce(there, **more, minutes=400)
    assert answer.status == 403 and "red (16.7 h)" in answer.text
    assert announce(there, **more, minutes=300).status == 200


def test_a_replacement_that_only_nobodys_apps_use_is_none(there: World) -> None:
    live(there, "stray", "static-site", None)
    assert announce(there, replacement="path:static-site").status == 403


def test_an_end_is_moved_to_later_alone_and_it_may_stay_after_all(there: World) -> None:
    retired = announce(there).json["retired"]
    why = {"why": "two teams wait for a vendor"}
    for wrong in (day(retired), day(retired - DAY), "never"):
        assert there.ask("POST", "/api/deprecations/1/postpone", {**why, "retired": wrong}).status == 422
    later = there.ask("POST", "/api/deprecations/1/postpone", {**why, "retired": day(retired + 30 * DAY)}).json
    assert later["retired"] == retired + 30 * DAY and len(later["brownouts"]) == 3
    assert there.ask("POST", "/api/deprecations/1/withdraw", {"why": "the new one loses data"}).status == 200
    assert there.ask("GET", "/api/deprecations").json[0]["stage"] == "withdrawn"
    assert there.ask("POST", "/api/deprecations/1/withdraw", {"why": "the new one loses data"}).status == 409
    assert there.ask("POST", "/api/deprecations/9/withdraw", {"why": "the new one loses data"}).status == 404
    assert announce(there).json["deprecation"] == 2, "it can be announced again"


# ---------------------------------------------------------------------------------------------- at the gates


def verdict(there: World, app: str, rule: str, gate: Any = "deploy", path: str = "procfile") -> tuple[str, bool]:
    decision = gates.judge(there.ctx, gate, Facts(app, uses=(f"path:{path}",)))
    one = next(each for each in decision.results if each.rule.id == rule)
    return one.verdict, one.blocks


def test_it_warns_then_stops_who_begins_then_everybody_for_minutes_and_in_the_end(
    there: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert announce(there).status == 200
    begin = there.ask("GET", "/api/deprecations").json[0]["brownouts"][0][0]
    until = (begin - time.time_ns() // 1000) / DAY
    stages = (
        (1, "PASS", "PASS", "PASS"),
        (8, "FAIL", "PASS", "PASS"),
        (31, "FAIL", "PASS", "FAIL"),
        (until + 0.001, "PASS", "FAIL", "FAIL"),
        (until + 0.01, "FAIL", "PASS", "FAIL"),
        (91, "PASS", "FAIL", "FAIL"),
    )
    for days, warned, stopped, newcomer in stages:
        at(monkeypatch, days)
        assert verdict(there, "old-one", "deprecated-option")[0] == warned, days
        assert verdict(there, "old-one", "retired-option") == (stopped, stopped == "FAIL"), days
        assert verdict(there, "brand-new", "retired-option")[0] == newcomer, days
        for gate in ("push", "build", "deploy"):
            assert verdict(there, "old-one", "retired-option", gate)[0] == stopped
        assert verdict(there, "old-one", "retired-option", path="python-web")[0] == "PASS"


def test_more_time_is_a_waiver_and_holds_when_the_dates_are_moved(
    there: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    retired = announce(there).json["retired"]
    mark = there.ask("GET", "/api/deprecations/1").json["print"]
    at(monkeypatch, 91)
    asked = {"rule": "retired-option", "reason": "the vendor ships in a week", "print": mark}
    assert there.ask("POST", "/api/apps/old-one/waivers", asked, token=there.token("app.*", owner="ada")).status == 200
    assert there.ask("POST", "/api/waivers/1/approve", {}).status == 200
    assert verdict(there, "old-one", "retired-option") == ("WAIVED", False)
    assert verdict(there, "old-two", "retired-option") == ("FAIL", True)
    there.ask(
        "POST", "/api/deprecations/1/postpone", {"why": "all wait for the vendor", "retired": day(retired + 9 * DAY)}
    )
    at(monkeypatch, 102)
    assert verdict(there, "old-one", "retired-option") == ("WAIVED", False)


def test_what_nobody_knows_is_stopped_only_where_something_stops(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An app that was pushed before such facts were kept can be configured all the same, but not past the end."""
    live(there, "ancient", "procfile", "red", uses=None)
    assert announce(there).status == 200
    for days, blocks in ((8, False), (31, False), (91, True)):
        at(monkeypatch, days)
        decision = gates.judge(there.ctx, "deploy", Facts("ancient"))
        mine = next(one for one in decision.results if one.rule.id == "retired-option")
        assert mine.blocks is blocks, (days, mine)


# ---------------------------------------------------------------------------------------------- who uses it


def test_it_is_done_when_it_is_past_its_end_and_nobody_used_it_for_days(
    there: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(there, "ancient", "procfile", "red", uses=None)
    assert announce(there).status == 200
    now = time.time_ns() // 1000

    def state() -> str:
        return there.ask("GET", "/api/deprecations").json[0]["state"]

    for days in (1, 2, 91, 92):
        announcing.count(there.ctx, now + days * DAY)
    assert state() == "open", "two apps use it"
    for name in ("old-one", "old-two"):
        there.say("app_destroyed", name, why="gone", path="procfile")
    for days in (93, 120):
        announcing.count(there.ctx, now + days * DAY)
    assert state() == "open", "of one nobody knows"
    there.say("app_destroyed", "ancient", why="gone", path="procfile")
    announcing.count(there.ctx, now + 121 * DAY)
    assert state() == "done"
    days = there.ask("GET", "/api/deprecations/1").json["days"]
    assert [one["using"] for one in days][-1] == 0 and len(days) > 4
    at(monkeypatch, 121)
    assert verdict(there, "brand-new", "retired-option")[0] == "FAIL", "what is gone stays gone"


def test_a_day_is_counted_once_unless_it_changes(there: World) -> None:
    announce(there)
    for _ in range(3):
        announcing.count(there.ctx)
    assert len(there.ctx.ledger.read(kinds=["deprecation_counted"])) == 1
    live(there, "old-three", "procfile")
    announcing.count(there.ctx)
    assert len(there.ctx.ledger.read(kinds=["deprecation_counted"])) == 2
    assert there.ask("GET", "/api/deprecations").json[0]["using"] == 3


def test_why_somebody_stays_is_evidence(there: World) -> None:
    announce(there)
    token = there.token("app.push", owner="ada")
    why = {"why": "the new one has no Oracle driver"}
    assert there.ask("POST", "/api/apps/old-one/deprecations/1/stay", why, token=token).status == 200
    assert there.ask("POST", "/api/apps/old-one/deprecations/1/stay", {"why": "no"}, token=token).status == 422
    inbox = there.ask("GET", "/api/pains/inbox").text
    assert "no Oracle driver" in inbox and "path:procfile" in inbox
    assert there.ask("GET", "/api/deprecations/1").json["users"][0]["stays"]
    assert "ada" not in str([one.data for one in there.ctx.ledger.read(kinds=["deprecation_stayed"])])


# ---------------------------------------------------------------------------------------------- our own API


def test_an_address_that_goes_says_so_is_counted_and_ends(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9745 and RFC 8594: a structured date, and an HTTP date."""
    said = announce(there, what="api:GET /api/paths", replacement="api:GET /api/apps").json
    until_fresh(there)
    answer = there.ask("GET", "/api/paths", token=there.token("app.*", owner="ada"))
    assert answer.status == 200
    assert answer.headers["deprecation"] == f"@{said['announced'] // 10**6}"
    assert answer.headers["sunset"].endswith("00:00:00 GMT") and 'rel="successor-version"' in answer.headers["link"]
    assert "deprecation" not in there.ask("GET", "/api/apps").headers
    users.CALLS.write(there.ctx)
    users.CALLS.write(there.ctx)
    assert len(there.ctx.ledger.read(kinds=["api_called"])) == 1
    (call,) = [one for one in there.ask("GET", "/api/deprecations/1").json["calls"] if one["owner"] == "ada"]
    assert call["calls"] == 1
    monkeypatch.setattr("wend.web.leaving.time.time", lambda: said["retired"] / 1e6 + 1)
    gone = there.ask("GET", "/api/paths")
    assert gone.status == 410 and "use GET /api/apps" in gone.text


def until_fresh(there: World) -> None:
    """What the door read of deprecations holds for some seconds."""
    until = time.monotonic() + FRESH + 5
    while time.monotonic() < until:
        if "deprecation" in there.ask("GET", "/api/paths").headers:
            users.CALLS.counted.clear()
            return
        time.sleep(0.2)


# ---------------------------------------------------------------------------------------------- pages


def test_the_pages_tell_and_take_no_html(there: World) -> None:
    assert "Nothing goes" in there.page("/deprecations").text
    announce(there, because="<script>alert(1)</script> is why it goes")
    for path in ("/deprecations", "/deprecations/1"):
        page = there.page(path)
        assert page.status == 200 and "<script>alert" not in page.text and "path:procfile" in page.text
    cookie = there.sign_in()
    mark = there.page("/deprecations/1", cookie).text.split('name="csrf" value="')[1].split('"')[0]
    assert there.form("/apps/old-one/deprecations/1/stay", cookie, why="no time before spring").status == 422
    said = there.form("/apps/old-one/deprecations/1/stay", cookie, csrf=mark, why="no time before spring")
    assert said.status == 303 and "said why not" in there.page("/deprecations/1", cookie).text
    assert there.page("/deprecations/x").status == there.page("/deprecations/7").status == 404


# ---------------------------------------------------------------------------------------------- moving


def test_a_migration_is_proposed_proven_and_handed_over(house: House, tmp_path: Path) -> None:
    """A setting goes: a script rewrites it on a branch, its preview proves it, a person merges it."""
    house.up()
    repo = house.repo("rails", tmp_path / "rails")
    repo.change(**{"wend.toml": 'team = "red"\n[process.web]\nboot = 30\n'})
    assert repo.push()[0]
    other = house.repo("modern", tmp_path / "modern")
    other.change(**{"wend.toml": 'team = "blue"\n[process.web]\ngrace = 5\n'})
    assert other.push()[0]
    wish = {"what": "setting:process.*.boot", "replacement": "setting:process.*.grace", "minutes": 5}
    wish |= {"because": "boots are quick by now", "script": "sed -i 's/^boot = .*/grace = 5/' wend.toml"}
    status, said = house.api("POST", "/api/deprecations", wish)
    assert status == 200 and said["costs"] == {"red": 5}, said
    lines, done = house.change("/api/apps/rails/deprecations/1/move", {})
    assert "done" in done and done["done"]["state"] == "proved", (lines, done)
    branch = done["done"]["branch"]
    repo.git("fetch", "-q", "wend", branch)
    assert repo.git("show", "FETCH_HEAD:wend.toml").stdout == 'team = "red"\n[process.web]\ngrace = 5\n'
    assert "Deprecation: 1" in repo.git("log", "-1", "--format=%B", "FETCH_HEAD").stdout
    lines, again = house.change("/api/apps/modern/deprecations/1/move", {})
    assert "changes nothing" in str(again)
    repo.git("merge", "-q", "FETCH_HEAD")
    taken, said = repo.push()
    assert taken, said
    shown = house.api("GET", "/api/deprecations/1")[1]
    assert shown["users"] == []
    assert house.api("GET", "/api/proposals")[1][0]["standing"] == "merged"


def test_a_script_sees_neither_git_nor_secrets_and_fails_with_its_words(house: House, tmp_path: Path) -> None:
    house.up()
    repo = house.repo("rails", tmp_path / "rails")
    repo.change(**{"wend.toml": 'team = "red"\n[process.web]\nboot = 30\ngrace = 5\n'})
    assert repo.push()[0]
    wish = {"what": "setting:process.*.boot", "replacement": "setting:process.*.grace", "minutes": 5}
    wish |= {
        "because": "boots are quick by now",
        "script": "ls -a; test ! -e .git && env | grep -c WEND_ ; echo no; exit 3",
    }
    assert house.api("POST", "/api/deprecations", wish)[0] == 200
    before = repo.git("ls-remote", "wend").stdout
    lines, done = house.change("/api/apps/rails/deprecations/1/move", {})
    assert "the migration" in str(done) and "no" in str(lines) + str(done), (lines, done)
    assert repo.git("ls-remote", "wend").stdout == before, "nothing was proposed"


def test_going_back_is_told_and_never_stopped(house: House, tmp_path: Path) -> None:
    """What makes things well again has the right of way, past every end."""
    house.up()
    repo = house.repo("rails", tmp_path / "rails")
    repo.change(**{"wend.toml": '[env]\nDEBUG = "1"\n'})
    assert repo.push()[0]
    repo.change(**{"wend.toml": '[env]\nDEBUG = "0"\n'})
    assert repo.push()[0]
    mode = {"gate": "deploy", "mode": "enforce"}
    assert house.api("POST", "/api/guardrails/debug-mode/mode", mode)[0] == 200
    lines, done = house.change("/api/apps/rails/rollback", {})
    assert done.get("done"), (lines, done)
    assert any("FAIL debug-mode" in line for line in lines), lines
    assert house.get("rails")[0] == 200


def test_a_cost_is_refused_in_words() -> None:
    assert announcing.over({"red": 10}, {"red": announcing.BUDGET - 10}) == {}
    assert announcing.over({"red": 11}, {"red": announcing.BUDGET - 10}) == {"red": announcing.BUDGET + 1}
