"""What people say unasked: kept, bounded, escaped, counted once, and only people are heard."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.house import House
from tests.web_world import World, live_app, world
from wend import auth, feedback, friction
from wend.errors import Invalid
from wend.events import Fact
from wend.ingest.people import pseudonyms
from wend.state.people import TICKETS
from wend.state.surveys import FRICTION
from wend.state.voice import EVIDENCE, atoms
from wend.voice import evidence

NASTY = '<script>alert(1)</script> \x1b[31mred\x1b[0m \x00 "quoted" \u202eback'
LOG = """# Friction log

name: Ada
date: 2026-11-25
environment: laptop, Python 3.12
scenario: Deploy a Flask app that I have, without help.

- 23:50 green `wend new` just worked
23:58 red: the push was refused
  and I do not know what $PORT is
00:12 blue where would I have read that?
00:20 purple tea
"""


@pytest.fixture
def there(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "home") as made:
        live_app(made)
        yield made


def kept(there: World) -> list[dict[str, object]]:
    with there.ctx.ledger.query() as db:
        return [dict(row) for row in db.execute(sa.select(EVIDENCE).order_by(EVIDENCE.c.seq)).mappings()]


def words(there: World, hash: object) -> str:
    return (there.ctx.ledger.text(str(hash)) or b"").decode().partition(" ")[2]


def say(there: World, text: object, token: str = "", **more: object) -> tuple[int, dict[str, str]]:
    answer = there.ask("POST", "/api/feedback", {"text": text, **more}, token)
    return answer.status, answer.json


def test_what_is_said_is_evidence_of_a_pseudonym(there: World) -> None:
    status, said = say(there, "the build takes ages", there.token("app.read:hello"), minutes=15)
    assert status == 200 and "you hear of it" in said["next"]
    [row] = kept(there)
    assert row["source"] == "feedback" and row["minutes"] == 15
    assert row["person"] == pseudonyms(there.ctx.config.home).of("ann")
    assert words(there, row["text"]) == "the build takes ages"
    [event] = there.ctx.ledger.read(kinds=["evidence_recorded"])
    assert "ann" not in f"{event.actor} {event.stream} {json.dumps(event.data)}", "the ledger must not say who it was"


@pytest.mark.parametrize("text", ["", "   \n\t ", "x" * 10_001, 5, None, ["x"]])
def test_what_is_no_feedback_is_refused_in_plain_words(there: World, text: object) -> None:
    status, said = say(there, text)
    assert status == 422 and said["hint"]
    assert kept(there) == []


def test_a_megabyte_is_refused_before_it_is_kept(there: World) -> None:
    assert say(there, "x" * 2**20)[0] == 413
    assert say(there, "x" * (2**20 - 100))[0] == 422
    assert kept(there) == []


@pytest.mark.parametrize("minutes", [-1, 1e9])
def test_minutes_that_cannot_be_are_refused(there: World, minutes: float) -> None:
    assert say(there, "slow", minutes=minutes)[0] == 422


def test_controls_and_html_are_shown_as_what_they_are(there: World) -> None:
    assert say(there, NASTY)[0] == 200
    text = words(there, kept(there)[0]["text"])
    assert "<script>" in text and "\x00" not in text and "\x1b" not in text
    page = there.page("/feedback?said=%3Cscript%3E&back=%22%3E%3Cscript%3E").text
    assert "<script>" not in page.replace("<script src=", "")


@pytest.mark.parametrize("kind", ["agent", "ci"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/feedback", {"text": "x"}),
        ("/api/friction", {"text": LOG}),
        ("/api/tickets", {"title": "x"}),
        ("/api/surveys/answer", {"answer": "4"}),
        ("/api/surveys/dismiss", {}),
    ],
)
def test_agents_and_machines_speak_for_nobody(there: World, kind: str, path: str, body: dict[str, str]) -> None:
    token = auth.issue(there.ctx, "ann", kind, ["app.*"], 0.01)[1]
    answer = there.ask("POST", path, body, token)
    assert answer.status == 403 and f"a token of kind {kind}" in answer.json["message"]
    assert kept(there) == []


def test_after_a_failed_deploy_it_is_about_that(there: World) -> None:
    token = there.token("app.*")
    there.say("deploy_started", "hello", deploy="bad", cause="push", summary="", commit="c", ref="r")
    there.say("deploy_failed", "hello", deploy="bad", step="built", message="m", hint="h", tail=[])
    assert say(there, "why?", token)[1]["deploy"] == "bad"
    row = kept(there)[0]
    assert json.loads(str(row["about_json"]))["deploy"] == "bad" and row["app"] == "hello"
    assert say(there, "another thing", token, app="other")[1]["deploy"] is None
    assert say(there, "from somebody else", there.token("app.*", owner="bob"))[1]["deploy"] is None
    live_again = {"deploy": "good", "cause": "push", "summary": "", "commit": "d", "ref": "r"}
    there.say("deploy_started", "hello", **live_again)
    there.say("deploy_finished", "hello", deploy="good")
    assert say(there, "now it works", token)[1]["deploy"] is None


def test_spam_is_turned_away_politely_and_by_person(there: World) -> None:
    token = there.token("app.*")
    for number in range(feedback.MOST):
        assert say(there, f"thing {number}", token)[0] == 200
    status, said = say(there, "one more", there.token("app.*"))
    assert status == 429 and said["message"].startswith("thank you")
    assert there.ask("POST", "/api/tickets", {"title": "one more"}, token).status == 429
    assert say(there, "somebody else", there.token("app.*", owner="bob"))[0] == 200
    assert len(kept(there)) == feedback.MOST + 1


def test_one_person_through_five_channels_is_one_atom(there: World) -> None:
    """Terminal, portal, ticket, friction log, and an answer under another address of theirs."""
    token, names = there.token("app.*"), pseudonyms(there.ctx.config.home)
    person = {"source": "csv", "person": names.of("ann"), "aliases": [names.of("ann@example.org")], "team": "red"}
    person |= {"role": None, "joined_at": None, "left_at": None, "name": None}
    there.ctx.ledger.append([Fact("person_recorded", "person/x", person)])
    assert say(there, "builds are slow", token)[0] == 200
    cookie = there.sign_in(token)
    form = {"csrf": csrf(there.page("/", cookie).text), "text": "builds are slow!", "page": "/"}
    assert there.form("/feedback", cookie, **form).status == 303
    assert there.ask("POST", "/api/tickets", {"title": "slow builds"}, token).status == 200
    assert there.ask("POST", "/api/friction", {"text": LOG}, token).status == 200
    other = there.token("app.*", owner="ann@example.org")
    assert say(there, "again: builds", other)[0] == 200
    rows = kept(there)
    assert {row["source"] for row in rows} == {"feedback", "ticket", "friction"} and len(rows) == 5
    there.ctx.ledger.append([Fact("pain_named", "pain/1", {"pain": 1, "title": "slow builds"})])
    for row in rows:
        evidence.link(there.ctx, str(row["id"]), 1)
    with there.ctx.ledger.query() as db:
        [atom] = atoms(db)
    assert atom["person"] == names.of("ann") and atom["team"] == "red" and len(atom["evidence"]) == 5


def test_what_the_platforms_own_team_says_is_kept_apart(there: World) -> None:
    names = pseudonyms(there.ctx.config.home)
    person = {"source": "csv", "person": names.of("ann"), "aliases": [], "team": "platform"}
    person |= {"role": None, "joined_at": None, "left_at": None, "name": None}
    there.ctx.ledger.append([Fact("person_recorded", "person/x", person)])
    assert say(there, "rewrite it in Rust", there.token("app.*"))[0] == 200
    assert kept(there)[0]["own"] == 1


# ---------------------------------------------------------------------------------------------- the portal's box


def csrf(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found, page
    return found[1]


@pytest.mark.parametrize("path", ["/", "/apps/hello", "/apps/hello/deploys/hello3", "/paths", "/ledger", "/nothing"])
def test_every_page_has_the_box(there: World, path: str) -> None:
    page = there.page(path).text
    assert 'action="/feedback"' in page and "Something in your way?" in page


def test_the_box_says_thanks_and_what_happens_next(there: World) -> None:
    cookie = there.sign_in()
    form = {"csrf": csrf(there.page("/", cookie).text), "text": "the logs jump", "page": "/apps/hello/logs"}
    answer = there.form("/feedback", cookie, **form)
    assert answer.status == 303
    page = there.page(answer.headers["location"], cookie).text
    assert "Thank you" in page and "you hear of it" in page and 'href="/apps/hello/logs"' in page
    about = json.loads(str(kept(there)[0]["about_json"]))
    assert about == {"app": "hello", "page": "/apps/hello/logs"}


def test_the_box_takes_nothing_from_elsewhere(there: World) -> None:
    cookie = there.sign_in()
    assert there.form("/feedback", cookie, text="x", page="/").status == 422
    token = csrf(there.page("/", cookie).text)
    answer = there.form("/feedback", cookie, csrf=token, text="x", page="//evil.example/")
    assert answer.status == 303 and "evil" not in answer.headers["location"]


def test_an_agents_pages_have_no_box(there: World) -> None:
    token = auth.issue(there.ctx, "bot", "agent", ["app.*"], 0.01)[1]
    assert 'action="/feedback"' not in there.page("/", there.sign_in(token)).text


# ---------------------------------------------------------------------------------------------- after a refused push


def test_a_refused_push_ends_with_where_to_say_so_and_is_remembered(platform: House, tmp_path: Path) -> None:
    repo = platform.repo("heard", tmp_path / "heard")
    taken, said = repo.push()
    assert taken and "wend feedback" not in said
    repo.change(app_py="import sys; sys.exit(3)")
    taken, said = repo.push()
    assert not taken
    assert f'wend feedback "…", or http://127.0.0.1:{platform.listen}/feedback' in said
    status, told = platform.api("POST", "/api/feedback", {"text": "what is code 3?"})
    assert status == 200
    assert told["deploy"] == platform.api("GET", "/api/apps/heard")[1]["deploys"][0]["id"]


# ---------------------------------------------------------------------------------------------- friction logs


def test_each_red_of_a_friction_log_is_evidence_and_joys_are_kept(there: World) -> None:
    token = there.token("app.*")
    answer = there.ask("POST", "/api/friction", {"text": LOG}, token).json
    assert answer["colours"] == {"green": 1, "red": 1, "blue": 1, "purple": 1}
    assert answer["joys"] == ["`wend new` just worked"]
    [row] = kept(there)
    assert row["source"] == "friction" and row["minutes"] == 14, "from 23:58 to 00:12"
    assert "$PORT" in words(there, row["text"]) and "Deploy a Flask app" in words(there, row["text"])
    assert there.ask("POST", "/api/friction", {"text": LOG}, token).status == 200
    assert len(kept(there)) == 1, "the same log again changes nothing"
    with there.ctx.ledger.query() as db:
        log = db.execute(sa.select(FRICTION)).mappings().one()
    there.ctx.ledger.erase([str(log["log"])], "ann")
    there.ctx.ledger.verify()
    with there.ctx.ledger.query() as db:
        assert db.execute(sa.select(FRICTION.c.log)).scalar() is None


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("", "does not say its name"),
        (LOG.replace("scenario:", "story:"), "does not say its scenario"),
        (LOG.replace("2026-11-25", "last Monday"), "is no day"),
        (LOG.replace("red", "crimson"), "line 9: 'crimson' is no colour"),
        (LOG.replace("23:58", "25:58"), "line 9: 25:58 is no time"),
        (LOG.split("- 23:50")[0], "has 0 steps"),
        (LOG + "00:30 red\n", "has no words"),
        (LOG + "01:00 red x\n" * 400, "needs 1 to 300"),
        (LOG + "x" * 300_000, "at most are read"),
    ],
)
def test_a_log_that_cannot_be_read_says_where(broken: str, why: str) -> None:
    with pytest.raises(Invalid, match=re.escape(why)):
        friction.read(broken)


# ---------------------------------------------------------------------------------------------- tickets by hand


def test_a_ticket_by_hand_opens_counts_and_closes(there: World) -> None:
    token = there.token("app.*")
    ticket = there.ask("POST", "/api/tickets", {"title": "no space left", "reason": "build"}, token).json["ticket"]
    assert ticket.startswith("hand:")
    with there.ctx.ledger.query() as db:
        row = db.execute(sa.select(TICKETS).where(TICKETS.c.id == ticket)).mappings().one()
    assert row["reason"] == "build" and row["platform"] == 1 and row["resolved_at"] is None
    assert there.ask("POST", f"/api/tickets/{ticket}/close", {}, token).status == 403, "for the platform's team"
    lead = there.token("research.lead", "signals.read", owner="lea")
    assert there.ask("POST", f"/api/tickets/{ticket}/close", {}, lead).status == 200
    assert there.ask("POST", f"/api/tickets/{ticket}/close", {}, lead).status == 409
    assert there.ask("POST", "/api/tickets/hand:nothing/close", {}, lead).status == 404
    [one] = there.ask("GET", "/api/tickets", token=lead).json
    assert one["ticket"] == ticket and one["resolved_at"] and "ann" not in json.dumps(one)
