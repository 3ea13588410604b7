"""Reading commands: the apps, their processes, output and releases."""

from __future__ import annotations

from typing import Any

import click

from wend.cli import repo, show
from wend.cli.client import app_path, client
from wend.cli.options import app_argument, json_option


@click.command()
@json_option
def apps(json: bool) -> None:
    """Every app with its previews, and whether it is well.

    Example: wend apps --json
    """
    said = client().get("apps")
    if json:
        show.as_json(said)
    elif not said:
        show.note("no apps yet: `wend new python-web hello` makes one, a first `git push` creates it here")
    else:
        show.table(("APP", "STATE", "UP", "RELEASE", "LIVE", "URL"), map(app_row, in_families(said)))


def in_families(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every app with its previews below it."""
    return sorted(said, key=lambda app: (app.get("parent") or app["name"], app.get("parent") is not None, app["name"]))


def app_row(app: dict[str, Any]) -> tuple[object, ...]:
    state = "deploying" if app.get("deploying") else app.get("state")
    up = f"{app.get('up', 0)}/{app.get('wanted', 0)}"
    release = f"v{app['live']}" if app.get("live") else None
    name = f"  {app['name']}" if app.get("parent") and show.terminal() else app["name"]
    return name, state, up, release, show.when(app.get("live_at")), app.get("url")


@click.command()
@app_argument
@json_option
def ps(app: str | None, json: bool) -> None:
    """An app's processes.

    Example: wend ps hello
    """
    name = repo.app(app)
    api = client()
    if json:
        show.as_json(api.get(app_path(name, "ps")))
        return
    said = api.get(app_path(name))
    titles = ("PROCESS", "RELEASE", "STATE", "PORT", "MEMORY", "CPU", "RESTARTS", "SINCE", "LAST EXIT")
    if said["processes"]:
        show.table(titles, (process_row(one, said["previous"]) for one in said["processes"]))
    else:
        next_step = f"`wend scale {name} web=1` starts it again" if said["live"] else "`git push wend main` deploys it"
        show.note(f"nothing of {name} runs: {next_step}")


def process_row(one: dict[str, Any], previous: int | None) -> tuple[object, ...]:
    """A process; one that only waits for a rollback is `warm`, one that its next request wakes `asleep`."""
    state = "warm" if one["phase"] == "up" and one["release"] == previous else one["phase"]
    since, used = show.when(one["started"], 1.0), (show.size(one["rss"]), f"{one['cpu']:.1f}s")
    name = f"{one['process']}.{one['index']}"
    return name, f"v{one['release']}", state, one["port"], *used, one["restarts"], since, one["ended"]


@click.command()
@app_argument
@json_option
def releases(app: str | None, json: bool) -> None:
    """An app's releases, newest first.

    Example: wend releases hello
    """
    name = repo.app(app)
    api = client()
    said = api.get(app_path(name, "releases"))
    if json:
        show.as_json(said)
    elif not said:
        show.note(f"{name} has no release yet: `git push wend main` makes one")
    else:
        live = api.get(app_path(name)).get("live")
        rows = (release_row(one, live) for one in said)
        show.table(("RELEASE", "STATE", "MADE", "BY", "PATH", "COMMIT"), rows)


def release_row(one: dict[str, Any], live: int | None) -> tuple[object, ...]:
    past = "retired" if one["retired_at"] else "was live" if one["live_at"] else "never live"
    state = "live" if one["number"] == live else past
    return f"v{one['number']}", state, show.when(one["created_at"]), one["created_by"], one["path"], one["commit"][:9]


@click.command()
@app_argument
@click.option("-f", "--follow", is_flag=True, help="Stay, and print what comes.")
@click.option(
    "-n", "--lines", type=click.IntRange(0, 10_000), default=100, show_default=True, help="How many to begin with."
)
@click.option("-p", "--process", metavar="NAME", help="Of this process type only, like web.")
@json_option
def logs(app: str | None, follow: bool, lines: int, process: str | None, json: bool) -> None:
    """What an app's processes print.

    Example: wend logs hello -f -p web
    """
    name = repo.app(app)
    asked = {"lines": lines, "process": process, "follow": follow}
    said = False
    for line in client().lines("GET", app_path(name, "logs"), query=asked):
        said = True
        if json:
            show.as_json_line(line)
        else:
            print_line(line)
    if not said:
        show.note(f"{name} has printed nothing yet; `wend ps {name}` shows whether it runs")


def print_line(line: dict[str, Any]) -> None:
    """TIME PROCESS.INDEX TEXT. Nothing an app prints steers the terminal."""
    source = ".".join(str(line.get("source", "")).split(".")[2:]) or str(line.get("source", ""))
    head = f"{show.stamp(float(line.get('at', 0)))} {show.clean(source)}"
    print(show.paint(head, "dim"), show.clean(line.get("text", "")), flush=True)
