"""The command line against a stand-in API: what it prints, asks, refuses and remembers."""

from __future__ import annotations

import io
import json
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from tests.fake_api import FakeApi, Stream
from wend import cli
from wend.cli import show, site
from wend.errors import Bug, Conflict, Down, Invalid, NotFound, Refused

APP = {
    "name": "hello", "state": "well", "url": "http://hello.localhost:7080", "live": 3, "previous": 2, "branch": "main",
    "team": None, "up": 1, "wanted": 1, "live_at": 1_700_000_000_000_000, "deploying": False, "last": None,
}  # fmt: skip
PROCESS = {
    "process": "web", "index": 1, "release": 3, "phase": "up", "port": 4000, "restarts": 0, "ended": None,
    "rss": 32 * 2**20, "cpu": 0.25, "started": 1_700_000_000.0,
}  # fmt: skip
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m\r\x9b1m\u202eevil\ttab"


Run = Callable[..., tuple[int, str, str]]
pytest_plugins = ["tests.cli_world"]
pytestmark = pytest.mark.usefixtures("alone")


# ---------------------------------------------------------------------------------------------- help


def test_every_command_is_there_and_its_help_has_an_example(wend: Run) -> None:
    context = click.Context(cli.wend)
    for name in cli.MODULES:
        command = cli.wend.get_command(context, name)
        assert command is not None and command.name == name
        code, said, _ = wend(name, "--help")
        assert code == 0 and "Example: wend" in said, name
        assert max(map(len, said.splitlines())) <= 80, name


def test_help_groups_commands_within_80_columns(wend: Run) -> None:
    code, said, _ = wend("--help")
    assert code == 0 and max(map(len, said.splitlines())) <= 80
    for title, rows in cli.SECTIONS.items():
        part = said[said.index(f"{title}:") :]
        assert all(re.search(rf"^  {name} +{re.escape(what)}$", part, re.MULTILINE) for name, (_, what) in rows.items())
    assert "git-credential" not in said


def test_help_imports_no_command_and_nothing_heavy() -> None:
    code = "import sys; from wend.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "click" in loaded
    assert not loaded & {"rich", "sqlalchemy", "cryptography", "http.client", "ssl", "starlette", "wend.cli.apps"}


@pytest.mark.parametrize(
    ("words", "hint"),
    [(["statsu"], "wend status"), (["ps", "--nope"], "wend ps --help"), (["tokens", "add"], "wend tokens add --help")],
)
def test_mistyped_commands_get_the_nearest_and_exit_2(wend: Run, words: list[str], hint: str) -> None:
    code, _, said = wend(*words)
    assert code == 2 and said.startswith("error: ") and f"  try: {hint}\n" in said


# ---------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("kind", [Invalid, NotFound, Refused, Conflict, Down, Bug])
def test_the_exit_code_is_that_of_the_error_kind(api: FakeApi, wend: Run, kind: type[Exception]) -> None:
    api.answers["GET /api/apps"] = kind("no \x1b[2J", "do this")
    code, out, said = wend("apps")
    assert (code, out) == (kind.exit, "")  # type: ignore[attr-defined]
    assert said == "error: no \\x1b[2J\n  try: do this\n".replace("\\x1b[2J", show.clean("\x1b[2J"))


