"""PagerDuty, Jira and Zendesk: what they say of incidents and tickets."""

from __future__ import annotations

import pytest

from tests.ingest_samples import jira, pagerduty, zendesk
from tests.ingest_world import SECRET, SHA, at, data, delivery, hear, ids, mac, texts
from wend.errors import Refused
from wend.ingest import Unknown, source

# ---------------------------------------------------------------------------------------------- PagerDuty


def test_an_incident_from_its_trigger_to_its_end() -> None:
    heard = hear("pagerduty", pagerduty())
    said = data(heard, "incident_recorded")
    assert (said["incident"], said["state"], said["service"]) == ("pagerduty:PABC", "open", "shop")
    assert said["at"] == said["opened_at"] == at("2026-02-20T12:30:00Z") and said["severity"] == "P1"
    assert texts(heard) == ["Latency is high"] and ids(heard) == ["pagerduty:01E1"]
    done = data(hear("pagerduty", pagerduty("incident.resolved", "01E2")))
    assert (done["state"], done["resolved_at"]) == ("resolved", at("2026-02-20T12:30:05.169000Z"))
    again = data(hear("pagerduty", pagerduty("incident.reopened", "01E3")))
    assert (again["state"], again["at"]) == ("reopened", done["at"])


def test_an_acknowledgement_opens_nothing_anew_and_a_new_priority_is_told() -> None:
    for kind in ("incident.acknowledged", "incident.priority_updated"):
        said = data(hear("pagerduty", pagerduty(kind, "01E4", priority={"summary": "P2"})))
        assert (said["state"], said["at"], said["severity"]) == ("open", at("2026-02-20T12:30:00Z"), "P2")


def test_the_id_of_an_event_is_in_its_body_and_names_it() -> None:
    assert ids(hear("pagerduty", pagerduty(title="edited"))) == ids(hear("pagerduty", pagerduty()))
    assert ids(hear("pagerduty", pagerduty(id="01E9"))) != ids(hear("pagerduty", pagerduty()))


def test_notes_and_services_say_nothing() -> None:
    for kind, type in (("incident.annotated", "incident_note"), ("service.updated", "service"), ("pagey.ping", "ping")):
        assert hear("pagerduty", pagerduty(kind, type=type)).facts == []
    with pytest.raises(Unknown, match="event"):
        hear("pagerduty", {"messages": []})


def test_one_of_several_signatures_suffices() -> None:
    body = b'{"event": {}}'
    good, bad = f"v1={mac(body)}", f"v1={'0' * 64}"
    for header in (f"{bad},{good}", f"{good}, {bad}", good):
        source("pagerduty").genuine(delivery(body, {"x-pagerduty-signature": header}), SECRET, 0)
    for header in (bad, mac(body), f"v0={mac(body)}", f"{bad},{bad}", good.upper()):
        with pytest.raises(Refused):
            source("pagerduty").genuine(delivery(body, {"x-pagerduty-signature": header}), SECRET, 0)


# ---------------------------------------------------------------------------------------------- Jira


def test_an_incident_of_jira_and_an_edit_that_is_no_second() -> None:
    opened = hear("jira", jira(description=f"Root cause: {SHA[2]}"))
    said = data(opened, "incident_recorded")
    assert (said["incident"], said["state"], said["service"]) == ("jira:OPS-1", "open", "shop")
    assert (
        said["at"] == at("2026-02-20T12:30:00Z") and said["cause"] == {"commit": SHA[2]} and said["severity"] == "High"
    )
    edited = jira("jira:issue_updated", description=f"Root cause: {SHA[2]}") | {"timestamp": 1771700000000}
    assert ids(hear("jira", edited)) == ids(opened)


