"""Acting on an app: run something in it, scale it, roll it back, remove it."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from typing import Any

import click

from wend import spec
from wend.cli import repo, show
from wend.cli.client import app_path, client
from wend.cli.options import Trailing, app_argument, dry_run_option, json_option
from wend.errors import Invalid
from wend.run import Exit

# ---------------------------------------------------------------------------------------------- run


@click.command(cls=Trailing, options_metavar="[OPTIONS]")
@app_argument
@click.pass_context
def run(context: click.Context, app: str | None) -> None:
    """Run a command with an app's code and configuration, beside it: wend run [APP] -- COMMAND…

    One argument goes to the shell as it is. The exit code is the command's; Ctrl-C ends it. In a pipe its output
    arrives unchanged.

    Example: wend run hello -- python manage.py createsuperuser
    """
    words: list[str] | None = context.obj
    if not words:
        raise Invalid("there is no command to run", f"wend run {app or 'APP'} -- COMMAND")
    command = words[0] if len(words) == 1 else shlex.join(words)
    tell: Callable[[str], None] = show.say if show.terminal() else raw
    ended = client().act("POST", app_path(repo.app(app), "run"), {"command": command}, tell)
    context.exit(exit_code(ended))


def raw(line: str) -> None:
    """The line as the command wrote it: whoever pipes wants the bytes."""
    sys.stdout.buffer.write(line.encode("utf-8", "surrogatepass") + b"\n")
    sys.stdout.buffer.flush()


def exit_code(ended: dict[str, Any]) -> int:
    """The command's code, or 128 + its signal as shells have it; a word when it did not end by itself."""
    code, signal, oom = ended.get("code"), ended.get("signal"), bool(ended.get("oom"))
    if signal is not None or oom:
        show.note(Exit(code, signal, oom))
        return 128 + (signal or 9)
    return int(code or 0)


# ---------------------------------------------------------------------------------------------- how much of which


@click.command()
@click.argument("words", nargs=-1, metavar="[APP] [PROCESS=COUNT|auto...]")
@json_option
@dry_run_option
def scale(words: tuple[str, ...], json: bool, dry_run: bool) -> None:
    """Set how many replicas of a process type run; it holds for later releases too. `auto` gives the count back to the
    load. Without a count: what runs, its bounds, and what changed it.

    Example: wend scale hello web=3 worker=1 · wend scale hello web=auto
    """
    app = words[0] if words and "=" not in words[0] else None
    counts = dict(count_of(word) for word in words[1 if app else 0 :])
    path = app_path(repo.app(app), "scale")
    if counts:
        client().act("POST", path, {"counts": counts}, show.note if json else show.say, dry_run=dry_run)
    elif json:
        show.as_json(client().get(path))
    else:
        about_scale(repo.app(app), client().get(path))


def count_of(word: str) -> tuple[str, int | None]:
    name, _, count = word.partition("=")
    whole = count.isascii() and count.isdigit() and len(count) <= 4
    if not spec.PROCESS.fullmatch(name) or not (whole or count == "auto"):
        raise Invalid(f"{word[:60]!r} is not PROCESS=COUNT", "write it like web=3, or web=auto")
    return name, int(count) if whole else None


def about_scale(name: str, said: dict[str, Any]) -> None:
    if not said["processes"]:
        show.note(f"{name} has nothing live to scale: `git push wend main` deploys it")
        return
    rows = ((process, *count_row(about)) for process, about in said["processes"].items())
    show.table(("PROCESS", "COUNT", "UP", "SET BY", "BOUNDS"), rows)
    if said["history"] and show.terminal():
        show.say()
        changes = said["history"][:15]
        show.table(("WHEN", "PROCESS", "FROM", "TO", "BY", "WHY"), map(change_row, changes))


def count_row(about: dict[str, Any]) -> tuple[object, ...]:
    """Count, up, set by, bounds."""
    up = f"{about['up']}, {about['asleep']} asleep" if about["asleep"] else about["up"]
    return about["count"], up, about["by"], bounds_of(about)


def bounds_of(about: dict[str, Any]) -> str | None:
    bounds = about["bounds"]
    if not bounds:
        return None
    idle = f", asleep after {bounds['idle']:g} s" if bounds["min"] == 0 else ""
    return f"{bounds['min']} to {bounds['max']}, {bounds['target']:g} requests each{idle}"


def change_row(one: dict[str, Any]) -> tuple[object, ...]:
    before, after = ("-" if count is None else count for count in (one["before"], one["after"]))
    return show.when(one["at"]), one["process"], before, "asleep" if after == 0 else after, one["actor"], one["why"]


@click.command()
@click.argument("words", nargs=-1, metavar="[APP] [RELEASE]")
@dry_run_option
def rollback(words: tuple[str, ...], dry_run: bool) -> None:
    """Go back to an earlier release, code and configuration together; by default the one that was live before.

    Example: wend rollback hello v7
    """
    app, release = parted(words)
    client().act("POST", app_path(repo.app(app), "rollback"), {"release": release}, dry_run=dry_run)


def parted(words: tuple[str, ...]) -> tuple[str | None, int | None]:
    """(app, release) of `[APP] [RELEASE]`. A lone 7 or v7 is a release."""
    if len(words) > 2:
        raise Invalid(f"{' '.join(words)[:60]!r} is more than an app and a release", "wend rollback APP 7")
    number = re.fullmatch(r"v?([0-9]{1,9})", words[-1]) if words else None
    if len(words) == 2 and not number:
        raise Invalid(f"{words[1][:60]!r} is not a release", f"`wend releases {words[0]}` lists them")
    return (words[0] if words and not (number and len(words) == 1) else None), int(number[1]) if number else None


@click.command()
@app_argument
@click.option("--confirm", metavar="APP", help="The app's name again, so that no slip destroys anything.")
@click.option("--why", metavar="TEXT", help="Why it goes, and where to: the platform wants to learn.")
@dry_run_option
def destroy(app: str | None, confirm: str | None, why: str | None, dry_run: bool) -> None:
    """Remove an app with its previews, releases, configuration, secrets and repository. Its history in the ledger
    stays, and for 72 hours (as the platform is set) what its resources hold: `wend resources trash` lists it.

    Example: wend destroy hello --confirm hello
    """
    if app is None:
        raise Invalid("which app?", "destroying takes the name: wend destroy APP --confirm APP")
    name = spec.any_name(app)
    api = client()
    if confirm is None and sys.stdin.isatty() and not dry_run:
        confirm = click.prompt(f"type {name} to remove it for good", default="", show_default=False, err=True)
    if confirm != name and not dry_run:
        raise Invalid(f"{name} was not confirmed", f"wend destroy {name} --confirm {name}")
    said = {"confirm": name} | ({"why": why} if why else {})
    gone = api.act("DELETE", app_path(name), said, dry_run=dry_run)
    kept = ", ".join(f"{one['name']} ({one['type']})" for one in gone.get("kept", []))
    if dry_run:
        counted = (f"{count} {what}" for what, count in gone.items() if isinstance(count, int))
        show.say(f"would remove {name}: {', '.join(counted)}" + (f"; kept in the trash: {kept}" if kept else ""))
        return
    show.say(f"{name} is gone; the ledger keeps its history")
    if kept:
        until = show.stamp(min(one["until"] for one in gone["kept"]) / 1e6)
        show.say(f"kept until {until}: {kept}; `wend resources trash` lists it, `wend resources restore` gives it back")
