"""Zendesk: ticket events, and the body of the trigger of docs/ingest.md.

An event has an id in the signed body, which names the fact; what a trigger sends is named by what it says.
"""

from __future__ import annotations

from wend.ingest import Delivery, Heard, Unknown, parse, proof
from wend.ingest.doc import Doc
from wend.ingest.telling import State, Telling

DONE = ("solved", "closed")
STATUSES = (*DONE, "new", "open", "pending", "hold", "deleted")
GONE = ("soft_deleted", "permanently_deleted", "marked_as_spam", "merged")
BACK = ("undeleted",)
MACHINES = ("api", "rule", "monitor_event", "system")


class Zendesk:
    """Every ticket that is sent here is one about the platform, unless it is tagged `not-platform`."""

    def genuine(self, delivery: Delivery, secret: str, now: float) -> None:
        proof.zendesk(delivery, secret, now)

    def read(self, delivery: Delivery) -> Heard:
        body = Doc(parse.json_of(delivery.body))
        kind = body.maybe("type") or ""
        if kind.startswith("zen:event-type:ticket."):
            telling = Telling(delivery, body.name("id"))
            ticket(telling, body["detail"], body.time("time"), kind.removeprefix("zen:event-type:ticket."), body)
        elif kind.startswith("zen:event-type:"):
            telling = Telling(delivery)
        elif "ticket_id" in body:
            telling = Telling(delivery)
            fields = {**body.fields, "id": body.text("ticket_id"), "tags": (body.maybe("tags") or "").split()}
            ticket(telling, Doc(fields), body.time("updated_at"), "", Doc({}))
        else:
            raise Unknown("this is neither an event of Zendesk's nor the trigger of docs/ingest.md")
        return telling.heard


def ticket(telling: Telling, detail: Doc, at: int, event: str, body: Doc) -> None:
    """A ticket as it is now. Whether it was opened again shows only in the event that says its status changed."""
    status, began, tags = detail.text("status").lower(), detail.time("created_at"), detail.words("tags")
    if status not in STATUSES:
        raise Unknown(f"the status {status[:60]!r} is none of Zendesk's")
    before = (body.inner("event").maybe("previous") or "").lower()
    state: State = "resolved" if status in DONE else "open"
    if state == "open" and before in DONE and event == "status_changed":
        state = "reopened"
    if event in GONE or status == "deleted":
        state = "retracted"
    if state == "resolved" and event not in ("status_changed", "created", ""):
        return  # a tag on a solved ticket: it does not say when it was solved
    telling.ticket(
        telling.id(detail.text("id")),
        state,
        began if state == "open" else at,
        opened_at=began,
        resolved_at=at if state == "resolved" else None,
        reason=parse.label(tags, "reason") or reason_of(tags),
        team=parse.label(tags, "team"),
        platform=not parse.labelled(tags, "not-platform"),
        automatic=detail.inner("via").maybe("channel") in MACHINES or detail.maybe("channel") in MACHINES,
        title=detail.maybe("subject"),
    )


def reason_of(tags: list[str]) -> str | None:
    """The first tag that is no key and value."""
    return next((tag for tag in tags if tag != "not-platform" and not any(mark in tag for mark in ":/=")), None)
