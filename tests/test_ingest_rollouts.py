"""Argo CD, Flux, Flagger and DevLake's webhook: what they say of deployments."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ingest_samples import argocd, devlake, flagger, flux
from tests.ingest_world import NOW, SHA, at, data, hear, ids, texts
from wend.errors import Invalid
from wend.ingest import Unknown

A, B, C = SHA[1], SHA[2], SHA[3]

# ---------------------------------------------------------------------------------------------- Argo CD


def test_a_sync_is_a_deployment_of_its_entry_in_the_history() -> None:
    said = data(hear("argocd", argocd(A, B)), "deployment_recorded")
    assert said["deployment"] == "argocd:argocd/shop/1" and (said["commit"], said["repo"]) == (B, "acme/deploy")
    assert (said["environment"], said["tier"], said["purpose"]) == ("shop-prod", "production", "planned")
    assert said["finished_at"] == at("2026-02-02T12:00:30Z") and said["started_at"] == at("2026-02-02T12:00:00Z")
    assert said["artifact"] == f"pkg:oci/shop@sha256%3A{'ab' * 32}"


def test_going_back_to_an_older_revision_is_a_rollback_and_is_not_missed() -> None:
    there, back = hear("argocd", argocd(A)), hear("argocd", argocd(A, B, A))
    said = data(back)
    assert (said["purpose"], said["undoes"], said["commit"]) == ("rollback", "argocd:argocd/shop/1", A)
    assert said["deployment"] != data(there)["deployment"] and ids(back) != ids(there), "one revision, two deployments"
    for revisions in ((A, B, B), (A, A), (A, B, C)):
        assert data(hear("argocd", argocd(*revisions)))["purpose"] == "planned"


def test_a_sync_that_put_nothing_into_the_history_is_no_deployment() -> None:
    body = argocd(A, B)
    body["operation"]["startedAt"] = "2026-02-09T12:00:00Z"
    assert hear("argocd", body).facts == []
    del body["history"][-1]["startedAt"]
    assert data(hear("argocd", body))["deployment"] == "argocd:argocd/shop/1", "old versions do not tell"


def test_a_sync_that_failed_failed() -> None:
    body = argocd(A)
    body["operation"]["phase"] = "Error"
    said = data(hear("argocd", body))
    assert said["outcome"] == "failure" and said["deployment"].startswith("argocd:argocd/shop/at/")
    body["operation"]["phase"] = "Running"
    assert hear("argocd", body).facts == []


def test_an_application_may_say_what_it_is() -> None:
    said = data(
        hear("argocd", argocd(A, service="cart", environment="staging", commit=C, repo="acme/cart", images=None))
    )
    assert [said[key] for key in ("service", "tier", "commit", "repo", "artifact")] == [
        "cart",
        "staging",
        C,
        "acme/cart",
        None,
    ]
    assert data(hear("argocd", argocd("1.2.3", destination="shop", cluster=None)))["environment"] == "production"
    with pytest.raises(Unknown, match="argocd/1"):
        hear("argocd", {"app": "shop", "context": {}})


# ---------------------------------------------------------------------------------------------- Flux


def revision(text: str, **more: str) -> dict[str, Any]:
    return flux(metadata={"kustomize.toolkit.fluxcd.io/revision": text, **more})


@pytest.mark.parametrize("text", [f"main@sha1:{B}", f"main/{B}", f"sha1:{B}", B, f"refs/heads/main@sha1:{B}"])
def test_a_revision_of_any_version_of_flux_has_its_commit(text: str) -> None:
    assert data(hear("flux", revision(text)))["commit"] == B


@pytest.mark.parametrize("text", ["6.3.5", f"latest@sha256:{'ab' * 32}", "main"])
def test_a_revision_without_a_commit_has_none(text: str) -> None:
    assert data(hear("flux", revision(text)))["commit"] is None
    origin = {"kustomize.toolkit.fluxcd.io/originRevision": f"main@sha1:{C}"}
    assert data(hear("flux", revision(text, **origin)))["commit"] == C


def test_what_flux_repeats_is_told_once() -> None:
    first = hear("flux", flux())
    assert data(first)["deployment"] == f"flux:apps/Kustomization/shop/main@sha1:{B}"
    assert ids(hear("flux", flux(timestamp="2026-02-20T12:10:00Z"))) == ids(first)
    failed = hear("flux", flux(severity="error", reason="HealthCheckFailed"))
    assert data(failed)["outcome"] == "failure" and ids(failed) != ids(first)
    assert data(failed)["deployment"] == data(first)["deployment"], "tried again, it is one deployment"


def test_helm_upgrades_of_one_chart_are_told_apart() -> None:
    thing = {"kind": "HelmRelease", "name": "shop", "namespace": "apps"}
    about = [f"Helm upgrade succeeded for release apps/shop.v{number} with chart shop@1.0" for number in (2, 3)]
    bodies = [flux(involvedObject=thing, reason="UpgradeSucceeded", message=text) for text in about]
    two, three = [hear("flux", body) for body in bodies]
    assert ids(two) != ids(three) and data(two)["deployment"] != data(three)["deployment"]
    back = data(hear("flux", flux(involvedObject=thing, reason="RollbackSucceeded", message=about[0])))
    assert (back["purpose"], back["outcome"]) == ("rollback", "success")


def test_what_is_no_outcome_says_nothing() -> None:
    quiet = [
        flux(reason="Progressing"),
        flux(severity="error", reason="DependencyNotReady"),
        flux(severity="trace", reason="Whatever"),
        flux(involvedObject={"kind": "GitRepository", "name": "shop", "namespace": "apps"}),
    ]
    assert [hear("flux", body).facts for body in quiet] == [[], [], [], []]
    with pytest.raises(Unknown, match="severity"):
        hear("flux", flux(severity="loud"))


def test_an_alert_may_name_environment_and_service() -> None:
    said = data(hear("flux", revision(f"main@sha1:{B}", env="staging", service="cart")))
    assert (said["service"], said["tier"]) == ("cart", "staging")


# ---------------------------------------------------------------------------------------------- Flagger


def test_a_canary_of_flagger_is_one_deployment_from_its_beginning_to_its_end() -> None:
    begun, done = hear("flagger", flagger("Progressing")), hear("flagger", flagger())
    assert data(begun)["deployment"] == data(done)["deployment"] == "flagger:prod/shop/85d5f8"
    assert data(begun)["outcome"] == "running" and data(begun)["finished_at"] is None
    assert data(done)["finished_at"] == 1771588800123000 and data(done)["tier"] == "production"
    again = flagger(metadata={"timestamp": "1771588860000", "eventMessage": "Scaling down"})
    assert ids(hear("flagger", again)) == ids(done)
    assert data(hear("flagger", flagger("Failed")))["outcome"] == "failure"
    assert hear("flagger", flagger("Initialized")).facts == []
    with pytest.raises(Unknown, match="Dancing"):
        hear("flagger", flagger("Dancing"))


# ---------------------------------------------------------------------------------------------- DevLake


def test_devlakes_deployments() -> None:
    said = data(hear("devlake", devlake()), "deployment_recorded")
    assert (said["deployment"], said["service"], said["repo"]) == ("devlake:release-7", "shop", "acme/shop")
    assert said["commits"] == [B] and said["commit"] == B and said["tier"] == "production"
    assert said["finished_at"] == at("2026-02-20T12:00:00Z")
    assert data(hear("devlake", devlake(result="FAILURE", environment="STAGING")))["tier"] == "staging"
    assert data(hear("devlake", devlake(result="ABORT")))["outcome"] == "cancelled"
    with pytest.raises(Unknown, match="WEIRD"):
        hear("devlake", devlake(result="WEIRD"))
    with pytest.raises(Unknown, match="finishedDate"):
        hear("devlake", devlake(finishedDate=None))
    with pytest.raises(Invalid, match="abc"):
        hear("devlake", devlake(deploymentCommits=[{"repoUrl": "https://x.org/a/b", "commitSha": "abc"}]))


def test_commits_of_two_repositories_are_two_deployments() -> None:
    two = [{"repoUrl": f"https://git.example.org/acme/{name}", "commitSha": sha} for name, sha in (("a", A), ("b", B))]
    heard = hear("devlake", devlake(deploymentCommits=[*two, {**two[0], "commitSha": C}]))
    told = {fact.data["deployment"]: fact.data["commits"] for fact in heard.facts}
    assert told == {"devlake:release-7": [A, C], "devlake:release-7/b": [B]}


def test_devlakes_incidents() -> None:
    issue = {"issueKey": "X-1", "title": "Down", "type": "INCIDENT", "status": "TODO", "component": "shop"}
    issue |= {"createdDate": "2026-02-20T12:00:00+00:00", "originalStatus": "new", "severity": "high"}
    opened = hear("devlake", issue)
    said = data(opened, "incident_recorded")
    assert (said["incident"], said["state"], said["service"]) == ("devlake:issue/X-1", "open", "shop")
    assert texts(opened) == ["Down"]
    done = issue | {"status": "DONE", "resolutionDate": "2026-02-20T13:00:00+00:00"}
    assert data(hear("devlake", done))["resolved_at"] == at("2026-02-20T13:00:00Z")
    closed = hear("devlake", {"issueKey": "X-1"})
    assert (data(closed)["state"], data(closed)["at"]) == ("resolved", NOW)
    assert ids(hear("devlake", {"issueKey": "X-1", "originalStatus": "done"})) == ids(closed)
    assert hear("devlake", {**issue, "type": "BUG"}).facts == []
    with pytest.raises(Unknown, match="DONE"):
        hear("devlake", {**issue, "status": "DONE"})
