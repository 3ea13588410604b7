"""The ingest door: known by its signature or a token, never otherwise; bounded; nothing lost and nothing doubled."""

from __future__ import annotations

import gzip
import hmac
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.tiny_source import Tiny
from tests.told import committed
from tests.web_world import Answer, World, world
from wend import ingest, secrets
from wend.events import Fact
from wend.ingest import Delivery, Heard, sources
from wend.state import ingest as table
from wend.web import body as bodies
from wend.web import door

COMMITS = [f"{number:040x}" for number in range(1, 100)]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    ingest.SOURCES["tiny"] = "tests.tiny_source:Tiny"
    try:
        with world(tmp_path_factory.mktemp("door") / "home") as made:
            yield made
    finally:
        del ingest.SOURCES["tiny"]


def add(there: World, name: str, **more: str) -> str:
    answer = there.ask("POST", "/api/ingest/sources", {"source": name, "kind": "tiny", **more})
    assert answer.status == 200, answer.text
    assert answer.json["address"] == f"http://127.0.0.1:{there.port}/ingest/{name}"
    return answer.json["secret"]


def sign(secret: str, raw: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), raw, "sha256").hexdigest()


def deliver(there: World, name: str, secret: str, said: Any, **headers: str) -> Answer:
    raw = said if isinstance(said, bytes) else json.dumps(said).encode()
    return there.ask("POST", f"/ingest/{name}", raw, token=None, **{"X-Tiny": sign(secret, raw), **headers})


def cdevent(number: int) -> dict[str, Any]:
    about = {"id": f"e{number}", "source": "/ci", "type": "dev.cdevents.service.deployed.0.3.0"}
    context = {**about, "specversion": "0.5.1", "timestamp": "2026-03-01T12:00:00Z"}
    content = {"environment": {"id": "production"}, "artifactId": "pkg:oci/shop@sha256:1"}
    return {**about, "specversion": "1.0", "data": {"context": context, "subject": {"id": "shop", "content": content}}}


def listed(there: World, name: str) -> Any:
    return next(one for one in there.ask("GET", "/api/ingest/sources").json if one["source"] == name)


def kept(there: World, kind: str) -> list[Any]:
    return there.ctx.ledger.read(0, [kind], limit=10_000)


# ---------------------------------------------------------------------------------------------- who may


def test_a_signed_delivery_is_taken_once(there: World) -> None:
    secret = add(there, "once")
    first = deliver(there, "once", secret, {"commits": COMMITS[:3]})
    assert (first.status, first.json) == (200, {"facts": 3, "new": 3})
    assert deliver(there, "once", secret, {"commits": COMMITS[:3]}).json == {"facts": 3, "new": 0}
    assert deliver(there, "once", secret, {"commits": COMMITS[:4]}).json == {"facts": 4, "new": 1}
    events = [event for event in kept(there, "change_recorded") if event.actor == "once"]
    assert [event.data["commit"] for event in events] == COMMITS[:4]
    assert "ada" not in json.dumps([event.data for event in events])
    assert there.ctx.ledger.text(events[0].data["author"]) is not None


def test_a_wrong_signature_and_an_unknown_source_get_one_answer(there: World) -> None:
    secret = add(there, "alike")
    before = there.ctx.ledger.head()
    unknown = deliver(there, "absent", secret, {"commits": []})
    wrong = deliver(there, "alike", "another secret", {"commits": []})
    unsigned = there.ask("POST", "/ingest/alike", b"{}", token=None)
    odd = there.ask("POST", "/ingest/%00A", b"{}", token=None)
    assert {one.status for one in (unknown, wrong, unsigned, odd)} == {401}
    assert len({one.body for one in (unknown, wrong, unsigned, odd)}) == 1
    assert there.ctx.ledger.head() == before, "a stranger leaves nothing"


def test_a_signature_is_of_these_very_bytes(there: World) -> None:
    secret = add(there, "bytes")
    raw = json.dumps({"commits": COMMITS[:1]}).encode()
    said = sign(secret, raw)
    assert there.ask("POST", "/ingest/bytes", raw + b" ", token=None, X_Tiny=said).status == 401
    assert there.ask("POST", "/ingest/bytes", raw, token=None, X_Tiny=said).status == 200


