"""The simulated company told to a real ledger, by the events that sources, interviews and people write."""

from __future__ import annotations

import time
from typing import Any

from tests.company_world import TODAY, Company
from wend.context import Context
from wend.cost.given import Asked, Told
from wend.events import Fact
from wend.ingest.people import Pseudonyms, pseudonyms
from wend.ledger import Ledger
from wend.state.delivery import DAY
from wend.voice.evidence import monday

Texts = dict[str, bytes]


def tell(ctx: Context, company: Company) -> None:
    """Everything, as if the company's last week were the running one. Pains are numbered from 1."""
    shift, people = monday(int(time.time() * 1e6) // DAY) - TODAY, pseudonyms(ctx.config.home)
    facts: list[Fact] = [worker(person, team) for person, team in company.people.items()]
    facts += [named(number) for number in range(1, len(company.pains) + 1)]
    texts: Texts = {}
    for place, one in enumerate(company.told):
        for part in range(one.times if one.source == "telemetry" else 1):
            facts += evidence(f"e{place}.{part}", one, shift, people, texts)
    for number, one in enumerate(company.asked, 1):
        facts += interview(number, one, shift)
    append(ctx.ledger, facts, texts)


def append(ledger: Ledger, facts: list[Fact], texts: Texts) -> None:
    for start in range(0, len(facts), 2000):
        ledger.append(facts[start : start + 2000], texts=texts if start == 0 else {})


def worker(person: str, team: str) -> Fact:
    data: dict[str, Any] = {"source": "csv", "person": person, "aliases": [], "team": team, "role": None}
    data |= {"joined_at": 1, "left_at": None, "name": None}
    return Fact("person_recorded", f"person/{person}", data, actor="csv")


def named(pain: int) -> Fact:
    return Fact("pain_named", f"pain/{pain}", {"pain": pain, "title": f"Pain {pain}"}, actor="ann")


def evidence(id: str, one: Told, shift: int, people: Pseudonyms, texts: Texts) -> list[Fact]:
    """What was said or seen, and that it is about the pain."""
    said = f"it took me long | {one.per_week:.3f} a week" if one.per_week is not None else ""
    hash, body = people.text(id, said)
    texts |= {hash: body} if said else {}
    data: dict[str, Any] = {"evidence": id, "source": one.source, "text": hash if said else None, "team": one.team}
    data |= {"person": one.person or None, "own": False, "app": None, "week": one.week + shift, "about": {}}
    data |= {"at": (one.week + shift) * DAY, "minutes": one.minutes}
    link: dict[str, Any] = {"evidence": id, "pain": one.pain + 1, "by": "ann", "proposed": []}
    return [
        Fact("evidence_recorded", f"evidence/{id}", data, actor=one.source),
        Fact("evidence_linked", f"evidence/{id}", link, actor="ann"),
    ]


def interview(number: int, one: Asked, shift: int) -> list[Fact]:
    """Drawn, heard and written down."""
    week = one.week + shift
    drawn: dict[str, Any] = {"interview": number, "person": one.person, "week": week, "stratum": one.team}
    drawn |= {"probability": one.probability, "reserve": False}
    held = {"interview": number, "consent": "full", "at": week * DAY}
    snapshot: dict[str, Any] = {"interview": number, "facts": None, "quote": None, "notes": None, "story": []}
    snapshot |= {"insights": [], "opportunities": []}
    return [
        Fact("interview_scheduled", "interviews", drawn, actor="ann"),
        Fact("interview_held", f"interview/{number}", held, actor="ann"),
        Fact("snapshot_written", f"interview/{number}", snapshot, actor="ann"),
    ]
