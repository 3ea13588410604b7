"""What is known of pains, in one order whatever order it came in; and everybody's weights in each of the draws."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Draws = NDArray[np.float64]

DRAWS = 2000
HALF_LIFE = 90.0  # days in which what was said loses half its weight
WINDOW = 182  # days that frequency is measured over, and after which nobody counts as hit for having said so once
TEAMS, PEOPLE = 1.5, 2.5  # shapes of the weights (gamma): a team's varies more than a person's within it
ENDS = (0.05, 0.95)  # of a 90 % interval


@dataclass(frozen=True)
class Told:
    """What one source knows of one person, pain and week: `times` it happened, or was said; said to happen `per_week`;
    lost `minutes` a time. `person` "" or not in the directory: nobody knows who."""

    pain: int
    person: str
    team: str
    week: int
    source: str
    times: int = 1
    per_week: float | None = None
    minutes: float | None = None


@dataclass(frozen=True)
class Asked:
    """Somebody who was drawn with that probability, and heard, in the week (its Monday, UTC day since 1970)."""

    person: str
    team: str
    week: int
    probability: float
    source: str = "interview"


@dataclass(frozen=True)
class Quantity:
    """A number with its 90 % interval, what it was counted from and how many. `check`: what the next best source says;
    `disagrees`: by more than chance. Never averaged with it."""

    value: float
    low: float
    high: float
    n: int
    source: str
    check: Quantity | None = None
    disagrees: bool = False


@dataclass
class Book:
    """What was told, by what it is asked for. People are in the order of their weights."""

    pains: Sequence[int]
    people: Mapping[str, str]
    today: int
    told: Sequence[Told]
    asked: Sequence[Asked]
    names: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])  # (team, person)
    place: dict[str, int] = field(default_factory=dict[str, int])
    by_source: dict[tuple[int, str], list[Told]] = field(default_factory=dict[tuple[int, str], list[Told]])

    def fresh(self, week: int) -> float:
        return 0.5 ** (max(0, self.today - week) / HALF_LIFE)

    def mine(self, pain: int, source: str) -> list[Told]:
        return self.by_source.get((pain, source), [])


def book(
    pains: Sequence[int], told: Sequence[Told], asked: Sequence[Asked], people: Mapping[str, str], today: int
) -> Book:
    """Everything in one order, whatever order it came in. Who is nobody known is one voice of the team, per source."""
    known = [one if one.person in people else nobody(one) for one in told]
    heard = sorted((one for one in asked if one.person in people and one.probability > 0), key=repr)
    made = Book(sorted(pains), people, today, sorted(known, key=repr), heard)
    for one in made.told:
        made.by_source.setdefault((one.pain, one.source), []).append(one)
    teams = {one.person: one.team for one in known} | dict(people)
    made.names = sorted((team, person) for person, team in teams.items())
    made.place = {person: index for index, (_, person) in enumerate(made.names)}
    return made


def nobody(one: Told) -> Told:
    return replace(one, person=f"?{one.source}/{one.team}")


def seed(given: Book) -> int:
    """From the data, so that the same data never give two answers."""
    text = repr((given.pains, given.told, given.asked, sorted(given.people.items()), given.today))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big")


class Draw:
    """The weights of everybody in each of the draws: a team's times a person's, gamma with mean 1 (the Bayesian
    bootstrap of D. B. Rubin, 1981, in two stages), so that a team that speaks as one counts as one."""

    def __init__(self, given: Book) -> None:
        import numpy

        self.np, self.given = numpy, given
        self.dice = numpy.random.default_rng(seed(given))
        teams = sorted({team for team, _ in given.names})
        by_team = self.dice.gamma(TEAMS, 1 / TEAMS, (DRAWS, len(teams)))
        column = [teams.index(team) for team, _ in given.names]
        self.weights: Draws = by_team[:, column] * self.dice.gamma(PEOPLE, 1 / PEOPLE, (DRAWS, len(given.names)))

    def normal(self) -> Draws:
        return self.dice.standard_normal(DRAWS)

    def gamma(self, shape: float) -> Draws:
        return self.dice.gamma(shape, 1.0, DRAWS) if shape > 0 else self.np.zeros(DRAWS)

    def ends(self, drawn: Draws) -> tuple[float, float]:
        low, high = self.np.quantile(drawn, ENDS)
        return float(low), float(high)
