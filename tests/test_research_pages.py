"""Interviews over the API, on pages and at the command line; and the checklist of the week."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.research_world import company
from tests.web_world import World, world
from wend import week
from wend.events import Fact
from wend.research import interviews, people
from wend.state.delivery import DAY
from wend.voice import evidence
from wend.voice.evidence import monday

Run = Callable[..., tuple[int, str, str]]
pytest_plugins = ["tests.cli_world"]
HOSTILE = "<script>alert(1)</script>\x1b]0;owned\x07\x1b[31m\u202e"


@pytest.fixture
def there(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "home") as made:
        company(made.ctx)
        yield made


@pytest.fixture
def alone_there(there: World, monkeypatch: pytest.MonkeyPatch, alone: Path) -> World:
    monkeypatch.setenv("WEND_URL", f"http://127.0.0.1:{there.port}")
    monkeypatch.setenv("WEND_TOKEN", there.admin)
    return there


def drawn(there: World) -> list[dict[str, Any]]:
    return there.ask("POST", "/api/research/draw", {}).json["next"]


def held(there: World, consent: str = "full") -> int:
    said = there.ask("POST", "/api/research/interviews", {"who": str(drawn(there)[0]["interview"]), "consent": consent})
    assert said.status == 200, said.text
    return said.json["interview"]


def csrf(page: str) -> str:
    return re.findall(r'name="csrf" value="([^"]+)"', page)[-1]


def plain(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


# ---------------------------------------------------------------------------------------------- the API


def test_from_the_draw_to_what_was_said(there: World) -> None:
    listed = drawn(there)
    assert len(listed) == 10 and drawn(there) == listed and all(one["name"].startswith("Dev") for one in listed)
    id = held(there)
    body = {"quote": "slow", "opportunities": ["waiting | 30"], "story": ["10:05 began"]}
    said = there.ask("POST", f"/api/research/interviews/{id}/snapshot", body)
    assert said.status == 200 and said.json["snapshot"]["opportunities"][0]["minutes"] == 30
    assert there.ask("GET", f"/api/research/interviews/{id}").json == said.json
    assert [one["interview"] for one in there.ask("GET", "/api/research/interviews?limit=5").json] == [id]
    assert there.ask("GET", "/api/research").json["week"]["steps"][1]["done"]
    gone = there.ask("POST", f"/api/research/interviews/{id}/withdrawn", {})
    assert gone.json["snapshot"] is None and gone.json["consent"] == "none"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("interviews", {"who": "nobody", "consent": "full"}, 404),
        ("interviews", {"who": "own1", "consent": "full"}, 403),
        ("interviews", {"who": "dev1", "consent": "yes"}, 422),
        ("interviews", {"who": "dev1", "consent": "full", "at": "tomorrow"}, 422),
        ("interviews", {"who": "dev1", "consent": "full", "at": "2090-01-01"}, 422),
        ("interviews", {"who": "dev1"}, 422),
        ("interviews/77/missed", {"why": "absent"}, 404),
        ("interviews/x/withdrawn", {}, 404),
        ("interviews/1/snapshot", {"quote": "too early"}, 409),
        ("interviews/1/snapshot", {"mood": "good"}, 422),
        ("interviews/1/snapshot", {"story": "x"}, 422),
        ("interviews/1/snapshot", {"quote": "x" * 2**20}, 422),
        ("interviews/1/snapshot", {"notes": "x" * 2**22}, 413),
        ("interviews/1/missed", {"why": "x"}, 422),
    ],
)
def test_bad_input_is_answered_and_changes_nothing(there: World, path: str, body: Any, status: int) -> None:
    drawn(there)
    before = len(there.ctx.ledger.read(kinds=["interview_held", "snapshot_written", "evidence_recorded"]))
    said = there.ask("POST", f"/api/research/{path}", body)
    assert said.status == status and said.json["message"], said.text
    assert len(there.ctx.ledger.read(kinds=["interview_held", "snapshot_written", "evidence_recorded"])) == before


def test_only_who_leads_research_sees_any_of_it(there: World) -> None:
    id = held(there)
    token = there.token("app.*", "signals.read", "ledger.read")
    for method, path in (
        ("GET", "/api/research"),
        ("GET", "/api/research/week"),
        ("POST", "/api/research/draw"),
        ("GET", f"/api/research/interviews/{id}"),
        ("GET", "/research.json"),
        ("GET", f"/research/{id}"),
    ):
        assert there.ask(method, path, {} if method == "POST" else None, token=token).status == 403, path
    cookie = there.sign_in(token)
    front = there.page("/", cookie).text
    assert "first week" not in front and 'href="/research"' not in front
    lead = there.sign_in(there.token("research.lead", "app.read", owner="lea"))
    assert "Your first week" in there.page("/", lead).text


def test_who_looked_is_shown_with_its_own_words(there: World) -> None:
    drawn(there)
    page = there.page("/signals/access").text
    assert "Interviews" in page and 'href="/signals/interviews"' not in page


def test_the_one_command_that_is_given_a_person_answers_with_no_figure_of_theirs(there: World) -> None:
    said = there.ask("POST", "/api/research/interviews", {"who": "dev3", "consent": "none"}).json
    times = {"held_at", "due_at", "written_at", "withdrawn_at", "week"}
    numbers = {key for key, value in said.items() if isinstance(value, int | float) and not isinstance(value, bool)}
    assert numbers - times - {"probability"} == {"interview"}


# ---------------------------------------------------------------------------------------------- pages


def test_an_interview_on_pages_alone(there: World) -> None:
    cookie = there.sign_in()
    token = csrf(there.page("/research", cookie).text)
    assert there.form("/research/draw", cookie, csrf=token).status == 303
    page = there.page("/research", cookie).text
    first = re.search(r'href="/research/(\d+)"', page)
    assert first and "Dev" in page
    one = f"/research/{first[1]}"
    assert "Tell me about the last time you deployed something." in there.page(one, cookie).text
    assert there.form(f"{one}/held", cookie, csrf=token, consent="full").headers["location"] == one
    assert "Memorable quote" in there.page(one, cookie).text
    said = {"quote": HOSTILE, "story": f"10:05 began\r\n{HOSTILE}\r\n\r\n", "opportunities": "slow build | 40\r\nDNS"}
    assert there.form(f"{one}/snapshot", cookie, csrf=token, **said).status == 303
    page = there.page(one, cookie).text
    assert "<script>alert" not in page and "&lt;script&gt;" in page and "\x1b" not in page and "\u202e" not in page
    assert "slow build" in page and "40 min" in page and page.count("points to no pain yet") == 2
    assert there.form(f"{one}/withdrawn", cookie, csrf=token).status == 422, "not without the tick"
    assert there.form(f"{one}/withdrawn", cookie, csrf=token, sure="yes").status == 303
    page = there.page(one, cookie).text
    assert "slow build" not in page and "took their consent back" in plain(page)


def test_a_form_of_a_megabyte_is_told_what_is_too_long(there: World) -> None:
    id, cookie = held(there), there.sign_in()
    token = csrf(there.page(f"/research/{id}", cookie).text)
    said = there.form(f"/research/{id}/snapshot", cookie, csrf=token, notes="é" * 2**18)
    assert said.status == 422 and "notes is 262,144 characters long; 200,000 at most are kept" in said.text
    assert there.form(f"/research/{id}/snapshot", cookie, csrf="wrong", notes="x").status == 403
    assert there.form(f"/research/{id}/nothing", cookie, csrf=token).status == 404
    assert there.form(f"/research/{id}/missed", cookie, csrf=token, why="absent").status == 409


def test_somebody_who_came_undrawn_and_the_missed_on_pages(there: World) -> None:
    cookie = there.sign_in()
    token = csrf(there.page("/research", cookie).text)
    said = there.form("/research/start", cookie, csrf=token, who="dev4", consent="none")
    assert said.status == 303
    page = plain(there.page(said.headers["location"], cookie).text)
    assert "not drawn" in page and "Nothing of it is kept, as they wished." in page
    id = drawn(there)[0]["interview"]
    assert there.form(f"/research/{id}/missed", cookie, csrf=token, why="declined").headers["location"] == "/research"
    assert "they would rather not" in plain(there.page(f"/research/{id}", cookie).text)
    assert there.page("/research/99", cookie).status == there.page("/research/x", cookie).status == 404


def test_the_page_of_a_platform_where_nobody_is_known(tmp_path: Path) -> None:
    with world(tmp_path / "home") as fresh:
        page = plain(fresh.page("/research").text)
        assert "wend ingest file csv people.csv" in page and "No interview was written down yet." in page
        assert fresh.ask("GET", "/research.json").json["segments"] == []


# ---------------------------------------------------------------------------------------------- the week


def test_each_step_ticks_itself_and_monday_begins_anew(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = there.ctx

    def done() -> list[str]:
        return [one["name"] for one in week.checklist(ctx)["steps"] if one["done"]]

    assert done() == [] and week.checklist(ctx)["who"] is None
    listed = drawn(there)
    assert week.checklist(ctx)["who"]["interview"] == listed[0]["interview"]
    for one in listed:
        there.ask("POST", "/api/research/interviews", {"who": str(one["interview"]), "consent": "full"})
    assert done() == ["listen"] and week.checklist(ctx)["due"] == listed[0]["interview"]
    for one in listed:
        path = f"/api/research/interviews/{one['interview']}/snapshot"
        assert there.ask("POST", path, {"opportunities": ["slow"]}).status == 200
    assert done() == ["listen", "write"]
    ctx.ledger.append([Fact("pain_named", "pain/1", {"pain": 1, "title": "Slow"})])
    for one in listed:
        evidence.link(ctx, f"interview/{one['interview']}/1", 1)
    assert done() == ["listen", "write", "find"]
    ctx.ledger.append([Fact("loop_asked", "bet/1", {"bet": 1, "person": listed[0]["person"]})])
    assert done() == ["listen", "write", "find", "again"]
    later = time.time() + 7 * 86_400
    monkeypatch.setattr("time.time", lambda: later)
    assert done() == [] and week.checklist(ctx)["week"] == monday(int(later // 86_400))
    assert week.checklist(ctx)["red"] and week.checklist(ctx)["silent"] == 7


def test_a_week_without_an_interview_is_red_on_the_front_page(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Nobody was interviewed for" not in there.page("/").text
    interviews.hold(there.ctx, "dev1", "none", int(time.time() * 1e6) - 8 * DAY)
    page = plain(there.page("/").text)
    assert "Nobody was interviewed for 8 days." in page
    interviews.hold(there.ctx, "dev2", "none")
    assert "Nobody was interviewed for" not in there.page("/").text


def test_a_small_company_need_not_hear_ten(tmp_path: Path) -> None:
    with world(tmp_path / "home") as small:
        company(small.ctx, 3)
        for one in drawn(small):
            small.ask("POST", "/api/research/interviews", {"who": str(one["interview"]), "consent": "none"})
        [listen, *_] = week.checklist(small.ctx)["steps"]
        assert listen["done"] and listen["says"] == "3 of 3 people heard"


def test_what_our_own_team_says_is_no_hurt_of_this_week(there: World) -> None:
    own = people.pseudonyms(there.ctx.config.home).of("own1")
    evidence.record(there.ctx, "interview", "our own wish", own, None)
    assert week.checklist(there.ctx)["steps"][1]["says"] == "nothing yet"


# ---------------------------------------------------------------------------------------------- the command line


def test_a_week_at_the_command_line(wend: Run, alone_there: World, tmp_path: Path) -> None:
    code, said, _ = wend("interview")
    assert code == 0 and "○ Interview 10 developers  0/10" in said
    code, said, note = wend("interview", "next")
    first = said.splitlines()[0].split("\t")
    assert code == 0 and first[1].startswith("Dev") and "wend interview start" in note
    assert wend("interview", "next")[1] == said, "asking twice gives the same list"
    code, said, note = wend("interview", "start", first[0], "--consent", "full")
    assert code == 0 and "- Tell me about the last time you deployed something." in said
    assert f"wend interview snapshot {first[0]}" in note
    file = tmp_path / "said.toml"
    file.write_text('quote = "It took a coffee"\nstory = ["10:05 began"]\nopportunities = ["slow build | 40"]\n')
    code, said, _ = wend("interview", "snapshot", first[0], "--file", str(file), "--insight", "they batch")
    assert code == 0 and "- slow build (40 min): points to no pain yet" in said and "! they batch" in said
    assert wend("interview", "list")[1].split("\t")[3] == "held, full"
    assert "It took a coffee" in wend("interview", "list", first[0])[1]
    second = wend("interview", "next")[1].splitlines()[0].split("\t")[0]
    assert wend("interview", "missed", second, "--why", "declined")[0] == 0
    states = [line.split("\t")[3] for line in wend("interview", "schedule")[1].splitlines()]
    assert states.count("to be asked") == 8 and states.count("in reserve") == 5 and "declined" in states
    code, said, _ = wend("interview", "coverage")
    assert code == 0 and "cannot tell, needs about 5 more interviews (n 1)" in said and "never" in said


def test_erasing_wants_the_number_again(wend: Run, alone_there: World) -> None:
    id = str(held(alone_there))
    assert wend("interview", "withdraw", id)[0] == 2 and wend("interview", "withdraw", id, "--dry-run")[0] == 0
    assert alone_there.ctx.ledger.read(kinds=["consent_withdrawn"]) == []
    assert wend("interview", "withdraw", id, "--confirm", id)[1] == f"interview {id}: what was said is erased\n"


def test_hostile_words_do_not_steer_the_terminal(wend: Run, alone_there: World) -> None:
    id = str(held(alone_there))
    code, said, _ = wend("interview", "snapshot", id, "--quote", HOSTILE, "--story", HOSTILE, "--opportunity", HOSTILE)
    assert code == 0
    for words in (said, wend("interview", "list", id)[1], wend("interview", "list", id, "--json")[1]):
        assert "\x1b" not in words and "\x07" not in words and "\u202e" not in words


@pytest.mark.parametrize(
    ("name", "body", "why"),
    [
        ("a.json", b"[1]", "holds no object"),
        ("a.json", b"[" * 100_000, "cannot be read"),
        ("a.toml", b"quote = ", "cannot be read"),
        ("a.toml", b"\xff\xfe", "cannot be read"),
        ("a.toml", b"mood = 'good'", "unknown key 'mood'"),
        ("a.json", b'{"quote": "' + b"x" * 3_000 + b'"}', "quote is 3,000 characters long"),
        ("a.json", b" " * (2**20 + 1), "has more than 1,048,576 bytes"),
    ],
)
def test_files_that_are_no_snapshot(
    wend: Run, alone_there: World, tmp_path: Path, name: str, body: bytes, why: str
) -> None:
    id = str(held(alone_there))
    (tmp_path / name).write_bytes(body)
    code, _, said = wend("interview", "snapshot", id, "--file", str(tmp_path / name))
    assert code == 2 and why in said


def test_in_a_pipe_nothing_is_asked(wend: Run, alone_there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    id = str(held(alone_there))
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert "what was said?" in wend("interview", "snapshot", id)[2]
    assert "what do they consent to?" in wend("interview", "start", "dev1")[2]


def test_on_a_terminal_each_part_is_asked_for(wend: Run, alone_there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Typed(io.StringIO):
        def isatty(self) -> bool:
            return True

    person = drawn(alone_there)[0]["interview"]
    monkeypatch.setattr("sys.stdin", Typed("notes\n"))
    assert wend("interview", "start", str(person))[0] == 0
    monkeypatch.setattr("sys.stdin", Typed("four years\n\n10:05 began\n40 min waited\n\nslow | 5\n\n\n"))
    code, _, note = wend("interview", "snapshot", str(person))
    assert code == 0, note
    said = json.loads(wend("interview", "list", str(person), "--json")[1])["snapshot"]
    assert said["facts"] == "four years" and len(said["story"]) == 2 and said["opportunities"][0]["minutes"] == 5
