"""What happens elsewhere, taken in: one body per kind of source, each a pure reader of what that source sends.

A body says whether a delivery is genuine and what facts it makes; it opens no file, asks no clock and writes nothing.
What it becomes of whom is in docs/ingest.md.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from wend.errors import Invalid, NotFound
from wend.events import Fact
from wend.ingest.people import Pseudonyms

SOURCES: dict[str, str] = {
    "cloudevents": "wend.ingest.cloudevents:CloudEvents",
    "github": "wend.ingest.github:GitHub",
    "gitlab": "wend.ingest.gitlab:GitLab",
    "argocd": "wend.ingest.argocd:ArgoCD",
    "flux": "wend.ingest.flux:Flux",
    "flagger": "wend.ingest.flagger:Flagger",
    "pagerduty": "wend.ingest.pagerduty:PagerDuty",
    "jira": "wend.ingest.jira:Jira",
    "zendesk": "wend.ingest.zendesk:Zendesk",
    "devlake": "wend.ingest.devlake:DevLake",
    "csv": "wend.ingest.table:Table",
}


@dataclass(frozen=True)
class Delivery:
    """What arrived, as it arrived. `source`: the name it was set up under. `headers`: names in lower case. `at`: when
    it arrived, Unix microseconds. `bots`: identities that are no people, in lower case."""

    source: str
    headers: Mapping[str, str]
    body: bytes
    at: int
    people: Pseudonyms
    bots: frozenset[str] = frozenset()


@dataclass
class Heard:
    """What a delivery says: facts, and the side texts they name by hash. `asides`: parts of it that nobody here can
    read, each with the reason; they are kept aside, and the rest is taken."""

    facts: list[Fact] = field(default_factory=list[Fact])
    texts: dict[str, bytes] = field(default_factory=dict[str, bytes])
    asides: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])


class Unknown(Invalid):
    """A shape that this kind of source does not know. It is kept aside, not thrown away."""


class Source(Protocol):
    """One kind of source. Every body passes `tests/test_ingest_sources.py`."""

    def genuine(self, delivery: Delivery, secret: str, now: float) -> None:
        """Whether the holder of the secret sent these very bytes; `now` is Unix seconds. Raises Refused."""
        ...

    def read(self, delivery: Delivery) -> Heard:
        """What it says; nothing when it is about something else. The same meaning always makes the same ids. Raises
        Unknown for a shape nobody here can read, and Invalid for one that is known but says what cannot be."""
        ...


def source(kind: str) -> Source:
    """The body for this kind. Raises NotFound."""
    if kind not in SOURCES:
        raise NotFound(f"there is no kind of source {kind!r}", f"there are: {', '.join(SOURCES)}")
    module, _, name = SOURCES[kind].partition(":")
    return getattr(importlib.import_module(module), name)()
