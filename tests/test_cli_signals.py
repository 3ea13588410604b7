"""`wend signals`: a line a signal within 80 columns, one in full, and no value without its interval and n."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fake_api import FakeApi
from tests.signal_world import seed
from tests.web_world import World, world
from wend import cli
from wend.errors import NotFound
from wend.signals import FAMILIES

Run = Callable[..., tuple[int, str, str]]
pytest_plugins = ["tests.cli_world"]
HOSTILE = "\x1b]0;owned\x07\x1b[31mred\u202eevil\ttab"
WINDOW = {"first": 20_000 - 20_000 % 7 - 3, "last": 20_000 - 20_000 % 7 + 17, "now": 0, "zone": "UTC"}
ONE: dict[str, Any] = {
    "id": "change_fail_rate", "version": 1, "title": "Change fail rate", "unit": "share", "better": "lower",
    "means": "How many failed.", "scope": "all", "window": WINDOW, "value": 0.087, "low": 0.05, "high": 0.118,
    "n": 414, "says": "cannot tell, needs about 15 more", "censored": 0, "assumed": 0.18, "pending": 35, "skewed": 0,
    "parts": {"with_assumed": {"value": 0.1, "low": 0.08, "high": 0.12, "n": 414, "says": "", "censored": 0,
                               "title": "With the assumed ones", "unit": "share"}},
    "series": [{"day": WINDOW["first"], "value": 0.0, "low": 0.0, "high": 0.2, "n": 9},
               {"day": WINDOW["first"] + 14, "value": 0.2, "low": 0.1, "high": 0.4, "n": 9}],
    "fresh": None, "notes": ["35 are too young."], "family": "instability", "n_at_least": False, "begin": None,
    "quick_check": None, "how": "Failed /\nall.", "restated": [],
}  # fmt: skip
NOTHING = {**ONE, "id": "nps", "title": "Would recommend (NPS)", "unit": "score", "value": None, "low": None,
           "high": None, "n": 0, "says": "no data", "series": [], "parts": {}, "begin": "Ask people.",
           "n_at_least": True, "assumed": None}  # fmt: skip
ROW = {"id": "ci:9", "service": "shop", "at": 1_700_000_000_000_000, "rank": "rollback", "by": "ci:10", "seq": 12}


@pytest.fixture
def there(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("cli-signals") / "home") as made:
        monkeypatch.setenv("WEND_URL", f"http://127.0.0.1:{made.port}")
        monkeypatch.setenv("WEND_TOKEN", made.admin)
        yield made


def test_a_line_a_signal_with_everything_in_a_pipe(wend: Run, api: FakeApi) -> None:
    api.answers["GET /api/signals"] = [ONE, NOTHING]
    code, said, _ = wend("signals", "--scope", "team:pay", "--weeks", "3")
    assert code == 0 and api.asked[-1][:2] == ("GET /api/signals", "scope=team%3Apay&weeks=3")
    first, second = said.splitlines()
    assert first.split("\t") == ["change_fail_rate", "8.7 %", "5–11.8 %", "414", "▁ █", ONE["says"]]
    assert second.split("\t") == ["nps", "-", "-", "0", "-", "no data"]


def test_it_fits_80_columns(api: FakeApi, alone: Any, terminal: Callable[[], io.StringIO], monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    api.answers["GET /api/signals"] = [ONE, NOTHING, {**ONE, "id": "x", "title": "T" * 20, "n": 123_456}]
    shown = terminal()
    assert cli.main(["signals"]) == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.getvalue()).splitlines()
    assert max(map(len, lines)) <= 80 and "cannot tell" in lines[1] and "needs" not in lines[1], lines
    assert "8.7 %" in lines[1] and "5–11.8 %" in lines[1] and " 414 " in lines[1] and "▁ █" in lines[1]
    assert "Recommend (NPS)" in lines[2] and "no data" in lines[2]


def test_nothing_yet_says_how_to_begin(wend: Run, api: FakeApi) -> None:
    api.answers["GET /api/signals"] = [NOTHING]
    code, _, said = wend("signals")
    assert code == 0 and "nothing was heard of yet" in said and "wend ingest add" in said


def test_one_in_full(wend: Run, api: FakeApi) -> None:
    api.answers["GET /api/signals/change_fail_rate"] = ONE
    api.answers["GET /api/signals/change_fail_rate/evidence"] = [{**ROW, "service": HOSTILE}]
    code, said, note = wend("signals", "show", "change_fail_rate")
    assert code == 0 and "--after 11" in note
    assert "value\t8.7 % (5–11.8 %, n 414)" in said and "says\tcannot tell, needs about 15 more" in said
    assert (
        "formula\tFailed / all." in said and "note\t35 are too young." in said and "assumed\t18% of the links" in said
    )
    assert "With the assumed ones\t10 %\t8–12 %\t414" in said and "12\t2023-11-14T22:13:20Z\t" in said
    assert said.endswith("rollback\tci:10\tci:9\n"), "the incident or the repair, and the deployment: to confirm"
    assert not any(letter in said for letter in "\x1b\x07\u202e")


def test_of_people_no_rows_are_asked_for(wend: Run, api: FakeApi) -> None:
    api.answers["GET /api/signals/nps"] = NOTHING
    code, said, _ = wend("signals", "show", "nps")
    assert code == 0 and "value\tno data (n 0)" in said and "to begin\tAsk people." in said
    assert [asked for asked, *_ in api.asked] == ["GET /api/signals/nps"]


def test_saying_what_caused_an_incident(wend: Run, api: FakeApi) -> None:
    where = "POST /api/incidents/github%3Ashop/issues/12/attribution"
    api.answers[where] = {"incident": "github:shop/issues/12", "deployment": None}
    code, said, _ = wend("signals", "confirm", "github:shop/issues/12", "none", "--why", "power cut")
    assert code == 0 and said == "github:shop/issues/12: no change caused it\n"
    assert api.asked[-1] == (where, "", {"deployment": None, "why": "power cut"})
    wend("signals", "confirm", "github:shop/issues/12", "ci:9", "--why", "its migration")
    assert api.asked[-1][2] == {"deployment": "ci:9", "why": "its migration"}
    assert wend("signals", "confirm", "x", "none")[0] == 2
    api.answers[where] = NotFound("there is no incident", "x")
    assert wend("signals", "confirm", "github:shop/issues/12", "none", "--why", "y")[0] == 3


def test_who_looked(wend: Run, api: FakeApi) -> None:
    api.answers["GET /api/signals/access"] = []
    assert "nobody looked yet" in wend("signals", "access")[2]
    api.answers["GET /api/signals/access"] = [{"actor": HOSTILE, "signal": "nps", "scope": "all", "at": 1, "seq": 1}]
    said = wend("signals", "access")[1]
    assert "nps\tall" in said and "\x1b" not in said


def test_against_a_real_door(wend: Run, there: World) -> None:
    seed(there.ctx.ledger, weeks=8)
    code, said, _ = wend("signals", "--scope", "team:payments", "--weeks", "8")
    assert code == 0 and [line.split("\t")[0] for line in said.splitlines()] == list(FAMILIES)
    for line in said.splitlines():
        _, value, ends, n, _, says = line.split("\t")
        assert (value == "-" and says != "-") or (ends != "-" and re.fullmatch(r"[\d,]+\+?", n)), line
    for id in FAMILIES:
        code, said, _ = wend("signals", "show", id)
        assert code == 0, id
        value = next(line for line in said.splitlines() if line.startswith("value\t"))
        assert re.search(r"\(.+, n [\d,]+\+?\)|\(n \d+\)", value), value
    assert json.loads(wend("signals", "show", "nps", "--json")[1])["id"] == "nps"
    assert len(json.loads(wend("signals", "--json")[1])) == len(FAMILIES)
    assert wend("signals", "--scope", "team:paymets")[0] == 3
    assert wend("signals", "show", "nope")[0] == 3 and wend("signals", "--weeks", "0")[0] == 2
    incident = there.ask("GET", "/api/signals/change_fail_rate/evidence").json
    name = next(row["by"] for row in incident if row["rank"] in ("assumed", "incident or word"))
    assert wend("signals", "confirm", name, "none", "--why", "power cut")[0] == 0
