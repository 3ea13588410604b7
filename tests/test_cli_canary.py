"""Canaries, traffic, counts, jobs, previews and resources on the command line, against a stand-in API."""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest

from tests.fake_api import FakeApi, Following, Stream
from wend import cli
from wend.cli import show
from wend.errors import NotFound

Run = Callable[..., tuple[int, str, str]]
pytest_plugins = ["tests.cli_world"]
pytestmark = pytest.mark.usefixtures("alone")
HOSTILE = "\x1b[2J\x1b]0;owned\x07evil\u202e"
AT = 1_700_000_000_000_000


def interval(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high, "n": 1000}


SIDE = {
    "requests": 1240, "errors": 5, "exits": 0, "error_rate": interval(0.00403, 0.0017, 0.0094),
    "p50": interval(12.04, 11.8, 12.3), "p95": interval(48.0, 44.0, 53.0), "p99": interval(210.0, 150.0, 320.0),
}  # fmt: skip
ROW = {
    "deploy": "d8", "mode": "canary", "app": "hello", "release": 8, "stable": 7, "actor": "ada", "weight": 25,
    "state": "running", "verdict": "wait", "why": "no difference in 310 requests", "under_way": True,
    "title": "Going on: nothing speaks against it so far", "next": "In 12 s at the earliest: 50 % of the requests.",
    "steps": [{"share": 5, "state": "done"}, {"share": 25, "state": "now"}, {"share": 50, "state": "next"},
              {"share": 100, "state": "next"}],
    "step": 1, "policy": {"steps": [5, 25, 50], "seconds": 30}, "numbers": {"stable": SIDE, "canary": SIDE},
    "started_at": AT, "stepped_at": AT, "ended_at": None, "seconds": 18.2,
}  # fmt: skip
NONE: dict[str, Any] = {
    "app": "hello", "live": 7, "untried": None, "canary": None, "watch": None, "undone": None, "past": [],
    "traffic": [],
}  # fmt: skip
RUNNING = NONE | {"canary": ROW}
SEEN = {
    "release": 7, "weight": 75, "seconds": 60.0, "requests": 930, "rate": 15.5, "active": 0, "restarts": 0,
    "memory": 64 * 2**20, "cpu": 0.123, **{key: SIDE[key] for key in ("error_rate", "p50", "p95", "p99")},
}  # fmt: skip
APP = {
    "name": "hello", "state": "well", "url": "http://hello.localhost:7080", "live": 7, "previous": 6, "branch": "main",
    "team": None, "up": 1, "asleep": 0, "wanted": 1, "live_at": AT, "deploying": False, "last": None, "parent": None,
    "of_branch": None, "expires_at": None, "canary": ROW, "watch": None, "undone": None,
    "counts": {"web": {"count": 2, "by": "load", "bounds": {"min": 0, "max": 4, "target": 20.0, "idle": 300.0}}},
    "traffic": [SEEN, SEEN | {"release": 8, "weight": 25, "error_rate": None, "cpu": None}],
}  # fmt: skip
PREVIEW = APP | {"name": "fix--hello", "parent": "hello", "of_branch": "fix", "expires_at": AT, "state": "asleep"}


def ended(state: str) -> dict[str, Any]:
    gone = ROW | {"state": state, "under_way": False, "ended_at": AT, "why": "3 % errors instead of 0.4 %", "next": ""}
    return NONE | {"past": [gone]}


def plain(shown: io.StringIO) -> str:
    return show.STYLE.sub("", shown.getvalue())


# ---------------------------------------------------------------------------------------------- a canary


def test_a_running_canary_is_shown_and_never_begun_again(api: FakeApi, wend: Run) -> None:
    api.answers["GET /api/apps/hello/canary"] = RUNNING | {"untried": 9}
    code, out, _ = wend("canary", "hello")
    assert code == 0 and [what for what, _, _ in api.asked] == ["GET /api/apps/hello/canary"]
    assert "share\t25 % of the requests, step 2 of 3 (5 → [25] → 50 → 100)\n" in out
    assert "since\t18 s in this step\n" in out and "why\tno difference in 310 requests\n" in out
    assert "v7 live\t1,240\t0.40% (0.17 to 0.94)\t12 ms (11.8 to 12.3)\t48 ms (44 to 53)\t210 ms (150 to 320)" in out
    assert "wend promote hello" in out and "wend abort hello" in out


