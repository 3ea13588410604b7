"""One small delivery of every shape that every kind of source knows, as its sender writes it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from tests.ingest_world import SECRET, SHA, mac

REPO = {"full_name": "acme/shop", "name": "shop"}
ADA = {"name": "Ada", "email": "ada@example.org", "username": "ada"}
PROJECT = {"path_with_namespace": "acme/shop", "name": "The shop"}


def github_push(*commits: dict[str, Any], **more: Any) -> dict[str, Any]:
    sender = {"login": "ada", "type": "User"}
    body = {"ref": "refs/heads/main", "before": SHA[0], "after": SHA[2], "forced": False, "sender": sender}
    return body | {"repository": REPO, "commits": list(commits)} | more


def commit(sha: str, message: str = "Add a button", **more: Any) -> dict[str, Any]:
    return {"id": sha, "message": message, "timestamp": "2026-02-20T10:00:00+01:00", "author": ADA, **more}


def github_status(state: str = "success", **more: Any) -> dict[str, Any]:
    status = {"id": 9, "state": state, "environment": "production", "created_at": "2026-02-20T12:00:00Z"}
    status |= {"updated_at": "2026-02-20T12:00:00Z", "target_url": "https://example.org/log"}
    deployment = {"id": 5, "sha": SHA[2], "ref": "main", "task": "deploy", "environment": "production", "payload": {}}
    deployment |= {"created_at": "2026-02-20T11:50:00Z", "updated_at": "2026-02-21T00:00:00Z", "description": None}
    body: dict[str, Any] = {"action": "created", "deployment_status": status, "deployment": deployment}
    for key, value in more.items():
        body[key] = {**body.get(key, {}), **value} if isinstance(value, dict) else value
    return body | {"repository": REPO}


def github_pull(**more: Any) -> dict[str, Any]:
    pull: dict[str, Any] = {"number": 7, "title": "Add a button", "body": "So that one can press it", "merged": True}
    pull |= {"merged_at": "2026-02-20T11:00:00Z", "merge_commit_sha": SHA[3], "labels": [{"name": "ui"}]}
    pull |= {"base": {"ref": "main", "sha": SHA[0]}, "head": {"ref": "button", "sha": SHA[2]}}
    pull |= {"user": {"login": "ada", "type": "User"}}
    return {"action": "closed", "number": 7, "pull_request": pull | more, "repository": REPO}


def github_issue(action: str, **more: Any) -> dict[str, Any]:
    issue: dict[str, Any] = {"number": 3, "title": "Shop is down", "body": f"Root cause: {SHA[2]}", "closed_at": None}
    issue |= {"labels": [{"name": "incident"}, {"name": "sev1"}], "created_at": "2026-02-20T12:30:00Z"}
    issue |= {"updated_at": "2026-02-20T12:40:00Z", "html_url": "https://example.org/3"}
    return {"action": action, "issue": issue | more, "repository": REPO}


def github_run(**more: Any) -> dict[str, Any]:
    run: dict[str, Any] = {"id": 77, "name": "Deploy to production", "path": ".github/workflows/deploy.yml"}
    run |= {"event": "push", "conclusion": "success", "head_sha": SHA[2], "head_branch": "main", "run_attempt": 1}
    run |= {
        "created_at": "2026-02-20T11:40:00Z",
        "updated_at": "2026-02-20T12:01:00Z",
        "html_url": "https://example.org",
    }
    return {"action": "completed", "workflow_run": run | more, "repository": REPO}


def gitlab_deployment(status: str = "success", **more: Any) -> dict[str, Any]:
    body = {"object_kind": "deployment", "status": status, "status_changed_at": "2026-02-20 13:00:00 +0100"}
    body |= {"deployment_id": 15, "deployable_id": 796, "deployable_url": "https://gitlab.example.org/a/-/jobs/796"}
    body |= {"environment": "production", "environment_tier": "production", "short_sha": SHA[2][:8], "ref": "main"}
    body |= {"commit_url": f"https://gitlab.example.org/acme/shop/-/commit/{SHA[2]}", "commit_title": "Add a button"}
    return body | {"project": PROJECT} | more


def gitlab_push(**more: Any) -> dict[str, Any]:
    body = {"object_kind": "push", "before": SHA[0], "after": SHA[2], "ref": "refs/heads/main", "project": PROJECT}
    return body | {"commits": [commit(SHA[1]), commit(SHA[2], "Hotfix: press it")]} | more


def gitlab_merge(**more: Any) -> dict[str, Any]:
    last = commit(SHA[2])
    request = {"action": "merge", "state": "merged", "merge_commit_sha": SHA[3], "last_commit": last, "iid": 1}
    request |= {"title": "Add a button", "source_branch": "button", "target_branch": "main"}
    request |= {"created_at": "2026-02-20 10:00:00 UTC", "updated_at": "2026-02-20 11:00:00 UTC"}
    return {"object_kind": "merge_request", "project": PROJECT, "object_attributes": request | more, "labels": []}


def gitlab_pipeline(*jobs: dict[str, Any], **more: Any) -> dict[str, Any]:
    run = {"id": 31, "ref": "main", "sha": SHA[2], "status": "success", "created_at": "2026-02-20 11:00:00 UTC"}
    run |= {"finished_at": "2026-02-20 12:00:00 UTC", "url": "https://gitlab.example.org/p/31"}
    return {"object_kind": "pipeline", "object_attributes": run | more, "project": PROJECT, "builds": list(jobs)}


def gitlab_job(id: int, environment: str | None, status: str = "success") -> dict[str, Any]:
    place = {"name": environment, "action": "start", "deployment_tier": "production"} if environment else None
    times = {"started_at": "2026-02-20 11:50:00 UTC", "finished_at": "2026-02-20 12:00:00 UTC"}
    return {"id": id, "stage": "deploy", "status": status, "environment": place, **times}


def gitlab_issue(action: str, **more: Any) -> dict[str, Any]:
    issue = {"iid": 23, "type": "Incident", "state": "opened", "action": action, "title": "Down", "severity": "high"}
    issue |= {"created_at": "2026-02-20T12:30:00Z", "updated_at": "2026-02-20 12:45:00 UTC", "description": "?"}
    return {"object_kind": "work_item", "project": PROJECT, "object_attributes": issue | more, "labels": []}


def argocd(*revisions: str, **more: Any) -> dict[str, Any]:
    """What the template sends after the last of these revisions was synced."""
    times = [f"2026-02-{day:02}T12:00:00Z" for day in range(1, len(revisions) + 1)]
    history = [
        {"id": number, "revision": revision, "startedAt": time}
        for number, (revision, time) in enumerate(zip(revisions, times, strict=True))
    ]
    operation = {"phase": "Succeeded", "startedAt": times[-1], "finishedAt": times[-1].replace(":00Z", ":30Z")}
    body: dict[str, Any] = {"wend": "argocd/1", "app": "shop", "namespace": "argocd", "destination": "shop-prod"}
    body |= {"repo": "https://git.example.org/acme/deploy.git", "images": [f"reg/shop@sha256:{'ab' * 32}"]}
    return body | {"operation": operation | {"revision": revisions[-1]}, "history": history} | more


def flux(**more: Any) -> dict[str, Any]:
    thing = {
        "kind": "Kustomization",
        "name": "shop",
        "namespace": "apps",
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
    }
    body: dict[str, Any] = {"involvedObject": thing, "severity": "info", "reason": "ReconciliationSucceeded"}
    body |= {"message": "Reconciliation finished", "timestamp": "2026-02-20T12:00:00Z"}
    body |= {"metadata": {"kustomize.toolkit.fluxcd.io/revision": f"main@sha1:{SHA[2]}"}}
    return body | {"reportingController": "kustomize-controller"} | more


def flagger(phase: str = "Succeeded", **more: Any) -> dict[str, Any]:
    metadata = {"eventMessage": "Promotion completed!", "eventType": "Normal", "timestamp": "1771588800123"}
    return {"name": "shop", "namespace": "prod", "phase": phase, "checksum": "85d5f8", "metadata": metadata} | more


def pagerduty(kind: str = "incident.triggered", id: str = "01E1", **more: Any) -> dict[str, Any]:
    data: dict[str, Any] = {"id": "PABC", "type": "incident", "status": "triggered", "title": "Latency is high"}
    data |= {"created_at": "2026-02-20T12:30:00Z", "service": {"id": "PS1", "summary": "shop"}, "urgency": "high"}
    data |= {"priority": {"summary": "P1"}, "html_url": "https://acme.example.org/incidents/PABC"}
    event = {"id": id, "event_type": kind, "resource_type": "incident", "occurred_at": "2026-02-20T12:30:05.169Z"}
    return {"event": event | {"data": data | more, "agent": None, "client": None}}


def jira(event: str = "jira:issue_created", kind: str = "Incident", **more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"issuetype": {"name": kind}, "created": "2026-02-20T13:30:00.000+0100", "labels": []}
    fields |= {"status": {"name": "Open", "statusCategory": {"key": "new"}}, "resolutiondate": None, "summary": "Down"}
    fields |= {"priority": {"name": "High"}, "components": [{"name": "shop"}], "description": None}
    fields |= {"reporter": {"emailAddress": "ada@example.org", "accountType": "atlassian"}}
    return {"timestamp": 1771600000123, "webhookEvent": event, "issue": {"key": "OPS-1", "fields": fields | more}}


def zendesk(kind: str = "ticket.created", id: str = "ev1", event: Any = None, **more: Any) -> dict[str, Any]:
    detail: dict[str, Any] = {"id": "35436", "status": "OPEN", "created_at": "2026-02-20T12:00:00Z", "subject": "How?"}
    detail |= {"updated_at": "2026-02-20T12:00:00Z", "tags": ["builds", "team:payments"], "via": {"channel": "web"}}
    body = {"type": f"zen:event-type:{kind}", "id": id, "time": "2026-02-20T12:00:01Z", "account_id": 1}
    return body | {"subject": "zen:ticket:35436", "detail": detail | more, "event": event or {}}


def devlake(**more: Any) -> dict[str, Any]:
    one = {"repoUrl": "https://git.example.org/acme/shop", "commitSha": SHA[2], "refName": "main"}
    body = {"id": "release-7", "result": "SUCCESS", "environment": "PRODUCTION", "deploymentCommits": [one]}
    times = {"startedDate": "2026-02-20T11:50:00+00:00", "finishedDate": "2026-02-20T12:00:00+00:00"}
    return {**body, **times, **more}


def cdevent(type: str = "service.deployed.0.3.0", id: str = "e1", subject: str = "shop", **more: Any) -> dict[str, Any]:
    full = type if type.startswith("dev.") else f"dev.cdevents.{type}"
    context = {"specversion": "0.5.1", "id": id, "source": "/ci", "type": full, "timestamp": "2026-02-20T12:00:00Z"}
    content: dict[str, Any] = {"environment": {"id": "production"}, "artifactId": "pkg:oci/shop@sha256%3Aab"}
    body: dict[str, Any] = {"context": context, "subject": {"id": subject, "content": content}}
    for key, value in more.items():
        where = context if key in ("chainId", "links") else body if key == "customData" else body["subject"]
        where[key] = value
    return body


def enveloped(event: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The CDEvent in a CloudEvent, structured."""
    context = event["context"]
    envelope = {"specversion": "1.0", "id": context["id"], "source": context["source"], "type": context["type"]}
    return envelope | {"subject": event["subject"]["id"], "time": context["timestamp"], "data": event} | more


