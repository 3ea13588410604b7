"""Our deploys told to others: what is said, in which order, until it is taken, and to nobody's harm."""

from __future__ import annotations

import hmac
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.house import until
from tests.receiver import Receiver, drip, flood, receiving
from tests.web_world import World, live_app, world
from wend import emit
from wend.errors import Invalid, NotFound
from wend.events import Event, Fact

COMMIT = "c" * 40
ROOT = Path(__file__).parent.parent


@pytest.fixture
def there(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "home") as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@contextmanager
def emitting(there: World, first: float = 0.01, clock: Callable[[], float] = time.time) -> Generator[emit.Emitter]:
    """The clock, quick and by itself. When it is stopped, nothing is under way."""
    emitter, ended = emit.Emitter(first, clock), threading.Event()

    def tick() -> None:
        while not ended.wait(0.01):
            emitter.tend(there.ctx)

    ticking = threading.Thread(target=tick, daemon=True)
    ticking.start()
    try:
        yield emitter
    finally:
        ended.set()
        ticking.join(5)
        emitter.hands.shutdown(wait=True, cancel_futures=True)


def subscribed(there: World, id: str) -> Any:
    return next(one for one in emit.subscribed(there.ctx) if one.id == id)


def deploy(there: World, number: int, cause: str = "push", app: str = "hello") -> None:
    """A deploy of a new release that goes live, told by its events alone."""
    told: list[tuple[str, dict[str, Any]]] = [("app_created", {"branch": "main"})] if number == 1 else []
    about: dict[str, Any] = {
        "config": {},
        "secrets": {},
        "env": {},
        "processes": {},
        "artifact": "a",
        "path": "p",
        "commit": COMMIT,
    }
    told += [
        ("deploy_started", {"cause": cause, "summary": "", "commit": COMMIT, "ref": "r"}),
        ("release_created", {"release": number, **about}),
        ("release_went_live", {"release": number, "previous": number - 1 or None}),
    ]
    facts = [Fact(kind, f"deploy/d{number}", {"deploy": f"d{number}", **data}, app=app) for kind, data in told]
    there.ctx.ledger.append(facts)


# ---------------------------------------------------------------------------------------------- what is said


def event(kind: str, **data: Any) -> Event:
    return Event(
        7, "ab12", 1_700_000_000_123_456, kind, "deploy/d1", "ann", None, "hello", {"deploy": "d1", **data}, ""
    )


@pytest.mark.parametrize(
    ("what", "begun", "type"),
    [
        (event("release_went_live", release=1, previous=None), {"cause": "push"}, "service.deployed.0.3.0"),
        (event("release_went_live", release=2, previous=1), {"cause": "push"}, "service.upgraded.0.3.0"),
        (event("release_went_live", release=1, previous=2), {"cause": "rollback"}, "service.rolledback.0.3.0"),
    ],
)
def test_what_went_live_is_a_cdevent(what: Event, begun: dict[str, Any], type: str) -> None:
    made = emit.message(what, begun, "c" * 40, "http://wend.example")
    said = json.loads(made.body)
    assert made.type == said["context"]["type"] == f"dev.cdevents.{type}"
    assert said["context"] == {
        "specversion": "0.5.1", "id": "ab12", "source": "http://wend.example/apps/hello", "type": made.type,
        "timestamp": "2023-11-14T22:13:20.123456Z"}  # fmt: skip
    assert set(said["subject"]) == {"id", "source", "content"} and said["subject"]["id"] == "hello"
    number = what.data["release"]
    assert said["subject"]["content"] == {
        "environment": {"id": "production", "source": "http://wend.example"},
        "artifactId": f"pkg:generic/wend/hello@{number}",
    }
    assert said["customData"]["wend"]["commit"] == "c" * 40
    headers = made.headers()
    assert (headers["ce-specversion"], headers["ce-subject"], headers["ce-id"]) == ("1.0", "hello", "ab12")
    assert headers["ce-time"] == said["context"]["timestamp"] and "ce-datacontenttype" not in headers


