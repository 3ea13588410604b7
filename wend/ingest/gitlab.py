"""GitLab: push, merge request, deployment, pipeline and issue hooks of projects and groups.

Neither `X-Gitlab-Event-UUID` (hooks that set off each other share one) nor any other header is proven with the body; so
a fact is named by what it says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from wend.ingest import Delivery, Heard, Unknown, parse, proof
from wend.ingest.doc import Doc, touched
from wend.ingest.telling import Outcome, Telling

OUTCOMES: dict[str, Outcome] = {
    "success": "success",
    "failed": "failure",
    "canceled": "cancelled",
    "running": "running",
}


class GitLab:
    """Reads by `object_kind`; hooks it has no use for say nothing."""

    def genuine(self, delivery: Delivery, secret: str, now: float) -> None:
        proof.token(delivery, secret, "x-gitlab-token")

    def read(self, delivery: Delivery) -> Heard:
        body = Doc(parse.json_of(delivery.body))
        kind = body.maybe("object_kind") or body.text("event_name")
        if "x-gitlab-event" not in delivery.headers:
            raise Unknown("there is no X-Gitlab-Event, so this does not come from GitLab")
        telling = Telling(delivery)
        if kind in READERS:
            READERS[kind](telling, body)
        return telling.heard


def repo_of(body: Doc) -> str:
    return body["project"].name("path_with_namespace")


def service_of(body: Doc) -> str:
    """The last part of the project's path: its name is free text, and may change."""
    return repo_of(body).rpartition("/")[2]


# ---------------------------------------------------------------------------------------------- changes


def push(telling: Telling, body: Doc) -> None:
    """The commits of a push to a branch, at most the newest 20. Parents are not told: each is taken to follow the one
    before it, and the first what the branch was at before."""
    repo, ref = repo_of(body), body.text("ref")
    if not ref.startswith("refs/heads/"):
        return
    before = body.sha("before")
    for one in body.list("commits"):
        commit, message, author = one.commit("id"), one.maybe("message") or "", identity(one.inner("author"))
        telling.change(
            repo,
            commit,
            one.time("timestamp"),
            parents=[before],
            author=author,
            merge=parse.merges(message),
            purpose=parse.purpose(message, ref),
            reverts=parse.reverts(message),
            bot=is_bot(telling, author),
            folders=touched(one),
        )
        before = commit


def identity(person: Doc) -> str | None:
    """An e-mail address or login; GitLab hides addresses that are not public."""
    email = person.maybe("email")
    return email if email and email != "[REDACTED]" else person.maybe("username") or person.maybe("name")


def is_bot(telling: Telling, identity: str | None) -> bool:
    """GitLab names the users behind access tokens project_12_bot_ab34 and group_12_bot_ab34."""
    login = (identity or "").partition("@")[0]
    return telling.bot(identity, login) or ("_bot_" in login and login.startswith(("project_", "group_")))


def merge_request(telling: Telling, body: Doc) -> None:
    """A merged request: the commit it ended in, which carries what its branch held. When that is the branch's own last
    commit (fast-forward), it joins nothing and is a change like others."""
    request = body["object_attributes"]
    id = telling.id(repo_of(body), "merge", request.text("iid"))
    if request.maybe("action") in ("approved", "approval"):
        telling.review(id, repo_of(body), reviewed_at=request.time("updated_at"))
    if request.maybe("action") != "merge":
        return
    head = request["last_commit"]
    last = head.commit("id")
    ended = request.sha("merge_commit_sha") or request.sha("squash_commit_sha") or last
    text = f"{request.maybe('title') or ''}\n{request.maybe('description') or ''}"
    author = identity(head.inner("author"))
    merged = request.maybe_time("merged_at") or request.time("updated_at")
    telling.change(
        repo_of(body),
        ended,
        merged if ended != last else head.time("timestamp"),
        parents=[last],
        author=author,
        merge=ended != last,
        purpose=parse.purpose(text, request.maybe("source_branch") or "", labels_of(body)),
        reverts=parse.reverts(text),
        bot=is_bot(telling, author),
    )
    opened = request.maybe_time("created_at")
    telling.review(id, repo_of(body), opened_at=opened, merged_at=merged, commit=ended, head=last)


def labels_of(body: Doc) -> list[str]:
    return [label.text("title") for label in body.list("labels")]


# ---------------------------------------------------------------------------------------------- deployments


