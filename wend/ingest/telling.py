"""What a source says, put into facts: the one place that knows their fields, their streams and their ids.

Facts: change_recorded, deployment_recorded, incident_recorded, ticket_recorded, person_recorded, service_recorded,
survey_answered.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from wend.errors import Invalid
from wend.events import Fact
from wend.ingest import Delivery, Heard, parse

LONGEST = 300  # characters of an id; a longer one goes by its digest
LONGEST_TEXT = 10_000  # characters of a side text
MOST_PARENTS, MOST_COMMITS = 32, 10_000

SCALES = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}

State = Literal["open", "resolved", "reopened", "retracted"]
Outcome = Literal["success", "failure", "cancelled", "running"]


@dataclass
class Telling:
    """Collects what one delivery says. `call`: what the sender calls the delivery, as far as that is proven with its
    body; without one every fact is named by what it says, so that saying the same again changes nothing."""

    delivery: Delivery
    call: str | None = None
    heard: Heard = field(default_factory=Heard)

    def tell(self, kind: str, stream: str, data: Mapping[str, Any], call: str | None = None) -> None:
        source = self.delivery.source
        number = len(self.heard.facts)
        if call or self.call is None:
            id = f"{source}:{call or parse.digest([kind, data])}"
        else:
            id = f"{source}:{self.call}" + (f"#{number}" if number else "")
        said = {"source": source, **data}
        self.heard.facts.append(Fact(kind, bounded(stream), said, actor=source, id=bounded(id)))

    def keep(self, id: str, text: str | None) -> str | None:
        """The hash of a side text about `id`; None for no text."""
        if not text or not text.strip():
            return None
        hash, body = self.delivery.people.text(id, parse.clean(text.strip())[:LONGEST_TEXT])
        self.heard.texts[hash] = body
        return hash

    def author(self, commit: str, identity: str | None) -> str | None:
        if not identity or not identity.strip():
            return None
        hash, body = self.delivery.people.author(commit, identity)
        self.heard.texts[hash] = body
        return hash

    def bot(self, *identities: str | None) -> bool:
        """Whether one of these is no person: declared as a bot, or called so by its host."""
        names = [identity.strip().lower() for identity in identities if identity]
        return any(name in self.delivery.bots or name.endswith("[bot]") or "[bot]@" in name for name in names)

    def id(self, *parts: str) -> str:
        """A name of a thing of this source that no other source has: "github:acme/shop/run/12"."""
        return bounded(f"{self.delivery.source}:{'/'.join(parts)}")

    def change(
        self,
        repo: str,
        commit: str,
        at: int,
        parents: Iterable[str | None] = (),
        author: str | None = None,
        merge: bool = False,
        purpose: parse.Purpose = "planned",
        reverts: str | None = None,
        bot: bool = False,
        folders: Iterable[str] | None = None,
    ) -> None:
        """A commit. `author`: an e-mail address or login, which goes no further than its pseudonym; `folders`: those of
        the files it touched, None when nobody tells."""
        known = list(dict.fromkeys(one for one in parents if one and one != commit))[:MOST_PARENTS]
        said = {"repo": repo, "commit": commit, "committed_at": at, "parents": known, "merge": merge, "bot": bot}
        said |= {"purpose": purpose, "reverts": reverts, "author": self.author(commit, author)}
        if folders is not None and (found := list(dict.fromkeys(folders))):
            said["folders"] = found
        self.tell("change_recorded", f"repo/{repo}", said)

    def review(
        self,
        review: str,
        repo: str,
        opened_at: int | None = None,
        reviewed_at: int | None = None,
        merged_at: int | None = None,
        commit: str | None = None,
        head: str | None = None,
        own: int | None = None,
    ) -> None:
        """A request to merge, or a moment of one. `commit`: what it ended in; `head`: the last commit of its branch, of
        which `own` are its own."""
        said = {"review": review, "repo": repo, "opened_at": opened_at, "reviewed_at": reviewed_at}
        said |= {"merged_at": merged_at, "commit": commit, "head": head, "own": own}
        self.tell("review_recorded", f"repo/{repo}", said)

    def deployment(
        self,
        deployment: str,
        service: str,
        environment: str,
        outcome: Outcome,
        tier: parse.Tier | None = None,
        purpose: Literal["planned", "rollback", "hotfix"] = "planned",
        repo: str | None = None,
        commit: str | None = None,
        commits: Iterable[str] = (),
        artifact: str | None = None,
        started_at: int | None = None,
        finished_at: int | None = None,
        undoes: str | None = None,
        url: str | None = None,
        call: str | None = None,
    ) -> None:
        """A deployment or a part of one. `deployment`: made by `id`, the same for all parts."""
        said = {"deployment": deployment, "service": service, "repo": repo, "environment": environment}
        said |= {"tier": tier or parse.tier(environment), "outcome": outcome, "purpose": purpose, "commit": commit}
        carried = list(dict.fromkeys(commits))[:MOST_COMMITS]
        said |= {"commits": carried, "artifact": parse.short(artifact), "started_at": started_at}
        said |= {"finished_at": finished_at, "undoes": undoes, "url": parse.link(url)}
        self.tell("deployment_recorded", f"service/{service}", said, call)

    def incident(
        self,
        incident: str,
        state: State,
        at: int,
        service: str | None = None,
        environment: str | None = None,
        opened_at: int | None = None,
        resolved_at: int | None = None,
        cause: Mapping[str, str] | None = None,
        severity: str | None = None,
        title: str | None = None,
        url: str | None = None,
    ) -> None:
        """An incident in a state that began `at`. `title` is kept as a side text."""
        said = {"incident": incident, "service": service, "environment": environment, "state": state, "at": at}
        said |= {"opened_at": opened_at, "resolved_at": resolved_at, "cause": dict(cause) if cause else None}
        said |= {"severity": parse.short(severity), "title": self.keep(incident, title), "url": parse.link(url)}
        self.tell("incident_recorded", f"incident/{incident}", said)

    def ticket(
        self,
        ticket: str,
        state: State,
        at: int,
        opened_at: int | None = None,
        resolved_at: int | None = None,
        reason: str | None = None,
        team: str | None = None,
        platform: bool = True,
        automatic: bool = False,
        title: str | None = None,
    ) -> None:
        """A support ticket in a state that began `at`."""
        said = {"ticket": ticket, "state": state, "at": at, "opened_at": opened_at, "resolved_at": resolved_at}
        said |= {"reason": parse.short(reason), "team": parse.short(team), "platform": platform}
        said |= {"automatic": automatic, "title": self.keep(ticket, title)}
        self.tell("ticket_recorded", f"ticket/{ticket}", said)

    def person(
        self,
        identities: Iterable[str],
        team: str | None = None,
        role: str | None = None,
        joined_at: int | None = None,
        left_at: int | None = None,
        name: str | None = None,
    ) -> None:
        """Somebody under all their e-mail addresses and logins, the chief one first. What was said last holds, and a
        team may become what it was before: so the id has the day."""
        person, *aliases = dict.fromkeys(self.delivery.people.of(identity) for identity in identities)
        said = {"person": person, "aliases": aliases, "team": team, "role": parse.short(role)}
        said |= {"joined_at": joined_at, "left_at": left_at, "name": self.keep(person, name)}
        self.tell("person_recorded", f"person/{person}", said, self.today("person_recorded", said))

    def service(
        self,
        service: str,
        team: str | None = None,
        repo: str | None = None,
        since: int | None = None,
        until: int | None = None,
        why: str | None = None,
        exempt: bool = False,
        folders: Iterable[str] | None = None,
    ) -> None:
        """A service; as with people, the id has the day. `folders`: what of its repository it is made from; () is all
        of it, None says nothing of that."""
        said: dict[str, Any] = {"service": service, "team": team, "repo": repo, "since": since, "until": until}
        said |= {"why": parse.short(why), "exempt": exempt}
        if folders is not None:
            said["folders"] = sorted(set(folders))
        self.tell("service_recorded", f"service/{service}", said, self.today("service_recorded", said))

    def today(self, kind: str, said: Mapping[str, Any]) -> str:
        return parse.digest([kind, said, self.delivery.at // 86_400_000_000])

    def answer(
        self,
        call: str,
        survey: str,
        wave: str,
        score: object,
        team: str | None = None,
        wording: str | None = None,
        comment: str | None = None,
    ) -> None:
        """An answer to a survey. `call` tells it from equal answers of others. Score and team are kept beside the
        chain, for in a small team they would say who. Raises Invalid for what is no survey, or off its scale."""
        lowest, highest = SCALES.get(survey, (0, -1))
        if isinstance(score, bool) or not isinstance(score, int) or not lowest <= score <= highest:
            raise Invalid(f"{str(score)[:20]!r} is no score of the survey {survey[:20]!r}", f"there are: {SCALES}")
        answer = self.keep(f"answer {call}", json.dumps({"score": score, "team": team}, ensure_ascii=False))
        said = {"survey": survey, "wave": wave, "wording": parse.short(wording), "answer": answer}
        said |= {"comment": self.keep(call, comment)}
        self.tell("survey_answered", f"survey/{survey}", said, call)


def bounded(id: str) -> str:
    """The id, or its beginning and its digest when it is too long to be a key."""
    return id if len(id) <= LONGEST else f"{id[:200]}…{parse.digest(id)}"