def test_an_unforeseen_error_is_one_sentence_and_a_traceback_only_on_request(
    wend: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "find", lambda *_: 1 / 0)
    code, _, said = wend("apps")
    assert code == 1 and "this is our fault: ZeroDivisionError" in said and "Traceback" not in said
    monkeypatch.setenv("WEND_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        cli.main(["apps"])


def test_no_platform_is_down_and_names_wend_up(wend: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, said = wend("apps")
    assert code == 6 and "no platform answers at" in said and "try: `wend up`" in said
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("WEND_URL", f"127.0.0.1:{closed.getsockname()[1]}")
        monkeypatch.setenv("WEND_TOKEN", "wend_human_x")
        code, _, said = wend("apps")
    assert code == 6 and "no platform answers at http://127.0.0.1:" in said


@pytest.mark.parametrize("body", [b"<html>hello</html>", b""])
def test_what_is_not_wend_is_called_so(api: FakeApi, wend: Run, body: bytes) -> None:
    api.answers["GET /api/apps"] = body
    code, _, said = wend("apps")
    assert code == 6 and "is not a Wend platform" in said


def test_a_stream_that_ends_early_or_in_an_error_is_no_success(api: FakeApi, wend: Run) -> None:
    api.answers["POST /api/apps/hello/rollback"] = Stream([{"line": "  started"}])
    code, out, said = wend("rollback", "hello")
    assert code == 6 and out == "  started\n" and "went away" in said
    api.answers["POST /api/apps/hello/rollback"] = Stream([{"line": "x"}, Conflict("busy", "wait").as_dict()])
    code, _, said = wend("rollback", "hello")
    assert code == 5 and said == "error: busy\n  try: wait\n"


# ---------------------------------------------------------------------------------------------- looks


def test_in_a_pipe_tables_are_plain_tabs_and_on_a_terminal_aligned(
    api: FakeApi, wend: Run, terminal: Callable[[], io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers["GET /api/apps"] = [APP]
    assert wend("apps")[1] == "hello\twell\t1/1\tv3\t2023-11-14T22:13:20Z\thttp://hello.localhost:7080\n"
    shown = terminal()
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main(["apps"]) == 0
    assert "\x1b[32mwell" in shown.getvalue() and "years ago" in shown.getvalue()
    plain = show.STYLE.sub("", shown.getvalue()).splitlines()
    assert plain[0].startswith("APP") and plain[0].index("URL") == plain[1].index("http://")
    assert max(map(len, plain)) <= 80


def test_a_long_last_column_squeezes_no_other(
    api: FakeApi, terminal: Callable[[], io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    event = {
        "seq": 12,
        "at": 1,
        "kind": "deploy_step_reached",
        "actor": "ada",
        "app": "hello",
        "data": {"x": "y" * 500},
    }
    path = {"name": "python-web", "state": "paved", "owner": "platform", "gives": "many good words " * 20}
    api.answers |= {"GET /api/ledger/events": [event], "GET /api/paths": [path]}
    for words, whole, lines in (
        (["ledger", "events"], ["12", "deploy_step_reached", "ada", "hello", "…"], 2),
        (["paths"], ["python-web", "paved", "platform"], 8),
    ):
        shown = terminal()
        assert cli.main(words) == 0
        plain = show.STYLE.sub("", shown.getvalue()).splitlines()
        assert len(plain) == lines and max(map(len, plain)) <= 80
        assert all(word in plain[1] for word in whole)


def test_no_color_means_no_escape_at_all(
    api: FakeApi, terminal: Callable[[], io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers["GET /api/apps"] = [APP]
    shown = terminal()
    monkeypatch.setenv("NO_COLOR", "1")
    assert cli.main(["apps"]) == 0
    assert "well" in shown.getvalue() and "\x1b" not in shown.getvalue()


def test_json_is_the_answer_of_the_api(api: FakeApi, wend: Run) -> None:
    rows = [PROCESS | {"ended": HOSTILE}]
    api.answers |= {"GET /api/apps": [APP], "GET /api/apps/hello/ps": rows, "GET /api/status": {"apps": 0}}
    for words, wanted in ((["apps"], [APP]), (["ps", "hello"], rows), (["status"], {"apps": 0})):
        code, out, _ = wend(*words, "--json")
        assert code == 0 and json.loads(out) == wanted and out.isascii() and "\x1b" not in out


def test_hostile_text_steers_no_terminal(
    api: FakeApi, terminal: Callable[[], io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = {"at": 1.0, "source": f"hello.3.web.1{HOSTILE}", "text": HOSTILE}
    api.answers |= {
        "GET /api/apps/hello": APP | {"processes": [PROCESS | {"ended": HOSTILE}], "branch": HOSTILE},
        "GET /api/apps/hello/logs": Stream([line]),
        "GET /api/apps/hello/config": {"A": HOSTILE},
        "POST /api/apps/hello/scale": Stream([{"line": HOSTILE}, {"done": {}}]),
        "POST /api/apps/hello/run": Stream([{"line": HOSTILE}, {"done": {"code": 0}}]),
    }
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "300")
    reading = (["ps", "hello"], ["status", "hello"], ["logs", "hello"], ["config", "hello"])
    for words in (*reading, ["scale", "hello", "web=1"], ["run", "hello", "--", "x"]):
        shown = terminal()
        assert cli.main(words) == 0
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", shown.getvalue()), words
        assert "evil" in shown.getvalue() and "red" in shown.getvalue()


def test_clean_drops_colours_and_shows_the_rest() -> None:
    assert show.clean("\x1b[1;31mred\x1b[0m") == "red"
    assert show.clean("a\nb\x07\x9b\u202e\ud800 é 漢\tx") == "a\\nb\\x07\\x9b\\u202e\\ud800 é 漢\tx"


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (0.2, "now"),
        (1, "1 second ago"),
        (119, "1 minute ago"),
        (7200, "2 hours ago"),
        (90000, "1 day ago"),
        (-5, "now"),
    ],
)
def test_relative_times(gone: float, said: str) -> None:
    assert show.ago(1000.0, 1000.0 + gone) == said


def test_sizes() -> None:
    counts = (0, 1023, 31 * 2**20, 3 * 2**29, 2**40)
    assert [show.size(count) for count in counts] == ["0B", "1023B", "31M", "1.5G", "1024G"]


def test_empty_states_say_what_to_do_next(api: FakeApi, wend: Run) -> None:
    empty = APP | {"processes": [], "live": None, "previous": None, "state": "empty"}
    api.answers |= {
        "GET /api/apps": [],
        "GET /api/apps/hello": empty,
        "GET /api/apps/hello/releases": [],
        "GET /api/apps/hello/config": {},
        "GET /api/apps/hello/secrets": {},
        "GET /api/apps/hello/logs": Stream(),
    }
    for words in (["apps"], *([name, "hello"] for name in ("ps", "releases", "config", "secret", "logs"))):
        code, out, said = wend(*words)
        assert (code, out) == (0, "") and re.search("wend |git push", said), words
    code, _, said = wend("open", "hello")
    assert code == 3 and "wend remote hello" in said


# ---------------------------------------------------------------------------------------------- acting


@pytest.mark.parametrize(
    ("words", "query", "body"),
    [
        ("scale hello web=3 worker=0", "", {"counts": {"web": 3, "worker": 0}}),
        ("rollback hello", "", {"release": None}),
        ("rollback hello v7 --dry-run", "dry_run=1", {"release": 7}),
        ("config set -a hello A=b=c E=", "", {"set": {"A": "b=c", "E": ""}, "unset": []}),
        ("config unset A -a hello", "", {"set": {}, "unset": ["A"]}),
        ("run hello -- ls -l 'a b'", "", {"command": "ls -l 'a b'"}),
        ("run hello -- 'echo $A | wc'", "", {"command": "echo $A | wc"}),
    ],
)
def test_acts_send_what_was_meant(api: FakeApi, wend: Run, words: str, query: str, body: Any) -> None:
    path = f"POST /api/apps/hello/{words.split()[0]}"
    api.answers[path] = Stream([{"done": {"code": 0}}])
    assert wend(*shlex.split(words))[0] == 0
    assert api.asked == [(path, query, body)] and api.tokens == {"Bearer wend_human_x"}


SENSELESS = """
scale hello web
scale hello web=-1
scale hello web=²
config set -a hello A
config set -a hello PORT=1
run hello
run hello ls
rollback hello x
rollback a 1 2
secret set -a hello KEY=value
ps ../../status
destroy
destroy hello
logs hello -n x
ledger events --limit 0
--url ftp://x apps
--url 'http://a b' apps
"""


@pytest.mark.parametrize("words", SENSELESS.strip().splitlines())
def test_what_makes_no_sense_is_refused_before_anything_is_asked(api: FakeApi, wend: Run, words: str) -> None:
    code, _, said = wend(*shlex.split(words))
    assert code == 2 and said.startswith("error: ") and api.asked == []


@pytest.mark.parametrize(
    ("ended", "code"),
    [({"code": 3}, 3), ({"code": None, "signal": 15}, 143), ({"code": None, "signal": 9, "oom": True}, 137)],
)
def test_run_ends_as_the_command_did_and_pipes_its_bytes(api: FakeApi, tmp_path: Path, ended: Any, code: int) -> None:
    api.answers["POST /api/apps/hello/run"] = Stream([{"line": HOSTILE}, {"done": ended}])
    words = [sys.executable, "-m", "wend.cli", "run", "hello", "--", "x"]
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.returncode == code and done.stdout.decode() == HOSTILE + "\n"
    assert (b"out of memory" in done.stderr) == bool(ended.get("oom"))


def test_a_secret_comes_from_stdin_or_a_file_and_is_not_told(
    api: FakeApi, wend: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers["POST /api/apps/hello/secrets"] = Stream([{"done": {}}])
    typed = io.TextIOWrapper(io.BytesIO(b"hush hush\n"))
    monkeypatch.setattr(sys, "stdin", typed)
    file = tmp_path / "key"
    file.write_bytes(b"line\nline\n")
    words = ["secret", "set", "-a", "hello", "KEY"]
    said = [wend(*words), wend(*words, "--from-file", str(file))]
    assert [body["set"]["KEY"] for _, _, body in api.asked] == ["hush hush", "line\nline\n"]
    assert all(code == 0 and "hush" not in out + err for code, out, err in said)
    file.write_bytes(b"\xff\x00")
    code, _, err = wend(*words, "--from-file", str(file))
    assert code == 2 and "not text" in err and len(api.asked) == 2


def test_destroy_wants_the_name_twice(api: FakeApi, wend: Run) -> None:
    api.answers["DELETE /api/apps/hello"] = {}
    assert wend("destroy", "hello", "--confirm", "other")[0] == 2
    assert api.asked == []
    assert wend("destroy", "hello", "--confirm", "hello")[0] == 0
    assert api.asked == [("DELETE /api/apps/hello", "", {"confirm": "hello"})]


def test_a_closed_pipe_ends_quietly(api: FakeApi) -> None:
    line = {"at": 1.0, "source": "hello.3.web.1", "text": "x" * 1000}
    api.answers["GET /api/apps/hello/logs"] = Stream([line] * 500)
    child = subprocess.Popen(
        [sys.executable, "-m", "wend.cli", "logs", "hello"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout and child.stderr
    child.stdout.readline()
    child.stdout.close()
    assert (child.wait(timeout=20), child.stderr.read()) == (141, b"")
    child.stderr.close()
