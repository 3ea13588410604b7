"""The clock's eye on every canary and every release that just went live: judge what the proxy saw, and act on it.

Facts: canary_judged, and through the rooms it calls those of a step, a promotion and a way back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from wend import canary, rollout, traffic, trial
from wend.canary import Evidence, Sample, Side, Verdict
from wend.context import Context
from wend.errors import Conflict, Down, NotFound, WendError
from wend.events import Fact
from wend.rollout import Ending
from wend.route import Traffic
from wend.route.meter import Reading
from wend.run import Status
from wend.state import canaries
from wend.state.canaries import Canary

log = logging.getLogger(__name__)
HANDS = 4  # apps acted on at the same time: a promotion waits for its workers' gate
TOLD, TOLD_PAUSED = 5.0, 60.0  # seconds between two verdicts written down that say the same with newer numbers


@dataclass
class Seen:
    """What is known of one canary or watch between two looks. `told`: what was last written down, and when
    (monotonic). `failed`: the verdict that could not be followed, for how long, and until when (monotonic) it rests."""

    evidence: Evidence
    at: float = 0.0
    before: Mapping[int, Traffic] = field(default_factory=dict[int, Traffic])
    exits: Mapping[int, int] = field(default_factory=dict[int, int])
    told: tuple[str, int] = ("", 0)
    told_at: float = 0.0
    failed: tuple[str, float, float] = ("", 0.0, 0.0)


# ---------------------------------------------------------------------------------------------- pure


def first(row: Canary) -> Evidence:
    """Where the judging begins, or goes on after a restart of the platform."""
    kept = row.evidence.get("state")
    if kept:
        return Evidence.from_json(kept)
    known = row.policy.get("baseline")
    if row.mode == "watch":
        return canary.begin(Side(*known) if known else Side())
    return canary.begin()


def ends(have: Iterable[Status]) -> dict[int, int]:
    """Per release how often its web processes have ended by themselves so far."""
    found: dict[int, int] = {}
    for status in have:
        if status.process == "web":
            found[status.release] = found.get(status.release, 0) + status.restarts
    return found


def sample(seen: Seen, row: Canary, reading: Reading, exits: Mapping[int, int]) -> Sample:
    """What happened between the last look and this reading. The first look only sets the mark."""
    now = reading.seen.get(row.app, {})

    def side(number: int) -> Side:
        more = max(0, exits.get(number, 0) - seen.exits.get(number, exits.get(number, 0)))
        before, after = seen.before.get(number), now.get(number)
        return traffic.side(before, after, more) if before and after else Side(exits=more)

    return Sample(reading.at - seen.at if seen.at else 0.0, side(row.release), side(row.stable))


def worth_telling(seen: Seen, row: Canary, verdict: Verdict, requests: int, now: float) -> bool:
    """Whether the ledger should hear of it: another verdict, or newer numbers after a while. A watch is told of at its
    end only, unless it says something."""
    if (verdict.action, requests) == seen.told:
        return False
    if verdict.action != seen.told[0]:
        return row.mode == "canary"
    patience = TOLD if row.state == "running" and row.mode == "canary" else TOLD_PAUSED
    return now - seen.told_at >= patience


# ---------------------------------------------------------------------------------------------- acts


@dataclass
class Watcher:
    """Looks at everything under judgement. What it has seen since the last written verdict is kept in memory only: a
    restart goes on from that verdict."""

    seen: dict[tuple[str, str], Seen] = field(default_factory=dict[tuple[str, str], Seen])
    at_work: dict[str, Future[None]] = field(default_factory=dict[str, "Future[None]"])
    hands: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(HANDS, thread_name_prefix="judge"))

    def look(self, ctx: Context) -> None:
        with ctx.ledger.query() as db:
            rows = canaries.running(db)
        going = {(row.deploy, row.mode) for row in rows}
        self.seen = {key: seen for key, seen in self.seen.items() if key in going}
        self.at_work = {app: future for app, future in self.at_work.items() if not future.done()}
        readings = ctx.meter.lately(0.0)
        for row in rows if readings else []:
            try:
                self.attend(ctx, row, readings[-1])
            except Exception:
                # One canary that cannot be judged must not keep the others from going back.
                log.exception("canary of %s", row.app)

    def attend(self, ctx: Context, row: Canary, reading: Reading) -> None:
        """Judge one of them by what is new, and have the verdict followed."""
        seen = self.seen.setdefault((row.deploy, row.mode), Seen(first(row)))
        if row.app not in self.at_work and reading.at > seen.at:
            verdict = note(ctx, seen, row, reading)
            if due(seen, row, verdict, time.monotonic()):
                self.at_work[row.app] = self.hands.submit(follow, ctx, seen, row, verdict)


def note(ctx: Context, seen: Seen, row: Canary, reading: Reading) -> Verdict:
    """Fold what is new into the evidence, and judge. What is worth it is written down."""
    exits = ends(ctx.driver.status(row.app))
    if seen.at:
        seen.evidence = canary.fold(seen.evidence, sample(seen, row, reading, exits))
    seen.at, seen.before, seen.exits = reading.at, reading.seen.get(row.app, {}), exits
    policy = rollout.policy_of(row)
    verdict = canary.decide(seen.evidence, policy, row.step, tuple(row.policy["steps"]))
    now, requests = time.monotonic(), int(verdict.numbers.get("canary", {}).get("requests", 0))
    if worth_telling(seen, row, verdict, requests, now):
        seen.told, seen.told_at = (verdict.action, requests), now
        data = {"deploy": row.deploy, "mode": row.mode, "release": row.release, **told(seen, verdict)}
        ctx.ledger.append([Fact("canary_judged", f"deploy/{row.deploy}", data, app=row.app)])
    return verdict


def told(seen: Seen, verdict: Verdict) -> dict[str, Any]:
    """The judge's part of a fact."""
    evidence = {"numbers": verdict.numbers, "state": seen.evidence.to_json()}
    return {"verdict": verdict.action, "why": verdict.why, "evidence": evidence}


