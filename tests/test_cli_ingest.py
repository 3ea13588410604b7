"""`wend ingest` against a real door: what it prints, and that what it sends arrives."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.web_world import World, world
from wend import ingest

Run = Callable[..., tuple[int, str, str]]
pytest_plugins = ["tests.cli_world"]
SHA = "ab" * 20


@pytest.fixture
def there(alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setitem(ingest.SOURCES, "tiny", "tests.tiny_source:Tiny")
    with world(tmp_path / "home") as made:
        monkeypatch.setenv("WEND_URL", f"http://127.0.0.1:{made.port}")
        monkeypatch.setenv("WEND_TOKEN", made.admin)
        yield made


def ok(said: tuple[int, str, str]) -> str:
    assert said[0] == 0, said
    return said[1]


def test_sources_are_set_up_listed_and_removed(there: World, wend: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no source" in wend("ingest", "list")[2]
    code, out, said = wend("ingest", "add", "github", "--kind", "github")
    found = dict(line.split("\t") for line in out.splitlines())
    assert code == 0 and found["address"].endswith("/ingest/github") and "only time" in said
    again = json.loads(ok(wend("ingest", "add", "github", "--json")))
    assert again["secret"] != found["secret"], "renewed"
    monkeypatch.setattr("sys.stdin", io.StringIO("one from their side\n"))
    assert "one from their side" in ok(wend("ingest", "add", "theirs", "--kind", "tiny", "--secret", "-"))
    rows = [line.split("\t") for line in ok(wend("ingest", "list")).splitlines()]
    assert [row[:2] for row in rows] == [["github", "github"], ["theirs", "tiny"]]
    assert rows[0][5].startswith("holds") and rows[1][5] == "-"
    assert "secret" not in json.dumps(json.loads(ok(wend("ingest", "list", "--json"))))
    ok(wend("ingest", "remove", "github", "--dry-run"))
    assert ok(wend("ingest", "remove", "github")) == "removed github\n"
    assert wend("ingest", "remove", "github")[0] == 3
    assert wend("ingest", "add", "odd", "--kind", "nothing")[0] == 2


def test_a_file_goes_through_the_same_door(there: World, wend: Run, tmp_path: Path) -> None:
    file = tmp_path / "grün.json"
    file.write_text(json.dumps({"commits": [SHA]}))
    assert ok(wend("ingest", "file", "tiny", str(file))) == "1 facts, 1 of them new\n"
    assert ok(wend("ingest", "file", "tiny", str(file))) == "1 facts, 0 of them new\n"
    assert json.loads(ok(wend("ingest", "file", "tiny", str(file), "--json"))) == {"facts": 1, "new": 0}
    assert [event.actor for event in there.ctx.ledger.read(0, ["change_recorded"])] == ["tiny"]
    assert wend("ingest", "file", "absent", str(file))[0] == 3
    file.write_text("{")
    assert wend("ingest", "file", "tiny", str(file))[0] == 2
    assert wend("ingest", "file", "tiny", str(tmp_path / "absent"))[0] == 2


def test_a_table_of_services_is_read(there: World, wend: Run, tmp_path: Path) -> None:
    file = tmp_path / "services.csv"
    file.write_text("service,team\nshop,payments\ntill,payments\n")
    assert ok(wend("ingest", "file", "csv", str(file))) == "2 facts, 2 of them new\n"
    told = there.ctx.ledger.read(0, ["service_recorded"])
    assert [(one.data["service"], one.data["team"]) for one in told] == [("shop", "payments"), ("till", "payments")]


def test_what_was_kept_aside_is_listed_shown_and_erased(there: World, wend: Run, tmp_path: Path) -> None:
    assert "nothing" in wend("ingest", "aside")[2]
    file = tmp_path / "star.json"
    file.write_text('"star"')
    assert "kept aside: a star is nothing we know" in ok(wend("ingest", "file", "tiny", str(file)))
    [row] = [line.split("\t") for line in ok(wend("ingest", "aside", "--source", "tiny")).splitlines()]
    assert row[1] == "tiny" and row[4:] == ["6", "a star is nothing we know"]
    code, out, said = wend("ingest", "aside", row[0])
    assert (code, out) == (0, '"star"\n') and "6 bytes" in said
    assert json.loads(ok(wend("ingest", "aside", row[0], "--json")))["body"] == '"star"'
    assert "erased" in ok(wend("ingest", "aside", row[0], "--erase"))
    assert ok(wend("ingest", "aside", row[0])) == "(erased)\n"
    assert wend("ingest", "aside", "--erase")[0] == 2
    assert wend("ingest", "aside", "4711")[0] == 3
    assert ok(wend("ingest", "aside", "--source", "other", "--json")) == "[]\n"


def test_subscriptions_begin_are_listed_and_end(there: World, wend: Run) -> None:
    assert "nobody" in wend("ingest", "subscriptions")[2]
    url = "http://127.0.0.1:9/events"
    out = ok(wend("ingest", "subscribe", url))
    found = dict(line.split("\t") for line in out.splitlines())
    assert len(found["secret"]) > 30
    code, out, said = wend("ingest", "subscribe", url)
    assert code == 0 and "secret" not in out and "as before" in said
    [row] = [line.split("\t") for line in ok(wend("ingest", "subscriptions")).splitlines()]
    assert row == [found["id"], url, "ok", "-", "0", "-"]
    assert json.loads(ok(wend("ingest", "subscriptions", "--json")))[0]["url"] == url
    ok(wend("ingest", "unsubscribe", found["id"], "--dry-run"))
    assert ok(wend("ingest", "unsubscribe", found["id"])) == f"ended {found['id']}\n"
    assert wend("ingest", "unsubscribe", found["id"])[0] == 3
    assert wend("ingest", "subscribe", "ftp://example.org")[0] == 2


@pytest.mark.parametrize(
    "words", [("--name", "a/b"), ("--service", "x"), ("--tags", "v*", "--deploys-are", "commits"), ("--since", "soon")]
)
def test_what_contradicts_itself_is_refused(there: World, wend: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    assert wend("ingest", "git", str(tmp_path), str(tmp_path), *words)[0] == 2