def test_a_token_needs_the_verb_for_this_source(there: World) -> None:
    add(there, "mine")
    said = {"commits": COMMITS[5:6]}
    for scope, status in (("ingest.write:mine", 200), ("ingest.write", 200), ("ingest.write:other", 403)):
        assert there.ask("POST", "/ingest/mine", said, token=there.token(scope)).status == status, scope
    for scope in ("app.*", "ingest.manage", "ledger.read"):
        assert there.ask("POST", "/ingest/mine", said, token=there.token(scope)).status == 403, scope
    assert there.ask("POST", "/ingest/mine", said, token="wend_human_nonsense").status == 401
    assert there.ask("POST", "/ingest/No--name", said).status == 422
    assert there.ask("POST", "/ingest/absent", said).status == 404
    assert there.ask("POST", "/ingest/tiny", said).json == {"facts": 1, "new": 1}, "a kind's own name needs no set-up"
    assert there.ask("POST", "/ingest/wend", said).status == 404


def test_a_senders_own_bearer_token_is_not_taken_for_ours(there: World) -> None:
    secret = add(there, "bearer")
    assert deliver(there, "bearer", secret, {"commits": []}, Authorization="Bearer theirs").status == 200
    assert deliver(there, "bearer", secret, {"commits": []}, Authorization="Basic eDp5").status == 200


def test_a_source_is_an_actor_that_may_do_one_thing(there: World) -> None:
    secret = add(there, "narrow")
    seen: list[Any] = []
    authorize = door.auth.authorize

    def watching(ctx: Any, verb: str, target: str | None = None) -> None:
        seen.append((ctx.actor, verb, target))
        authorize(ctx, verb, target)

    door.auth.authorize = watching
    try:
        assert deliver(there, "narrow", secret, {"commits": []}).status == 200
    finally:
        door.auth.authorize = authorize
    [(actor, verb, target)] = seen
    assert (actor.name, actor.kind, actor.scopes) == ("narrow", "source", ("ingest.write:narrow",))
    assert (verb, target) == ("ingest.write", "narrow")


# ---------------------------------------------------------------------------------------------- secrets


def test_a_renewed_secret_and_the_one_before_hold_for_a_day(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    old = add(there, "renewed")
    new = add(there, "renewed")
    assert old != new
    for secret in (old, new):
        assert deliver(there, "renewed", secret, {"commits": []}).status == 200
    later = time.time_ns() + 24 * 3600 * 10**9 + 10**9
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert deliver(there, "renewed", old, {"commits": []}).status == 401
    assert deliver(there, "renewed", new, {"commits": []}).status == 200
    monkeypatch.undo()
    newest = add(there, "renewed")
    assert deliver(there, "renewed", old, {"commits": []}).status == 401, "two renewals ago"
    assert deliver(there, "renewed", newest, {"commits": []}).status == 200


def test_a_removed_source_is_a_stranger_and_its_secret_is_erased(there: World) -> None:
    secret = add(there, "removed", secret="given by the sender")
    assert secret == "given by the sender"
    hash = kept(there, "source_set")[-1].data["hash"]
    sealed = there.ctx.ledger.text(hash)
    assert sealed is not None and secret.encode() not in sealed
    assert there.ask("DELETE", "/api/ingest/sources/removed").status == 200
    assert there.ctx.ledger.text(hash) is None
    assert deliver(there, "removed", secret, {"commits": []}).status == 401
    assert there.ask("DELETE", "/api/ingest/sources/removed").status == 404
    again = add(there, "removed")
    assert deliver(there, "removed", secret, {"commits": []}).status == 401
    assert deliver(there, "removed", again, {"commits": []}).status == 200


def test_a_sealed_secret_opens_for_its_own_source_alone(there: World) -> None:
    add(there, "sealed")
    with there.ctx.ledger.query() as db:
        known = table.source(db, "sealed", 0)
    assert known
    key = secrets.key(there.ctx.config.home)
    assert sources.opened(there.ctx, known)
    with pytest.raises(Exception, match="does not open"):
        secrets.unseal(key, "source other", "tiny", 1, known.sealed[0])


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"source": "wend", "kind": "tiny"}, "own name"),
        ({"source": "git", "kind": "tiny"}, "own name"),
        ({"source": "A b", "kind": "tiny"}, "name"),
        ({"source": "a--b", "kind": "tiny"}, "name"),
        ({"source": "x" * 41, "kind": "tiny"}, "name"),
        ({"source": "kindless"}, "kind"),
        ({"source": "weak", "kind": "tiny", "secret": "short"}, "secret"),
        ({"source": "weak", "kind": "tiny", "secret": "gr\u00fcn is no ASCII"}, "secret"),
    ],
)
def test_what_cannot_be_a_source_is_refused(there: World, said: Any, word: str) -> None:
    answer = there.ask("POST", "/api/ingest/sources", said)
    assert answer.status == 422 and word in answer.json["message"]
    assert "no ASCII" not in answer.text, "a secret is not repeated"


