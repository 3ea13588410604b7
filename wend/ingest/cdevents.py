"""CDEvents 0.3 to 0.6, as `cloudevents` finds them. The version of a type is data: subject and predicate decide.

The identity of an event is its source and id; carried in a CloudEvent or bare, it makes the same facts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple
from urllib.parse import unquote

from wend.ingest import Delivery, Heard, Unknown, parse
from wend.ingest.doc import Doc
from wend.ingest.telling import Outcome, Telling

STANDARD = re.compile(r"dev\.cdevents\.([a-z]+)\.([a-z]+)\.\d[\w.+-]*")
CUSTOM = re.compile(r"dev\.cdeventsx\.([a-z0-9]+)-([a-z0-9]+)\.([a-z]+)\.\d[\w.+-]*")
SUBJECTS = (
    "repository branch change build artifact pipelinerun taskrun testcaserun testsuiterun testoutput environment"
    " service incident ticket approval testcase testsuite"
)
OUTCOMES: dict[str, Outcome] = {
    **dict.fromkeys(("success", "succeeded", "successful", "passed"), "success"),
    **dict.fromkeys(("failure", "failed", "fail", "error"), "failure"),
    **dict.fromkeys(("cancel", "canceled", "cancelled", "aborted"), "cancelled"),
}
BUILT_FROM = re.compile(r"[?&]vcs_url=[^&#]*@([0-9a-f]{40})\b")


class Event(NamedTuple):
    """A CDEvent's parts. `more`: its customData, when that is an object."""

    context: Doc
    id: str
    at: int
    content: Doc
    more: Doc


def read(delivery: Delivery, body: Doc) -> Heard:
    """What one event says. Types that are no matter of delivery say nothing."""
    context, subject = body["context"], body["subject"]
    source, id = context.text("source"), context.text("id")
    telling = Telling(delivery, f"cdevent/{parse.digest([source, id])}")
    reader = reader_of(context.text("type").lower())
    if reader:
        event = Event(context, subject.name("id"), context.time("timestamp"), subject["content"], more_of(body))
        reader(telling, event)
    return telling.heard


def reader_of(type: str) -> Callable[[Telling, Event], None] | None:
    if match := STANDARD.fullmatch(type):
        if match[1] not in SUBJECTS.split():
            raise Unknown(f"{type[:80]!r} is no type of CDEvents 0.3 to 0.6")
        return READERS.get(f"{match[1]}.{match[2]}")
    if match := CUSTOM.fullmatch(type):
        return OURS.get(f"{match[2]}.{match[3]}") if match[1] == "wend" else None
    raise Unknown(f"{type[:80]!r} is no CDEvent")


def more_of(body: Doc) -> Doc:
    """customData, as another Wend or anyone else writes it."""
    more = body.inner("customData")
    return more["wend"] if isinstance(more.fields.get("wend"), dict) else more


# ---------------------------------------------------------------------------------------------- deployments


def deployed(telling: Telling, event: Event) -> None:
    """service.deployed and service.upgraded."""
    part(telling, event, event.id, environment_of(event.content), "success")


def rolled_back(telling: Telling, event: Event) -> None:
    part(telling, event, event.id, environment_of(event.content), "success", "rollback")


def published(telling: Telling, event: Event) -> None:
    """The last part of a deployment, when the event says of which; alone it may be about anything."""
    if pipeline_of(event):
        deployed(telling, event)


def failed(telling: Telling, event: Event) -> None:
    """Ours: the service is the subject, or named in the content."""
    service = called(event.content, "service") or event.id
    outcome = OUTCOMES.get((event.content.maybe("outcome") or "failure").lower(), "failure")
    part(telling, event, service, environment_of(event.content), outcome)


def finished(telling: Telling, event: Event) -> None:
    """pipelinerun.finished names neither service nor environment; when customData does, it was a deployment. So is a
    deploy of another Wend's: its pipeline has the app's name."""
    service, environment = called(event.more, "service"), called(event.more, "environment")
    if "deploy" in event.more and not service:
        service = event.content.named("pipelineName")
        environment = "preview" if "--" in (service or "") else "production"
    outcome = OUTCOMES.get((event.content.maybe("outcome") or "").lower())
    if service and environment and outcome:
        part(telling, event, service, environment, outcome)


def part(
    telling: Telling,
    event: Event,
    service: str,
    environment: str,
    outcome: Outcome,
    purpose: Literal["planned", "rollback"] = "planned",
) -> None:
    """A part of the deployment that its pipeline makes of one service to one tier; alone, when it names no pipeline."""
    content, more, tier = event.content, event.more, parse.tier(environment)
    artifact = content.maybe("artifactId")
    pipeline = pipeline_of(event)
    names = [pipeline, service] if pipeline else ["event", telling.call or ""]
    names += [tier] if pipeline and tier != "production" else []
    hot = purpose == "planned" and (more.maybe("purpose") or "").lower() == "hotfix"
    telling.deployment(
        telling.id(*names, *(["rollback"] if purpose == "rollback" else [])),
        service,
        environment,
        outcome,
        tier=tier,
        purpose="hotfix" if hot else purpose,
        repo=parse.repository(repo) if (repo := more.maybe("repo")) else None,
        commit=content.sha("commit") or more.sha("commit") or built_from(artifact),
        commits=[parse.commit(one) for one in (content.words("commits") or more.words("commits"))],
        artifact=artifact,
        started_at=content.maybe_time("startedAt") or more.maybe_time("startedAt"),
        finished_at=event.at,
        undoes=more.maybe("undoes"),
        url=content.maybe("uri") or content.maybe("url"),
    )


