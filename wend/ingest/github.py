"""GitHub: pushes, pull requests, deployment statuses, workflow runs, and issues labelled as incidents.

The signature covers the body alone, not `X-GitHub-Delivery`; so a fact is named by what it says, and a captured
delivery sent again under another id still changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal
from urllib.parse import parse_qs

from wend.ingest import Delivery, Heard, Unknown, parse, proof
from wend.ingest.doc import Doc, touched
from wend.ingest.telling import Outcome, Telling

OUTCOMES: dict[str, Outcome] = {
    "success": "success",
    "failure": "failure",
    "error": "failure",
    "in_progress": "running",
}  # inactive says that a later one took its place, and pending, queued and waiting that nothing happened yet
CONCLUSIONS: dict[str, Outcome] = {
    "success": "success",
    "failure": "failure",
    "timed_out": "failure",
    "startup_failure": "failure",
    "cancelled": "cancelled",
}
NOREPLY = re.compile(r"(?:\d+\+)?([^@+]+)@users\.noreply\.github\.com", re.IGNORECASE)


class GitHub:
    """Reads by `X-GitHub-Event`; events it has no use for say nothing."""

    def genuine(self, delivery: Delivery, secret: str, now: float) -> None:
        proof.signed(delivery, secret, "x-hub-signature-256", "sha256=")

    def read(self, delivery: Delivery) -> Heard:
        event = delivery.headers.get("x-github-event", "")
        body = Doc(parse.json_of(unwrapped(delivery)))
        if not event:
            raise Unknown("there is no X-GitHub-Event, so this does not come from GitHub")
        telling = Telling(delivery)
        if event in READERS:
            READERS[event](telling, body)
        return telling.heard


def unwrapped(delivery: Delivery) -> bytes:
    """The JSON, also out of the form that GitHub sends when nobody chose a content type."""
    if not delivery.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return delivery.body
    try:
        found = parse_qs(delivery.body.decode("ascii"), strict_parsing=True, max_num_fields=1, errors="strict")
    except ValueError:
        found: dict[str, list[str]] = {}
    if "payload" not in found:
        raise Unknown("a form without a payload", "choose the content type application/json")
    return found["payload"][0].encode()


# ---------------------------------------------------------------------------------------------- changes


def push(telling: Telling, body: Doc) -> None:
    """The commits of a push to a branch. The payload names no parents, but is in order: each is taken to follow the one
    before it, and the first what the branch was at before, unless the push was forced."""
    repo, ref = body["repository"].name("full_name"), body.text("ref")
    if not ref.startswith("refs/heads/"):
        return
    before = None if body.truth("forced") else body.sha("before")
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
            bot=telling.bot(author, one.inner("author").maybe("username"))
            or (author is None and is_bot(telling, body.inner("sender"))),
            folders=touched(one),
        )
        before = commit


def identity(author: Doc) -> str | None:
    """Who wrote a commit: the e-mail address, or the login when the address is GitHub's stand-in for it."""
    email = author.maybe("email")
    if email and (match := NOREPLY.fullmatch(email)):
        return match[1]
    return email or author.maybe("username") or author.maybe("login") or author.maybe("name")


def is_bot(telling: Telling, account: Doc) -> bool:
    return account.maybe("type") == "Bot" or telling.bot(account.maybe("login"))


def pull_request(telling: Telling, body: Doc) -> None:
    """A merged pull request: the commit it ended in, which carries what its branch held however it was merged."""
    pull = body["pull_request"]
    if body.text("action") != "closed" or not pull.truth("merged"):
        return
    text = f"{pull.maybe('title') or ''}\n{pull.maybe('body') or ''}"
    labels = [label.text("name") for label in pull.list("labels")]
    telling.change(
        body["repository"].name("full_name"),
        pull.commit("merge_commit_sha"),
        pull.time("merged_at"),
        parents=[pull["base"].sha("sha"), pull["head"].sha("sha")],
        author=pull.inner("user").maybe("login"),
        merge=True,
        purpose=parse.purpose(text, pull["head"].maybe("ref") or "", labels),
        reverts=parse.reverts(text),
        bot=is_bot(telling, pull.inner("user")),
    )
    repo, merged = body["repository"].name("full_name"), pull.time("merged_at")
    own = pull.maybe("commits")
    telling.review(
        pull_of(telling, repo, pull),
        repo,
        opened_at=pull.maybe_time("created_at"),
        merged_at=merged,
        commit=pull.commit("merge_commit_sha"),
        head=pull["head"].sha("sha"),
        own=int(own) if own and own.isascii() and own.isdigit() and len(own) < 6 else None,
    )


def pull_of(telling: Telling, repo: str, pull: Doc) -> str:
    return telling.id(repo, "pull", pull.text("number"))


def pull_request_review(telling: Telling, body: Doc) -> None:
    """Somebody else's first word on a pull request; who it was goes no further."""
    review, pull = body["review"], body["pull_request"]
    if body.text("action") != "submitted" or review.maybe("state") == "pending":
        return
    mine, theirs = pull.inner("user").maybe("login"), review.inner("user").maybe("login")
    if mine == theirs or is_bot(telling, review.inner("user")):
        return
    repo = body["repository"].name("full_name")
    telling.review(pull_of(telling, repo, pull), repo, reviewed_at=review.time("submitted_at"))


# ---------------------------------------------------------------------------------------------- deployments