@pytest.mark.parametrize(("superseded", "outcome"), [(False, "failure"), (True, "cancel")])
def test_a_failed_deploy_is_a_finished_run(superseded: bool, outcome: str) -> None:
    what = event("deploy_failed", step="built", message="no such file", superseded=superseded)
    said = json.loads(emit.message(what, {}, None, "http://wend.example").body)
    assert said["context"]["type"] == "dev.cdevents.pipelinerun.finished.0.3.0"
    assert said["subject"]["id"] == "d1"
    content = said["subject"]["content"]
    assert (content["outcome"], content["errors"]) == (outcome, "built: no such file")
    assert content["uri"] == "http://wend.example/apps/hello/deploys/d1"


def test_headers_are_encoded() -> None:
    made = emit.Message('a "b" %\n', "t", "grün", "s", "now", b"")
    assert made.headers()["ce-id"] == "a%20%22b%22%20%25%0A" and made.headers()["ce-source"] == "gr%C3%BCn"


def test_waiting_grows_to_an_hour_and_scatters() -> None:
    assert [emit.delay(attempts, 0) for attempts in (1, 2, 3, 13, 99)] == [1, 2, 4, 3600, 3600]
    assert emit.delay(99, 1) == 1800


# ---------------------------------------------------------------------------------------------- delivery


def test_what_happens_from_now_on_is_told_in_order_and_signed(there: World, receiver: Receiver) -> None:
    live_app(there, "before")
    id, secret = emit.subscribe(there.ctx, receiver.url, None)
    assert secret
    for number in range(1, 6):
        deploy(there, number, "rollback" if number == 5 else "push")
    with emitting(there):
        until(lambda: subscribed(there, id).ok_at, what="all of it taken")
    told = [json.loads(body) for _, body in receiver.got]
    assert [one["customData"]["wend"]["release"] for one in told] == [1, 2, 3, 4, 5], "and nothing of before"
    kinds = [one["context"]["type"].split(".")[3] for one in told]
    assert kinds == ["deployed", "upgraded", "upgraded", "upgraded", "rolledback"]
    for headers, body in receiver.got:
        at, mac = (part.partition("=")[2] for part in headers["x-wend-signature"].split(","))
        assert abs(time.time() - int(at)) < 60
        assert mac == hmac.new(secret.encode(), at.encode() + b"." + body, "sha256").hexdigest()
        assert headers["content-type"] == "application/json"
    before = there.ctx.ledger.head()
    with emitting(there) as emitter:
        until(lambda: not emitter.at_work, what="nothing to do")
    assert there.ctx.ledger.head() == before, "having nothing to say is not recorded"


def test_what_is_not_taken_is_sent_again_until_it_is(there: World, receiver: Receiver) -> None:
    receiver.answer = 503
    id, _ = emit.subscribe(there.ctx, receiver.url, None)
    deploy(there, 1)
    deploy(there, 2)
    with emitting(there):
        until(lambda: len(receiver.got) >= 3, what="three tries")
        receiver.answer = 200
        until(lambda: subscribed(there, id).ok_at, what="taken")
    tries = receiver.ids
    assert len(set(tries)) == 2 and tries == sorted(tries, key=tries.index), "the second waits for the first"
    assert tries.count(tries[-1]) == 1
    told = [one.data for one in there.ctx.ledger.read(0, ["emission_recorded"])]
    assert [one["ok"] for one in told] == [False, True], "not every try is a fact"
    assert told[0]["why"] == "it answers 503" and told[1]["attempts"] == 0
    assert subscribed(there, id).failing_since is None