def binary(event: dict[str, Any], **more: str) -> dict[str, str]:
    """The headers of the CloudEvent that carries this CDEvent in binary mode."""
    context = event["context"]
    attributes = {"specversion": "1.0", "id": context["id"], "source": context["source"], "type": context["type"]}
    return {f"ce-{name}": value for name, value in (attributes | more).items()}


CSV = "incident,opened,resolved,service\nI-1,2026-02-20T12:00:00Z,2026-02-20T13:00:00Z,shop\n"
BATCH = {"content-type": "application/cloudevents-batch+json; charset=utf-8"}

SAMPLES: dict[str, tuple[str, dict[str, str], Any]] = {
    "github push": ("github", {"x-github-event": "push"}, github_push(commit(SHA[1]), commit(SHA[2]))),
    "github pull request": ("github", {"x-github-event": "pull_request"}, github_pull()),
    "github deployment": ("github", {"x-github-event": "deployment_status"}, github_status()),
    "github workflow": ("github", {"x-github-event": "workflow_run"}, github_run()),
    "github issue": ("github", {"x-github-event": "issues"}, github_issue("opened")),
    "gitlab push": ("gitlab", {"x-gitlab-event": "Push Hook"}, gitlab_push()),
    "gitlab merge": ("gitlab", {"x-gitlab-event": "Merge Request Hook"}, gitlab_merge()),
    "gitlab deployment": ("gitlab", {"x-gitlab-event": "Deployment Hook"}, gitlab_deployment()),
    "gitlab pipeline": ("gitlab", {"x-gitlab-event": "Pipeline Hook"}, gitlab_pipeline(gitlab_job(796, "production"))),
    "gitlab incident": ("gitlab", {"x-gitlab-event": "Issue Hook"}, gitlab_issue("open")),
    "argocd": ("argocd", {}, argocd(SHA[1], SHA[2], SHA[1])),
    "flux": ("flux", {}, flux()),
    "flagger": ("flagger", {}, flagger()),
    "pagerduty": ("pagerduty", {}, pagerduty()),
    "jira incident": ("jira", {}, jira()),
    "jira ticket": ("jira", {}, jira(kind="[System] Service request")),
    "zendesk": ("zendesk", {}, zendesk()),
    "devlake deployment": ("devlake", {}, devlake()),
    "devlake issue": ("devlake", {}, {"issueKey": "X-1", "title": "Down", "createdDate": "2026-02-20T12:00:00Z"}),
    "cdevent": ("cloudevents", {}, cdevent()),
    "cdevent structured": ("cloudevents", {"content-type": "application/cloudevents+json"}, enveloped(cdevent())),
    "cdevent binary": ("cloudevents", binary(cdevent()), cdevent()),
    "cdevents batched": ("cloudevents", BATCH, [enveloped(cdevent(id="a")), enveloped(cdevent(id="b"))]),
    "csv": ("csv", {"content-type": "text/csv"}, CSV.encode()),
}


