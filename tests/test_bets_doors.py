"""Bets and work by hand through the doors: API, pages and the command line, on a half year of three teams."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests import signal_world
from tests.cli_world import alone, terminal, wend
from tests.test_portal import HOSTILE, RAW
from tests.web_world import World, world
from wend.bets import ending
from wend.cli import client, question
from wend.events import Fact
from wend.ingest import gitlog, trailers
from wend.ingest.people import pseudonyms
from wend.state.delivery import DAY

__all__ = ["alone", "terminal", "wend"]
Run = Callable[..., tuple[int, str, str]]


def ahead(days: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


def bet(**changes: Any) -> dict[str, Any]:
    asked = {"signal": "change_lead_time", "who": "engineers", "can": "get a change out", "to": "2 h"}
    return {**asked, "by": ahead(90), "kill": ahead(60), "appetite": 20, "sure": 70, **changes}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("bets") / "home") as made:
        signal_world.seed(made.ctx.ledger, now=time.time() - 2 * 86_400)  # an incident of today keeps questions away
        made.say("pain_named", None, pain=1, title="changes take long")
        first = made.ask("POST", "/api/bets", bet(pain=1))
        assert first.status == 200, first.text
        yield made


@pytest.fixture
def here(there: World, alone: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("WEND_URL", f"http://127.0.0.1:{there.port}")
    monkeypatch.setenv("WEND_TOKEN", there.admin)
    return there


# ---------------------------------------------------------------------------------------------- who may


def test_who_reads_may_not_bet_and_who_has_nothing_sees_nothing(there: World) -> None:
    reader, stranger = there.token("signals.read", owner="rea"), there.token("app.read:hello", owner="sam")
    assert there.ask("GET", "/api/bets/1", token=reader).status == 200
    assert there.ask("POST", "/api/bets", bet(), token=reader).status == 403
    assert there.ask("POST", "/api/toil", {"name": "a", "text": "- b"}, token=reader).status == 403
    for path in ("/api/bets", "/api/bets/1", "/api/toil"):
        assert there.ask("GET", path, token=stranger).status == 403
        assert there.ask("GET", path, token=None).status == 401


@pytest.mark.parametrize("path", ["/api/bets/0", "/api/bets/x", "/api/bets/99999999999999999999", "/api/bets/٣"])
def test_what_is_no_bet_is_not_found(there: World, path: str) -> None:
    from urllib.parse import quote

    assert there.ask("GET", quote(path)).status == 404


def test_everything_wrong_is_told_at_once(there: World) -> None:
    said = there.ask("POST", "/api/bets", bet(who="we", can="ship it", by="2020-01-01"))
    assert said.status == 422
    for word in ("the team itself", "'ship'", "2020-01-01"):
        assert word in said.json["message"]
    assert there.ask("POST", "/api/bets", bet(baseline=3)).status == 422
    assert there.ask("POST", "/api/bets", bet(pain=99)).status == 404


# ---------------------------------------------------------------------------------------------- pages


def test_a_bet_is_shown_with_its_numbers_and_dates(there: World) -> None:
    html = there.page("/bets/1").text
    for word in ("Engineers can get a change out in 2 h instead of", "So far, which is no verdict", "guard-rail",
                 "<title>opened</title>", "70 % sure", "the smallest change"):  # fmt: skip
        assert word in html or word == "the smallest change"
    assert "Engineers can get a change out" in there.page("/bets").text
    assert there.ask("GET", "/bets/1.json").json["so_far"] is True


def test_words_that_are_hostile_stay_words(there: World) -> None:
    made = there.ask("POST", "/api/bets", bet(who=HOSTILE[:100], signal="time_to_deploy", to="1 min"))
    assert made.status == 200, made.text
    id = made.json["id"]
    for path in ("/bets", f"/bets/{id}"):
        html = there.page(path).text
        assert not [one for one in RAW if one in html]
    there.ask("POST", f"/api/bets/{id}/end", {"why": "<script>alert(1)</script>"})
    assert "<script>alert" not in there.page(f"/bets/{id}").text


def test_pages_teach_when_there_is_nothing(tmp_path: Path) -> None:
    with world(tmp_path / "home") as made:
        assert "wend bet open" in made.page("/bets").text
        assert "wend toil define" in made.page("/toil").text
        assert made.ask("GET", "/api/bets").json == {
            "bets": [],
            "predictions": {
                "brier": None,
                "said": 0,
                "true": None,
                "coverage": None,
                "unknown": 0,
                "always_half": 0.25,
            },
        }


def test_a_judged_bet_is_asked_about_on_the_first_page_once(there: World) -> None:
    made = there.ask("POST", "/api/bets", bet(pain=1, signal="deployment_frequency", to="90 per day"))
    id, token = made.json["id"], there.token("voice.give", "app.read", owner="uma")
    who = pseudonyms(there.ctx.config.home).of("uma")
    told = {
        "evidence": "u1",
        "source": "feedback",
        "text": None,
        "person": who,
        "team": None,
        "own": False,
        "app": None,
    }
    told |= {"week": 0, "at": 5, "minutes": None, "about": {}}
    there.ctx.ledger.append(
        [
            Fact("evidence_recorded", "evidence/u1", told),
            Fact("evidence_linked", "evidence/u1", {"evidence": "u1", "pain": 1, "by": "x", "proposed": []}),
        ]
    )
    ending.close(there.ctx, id, "enough")
    ending.tend(there.ctx, int(time.time() * 1e6) + 9 * DAY)
    assert there.ask("GET", f"/api/bets/{id}").json["state"] == "judged"
    cookie = there.sign_in(token)
    html = there.page("/", cookie).text
    assert "Did this fix what you told us?" in html
    assert there.ask("POST", "/api/loop", {}, token=token).json == {"question": None}  # it was shown
    form = html.partition(f'action="/bets/{id}/answer"')[2]
    csrf = form.partition('name="csrf" value="')[2].partition('"')[0]
    assert there.form(f"/bets/{id}/answer", cookie, csrf=csrf, fixed="no").status == 303
    assert "Did this fix what you told us?" not in there.page("/", cookie).text
    assert there.ask("GET", f"/api/bets/{id}").json["answers"] == {
        "people": "fewer than 5", "answers": "fewer than 5", "fixed": None,
    }  # fmt: skip
    assert there.ask("POST", f"/api/bets/{id}/answer", {"fixed": "perhaps"}, token=token).status == 422


# ---------------------------------------------------------------------------------------------- the command line


def test_a_bet_from_the_command_line(here: World, wend: Run) -> None:
    words = ("--signal", "change_fail_rate", "--by", ahead(50), "--kill", ahead(40), "--appetite", "5", "--weeks", "26")
    code, out, err = wend("bet", "open", "--who", "engineers", "--can", "deploy without fear", "--to", "1 %", *words)
    assert code == 0, err
    number = out.split(":")[0].removeprefix("bet ")
    assert f"put `Bet: {number}`" in err
    code, out, _ = wend("bet", "show", number)
    facts = dict(line.split("\t", 1) for line in out.splitlines())
    assert facts["promised"].startswith("1 % by ") and "n " in facts["before"] and "so far" in facts
    assert wend("bet", "link", number, "checkout")[0] == 0
    assert wend("bet", "reargue", number, "--kill", ahead(45), "--why", "it shows")[0] == 0
    assert wend("bet", "close", number, "--why", "enough")[0] == 0
    assert wend("bet", "close", number, "--why", "enough")[0] == 5
    assert wend("bet", "show", "77")[0] == 3
    code, out, _ = wend("bet")
    assert f"{number}\tclosed\tengineers can deploy without fear in 1 % instead of" in out


def test_a_sentence_is_enough(here: World, wend: Run) -> None:
    words = ("--signal", "time_to_deploy", "--by", ahead(50), "--kill", ahead(40), "--appetite", "5")
    assert wend("bet", "open", "all can build a pipeline in 1 min instead of 5 min", *words)[0] == 2
    assert wend("bet", "open", "all can deploy in 1 min instead of 2 days", *words)[0] == 2


def test_work_by_hand_is_run_and_timed(here: World, wend: Run, alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (alone / "keys.md").write_text("# Keys\n- ask\n- wait\n", encoding="utf-8")
    assert wend("toil", "define", "keys.md", "--automate-hours", "16")[0] == 0
    for keys, word in (("\n\n", "done in"), ("\nq\n", "given up at step 2"), ("", "given up at step 1")):
        monkeypatch.setattr(sys, "stdin", io.StringIO(keys))
        code, out, err = wend("toil", "run", "keys")
        assert code == 0 and out.startswith(word), (out, err)
    assert "1/2  ask" in err
    (one,) = here.ask("GET", "/api/toil").json
    assert [step["given_up"] for step in one["by_step"]] == [1, 1]
    html = here.page("/toil").text
    assert "3 runs in" in html and "2 given up" in html
    assert wend("toil", "run", "locks")[0] == 3
    body = {"steps": [{"seconds": True}], "ended": "done"}
    assert here.ask("POST", "/api/toil/keys/runs", body).status == 422


def test_the_question_comes_after_a_command_to_a_person_alone(
    here: World, wend: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(self: Any, method: str, path: str, body: object = None, query: object = None) -> Any:
        asked.append(path)
        return {"question": {"question": "Did it?", "sentence": "s", "says": "v", "bet": 7}}

    monkeypatch.setattr(client.Client, "ask", ask)
    monkeypatch.setattr(question, "client", lambda: client.Client(None))  # pyright: ignore
    question.perhaps(["apps"])
    assert asked == []  # nobody reads along
    monkeypatch.setattr(question, "attended", lambda: True)
    for words in (["bet", "--json"], ["answer-bet", "7", "yes"], ["down"]):
        question.perhaps(words)
    assert asked == []
    question.perhaps(["apps"])
    question.perhaps(["apps"])
    assert asked == ["loop"]  # once a day
    question.perhaps(["apps"], time.time() + 90_000)
    assert len(asked) == 2


# ---------------------------------------------------------------------------------------------- trailers


@pytest.mark.parametrize(
    ("message", "bets"),
    [
        ("Faster\n\nBet: 7", (7,)),
        ("Faster\n\nBet: #7\nBet: 8\nSigned-off-by: a\n\n", (7, 8)),
        ("Faster\n\nbet:7\nBet: 7", (7,)),
        ("Faster\n\nBet: 7\n\nand more words", ()),
        ("Bet: 7 is on", ()),
        ("Faster\n\nBet: 0\nBet: -1\nBet: 99999999999\nBet: seven", ()),
        ("Faster\n\nI bet: 7", ()),
        ("", ()),
    ],
)
def test_the_trailer_is_read_and_nothing_else(message: str, bets: tuple[int, ...]) -> None:
    assert trailers.bets(message) == bets
    raw = b"\0".join([b"a" * 40, b"", b"1770000000", b"a@b.c", message.encode()]) + b"\0"
    assert next(gitlog.commits([raw])).bets == bets


def test_a_history_links_what_its_commits_name_once(there: World) -> None:
    row = {"commit": "d" * 40, "committed_at": int(time.time()) + 60, "parents": [], "bets": [1, 77]}
    body = {"repo": "shop/checkout", "changes": [row]}
    assert there.ask("POST", "/api/ingest/git", body).json["new"] == 4
    assert there.ask("POST", "/api/ingest/git", body).json["new"] == 0
    assert [one["id"] for one in there.ask("GET", "/api/bets/1").json["work"]] == ["d" * 40]
    for wrong in ([0], ["1"], [True], 1, list(range(1, 12))):
        assert there.ask("POST", "/api/ingest/git", {**body, "changes": [{**row, "bets": wrong}]}).status == 422
