"""The portal: who gets in, what a hostile text can do (nothing), and pages that work for everybody."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.trial_world import evidence, on_trial, traffic
from tests.web_world import World, began, live_app, world
from wend import auth
from wend.run import Exit, Line, Status
from wend.web import session

HOSTILE = "<img src=x onerror=alert(1)>\"'&{{7*7}}\u202egpj.exe\x1b[31m\x07\u200b<script>alert(2)</script>"
RAW = ("\u202e", "\x1b", "\x07", "\u200b", "<img src=x", "<script>alert")
PAGES = ("/", "/apps/hello", "/apps/hello/logs", "/apps/hello/rollback?release=1", "/apps/hello/deploys/hello1",
         "/apps/hello/previews", "/apps/hello/jobs", "/apps/hello/resources", "/numbers", "/apps/going",
         "/apps/going/deploys/going2", "/paths", "/paths/python-web", "/ledger", "/apps/absent", "/login")  # fmt: skip


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("portal") / "home") as made:
        live_app(made)
        on_trial(made, "going", verdict="wait", why="2 of 412 failed", evidence=evidence())
        traffic(made, "hello", "going")
        yield made


@pytest.fixture(scope="module")
def cookie(there: World) -> str:
    return there.sign_in()


# ---------------------------------------------------------------------------------------------- getting in


def test_strangers_are_asked_in_and_sent_on(there: World) -> None:
    answer = there.page("/ledger?kind=app_created", cookie="x=y")
    assert answer.status == 303
    assert answer.headers["location"] == "/login?" + urlencode({"next": "/ledger?kind=app_created"})
    form = urlencode({"token": there.admin, "next": "/ledger?kind=app_created"})
    assert there.ask("POST", "/login", form, token=None).headers["location"] == "/ledger?kind=app_created"


@pytest.mark.parametrize(
    "away", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\nx", "evil"]
)
def test_signing_in_leads_nowhere_else(there: World, away: str) -> None:
    form = urlencode({"token": there.admin, "next": away})
    assert there.ask("POST", "/login", form, token=None).headers["location"] == "/"


def test_a_wrong_token_gets_the_form_again(there: World) -> None:
    for token in ("", "x", "wend_human_" + "0" * 38, auth.make_token("human"), HOSTILE):
        answer = there.ask("POST", "/login", urlencode({"token": token}), token=None)
        assert answer.status == 401 and "not valid" in answer.text
        assert "set-cookie" not in answer.headers


def test_the_cookie_is_for_this_host_and_no_script(there: World) -> None:
    form = urlencode({"token": there.admin})
    plain = there.ask("POST", "/login", form, token=None).headers["set-cookie"].lower()
    assert plain.startswith("wend=") and "httponly" in plain and "samesite=lax" in plain and "path=/" in plain
    assert "domain" not in plain and "secure" not in plain and "max-age=43200" in plain
    secure = there.ask("POST", "/login", form, token=None, X_Forwarded_Proto="https").headers["set-cookie"].lower()
    assert secure.startswith("__host-wend=") and "; secure" in secure and "domain" not in secure
    assert there.admin.lower() not in plain + secure


def test_a_link_signs_in_once(there: World) -> None:
    url = there.ask("POST", "/api/signin", {"next": "/apps/hello"}).json["url"]
    path = url.removeprefix(f"http://127.0.0.1:{there.port}")
    first = there.ask("GET", path, token=None)
    assert (first.status, first.headers["location"]) == (303, "/apps/hello")
    assert there.page("/", first.headers["set-cookie"].partition(";")[0]).status == 200
    second = there.ask("GET", path, token=None)
    assert second.status == 403 and "used already" in second.text and "set-cookie" not in second.headers


def test_a_session_ends_with_its_token_its_time_or_its_person(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = there.ask("POST", "/api/tokens", {"owner": "bea", "scopes": ["app.*"]}).json
    alive = there.sign_in(made["token"])
    assert there.page("/", alive).status == 200
    there.ask("DELETE", f"/api/tokens/{made['id']}")
    assert there.page("/", alive).status == 303

    leaver = there.sign_in()
    csrf = field(there.page("/", leaver).text, "csrf")
    assert there.form("/logout", leaver, csrf=csrf).status == 303
    assert there.page("/", leaver).status == 303

    monkeypatch.setattr(session, "LIFETIME", -1)
    assert there.page("/", there.sign_in()).status == 303


def test_a_cookie_cannot_be_made_up(there: World, cookie: str) -> None:
    name, _, value = cookie.partition("=")
    body, _, mac = value.partition(".")
    for forged in (
        body,
        f"{body}.",
        f"{body}.{mac[:-1]}0",
        f"{body[:-4]}AAAA.{mac}",
        f".{mac}",
        "a.b",
        "é.ü".encode().decode("latin-1"),
    ):
        if forged != value:
            assert there.page("/", f"{name}={forged}").status == 303, forged


def field(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found, f"no field {name}"
    return found[1]


def test_forms_of_other_sites_are_refused(there: World, cookie: str) -> None:
    csrf = field(there.page("/apps/hello/rollback?release=1", cookie).text, "csrf")
    good = urlencode({"csrf": csrf, "release": "1"})
    before = there.ctx.ledger.head()
    own = f"127.0.0.1:{there.port}"
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://{own}.evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ):
        for path in ("/apps/hello/rollback", "/logout"):
            answer = there.ask("POST", path, good, token=None, Cookie=cookie, **headers)
            assert answer.status == 403, (headers, path)
    assert (
        there.ask("POST", "/login", urlencode({"token": there.admin}), token=None, Origin="https://evil.example").status
        == 403
    )
    assert there.form("/apps/hello/rollback", cookie, release="1").status == 422
    assert there.form("/apps/hello/rollback", cookie, release="1", csrf="0" * 64).status == 403
    others = field(there.page("/", there.sign_in()).text, "csrf")
    assert there.form("/apps/hello/rollback", cookie, release="1", csrf=others).status == 403
    assert there.ctx.ledger.head() == before
    assert there.page("/", cookie).status == 200, "still signed in"


def test_who_may_not_change_is_not_offered_it_and_refused(there: World) -> None:
    reader = there.sign_in(there.token("app.read", owner="reader"))
    page = there.page("/apps/hello", reader).text
    assert "Roll back" not in page and 'href="/ledger"' not in page
    csrf = field(page, "csrf")
    refused = there.form("/apps/hello/rollback", reader, release="1", csrf=csrf)
    assert refused.status == 403 and "reader may not app.change" in refused.text
    assert there.page("/ledger", reader).status == 403


def test_cookies_open_pages_only(there: World, cookie: str) -> None:
    assert there.ask("GET", "/api/apps", token=None, Cookie=cookie).status == 401


# ---------------------------------------------------------------------------------------------- pages


class Seen(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Every field that anybody can fill, filled with the worst."""
    with world(tmp_path_factory.mktemp("hostile") / "home") as made:
        live_app(made, text=HOSTILE)
        began(made, "hello", "hello4", HOSTILE)
        failure = {"step": "built", "message": HOSTILE + " `x` ", "hint": HOSTILE, "tail": [HOSTILE, HOSTILE]}
        made.say("deploy_failed", deploy="hello4", actor=HOSTILE, **failure)
        made.say("config_changed", set={"TEXT": HOSTILE, HOSTILE: "1"}, unset=[])
        made.say("secret_changed", set={HOSTILE: {"version": 1, "hash": "0" * 64}}, unset=[], actor=HOSTILE)
        made.say("run_started", run="r", command=HOSTILE, actor=HOSTILE)
        made.say("run_finished", run="r", ended=HOSTILE, ms=5)
        made.say("replica_exited", release=3, process=HOSTILE, cause=HOSTILE)
        made.say("branch_set", branch=HOSTILE)
        made.driver.replicas.append(Status("x", "hello", 3, HOSTILE, 2, "backoff", exit=Exit(1), restarts=3))
        made.driver.lines = [Line(time.time(), f"hello.3.{HOSTILE}.1", HOSTILE)]
        yield made


