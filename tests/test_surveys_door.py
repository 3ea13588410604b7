"""Asking and answering through the doors: once, by whom it was put to, while it is open, and nobody waits for it."""

from __future__ import annotations

import base64
import json
import re
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.house import until
from tests.web_world import World, began, live_app, world
from wend import auth, serve
from wend.context import Actor, Context
from wend.errors import Down
from wend.events import Fact
from wend.ingest.people import pseudonyms
from wend.state.delivery import DAY
from wend.state.people import ANSWERS
from wend.state.surveys import INVITES
from wend.state.voice import EVIDENCE
from wend.surveys import answering, asking, counts, questions

ANN = Actor("ann", "human", ("app.*",))


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A platform on which everybody is drawn for `ease` and nobody for anything else."""
    monkeypatch.setattr(asking, "rates", lambda ctx: {one.id: float(one.id == "ease") for one in questions()})
    with world(tmp_path / "home") as made:
        live_app(made)
        yield made


def act(there: World, actor: Actor = ANN) -> Context:
    return replace(there.ctx, actor=actor)


def invites(there: World) -> list[dict[str, Any]]:
    with there.ctx.ledger.query() as db:
        return [dict(row) for row in db.execute(sa.select(INVITES).order_by(INVITES.c.at)).mappings()]


def ask(there: World, event: str = "e1", actor: Actor = ANN, app: str = "hello") -> asking.Invite | None:
    """Decide, and show."""
    found = asking.decide(act(there, actor), "push", app, event)
    if found:
        asking.shown(there.ctx, found.id, "terminal")
    return found


def answer(there: World, said: str, token: str = "", **more: Any) -> tuple[int, dict[str, Any]]:
    given = there.ask("POST", "/api/surveys/answer", {"answer": said, **more}, token or there.token("app.*"))
    return given.status, given.json


# ---------------------------------------------------------------------------------------------- asking


def test_who_is_drawn_is_written_down_with_the_chance_and_shown_once(there: World) -> None:
    found = ask(there)
    assert found and "1 very hard … 5 very easy" in found.line() and "wend answer 1-5" in found.line()
    assert ask(there) is None, "the same event is decided once"
    assert ask(there, "e2") is None
    first, second = invites(there)
    assert (
        first["probability"] == 1.0 and first["held"] is None and first["shown_at"] and first["channel"] == "terminal"
    )
    assert second["held"] == "asked lately" and second["shown_at"] is None
    assert first["person"] == pseudonyms(there.ctx.config.home).of("ann") and first["wording"] == "ease-1"
    for event in there.ctx.ledger.read(kinds=["survey_invited", "survey_shown"]):
        assert "ann" not in f"{event.stream} {event.actor} {json.dumps(event.data)}".replace("channel", "")


@pytest.mark.parametrize("kind", ["agent", "ci", "platform"])
def test_who_is_no_person_is_never_asked(there: World, kind: str) -> None:
    assert ask(there, actor=Actor("ann", kind, ("*",))) is None
    assert asking.pushed(act(there, Actor("ann", kind, ("*",))), "hello", "c1") is None
    assert invites(there) == []


def told_of(there: World, team: str, *aliases: str) -> None:
    names = pseudonyms(there.ctx.config.home)
    person = {"source": "csv", "person": names.of("ann"), "aliases": [names.of(one) for one in aliases], "team": team}
    person |= {"role": None, "joined_at": None, "left_at": None, "name": None}
    there.ctx.ledger.append([Fact("person_recorded", "person/x", person)])


def test_the_platforms_own_team_is_never_asked(there: World) -> None:
    told_of(there, "platform")
    assert ask(there) is None and invites(there) == []


def test_two_addresses_of_one_person_share_their_clocks(there: World) -> None:
    told_of(there, "red", "ann@example.org")
    assert ask(there)
    assert ask(there, "e2", Actor("ann@example.org", "human", ("app.*",))) is None
    assert [row["held"] for row in invites(there)] == [None, "asked lately"]
    assert {row["team"] for row in invites(there)} == {"red"}


def test_nothing_is_asked_in_an_incident_a_failed_deploy_or_one_under_way(there: World) -> None:
    broken = {"source": "pager", "incident": "i", "service": "hello", "environment": None, "state": "open", "at": 1}
    broken |= dict.fromkeys(("opened_at", "resolved_at", "cause", "severity", "title", "url"))
    there.ctx.ledger.append([Fact("incident_recorded", "incident/i", broken, actor="pager")])
    assert ask(there, "in an incident") is None
    over = {**broken, "state": "resolved", "at": 2, "resolved_at": 2}
    there.ctx.ledger.append([Fact("incident_recorded", "incident/i", over, actor="pager")])
    there.say("app_created", "other", branch="main")
    began(there, "other", "o1", "x")
    assert ask(there, "while one is under way") is None
    there.say("deploy_failed", "other", deploy="o1", step="built", message="m", hint="h", tail=[])
    assert ask(there, "after one failed") is None
    began(there, "other", "o2", "x")
    there.say("deploy_finished", "other", deploy="o2")
    assert ask(there, "in peace")
    reasons = ["an incident is open", "a deploy is under way", "a deploy failed", None]
    assert [row["held"] for row in invites(there)] == reasons


def test_when_the_wave_has_enough_nobody_is_asked(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(there)
    assert answer(there, "4")[0] == 200
    ease = replace(asking.question("ease"), target=1)
    monkeypatch.setattr(asking, "question", lambda id: ease)
    assert ask(there, "e2", Actor("bob", "human", ("app.*",))) is None
    assert len(invites(there)) == 1


def test_the_weeks_chances_are_worked_out_from_what_was_before_it(
    there: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    assert asking.rates(there.ctx) == {one.id: one.least for one in questions()}
    asking.work_out(there.ctx)
    assert asking.rates(there.ctx) == {one.id: one.most for one in questions()}, (
        "nothing was pushed in the weeks before"
    )
    with there.ctx.ledger.query() as db:
        later = asking.chance(db, asking.question("ease"), (int(time.time() * 1e6) // DAY + 7) * DAY)
    assert later == asking.question("ease").most, "three pushes in four weeks are few"


# ---------------------------------------------------------------------------------------------- answering


def test_an_answer_counts_without_a_name_and_its_words_are_evidence(there: World) -> None:
    found = ask(there)
    assert found
    assert answer(there, "2", text="the build took twenty minutes")[0] == 200
    names = pseudonyms(there.ctx.config.home)
    [event] = there.ctx.ledger.read(kinds=["survey_answered"])
    said = f"{event.stream} {event.actor} {event.id} {json.dumps(event.data)}"
    assert found.id not in said and names.of("ann") not in said and "ann" not in said
    assert event.data["invite"] == answering.mark(names, found.id)
    with there.ctx.ledger.query() as db:
        score = db.execute(sa.select(ANSWERS)).mappings().one()
        words = db.execute(sa.select(EVIDENCE)).mappings().one()
    assert score["score"] == 2 and score["survey"] == "ease" and words["source"] == "survey"
    assert words["person"] == names.of("ann") and found.id not in words["about_json"]
    there.ctx.ledger.verify()


def test_a_question_is_answered_once(there: World) -> None:
    found = ask(there)
    assert found
    assert answer(there, "4")[0] == 200
    status, said = answer(there, "5")
    assert status == 409 and "thank you" in said["message"]
    [event] = there.ctx.ledger.read(kinds=["survey_answered"])
    there.ctx.ledger.erase([event.data["answer"]], "ann")
    assert answer(there, "5")[0] == 409, "not even when the first was erased"
    assert there.ctx.ledger.rebuild() > 0


def test_nobody_answers_for_somebody_else_or_learns_that_there_was_a_question(there: World) -> None:
    found = ask(there)
    assert found
    bob = there.token("app.*", owner="bob")
    theirs, none = (answer(there, "4", bob, invite=id) for id in (found.id, "0" * 16))
    assert theirs[0] == none[0] == 404
    assert theirs[1]["message"].replace(found.id, "0" * 16) == none[1]["message"]
    assert answer(there, "4", bob)[0] == 404
    assert there.ask("POST", "/api/surveys/dismiss", {"invite": found.id}, bob).status == 404


def test_after_a_week_it_is_closed(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(there)
    late = time.time() + 7 * 86_400 + 1
    monkeypatch.setattr(answering.time, "time", lambda: late)
    status, said = answer(there, "4")
    assert status == 409 and "closed" in said["message"]
    assert there.ask("GET", "/api/surveys/waiting", token=there.token("app.*", days=30)).json == {}


@pytest.mark.parametrize("said", ["0", "6", "-1", "4.5", "five", "", "٣", "4" * 400, "skip it"])
def test_what_is_not_on_the_scale_is_refused_with_the_scale(there: World, said: str) -> None:
    assert ask(there)
    status, told = answer(there, said)
    assert status == 422 and "1 (very hard) to 5 (very easy)" in told["hint"]
    with there.ctx.ledger.query() as db:
        assert db.execute(sa.select(ANSWERS)).first() is None


def test_not_now_is_peace_for_ninety_days(there: World) -> None:
    assert ask(there)
    assert there.ask("POST", "/api/surveys/dismiss", {}, there.token("app.*")).status == 200
    assert there.ask("GET", "/api/surveys/waiting", token=there.token("app.*")).json == {}
    assert ask(there, "e2") is None
    assert [row["held"] for row in invites(there)] == [None, "not now"]


def test_an_open_question_takes_words_or_nothing(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "rates", lambda ctx: {one.id: float(one.id == "slowed") for one in questions()})
    found = ask(there)
    assert found and "wend answer 0 (nothing)" in found.line()
    assert answer(there, " ")[0] == 422
    assert answer(there, "the", text="registry was down")[0] == 200
    with there.ctx.ledger.query() as db:
        row = db.execute(sa.select(EVIDENCE)).mappings().one()
    assert (there.ctx.ledger.text(row["text"]) or b"").endswith(b" the registry was down")
    assert ask(there, "e2", Actor("bob", "human", ("app.*",)))
    assert answer(there, "0", there.token("app.*", owner="bob"))[0] == 200
    with there.ctx.ledger.query() as db:
        assert sorted(db.execute(sa.select(ANSWERS.c.score)).scalars()) == [0, 1]
        assert len(db.execute(sa.select(EVIDENCE)).all()) == 1


def test_rates_and_means_are_shown_from_five_people_on(there: World) -> None:
    for number in range(6):
        assert ask(there, f"e{number}", Actor(f"dev{number}", "human", ("app.*",)))
        if number < 4:
            assert answer(there, "4", there.token("app.*", owner=f"dev{number}"))[0] == 200
    [ease] = [one for one in there.ask("GET", "/api/surveys").json if one["question"] == "ease"]
    assert (ease["invited"], ease["shown"], ease["answered"]) == (6, 6, 4)
    assert ease["response"]["n"] == 6 and not ease["response"]["alarm"]
    assert ease["result"]["value"] is None and "hidden" in ease["result"]["says"]
    assert answer(there, "2", there.token("app.*", owner="dev4"))[0] == 200
    [ease] = [one for one in counts.listed(there.ctx) if one["question"] == "ease"]
    assert ease["result"]["value"] == 3.6 and ease["result"]["n"] == 5
    page = there.page("/surveys").text
    assert "3.6" in page and "How easy or hard was it" in page


# ---------------------------------------------------------------------------------------------- the portal's card


def test_the_page_of_ones_own_fresh_deploy_asks_quietly(there: World) -> None:
    token = there.token("app.*")
    cookie = there.sign_in(token)
    page = there.page("/apps/hello/deploys/hello3", cookie).text
    assert 'action="/surveys/answer"' in page and "very easy" in page
    assert invites(there)[0]["channel"] == "portal"
    assert 'action="/surveys/answer"' in there.page("/apps/hello/deploys/hello3", cookie).text, "until it is answered"
    bob = there.sign_in(there.token("app.*", owner="bob"))
    assert 'action="/surveys/answer"' not in there.page("/apps/hello/deploys/hello3", bob).text
    form = {"csrf": re.findall(r'name="csrf" value="([^"]+)"', page)[-1], "page": "/apps/hello/deploys/hello3"}
    form |= {"invite": invites(there)[0]["id"], "answer": "5", "text": "<b>nice</b>"}
    told = there.form("/surveys/answer", cookie, **form)
    assert told.status == 303
    assert "Thank you" in there.page(told.headers["location"], cookie).text
    assert 'action="/surveys/answer"' not in there.page("/apps/hello/deploys/hello3", cookie).text
    assert there.form("/surveys/answer", cookie, **form).status == 409


def test_programs_and_failed_deploys_are_asked_nothing(there: World) -> None:
    token = there.token("app.*")
    there.ask("GET", "/apps/hello/deploys/hello3.json", token=token)
    there.ask("GET", "/api/deploys/hello3", token=token)
    began(there, "hello", "bad", "x")
    there.say("deploy_failed", "hello", deploy="bad", step="built", message="m", hint="h", tail=[])
    assert 'action="/surveys/answer"' not in there.page("/apps/hello/deploys/bad", there.sign_in(token)).text
    assert invites(there) == []


# ---------------------------------------------------------------------------------------------- never in the way


def test_what_a_question_runs_into_harms_neither_page_nor_command(
    there: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*words: Any) -> None:
        raise Down("the ledger is full", "")

    for name in ("decide", "decide_after", "drawn"):
        monkeypatch.setattr(asking, name, broken)
    assert there.page("/apps/hello/deploys/hello3", there.sign_in(there.token("app.*"))).status == 200
    sent = there.ask("POST", "/api/apps/new/config", {"set": {"A": "1"}}, wend_asks="terminal")
    assert sent.status == 200 and "done" in sent.lines[-1]
    assert asking.pushed(act(there), "hello", "c1") is None


def test_a_command_at_a_terminal_is_asked_after_its_deploy_and_no_other(there: World) -> None:
    """One that only kept configuration for later was no deploy."""
    there.ask("POST", "/api/apps/new/config", {"set": {"A": "1"}}, wend_asks="terminal")
    assert invites(there) == []
    began(there, "hello", "r1", "x")
    begun = int(time.time() * 1e6) - 10**6
    assert asking.decide_after(act(there), "push", "hello", begun)
    assert asking.decide_after(act(there), "rollback", "hello", begun) is None


@pytest.mark.parametrize(("user", "watched"), [("wend-terminal", True), ("wend", False), ("x", False)])
def test_git_names_a_person_who_reads_along_and_others_are_not_asked(there: World, user: str, watched: bool) -> None:
    given = base64.b64encode(f"{user}:{there.token('app.*')}".encode()).decode()
    assert serve.basic(there.ctx, f"Basic {given}").watched is watched


def test_a_push_shows_what_was_decided_beside_it(there: World) -> None:
    question, said = asking.pushed(act(there), "hello", "c1"), list[str]()
    assert question
    until(lambda: bool(question.found), what="the decision")
    question.show(said.append)
    assert len(said) == 1 and "wend answer" in said[0]
    until(lambda: invites(there)[0]["shown_at"] is not None, what="that it was shown")


def test_what_is_not_decided_in_time_is_not_shown(there: World) -> None:
    said = list[str]()
    asking.Asking(there.ctx).show(said.append)
    assert said == []


def test_a_push_gains_less_than_two_milliseconds(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both for who is drawn and for who is not: the draw, the thread, and the line.

    The time on the processor is the push's own; the quickest tenth on the clock shows that it waits for nothing either.
    """
    drawn, undrawn = list[float](), list[float]()
    busy: dict[float, list[float]] = {1.0: [], 0.0: []}
    for rate, took in ((1.0, drawn), (0.0, undrawn)):
        monkeypatch.setattr(asking, "rates", lambda ctx, rate=rate: {one.id: rate for one in questions()})
        for number in range(50):
            person = act(there, Actor(f"dev{number}", "human", ("app.*",)))
            begun, worked = time.perf_counter(), time.thread_time()
            question = asking.pushed(person, "hello", f"c{rate}{number}")
            between, busy_before = time.perf_counter(), time.thread_time() - worked
            if question:
                until(lambda question=question: bool(question.found), what="the decision")
            again, worked = time.perf_counter(), time.thread_time()
            if question:
                question.show(lambda line: None)
            busy[rate].append(busy_before + time.thread_time() - worked)
            took.append(between - begun + time.perf_counter() - again)
    assert all(statistics.median(each) < 0.002 for each in busy.values())
    for took in (drawn, undrawn):
        assert statistics.quantiles(took, n=10)[0] < 0.002


def test_a_token_of_a_person_with_one_app_may_answer(there: World) -> None:
    assert ask(there)
    assert auth.permits(("app.push:hello",), "voice.give", None)
    assert answer(there, "4", there.token("app.push:hello"))[0] == 200
