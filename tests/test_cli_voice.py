"""Being heard from the command line: what is sent, what a terminal is asked, and that nothing else ever is."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from tests.cli_world import Terminal
from tests.fake_api import FakeApi
from wend.cli import client, credential

pytest_plugins = ["tests.cli_world"]
Run = Callable[..., tuple[int, str, str]]
EASE = {"id": "i", "question": "ease", "text": "How easy?", "lowest": 1, "highest": 5}
LABELS = ["very hard", "hard", "neither", "easy", "very easy"]


def sent(api: FakeApi) -> list[tuple[str, Any]]:
    return [(path, body) for path, _, body in api.asked]


def test_feedback_is_sent_and_thanked_for(api: FakeApi, wend: Run) -> None:
    api.answers["POST /api/feedback"] = {"evidence": "e", "deploy": "d1", "next": "It is read."}
    code, said, _ = wend("feedback", "slow", "--app", "hello", "--minutes", "15")
    assert code == 0 and "thank you (about the deploy d1)" in said and "It is read." in said
    assert sent(api) == [("POST /api/feedback", {"text": "slow", "app": "hello", "minutes": 15})]


@pytest.mark.parametrize("words", [(), ("x" * 300_000,), ("x", "--friction", "log.md")])
def test_feedback_that_cannot_be_is_not_sent(api: FakeApi, wend: Run, words: tuple[str, ...]) -> None:
    Path("log.md").write_text("x", encoding="utf-8")
    code, _, said = wend("feedback", *words)
    assert code == 2 and said.startswith("error: ") and "try: " in said
    assert api.asked == []


def test_a_friction_log_is_sent_as_it_is(api: FakeApi, wend: Run) -> None:
    Path("log.md").write_text("name: A\n10:00 red x\n", encoding="utf-8")
    api.answers["POST /api/friction"] = {"friction": "f", "colours": {"red": 1}, "joys": [], "next": "n"}
    assert "1 red" in wend("feedback", "--friction", "log.md")[1]
    assert sent(api) == [("POST /api/friction", {"text": "name: A\n10:00 red x\n"})]


def test_what_a_platform_says_cannot_steer_the_terminal(api: FakeApi, wend: Run) -> None:
    api.answers["POST /api/feedback"] = {"evidence": "e", "deploy": None, "next": "\x1b[2Jgone"}
    assert "\x1b" not in wend("feedback", "slow")[1]


@pytest.mark.parametrize(
    ("words", "path", "body"),
    [
        (("4",), "answer", {"answer": "4", "text": "", "invite": None}),
        (("2", "the", "build"), "answer", {"answer": "2", "text": "the build", "invite": None}),
        (("4", "--invite", "i1"), "answer", {"answer": "4", "text": "", "invite": "i1"}),
        (("skip",), "dismiss", {"invite": None}),
    ],
)
def test_an_answer_is_a_word(api: FakeApi, wend: Run, words: tuple[str, ...], path: str, body: Any) -> None:
    api.answers[f"POST /api/surveys/{path}"] = {"question": "ease", "next": "It counts."}
    assert "It counts." in wend("answer", *words)[1]
    assert sent(api) == [(f"POST /api/surveys/{path}", body)]


@pytest.mark.parametrize(("key", "path"), [("4", "answer"), ("s", "dismiss"), ("\r", None), ("x", None)])
def test_one_key_answers_who_asks_to_see_the_question(
    api: FakeApi,
    wend: Run,
    terminal: Callable[[], Terminal],
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    path: str | None,
) -> None:
    api.answers["GET /api/surveys/waiting"] = {**EASE, "labels": LABELS}
    api.answers["POST /api/surveys/answer"] = api.answers["POST /api/surveys/dismiss"] = {"next": "n"}
    monkeypatch.setattr(click, "getchar", lambda: key)
    monkeypatch.setattr(sys, "stdin", Terminal())
    shown = terminal()
    assert wend("answer")[0] == 0
    assert "very hard" in shown.getvalue()
    assert [one for one, _ in sent(api)][1:] == ([f"POST /api/surveys/{path}"] if path else [])


def test_in_a_pipe_the_question_is_only_shown(api: FakeApi, wend: Run) -> None:
    api.answers["GET /api/surveys/waiting"] = {**EASE, "labels": LABELS}
    assert wend("answer")[1] == "How easy?\n"
    api.answers["GET /api/surveys/waiting"] = {}
    assert wend("answer")[1] == "no question waits for you\n"


def test_tickets(api: FakeApi, wend: Run) -> None:
    api.answers["POST /api/tickets"] = {"ticket": "hand:1", "next": "n"}
    api.answers["POST /api/tickets/hand%3A1/close"] = {"ticket": "hand:1"}
    api.answers["GET /api/tickets"] = [{"ticket": "hand:1", "opened_at": 1, "resolved_at": None, "reason": "build"}]
    assert "hand:1 is open" in wend("ticket", "open", "no space", "--reason", "build")[1]
    assert wend("ticket", "close", "hand:1")[1] == "hand:1 is closed\n"
    assert wend("ticket")[1].startswith("hand:1\t")


def test_counts_of_few_are_not_told(api: FakeApi, wend: Run) -> None:
    few = {"value": None, "low": None, "high": None, "n": 3, "says": "hidden", "alarm": False}
    one = {"topic": "ease", "wave": "2026-Q4", "invited": 9, "shown": 3, "answered": 2, "dismissed": 0, "open": False}
    low = {"value": 0.4, "low": 0.2, "high": 0.6, "n": 10, "says": "fewer than half", "alarm": True}
    api.answers["GET /api/surveys"] = [{**one, "response": few, "result": few}, {**one, "response": low, "result": few}]
    _, said, noted = wend("survey")
    assert said.splitlines()[0] == "ease\t2026-Q4\t9\t3\t2\t0\tfew yet\tfew yet"
    assert "40% (20%-60%)" in said and "fewer than half" in noted


# ---------------------------------------------------------------------------------------------- who is asked at all


@pytest.mark.parametrize(
    ("stdin", "stdout", "ci", "asked"),
    [(True, True, "", True), (False, True, "", False), (True, False, "", False), (True, True, "true", False)],
)
def test_only_a_person_at_a_terminal_is_asked_after_a_command(
    monkeypatch: pytest.MonkeyPatch, stdin: bool, stdout: bool, ci: str, asked: bool
) -> None:
    monkeypatch.setenv("CI", ci)
    for name, there in (("stdin", stdin), ("stdout", stdout)):
        monkeypatch.setattr(sys, name, Terminal() if there else io.StringIO())
    assert client.attended() is asked


@pytest.mark.parametrize(("tty", "ci", "asked"), [(True, "", True), (False, "", False), (True, "1", False)])
def test_git_says_whether_a_person_reads_along(
    monkeypatch: pytest.MonkeyPatch, tty: bool, ci: str, asked: bool
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(sys, "stderr", Terminal() if tty else io.StringIO())
    assert credential.watched() is asked