def test_a_name_keeps_its_kind(there: World) -> None:
    add(there, "kind")
    assert there.ask("POST", "/api/ingest/sources", {"source": "kind", "kind": "github"}).status == 409
    assert there.ask("POST", "/api/ingest/sources", {"source": "kind"}).status == 200, "renewed without saying it again"


def test_the_list_says_when_a_source_last_said_something(there: World) -> None:
    secret = add(there, "listed")
    assert listed(there, "listed")["heard_at"] is None
    deliver(there, "listed", secret, {"commits": COMMITS[7:8]})
    shown = listed(there, "listed")
    assert abs(shown["heard_at"] / 1e6 - time.time()) < 60
    assert secret not in json.dumps(shown) and "hash" not in shown


# ---------------------------------------------------------------------------------------------- kept aside


def test_what_nobody_knows_is_kept_aside_once_and_shown(there: World) -> None:
    secret = add(there, "odd")
    for _ in range(2):
        answer = deliver(there, "odd", secret, "star", X_GitHub_Event="star")
        assert (answer.status, answer.json["new"]) == (202, 0) and "star" in answer.json["aside"]
    [shown] = there.ask("GET", "/api/ingest/asides?source=odd").json
    assert (shown["shape"], shown["bytes"]) == ("x-github-event: star", 6)
    assert there.ask("GET", f"/api/ingest/asides/{shown['seq']}").json["body"] == '"star"'
    assert there.ask("DELETE", f"/api/ingest/asides/{shown['seq']}").status == 200
    assert there.ask("GET", f"/api/ingest/asides/{shown['seq']}").json["body"] is None
    assert there.ask("GET", "/api/ingest/asides/999999").status == 404
    assert there.ask("GET", "/api/ingest/asides/x").status == 404


