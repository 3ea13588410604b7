"""The API's promises: one way through, nothing told to strangers, nothing read on trust, streams that end."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from tests.house import until
from tests.web_world import World, live_app, world
from wend import auth
from wend.auth import VERBS
from wend.events import Fact
from wend.ledger.chain import Checkpoint, genuine
from wend.ledger.store import Store
from wend.web.door import KNOWN, OPEN


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("api") / "home") as made:
        live_app(made)
        yield made


def addresses(there: World) -> list[tuple[str, str]]:
    return sorted(
        (method, route.path)
        for route in there.app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    )


def filled(path: str, app: str = "hello") -> str:
    path = path.replace("{source}", "github")
    path = (
        path.replace("{app}", app).replace("{id}", f"{app}1").replace("info/refs", "info/refs?service=git-receive-pack")
    )
    return path.replace("{name}", "python-web" if path.startswith("/paths") else "wend.css")


# ---------------------------------------------------------------------------------------------- one way through


def test_every_route_names_its_verb(there: World) -> None:
    assert all(isinstance(route, Route) for route in there.app.routes), "only plain routes can be checked"
    verbs = there.app.state.verbs
    assert set(addresses(there)) == set(verbs)
    known = {*VERBS, OPEN, KNOWN, "app.push or app.read"}
    assert {verb for verb in verbs.values() if verb not in known} == set()
    assert [at for at, verb in verbs.items() if verb == OPEN] == [
        ("GET", "/static/{name}"), ("GET", "/login"), ("POST", "/login")]  # fmt: skip


def test_a_new_route_outside_the_table_would_be_found(there: World) -> None:
    there.app.routes.append(Route("/back-door", lambda request: None))
    try:
        assert set(addresses(there)) != set(there.app.state.verbs)
    finally:
        there.app.routes.pop()


def test_strangers_get_nothing(there: World) -> None:
    for method, path in addresses(there):
        if there.app.state.verbs[method, path] == OPEN:
            continue
        answer = there.ask(method, filled(path), token=None)
        page = method == "GET" and not path.startswith(("/api", "/git", "/metrics")) and not path.endswith(".json")
        assert answer.status == (303 if page else 401), (method, path, answer.status)
        if page:
            assert answer.headers["location"].startswith("/login")


def test_a_wrong_token_is_refused_everywhere_alike(there: World) -> None:
    wrong = auth.make_token("human")
    for method, path in addresses(there):
        if there.app.state.verbs[method, path] != OPEN:
            assert there.ask(method, filled(path), token=wrong).status == 401, (method, path)


def test_a_narrow_token_learns_nothing_of_other_apps(there: World) -> None:
    """The answer about an app that is there is the answer about one that is not."""
    narrow = there.token("app.read:other", "app.change:other", "app.push:other")
    for method, path in addresses(there):
        if "{app}" in path or "/deploys/{id}" in path:
            known, unknown = (
                there.ask(method, filled(path, app), token=narrow, Accept="application/json")
                for app in ("hello", "absent")
            )
            assert known.status == unknown.status == 403, (method, path, known.status, unknown.status)
            assert known.body.replace(b"hello", b"absent") == unknown.body


def test_a_narrow_token_needs_the_verb_too(there: World) -> None:
    token = there.token("ledger.read")
    for (method, path), verb in there.app.state.verbs.items():
        if verb in (OPEN, KNOWN, "ledger.read"):
            continue
        assert there.ask(method, filled(path), token=token).status == 403, (method, path)


def test_lists_show_a_narrow_token_its_own(there: World) -> None:
    live_app(there, "mine")
    shown = there.ask("GET", "/api/apps", token=there.token("app.read:mine")).json
    assert [app["name"] for app in shown] == ["mine"]
    assert there.ask("GET", "/api/apps/mine", token=there.token("app.read:mine")).json["live"] == 3
    assert there.ask("GET", "/api/deploys/mine1", token=there.token("app.read:mine")).json["summary"]


def test_unknown_app_says_so_to_those_who_may_know(there: World) -> None:
    answer = there.ask("GET", "/api/apps/absent")
    assert (answer.status, answer.json["error"]) == (404, "notfound")
    assert "absent" in answer.json["message"] and answer.json["hint"]


def test_names_that_cannot_be_are_refused_before_anything(there: World) -> None:
    before = there.ctx.ledger.head()
    for name in ("A", "a--b--c", "--a", "a--", "x" * 300, "%00", "..%5c", "%e2%80%ae"):
        assert there.ask("GET", f"/api/apps/{name}", token=there.token("ledger.read")).status == 422, name
    denials = there.ctx.ledger.read(before[0], ["access_denied"])
    assert denials == []


def test_expired_and_revoked_tokens_are_worth_nothing(there: World) -> None:
    short = there.token("app.*", days=1e-9)
    until(lambda: there.ask("GET", "/api/apps", token=short).status == 401, 3)
    made = there.ask(
        "POST", "/api/tokens", {"owner": "ci-bot", "kind": "ci", "scopes": ["app.push:hello"], "days": 1}
    ).json
    assert there.ask("POST", "/api/signin", {}, token=made["token"]).status == 200
    listed = there.ask("GET", "/api/tokens")
    assert made["token"] not in listed.text and "hash" not in listed.json[0]
    assert there.ask("DELETE", f"/api/tokens/{made['id']}").status == 200
    assert there.ask("POST", "/api/signin", {}, token=made["token"]).status == 401
    assert there.ask("DELETE", "/api/tokens/none").status == 404


def test_nobody_gives_away_more_than_they_have(there: World) -> None:
    holder = there.token("token.manage", "app.read")
    body = {"owner": "eve", "scopes": ["*"]}
    assert there.ask("POST", "/api/tokens", body, token=holder).status == 403


def test_the_docs_list_every_address(there: World) -> None:
    said = (Path(__file__).parent.parent / "docs" / "api.md").read_text("utf-8")
    missing = [
        f"{method} {path}"
        for method, path in addresses(there)
        if path.startswith("/api") and f"`{method} {path}`" not in said
    ]
    assert missing == []
    told = set(re.findall(r"^\| `([A-Z]+) (/api[^`]*)`", said, re.MULTILINE))
    assert told <= set(addresses(there)), "the docs tell of an address that is not there"


# ---------------------------------------------------------------------------------------------- bad input

BAD = [
    ("{", 422, "not JSON"),
    ("[]", 422, "not an object"),
    ('{"set": {"A": NaN}}', 422, "NaN"),
    ('{"set": {"A": 1e999}}', 422, "texts"),
    ('{"set": {"A": "1"}, "set": {"A": "2"}}', 422, "twice"),
    ('{"sett": {"A": "1"}}', 422, "sett"),
    ('{"set": {"A": 1}}', 422, "texts"),
    ('{"set": ["A"]}', 422, "texts"),
    ('{"unset": "A"}', 422, "texts"),
    ('{"set": {"A": "\\ud800"}}', 422, "UTF-8"),
    ('{"set": {"A\\u0000": "1"}}', 422, "variable"),
    ('{"set": {"PORT": "1"}}', 422, "platform"),
    ('{"set": ' + "[" * 100_000 + "}", 422, "nested"),
    ('{"set": ' + '{"a":' * 30 + "1" + "}" * 31, 422, "nested"),
    ('{"set": {"A": ' + "9" * 5000 + "}}", 422, "JSON"),
    ("{}", 422, "nothing to set"),
    ("", 422, "nothing to set"),
    (b"\xff\xfe", 422, "UTF-8"),
    (b'{"set": {"A": "' + b"x" * 2**20 + b'"}}', 413, "at most"),
]


@pytest.mark.parametrize(("body", "status", "word"), BAD, ids=range(len(BAD)))
def test_bad_bodies(there: World, body: Any, status: int, word: str) -> None:
    before = there.ctx.ledger.head()
    answer = there.ask("POST", "/api/apps/hello/config?dry_run=1", body, Content_Type="application/json")
    assert answer.status == status, answer.text
    assert word in answer.json["message"], answer.json
    assert set(answer.json) == {"error", "message", "hint"} and answer.json["error"] == "invalid"
    assert there.ctx.ledger.head() == before


def test_a_misspelled_key_gets_the_nearest(there: World) -> None:
    assert there.ask("POST", "/api/apps/hello/config", {"unsett": []}).json["hint"] == "did you mean unset?"
    assert there.ask("GET", "/api/apps/hello/logs?folow=1").json["hint"] == "did you mean follow?"
    assert there.ask("GET", "/api/ledger/events?kind=app_crated").json["hint"] == "did you mean app_created?"


@pytest.mark.parametrize("query", ["lines=-1", "lines=1e3", "lines=" + "9" * 40, "lines=٣", "follow=maybe"])
def test_bad_parameters(there: World, query: str) -> None:
    from urllib.parse import quote

    assert there.ask("GET", f"/api/apps/hello/logs?{quote(query, '=')}").status == 422


def test_only_json_is_read(there: World) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = there.ask("POST", "/api/apps/hello/config", '{"set": {"A": "1"}}', Content_Type=kind)
        assert answer.status == 415, kind


def test_a_body_without_end_is_cut_off(there: World) -> None:
    with closing(socket.create_connection(("127.0.0.1", there.port), timeout=10)) as sock:
        head = f"POST /api/apps/hello/config HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {there.admin}\r\n"
        sock.sendall(head.encode() + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        try:
            for _ in range(64):
                sock.sendall(piece)
        except OSError:
            pass  # it hung up on us, which is one way to refuse
        with closing(http.client.HTTPResponse(sock)) as answer:
            try:
                answer.begin()
            except (OSError, http.client.HTTPException):
                return
            assert answer.status == 413


def test_wrong_methods_and_unknown_addresses(there: World) -> None:
    wrong = there.ask("PATCH", "/api/apps")
    assert wrong.status == 405 and "GET" in wrong.headers["allow"] and wrong.json["error"] == "invalid"
    assert there.ask("GET", "/api/nothing").json["error"] == "notfound"
    assert there.ask("GET", "/nothing/here").status == 404


def test_head_is_get_without_a_body_even_of_a_stream(there: World) -> None:
    for path in ("/api/apps", "/api/apps/hello/logs?follow=1", "/login", "/static/wend.css", "/apps/hello/logs/live"):
        began = time.monotonic()
        answer = there.ask("HEAD", path)
        assert (answer.status, answer.body) == (200, b""), path
        assert time.monotonic() - began < 2


def test_what_nobody_foresaw_is_told_without_details(there: World) -> None:
    there.driver.broken = "/secret/path"
    try:
        answer = there.ask("GET", "/api/apps/hello/ps")
    finally:
        there.driver.broken = ""
    assert (answer.status, answer.json["error"]) == (500, "bug")
    assert "/secret/path" not in answer.text


# ---------------------------------------------------------------------------------------------- answers


def test_every_answer_carries_a_checkpoint_that_verifies(there: World) -> None:
    key = there.ask("GET", "/api/ledger/checkpoint").json["key"]
    answer = there.ask("GET", "/api/apps")
    checkpoint = Checkpoint.parse(answer.headers["wend-checkpoint"])
    assert genuine(checkpoint, key)
    assert (checkpoint.seq, checkpoint.hash) == there.ctx.ledger.head()
    witness = f"{checkpoint.seq}.{checkpoint.hash}"
    assert there.ask("GET", f"/api/ledger/verify?witness={witness}").json["events"] == checkpoint.seq
    forged = f"{checkpoint.seq}.{'0' * 64}"
    assert there.ask("GET", f"/api/ledger/verify?witness={forged}").status == 403


def test_what_is_written_while_the_chain_is_verified_makes_no_false_witness(
    there: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Count and head are of one moment, or the answer would be held against the ledger as a rewrite."""
    whole = Store.verify

    def meanwhile(ledger: Store, witness: tuple[int, str] | None = None) -> tuple[int, str]:
        found = whole(ledger, witness)
        ledger.append([Fact("app_created", "app/late", {"branch": "main"}, actor="ada", app="late")])
        return found

    monkeypatch.setattr(Store, "verify", meanwhile)
    said = there.ask("GET", "/api/ledger/verify").json
    monkeypatch.undo()
    assert there.ask("GET", f"/api/ledger/verify?witness={said['events']}.{said['head']}").status == 200