@pytest.mark.parametrize("status", [301, 307, 404, 500])
def test_redirects_and_errors_are_not_taken(there: World, receiver: Receiver, status: int) -> None:
    receiver.answer = status
    id, _ = emit.subscribe(there.ctx, receiver.url, None)
    deploy(there, 1)
    with emitting(there, first=100):
        until(lambda: subscribed(there, id).why, what="it failed")
    assert subscribed(there, id).why == f"it answers {status}"
    assert len(receiver.got) == 1, "nobody went to /elsewhere"


def test_after_three_days_it_is_given_up_and_taken_up_again_from_there(there: World, receiver: Receiver) -> None:
    receiver.answer = 500
    now = [time.time()]
    id, _ = emit.subscribe(there.ctx, receiver.url, None)
    deploy(there, 1)
    with emitting(there, clock=lambda: now[0]):
        until(lambda: subscribed(there, id).failing_since, what="it fails")
        now[0] += 2.9 * 86_400
        tries = len(receiver.got)
        until(lambda: len(receiver.got) > tries + 1, what="it goes on")
        assert not subscribed(there, id).gave_up
        now[0] += 0.2 * 86_400
        until(lambda: subscribed(there, id).gave_up, what="given up")
    assert subscribed(there, id).why == "given up: it answers 500"
    deploy(there, 2)
    receiver.got.clear()
    receiver.answer = 200
    with emitting(there) as emitter:
        until(lambda: not emitter.at_work, what="it rests")
        assert receiver.got == []
        assert emit.subscribe(there.ctx, receiver.url, None) == (id, None)
        until(lambda: len(receiver.got) == 2, what="both of them")


def test_whoever_says_gone_is_asked_no_more(there: World, receiver: Receiver) -> None:
    receiver.answer = 410
    id, _ = emit.subscribe(there.ctx, receiver.url, None)
    deploy(there, 1)
    with emitting(there):
        until(lambda: subscribed(there, id).gave_up, what="given up")
    assert len(receiver.got) == 1


def test_a_slow_one_is_cut_off_and_delays_nobody(
    there: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emit, "PATIENCE", 5.0)
    receiver.answer = drip
    with receiving() as other:
        slow, _ = emit.subscribe(there.ctx, receiver.url, None)
        quick, _ = emit.subscribe(there.ctx, other.url, None)
        deploy(there, 1)
        with emitting(there, first=100):
            until(lambda: subscribed(there, quick).ok_at, what="the quick one is told")
            assert subscribed(there, slow).why is None, "while the slow one still drips"
            until(lambda: subscribed(there, slow).why, what="the slow one is cut off")
    assert subscribed(there, slow).why == "it takes too long to answer"


def test_a_huge_answer_is_not_read(there: World, receiver: Receiver) -> None:
    receiver.answer = flood
    id, _ = emit.subscribe(there.ctx, receiver.url, None)
    deploy(there, 1)
    with emitting(there):
        until(lambda: subscribed(there, id).ok_at, 3, what="taken")


def test_nobody_there_is_said(there: World) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        id, _ = emit.subscribe(there.ctx, f"http://127.0.0.1:{closed.getsockname()[1]}/", None)
        deploy(there, 1)
        with emitting(there, first=100):
            until(lambda: subscribed(there, id).why, what="it failed")
    assert "cannot be reached" in subscribed(there, id).why


CHILD = """
import sys, threading
from pathlib import Path
from wend import config, emit
from wend.context import Context
from wend.ledger.sqlite import Sqlite
from wend.state import SCHEMA
from wend.state.reducers import reduce
from wend.state.tables import META
home = Path(sys.argv[1])
ledger = Sqlite(home / "wend.db", META, reduce, SCHEMA)
ctx = Context(config.load(home), ledger, *[None] * 5)
emitter = emit.Emitter(first=0.01)
while True:
    emitter.tend(ctx)
    threading.Event().wait(0.01)
"""