def test_what_lies_aside_is_read_again_once_somebody_can(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = add(there, "late")
    deliver(there, "late", secret, "star", X_GitHub_Event="star")
    [shown] = there.ask("GET", "/api/ingest/asides?source=late").json
    again = f"/api/ingest/asides/{shown['seq']}/read"
    assert there.ask("POST", again).status == 422, "nobody can yet"
    seen: list[Delivery] = []

    class Learnt(Tiny):
        def read(self, delivery: Delivery) -> Heard:
            seen.append(delivery)
            return Heard([Fact("change_recorded", "repo/r", committed("f" * 40, 1).data, actor="late", id="late:star")])

    monkeypatch.setattr("wend.ingest.take.source", lambda kind: Learnt())  # pyright: ignore
    assert there.ask("POST", again).json == {"aside": shown["seq"], "facts": 1, "new": 1}
    assert seen[0].headers["x-github-event"] == "star" and (seen[0].body, seen[0].at) == (b'"star"', shown["at"])
    assert there.ask("GET", "/api/ingest/asides?source=late").json == []
    assert there.ask("POST", again).json["new"] == 0, "reading it twice says nothing new"
    assert there.ask("POST", "/api/ingest/asides/999999/read").status == 404
    there.ask("DELETE", f"/api/ingest/asides/{shown['seq']}")
    assert "was erased" in there.ask("POST", again).text


@pytest.mark.parametrize(
    ("said", "status"),
    [({"commits": 1}, 422), ({"commits": ["abc"]}, 422), (b"{", 422), (b"\xff", 422), ({"broken": 1}, 500)],
)
def test_what_makes_no_sense_is_refused_and_kept_aside_too(there: World, said: Any, status: int) -> None:
    secret = add(there, "broken")
    before = len(there.ask("GET", "/api/ingest/asides?source=broken").json)
    assert deliver(there, "broken", secret, said).status == status
    assert len(there.ask("GET", "/api/ingest/asides?source=broken").json) == before + 1


def test_what_is_known_of_a_batch_is_taken_and_the_rest_is_kept_aside(there: World) -> None:
    made = there.ask("POST", "/api/ingest/sources", {"source": "batch", "kind": "cloudevents"}).json
    sent = [cdevent(1), {**cdevent(2), "type": "org.example.weather"}, cdevent(3), "no event"]
    for new in (2, 0):
        answer = there.ask(
            "POST", "/ingest/batch", json.dumps(sent), token=None, X_Wend_Token=made["secret"],
            Content_Type="application/cloudevents-batch+json",
        )  # fmt: skip
        assert (answer.status, answer.json["facts"], answer.json["new"]) == (202, 2, new)
        assert answer.json["aside"].startswith("2 of its parts: 'org.example.weather'")
    shown = there.ask("GET", "/api/ingest/asides?source=batch").json
    assert len(shown) == 2 and shown[0]["bytes"] == len('"no event"')


def test_at_most_256_kib_of_a_body_are_kept_aside(there: World) -> None:
    secret = add(there, "large")
    assert deliver(there, "large", secret, b'"' + b"x" * 2**20).status == 422
    [shown] = there.ask("GET", "/api/ingest/asides?source=large").json
    assert shown["bytes"] == 2**20 + 1
    assert len(there.ask("GET", f"/api/ingest/asides/{shown['seq']}").json["body"]) == 256 * 1024


def test_whoever_may_deliver_may_not_read_what_others_delivered(there: World) -> None:
    token = there.token("ingest.write", "app.*", "ledger.read")
    for path in ("/api/ingest/asides", "/api/ingest/asides/1", "/api/ingest/sources", "/api/ingest/subscriptions"):
        assert there.ask("GET", path, token=token).status == 403, path


# ---------------------------------------------------------------------------------------------- bounds


def test_a_hundred_megabytes_are_refused_before_they_are_sent(there: World) -> None:
    with closing(socket.create_connection(("127.0.0.1", there.port), timeout=10)) as sock:
        sock.sendall(b"POST /ingest/tiny HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_hundred_megabytes_without_a_length_are_cut_off(there: World) -> None:
    sent = 0
    with closing(socket.create_connection(("127.0.0.1", there.port), timeout=20)) as sock:
        sock.sendall(b"POST /ingest/tiny HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"100000\r\n" + b"x" * 2**20 + b"\r\n"
        try:
            for _ in range(100):
                sock.sendall(piece)
                sent += 2**20
        except OSError:
            pass  # it hung up on us, as it should
        assert sent < 80 * 2**20, "what is read, what is thrown away, and what the sockets hold"


def test_a_delivery_of_many_megabytes_is_taken(there: World) -> None:
    secret = add(there, "many")
    raw = json.dumps({"commits": COMMITS[:1]}).encode() + b" " * (24 * 2**20)
    assert deliver(there, "many", secret, raw).status == 200
    assert there.ask("POST", "/ingest/many", raw, token="").status == 200
    assert there.ask("POST", "/api/ingest/git", raw, Content_Type="application/json").status == 413, "the API's limit"


def test_a_compressed_body_is_refused(there: World) -> None:
    secret = add(there, "gzip")
    bomb = gzip.compress(b"0" * 2**20)
    assert deliver(there, "gzip", secret, bomb, Content_Encoding="gzip").status == 415
    assert there.ask("POST", "/ingest/gzip", bomb, Content_Encoding="gzip").status == 415


def test_a_slow_sender_is_given_up(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "SLOW", 0.3)
    with closing(socket.create_connection(("127.0.0.1", there.port), timeout=10)) as sock:
        sock.sendall(b"POST /ingest/tiny HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        assert sock.recv(4096).startswith(b"HTTP/1.1 422 ")


def test_bodies_of_strangers_share_a_bounded_memory() -> None:
    room = bodies.Room(100)
    with room.share() as one:
        one.grow(60)
        with room.share() as other, pytest.raises(Exception, match="too much"):
            other.grow(60)
        assert room.left == 40
    assert room.left == 100
