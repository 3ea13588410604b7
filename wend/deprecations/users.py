"""Who still uses what is on its way out: by what runs, and not by a checklist.

Facts: api_called. An app whose facts nobody knows is neither a user nor none: it keeps a deprecation from being done.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from wend.context import Context
from wend.events import Fact
from wend.guardrails import uses
from wend.outgoing import DAY, used
from wend.state import deprecations as table
from wend.state import guardrails as judged
from wend.state import questions

Item = dict[str, Any]
Live = dict[str, tuple[str | None, list[str] | None]]  # app → (team, what its live release uses; None: nobody knows)


@dataclass(frozen=True)
class Seen:
    """Apps by what their live releases use: `using` it, and those of which nobody knows. App → its team."""

    using: dict[str, str | None]
    unknown: dict[str, str | None]


def live(db: Connection) -> Live:
    """Every app but previews."""
    apps = {one.name: one for one in questions.apps(db) if not one.parent}
    found: Live = {}
    for name, release in questions.live_releases(db).items():
        if name in apps:
            facts = judged.facts(db, name, release.commit) or {}
            known = facts.get("uses")
            every = None if known is None else uses.everything(known, facts.get("parts"))
            found[name] = (apps[name].team, every)
    return found


def of(db: Connection, what: str, there: Live | None = None) -> Seen:
    """Who uses this name. Of an API address: who called it in the last 30 days, by the owners of their tokens."""
    if what.startswith("api:"):
        since = int(time.time() * 1e6) // DAY - 30
        return Seen({one["owner"]: None for one in table.calls(db, what, since)}, {})
    every = live(db) if there is None else there
    using = {app: team for app, (team, names) in every.items() if names is not None and used(what, names)}
    return Seen(using, {app: team for app, (team, names) in every.items() if names is None})


def hours(db: Connection, what: str, minutes: int, there: Live) -> Counter[str]:
    """Team → the minutes that moving will cost it."""
    counted: Counter[str] = Counter()
    for team in of(db, what, there).using.values():
        counted[team or "(no team)"] += minutes
    return counted


# ---------------------------------------------------------------------------------------------- calls


@dataclass
class Calls:
    """Calls of addresses of ours that are on their way out, counted here until a clock writes them down."""

    counted: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict[str, Counter[str]](Counter))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: str, owner: str) -> None:
        with self.lock:
            self.counted[what][owner] += 1

    def write(self, ctx: Context) -> None:
        """One event for all that came since the last."""
        with self.lock:
            calls = {what: dict(owners) for what, owners in self.counted.items()}
            self.counted.clear()
        if calls:
            about = {"day": int(time.time() * 1e6) // DAY, "calls": calls}
            ctx.ledger.append([Fact("api_called", "deprecations", about)])


CALLS = Calls()
