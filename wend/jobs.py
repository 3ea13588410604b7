"""Commands that run by the clock.

Due times are computed from the schedule and what the ledger knows was run or skipped: nothing is stored ahead, so a
restart neither repeats a run nor forgets one.

Facts: job_started, job_finished, job_skipped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any, Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim

from wend import fleet, secrets
from wend.context import Context
from wend.declared import Cron
from wend.errors import Conflict, NotFound, WendError
from wend.events import Fact
from wend.journal import Say, new_id
from wend.run import Finished
from wend.run.oneoff import logged, run
from wend.runs import Run
from wend.state import jobs as table
from wend.state import questions
from wend.state.jobs import Planned
from wend.state.questions import Release

log = logging.getLogger(__name__)
SECOND = 1_000_000  # microseconds
CATCH_UP = 600 * SECOND  # a missed run younger than this is made up for
SET_BACK = 10 * SECOND  # how far a look goes back when the clock was set back
COUNTED = 1000  # missed runs
ENDING = 15.0  # seconds that a run has to end
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Job:
    """A job as people see it. `next_at`: Unix microseconds; None in a preview, where no schedule runs. `waiting`: the
    due time of a run that waits for its turn. `last`: its newest run (a row of `state.jobs.runs`)."""

    name: str
    schedule: str
    timezone: str
    command: str
    overlap: Literal["skip", "allow", "replace"]
    timeout: float
    next_at: int | None
    waiting: int | None
    last: dict[str, Any] | None


@dataclass(frozen=True)
class Due:
    """A run that should begin: when it was due, how many before it were missed (at most COUNTED, the last of them due
    at `before`), and whether it is too old to be made up for."""

    at: int
    missed: int = 0
    before: int = 0
    late: bool = False


@dataclass(frozen=True)
class Task:
    """A run to do, and the older ones that it replaces."""

    app: str
    cron: Cron
    due_at: int
    cause: Literal["schedule", "hand"]
    older: tuple[Run, ...] = ()


# ---------------------------------------------------------------------------------------------- pure


@lru_cache(maxsize=4096)  # asked every second for every job, and the answer holds until the next run
def after(schedule: str, timezone: str, moment: int) -> int | None:
    """The first due time after the moment; None when there is none in the next fifty years. A time that the clocks
    skip in spring comes true when they have gone forward; one that comes twice in autumn does so the first time."""
    for found in CronSim(schedule, local(timezone, moment)):
        if micros(found) > moment:
            return micros(found)
    return None


def newest(schedule: str, timezone: str, first: int, now: int) -> int:
    """The newest due time up to now; `first` is one. The reverse search may land before the hour that comes twice, so
    the forward one has the last word."""
    found = max(first, micros(next(CronSim(schedule, local(timezone, now + 1), reverse=True))))
    while (further := after(schedule, timezone, found)) and further <= now:
        found = further
    return found


def local(timezone: str, moment: int) -> datetime:
    zone = UTC if timezone == "UTC" else ZoneInfo(timezone)
    return (EPOCH + timedelta(microseconds=moment)).astimezone(zone)


def micros(moment: datetime) -> int:
    return (moment.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)


def due(schedule: str, timezone: str, since: int, now: int) -> Due | None:
    """What should run now of a job whose due times up to `since` are done with: the newest one alone."""
    first = after(schedule, timezone, since)
    if first is None or first > now:
        return None
    last = newest(schedule, timezone, first, now)
    missed, before = 0, 0
    moments = (first, *islice(chain(schedule, timezone, first), COUNTED - 1)) if last > first else ()
    for moment in moments:
        if moment >= last:
            break
        missed, before = missed + 1, moment
    return Due(last, missed, before, now - last > CATCH_UP)


def chain(schedule: str, timezone: str, moment: int) -> Iterator[int]:
    """The due times after the moment, in order."""
    return (micros(found) for found in CronSim(schedule, local(timezone, moment)) if micros(found) > moment)


def since(live_at: int, last: tuple[int, bool], known: int | None, now: int) -> int:
    """Up to when a job's due times are done with. A job never runs for a time before it was there; one that was there
    at the look before (`known`) is not new because its app was deployed again. When the clock was set back, what was
    not run by then is not run any more."""
    done, ahead = last
    floor = live_at if known is None else min(live_at, known)
    if floor > now or ahead:
        floor = now - SET_BACK
    return max(done, floor)


def clock_words(moment: int) -> str:
    return f"{EPOCH + timedelta(microseconds=moment):%Y-%m-%d %H:%M} UTC"


def missed_words(found: Due, down: bool) -> str:
    """Why runs did not happen."""
    count = found.missed + found.late
    many = "1 run was" if count == 1 else f"{count}{' or more' if found.missed >= COUNTED else ''} runs were"
    cause = "the platform was down" if down else "the clock went past it (set forward, or the machine slept)"
    return f"{cause} at {clock_words(found.at if found.late else found.before)}: {many} missed"


# ---------------------------------------------------------------------------------------------- the clock


def right_now() -> int:
    return time.time_ns() // 1000


@dataclass
class Roster:
    """What the clock (Unix microseconds) remembers: when it looked last, the jobs it saw then, and the runs that wait
    for their turn."""

    clock: Callable[[], int] = right_now
    looked: int | None = None
    known: set[tuple[str, Cron]] = field(default_factory=set[tuple[str, Cron]])
    waiting: dict[tuple[str, str], Task] = field(default_factory=dict[tuple[str, str], Task])

    def tick(self, ctx: Context) -> None:
        self.look(ctx, self.clock())

    def look(self, ctx: Context, now: int) -> None:
        """Close what was cut off, note what is due at `now`, and start what may start."""
        close_cut_off(ctx)
        with ctx.ledger.query() as db:
            planned = table.planned(db)
            last = table.last_due(db, now) if planned else {}
        for app in planned:
            for cron in app.crons.values():
                self.note(ctx, app, cron, last.get((app.app, cron.name), (0, False)), now)
        self.known = {(app.app, cron) for app in planned for cron in app.crons.values()}
        self.looked = now
        there = {app for app, _ in self.known}
        for key, task in sorted(self.waiting.items(), key=lambda item: item[1].due_at):
            if task.app not in there or self.begin(ctx, task):
                del self.waiting[key]

    def note(self, ctx: Context, app: Planned, cron: Cron, last: tuple[int, bool], now: int) -> None:
        """Put the job's due run among those that wait, or say why it does not happen."""
        before = self.looked if (app.app, cron) in self.known else None
        wait = self.waiting.get((app.app, cron.name))
        done = max(since(app.live_at, last, before, now), wait.due_at if wait else 0)
        found = due(cron.schedule, cron.timezone, done, now)
        if found is None:
            return
        if found.late or found.missed:
            at = found.at if found.late else found.before
            skip(ctx, app.app, cron.name, at, missed_words(found, self.looked is None))
        if wait:
            skip(ctx, app.app, cron.name, found.at, f"the run due at {clock_words(wait.due_at)} still waits")
        elif not found.late:
            self.waiting[app.app, cron.name] = Task(app.app, cron, found.at, "schedule")

    def begin(self, ctx: Context, task: Task) -> bool:
        """Start it on a thread of its own, unless every turn is taken. Whether it waits no more."""
        here = ctx.runs.of(task.app, task.cron.name)
        if here and task.cron.overlap == "skip":
            skip(ctx, task.app, task.cron.name, task.due_at, "the run before it is still under way")
            return True
        older = tuple(here) if task.cron.overlap == "replace" else ()
        if not older and sum(bool(run.job) for run in ctx.runs.of()) >= ctx.config.jobs_at_once:
            return False
        this = ctx.runs.begin(Run(new_id(), task.app, task.cron.name))
        about = (ctx, this, replace(task, older=older))
        threading.Thread(target=carry_out, args=about, name=f"job-{this.id}", daemon=True).start()
        return True