def over(row: Canary, seen: Seen) -> bool:
    """Whether a watch has lasted its time."""
    return row.mode == "watch" and seen.evidence.seconds >= float(row.policy["watch"])


def due(seen: Seen, row: Canary, verdict: Verdict, now: float) -> bool:
    """Whether there is something to do. What failed is tried again after a rest; another verdict does not wait."""
    if verdict.action == "wait" and not over(row, seen):
        return False
    return verdict.action != seen.failed[0] or now >= seen.failed[2]


def follow(ctx: Context, seen: Seen, row: Canary, verdict: Verdict) -> None:
    """Do what the verdict says."""
    try:
        if row.mode == "watch":
            end_watch(ctx, seen, row, verdict)
        else:
            obey(ctx, seen, row, verdict)
    except (Conflict, NotFound) as error:
        log.info("canary of %s: %s", row.app, error.message)  # somebody was faster, by hand
    except WendError as error:
        rest = min(60.0, max(5.0, 2 * seen.failed[1]))
        seen.failed = (verdict.action, rest, time.monotonic() + rest)
        log.error("canary of %s: %s (%s)", row.app, error.message, error.hint)
    except Exception:
        log.exception("canary of %s", row.app)


def obey(ctx: Context, seen: Seen, row: Canary, verdict: Verdict) -> None:
    """The verdict on a canary. What cannot be told goes as the app's policy says."""
    action = verdict.action
    if action == "cannot tell":
        action = {"promote": "promote", "rollback": "rollback"}.get(str(row.policy["cannot_tell"]), "pause")
    if action == "rollback":
        rollout.take_back(ctx, row, "rolled back", verdict.why, told(seen, verdict)["evidence"])
    elif action == "promote":
        ending = Ending(row, "promoted", verdict.why, told(seen, verdict)["evidence"])
        with ctx.leases.try_hold(row.app, "promote") as lease:
            if lease is not None:  # else somebody changes the app, and the judge looks on until it is its turn
                trial.win(ctx, lease, ending, log.info)
    elif action == "step":
        seen.evidence = canary.stepped(seen.evidence)
        rollout.step(ctx, row, row.step + 1, "running", told(seen, verdict))
    elif action == "pause" and row.state != "paused":
        rollout.step(ctx, row, row.step, "paused", told(seen, verdict))


def end_watch(ctx: Context, seen: Seen, row: Canary, verdict: Verdict) -> None:
    """A release that is live goes back when it turned out bad, and is left alone when its time is over, or when there
    is nothing to go back to."""
    evidence, why = told(seen, verdict)["evidence"], verdict.why
    if verdict.action == "rollback":
        try:
            trial.undo(ctx, row, why, evidence)
            return
        except Conflict:
            raise
        except WendError as error:
            if isinstance(error, Down) and not over(row, seen):
                raise  # the proxy is away, or the platform stops: worth another try
            why = f"{why}; it stays, for going back failed: {error.message}"
    ctx.ledger.append([rollout.ended(row, "kept", why, ctx.actor.name, evidence)])