def test_shapes(there: World) -> None:
    app = there.ask("GET", "/api/apps/hello").json
    listed = [
        "name",
        "state",
        "url",
        "live",
        "branch",
        "team",
        "up",
        "wanted",
        "live_at",
        "created_at",
        "deploying",
        "last",
    ]
    assert set(listed) <= set(there.ask("GET", "/api/apps").json[0])
    assert {*listed, "processes", "releases", "deploys", "exits", "runs", "scale", "git"} <= set(app)
    assert (app["state"], app["live"], app["up"], app["wanted"]) == ("well", 3, 1, 1)
    assert app["git"] == f"http://127.0.0.1:{there.port}/git/hello.git"
    assert [one["number"] for one in there.ask("GET", "/api/apps/hello/releases").json] == [3, 2, 1]
    deploy = there.ask("GET", "/api/deploys/hello1").json
    assert [step["step"] for step in deploy["steps"]] == ["checked", "built"]
    assert there.ask("GET", "/api/apps/hello/config").json["LEVEL"] == "3"
    status = there.ask("GET", "/api/status").json
    assert set(["version", "home", "portal", "git", "edge", "proxy", "apps", "deploying", "key"]) == set(status)
    assert {"name", "title", "state", "owner", "gives"} <= set(there.ask("GET", "/api/paths").json[0])


