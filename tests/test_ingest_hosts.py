"""GitHub and GitLab: what their webhooks say of changes, deployments and incidents."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests import ingest_samples as samples
from tests.ingest_samples import commit, github_issue, github_pull, github_push, github_run, github_status
from tests.ingest_world import PEOPLE, SHA, at, data, hear, ids, only, texts
from wend.errors import Invalid
from wend.ingest import Heard, Unknown


def github(event: str, body: Any, **more: Any) -> Heard:
    return hear("github", body, {"x-github-event": event}, **more)


def gitlab(body: Any, **more: Any) -> Heard:
    return hear("gitlab", body, {"x-gitlab-event": "some Hook"}, **more)


# ---------------------------------------------------------------------------------------------- GitHub: changes


def test_commits_of_a_push_follow_one_another() -> None:
    heard = github("push", github_push(commit(SHA[1]), commit(SHA[2], f"This reverts commit {SHA[1]}")))
    first, second = [fact.data for fact in heard.facts]
    assert first["parents"] == [SHA[0]] and second["parents"] == [SHA[1]]
    assert first["committed_at"] == at("2026-02-20T09:00:00Z") and first["repo"] == "acme/shop"
    assert (first["purpose"], first["reverts"]) == ("planned", None)
    assert (second["purpose"], second["reverts"]) == ("revert", SHA[1])
    assert texts(heard) == [PEOPLE.of("ada@example.org")] * 2 and first["author"] != second["author"]
    assert {fact.stream for fact in heard.facts} == {"repo/acme/shop"}


@pytest.mark.parametrize("more", [{"before": "0" * 40}, {"forced": True}, {"before": None}])
def test_what_a_push_went_on_from_is_not_invented(more: dict[str, Any]) -> None:
    heard = github("push", github_push(commit(SHA[1]), commit(SHA[2]), **more))
    assert [fact.data["parents"] for fact in heard.facts] == [[], [SHA[1]]]


def test_a_merge_in_a_push_is_known_by_its_message() -> None:
    messages = ["Merge pull request #7 from acme/button", "Merge branch 'button' into 'main'", "Merge the two boxes"]
    pushed = [commit(sha, message) for sha, message in zip(SHA, messages, strict=False)]
    for heard in (github("push", github_push(*pushed)), gitlab(samples.gitlab_push(commits=pushed))):
        assert [fact.data["merge"] for fact in heard.facts] == [True, True, False]


def test_a_form_is_read_like_json() -> None:
    body = github_push(commit(SHA[1]))
    form = {"x-github-event": "push", "content-type": "application/x-www-form-urlencoded"}
    assert hear("github", urlencode({"payload": json.dumps(body)}).encode(), form) == github("push", body)
    for bad in (b"", b"hello", b"payload", b"a=b", b"payload=%FF", b"a=1&payload={}", "payload=é".encode()):
        with pytest.raises(Invalid):
            hear("github", bad, form)


def test_a_push_of_a_tag_or_that_deletes_says_nothing() -> None:
    assert github("push", github_push(commit(SHA[1]), ref="refs/tags/v1")).facts == []
    assert github("push", github_push(after="0" * 40, deleted=True)).facts == []


def test_bots_are_told_from_people() -> None:
    bot = {"name": "dependabot[bot]", "email": "49699333+dependabot[bot]@users.noreply.github.com"}
    machine = {"name": "CI", "email": "ci@example.org"}
    nobody: dict[str, str] = {}
    heard = github(
        "push",
        github_push(
            *(commit(sha, author=who) for sha, who in zip(SHA, (samples.ADA, bot, machine, nobody), strict=False))
        ),
        bots=frozenset(["ci@example.org"]),
    )
    assert [fact.data["bot"] for fact in heard.facts] == [False, True, True, False]
    queue = {"login": "merge-queue", "type": "Bot"}
    heard = github("push", github_push(commit(SHA[1]), commit(SHA[2], author=nobody), sender=queue))
    assert [fact.data["bot"] for fact in heard.facts] == [False, True], "people's commits stay theirs in a queue"


def test_githubs_stand_in_for_an_address_is_the_login() -> None:
    hidden = {"name": "Ada", "email": "21031067+Ada@users.noreply.github.com"}
    assert texts(github("push", github_push(commit(SHA[1], author=hidden)))) == [PEOPLE.of("ada")]


def test_a_request_is_told_with_its_moments_and_nobodys_name() -> None:
    more = {"created_at": "2026-02-20T09:00:00Z", "commits": 2}
    said = data(github("pull_request", github_pull(**more)), "review_recorded")
    assert (said["opened_at"], said["merged_at"]) == (at("2026-02-20T09:00:00Z"), at("2026-02-20T11:00:00Z"))
    assert (said["commit"], said["head"], said["own"]) == (SHA[3], SHA[2], 2)
    review = {"state": "commented", "submitted_at": "2026-02-20T10:00:00Z", "user": {"login": "bob", "type": "User"}}
    body = {**github_pull(), "action": "submitted", "review": review}
    heard = github("pull_request_review", body)
    first = data(heard, "review_recorded")
    assert first["review"] == said["review"] and first["reviewed_at"] == at("2026-02-20T10:00:00Z")
    assert "bob" not in str(heard) and not heard.texts
    for own in (
        {"user": {"login": "ada", "type": "User"}},
        {"user": {"login": "x", "type": "Bot"}},
        {"state": "pending"},
    ):
        assert github("pull_request_review", {**body, "review": review | own}).facts == []
    for odd in ("9" * 4000, -1, "x", None, True):
        assert data(github("pull_request", github_pull(**(more | {"commits": odd}))), "review_recorded")["own"] is None


def test_a_merged_pull_request_ends_in_a_commit_that_carries_its_branch() -> None:
    heard = github("pull_request", github_pull())
    said = data(heard, "change_recorded")
    assert said["commit"] == SHA[3] and said["merge"] is True and said["parents"] == [SHA[0], SHA[2]]
    assert said["committed_at"] == at("2026-02-20T11:00:00Z") and texts(heard) == [PEOPLE.of("ada")]
    hot = github_pull(labels=[{"name": "hotfix"}], user={"login": "renovate[bot]", "type": "Bot"})
    assert [data(github("pull_request", hot), "change_recorded")[key] for key in ("purpose", "bot")] == ["hotfix", True]
    revert = github_pull(title='Revert "Add a button"', body="Reverts acme/shop#6")
    assert data(github("pull_request", revert), "change_recorded")["purpose"] == "revert"
    for none in (github_pull(merged=False), {**github_pull(), "action": "opened"}):
        assert github("pull_request", none).facts == []


# ---------------------------------------------------------------------------------------------- GitHub: deployments


def test_a_deployment_ends_when_its_status_was_made_not_when_it_was_last_changed() -> None:
    said = data(github("deployment_status", github_status()), "deployment_recorded")
    assert said["deployment"] == "github:acme/shop/deployment/5" and said["commit"] == SHA[2]
    assert said["finished_at"] == at("2026-02-20T12:00:00Z") and said["started_at"] == at("2026-02-20T11:50:00Z")
    assert [said[key] for key in ("service", "repo", "tier", "outcome")] == [
        "shop",
        "acme/shop",
        "production",
        "success",
    ]
    moved = github_status(deployment={"updated_at": "2026-05-05T00:00:00Z"})
    assert data(github("deployment_status", moved)) == said, "updated_at moves when a later one takes its place"


@pytest.mark.parametrize("state", ["inactive", "pending", "queued", "waiting"])
def test_a_state_that_is_no_outcome_says_nothing(state: str) -> None:
    assert github("deployment_status", github_status(state)).facts == []


def test_failures_and_beginnings_are_told() -> None:
    outcomes = {state: data(github("deployment_status", github_status(state))) for state in ("failure", "error")}
    assert {said["outcome"] for said in outcomes.values()} == {"failure"}
    begun = data(github("deployment_status", github_status("in_progress")))
    assert (begun["outcome"], begun["finished_at"]) == ("running", None)


def test_five_regions_and_a_retry_of_one_run_are_one_deployment() -> None:
    regions = [
        github_status(deployment={"id": number}, deployment_status={"environment": f"prod-{name}"}, workflow_run=run)
        for number, name in enumerate(("eu", "us", "ap", "sa", "af"))
        for run in ({"id": 77, "run_attempt": 1}, {"id": 77, "run_attempt": 2})
    ]
    heard = [data(github("deployment_status", body)) for body in regions]
    assert {said["deployment"] for said in heard} == {"github:acme/shop/run/77"}
    staging = github_status(deployment_status={"environment": "staging"}, workflow_run={"id": 77})
    assert data(github("deployment_status", staging))["deployment"] == "github:acme/shop/run/77/staging"


@pytest.mark.parametrize("payload", [{"service": "cart"}, {"app": "cart"}, '{"service": "cart"}'])
def test_a_deployment_names_its_service_in_its_payload(payload: object) -> None:
    body = github_status(deployment={"payload": payload}, workflow_run={"id": 77})
    said = data(github("deployment_status", body))
    assert said["service"] == "cart" and said["deployment"] == "github:acme/shop/run/77/cart"
    assert data(github("deployment_status", github_status(deployment={"payload": ""})))["service"] == "shop"


def test_githubs_flags_decide_where_a_name_does_not() -> None:
    named = {"environment": "mars"}
    live = github_status(deployment_status=named, deployment={"production_environment": True})
    short = github_status(deployment_status=named, deployment={"transient_environment": True})
    tiers = [data(github("deployment_status", body))["tier"] for body in (live, short)]
    assert tiers == ["production", "development"]


def test_a_rollback_is_one_by_its_task() -> None:
    assert data(github("deployment_status", github_status(deployment={"task": "rollback"})))["purpose"] == "rollback"
    assert data(github("deployment_status", github_status(deployment={"ref": "hotfix/x"})))["purpose"] == "hotfix"


def test_a_workflow_counts_when_it_says_what_it_deploys_to() -> None:
    said = data(github("workflow_run", github_run()))
    assert said["deployment"] == "github:acme/shop/run/77" and said["finished_at"] == at("2026-02-20T12:01:00Z")
    assert data(github("workflow_run", github_run(run_attempt=2))) == said
    by_file = github_run(name="Ship it", path=".github/workflows/deploy-staging.yml", conclusion="failure")
    assert [data(github("workflow_run", by_file))[key] for key in ("tier", "outcome")] == ["staging", "failure"]
    for none in (
        {"name": "Deploy", "path": ".github/workflows/deploy.yml"},
        {"name": "Tests of production", "path": ".github/workflows/test.yml"},
        {"conclusion": "skipped"},
        {"conclusion": None},
        {"event": "pull_request"},
    ):
        assert github("workflow_run", github_run(**none)).facts == []
    assert github("workflow_run", {**github_run(), "action": "requested"}).facts == []


# ---------------------------------------------------------------------------------------------- GitHub: incidents


def test_an_incident_that_is_edited_is_told_once() -> None:
    opened = github("issues", github_issue("opened"))
    said = data(opened, "incident_recorded")
    assert said["incident"] == "github:acme/shop/issue/3" and said["state"] == "open"
    assert said["at"] == said["opened_at"] == at("2026-02-20T12:30:00Z")
    assert said["cause"] == {"commit": SHA[2]} and said["severity"] == "sev1" and texts(opened) == ["Shop is down"]
    for action in ("labeled", "edited", "assigned"):
        again = github("issues", github_issue(action, updated_at="2026-02-21T00:00:00Z"))
        assert ids(again) == ids(opened)


def test_an_incident_is_closed_opened_again_and_taken_back() -> None:
    closed = {"closed_at": "2026-02-20T13:00:00Z"}
    said = data(github("issues", github_issue("closed", **closed)))
    assert (
        (said["state"], said["at"]) == ("resolved", at("2026-02-20T13:00:00Z")) == (said["state"], said["resolved_at"])
    )
    said = data(github("issues", github_issue("reopened", updated_at="2026-02-20T14:00:00Z")))
    assert (said["state"], said["at"], said["resolved_at"]) == ("reopened", at("2026-02-20T14:00:00Z"), None)
    lost = {**github_issue("unlabeled", labels=[]), "label": {"name": "incident"}}
    assert (
        data(github("issues", lost))["state"] == data(github("issues", github_issue("deleted")))["state"] == "retracted"
    )
    more = {**github_issue("labeled", updated_at="2026-02-21T09:00:00Z"), "label": {"name": "incident"}}
    again = data(github("issues", more))
    assert (again["state"], again["at"], again["opened_at"]) == (
        "open", at("2026-02-21T09:00:00Z"), at("2026-02-20T12:30:00Z")
    ), "it counts again from now on, and began when it began"  # fmt: skip
    assert github("issues", {**github_issue("unlabeled"), "label": {"name": "ui"}, "issue": {"labels": []}}).facts == []


def test_other_events_say_nothing_and_other_shapes_are_unknown() -> None:
    for event in ("ping", "star", "an_event_of_next_year"):
        assert github(event, {"zen": "Keep it logically awesome."}).facts == []
    with pytest.raises(Unknown, match="X-GitHub-Event"):
        hear("github", github_status())
    with pytest.raises(Unknown, match=r"deployment_status"):
        github("deployment_status", {"deployment": {}})
    with pytest.raises(Unknown, match=r"commits\[0\]\.timestamp"):
        github("push", github_push({"id": SHA[1]}))
    with pytest.raises(Invalid, match="9999"):
        github("push", github_push(commit(SHA[1], timestamp="9999-12-31T23:59:59Z")))


# ---------------------------------------------------------------------------------------------- GitLab


def test_gitlabs_pushes_are_in_order_too() -> None:
    heard = gitlab(samples.gitlab_push())
    assert [fact.data["parents"] for fact in heard.facts] == [[SHA[0]], [SHA[1]]]
    assert [fact.data["purpose"] for fact in heard.facts] == ["planned", "hotfix"]
    robot = commit(SHA[1], author={"name": "x", "email": "project_12_bot_ab34@noreply.gitlab.example.org"})
    hidden = commit(SHA[2], author={"name": "Ada", "email": "[REDACTED]"})
    heard = gitlab(samples.gitlab_push(commits=[robot, hidden]))
    assert [fact.data["bot"] for fact in heard.facts] == [True, False]
    assert texts(heard)[1] == PEOPLE.of("Ada")


def test_a_merge_request_ends_in_a_merge_or_in_its_own_last_commit() -> None:
    said = data(gitlab(samples.gitlab_merge()), "change_recorded")
    assert (said["commit"], said["merge"], said["parents"]) == (SHA[3], True, [SHA[2]])
    assert said["committed_at"] == at("2026-02-20T11:00:00Z")
    fast = data(gitlab(samples.gitlab_merge(merge_commit_sha=None)), "change_recorded")
    assert (fast["commit"], fast["merge"], fast["parents"]) == (SHA[2], False, [])
    assert fast["committed_at"] == at("2026-02-20T09:00:00Z"), "as the push said"
    assert gitlab(samples.gitlab_merge(action="update")).facts == []
    approved = data(gitlab(samples.gitlab_merge(action="approved")), "review_recorded")
    assert approved["reviewed_at"] == at("2026-02-20T11:00:00Z") and approved["merged_at"] is None


def test_the_full_commit_is_in_the_address_of_its_page() -> None:
    said = data(gitlab(samples.gitlab_deployment()), "deployment_recorded")
    assert said["commit"] == SHA[2] and said["finished_at"] == at("2026-02-20T12:00:00Z")
    assert said["deployment"] == "gitlab:acme/shop/job/796" and said["service"] == "shop"
    api = data(gitlab(samples.gitlab_deployment(deployable_url=None, environment_tier=None, environment="qa")))
    assert (api["deployment"], api["tier"]) == ("gitlab:acme/shop/deployment/15", "testing")
    assert data(gitlab(samples.gitlab_deployment(commit_url=None)))["commit"] is None


def test_gitlabs_outcomes() -> None:
    heard = {status: gitlab(samples.gitlab_deployment(status)).facts for status in ("failed", "canceled", "running")}
    assert [facts[0].data["outcome"] for facts in heard.values()] == ["failure", "cancelled", "running"]
    assert heard["running"][0].data["finished_at"] is None and heard["running"][0].data["started_at"]
    assert gitlab(samples.gitlab_deployment("blocked")).facts == []


def test_a_pipeline_and_its_deployments_are_counted_once() -> None:
    job, test = samples.gitlab_job(796, "production"), samples.gitlab_job(1, None)
    said = data(gitlab(samples.gitlab_pipeline(job, test, samples.gitlab_job(797, "staging", "created"))))
    other = data(gitlab(samples.gitlab_deployment()))
    assert said["deployment"] == other["deployment"] and said["finished_at"] == other["finished_at"]
    assert said["commit"] == SHA[2] and said["started_at"] == at("2026-02-20T11:50:00Z")


def test_gitlabs_incidents() -> None:
    opened = gitlab(samples.gitlab_issue("open"))
    said = data(opened, "incident_recorded")
    assert (said["incident"], said["state"], said["severity"]) == ("gitlab:acme/shop/issue/23", "open", "high")
    assert ids(gitlab(samples.gitlab_issue("update", updated_at="2026-02-21 00:00:00 UTC"))) == ids(opened)
    said = data(gitlab(samples.gitlab_issue("close", state="closed")))
    assert (said["state"], said["resolved_at"]) == ("resolved", at("2026-02-20T12:45:00Z"))
    assert data(gitlab(samples.gitlab_issue("reopen")))["state"] == "reopened"
    plain = samples.gitlab_issue("open", type="Issue")
    assert gitlab(plain).facts == []
    assert data(gitlab({**plain, "labels": [{"title": "incident"}]}))["state"] == "open"
    gone = {"labels": {"previous": [{"title": "incident"}], "current": []}}
    assert data(gitlab({**plain, "changes": gone}))["state"] == "retracted"


def test_gitlabs_other_hooks_say_nothing() -> None:
    assert gitlab({"object_kind": "wiki_page"}).facts == gitlab({"event_name": "user_add_to_group"}).facts == []
    assert (
        only(gitlab(samples.gitlab_deployment(project={"path_with_namespace": "a/b/c", "name": "x"}))).stream
        == "service/c"
    )
    with pytest.raises(Unknown, match="X-Gitlab-Event"):
        hear("gitlab", samples.gitlab_deployment())
