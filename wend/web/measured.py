"""Signals as plain JSON values: the API answers with these, the pages show them, and monitoring reads a few. What is
about people is written down before it is shown."""

from __future__ import annotations

import difflib
import inspect
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import asdict
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import access, privacy, signals
from wend.context import Context
from wend.errors import NotFound
from wend.ledger import Ledger
from wend.ledger.rows import LEDGER
from wend.signals import Definition, Scope, Signal, Value, Window, look, quick_check
from wend.signals.evidence import evidence
from wend.state import figures
from wend.state.catalogue import SERVICES
from wend.state.people import PEOPLE
from wend.web import wording

WEEKS = (4, 13, 26, 52, 104)  # that the pages offer
USUAL = 13
MOMENT, KEPT = 30.0, 2000  # seconds that what was measured is good for, and how many signals are remembered
# Events that change no signal.
QUIET = frozenset(
    {"access_denied", "figures_read", "deploy_step_reached", "token_created", "token_revoked", "job_started",
     "job_finished", "job_skipped", "autoscaled", "replica_exited", "emission_recorded"}
)  # fmt: skip
Found = dict[str, Any]
Key = tuple[str, str, int]  # signal, scope, weeks


# ---------------------------------------------------------------------------------------------- pure


def as_json(signal: Signal) -> Found:
    """As every door shows it, with its family. `n_at_least`: n is the least that there are, for people are not counted
    out. `begin`: how to get data where there is none. `quick_check`: where a firm value would stand in DORA's survey.
    """
    about, value = signal.definition, signal.value
    possible = signal.scope.kind != "service" or about.family not in wording.NOT_OF_SERVICES
    hidden = value.says.startswith("hidden")
    begin = wording.TO_BEGIN.get(about.id, wording.TO_BEGIN.get(about.family))
    return {
        **signals.as_dict(signal),
        "family": about.family,
        "parts": {name: part_of(about, name, one) for name, one in signal.parts.items()},
        "n_at_least": about.id in privacy.ABOUT_PEOPLE,
        "begin": begin if value.value is None and not value.n and possible and not hidden else None,
        "quick_check": on_scale(about.id, value),
    }


def part_of(about: Definition, name: str, value: Value) -> Found:
    """A part with its title and unit. One that is counted out is its own interval."""
    title, unit = wording.part(about.id, name)
    ends = {"low": value.value, "high": value.value} if name in wording.WHOLE else {}
    return {**value.__dict__, **ends, "title": title, "unit": unit or about.unit}


def on_scale(id: str, value: Value) -> Found | None:
    if value.value is None or value.says:
        return None
    found = quick_check.score(id, value.value, value.low, value.high, value.n)
    return asdict(found) if found else None


def overall(found: Iterable[Signal]) -> Found | None:
    """The five together on the survey's scale, of those that are firm."""
    scores = {
        one.definition.id: score
        for one in found
        if one.value.value is not None and not one.value.says
        for score in [quick_check.score(one.definition.id, one.value.value, one.value.low, one.value.high, one.value.n)]
        if score
    }
    whole = quick_check.overall(scores)
    return dict(zip(("value", "low", "high", "n"), whole, strict=True)) if whole else None


def how(id: str) -> str:
    """How the signal is worked out, as its own function says."""
    module, _, name = signals.FAMILIES[id].partition(":")
    return inspect.getdoc(getattr(import_module(module), name)) or ""


def shows_people(signal: Signal) -> bool:
    """Whether a figure about people is in it."""
    values = (signal.value, *signal.parts.values())
    return signal.definition.id in privacy.ABOUT_PEOPLE and any(one.value is not None for one in values)


