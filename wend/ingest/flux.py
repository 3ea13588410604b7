"""Flux: events of its notification controller about Kustomizations and HelmReleases.

Flux sends an event again whenever it reconciles, and drops what repeats within five minutes; so a deployment is one
revision of one object, and a fact is named by the two and the outcome. Only the first time counts.
"""

from __future__ import annotations

import re

from wend.ingest import Delivery, Heard, Unknown, parse, proof
from wend.ingest.doc import Doc
from wend.ingest.telling import Outcome, Telling

KINDS = ("Kustomization", "HelmRelease")
GOOD = frozenset(["ReconciliationSucceeded", "InstallSucceeded", "UpgradeSucceeded", "RollbackSucceeded"])
WAITING = frozenset(["DependencyNotReady", "Progressing"])
COMMIT = re.compile(r"(?:^|[@/])(?:sha1:)?([0-9a-f]{40})$")
RELEASE = re.compile(r"\brelease \S+\.(v\d+)\b")


class Flux:
    """One event a delivery. `X-Signature`, of a provider of type generic-hmac, is taken too."""

    def genuine(self, delivery: Delivery, secret: str, now: float) -> None:
        if "x-signature" in delivery.headers:
            return proof.signed(delivery, secret, "x-signature", "sha256=")
        return proof.ours(delivery, secret, now)

    def read(self, delivery: Delivery) -> Heard:
        event = Doc(parse.json_of(delivery.body))
        thing, reason, severity = event["involvedObject"], event.text("reason"), event.text("severity")
        telling = Telling(delivery)
        if severity not in ("info", "error", "trace"):
            raise Unknown(f"the severity {severity[:60]!r} is none of Flux's")
        outcome = outcome_of(severity, reason)
        if outcome is not None and thing.text("kind") in KINDS:
            deployment(telling, event, thing, outcome)
        return telling.heard


def outcome_of(severity: str, reason: str) -> Outcome | None:
    if severity == "error":
        return None if reason in WAITING else "failure"
    return "success" if reason in GOOD else None


def deployment(telling: Telling, event: Doc, thing: Doc, outcome: Outcome) -> None:
    metadata, at = event.inner("metadata"), event.time("timestamp")
    revision = said(metadata, "revision") or ""
    name, namespace = thing.name("name"), thing.named("namespace") or "default"
    back = event.text("reason") == "RollbackSucceeded"
    release = RELEASE.search(event.maybe("message") or "")
    parts = [namespace, thing.text("kind"), name, revision or str(at), *([release[1]] if release else [])]
    environment = environment_of(metadata, namespace, name)
    commits = (commit_of(text) for text in (said(metadata, "commit"), said(metadata, "originRevision"), revision))
    telling.deployment(
        telling.id(*parts, *(["rollback"] if back else [])),
        said(metadata, "service") or name,
        environment,
        outcome,
        purpose="rollback" if back else "planned",
        commit=next((commit for commit in commits if commit), None),
        artifact=parse.purl(said(metadata, "image")),
        finished_at=at,
        call=parse.digest([*parts, back, outcome]),
    )


def said(metadata: Doc, key: str) -> str | None:
    """A value of the metadata, whose keys may stand behind the name of an API group."""
    for name in metadata.fields:
        if name == key or name.endswith(f"/{key}"):
            return metadata.named(name)
    return None


def commit_of(revision: str | None) -> str | None:
    """The commit in "main@sha1:…", or "main/…" of older versions. A sha256 is that of an OCI artifact."""
    found = COMMIT.search((revision or "").lower())
    return parse.sha(found[1]) if found else None


def environment_of(metadata: Doc, *names: str) -> str:
    """The one in the alert's eventMetadata, else a namespace or name that sounds like one, else production."""
    stated = said(metadata, "environment") or said(metadata, "env") or said(metadata, "cluster")
    return stated or next((name for name in names if parse.tier(name) != "other"), "production")