def test_ledger_pages(there: World) -> None:
    first = there.ask("GET", "/api/ledger/events?limit=3").json
    assert [event["seq"] for event in first] == [1, 2, 3]
    newest = there.ask("GET", "/api/ledger/events?newest=1&limit=2&kind=deploy_finished&app=hello").json
    assert [event["kind"] for event in newest] == ["deploy_finished"] * 2
    narrow = there.token("ledger.read:hello")
    assert there.ask("GET", "/api/ledger/events?app=hello", token=narrow).status == 200
    assert there.ask("GET", "/api/ledger/events", token=narrow).status == 403


def test_rehearsals_change_nothing(there: World) -> None:
    before = there.ctx.ledger.head()
    said = there.ask("POST", "/api/apps/hello/rollback?dry_run=1", {"release": 1}).lines
    assert "would make release 1 live instead of 3" in said[0]["line"] and said[-1] == {"done": {}}
    assert any("LEVEL would change back" in one.get("line", "") for one in said)
    said = there.ask("POST", "/api/apps/hello/scale?dry_run=1", {"counts": {"web": 4}}).lines
    assert "from ×1 to ×4" in said[0]["line"]
    assert there.ask("POST", "/api/apps/hello/scale?dry_run=1", {"counts": {"wob": 4}}).status == 404
    said = there.ask("POST", "/api/apps/hello/secrets?dry_run=1", {"set": {"KEY": "hunter2-value"}}).lines
    assert "hunter2" not in json.dumps(said)
    assert there.ask("DELETE", "/api/apps/hello?dry_run=1").json["releases"] == 3
    assert there.ctx.ledger.head() == before


def test_destroying_needs_the_name(there: World) -> None:
    live_app(there, "doomed")
    assert there.ask("DELETE", "/api/apps/doomed", {"confirm": "doom"}).status == 403
    assert there.ask("GET", "/api/apps/doomed").status == 200
    assert there.ask("DELETE", "/api/apps/doomed", {"confirm": "doomed"}).json == {"kept": []}
    assert there.ask("GET", "/api/apps/doomed").status == 404


def test_an_error_before_the_first_line_has_its_status_and_a_later_one_is_a_line(there: World) -> None:
    answer = there.ask("POST", "/api/apps/absent/scale", {"counts": {"web": 1}})
    assert (answer.status, answer.json["error"]) == (404, "notfound")
    lost = there.ask("POST", "/api/apps/hello/rollback", {"release": 1})
    assert lost.status == 200 and "line" in lost.lines[0], lost.text
    assert (lost.lines[-1]["error"], set(lost.lines[-1])) == ("down", {"error", "message", "hint"})
