"""A platform's half year, told as ingest facts: three teams, twelve services, and what went wrong there."""

from __future__ import annotations

import hashlib
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

from wend.events import Fact
from wend.ingest.people import Pseudonyms
from wend.ledger.store import Store

DAY = 86_400_000_000  # microseconds
HOUR = DAY // 24
TEAMS = {
    "payments": ("checkout", "invoices", "refunds", "ledger-api"),
    "catalogue": ("search", "listing", "images", "recommendations"),
    "identity": ("login", "sessions", "permissions", "audit-trail"),
}
PACE = {"checkout": 6, "search": 5, "login": 4, "audit-trail": 0.3, "ledger-api": 1.0}  # deployments a week; others 2.5
SURVEYS = {"nps": (0, 10, 8), "csat": (1, 5, 4), "ces": (1, 7, 5)}


@dataclass
class Story:
    """The facts so far. `now`: Unix microseconds; `weeks`: how far back it goes."""

    now: int
    weeks: int
    dice: random.Random
    people: Pseudonyms
    facts: list[Fact] = field(default_factory=list)
    texts: dict[str, bytes] = field(default_factory=dict)
    count: int = 0

    def say(self, kind: str, stream: str, **data: Any) -> None:
        self.count += 1
        fact = Fact(kind, stream, {"source": "seed", **data}, actor="seed", id=f"seed:{self.count}")
        self.facts.append(fact)

    def noted(self, id: str, text: str) -> str:
        hash, body = self.people.text(id, text)
        self.texts[hash] = body
        return hash

    def working_hour(self, monday: int) -> int:
        """A moment in this week between nine and five, on Fridays less often than on other days."""
        day = self.dice.choices(range(5), (5, 5, 5, 5, 2))[0]
        return monday + day * DAY + 9 * HOUR + int(self.dice.random() * 8 * HOUR)


def commit_of(*words: object) -> str:
    return hashlib.sha1(repr(words).encode()).hexdigest()


def seed(ledger: Store, now: float | None = None, weeks: int = 26, dice: int = 7) -> Story:
    """Tell the story to the ledger, which may be empty or not."""
    story = Story(int((now or time.time()) * 1e6), weeks, random.Random(dice), Pseudonyms(b"7" * 32))
    today = story.now // DAY
    first = (today - (today + 3) % 7 - 7 * (weeks - 1)) * DAY
    for team, services in TEAMS.items():
        staff = hire(story, team, first)
        for service in services:
            since = first - 30 * DAY
            story.say("service_recorded", f"service/{service}", service=service, team=team, repo=f"shop/{service}",
                      since=since, until=None, why=None, exempt=False)  # fmt: skip
            live(story, service, staff, first)
    complain(story, first)
    for ago, wave in ((110, "spring"), (20, "summer")):
        answers = Story(story.now, weeks, story.dice, story.people, count=story.count + 10**6 * ago)
        ask(answers, wave)
        clock, at = ledger.clock, story.now / 1e6 - ago * 86_400
        ledger.clock = lambda at=at: at
        try:
            ledger.append(answers.facts, texts=answers.texts)
        finally:
            ledger.clock = clock
    for start in range(0, len(story.facts), 4000):
        ledger.append(story.facts[start : start + 4000], texts=story.texts)
    return story


def hire(story: Story, team: str, first: int) -> list[str]:
    """Nine people, of whom half came within the half year."""
    staff: list[str] = []
    for number in range(9):
        name = f"{team}-{number}@shop.example"
        joined = first - 200 * DAY if number < 5 else first + int(story.dice.random() * 0.7 * story.weeks * 7) * DAY
        person = story.people.of(name)
        staff.append(name)
        story.say("person_recorded", f"person/{person}", person=person, aliases=[person], team=team, role="engineer",
                  joined_at=joined, left_at=None, name=story.noted(person, name))  # fmt: skip
    return staff


def live(story: Story, service: str, staff: list[str], first: int) -> None:
    """The service's weeks: changes, deployments, and now and then something that breaks."""
    pace, before, before_id = PACE.get(service, 2.5), None, None
    for week in range(story.weeks):
        monday = first + week * 7 * DAY
        times = sorted(story.working_hour(monday) for _ in range(int(pace * story.dice.uniform(0.4, 1.6) + 0.5)))
        if service == "images" and 8 <= week < 12:
            times = []  # a holiday: a gap in every chart
        for at in times:
            if at < story.now - HOUR:
                before = change(story, service, staff, at, before)
                before_id = deploy(story, service, at, before, before_id)