def close_cut_off(ctx: Context) -> None:
    """Record the end of runs that went with an earlier control plane: their processes ended with it. Asked twice,
    because one that ends just now is gone from here only after its end was recorded."""
    now = right_now()
    for row in orphans(ctx) and orphans(ctx):
        data = {"run": row["id"], "state": "cut off", "ended": "the platform stopped"}
        fact(ctx, "job_finished", row["app"], **data, ms=max(0, (now - row["started_at"]) // 1000))


def orphans(ctx: Context) -> list[dict[str, Any]]:
    """Runs that have begun and not ended, and that no control plane runs."""
    with ctx.ledger.query() as db:
        begun = table.running(db)
    return [row for row in begun if not ctx.runs.alive(row["id"])]


def skip(ctx: Context, app: str, job: str, due_at: int, why: str) -> None:
    fact(ctx, "job_skipped", app, run=new_id(), job=job, due_at=due_at, why=why)


def fact(ctx: Context, kind: str, app: str, **data: Any) -> None:
    ctx.ledger.append([Fact(kind, f"app/{app}", data, actor=ctx.actor.name, app=app)])


# ---------------------------------------------------------------------------------------------- one run


def carry_out(ctx: Context, this: Run, task: Task) -> None:
    """A scheduled run on its thread."""
    try:
        perform(ctx, this, task, lambda line: None)
    except WendError as error:
        log.error("job %s of %s: %s (%s)", this.job, this.app, error.message, error.hint)
    except Exception:
        log.exception("job %s of %s", this.job, this.app)
    finally:
        ctx.runs.over(this)


def perform(ctx: Context, this: Run, task: Task, say: Say) -> tuple[str, str]:
    """Run it to its end in the live release's code, configuration and limits, and record both ends; the state it ended
    in, and how, in words. Its output goes to `say` and to the app's logs. Raises NotFound when the app is gone."""
    if task.older:
        ctx.runs.end(task.older, f"replaced by the run due at {clock_words(task.due_at)}", ENDING)
    release = live(ctx, task.app)
    this.release = release.number
    about = {"run": this.id, "job": this.job, "due_at": task.due_at, "cause": task.cause}
    fact(ctx, "job_started", task.app, **about, release=release.number)
    began = time.monotonic()
    state, ended = "failed", "the platform failed"
    try:
        state, ended = outcome(this, boxed(ctx, this, task, release, say))
    except WendError as error:
        state, ended = "failed", error.message
    finally:
        ms = round((time.monotonic() - began) * 1000)
        fact(ctx, "job_finished", task.app, run=this.id, state=state, ended=ended[:500], ms=ms)
    return state, ended


def boxed(ctx: Context, this: Run, task: Task, release: Release, say: Say) -> Finished:
    """Run the command in its box."""
    outfit = fleet.outfit(ctx, release)
    settings = release.processes.get("worker") or release.processes.get("web") or {}
    box = fleet.box(release, task.cron.command, settings, outfit, port=False)
    box = replace(box, limits=replace(box.limits, seconds=task.cron.timeout, share=fleet.BESIDE))
    name = f"{task.app}.job.{this.job}.{this.number}"
    with logged(ctx.config.home, task.app, name, box.limits.log) as write:

        def tell(line: str) -> None:
            line = secrets.redact(line, outfit.values)
            write(line)
            say(line)

        write(f"[wend] run {this.id} of {this.job}, due at {clock_words(task.due_at)}")
        done = run(box, outfit.env, tell, this.cancel, home=ctx.config.home)
        write(f"[wend] run {this.id}: {outcome(this, done)[1]}")
    return done


def outcome(this: Run, done: Finished) -> tuple[str, str]:
    """How a run ended: its state, and words."""
    if done.exit.code == 0:
        return "done", str(done.exit)
    if this.cancel.is_set():
        return "cut off", this.why or "cancelled"
    verdict = done.tail[-1] if done.tail and done.exit.signal else ""
    told = verdict.startswith("[wend] ") and not done.exit.oom
    return "failed", verdict.removeprefix("[wend] ") if told else str(done.exit)


def live(ctx: Context, app: str) -> Release:
    with ctx.ledger.query() as db:
        number = questions.app(db, app).live
        if number is None:
            raise NotFound(f"{app} has no live release yet", "push it first")
        return questions.release(db, app, number)


# ---------------------------------------------------------------------------------------------- for people


def declared(ctx: Context, app: str) -> list[Job]:
    """The live release's jobs, by name; none before there is one."""
    now = right_now()
    with ctx.ledger.query() as db:
        found = questions.app(db, app)
        release = questions.release(db, app, found.live) if found.live else None
        crons = release.declared.crons if release else dict[str, Cron]()
        last = table.last_due(db, now)
        newest_runs = {name: next(iter(table.runs(db, app, name, 1)), None) for name in crons}
    jobs: list[Job] = []
    for name, cron in sorted(crons.items()):
        done = since(found.live_at or 0, last.get((app, name), (0, False)), None, now)
        wait = None if found.parent else due(cron.schedule, cron.timezone, done, now - SECOND)
        coming = None if found.parent else after(cron.schedule, cron.timezone, now)
        waits = wait.at if wait and not wait.late else None
        about = (cron.schedule, cron.timezone, cron.command, cron.overlap, cron.timeout)
        jobs.append(Job(name, *about, coming, waits, newest_runs[name]))
    return jobs


def start(ctx: Context, app: str, name: str, say: Say, cancel: threading.Event | None = None) -> tuple[str, str]:
    """Run a job now and stay until it ended; its state then, and how, in words. Raises NotFound, and Conflict when it
    is under way and its overlap policy is to skip."""
    cron = live(ctx, app).declared.crons.get(name)
    if cron is None:
        raise NotFound(f"{app} has no job {name[:60]!r}", f"`wend jobs {app}` lists those there are")
    here = ctx.runs.of(app, name)
    if here and cron.overlap == "skip":
        raise Conflict(
            f"{name} is under way (run {here[0].id})", f'wait for it, or set overlap = "allow" in [cron.{name}]'
        )
    older = tuple(here) if cron.overlap == "replace" else ()
    this = ctx.runs.begin(Run(new_id(), app, name, cancel or threading.Event()))
    try:
        state, ended = perform(ctx, this, Task(app, cron, right_now(), "hand", older), say)
    finally:
        ctx.runs.over(this)
    say(f"  {name}: {ended}")
    return state, ended
