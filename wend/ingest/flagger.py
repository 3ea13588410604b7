"""Flagger: the event webhook of a canary.

Every event of one rollout has the same checksum, that of what is rolled out; a deployment is one checksum of one
canary, and a fact is named by the two and the outcome.
"""

from __future__ import annotations

from wend.ingest import Delivery, Heard, Unknown, parse, proof
from wend.ingest.doc import Doc
from wend.ingest.telling import Outcome, Telling

OUTCOMES: dict[str, Outcome | None] = {
    "Initializing": None,
    "Initialized": None,
    "Waiting": None,
    "WaitingPromotion": None,
    "Terminating": None,
    "Terminated": None,
    "Progressing": "running",
    "Promoting": "running",
    "Finalising": "running",
    "Succeeded": "success",
    "Failed": "failure",
}


class Flagger:
    """One event a delivery. A canary that failed was taken back by Flagger: its deployment failed."""

    def genuine(self, delivery: Delivery, secret: str, now: float) -> None:
        proof.ours(delivery, secret, now)

    def read(self, delivery: Delivery) -> Heard:
        body = Doc(parse.json_of(delivery.body))
        phase = body.text("phase")
        if phase not in OUTCOMES:
            raise Unknown(f"the phase {phase[:60]!r} is none of Flagger's")
        telling, outcome = Telling(delivery), OUTCOMES[phase]
        if outcome is not None:
            deployment(telling, body, outcome)
        return telling.heard


def deployment(telling: Telling, body: Doc, outcome: Outcome) -> None:
    name, namespace, metadata = body.name("name"), body.name("namespace"), body["metadata"]
    parts, at = [namespace, name, body.name("checksum")], metadata.time("timestamp")
    stated = metadata.named("environment")
    telling.deployment(
        telling.id(*parts),
        metadata.named("service") or name,
        stated or next((one for one in (namespace, name) if parse.tier(one) != "other"), "production"),
        outcome,
        commit=metadata.sha("commit"),
        started_at=at if outcome == "running" else None,
        finished_at=None if outcome == "running" else at,
        call=parse.digest([*parts, outcome]),
    )
