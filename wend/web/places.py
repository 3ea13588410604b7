"""Where one can go: the places of the portal, and which of them one is at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A page that others are beside or below. `verb`: what it takes to see it; `under`: those that one gets to from
    it, itself the first."""

    path: str
    name: str
    verb: str
    under: tuple[Place, ...] = ()
    also: tuple[str, ...] = ()

    def holds(self, path: str) -> bool:
        """Whether the page at `path` is here or below."""
        mine = path == self.path or (self.path != "/" and path.startswith(f"{self.path}/"))
        return mine or path.startswith(self.also or ("\0",)) or any(one.holds(path) for one in self.under)


PLACES = (
    Place("/", "Apps", "app.read", also=("/apps/",)),
    Place("/paths", "Paths", "app.read", (
        Place("/paths", "Golden paths", "app.read"),
        Place("/hatches", "Escape hatches", "platform.read"),
        Place("/guardrails", "Guardrails", "platform.read"),
        Place("/deprecations", "On its way out", "platform.read"),
        Place("/rightsize", "Right size", "platform.read"),
    )),
    Place("/signals", "Signals", "signals.read", (
        Place("/signals", "Signals", "signals.read"),
        Place("/surveys", "Surveys", "signals.read"),
        Place("/ingest", "Sources", "signals.read"),
    )),
    Place("/one-thing", "One thing", "signals.read"),
    Place("/pains", "Pains", "signals.read", (
        Place("/pains", "Pains", "signals.read"),
        Place("/friction", "Friction logs", "research.lead"),
    )),
    Place("/bets", "Bets", "signals.read", (
        Place("/bets", "Bets", "signals.read"),
        Place("/toil", "Work by hand", "signals.read"),
        Place("/digest", "Digest", "signals.read"),
    )),
    Place("/research", "Interviews", "research.lead"),
    Place("/ledger", "Ledger", "ledger.read"),
)  # fmt: skip


def seen(may: Mapping[str, bool]) -> list[Place]:
    """The places of the main row that somebody may see."""
    return [one for one in PLACES if may.get(one.verb) or any(may.get(below.verb) for below in one.under)]


def beside(path: str, may: Mapping[str, bool]) -> list[Place]:
    """What is beside the page at `path` in its part of the portal; nothing when it is alone there."""
    here = next((one for one in PLACES if one.holds(path)), None)
    found = [one for one in here.under if may.get(one.verb)] if here else []
    return found if len(found) > 1 else []