def deployment(telling: Telling, body: Doc) -> None:
    """One deployment to one environment. The full commit is only in the address of its page."""
    outcome = OUTCOMES.get(body.text("status"))
    if outcome is None:
        return
    at, environment = body.time("status_changed_at"), body.name("environment")
    job = last_part(body.maybe("deployable_url")) if body.maybe("deployable_url") else None
    telling.deployment(
        telling.id(repo_of(body), *(["job", job] if job else ["deployment", body.text("deployment_id")])),
        service_of(body),
        environment,
        outcome,
        tier=tier_of(body.maybe("environment_tier"), environment),
        purpose=purpose_of(body.maybe("commit_title") or "", body.maybe("ref") or ""),
        repo=repo_of(body),
        commit=parse.sha(last_part(body.maybe("commit_url"))),
        started_at=at if outcome == "running" else None,
        finished_at=None if outcome == "running" else at,
        url=body.maybe("deployable_url"),
    )


def last_part(address: str | None) -> str:
    return (address or "").partition("?")[0].rstrip("/").rpartition("/")[2]


def tier_of(said: str | None, environment: str) -> parse.Tier:
    """The tier GitLab names, else the one that the environment's name tells."""
    named: list[parse.Tier] = [tier for tier in (*parse.TIERS, "other") if tier == said]
    return named[0] if named else parse.tier(environment)


def purpose_of(title: str, ref: str) -> Literal["planned", "rollback", "hotfix"]:
    return "hotfix" if parse.purpose(title, ref) == "hotfix" else "planned"


def pipeline(telling: Telling, body: Doc) -> None:
    """The finished jobs of a pipeline that deploy somewhere. They have the ids that deployment hooks give them, so who
    sends both counts nothing twice."""
    run, repo = body["object_attributes"], repo_of(body)
    ref, title = run.maybe("ref") or "", body.inner("commit").maybe("message") or ""
    for job in body.list("builds"):
        place = job.inner("environment")
        environment, outcome = place.named("name"), OUTCOMES.get(job.maybe("status") or "", "running")
        ended = job.maybe_time("finished_at")
        if not environment or place.maybe("action") not in (None, "start") or outcome == "running" or ended is None:
            continue
        telling.deployment(
            telling.id(repo, "job", job.text("id")),
            service_of(body),
            environment,
            outcome,
            tier=tier_of(place.maybe("deployment_tier"), environment),
            purpose=purpose_of(title, ref),
            repo=repo,
            commit=run.sha("sha"),
            started_at=job.maybe_time("started_at"),
            finished_at=ended,
            url=run.maybe("url"),
        )


# ---------------------------------------------------------------------------------------------- incidents


def issue(telling: Telling, body: Doc) -> None:
    """An incident, or an issue labelled so. Editing one says the same again, so nothing is counted twice."""
    issue = body["object_attributes"]
    labels = labels_of(body) or [label.text("title") for label in issue.list("labels")]
    before = [label.text("title") for label in body.inner("changes").inner("labels").list("previous")]
    kinds = {(issue.maybe("type") or "").lower(), (issue.maybe("issue_type") or "").lower(), body.maybe("object_kind")}
    is_one = "incident" in kinds or parse.labelled(labels, "incident")
    if not is_one and not parse.labelled(before, "incident"):
        return
    began, changed = issue.time("created_at"), issue.time("updated_at")
    closed = issue.maybe_time("closed_at") or (changed if issue.maybe("action") == "close" else None)
    state, at = ("resolved", closed) if closed and issue.maybe("state") == "closed" else ("open", began)
    if issue.maybe("action") == "reopen":
        state, at = "reopened", changed
    if not is_one:
        state, at = "retracted", changed
    telling.incident(
        telling.id(repo_of(body), "issue", issue.text("iid")),
        state,
        at,
        service=parse.label(labels, "service") or service_of(body),
        opened_at=began,
        resolved_at=closed if state == "resolved" else None,
        cause=parse.cause(issue.maybe("description") or ""),
        severity=parse.severity(labels) or severity_of(issue),
        title=issue.maybe("title"),
        url=issue.maybe("url"),
    )


def severity_of(issue: Doc) -> str | None:
    said = (issue.maybe("severity") or "unknown").lower()
    return None if said == "unknown" else said


READERS: dict[str, Callable[[Telling, Doc], None]] = {
    "push": push,
    "merge_request": merge_request,
    "deployment": deployment,
    "pipeline": pipeline,
    "issue": issue,
    "work_item": issue,
    "incident": issue,
}
