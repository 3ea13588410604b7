"""What is seen of an app's releases, as plain JSON values: their traffic, the canary or watch, and the judge's words.

Times are Unix microseconds, rates are shares of 1, quantiles milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from wend import rollout, traffic, trial
from wend.context import Context
from wend.errors import WendError
from wend.state import canaries, questions
from wend.state.canaries import Canary
from wend.state.questions import App, Release
from wend.web import judged

Found = dict[str, Any]
EVERY = 1.0  # seconds between two readings of what is followed, when nothing happens


# ---------------------------------------------------------------------------------------------- pure


def row(one: Canary, now: float) -> Found:
    """A canary or watch as the portal's pages show it, and for programs its `step` (from 0), the `policy` it began
    with, the judge's `numbers` (see `canary.Verdict`), and for how many `seconds` it has been in this step, or was.
    `now`: Unix seconds."""
    until = one.ended_at / 1e6 if one.ended_at else now
    told = {key: value for key, value in judged.view(one, (), now).items() if key not in ("history", "rows", "tests")}
    told |= {"step": one.step, "policy": dict(one.policy), "numbers": one.evidence.get("numbers", {})}
    return told | {"stepped_at": one.stepped_at, "seconds": round(max(0.0, until - one.stepped_at / 1e6), 1)}


def untried(app: App, releases: Iterable[Release], past: Iterable[Canary]) -> int | None:
    """The newest release, when it is newer than the live one and had no traffic yet: what a canary is begun of without
    naming it. Nobody begins again by a look what was taken back."""
    try:
        found = trial.candidate(app, releases, None)
    except WendError:
        return None
    tried = found.live_at is not None or any(one.release == found.number for one in past)
    return None if tried else found.number


# ---------------------------------------------------------------------------------------------- acts


def traffic_of(ctx: Context, name: str) -> list[Found]:
    """What the proxy saw of each release in the last minute, and what its processes use."""
    return [asdict(one) for one in traffic.per_release(ctx, name)]


def under_judgement(ctx: Context, name: str) -> Found:
    """`canary` and `watch` that are under way, and the last one that was rolled back (`undone`); None each."""
    with ctx.ledger.query() as db:
        running, past = canaries.running(db, name), canaries.recent(db, name)
    now = time.time()
    undone = next((one for one in past if one.state == "rolled back"), None)
    watch = next((one for one in running if one.mode == "watch"), None)
    chosen = {"canary": rollout.under_way(running), "watch": watch, "undone": undone}
    return {key: row(one, now) if one else None for key, one in chosen.items()}


def canary(ctx: Context, name: str) -> Found:
    """Everything about the app's canaries: those under way, `past` ones (newest first), each release's traffic, and
    `untried`: the release that a canary would be begun of without naming it."""
    with ctx.ledger.query() as db:
        app, releases, past = questions.app(db, name), questions.releases(db, name, 500), canaries.recent(db, name)
    now = time.time()
    return {
        "app": name,
        "live": app.live,
        "untried": untried(app, releases, past),
        **under_judgement(ctx, name),
        "past": [row(one, now) for one in past if not one.under_way],
        "traffic": traffic_of(ctx, name),
    }


def followed(ctx: Context, name: str) -> Iterator[Found]:
    """The reading, then a new one whenever something happened or a moment passed, until what was under judgement at the
    first is over."""
    after = ctx.ledger.head()[0]
    found = canary(ctx, name)
    yield found
    begun = found["canary"] or found["watch"]
    while begun and going(found, begun):
        for batch in ctx.ledger.follow(after, EVERY):
            after = batch[-1].seq
            break
        found = canary(ctx, name)
        yield found


def going(found: Found, begun: Found) -> bool:
    """Whether the canary or watch that had `begun` is under way in this reading."""
    now = [one for one in (found["canary"], found["watch"]) if one]
    return any((one["deploy"], one["mode"]) == (begun["deploy"], begun["mode"]) for one in now)