def bearer(body: bytes, now: float) -> dict[str, str]:
    return {"authorization": f"Bearer {SECRET}"}


def stamped(body: bytes, now: float) -> dict[str, str]:
    time = str(int(now))
    return {"x-wend-signature": f"t={time},v1={mac(time.encode() + b'.' + body)}"}


def zendesk_signed(body: bytes, now: float) -> dict[str, str]:
    from datetime import UTC, datetime

    time = datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    signature = base64.b64encode(bytes.fromhex(mac(time.encode() + body))).decode()
    return {"x-zendesk-webhook-signature": signature, "x-zendesk-webhook-signature-timestamp": time}


OURS = ("cloudevents", "argocd", "flux", "flagger", "jira", "devlake", "csv")
Signer = Callable[[bytes, float], dict[str, str]]
SIGNERS: dict[str, tuple[tuple[str, ...], Signer]] = {
    "github": (("github",), lambda body, now: {"x-hub-signature-256": f"sha256={mac(body)}"}),
    "gitlab": (("gitlab",), lambda body, now: {"x-gitlab-token": SECRET}),
    "pagerduty": (("pagerduty",), lambda body, now: {"x-pagerduty-signature": f"v1={'0' * 64},v1={mac(body)}"}),
    "zendesk": (("zendesk",), zendesk_signed),
    "jira": (("jira",), lambda body, now: {"x-hub-signature": f"sha256={mac(body)}"}),
    "flux": (("flux",), lambda body, now: {"x-signature": f"sha256={mac(body)}"}),
    "bearer": (OURS, bearer),
    "token": (OURS, lambda body, now: {"x-wend-token": SECRET}),
    "stamped": (OURS, stamped),
}


def raw(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()
