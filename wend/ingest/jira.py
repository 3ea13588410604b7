"""Jira: incidents and support tickets among the issues of its webhooks.

The signature covers the body alone, not `X-Atlassian-Webhook-Identifier`; so a fact is named by what it says.
"""

from __future__ import annotations

import re
from typing import Any

from wend.ingest import Delivery, Heard, parse, proof
from wend.ingest.doc import Doc
from wend.ingest.telling import State, Telling

INCIDENT = re.compile(r"\b(incident|outage)\b", re.IGNORECASE)
SUPPORT = re.compile(r"\b(support|service request|question|help)\b", re.IGNORECASE)
EVENTS = ("jira:issue_created", "jira:issue_updated", "jira:issue_deleted")


class Jira:
    """An issue is an incident when its type or a label says so, and a ticket when its type is one of a service desk
    or a label or component is `platform`; other issues say nothing."""

    def genuine(self, delivery: Delivery, secret: str, now: float) -> None:
        if "x-hub-signature" in delivery.headers:
            return proof.signed(delivery, secret, "x-hub-signature", "sha256=")
        return proof.ours(delivery, secret, now)

    def read(self, delivery: Delivery) -> Heard:
        body = Doc(parse.json_of(delivery.body))
        telling = Telling(delivery)
        if body.text("webhookEvent") in EVENTS:
            issue(telling, body)
        return telling.heard


def issue(telling: Telling, body: Doc) -> None:
    key, fields = body["issue"].name("key"), body["issue"]["fields"]
    labels, kind = fields.words("labels"), fields.inner("issuetype").maybe("name") or ""
    components = [part.name("name") for part in fields.list("components")]
    state, at = state_of(body, fields)
    began = fields.time("created")
    ended = at if state == "resolved" else None
    if INCIDENT.search(kind) or parse.labelled(labels, "incident"):
        text = fields.maybe("description") or ""
        telling.incident(
            telling.id(key),
            state,
            at,
            service=parse.label(labels, "service") or next(iter(components), None),
            environment=parse.label(labels, "environment"),
            opened_at=began,
            resolved_at=ended,
            cause=parse.cause(text),
            severity=parse.severity(labels) or fields.inner("priority").maybe("name"),
            title=fields.maybe("summary"),
        )
        return
    platform = parse.labelled([*labels, *components], "platform")
    if platform or SUPPORT.search(kind):
        telling.ticket(
            telling.id(key),
            state,
            at,
            opened_at=began,
            resolved_at=ended,
            reason=parse.label(labels, "reason")
            or next((one for one in components if one.lower() != "platform"), None),
            team=parse.label(labels, "team"),
            platform=not parse.labelled(labels, "not-platform"),
            automatic=is_automatic(telling, fields),
            title=fields.maybe("summary"),
        )


def state_of(body: Doc, fields: Doc) -> tuple[State, int]:
    """The state an issue is in and when that began. Only a change of its resolution opens it anew: an edit says the
    same again."""
    if body.text("webhookEvent") == "jira:issue_deleted":
        return "retracted", body.time("timestamp")
    resolved = fields.maybe_time("resolutiondate")
    if resolved is not None:
        return "resolved", resolved
    items = body.inner("changelog").list("items")
    if any(item.maybe("field") == "resolution" and item.maybe("from") and not item.maybe("to") for item in items):
        return "reopened", body.time("timestamp")
    if fields.inner("status").inner("statusCategory").maybe("key") == "done":
        return "resolved", fields.maybe_time("statuscategorychangedate") or body.time("timestamp")
    return "open", fields.time("created")


def is_automatic(telling: Telling, fields: Doc) -> bool:
    reporter = fields.inner("reporter")
    names: list[Any] = [reporter.maybe(key) for key in ("emailAddress", "name", "accountId", "displayName")]
    return reporter.maybe("accountType") == "app" or telling.bot(*names)