class Memory:
    """What was measured of a ledger, good for MOMENT seconds and until anything that may change it is heard of. Two who
    ask at once may both measure."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kept: OrderedDict[Key, tuple[float, int, Signal]] = OrderedDict()
        self.base = self.upto = 0  # the last event that changed anything, and up to which that is known

    def catch_up(self, ctx: Context) -> int:
        """Look at the events since the last time; the number of the newest."""
        head = ctx.ledger.head()[0]
        with self.lock:
            if head != self.upto:
                here = LEDGER.c.seq.between(self.upto + 1, head) & LEDGER.c.kind.not_in(QUIET)
                with ctx.ledger.query() as db:
                    news = db.execute(sa.select(LEDGER.c.seq).where(here).limit(1)).first()
                self.base, self.upto = head if news else self.base, head
        return head

    def get(self, key: Key) -> Signal | None:
        with self.lock:
            at, seq, signal = self.kept.get(key, (0.0, 0, None))
            return signal if signal and seq >= self.base and time.monotonic() - at < MOMENT else None

    def put(self, key: Key, head: int, signal: Signal) -> None:
        with self.lock:
            self.kept.pop(key, None)
            self.kept[key] = (time.monotonic(), head, signal)
            while len(self.kept) > KEPT:
                self.kept.popitem(last=False)


MEMORIES: WeakKeyDictionary[Ledger, Memory] = WeakKeyDictionary()


# ---------------------------------------------------------------------------------------------- asked of the tables


def scopes(db: Connection) -> Found:
    """Every team and service there is, by name."""
    services = db.execute(sa.select(SERVICES.c.service).order_by(SERVICES.c.service)).scalars().all()
    both = sa.union(sa.select(SERVICES.c.team), sa.select(PEOPLE.c.team)).subquery()
    teams = db.execute(sa.select(both.c.team).where(both.c.team.is_not(None)).order_by(both.c.team)).scalars().all()
    return {"teams": list(teams), "services": list(services)}


def check_scope(db: Connection, scope: Scope) -> None:
    """Raises NotFound, with the nearest name, when there is no such team or service."""
    there: list[str] = [] if scope.kind == "all" else scopes(db)[f"{scope.kind}s"]
    if scope.kind != "all" and scope.name not in there:
        close = difflib.get_close_matches(scope.name, there, n=1)
        hint = f"did you mean {scope.kind}:{close[0]}?" if close else "nobody told of it yet; `wend signals` shows all"
        raise NotFound(f"there is no {scope.kind} {scope.name[:80]!r}", hint)


# ---------------------------------------------------------------------------------------------- acts


def lately(ctx: Context, ids: list[str], scope: str, weeks: int) -> list[Signal]:
    """These signals, as they are or were a moment ago."""
    memory = MEMORIES.setdefault(ctx.ledger, Memory())
    head = memory.catch_up(ctx)
    known = {id: memory.get((id, scope, weeks)) for id in ids}
    if missing := [id for id, signal in known.items() if signal is None]:
        for signal in look.look(ctx, missing, scope, weeks):
            memory.put((signal.definition.id, scope, weeks), head, signal)
            known[signal.definition.id] = signal
    return [signal for signal in known.values() if signal]


def measured(ctx: Context, ids: list[str], scope: str, weeks: int) -> list[Signal]:
    """These signals now; who looked is written down first, where they are about people. Raises Invalid, NotFound."""
    asked = Scope.parse(scope)
    with ctx.ledger.query() as db:
        check_scope(db, asked)
    found = lately(ctx, ids, asked.key, weeks)
    for one in found:
        if shows_people(one):
            access.seen(ctx, one.definition.id, asked.key)
    return found


def every(ctx: Context, scope: str, weeks: int) -> list[Signal]:
    return measured(ctx, list(signals.FAMILIES), scope, weeks)


def one(ctx: Context, id: str, scope: str, weeks: int) -> tuple[Signal, Found]:
    """The signal, and all there is to say of it: how it is worked out, and what was said otherwise before."""
    signals.definition(id)
    [signal] = measured(ctx, [id], scope, weeks)
    with ctx.ledger.query() as db:
        restated = figures.restatements(db, id, signal.scope.key)
    return signal, as_json(signal) | {"how": how(id), "restated": restated}


def behind(ctx: Context, id: str, scope: str, weeks: int, limit: int, offset: int) -> list[Found]:
    """The rows behind a signal, newest first. Raises Refused for those about people."""
    asked, window = Scope.parse(scope), Window.of(weeks, int(time.time() * 1e6), ctx.config.timezone)
    look.bring_up_to_date(ctx)
    with ctx.ledger.query() as db:
        check_scope(db, asked)
        found = evidence(db, id, asked, window, limit, offset)
    access.seen(ctx, id, asked.key)
    return found
