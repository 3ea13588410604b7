"""The one thing in the portal, the API and the terminal: every state of it, hostile words, who may, and five lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests import company_told
from tests.cli_world import Terminal, alone, api, terminal, wend
from tests.company_world import Company, found, live
from tests.fake_api import FakeApi
from tests.test_portal import HOSTILE, RAW
from tests.web_world import World, world
from wend import cli, cost, one_thing
from wend.context import Actor
from wend.events import Fact
from wend.voice import evidence

__all__ = ["alone", "api", "terminal", "wend"]
Run = Callable[..., tuple[int, str, str]]


def lived(seed: object, weeks: int, interviews: int, separable: bool) -> Company:
    """The first company from the seed on that ends so."""
    for number in range(50):
        company = found(f"{seed} {number}")
        live(company, weeks, interviews)
        day = max(one.week for one in company.told)
        if cost.rank(range(12), company.told, company.asked, company.people, day).separable is separable:
            return company
    raise AssertionError("no such company")


@pytest.fixture(scope="module")
def sure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("one-thing") / "home") as made:
        company_told.tell(made.ctx, lived("sure", 3, 10, True))
        yield made


@pytest.fixture(scope="module")
def unsure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("one-thing-open") / "home") as made:
        company_told.tell(made.ctx, lived("unsure", 3, 3, False))
        yield made


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "home") as made:
        yield made


# ---------------------------------------------------------------------------------------------- who


def test_the_ranking_is_for_who_sees_signals_and_quotes_for_who_leads(unsure: World) -> None:
    human, lead, none = unsure.token("app.*"), unsure.token("research.lead"), unsure.token("ledger.read")
    for path in ("/api/one-thing", "/one-thing.json"):
        assert unsure.ask("GET", path, token=human).status == 200
        assert unsure.ask("GET", path, token=none).status == 403
    assert unsure.ask("GET", "/api/one-thing/1/evidence", token=human).status == 403
    assert unsure.ask("GET", "/api/one-thing/1/evidence", token=lead).json[0]["evidence"]
    assert unsure.ask("POST", "/api/one-thing/invite", {}, token=human).status == 403
    for odd in ("99", "x", "-1", "9" * 30, quote("٣")):
        assert unsure.ask("GET", f"/api/one-thing/{odd}/evidence").status == 404, odd
    told = unsure.ask("GET", "/api/one-thing", token=human).json
    assert told["ask"] == [] and told["to_ask"] == 3 and told["lead"] is False
    page = unsure.page("/one-thing", unsure.sign_in(human)).text
    assert "3 more interviews would tell most" in page and "it took me long" not in page
    assert any(one["signal"] == "one_thing" for one in unsure.ask("GET", "/api/signals/access").json)


# ---------------------------------------------------------------------------------------------- states


def test_a_first_run_says_how_to_begin(fresh: World) -> None:
    page = fresh.page("/one-thing")
    assert page.status == 200 and "No pain is named yet" in page.text and "wend interview next" in page.text
    fresh.ctx.ledger.append([company_told.named(1)])
    page = fresh.page("/one-thing").text
    assert "cannot be told yet" in page and "wend ingest file csv people.csv" in page and "Pain 1" in page


def test_the_one_thing_in_large_words_with_what_it_rests_on(sure: World) -> None:
    page = sure.page("/one-thing").text
    told = sure.ask("GET", "/api/one-thing").json
    first = told["rows"][0]
    assert f"<h1>{first['title']}</h1>" in page and "Not separable" not in page
    assert "Whom it hits" in page and "How often, each" in page and "How long, each time" in page
    assert page.count('class="bar"') == len(told["rows"]) == 12 and "it took me long" in page
    assert re.search(r'href="/ledger/\d+"', page), "down to each event"
    assert (
        page.count('class="amount"')
        == 4
        == len(re.findall(r'class="sub range"><span>[^<]*–[^<]*,</span> <span>n ', page))
    )


def test_not_separable_says_whom_to_talk_to_and_puts_them_on_the_list(unsure: World) -> None:
    cookie = unsure.sign_in()
    page = unsure.page("/one-thing", cookie).text
    assert "Not separable yet" in page and "Talk to these 3 people next" in page
    asked = unsure.ask("GET", "/api/one-thing").json["ask"]
    assert len(asked) == 3 and all((one["name"] or one["person"]) in page and one["team"] in page for one in asked)
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)
    assert csrf and unsure.form("/one-thing/invite", cookie, csrf=csrf[1]).status == 303
    listed = {event.data["person"] for event in unsure.ctx.ledger.read(kinds=["interview_scheduled"])}
    after = unsure.ask("GET", "/api/one-thing").json["ask"]
    assert len(after) == 3 and {one["person"] for one in after if one["why"] == "whom"} <= listed
    assert unsure.ask("POST", "/api/one-thing/invite", {}).json == {"interviews": []}


def test_hostile_words_are_words(fresh: World) -> None:
    ctx = replace(fresh.ctx, actor=Actor("ann", scopes=("*",)))
    ctx.ledger.append([company_told.worker(f"{number:016x}", HOSTILE) for number in range(8)])
    ctx.ledger.append([Fact("pain_named", "pain/1", {"pain": 1, "title": HOSTILE})])
    for number in range(8):
        evidence.link(ctx, evidence.record(ctx, "feedback", HOSTILE, f"{number:016x}", None, 5.0), 1)
    page = fresh.page("/one-thing").text
    assert not any(raw in page for raw in RAW), "nothing of it is obeyed"


# ---------------------------------------------------------------------------------------------- the terminal

QUANTITY = {"value": 0.31, "low": 0.2, "high": 0.45, "n": 42, "source": "interview", "check": None, "disagrees": False}
ROW: dict[str, Any] = {
    "pain": 1, "title": "Waiting for a review", "evidence": 214, "teams": 9, "p_worst": 0.87, "rank_low": 1,
    "rank_high": 2, "hours": {"mean": 38.2, "low": 21.0, "high": 61.4}, "reach": QUANTITY,
    "frequency": QUANTITY | {"value": 2.1}, "minutes": QUANTITY | {"value": 24.0},
}  # fmt: skip
TOLD: dict[str, Any] = {
    "rows": [ROW, ROW | {"pain": 2, "title": "Slow builds", "p_worst": 0.1}], "separable": True, "says": "x", "ask": [],
    "people": 120, "heard": 42, "regret": 1.24,
}  # fmt: skip
ASK = [{"name": "Ann", "person": "ab12", "team": "payments"}, {"name": None, "person": "cd34", "team": "search"}]


def test_five_lines(wend: Run, api: FakeApi) -> None:
    api.answers["GET /api/one-thing"] = TOLD
    code, said, _ = wend("one-thing")
    assert code == 0 and said.splitlines() == [
        "the one thing: Waiting for a review",
        "38.2 h/week (21–61.4), worst: 87%, rank 1–2",
        "31% × 2.1/week × 24 min (n 42, 42, 42); 214 pieces of 9 teams",
        "next: Slow builds: 38.2 h/week (21–61.4), worst: 10%, rank 1–2",
        "42 of 120 people heard by random draw; picking now loses 1.2 h/week on average",
    ]
    api.answers["GET /api/one-thing"] = TOLD | {"separable": False, "says": "not separable yet: …", "ask": ASK}
    lines = wend("one-thing")[1].splitlines()
    assert (
        len(lines) == 5
        and lines[0].startswith("not separable yet")
        and lines[4] == "ask: Ann (payments), cd34 (search)"
    )


def test_it_fits_80_columns_and_steers_no_terminal(api: FakeApi, alone: Path, terminal: Callable[[], Terminal]) -> None:
    long = ROW | {"title": HOSTILE + "x" * 200}
    api.answers["GET /api/one-thing"] = TOLD | {"rows": [long, long]}
    shown = terminal()
    assert cli.main(["one-thing"]) == 0
    lines = shown.getvalue().splitlines()
    assert (
        len(lines) == 5 and max(map(len, lines)) <= 80 and not any(letter in shown.getvalue() for letter in "\x1b\x07")
    )
    assert "38.2 h/week" in lines[3], "the name gives way, not the number"


def test_before_there_is_anything_it_says_what_is_missing(wend: Run, api: FakeApi) -> None:
    api.answers["GET /api/one-thing"] = TOLD | {"rows": [], "says": one_thing.NO_PAIN, "separable": False}
    assert "no pain is named yet" in wend("one-thing")[1]
    bare = ROW | {"hours": None}
    api.answers["GET /api/one-thing"] = TOLD | {"rows": [bare], "says": one_thing.NO_PEOPLE, "separable": False}
    assert "Waiting for a review: 214 pieces of evidence" in wend("one-thing")[1]


def test_inviting(wend: Run, api: FakeApi) -> None:
    api.answers["POST /api/one-thing/invite"] = {"interviews": [4, 5]}
    assert wend("one-thing", "--invite")[1] == "2 more on this week's list\n"
    assert wend("one-thing", "--invite", "--json")[1].strip().startswith("{")
