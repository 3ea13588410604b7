"""Apache DevLake's incoming webhook: deployments and issues in its shape, so that who posts there can post here.

It has no id of a delivery; a fact is named by what it says.
"""

from __future__ import annotations

from wend.ingest import Delivery, Heard, Unknown, parse, proof
from wend.ingest.doc import Doc
from wend.ingest.telling import Outcome, State, Telling

RESULTS: dict[str, Outcome] = {
    "SUCCESS": "success",
    **dict.fromkeys(("FAILURE", "FAILED", "ERROR"), "failure"),
    **dict.fromkeys(("ABORT", "ABORTED", "CANCELED", "CANCELLED"), "cancelled"),
}


class DevLake:
    """A deployment has `deploymentCommits`, an issue has an `issueKey`; both at the one address."""

    def genuine(self, delivery: Delivery, secret: str, now: float) -> None:
        proof.ours(delivery, secret, now)

    def read(self, delivery: Delivery) -> Heard:
        body = Doc(parse.json_of(delivery.body))
        telling = Telling(delivery)
        if "deploymentCommits" in body:
            deployment(telling, body)
        elif "issueKey" in body:
            issue(telling, body, delivery.at)
        else:
            raise Unknown("there is neither deploymentCommits nor issueKey in it")
        return telling.heard


def deployment(telling: Telling, body: Doc) -> None:
    """One deployment for each repository it took commits from. DevLake's defaults hold: production, and success."""
    outcome = RESULTS.get((body.maybe("result") or "SUCCESS").upper())
    if outcome is None:
        raise Unknown(f"the result {body.text('result')[:60]!r} is none of DevLake's")
    repos: dict[str, list[str]] = {}
    for one in body.list("deploymentCommits"):
        repos.setdefault(parse.repository(one.text("repoUrl")), []).append(one.commit("commitSha"))
    environment = body.named("originalEnvironment") or body.named("environment") or "production"
    tier = parse.tier(body.maybe("environment") or "production")
    title = body.maybe("displayTitle") or ""
    for number, (repo, commits) in enumerate(repos.items()):
        service = repo.rpartition("/")[2]
        telling.deployment(
            telling.id(body.name("id"), *([service] if number else [])),
            service,
            environment,
            outcome,
            tier=tier,
            purpose="hotfix" if parse.purpose(title) == "hotfix" else "planned",
            repo=repo,
            commit=commits[-1],
            commits=commits,
            started_at=body.time("startedDate"),
            finished_at=body.time("finishedDate"),
        )


def issue(telling: Telling, body: Doc, now: int) -> None:
    """An incident; other types of issue say nothing. A body with a key alone closes it, as of now when it names no
    time."""
    id = telling.id("issue", body.name("issueKey"))
    began, ended = body.maybe_time("createdDate"), body.maybe_time("resolutionDate")
    if began is None:
        at = now if ended is None else ended
        telling.call = None if ended is not None else f"issue/{body.name('issueKey')}/close"
        return telling.incident(id, "resolved", at, resolved_at=at)
    if (body.maybe("type") or "INCIDENT").upper() != "INCIDENT":
        return None
    done = (body.maybe("status") or "").upper() == "DONE" or ended is not None
    closed = ended or body.maybe_time("updatedDate") if done else None
    if done and closed is None:
        raise Unknown("it is DONE without a resolutionDate: nobody can tell since when")
    state: State = "resolved" if done else "open"
    return telling.incident(
        id,
        state,
        began if closed is None else closed,
        service=body.named("component"),
        opened_at=began,
        resolved_at=closed,
        cause=parse.cause(body.maybe("description") or ""),
        severity=body.maybe("severity") or body.maybe("priority"),
        title=body.maybe("title"),
        url=body.maybe("url"),
    )