def deployment_status(telling: Telling, body: Doc) -> None:
    """An outcome, at the time the status was made: that of the deployment itself moves when a later one replaces it."""
    status, deployment = body["deployment_status"], body["deployment"]
    outcome = OUTCOMES.get(status.text("state"))
    if outcome is None:
        return
    repo = body["repository"].name("full_name")
    own = body["repository"].name("name")
    service = service_of(deployment) or own
    environment = status.named("environment") or deployment.name("environment")
    tier = tier_of(deployment, environment)
    at, commit = status.time("created_at"), deployment.sha("sha")
    run = body.inner("workflow_run").maybe("id")
    name = ["run", run] if run else ["deployment", deployment.text("id")]
    telling.deployment(
        telling.id(repo, *name, *beside(tier, service, own)),
        service,
        environment,
        outcome,
        tier=tier,
        purpose=purpose_of(deployment),
        repo=repo,
        commit=commit,
        started_at=deployment.time("created_at"),
        finished_at=None if outcome == "running" else at,
        url=status.maybe("target_url") or status.maybe("log_url"),
    )


def beside(tier: str, service: str, own: str) -> list[str]:
    """What tells deployments of one workflow run apart that are not parts of one: another tier, another service."""
    return [*([] if service == own else [service]), *([] if tier == "production" else [tier])]


def service_of(deployment: Doc) -> str | None:
    """The service or app that a deployment's own payload names; it may be JSON in a text."""
    payload = deployment.inner("payload")
    text = deployment.maybe("payload") or ""
    if text.startswith("{"):
        payload = Doc(parse.json_of(text.encode()), "deployment.payload")
    return payload.named("service") or payload.named("app")


def tier_of(deployment: Doc, environment: str) -> parse.Tier:
    """By the environment's name; GitHub's own flags decide where that says nothing."""
    tier = parse.tier(environment)
    if tier == "other" and deployment.truth("production_environment"):
        return "production"
    return "development" if tier == "other" and deployment.truth("transient_environment") else tier


def purpose_of(deployment: Doc) -> Literal["planned", "rollback", "hotfix"]:
    """By the deployment's task ("deploy:rollback" is the way Capistrano and Hubot name it) and description."""
    words = f"{deployment.maybe('task') or ''} {deployment.maybe('description') or ''}".lower()
    if re.search(r"\broll(?:ed|ing)?[- ]?back\b", words):
        return "rollback"
    branch = parse.purpose(deployment.maybe("description") or "", deployment.maybe("ref") or "")
    return "hotfix" if branch == "hotfix" else "planned"


def workflow_run(telling: Telling, body: Doc) -> None:
    """A finished run of a workflow whose name or file says that it deploys, and to where; what only says "deploy" may
    deploy anywhere, and jobs with an `environment` tell of themselves. A run that is tried again stays one."""
    run = body["workflow_run"]
    outcome = CONCLUSIONS.get(run.maybe("conclusion") or "")
    if body.text("action") != "completed" or outcome is None:
        return
    names = (run.maybe("name") or "", (run.maybe("path") or "").rpartition("/")[2].rpartition(".")[0])
    named = next((name for name in names if re.search(r"deploy", name, re.I) and parse.tier(name) != "other"), None)
    if named is None or run.maybe("event") in ("pull_request", "pull_request_target"):
        return
    repo, tier = body["repository"].name("full_name"), parse.tier(named)
    service = body["repository"].name("name")
    branch = run.maybe("head_branch") or ""
    telling.deployment(
        telling.id(repo, "run", run.text("id"), *beside(tier, service, service)),
        service,
        tier,
        outcome,
        purpose="hotfix" if parse.purpose("", branch) == "hotfix" else "planned",
        repo=repo,
        commit=run.sha("head_sha"),
        started_at=run.time("created_at"),
        finished_at=run.time("updated_at"),
        url=run.maybe("html_url"),
    )


# ---------------------------------------------------------------------------------------------- incidents


def issue(telling: Telling, body: Doc) -> None:
    """An issue labelled `incident`. Editing one says the same again, so nothing is counted twice."""
    issue, action = body["issue"], body.text("action")
    labels = [label.text("name") for label in issue.list("labels")]
    named = parse.labelled([body.inner("label").maybe("name") or ""], "incident")
    lost = action == "unlabeled" and named
    if not lost and not parse.labelled(labels, "incident"):
        return
    began, changed = issue.time("created_at"), issue.time("updated_at")
    closed = issue.maybe_time("closed_at")
    state, at = ("resolved", closed) if closed is not None else ("open", began)
    if action == "labeled" and named and state == "open":
        at = changed  # it may have been taken back before
    if action == "reopened":
        state, at = "reopened", changed
    if lost or action in ("deleted", "transferred"):
        state, at = "retracted", changed
    telling.incident(
        telling.id(body["repository"].name("full_name"), "issue", issue.text("number")),
        state,
        at,
        service=parse.label(labels, "service") or body["repository"].name("name"),
        opened_at=began,
        resolved_at=closed if state == "resolved" else None,
        cause=parse.cause(issue.maybe("body") or ""),
        severity=parse.severity(labels),
        title=issue.maybe("title"),
        url=issue.maybe("html_url"),
    )


READERS: dict[str, Callable[[Telling, Doc], None]] = {
    "push": push,
    "pull_request": pull_request,
    "pull_request_review": pull_request_review,
    "deployment_status": deployment_status,
    "workflow_run": workflow_run,
    "issues": issue,
}
