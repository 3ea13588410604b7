"""CloudEvents in three modes, and the CDEvents they carry."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.ingest_samples import BATCH, binary, cdevent, enveloped
from tests.ingest_world import PEOPLE, SHA, at, data, hear, ids, texts
from wend.errors import Invalid
from wend.ingest import Heard, Unknown
from wend.ingest.cloudevents import unescaped

STRUCTURED = {"content-type": "Application/CloudEvents+JSON; charset=UTF-8"}


def told(body: Any, headers: dict[str, str] | None = None, **more: Any) -> Heard:
    return hear("cloudevents", body, headers, **more)


# ---------------------------------------------------------------------------------------------- the envelope


def test_one_event_is_the_same_in_every_mode_and_bare() -> None:
    event = cdevent()
    encoded = base64.b64encode(json.dumps(event).encode()).decode()
    in_text = {key: value for key, value in enveloped(event).items() if key != "data"} | {"data_base64": encoded}
    ways = [
        told(event),
        told(event, binary(event)),
        told(event, binary(event) | {"content-type": "application/cdevents+json"}),
        told(enveloped(event), STRUCTURED),
        told(in_text, STRUCTURED),
        told([enveloped(event)], BATCH),
    ]
    assert all(way == ways[0] for way in ways) and len(ways[0].facts) == 1


def test_the_identity_of_an_event_is_its_source_and_id() -> None:
    event = cdevent()
    later = json.loads(json.dumps(event))
    later["context"]["timestamp"] = "2026-02-20T13:00:00Z"
    assert ids(told(later)) == ids(told(event)), "a repetition with another time is a repetition"
    later["context"]["source"] = "/other"
    assert ids(told(later)) != ids(told(event))


def test_a_batch_is_told_from_one_event_by_the_longer_prefix() -> None:
    heard = told([enveloped(cdevent(id="a")), enveloped(cdevent(id="b"))], BATCH)
    assert len(set(ids(heard))) == 2 and told([], BATCH).facts == []
    with pytest.raises(Unknown, match="array"):
        told(enveloped(cdevent()), BATCH)
    with pytest.raises(Unknown):
        told([enveloped(cdevent())], STRUCTURED)
    with pytest.raises(Invalid, match=r"events\[1\] has no source"):
        told([enveloped(cdevent()), enveloped(cdevent(), source="")], BATCH)


WRONG = {
    "version": {"specversion": "0.3"},
    "no id": {"id": ""},
    "no type": {"type": None},
    "another type": {"type": "com.example.happened"},
    "both": {"data_base64": "e30="},
    "no base64": {"data": None, "data_base64": "%%%"},
    "text": {"data": "hello"},
    "not JSON": {"datacontenttype": "text/xml"},
}


@pytest.mark.parametrize("what", WRONG)
def test_an_envelope_that_is_not_as_it_must_be_is_refused(what: str) -> None:
    with pytest.raises(Invalid):
        told(enveloped(cdevent(), **WRONG[what]), STRUCTURED)


@pytest.mark.parametrize("content", ["application/cloudevents+avro", "application/cloudevents-batch+protobuf; a=b"])
def test_other_formats_are_unknown(content: str) -> None:
    with pytest.raises(Unknown, match="JSON"):
        told(cdevent(), {"content-type": content})


def test_binary_mode_has_its_content_type_in_one_place() -> None:
    with pytest.raises(Invalid, match="ce-datacontenttype"):
        told(cdevent(), binary(cdevent(), datacontenttype="application/json"))
    with pytest.raises(Invalid, match="no id"):
        told(cdevent(), binary(cdevent(), id=""))
    with pytest.raises(Invalid, match="not a time"):
        told(cdevent(), binary(cdevent(), time="soon"))
    with pytest.raises(Unknown, match="no JSON"):
        told(cdevent(), binary(cdevent()) | {"content-type": "text/plain"})


def test_header_values_are_decoded_once_and_only_from_good_utf_8() -> None:
    assert unescaped("Euro%20%E2%82%AC%20%f0%9f%98%80") == "Euro € 😀"
    assert unescaped("%2525") == "%25" and unescaped("%41bc") == "Abc"
    assert unescaped(r'"a \"quoted\" %25"') == 'a "quoted" %'
    assert unescaped("\xc3\xa9") == "é", "bytes that were not encoded at all"
    for bad in ("%C0%A0", "%C0%AF", "%ED%A0%80", "%FF", "%F4%90%80%80", "100%", "%4", "%zz", "é", "€"):
        with pytest.raises(Invalid):
            unescaped(bad)


# ---------------------------------------------------------------------------------------------- deployments


@pytest.mark.parametrize("version", ["0.1.1", "0.2.0", "0.3.0", "0.4.0-draft"])
@pytest.mark.parametrize("what", ["deployed", "upgraded"])
def test_deployments_of_every_version(what: str, version: str) -> None:
    event = cdevent(f"service.{what}.{version}")
    event["context"]["version"] = event["context"].pop("specversion")
    event["subject"]["type"] = "service"
    said = data(told(event), "deployment_recorded")
    assert [said[key] for key in ("service", "tier", "outcome", "purpose")] == [
        "shop",
        "production",
        "success",
        "planned",
    ]
    assert said["finished_at"] == at("2026-02-20T12:00:00Z") and said["artifact"] == "pkg:oci/shop@sha256%3Aab"


def test_five_regions_of_one_chain_are_one_deployment() -> None:
    regions = [
        cdevent(id=f"e{number}", chainId="c1", content={"environment": {"id": f"prod-{number}"}}) for number in range(5)
    ]
    heard = [told(event) for event in regions]
    assert {data(one)["deployment"] for one in heard} == {"cloudevents:chain-c1/shop"}
    assert len({ids(one)[0] for one in heard}) == 5
    staging = cdevent(chainId="c1", content={"environment": {"id": "staging"}})
    assert data(told(staging))["deployment"] == "cloudevents:chain-c1/shop/staging"


def test_links_stand_in_for_a_chain_and_a_lone_event_is_a_deployment_of_its_own() -> None:
    path = [{"linkType": "END", "from": {"contextId": "x"}}, {"linkType": "PATH", "from": {"contextId": "p1"}}]
    trigger = [{"linkType": "RELATION", "linkKind": "TRIGGER", "target": {"contextId": "p1"}}]
    named = [data(told(cdevent(links=links)))["deployment"] for links in (path, trigger)]
    assert named == ["cloudevents:after-p1/shop"] * 2
    alone = [data(told(cdevent(id=id)))["deployment"] for id in ("e1", "e2")]
    assert alone[0] != alone[1]


def test_a_rollback_in_a_chain_is_not_the_deployment_it_takes_back() -> None:
    out, back = cdevent(chainId="c1"), cdevent("service.rolledback.0.3.0", id="e2", chainId="c1")
    one, other = data(told(out)), data(told(back))
    assert other["purpose"] == "rollback" and other["deployment"] == f"{one['deployment']}/rollback"


def test_published_is_a_part_of_a_deployment_or_nothing() -> None:
    assert told(cdevent("service.published.0.3.0")).facts == []
    assert data(told(cdevent("service.published.0.3.0", chainId="c1")))["deployment"] == "cloudevents:chain-c1/shop"
    assert told(cdevent("service.removed.0.3.0")).facts == []


def test_a_pipeline_that_failed_is_a_deployment_when_it_names_what_of() -> None:
    failed = cdevent("pipelinerun.finished.0.3.0", content={"outcome": "error", "pipelineName": "ship"}, chainId="c1")
    assert told(failed).facts == []
    failed["customData"] = {"service": {"id": "shop"}, "environment": "production"}
    said = data(told(failed))
    assert (said["outcome"], said["deployment"]) == ("failure", "cloudevents:chain-c1/shop")
    failed["subject"]["content"]["outcome"] = "cancel"
    assert data(told(failed))["outcome"] == "cancelled"


def test_another_wend_is_understood() -> None:
    more = {"wend": {"deploy": "0mwt", "commit": SHA[2]}}
    live = data(told(cdevent("service.upgraded.0.3.0", customData=more)))
    assert (live["deployment"], live["commit"]) == ("cloudevents:deploy-0mwt/shop", SHA[2])
    content = {"pipelineName": "shop", "outcome": "failure", "uri": "https://wend.example.org/apps/shop/deploys/0mwt"}
    failed = data(told(cdevent("pipelinerun.finished.0.3.0", subject="0mwt", content=content, customData=more)))
    assert (failed["deployment"], failed["outcome"]) == ("cloudevents:deploy-0mwt/shop", "failure")
    preview = {**content, "pipelineName": "button--shop"}
    assert data(told(cdevent("pipelinerun.finished.0.3.0", content=preview, customData=more)))["tier"] == "development"


def test_our_own_type_for_a_deployment_that_failed() -> None:
    content = {"environment": {"id": "production"}, "commit": SHA[2], "startedAt": "2026-02-20T11:00:00Z"}
    said = data(told(cdevent("dev.cdeventsx.wend-deployment.failed.0.1.0", content=content)))
    assert [said[key] for key in ("service", "outcome", "commit")] == ["shop", "failure", SHA[2]]
    assert told(cdevent("dev.cdeventsx.mytool-deployment.failed.0.1.0", content={})).facts == []


def test_the_commit_may_be_in_the_artifact_or_in_custom_data() -> None:
    artifact = f"pkg:oci/shop@sha256%3Aab?vcs_url=git%2Bhttps://git.example.org/acme/shop%40{SHA[2]}"
    assert data(told(cdevent(content={"environment": {"id": "live"}, "artifactId": artifact})))["commit"] == SHA[2]
    said = data(told(cdevent(customData={"commit": SHA[3], "commits": [SHA[2], SHA[3]], "repo": "acme/shop"})))
    assert (said["commit"], said["commits"], said["repo"]) == (SHA[3], [SHA[2], SHA[3]], "acme/shop")
    with pytest.raises(Unknown, match=r"environment"):
        told(cdevent(content={}))


# ---------------------------------------------------------------------------------------------- the rest


def test_changes_are_told_when_they_name_a_commit() -> None:
    content = {"repository": {"id": "acme/shop"}, "description": "Hotfix: press it"}
    said = data(told(cdevent("change.merged.0.3.0", subject=SHA[2], content=content)), "change_recorded")
    assert (said["commit"], said["merge"], said["purpose"]) == (SHA[2], True, "hotfix")
    more = {"commit": SHA[3], "author": "Ada@example.org", "committedAt": "2026-02-19T00:00:00Z", "parents": [SHA[1]]}
    heard = told(cdevent("change.created.0.4.0", subject="7", content=content, customData=more))
    assert (data(heard)["merge"], data(heard)["parents"]) == (False, [SHA[1]])
    assert texts(heard) == [PEOPLE.of("ada@example.org")] and data(heard)["committed_at"] == at("2026-02-19T00:00:00Z")
    assert told(cdevent("change.merged.0.3.0", subject="7", content=content)).facts == []


def test_incidents_are_opened_with_what_broke_and_closed_with_what_helped() -> None:
    content = {
        "description": "Slow",
        "service": {"id": "shop"},
        "environment": {"id": "prod"},
        "artifactId": "pkg:oci/a@1",
    }
    said = data(told(cdevent("incident.detected.0.3.0", subject="i1", content=content)), "incident_recorded")
    assert (said["incident"], said["state"], said["service"]) == ("cloudevents:incident/i1", "open", "shop")
    assert said["cause"] == {"artifact": "pkg:oci/a@1"} and said["environment"] == "prod"
    for named, cause in ((SHA[2], {"commit": SHA[2]}), ("wend:d1", {"deployment": "wend:d1"})):
        event = cdevent("incident.reported.0.3.0", subject="i1", content=content, customData={"causedBy": named})
        assert data(told(event))["cause"] == cause
    done = data(told(cdevent("incident.resolved.0.3.0", subject="i1", content=content)))
    assert (done["state"], done["cause"], done["resolved_at"]) == ("resolved", None, at("2026-02-20T12:00:00Z"))


def test_tickets_are_about_the_platform_when_they_say_so() -> None:
    content = {"summary": "How?", "creator": "ci[bot]", "group": "Platform", "labels": ["team:payments"], "uri": "x"}
    heard = told(cdevent("ticket.created.0.2.0", subject="t1", content=content))
    said = data(heard, "ticket_recorded")
    assert [said[key] for key in ("ticket", "platform", "automatic", "team")] == [
        "cloudevents:ticket/t1",
        True,
        True,
        "payments",
    ]
    assert texts(heard) == ["How?"]
    other = {**content, "group": "security", "labels": []}
    closed = data(told(cdevent("ticket.closed.0.1.0", subject="t1", content={**other, "resolution": "done"})))
    assert (closed["platform"], closed["state"]) == (False, "resolved")
    assert told(cdevent("ticket.updated.0.2.0", content=content)).facts == []


def test_answers_to_surveys() -> None:
    content = {"survey": "nps", "wave": "2026-q1", "score": 9, "team": "payments", "comment": "Nice"}
    type = "dev.cdeventsx.wend-survey.answered.0.1.0"
    one, other = told(cdevent(type, content=content)), told(cdevent(type, id="e2", content=content))
    assert set(data(one, "survey_answered")) & {"score", "team"} == set()
    assert sorted(texts(one)) == ["Nice", '{"score": 9, "team": "payments"}']
    assert ids(one) != ids(other), "two people may say the same"
    assert data(one)["comment"] != data(other)["comment"]
    for bad in ({"score": 11}, {"score": True}, {"score": "9"}, {"survey": "mood"}):
        with pytest.raises(Invalid):
            told(cdevent(type, content=content | bad))


def test_types_that_are_no_matter_of_delivery_say_nothing_and_others_are_unknown() -> None:
    for type in (
        "build.started.0.3.0",
        "environment.created.0.3.0",
        "testsuiterun.finished.0.2.0",
        "approval.created.0.1.0",
    ):
        assert told(cdevent(type, content={})).facts == []
    for type in ("dev.cdevents.moon.landed.0.1.0", "dev.cdevents.service.deployed", "com.example.x"):
        with pytest.raises(Unknown):
            told(cdevent(type))