def test_killed_in_between_it_tells_again_under_the_same_ids(there: World, receiver: Receiver) -> None:
    id, _ = emit.subscribe(there.ctx, receiver.url, None)
    for number in range(1, 31):
        deploy(there, number)
    wanted = [one.id for one in there.ctx.ledger.read(0, ["release_went_live"])]
    words = [sys.executable, "-c", CHILD, str(there.ctx.config.home)]
    child = subprocess.Popen(words, cwd=ROOT)
    try:
        until(lambda: len(receiver.got) >= 5, what="some of them told")
    finally:
        child.kill()
        child.wait()
    assert subscribed(there, id).ok_at is None or len(receiver.got) >= 30
    with emitting(there):
        until(lambda: set(receiver.ids) == set(wanted), what="all of them")
        until(lambda: subscribed(there, id).ok_at, what="recorded")
    seen = list(dict.fromkeys(receiver.ids))
    assert seen == wanted, "in order, whatever came twice"


def test_another_wend_understands_it(there: World, tmp_path: Path) -> None:
    with world(tmp_path / "other") as other:
        made = other.ask("POST", "/api/ingest/sources", {"source": "first", "kind": "cloudevents"}).json
        id, _ = emit.subscribe(there.ctx, made["address"], made["secret"])
        for number in (1, 2, 3):
            deploy(there, number, "rollback" if number == 3 else "push")
        there.say("deploy_failed", deploy="d4", step="built", message="no such file", hint="")
        with emitting(there):
            until(lambda: subscribed(there, id).ok_at, what="taken")
        told = [one.data for one in other.ctx.ledger.read(0, ["deployment_recorded"])]
    about = [(one["service"], one["outcome"], one["purpose"], one["commit"]) for one in told]
    assert about[:3] == [("hello", "success", purpose, COMMIT) for purpose in ("planned", "planned", "rollback")]
    assert about[3][:2] == ("hello", "failure") and {one["tier"] for one in told} == {"production"}
    assert len({one["deployment"] for one in told}) == 4


# ---------------------------------------------------------------------------------------------- subscriptions


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "ftp://example.org/", "http://", "http://a b/", "http://x:y@example.org/", "http://e.org:99999/",
     "http://e.org/#x", "http://e.org/\n", "file:///etc/passwd", "http://" + "x" * 1001],
)  # fmt: skip
def test_what_is_no_address_is_refused(there: World, url: str) -> None:
    with pytest.raises(Invalid):
        emit.subscribe(there.ctx, url, None)


def test_a_subscription_ends_with_its_secret(there: World, receiver: Receiver) -> None:
    id, _ = emit.subscribe(there.ctx, receiver.url, "a secret of theirs")
    hash = subscribed(there, id).hash
    sealed = there.ctx.ledger.text(hash)
    assert sealed and b"theirs" not in sealed
    assert "hash" not in emit.listed(there.ctx)[0] and emit.listed(there.ctx)[0]["behind"] == 0
    again, renewed = emit.subscribe(there.ctx, receiver.url, "another secret")
    assert (again, renewed) == (id, "another secret") and there.ctx.ledger.text(hash) is None
    newest = subscribed(there, id).hash
    emit.unsubscribe(there.ctx, id)
    assert there.ctx.ledger.text(newest) is None and emit.subscribed(there.ctx) == []
    with pytest.raises(NotFound):
        emit.unsubscribe(there.ctx, id)


def test_the_api_and_an_app_that_is_gone(there: World, receiver: Receiver) -> None:
    made = there.ask("POST", "/api/ingest/subscriptions", {"url": receiver.url}).json
    live_app(there, "gone")
    there.say("app_destroyed", "gone", why="w")
    assert there.ask("GET", "/api/ingest/subscriptions").json[0]["behind"] == 3
    with emitting(there):
        until(lambda: len(receiver.got) == 3, what="told all the same")
    assert there.ask("DELETE", f"/api/ingest/subscriptions/{made['id']}").status == 200
    assert there.ask("DELETE", f"/api/ingest/subscriptions/{made['id']}").status == 404