def test_hostile_text_is_text(hostile: World) -> None:
    signed = hostile.sign_in()
    asked = [("/login", "next"), ("/ledger", "kind"), ("/ledger", "app"), ("/apps/hello/logs", "process")]
    queries = [f"{path}?{urlencode({name: HOSTILE})}" for path, name in asked]
    for path in (*PAGES, "/apps/hello/deploys/hello4", f"/apps/{'x' * 41}", f"/{quote(HOSTILE)}", *queries):
        html = hostile.page(path, signed).text
        for raw in RAW:
            assert raw not in html, (path, raw)
        assert "{{" not in html or "{{7*7}}" in html, path
        seen = Seen(html)
        assert [tag.get("src", "").startswith("/static/wend.js") for tag in seen.all("script")] in ([True], []), path
        assert all(img["src"] and img["src"].startswith("/static/") for img in seen.all("img")), path
        for tag, attributes in seen.tags:
            assert not [name for name in attributes if name.startswith("on") or name == "style"], (
                path,
                tag,
                attributes,
            )
        if path in ("/apps/hello", "/apps/hello/logs", "/apps/hello/deploys/hello4"):
            assert "<img src=x onerror=alert(1)>" in "".join(seen.words), path
            assert "⟨U+202E⟩" in html and "⟨U+200B⟩" in html and "^[" in html and "^G" in html, path


