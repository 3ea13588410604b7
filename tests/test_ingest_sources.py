"""What holds for every kind of source: nobody passes without its secret, the same meaning makes the same ids, and
whatever arrives is read, refused or kept aside."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import ingest_samples as samples
from tests.ingest_world import NOW, PEOPLE, SECRET, hear, ids
from wend.errors import Invalid, NotFound, Refused, WendError
from wend.events import KINDS
from wend.ingest import SOURCES, Delivery, Unknown, source
from wend.ledger.chain import canonical, text_hash
from wend.ledger.rows import entry

WAYS = [(kind, way) for way, (kinds, _) in samples.SIGNERS.items() for kind in kinds]
BY_TIME = ("zendesk", "stamped")
WHOLE = ("gitlab", "bearer", "token")  # the secret itself, which says nothing of the body


def signed(kind: str, way: str, body: bytes = b"{}", at: float = NOW / 1e6, **more: str) -> Delivery:
    return Delivery(kind, {**samples.SIGNERS[way][1](body, at), **more}, body, NOW, PEOPLE)


def refuses(delivery: Delivery, secret: str = SECRET, now: float = NOW / 1e6) -> None:
    with pytest.raises(Refused) as caught:
        source(delivery.source).genuine(delivery, secret, now)
    assert secret == "" or secret not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(("kind", "way"), WAYS)
def test_only_who_has_the_secret_passes(kind: str, way: str) -> None:
    good = signed(kind, way)
    source(kind).genuine(good, SECRET, NOW / 1e6)
    refuses(good, "another secret")
    refuses(good, "")
    refuses(Delivery(kind, {}, b"{}", NOW, PEOPLE))
    for name, value in good.headers.items():
        refuses(Delivery(kind, {**good.headers, name: ""}, b"{}", NOW, PEOPLE))
        refuses(Delivery(kind, {**good.headers, name: value[:-1]}, b"{}", NOW, PEOPLE))
        refuses(Delivery(kind, {**good.headers, name: value + "\xff\u20ac"}, b"{}", NOW, PEOPLE))
    if way not in WHOLE:
        refuses(Delivery(kind, good.headers, b"{ }", NOW, PEOPLE))


@pytest.mark.parametrize(("kind", "way"), [(kind, way) for kind, way in WAYS if way in BY_TIME])
def test_a_signature_with_a_time_holds_for_five_minutes(kind: str, way: str) -> None:
    now = NOW / 1e6
    for away in (-299, 0, 299):
        source(kind).genuine(signed(kind, way, at=now + away), SECRET, now)
    for away in (-302, 302, -86_400):
        refuses(signed(kind, way, at=now + away))
    old, new = signed(kind, way, at=now - 3600), signed(kind, way)
    refuses(Delivery(kind, {**new.headers, **old.headers}, b"{}", NOW, PEOPLE))


def test_an_empty_secret_signs_nothing() -> None:
    empty = samples.mac(b"{}", "")
    refuses(Delivery("github", {"x-hub-signature-256": f"sha256={empty}"}, b"{}", NOW, PEOPLE), "")
    refuses(Delivery("gitlab", {"x-gitlab-token": ""}, b"{}", NOW, PEOPLE), "")


def test_a_signature_that_is_there_and_wrong_is_not_made_good_by_a_token() -> None:
    for header in ("x-wend-signature", "x-hub-signature"):
        refuses(Delivery("jira", {header: "t=1,v1=00", "x-wend-token": SECRET}, b"{}", NOW, PEOPLE))


def test_every_kind_has_its_body_and_no_other_is_known() -> None:
    assert {kind for kind, _, _ in samples.SAMPLES.values()} == set(SOURCES)
    with pytest.raises(NotFound, match="carrier-pigeon"):
        source("carrier-pigeon")


def indented(body: Any) -> bytes:
    """The same, written in another way: members the other way round, more spaces, escapes."""
    return json.dumps(backwards(body), indent=3, ensure_ascii=True).encode()


def backwards(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: backwards(one) for key, one in reversed(value.items())}
    return [backwards(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("what", samples.SAMPLES)
def test_the_same_meaning_makes_the_same_ids(what: str) -> None:
    kind, headers, body = samples.SAMPLES[what]
    heard = hear(kind, body, headers)
    assert heard.facts
    assert ids(hear(kind, body, {**headers, "x-github-delivery": "anything"})) == ids(heard)
    assert len(set(ids(heard))) == len(heard.facts)
    if not isinstance(body, bytes):
        again = hear(kind, indented(body), headers)
        assert ids(again) == ids(heard) and again == heard
    checked(heard)


@pytest.mark.parametrize("what", samples.SAMPLES)
def test_a_fact_has_the_fields_that_the_docs_name_and_no_person(what: str) -> None:
    kind, headers, body = samples.SAMPLES[what]
    for fact in hear(kind, body, headers).facts:
        assert fact.actor == fact.data["source"] == kind and fact.id.startswith(f"{kind}:")
        assert fact.kind in KINDS and fact.at is fact.app is fact.team is None
        told = canonical([fact.data, fact.stream, fact.id]).decode().lower()
        assert not re.search(r"\bada\b|[\w.+-]+@[\w-]+\.\w", told)


def test_a_text_of_any_length_is_kept_short() -> None:
    heard = hear("pagerduty", samples.pagerduty(title="a" * 50_000))
    assert [len(body) for body in heard.texts.values()] == [10_000 + len("0123456789abcdef ")]


def checked(heard: Any) -> None:
    """What the ledger asks of facts."""
    for fact in heard.facts:
        entry(fact)
        assert json.loads(canonical(fact.data)) == fact.data
        assert all(-(2**63) <= number < 2**63 for number in numbers_of(fact.data))
        assert fact.id and fact.stream and len(fact.id) <= 500 and len(fact.stream) <= 500
    for hash, text in heard.texts.items():
        assert text_hash(text) == hash


def numbers_of(value: Any) -> set[int]:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return {number for one in inner for number in numbers_of(one)}
    return {value} if isinstance(value, int) else set()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["0" * 40, "a" * 40]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = ("x-github-event", "x-gitlab-event", "ce-id", "ce-type", "ce-source", "ce-specversion", "ce-time", "ce-x")
HEADERS = st.dictionaries(
    st.sampled_from(NAMES),
    st.text(max_size=20) | st.sampled_from(["push", "issues", "1.0", "%C0%A0", "%", '"a\\"', "dev.cdevents.x"]),
)
FORM = "application/x-www-form-urlencoded"
TYPES = [
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "text/csv",
    "\xff",
    FORM,
]


@pytest.mark.parametrize("kind", sorted(SOURCES))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    body=st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()), headers=HEADERS, data=st.data()
)
def test_whatever_arrives_is_read_or_refused(kind: str, body: bytes, headers: dict[str, str], data: Any) -> None:
    content = data.draw(st.sampled_from(TYPES))
    settled(kind, body, {"content-type": content, **headers})


@pytest.mark.parametrize("what", samples.SAMPLES)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_delivery_with_any_part_replaced_is_read_or_refused(what: str, data: Any) -> None:
    kind, headers, body = samples.SAMPLES[what]
    if isinstance(body, bytes):
        cut = data.draw(st.integers(0, len(body)))
        settled(kind, body[:cut] + data.draw(st.binary(max_size=9)) + body[cut:], headers)
        return
    changed = json.loads(json.dumps(body))
    for _ in range(data.draw(st.integers(1, 3))):
        replaced(changed, data)
    settled(kind, json.dumps(changed).encode(), headers)


def replaced(value: Any, data: Any) -> None:
    """Put something else in one place of it."""
    place: Any = value
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(JSON)
            return
        place = place[key]


def settled(kind: str, body: bytes, headers: dict[str, str]) -> None:
    try:
        checked(hear(kind, body, headers))
    except WendError as error:
        assert error.message and isinstance(error, Invalid)


def test_an_unknown_shape_is_told_from_a_known_one_that_cannot_be() -> None:
    assert issubclass(Unknown, Invalid)
    for kind in SOURCES:
        if kind != "csv":
            with pytest.raises(Unknown):
                hear(kind, {"hello": "world"})
        with pytest.raises(Invalid):
            hear(kind, b"\xff\xfe\xfd")
