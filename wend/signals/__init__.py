"""Signals: what is measured, each by one definition and one way of working it out, with n and an interval.

`measure` is the only way to a number: terminal, portal, JSON and Prometheus show what it says. A family of signals is a
file; a signal is a function of it, looked up by id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from sqlalchemy import Connection

from wend.errors import Invalid, NotFound
from wend.signals.definitions import DEFINITIONS, Definition
from wend.state.delivery import DAY
from wend.state.derived.blames import HORIZON
from wend.state.derived.rollups import monday

NO_DATA = "no data"
MOST_WEEKS = 260
NAME = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


@dataclass(frozen=True)
class Scope:
    """Whose numbers: everything's, a team's or a service's. There is no scope for a person."""

    kind: str = "all"
    name: str = ""

    @property
    def key(self) -> str:
        return "all" if self.kind == "all" else f"{self.kind}:{self.name}"

    @staticmethod
    def parse(text: str) -> Scope:
        """ "all", "team:NAME" or "service:NAME". Raises Invalid."""
        kind, colon, name = text.partition(":")
        if (kind, colon) == ("all", ""):
            return Scope()
        if kind not in ("team", "service") or not NAME.fullmatch(name):
            raise Invalid(f"{text[:60]!r} is nothing that is measured", "use all, team:NAME or service:NAME")
        return Scope(kind, name)


@dataclass(frozen=True)
class Window:
    """Whole weeks from a Monday up to and including today: `first` and `last` are UTC days since 1970, `now` is in
    microseconds. `zone`: whose Fridays are meant."""

    first: int
    last: int
    now: int
    zone: str = "UTC"

    @staticmethod
    def of(weeks: int, now: int, zone: str = "UTC") -> Window:
        """The running week and those before it, so many in all. Raises Invalid."""
        if not 1 <= weeks <= MOST_WEEKS:
            raise Invalid(f"{weeks} weeks cannot be looked at", f"use 1 to {MOST_WEEKS}")
        today = now // DAY
        return Window(monday(today) - 7 * (weeks - 1), today, now, zone)

    @property
    def days(self) -> int:
        return self.last - self.first + 1

    @property
    def settled(self) -> int:
        """The last day of which every deployment is old enough to count as good."""
        return min(self.last, self.now // DAY - HORIZON - 1)


@dataclass(frozen=True)
class Value:
    """A number with `n` and its interval, 19 times out of 20. `says`: empty, or what keeps it from being one: "no
    data", "cannot tell, needs about N more", "hidden: …". `censored`: those of n that are not over yet; `assumed`: the
    share of its links that nobody confirmed; `pending`: too young to count; `skewed`: left out, for clocks disagree."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    says: str = ""
    censored: int = 0
    assumed: float | None = None
    pending: int = 0
    skewed: int = 0


NOTHING = Value(says=NO_DATA)


@dataclass(frozen=True)
class Point:
    """One week of a series, by its Monday; None: no data."""

    day: int
    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Signal:
    """A signal as measured. `parts`: what else is worth knowing of it, by name. `fresh`: when the newest thing that
    was heard of happened, in microseconds. `notes`: what to keep in mind, in words."""

    definition: Definition
    scope: Scope
    window: Window
    value: Value
    parts: Mapping[str, Value] = field(default_factory=dict[str, Value])
    series: tuple[Point, ...] = ()
    fresh: int | None = None
    notes: tuple[str, ...] = ()


Measure = Callable[[Connection, Scope, Window], Signal]
FAMILIES: dict[str, str] = {
    "deployment_frequency": "wend.signals.throughput:deployment_frequency",
    "change_lead_time": "wend.signals.throughput:change_lead_time",
    "failed_deployment_recovery_time": "wend.signals.throughput:failed_deployment_recovery_time",
    "change_fail_rate": "wend.signals.stability:change_fail_rate",
    "deployment_rework_rate": "wend.signals.stability:deployment_rework_rate",
    "time_to_deploy": "wend.signals.flow:time_to_deploy",
    "push_only_rate": "wend.signals.flow:push_only_rate",
    "friday_confidence": "wend.signals.flow:friday_confidence",
    "time_to_first_change": "wend.signals.people:time_to_first_change",
    "time_to_tenth_change": "wend.signals.people:time_to_tenth_change",
    "adoption": "wend.signals.adoption:adoption",
    "adoption_depth": "wend.signals.adoption:adoption_depth",
    "voluntary_adoption": "wend.signals.adoption:voluntary_adoption",
    "adoption_retention": "wend.signals.adoption:adoption_retention",
    "onboarding_funnel": "wend.signals.adoption:onboarding_funnel",
    "support_tickets": "wend.signals.support:support_tickets",
    "nps": "wend.signals.voice:nps",
    "csat": "wend.signals.voice:csat",
    "ces": "wend.signals.voice:ces",
    "open_hatches": "wend.signals.hatches:open_hatches",
    "open_waivers": "wend.signals.hatches:open_waivers",
}


def definition(id: str) -> Definition:
    """The signal's definition. Raises NotFound."""
    if id not in DEFINITIONS:
        raise NotFound(f"there is no signal {id[:60]!r}", f"there are: {', '.join(DEFINITIONS)}")
    return DEFINITIONS[id]


def measure(db: Connection, id: str, scope: Scope, window: Window) -> Signal:
    """The signal of that id. Raises NotFound."""
    definition(id)
    module, _, name = FAMILIES[id].partition(":")
    family: Measure = getattr(import_module(module), name)
    return family(db, scope, window)


def as_dict(signal: Signal) -> dict[str, Any]:
    """The signal as JSON: what every door shows."""
    about = signal.definition
    return {
        "id": about.id,
        "version": about.version,
        "title": about.title,
        "unit": about.unit,
        "better": about.better,
        "means": about.means,
        "scope": signal.scope.key,
        "window": signal.window.__dict__,
        **signal.value.__dict__,
        "parts": {name: part.__dict__ for name, part in signal.parts.items()},
        "series": [point.__dict__ for point in signal.series],
        "fresh": signal.fresh,
        "notes": list(signal.notes),
    }
