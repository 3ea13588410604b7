"""Argo CD: what the notification template of docs/ingest.md sends when a sync has ended.

Argo's own on-deployed trigger fires once per revision, so going back to an older one sends nothing; ours fires once per
operation. It sends the history too: that tells a rollback from a deployment. Nothing in it is an id of a delivery, so a
fact is named by what it says.
"""

from __future__ import annotations

from wend.ingest import Delivery, Heard, Unknown, parse, proof
from wend.ingest.doc import Doc
from wend.ingest.telling import Outcome, Telling

OUTCOMES: dict[str, Outcome] = {"Succeeded": "success", "Failed": "failure", "Error": "failure"}
SHAPE = "argocd/1"


class ArgoCD:
    """One application, at the end of an operation."""

    def genuine(self, delivery: Delivery, secret: str, now: float) -> None:
        proof.ours(delivery, secret, now)

    def read(self, delivery: Delivery) -> Heard:
        body = Doc(parse.json_of(delivery.body))
        if body.maybe("wend") != SHAPE:
            raise Unknown(f'"wend" is not "{SHAPE}": this is another template than that of docs/ingest.md')
        telling = Telling(delivery)
        operation = body["operation"]
        outcome = OUTCOMES.get(operation.text("phase"))
        if outcome is not None:
            deployment(telling, body, operation, outcome)
        return telling.heard


def deployment(telling: Telling, body: Doc, operation: Doc, outcome: Outcome) -> None:
    """A sync that ended. One that brought no new entry into the history applied some resources again, as self-healing
    does all day; that is no deployment."""
    app, history = body.name("app"), body.list("history")
    ended, began = operation.time("finishedAt"), operation.time("startedAt")
    own = [body.named("namespace") or "argocd", app]
    here = [*own, "at", str(ended)]
    before: Doc | None = None
    rollback = False
    if outcome == "success" and history:
        if history[-1].maybe_time("startedAt") not in (None, began):
            return
        here = [*own, history[-1].text("id")]
        before = history[-2] if len(history) > 1 else None
        rollback = is_rollback([entry.maybe("revision") for entry in history])
    environment = environment_of(body)
    telling.deployment(
        telling.id(*here),
        body.named("service") or app,
        environment,
        outcome,
        purpose="rollback" if rollback else "planned",
        repo=parse.repository(body.text("repo")) if "repo" in body else None,
        commit=body.sha("commit") or operation.sha("revision"),
        artifact=artifact_of(body),
        started_at=began,
        finished_at=ended,
        undoes=telling.id(*own, before.text("id")) if rollback and before else None,
        url=body.maybe("url"),
    )


def is_rollback(revisions: list[str | None]) -> bool:
    """Whether the last revision was there earlier, with another in between."""
    last = revisions[-1]
    return last is not None and len(revisions) > 2 and last != revisions[-2] and last in revisions[:-2]


def environment_of(body: Doc) -> str:
    """The one the application says, else a namespace, cluster or name that sounds like one, else production."""
    said = body.named("environment")
    names = [body.maybe(key) for key in ("destination", "cluster", "app")]
    return said or next((name for name in names if name and parse.tier(name) != "other"), "production")


def artifact_of(body: Doc) -> str | None:
    """The image it runs, when there is just one with a digest."""
    found = {url for image in body.words("images") if (url := parse.purl(image))}
    return found.pop() if len(found) == 1 else None
