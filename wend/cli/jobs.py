"""What an app runs by the clock."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from wend.cli import repo, show
from wend.cli.client import app_path, client
from wend.cli.options import Default, app_and_name, app_argument, json_option


@click.group(cls=Default)
def jobs() -> None:
    """What an app runs by the clock, when it is next due, and how its runs ended: wend jobs [APP] [JOB]

    Example: wend jobs hello · wend jobs hello nightly · wend jobs run hello nightly
    """


@jobs.command("show")
@app_argument
@click.argument("job", required=False)
@json_option
def jobs_show(app: str | None, job: str | None, json: bool) -> None:
    """Every job; with a job's name, its runs."""
    name = repo.app(app)
    said = client().get(app_path(name, "jobs", *([quote(job, safe="")] if job else [])))
    if json:
        show.as_json(said)
    elif job:
        about_runs(name, job, said["runs"])
    elif not said:
        show.note(f'{name} runs nothing by the clock: add [cron.NAME] with schedule = "0 3 * * *" to wend.toml')
    else:
        show.table(("JOB", "SCHEDULE", "NEXT", "LAST RUN"), map(job_row, said))


def job_row(one: dict[str, Any]) -> tuple[object, ...]:
    last = one.get("last")
    how = f"{last['state']}, {show.when(last['started_at'])}" if last else None
    zone = "" if one["timezone"] == "UTC" else f" {one['timezone']}"
    coming = "waits for its turn" if one.get("waiting") else show.due(one.get("next_at"))
    return one["name"], one["schedule"] + zone, coming, how


def about_runs(name: str, job: str, runs: list[dict[str, Any]]) -> None:
    if not runs:
        show.note(f"{job} has not run yet: `wend jobs run {name} {job}` runs it now")
        return
    show.table(("STARTED", "STATE", "CAUSE", "RELEASE", "TOOK", "ENDED"), map(run_row, runs))


def run_row(one: dict[str, Any]) -> tuple[object, ...]:
    release = f"v{one['release']}" if one["release"] else None
    took = None if one["ms"] is None else f"{one['ms'] / 1000:.1f}s"
    return show.when(one["started_at"]), one["state"], one["cause"], release, took, one["ended"]


@jobs.command("run")
@click.argument("words", nargs=-1, metavar="[APP] JOB")
@click.pass_context
def jobs_run(context: click.Context, words: tuple[str, ...]) -> None:
    """Run a job now, beside its schedule. It goes on when you leave. Exits with 1 when the job does not end well.

    Example: wend jobs run hello nightly
    """
    app, job = app_and_name(words, "job")
    done = client().act("POST", app_path(repo.app(app), "jobs", quote(job, safe=""), "run"), {})
    context.exit(0 if done["state"] == "done" else 1)