def change(story: Story, service: str, staff: list[str], at: int, before: str | None) -> str:
    """One to four commits, each on the one before; the last of them."""
    for number in range(story.dice.randint(1, 4)):
        wait = int(HOUR * story.dice.lognormvariate(2.6, 1.0))
        commit, author = commit_of(service, at, number), story.dice.choice(staff)
        hash, body = story.people.author(commit, author)
        story.texts[hash] = body
        story.say("change_recorded", f"repo/shop/{service}", repo=f"shop/{service}", commit=commit,
                  committed_at=at - wait, parents=[before] if before else [], merge=False, purpose="planned",
                  reverts=None, bot=False, author=hash)  # fmt: skip
        before = commit
    assert before
    return before


def deploy(story: Story, service: str, at: int, commit: str, before: str | None) -> str:
    """One deployment to production; its id."""
    took, dice = int(60e6 * story.dice.lognormvariate(1.6, 0.5)), story.dice.random()
    id = deployment(story, service, at, at + took, commit, "planned", None)
    if dice < 0.06 and before:
        again = at + took + int(60_000_000 * story.dice.lognormvariate(3.2, 0.8))
        deployment(story, service, again, again + 90_000_000, commit, "rollback", id)
    elif dice < 0.11:
        incident(story, service, at + took, id if dice < 0.085 else None)
    return id


def deployment(
    story: Story, service: str, begun: int, ended: int, commit: str, purpose: str, undoes: str | None
) -> str:
    id = f"seed:{service}/{begun}"
    where = {"environment": "production", "tier": "production", "outcome": "success", "repo": f"shop/{service}"}
    story.say("deployment_recorded", f"service/{service}", deployment=id, service=service, purpose=purpose,
              commit=commit, commits=[], artifact=None, started_at=begun, finished_at=ended, undoes=undoes, url=None,
              **where)  # fmt: skip
    return id


def incident(story: Story, service: str, after: int, cause: str | None) -> None:
    opened = after + int(story.dice.uniform(0.1, 30) * HOUR)
    ended = opened + int(HOUR * story.dice.lognormvariate(0.5, 1.0))
    if opened > story.now:
        return
    over = ended < story.now
    id = f"seed:incident/{service}/{opened}"
    story.say("incident_recorded", f"incident/{id}", incident=id, service=service, environment="production",
              state="resolved" if over else "open", at=ended if over else opened, opened_at=opened,
              resolved_at=ended if over else None, cause={"deployment": cause} if cause else None,
              severity="major", title=story.noted(id, f"{service} is slow"), url=None)  # fmt: skip


def ask(story: Story, wave: str) -> None:
    """A wave of every survey; in one team only a few answer."""
    for team in TEAMS:
        for number in range(9 if team != "identity" else 4):
            for survey, (least, most, usual) in SURVEYS.items():
                score = max(least, min(most, round(story.dice.gauss(usual, 1.6))))
                call = f"{survey}{wave}{team}{number}"
                said = story.noted(f"answer {call}", json.dumps({"score": score, "team": team}))
                story.say("survey_answered", f"survey/{survey}", survey=survey, wave=wave, wording="1", answer=said,
                          comment=story.noted(call, "docs"))  # fmt: skip


def complain(story: Story, first: int) -> None:
    """A few tickets about the platform every week."""
    for week in range(story.weeks):
        for number in range(story.dice.randint(0, 4)):
            opened = story.working_hour(first + week * 7 * DAY)
            if opened < story.now:
                id = f"seed:ticket/{week}/{number}"
                story.say("ticket_recorded", f"ticket/{id}", ticket=id, state="resolved", at=opened + 5 * HOUR,
                          opened_at=opened, resolved_at=opened + 5 * HOUR, reason="how do I", platform=True,
                          team=story.dice.choice(list(TEAMS)), automatic=False,
                          title=story.noted(id, "How do I?"))  # fmt: skip
