"""CloudEvents 1.0 over HTTP, in all three modes, carrying CDEvents; and CDEvents alone, without an envelope.

The mode shows in the content type: `application/cloudevents-batch` before `application/cloudevents`, which is the
beginning of both, and anything else is binary: attributes in `ce-` headers.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from wend.errors import Invalid
from wend.ingest import Delivery, Heard, Unknown, cdevents, parse, proof
from wend.ingest.doc import Doc

BATCH, STRUCTURED = "application/cloudevents-batch", "application/cloudevents"
REQUIRED = ("id", "source", "type")
ESCAPE = re.compile(r"%([0-9a-fA-F]{2})?")


class CloudEvents:
    """All events of a delivery, or none: what is wrong with one is said with its place. Those of a batch that nobody
    here knows are kept aside one by one."""

    def genuine(self, delivery: Delivery, secret: str, now: float) -> None:
        proof.ours(delivery, secret, now)

    def read(self, delivery: Delivery) -> Heard:
        content = delivery.headers.get("content-type", "").strip().lower()
        if not is_of(content, BATCH):
            return cdevents.read(delivery, event(delivery, content))
        heard = Heard()
        for number, one in enumerate(Doc({"events": parse.json_of(delivery.body)}).array("events")):
            place = f"events[{number}]"
            try:
                said = cdevents.read(delivery, structured(Doc(one, place), place))
            except Unknown as error:
                heard.asides.append((error.message, json.dumps(one, ensure_ascii=False).encode("utf-8", "replace")))
                continue
            heard.facts += said.facts
            heard.texts |= said.texts
        return heard


def event(delivery: Delivery, content: str) -> Doc:
    """The one CDEvent of a delivery that is no batch."""
    if is_of(content, STRUCTURED):
        return structured(Doc(parse.json_of(delivery.body)), "the event")
    if "ce-specversion" in delivery.headers or "ce-type" in delivery.headers:
        return binary(delivery, content)
    return Doc(parse.json_of(delivery.body))


def is_of(content: str, kind: str) -> bool:
    """Whether a content type is this one in JSON. Raises Unknown when it is this one in another format."""
    found = re.match(re.escape(kind) + r"(?:\+([\w.-]+))?\s*(?:;|$)", content)
    if found and found[1] not in (None, "json"):
        raise Unknown(f"events in the format {found[1][:40]!r} are not read here; send JSON")
    return found is not None


def structured(event: Doc, place: str) -> Doc:
    """The data of an event that is one JSON object."""
    attributes = {key: value for key in (*REQUIRED, "specversion") if (value := event.maybe(key))}
    checked(attributes, place)
    if "data" in event and "data_base64" in event:
        raise Invalid(f"{place} has both data and data_base64")
    if "data_base64" in event:
        return data_of(from_base64(event.text("data_base64")), event.maybe("datacontenttype"), place)
    if not is_json(event.maybe("datacontenttype") or "application/json"):
        raise Unknown(f"the data of {place} is no JSON")
    return event["data"]


def binary(delivery: Delivery, content: str) -> Doc:
    """The data of an event whose attributes are in headers."""
    if "ce-datacontenttype" in delivery.headers:
        raise Invalid("there is a ce-datacontenttype", "in binary mode that is Content-Type")
    attributes = {
        name.removeprefix("ce-"): unescaped(value)
        for name, value in delivery.headers.items()
        if name.startswith("ce-") and value.strip()
    }
    checked(attributes, "the event")
    if time := attributes.get("time"):
        parse.moment(time)
    return data_of(delivery.body, content, "the event")


def checked(attributes: Mapping[str, Any], place: str) -> None:
    """Raises Invalid when a required attribute is missing, Unknown for another version and for what is no CDEvent."""
    version = attributes.get("specversion")
    if version != "1.0":
        raise Unknown(f"{place} has specversion {str(version)[:20]!r}, not 1.0")
    for name in REQUIRED:
        if not attributes.get(name):
            raise Invalid(f"{place} has no {name}")
    if not attributes["type"].startswith(("dev.cdevents.", "dev.cdeventsx.")):
        raise Unknown(f"{attributes['type'][:80]!r} is no CDEvent")


def data_of(body: bytes, content: str | None, place: str) -> Doc:
    if not is_json(content or "application/json"):
        raise Unknown(f"the data of {place} is no JSON")
    return Doc(parse.json_of(body))


def is_json(content: str) -> bool:
    return re.match(r"[\w.+-]+/(?:[\w.-]+\+)?json\s*(?:;|$)", content.strip().lower()) is not None


def from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("data_base64 is not base64") from None


def unescaped(value: str) -> str:
    """The value of a header: double quotes undone, then percent-decoded, once. Raises Invalid for bytes that are no
    UTF-8; overlong ones, too, since two spellings of one character would pass for two."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    raw = ESCAPE.sub(character, value)
    try:
        return parse.clean(raw.encode("latin-1").decode("utf-8"))
    except UnicodeError:
        raise Invalid(f"the header value {value[:60]!r} is not UTF-8") from None


def character(escape: re.Match[str]) -> str:
    if escape[1] is None:
        raise Invalid("a % in a header is not followed by two hex digits", "a % itself is %25")
    return chr(int(escape[1], 16))