def environment_of(content: Doc) -> str:
    return content["environment"].named("name") or content["environment"].name("id")


def called(about: Doc, key: str) -> str | None:
    """A thing that is named by a text, or by an object with an id."""
    return about.named(key) or about.inner(key).named("id")


def pipeline_of(event: Event) -> str | None:
    """What the parts of one pipeline have in common: the chain, a deploy of another Wend, or the event that set them
    off."""
    if chain := event.context.maybe("chainId"):
        return f"chain-{chain}"
    if deploy := event.more.maybe("deploy"):
        return f"deploy-{deploy}"
    links = event.context.list("links")
    before = [one.inner("from").maybe("contextId") for one in links if one.maybe("linkType") == "PATH"]
    triggers = [one for one in links if (one.maybe("linkKind") or "").upper() == "TRIGGER"]
    found = [one for one in [*before, *(one.inner("target").maybe("contextId") for one in triggers)] if one]
    return f"after-{found[0]}" if found else None


def built_from(artifact: str | None) -> str | None:
    """The commit in a package URL's vcs_url."""
    found = BUILT_FROM.search(unquote(artifact or "").lower())
    return parse.sha(found[1]) if found else None


# ---------------------------------------------------------------------------------------------- changes


def change(telling: Telling, event: Event) -> None:
    """change.created and change.merged, when the subject or customData names a commit: a number of a pull request says
    nothing about what it holds."""
    commit = event.more.sha("commit") or parse.sha(event.id)
    if commit is None:
        return
    text = event.content.maybe("description") or ""
    merged = str(event.context.fields.get("type")).lower().startswith("dev.cdevents.change.merged")
    author = event.more.maybe("author")
    telling.change(
        event.content["repository"].name("id"),
        commit,
        event.more.maybe_time("committedAt") or event.at,
        parents=[parse.commit(one) for one in event.more.words("parents")],
        author=author,
        merge=merged,
        purpose=parse.purpose(text),
        reverts=parse.reverts(text),
        bot=telling.bot(author),
    )


# ---------------------------------------------------------------------------------------------- incidents, tickets


def trouble(telling: Telling, event: Event) -> None:
    """incident.detected and incident.reported. The artifact is the one it was seen in."""
    artifact = event.content.maybe("artifactId")
    cause = {"artifact": artifact} if artifact else None
    if deployment := event.more.maybe("causedBy"):
        cause = {"commit": found} if (found := parse.sha(deployment)) else {"deployment": deployment}
    tell_incident(telling, event, "open", cause)


def solved(telling: Telling, event: Event) -> None:
    """incident.resolved. Its artifact is the one that helped, not the cause."""
    tell_incident(telling, event, "resolved", None)


def tell_incident(
    telling: Telling, event: Event, state: Literal["open", "resolved"], cause: dict[str, str] | None
) -> None:
    telling.incident(
        telling.id("incident", event.id),
        state,
        event.at,
        service=called(event.content, "service"),
        environment=called(event.content, "environment"),
        opened_at=event.at if state == "open" else None,
        resolved_at=event.at if state == "resolved" else None,
        cause=cause,
        severity=event.more.maybe("severity") or event.more.maybe("priority"),
        title=event.content.maybe("description") if state == "open" else None,
        url=event.content.maybe("ticketURI"),
    )


def asked(telling: Telling, event: Event) -> None:
    tell_ticket(telling, event, "open")


def answered(telling: Telling, event: Event) -> None:
    tell_ticket(telling, event, "resolved")


def tell_ticket(telling: Telling, event: Event, state: Literal["open", "resolved"]) -> None:
    """ticket.created and ticket.closed. A bus carries everyone's tickets; those about the platform say so by group or
    label."""
    content, labels = event.content, event.content.words("labels")
    creator = content.maybe("creator")
    telling.ticket(
        telling.id("ticket", event.id),
        state,
        event.at,
        opened_at=event.at if state == "open" else None,
        resolved_at=event.at if state == "resolved" else None,
        reason=parse.label(labels, "reason") or content.maybe("ticketType"),
        team=parse.label(labels, "team") or event.more.maybe("team"),
        platform=parse.labelled([*labels, content.maybe("group") or ""], "platform") or event.more.truth("platform"),
        automatic=telling.bot(creator),
        title=content.maybe("summary"),
    )


def survey(telling: Telling, event: Event) -> None:
    """Ours: an answer. The event's id tells it from equal ones."""
    content = event.content
    telling.answer(
        telling.call or "",
        content.name("survey"),
        content.name("wave"),
        content.fields.get("score"),
        team=content.named("team"),
        wording=content.maybe("wording"),
        comment=content.maybe("comment"),
    )


READERS: dict[str, Callable[[Telling, Event], None]] = {
    "service.deployed": deployed,
    "service.upgraded": deployed,
    "service.rolledback": rolled_back,
    "service.published": published,
    "pipelinerun.finished": finished,
    "change.created": change,
    "change.merged": change,
    "incident.detected": trouble,
    "incident.reported": trouble,
    "incident.resolved": solved,
    "ticket.created": asked,
    "ticket.closed": answered,
}
OURS: dict[str, Callable[[Telling, Event], None]] = {"deployment.failed": failed, "survey.answered": survey}
