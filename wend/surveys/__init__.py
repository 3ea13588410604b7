"""Micro-surveys: one question after a finished task, rarely, to people drawn at random, and never in their way.

`questions.toml` has the questions, `gate.py` decides, `asking.py` asks, `answering.py` takes the answer, `counts.py`
says how many answered and what.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from wend.errors import NotFound

# What a question of satisfaction is about, by the cause of the deploy that is just finished.
CAPABILITIES = {
    "config": "how configuration is changed",
    "secret": "how secrets are changed",
    "rollback": "going back to an earlier release",
    "canary": "canaries",
    "resource": "databases, caches and folders",
}


@dataclass(frozen=True)
class Wording:
    """A version of a question. `labels`: of every step of its scale, or of its two ends."""

    id: str
    text: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """As questions.toml has it. An open question has no scale: it is answered with 0 (nothing) or 1 (something), and
    words."""

    id: str
    after: tuple[str, ...]
    rest: int
    target: int
    least: float
    most: float
    wordings: tuple[Wording, ...]
    lowest: int = 0
    highest: int = 1
    season: tuple[int, ...] = ()

    @property
    def wording(self) -> Wording:
        return self.wordings[-1]

    @property
    def open(self) -> bool:
        return not self.wording.labels

    def topic(self, trigger: str) -> str:
        """What it is about: the same topic is not asked about again for `rest` days."""
        return f"{self.id}:{trigger}" if "{about}" in self.wording.text else self.id

    def text(self, topic: str) -> str:
        return worded(self.wording.text, topic)


def worded(text: str, topic: str) -> str:
    """The text about this topic; about any, with dots in its place."""
    return text.replace("{about}", CAPABILITIES.get(topic.partition(":")[2], "…"))


@cache
def questions() -> tuple[Question, ...]:
    """Every question, in the order in which they are asked when several are due."""
    written = tomllib.loads((Path(__file__).parent / "questions.toml").read_text("utf-8"))
    return tuple(read(id, table) for id, table in written.items())


def read(id: str, table: dict[str, Any]) -> Question:
    wordings = tuple(Wording(one["id"], one["text"], tuple(one["labels"])) for one in table["wordings"])
    season = tuple(table.get("season", ()))
    known: dict[str, Any] = {**table, "after": tuple(table["after"]), "season": season, "wordings": wordings}
    return Question(id, **known)


def question(id: str) -> Question:
    """Raises NotFound."""
    for one in questions():
        if one.id == id:
            return one
    raise NotFound(f"there is no question {id[:40]!r}", f"there are: {', '.join(one.id for one in questions())}")


def wording(id: str) -> Wording:
    """The wording of this id, of any question and however old. Raises NotFound."""
    for one in questions():
        for version in one.wordings:
            if version.id == id:
                return version
    raise NotFound(f"there is no wording {id[:40]!r}", "wend/surveys/questions.toml has them all")