def test_jiras_resolutions_come_and_go() -> None:
    done = data(hear("jira", jira("jira:issue_updated", resolutiondate="2026-02-20T14:30:00.000+0100")))
    assert (done["state"], done["at"], done["resolved_at"]) == ("resolved", *[at("2026-02-20T13:30:00Z")] * 2)
    items = [{"field": "resolution", "from": "10000", "to": None}]
    again = data(hear("jira", jira("jira:issue_updated") | {"changelog": {"items": items}}))
    assert (again["state"], again["at"]) == ("reopened", 1771600000123000)
    by_status = {
        "status": {"statusCategory": {"key": "done"}},
        "statuscategorychangedate": "2026-02-20T15:00:00.000+0100",
    }
    assert data(hear("jira", jira("jira:issue_updated", **by_status)))["resolved_at"] == at("2026-02-20T14:00:00Z")
    assert data(hear("jira", jira("jira:issue_deleted")))["state"] == "retracted"


def test_a_ticket_is_one_by_its_type_or_by_the_word_platform() -> None:
    said = data(hear("jira", jira(kind="[System] Service request", labels=["team:payments"])), "ticket_recorded")
    assert (said["ticket"], said["team"], said["reason"], said["platform"]) == ("jira:OPS-1", "payments", "shop", True)
    assert said["automatic"] is False
    task = {"kind": "Task", "components": [{"name": "Platform"}], "reporter": {"accountType": "app"}}
    assert data(hear("jira", jira(**task)))["automatic"] is True  # type: ignore[arg-type]
    for kind in ("Story", "Task", "Feature request", "Change request"):
        assert hear("jira", jira(kind=kind)).facts == []
    assert data(hear("jira", jira(kind="Task", labels=["incident"])))["incident"] == "jira:OPS-1"


def test_jiras_other_events_say_nothing() -> None:
    assert hear("jira", {"webhookEvent": "comment_created", "comment": {}}).facts == []
    with pytest.raises(Unknown, match=r"issue\.fields"):
        hear("jira", {"webhookEvent": "jira:issue_created", "issue": {"key": "X-1"}})


# ---------------------------------------------------------------------------------------------- Zendesk


def test_a_ticket_of_zendesk_from_its_beginning_to_its_end() -> None:
    heard = hear("zendesk", zendesk())
    said = data(heard, "ticket_recorded")
    assert (said["ticket"], said["state"], said["at"]) == ("zendesk:35436", "open", at("2026-02-20T12:00:00Z"))
    assert (said["reason"], said["team"], said["platform"]) == ("builds", "payments", True)
    assert texts(heard) == ["How?"] and ids(heard) == ["zendesk:ev1"]
    solved = zendesk("ticket.status_changed", "ev2", {"previous": "OPEN", "current": "SOLVED"}, status="SOLVED")
    assert data(hear("zendesk", solved))["resolved_at"] == at("2026-02-20T12:00:01Z")
    back = zendesk("ticket.status_changed", "ev3", {"previous": "SOLVED", "current": "OPEN"})
    assert data(hear("zendesk", back))["state"] == "reopened"
    gone = zendesk("ticket.soft_deleted", "ev4", status="DELETED")
    assert data(hear("zendesk", gone))["state"] == "retracted"


def test_a_tag_on_a_solved_ticket_does_not_say_when_it_was_solved() -> None:
    assert hear("zendesk", zendesk("ticket.tags_changed", status="SOLVED")).facts == []
    assert data(hear("zendesk", zendesk("ticket.tags_changed", tags=["not-platform"])))["platform"] is False
    assert data(hear("zendesk", zendesk(via={"channel": "api"})))["automatic"] is True


def test_the_body_of_a_trigger() -> None:
    body = {"ticket_id": "7", "status": "Solved", "created_at": "2026-02-20T12:00:00Z", "tags": "builds team:payments"}
    body |= {"updated_at": "2026-02-20T13:00:00Z", "channel": "Web"}
    said = data(hear("zendesk", body))
    assert (said["ticket"], said["resolved_at"], said["team"]) == ("zendesk:7", at("2026-02-20T13:00:00Z"), "payments")
    assert ids(hear("zendesk", dict(reversed(body.items())))) == ids(hear("zendesk", body))


def test_zendesks_other_events_say_nothing() -> None:
    assert hear("zendesk", {"type": "zen:event-type:user.created", "id": "1"}).facts == []
    with pytest.raises(Unknown, match="status"):
        hear("zendesk", zendesk(status="FLOATING"))
