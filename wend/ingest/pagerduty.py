"""PagerDuty: incident events of webhooks v3. Every event has an id, in the signed body: that names the fact."""

from __future__ import annotations

from wend.ingest import Delivery, Heard, parse, proof
from wend.ingest.doc import Doc
from wend.ingest.telling import State, Telling

STATES: dict[str, State] = {
    "incident.triggered": "open",
    "incident.resolved": "resolved",
    "incident.reopened": "reopened",
    "incident.priority_updated": "open",
    "incident.service_updated": "open",
    "incident.acknowledged": "open",
}


class PagerDuty:
    """One event a delivery. Notes, responders and the like say nothing of delivery."""

    def genuine(self, delivery: Delivery, secret: str, now: float) -> None:
        proof.signed(delivery, secret, "x-pagerduty-signature", "v1=")

    def read(self, delivery: Delivery) -> Heard:
        event = Doc(parse.json_of(delivery.body))["event"]
        telling = Telling(delivery, event.name("id"))
        state, kind = STATES.get(event.text("event_type")), event.inner("data").maybe("type")
        if state is not None and kind == "incident":
            incident(telling, event, state)
        return telling.heard


def incident(telling: Telling, event: Doc, state: State) -> None:
    """An incident in its new state, or in the old one with a new priority or service."""
    data, at = event["data"], event.time("occurred_at")
    began = data.maybe_time("created_at")
    if state == "open" and began is not None:
        at = began  # so that an acknowledgement opens nothing anew
    service, priority = data.inner("service"), data.inner("priority")
    title = data.maybe("title")
    telling.incident(
        telling.id(data.name("id")),
        state,
        at,
        service=service.named("summary") or service.named("id"),
        opened_at=began if began is not None else at if state == "open" else None,
        resolved_at=at if state == "resolved" else None,
        cause=parse.cause(title or ""),
        severity=priority.maybe("summary") or data.maybe("urgency"),
        title=title,
        url=data.maybe("html_url"),
    )