def test_the_streamed_log_is_escaped_too(hostile: World) -> None:
    hostile.driver.news.put(Line(1.0, "hello.3.web.1", HOSTILE))
    import http.client

    for path in ("/apps/hello/logs/live", "/apps/hello/logs?follow=1"):
        connection = http.client.HTTPConnection("127.0.0.1", hostile.port, timeout=10)
        connection.request("GET", path, headers={"Cookie": hostile.sign_in(), "Accept": "text/html"})
        answer = connection.getresponse()
        line = b""
        while not (b"alert(2)" in line and b"<time" in line):
            line = answer.readline()
            assert line, path
        connection.close()
        assert all(raw.encode() not in line for raw in RAW), line
        assert b'<div class="line">' in line


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_well_made(there: World, cookie: str, path: str) -> None:
    """Landmarks, one heading, labelled fields, headed tables, unique ids, nothing inline."""
    html = there.page(path, cookie if path != "/login" else "none=1").text
    seen = Seen(html)
    assert seen.all("html")[0]["lang"] == "en" and "<title>" in html and len(seen.all("h1")) == 1
    assert (
        len(seen.all("main")) == 1 and len(seen.all("header")) == 1 and "skip" in (seen.all("a")[0].get("class") or "")
    )
    assert not seen.all("style") and "javascript:" not in html
    ids = [attributes["id"] for _, attributes in seen.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {label["for"] for label in seen.all("label")}
    shown = [one for one in (*seen.all("input"), *seen.all("select")) if one.get("type") != "hidden"]
    assert all(one.get("id") in labelled for one in shown)
    assert len(seen.all("table")) == html.count("<thead>")
    assert all(th.get("scope") in ("col", "row") for th in seen.all("th"))
    named = [attributes["aria-labelledby"] for _, attributes in seen.tags if "aria-labelledby" in attributes]
    assert {id for names in named for id in (names or "").split()} <= set(ids)


@pytest.mark.parametrize("path", PAGES)
def test_pages_say_how_they_may_be_used(there: World, cookie: str, path: str) -> None:
    headers = there.page(path, cookie if path != "/login" else "none=1").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", [path for path in PAGES if path not in ("/", "/login", "/apps/absent")])
def test_every_page_has_a_twin_in_json(there: World, cookie: str, path: str) -> None:
    where, _, query = path.partition("?")
    named = there.page(f"{where}.json" + (f"?{query}" if query else ""), cookie)
    asked = there.ask("GET", path, Accept="application/json")
    assert named.headers["content-type"] == asked.headers["content-type"] == "application/json"
    assert without_clock(named.json) == without_clock(asked.json) and named.json


MOVING = frozenset({"left", "next", "title", "seconds", "cpu"})  # what a canary says of its time


def without_clock(data: Any) -> Any:
    """The data but what changes from one reading to the next."""
    if isinstance(data, list):
        return [
            without_clock(one) for one in data if not (isinstance(one, dict) and one.get("kind") == "access_denied")
        ]
    if isinstance(data, dict):
        return {key: without_clock(value) for key, value in data.items() if key not in MOVING}
    return data


def test_the_first_page_without_apps_shows_the_way(tmp_path: Path) -> None:
    with world(tmp_path / "home") as fresh:
        html = fresh.page("/").text
        assert "wend new python-web hello" in html and "git push wend main" in html
        assert f"wend login http://127.0.0.1:{fresh.port}" in html


def test_a_failed_deploy_shows_its_cause_first(hostile: World) -> None:
    words = " ".join(Seen(hostile.page("/apps/hello").text).words)
    assert words.index("Release 3 serves as before") < words.index("Last deploy") < words.index("Releases")


def test_a_deploy_under_way_looks_again_with_and_without_script(there: World, cookie: str) -> None:
    began(there, "hello", "hello9", "under way")
    try:
        for path in ("/apps/hello", "/apps/hello/deploys/hello9"):
            html = there.page(path, cookie).text
            assert '<noscript><meta http-equiv="refresh"' in html and "data-live=" in html, path
    finally:
        there.say("deploy_failed", deploy="hello9", step="built", message="over", hint="", tail=[])
    assert "http-equiv" not in there.page("/apps/hello/deploys/hello9", cookie).text


def test_what_nobody_foresaw_is_a_page_without_details(there: World, cookie: str) -> None:
    there.driver.broken = "/secret/path"
    try:
        answer = there.page("/", cookie)
    finally:
        there.driver.broken = ""
    assert answer.status == 500 and "Our fault" in answer.text and "/secret/path" not in answer.text
    assert "Sign out" in answer.text, "the frame stays"


def test_a_made_up_host_is_only_text(there: World, cookie: str) -> None:
    for host in ('x"><script>alert(1)</script>', "a b", "::::", "x" * 5000):
        answer = there.page("/apps/hello", cookie, Host=host)
        assert answer.status in (200, 400), host
        assert b"<script>alert" not in answer.body


def test_the_proxy_being_down_is_said(there: World, cookie: str) -> None:
    assert "proxy is down" not in there.page("/", cookie).text
    there.ctx.router.down()
    try:
        assert "proxy is down" in there.page("/", cookie).text
        assert there.ask("GET", "/api/status").json["proxy"] is False
    finally:
        there.ctx.router.up()


def test_static_files_are_ours_alone(there: World) -> None:
    css = there.ask("GET", "/static/wend.css", token=None)
    assert (
        css.status == 200
        and "immutable" in css.headers["cache-control"]
        and css.headers["content-type"].startswith("text/css")
    )
    for name in (
        "../show.py",
        "..%2fshow.py",
        "%2e%2e/show.py",
        "..%5c..%5cshow.py",
        "/etc/passwd",
        "%00",
        "wend.css%00.py",
        "html/base.html",
    ):
        answer = there.ask("GET", f"/static/{name}", token=None)
        assert answer.status == 404 and b"import" not in answer.body, name


def test_pages_are_quick(there: World, cookie: str) -> None:
    """The real figure is bench/'s; this only catches a page that became slow."""
    for number in range(20):
        live_app(there, f"many-{number}")
    try:
        for path in ("/", "/apps/hello", "/ledger"):
            took: list[float] = []
            for _ in range(12):
                start = time.perf_counter()
                assert there.page(path, cookie).status == 200
                took.append(time.perf_counter() - start)
            assert sorted(took)[6] < 0.25, (path, took)
    finally:
        for number in range(20):
            there.say("app_destroyed", f"many-{number}")
