"""Pains over the API, on pages and at the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web_world import World, world
from wend.voice import evidence

Run = Callable[..., tuple[int, str, str]]
pytest_plugins = ["tests.cli_world"]
HOSTILE = "<script>alert(1)</script>\x1b]0;owned\x07\x1b[31m\u202e"


@pytest.fixture
def there(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "home") as made:
        yield made


@pytest.fixture
def alone_there(there: World, monkeypatch: pytest.MonkeyPatch, alone: Path) -> World:
    monkeypatch.setenv("WEND_URL", f"http://127.0.0.1:{there.port}")
    monkeypatch.setenv("WEND_TOKEN", there.admin)
    return there


def said(there: World, text: str, who: str | None = None, team: str | None = None) -> str:
    return evidence.record(there.ctx, "feedback", text, who, team)


def csrf(page: str) -> str:
    return re.findall(r'name="csrf" value="([^"]+)"', page)[-1]


# ---------------------------------------------------------------------------------------------- the API


def test_from_the_inbox_to_a_pain_and_back(there: World) -> None:
    one, other = said(there, "the build is slow", "p1", "red"), said(there, "a slow build", "p2", "red")
    assert there.ask("POST", "/api/pains", {"title": "slow builds", "evidence": [one]}).json == {"pain": 1}
    waiting = there.ask("GET", "/api/pains/inbox").json
    assert waiting["waiting"] == 1 and waiting["evidence"][0]["near"][0]["pain"] == 1
    assert there.ask("POST", "/api/pains/1/link", {"evidence": other[:8]}).json == {"evidence": other, "pain": 1}
    assert there.ask("GET", "/api/pains/1").json["atoms"] == 2
    parts = [{"title": "cold cache", "evidence": [other]}]
    assert there.ask("POST", "/api/pains/1/split", {"parts": parts}).json == {"pain": 1, "into": [2]}
    assert there.ask("POST", "/api/pains/2/merge", {"into": 1}).status == 200
    assert there.ask("POST", "/api/pains/1/unlink", {"evidence": other}).status == 200
    assert there.ask("GET", "/api/pains/inbox").json["evidence"][0]["near"] == []
    assert there.ask("POST", "/api/pains/1/close", {"why": "a cache"}).status == 200
    assert there.ask("POST", "/api/pains/1/reopen", {"why": "cold again"}).status == 200
    assert there.ask("POST", "/api/pains/propose", {"text": "slow"}).json["near"][0]["title"] == "slow builds"
    listed = there.ask("GET", "/api/pains").json
    assert [(pain["id"], pain["state"]) for pain in listed["pains"]] == [(1, "open"), (2, "merged")]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("", {"title": ""}, 422),
        ("", {"title": "x" * 121}, 422),
        ("", {"title": "good", "evidence": ["nope1"]}, 404),
        ("", {"title": "good", "evidence": "nope1"}, 422),
        ("/77/link", {"evidence": "nope1"}, 404),
        ("/x/close", {"why": "y"}, 404),
        ("/1/merge", {"into": 1}, 422),
        ("/1/merge", {"into": 10**30}, 404),
        ("/1/split", {"parts": []}, 422),
        ("/1/split", {"parts": [{"title": "part"}]}, 422),
        ("/1/split", {"parts": [{"title": "part", "evidence": []}]}, 422),
        ("/1/split", {"parts": [1]}, 422),
        ("/1/close", {"why": ""}, 422),
        ("/1/reopen", {"why": "it is open"}, 409),
        ("/propose", {"text": " "}, 422),
        ("/propose", {"text": "x" * 20_000}, 422),
    ],
)
def test_bad_input_is_answered_and_changes_nothing(there: World, path: str, body: Any, status: int) -> None:
    there.ask("POST", "/api/pains", {"title": "slow builds"})
    before = there.ctx.ledger.head()
    answer = there.ask("POST", f"/api/pains{path}", body)
    assert answer.status == status and answer.json["message"], answer.text
    assert there.ctx.ledger.head() == before


def test_reading_and_changing_take_different_verbs(there: World) -> None:
    there.ask("POST", "/api/pains", {"title": "slow builds"})
    reader, nobody = there.token("signals.read"), there.token("ledger.read")
    assert there.ask("GET", "/api/pains/1", token=reader).status == 200
    assert there.ask("POST", "/api/pains/1/close", {"why": "x"}, token=reader).status == 403
    for path in ("/api/pains", "/api/pains/1", "/api/pains/inbox", "/api/pains/groups", "/pains", "/pains/1"):
        assert there.ask("GET", path, token=nobody).status == 403, path
    page = there.page("/pains/1", there.sign_in(reader)).text
    assert "slow builds" in page and "/pains/1/unlink" not in page and "/pains/1/close" not in page


# ---------------------------------------------------------------------------------------------- pages


def test_a_click_links_and_another_corrects(there: World) -> None:
    one, other = said(there, "the build is slow", "p1"), said(there, "so slow a build", "p2")
    cookie = there.sign_in()
    token = csrf(there.page("/pains", cookie).text)
    assert there.form("/pains", cookie, csrf=token, title="slow builds", evidence=one).headers["location"] == "/pains/1"
    assert 'name="pain" value="1"' in there.page("/pains", cookie).text
    assert there.form("/pains/link", cookie, csrf=token, evidence=other, pain="1", proposed="1").status == 303
    assert "100 %" in there.page("/pains", cookie).text, "of the offers were taken"
    assert there.form("/pains/1/unlink", cookie, csrf=token, evidence=other).headers["location"] == "/pains/1"
    assert 'name="pain" value="1"' not in there.page("/pains", cookie).text, "never offered again"
    assert there.form("/pains/1/split", cookie, csrf=token, evidence=one, title="cold cache").status == 303
    assert there.form("/pains/2/merge", cookie, csrf=token, into="1").headers["location"] == "/pains/1"
    assert there.form("/pains/1/rename", cookie, csrf=token, title="cold builds").status == 303
    assert there.form("/pains/1/close", cookie, csrf=token, why="a cache").status == 303
    assert "closed: a cache" in there.page("/pains/1", cookie).text
    assert there.form("/pains/1/burn", cookie, csrf=token).status == 404
    assert there.form("/pains/1/reopen", cookie, why="no token").status in (403, 422)
    assert there.ask("GET", "/api/pains/1").json["state"] == "closed"


def test_a_group_is_named_without_what_was_unticked(there: World) -> None:
    ids = [said(there, text) for text in ("the build is slow", "The build is slow!", "where is the password")]
    cookie = there.sign_in()
    page = there.page("/pains", cookie).text
    assert "Perhaps each of these is one pain" in page
    there.form("/pains", cookie, csrf=csrf(page), title="slow builds", evidence=ids[1])
    shown = there.ask("GET", "/api/pains/1").json
    assert [one["evidence"] for one in shown["evidence"]] == [ids[1]]


def test_a_group_that_is_no_pain_is_proposed_no_more(there: World) -> None:
    ids = [said(there, text) for text in ("the build is slow", "The build is slow!", "the build is slow again")]
    cookie = there.sign_in()
    page = there.page("/pains", cookie).text
    found = re.search(r'name="dismiss" value="([^"]+)"', page)
    assert found and set(found[1].split()) <= set(ids)
    assert there.form("/pains", cookie, csrf=csrf(page), dismiss=found[1]).status == 303
    assert "Perhaps each of these is one pain" not in there.page("/pains", cookie).text
    assert there.ask("GET", "/api/pains/inbox").json["waiting"] == 3, "nothing else is done with them"
    assert there.ask("POST", "/api/pains/groups/dismiss", {"evidence": []}).status == 422
    assert there.ask("POST", "/api/pains/groups/dismiss", {"evidence": ["nothing"]}).status == 404


def test_what_is_hostile_is_only_text(there: World) -> None:
    one = said(there, f"slow {HOSTILE}", "p1")
    there.ask("POST", "/api/pains", {"title": "slow <b>builds</b>", "evidence": [one]})
    said(there, f"again {HOSTILE}", "p2")
    for path in ("/pains", "/pains/1"):
        page = there.page(path).text
        assert "&lt;script&gt;" in page and "<script>alert" not in page and "<b>builds" not in page
        assert not {"\x1b", "\x07", "\u202e"} & set(page), path


def test_an_empty_platform_says_how_it_begins(there: World) -> None:
    page = there.page("/pains").text
    assert "No pain has a name yet" in page and "wend pains inbox" in page


# ---------------------------------------------------------------------------------------------- the command line


def test_pains_at_the_command_line(alone_there: World, wend: Run) -> None:
    one, other = said(alone_there, f"the build is slow {HOSTILE}", "p1"), said(alone_there, "a slow build", "p2")
    assert wend("pains")[0] == 0 and "no pain has a name yet" in wend("pains")[2]
    code, out, _ = wend("pains", "inbox")
    assert code == 0 and one in out and "\x1b" not in out
    assert wend("pains", "name", "slow builds", one)[1] == "pain 1\n"
    assert wend("pains", "link", other[:10], "1")[1] == f"{other} is about pain 1\n"
    code, out, _ = wend("pains", "show", "1")
    assert code == 0 and "atoms\t2" in out and "a slow build" in out and "\x1b" not in out
    assert wend("pains", "propose", "slow build")[1].startswith("1\t")
    assert wend("pains", "split", "1", "cold cache", other)[1] == "pain 2\n"
    assert "would link" in wend("pains", "merge", "2", "1", "--dry-run")[1]
    assert wend("pains", "merge", "2", "1")[1] == "pain 2 is a part of 1\n"
    assert wend("pains", "unlink", other, "1")[0] == 0
    assert wend("pains", "rename", "1", "cold builds")[0] == 0
    assert wend("pains", "close", "1", "--why", "a cache")[1] == "closed pain 1\n"
    assert wend("pains", "reopen", "1", "--why", "no")[1] == "pain 1 is open\n"
    assert "cold builds" in wend("pains", "list")[1] and wend("pains", "inbox", "--groups")[0] == 0
    assert json.loads(wend("pains", "--json")[1])["inbox"] == 1
    assert wend("pains", "show", "9")[0] == 3 and wend("pains", "link", "nope1", "1")[0] == 3


LOG = """name: Ada Lovelace
date: 2026-11-25
environment: laptop
scenario: Deploy an app <b>alone</b>.

10:02 green wend new just worked
10:05 red the push was refused <script>alert(1)</script>
10:19 blue where would I have read that?
"""


def test_friction_logs_are_read_step_by_step_and_nobody_is_named(there: World) -> None:
    cookie = there.sign_in()
    assert "No log yet" in there.page("/friction", cookie).text
    assert there.ask("POST", "/api/friction", {"text": LOG}).status == 200
    page = there.page("/friction", cookie).text
    assert "10:05" in page and "14 min" in page and "1 blue, 1 green, 1 red" in page
    assert "Ada" not in page and "<script>alert" not in page and "<b>alone" not in page
    looked = there.ask("GET", "/api/signals/access").json
    assert looked[0]["signal"] == "friction"
    assert there.ask("GET", "/api/friction", token=there.token("app.*")).status == 403
