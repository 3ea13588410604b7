"""The week in one screen: what is in it, what is not, and that it arrives once."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.signal_world import seed
from tests.told import BEGUN, HOUR, at, deployed
from tests.web_world import World, world
from wend import config, digest
from wend.errors import Conflict, Down
from wend.outgoing import Outgoing
from wend.state.delivery import DAY

MONDAY = BEGUN // DAY


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def with_settings(here: World, **values: str) -> Any:
    return replace(here.ctx, config=config.load(here.ctx.config.home, values))


def test_an_empty_platform_has_a_digest_that_says_what_to_do(here: World) -> None:
    text = here.ask("GET", "/api/digest").json["markdown"]
    assert text.startswith("# The week of ") and "Interview 10 developers" in text
    assert "No bet is open" in text and "Nothing, as far as can be told." in text


def weeks(per_week: int, first: int, many: int) -> list[Any]:
    return [
        deployed(f"{first + week}-{number}", (first + week) * 168 + number * 100 / per_week)
        for week in range(many)
        for number in range(per_week)
    ]


def test_what_moved_beyond_noise_is_named_with_both_intervals(here: World) -> None:
    here.ctx.ledger.append(weeks(10, 0, 4) + weeks(40, 4, 4))
    found = digest.gather(here.ctx, now=BEGUN + 8 * 7 * DAY + HOUR)
    [one] = [one for one in found["moved"] if one["id"] == "deployment_frequency"]
    assert (one["before"]["n"], one["after"]["n"], one["better"]) == (40, 160, True)
    assert one["before"]["high"] < one["after"]["low"]
    assert "Deployment frequency: 5.7 per day" in digest.markdown(found)


def test_what_may_be_noise_is_not_named(here: World) -> None:
    here.ctx.ledger.append(weeks(10, 0, 4) + weeks(12, 4, 4))
    found = digest.gather(here.ctx, now=BEGUN + 8 * 7 * DAY + HOUR)
    assert [one["id"] for one in found["moved"]] == []


def test_exceptions_are_told_when_there_are_any_and_nobody_is_named() -> None:
    day, at = 86_400_000_000, 20_007 * 86_400_000_000
    glass = {
        "id": 1,
        "rule": "*",
        "app": "shop",
        "reason": "checkout is down",
        "asked_at": 20_003 * day,
        "holds": False,
    }
    soon = {"id": 2, "rule": "debug-mode", "app": "till", "reason": "r", "asked_at": 0, "holds": True, "ends": at + day}
    late, over = (
        soon | {"id": 3, "ends": at + 30 * day},
        {"app": "mail", "kind": "build", "until": "2024-01-01", "left": -3},
    )
    said = digest.exceptions([glass, glass | {"asked_at": 0}, soon, late], [over, over | {"left": None}], 20_001, at)
    assert [line.split(":")[0] for line in said] == [
        "the glass of shop was broken",
        "waiver 2 of till (debug-mode) ends on 2024-10-12",
        "mail meant to be back on the path by 2024-01-01 (build)",
    ]
    assert digest.exceptions([], [], 20_001, at) == []


def test_what_becomes_harder_this_week_is_told() -> None:
    day, at = 86_400_000_000, 20_007 * 86_400_000_000
    one = Outgoing(1, "path:old", "path:new", 0, at - 9 * day, at + 3 * day, at + 90 * day)
    assert digest.ending_soon([one, replace(one, blocked=at + 9 * day)], at) == [
        "path:old goes: blocked from 2024-10-14; path:new takes its place"
    ]
    assert digest.ending_soon([replace(one, retired=at - 1)], at) == []


def test_titles_that_are_markdown_or_html_stay_text() -> None:
    assert digest.plain("<b>*x*</b>\n# y") == "\\<b\\>\\*x\\*\\</b\\> \\# y"
    shown = digest.html("- " + digest.plain("<script>alert(1)</script> [a](http://x)"))
    assert "<script>" not in shown and "<a " not in shown


def test_the_page_and_its_twin_are_for_everybody_and_sending_is_not(here: World) -> None:
    seed(here.ctx.ledger, weeks=9)
    token = here.token("app.read")
    assert here.ask("GET", "/digest.json", token=token).status == 200
    page = here.page("/digest?last=1", here.sign_in())
    assert page.status == 200 and "Got simpler" in page.text
    assert here.ask("POST", "/api/digest/send", {}, token=token).status == 403
    assert here.ask("POST", "/api/digest/send", {}).json["message"] == "nobody is to get the digest"


# ---------------------------------------------------------------------------------------------- sent


@contextmanager
def receiver(status: int = 200) -> Iterator[tuple[str, list[Any]]]:
    """An address on loopback, and what was posted there."""
    heard: list[Any] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class Post(socketserver.StreamRequestHandler):
    """As much of a mail server as a client needs."""

    def handle(self) -> None:
        self.say("220 here")
        while line := self.rfile.readline().decode().strip():
            word = line[:4].upper()
            if word == "DATA":
                self.say("354 go on")
                body = b""
                while not body.endswith(b"\r\n.\r\n"):
                    body += self.rfile.readline()
                self.server.heard.append(body.decode())  # type: ignore[attr-defined]
            self.say("221 bye" if word == "QUIT" else "250 yes")
            if word == "QUIT":
                return

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def post_office() -> Iterator[tuple[str, list[str]]]:
    with socketserver.TCPServer(("127.0.0.1", 0), Post) as server:
        heard: list[str] = []
        server.heard = heard  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"smtp://127.0.0.1:{server.server_address[1]}", heard
        finally:
            server.shutdown()
            thread.join(5)


def test_on_monday_last_weeks_goes_out_once(here: World) -> None:
    with receiver() as (url, heard):
        ctx = with_settings(here, digest_webhook=url)
        digest.tend(ctx, at(24 * 6.9))
        digest.tend(ctx, at(24 * 7 + 6))
        assert heard == [], "not on Sunday, nor before seven"
        for hour in (8, 9, 30):
            digest.tend(ctx, at(24 * 7 + hour))
        [said] = heard
    assert said["week"] == MONDAY and said["text"].startswith("# The week of 2026-01-05")
    [event] = here.ctx.ledger.read(kinds=["digest_sent"])
    assert event.data == {"week": MONDAY, "sent": ["webhook"], "why": ""}


def test_by_mail_as_text_and_html(here: World) -> None:
    with post_office() as (address, heard):
        ctx = with_settings(here, digest_mail="ada@example.org, bob@example.org", smtp=address)
        assert digest.send(ctx) == ["mail"]
    [mail] = heard
    assert "To: ada@example.org, bob@example.org" in mail and "text/html" in mail and "# The week of" in mail


def test_one_that_does_not_take_it_keeps_the_other_from_nothing(here: World) -> None:
    with receiver(500) as (url, _), post_office() as (address, mails):
        ctx = with_settings(here, digest_webhook=url, digest_mail="ada@example.org", smtp=address)
        with pytest.raises(Down, match="webhook: it answers 500"):
            digest.send(ctx)
        assert len(mails) == 1
    [event] = here.ctx.ledger.read(kinds=["digest_sent"])
    assert event.data["sent"] == ["mail"] and "500" in event.data["why"]


def test_nobody_set_up_gets_nothing(here: World) -> None:
    digest.tend(here.ctx, at(24 * 7 + 8))
    assert here.ctx.ledger.read(kinds=["digest_sent"]) == []
    with pytest.raises(Conflict):
        digest.send(here.ctx)