def test_a_canary_fits_80_columns(
    api: FakeApi, terminal: Callable[[], io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    api.answers |= {"GET /api/apps/hello/canary": RUNNING, "GET /api/apps/hello": APP}
    for words in (["canary", "hello"], ["status", "hello"]):
        shown = terminal()
        assert cli.main(words) == 0
        figures = [line for line in plain(shown).splitlines() if re.match(r"(errors|p\d\d|requests)", line)]
        assert len(figures) >= 5 and max(map(len, figures)) <= 80, figures


@pytest.mark.parametrize(
    ("words", "said", "body"),
    [
        ("canary hello", NONE | {"untried": 8}, {"release": 8, "steps": None}),
        ("canary hello --steps 5,50", NONE | {"untried": 8}, {"release": 8, "steps": "5,50"}),
        ("canary hello --release 6", ended("rolled back"), {"release": 6, "steps": None}),
        ("canary hello --release 6 --json", NONE, {"release": 6, "steps": None}),
    ],
)
def test_a_canary_begins(api: FakeApi, wend: Run, words: str, said: Any, body: Any) -> None:
    api.answers["GET /api/apps/hello/canary"] = said
    api.answers["POST /api/apps/hello/canary"] = Stream([{"line": "  canary"}, {"done": {"release": 8}}])
    code, out, _ = wend(*words.split())
    assert code == 0 and ("POST /api/apps/hello/canary", "", body) in api.asked
    assert "--json" not in words or json.loads(out) == said


@pytest.mark.parametrize("words", ["canary hello --json", "canary hello --watch", "canary hello"])
def test_looking_begins_nothing_that_was_taken_back(api: FakeApi, wend: Run, words: str) -> None:
    said = ended("rolled back") if words == "canary hello" else NONE | {"untried": 8}
    api.answers["GET /api/apps/hello/canary"] = said
    assert wend(*words.split())[0] == 0
    assert not [what for what, _, _ in api.asked if what.startswith("POST")]


def test_an_empty_state_says_how_a_canary_comes_about(api: FakeApi, wend: Run) -> None:
    api.answers["GET /api/apps/hello/canary"] = NONE
    code, out, said = wend("canary", "hello")
    assert (code, out) == (0, "") and "hello has no canary" in said and "git push -o canary" in said


@pytest.mark.parametrize(
    ("state", "code", "word"),
    [("promoted", 0, ""), ("rolled back", 4, "3 % errors"), ("aborted", 4, "aborted"), ("superseded", 5, "gave way")],
)
def test_watching_ends_as_the_canary_did(api: FakeApi, wend: Run, state: str, code: int, word: str) -> None:
    api.answers["GET /api/apps/hello/canary"] = Following(RUNNING, [RUNNING, RUNNING, ended(state)])
    got, out, said = wend("canary", "hello", "--watch")
    assert got == code and word in said
    rows = [line.split("\t")[1:] for line in out.splitlines()]
    assert [row[0] for row in rows] == ["running", state]  # what says the same again is not repeated


def test_a_terminal_is_drawn_anew_in_the_same_place(
    api: FakeApi, terminal: Callable[[], io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    later = RUNNING | {"canary": ROW | {"weight": 50, "step": 2}}
    api.answers["GET /api/apps/hello/canary"] = Following(RUNNING, [RUNNING, later, ended("promoted")])
    shown = terminal()
    assert cli.main(["canary", "hello", "-w"]) == 0
    first, *rest = re.split(r"\x1b\[\d+A\r\x1b\[J", shown.getvalue())
    assert len(rest) == 2 and "step 2 of 3" in first and "step 3 of 3" in rest[0]
    back = re.findall(r"\x1b\[(\d+)A", shown.getvalue())
    assert int(back[0]) >= first.count("\n")


@pytest.mark.parametrize(
    ("words", "path", "query", "body"),
    [
        ("promote hello", "POST /api/apps/hello/promote", "", {}),
        ("abort hello --dry-run", "POST /api/apps/hello/abort", "dry_run=1", {}),
        ("abort fix--hello", "POST /api/apps/fix--hello/abort", "", {}),
        ("scale hello web=auto worker=2", "POST /api/apps/hello/scale", "", {"counts": {"web": None, "worker": 2}}),
        ("jobs run hello nightly", "POST /api/apps/hello/jobs/nightly/run", "", {}),
        ("previews remove fix--hello", "DELETE /api/apps/hello/previews/fix--hello", "", {}),
        ("resources rotate hello db", "POST /api/apps/hello/resources/db/rotate", "", {}),
        ("resources remove hello db --confirm db", "DELETE /api/apps/hello/resources/db", "", {"confirm": "db"}),
        ("resources restore 1a2b --app hello", "POST /api/apps/hello/resources", "", {"trash": "1a2b", "name": None}),
        ("resources restore 1a2b -a hello --name old", "POST /api/apps/hello/resources", "",
         {"trash": "1a2b", "name": "old"}),
    ],
)  # fmt: skip
def test_acts_send_what_was_meant(api: FakeApi, wend: Run, words: str, path: str, query: str, body: Any) -> None:
    api.answers[path] = Stream([{"line": "  so it is"}, {"done": {"state": "done"}}])
    assert wend(*shlex.split(words))[0] == 0
    assert api.asked == [(path, query, body)]


def test_a_job_that_does_not_end_well_is_an_error_to_a_script(api: FakeApi, wend: Run) -> None:
    done = {"state": "failed", "ended": "exited with code 3"}
    api.answers["POST /api/apps/hello/jobs/nightly/run"] = Stream([{"line": "  nightly: …"}, {"done": done}])
    assert wend("jobs", "run", "hello", "nightly")[0] == 1


SENSELESS = """
canary a--b--c
canary hello --release 0
canary hello --release x
promote Hello
scale hello web=aut
scale hello web=1.5
jobs run
jobs run a b c
previews remove hello
previews remove --hello
previews remove a--b--c
resources rotate
resources remove hello db
resources remove hello db --confirm cache
resources restore 1a2b
ps fix--
"""


@pytest.mark.parametrize("words", SENSELESS.strip().splitlines())
def test_what_makes_no_sense_is_refused_before_anything_is_asked(api: FakeApi, wend: Run, words: str) -> None:
    code, _, said = wend(*shlex.split(words))
    assert code == 2 and said.startswith("error: ") and "  try: " in said and api.asked == []


# ---------------------------------------------------------------------------------------------- the rest


def test_status_shows_each_release(api: FakeApi, wend: Run) -> None:
    undone = ROW | {"state": "rolled back", "release": 6, "why": "3 % errors instead of 0.4 %", "ended_at": AT}
    api.answers["GET /api/apps/hello"] = APP | {"undone": undone}
    code, out, _ = wend("status", "hello")
    assert code == 0 and "scale web\t2 by load, 0 to 4\n" in out
    assert "canary\tv8 has 25 % of the requests: Going on" in out
    assert "rolled back\tv6, 2023-11-14T22:13:20Z: 3 % errors instead of 0.4 %\n" in out
    assert "\nv7 live\t75 %\t15.5\t930\t0.40% (0.17 to 0.94)\t" in out and "\t0\t64M\t0.12\n" in out
    assert "\nv8 canary\t25 %\t15.5\t930\t-\t" in out


def test_apps_have_their_previews_below_them(
    api: FakeApi, wend: Run, terminal: Callable[[], io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    api.answers |= {"GET /api/apps": [PREVIEW, APP, APP | {"name": "zoo"}], "GET /api/apps/hello/previews": [PREVIEW]}
    assert [row.split("\t")[0] for row in wend("apps")[1].splitlines()] == ["hello", "fix--hello", "zoo"]
    wanted = f"fix--hello\tfix\tasleep\t{show.stamp(AT / 1e6)}\thttp://hello.localhost:7080\n"
    assert wend("previews", "hello")[1] == wend("previews", "fix--hello")[1] == wanted
    shown = terminal()
    assert cli.main(["apps"]) == 0
    assert [line.split("  asleep")[0] for line in plain(shown).splitlines() if "asleep" in line] == ["  fix--hello"]


def test_counts_jobs_and_resources(api: FakeApi, wend: Run) -> None:
    counts = {"web": APP["counts"]["web"] | {"up": 1, "asleep": 1}}  # type: ignore[index]
    run = {
        "started_at": AT, "state": "done", "cause": "schedule", "release": 7, "ms": 1500, "ended": "exited with code 0"
    }  # fmt: skip
    job = {"name": "nightly", "schedule": "0 3 * * *", "timezone": "UTC", "next_at": AT, "last": run}
    kept = {"name": "db", "type": "postgres", "created_at": AT, "rotated_at": None, "bytes": 2**20}
    kept |= {"rotating": True}
    api.answers |= {
        "GET /api/apps/hello/scale": {"processes": counts, "history": []},
        "GET /api/apps/hello/jobs": [job],
        "GET /api/apps/hello/jobs/nightly": {"job": job, "runs": [run]},
        "GET /api/apps/hello/resources": [kept],
        "GET /api/trash": [kept | {"id": "1a2b", "app": "gone", "until": AT}],
    }
    stamp = show.stamp(AT / 1e6)
    bounds = "0 to 4, 20 requests each, asleep after 300 s"
    assert wend("scale", "hello")[1] == f"web\t2\t1, 1 asleep\tload\t{bounds}\n"
    assert wend("jobs", "hello")[1] == f"nightly\t0 3 * * *\t{stamp}\tdone, {stamp}\n"
    api.answers["GET /api/apps/hello/jobs"] = [job | {"waiting": AT}]
    assert wend("jobs", "hello")[1].split("\t")[2] == "waits for its turn"
    assert wend("jobs", "hello", "nightly")[1] == f"{stamp}\tdone\tschedule\tv7\t1.5s\texited with code 0\n"
    _, table, noted = wend("resources", "hello")
    assert table == f"db\tpostgres\t1.0M\t{stamp}\t-\n"
    assert "old credentials of db still hold: wend resources rotate hello db" in noted
    assert wend("resources", "trash")[1] == f"1a2b\tgone\tdb\tpostgres\t{stamp}\n"
    for words in (["scale", "hello"], ["jobs", "hello"], ["resources", "hello"], ["resources", "trash"]):
        assert json.loads(wend(*words, "--json")[1])


def test_empty_states_say_what_to_do_next(api: FakeApi, wend: Run) -> None:
    api.answers |= {
        "GET /api/apps/hello/scale": {"processes": {}, "history": []},
        "GET /api/apps/hello/jobs": [],
        "GET /api/apps/hello/jobs/nightly": {"job": {}, "runs": []},
        "GET /api/apps/hello/previews": [],
        "GET /api/apps/hello/resources": [],
        "GET /api/trash": [],
    }
    for words in ("scale hello", "jobs hello", "jobs hello nightly", "previews hello", "resources hello",
                  "resources trash"):  # fmt: skip
        code, out, said = wend(*words.split())
        assert (code, out) == (0, "") and re.search(r"wend |git push|wend\.toml|72 hours", said), words


def test_destroying_says_what_is_kept(api: FakeApi, wend: Run) -> None:
    api.answers["DELETE /api/apps/hello"] = {"kept": [{"name": "db", "type": "postgres", "until": AT}]}
    code, out, _ = wend("destroy", "hello", "--confirm", "hello")
    assert code == 0 and "kept until 2023-11-14T22:13:20Z: db (postgres)" in out and "wend resources trash" in out
    api.answers["DELETE /api/apps/hello"] = {"kept": [{"name": "db", "type": "postgres"}]}
    assert "kept in the trash: db (postgres)" in wend("destroy", "hello", "--dry-run")[1]


def test_hostile_text_steers_no_terminal(
    api: FakeApi, terminal: Callable[[], io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "300")
    row = ROW | {"why": HOSTILE, "actor": HOSTILE, "title": HOSTILE}
    run = {"started_at": AT, "state": "failed", "cause": "hand", "release": 1, "ms": 1, "ended": HOSTILE}
    change = {"at": AT, "process": "web", "before": 1, "after": 0, "actor": HOSTILE, "why": HOSTILE}
    counts = {"web": APP["counts"]["web"] | {"up": 1, "asleep": 0}}  # type: ignore[index]
    api.answers |= {
        "GET /api/apps/hello/canary": Following(
            NONE | {"canary": row}, [NONE | {"past": [row | {"state": "promoted"}]}]
        ),
        "GET /api/apps/hello": APP | {"canary": row, "undone": row},
        "GET /api/apps/hello/jobs/x": {"job": None, "runs": [run]},
        "GET /api/apps/hello/scale": {"processes": counts, "history": [change]},
        "GET /api/apps/hello/previews": [PREVIEW | {"of_branch": HOSTILE}],
    }
    for words in ("canary hello", "status hello", "jobs hello x", "scale hello", "previews hello"):
        shown = terminal()
        assert cli.main(words.split()) == 0
        assert "evil" in shown.getvalue(), words
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", shown.getvalue()), words


def test_the_platforms_refusal_is_passed_on(api: FakeApi, wend: Run) -> None:
    api.answers["POST /api/apps/hello/promote"] = NotFound("hello has no canary", "wend canary hello")
    code, _, said = wend("promote", "hello")
    assert code == 3 and said == "error: hello has no canary\n  try: wend canary hello\n"


@pytest.mark.parametrize(("left", "said"), [(0.5, "now"), (61, "in 1 minute"), (7300, "in 2 hours"), (-9, "now")])
def test_times_to_come(left: float, said: str) -> None:
    assert show.ahead(1000.0 + left, 1000.0) == said
