"""Procedures by hand: write one down, run it step by step with a clock, see what it costs."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from wend import units
from wend.cli import show
from wend.cli.client import client
from wend.cli.options import json_option
from wend.errors import Invalid, NotFound

MOST = 100_000  # bytes of a checklist


@click.group("toil")
def toil() -> None:
    """Work by hand: checklists that are run and timed.

    Example: wend toil run rotate-keys
    """


@toil.command("define")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", metavar="NAME", help="What it is called; default: the file's name.")
@click.option("--automate-hours", type=float, metavar="HOURS", help="What automating it is estimated to take.")
@json_option
def toil_define(file: Path, name: str | None, automate_hours: float | None, json: bool) -> None:
    """Write a procedure down, from a Markdown list or TOML.

    Example: wend toil define rotate-keys.md --automate-hours 16
    """
    raw = file.read_bytes()
    if len(raw) > MOST:
        raise Invalid(f"{file} has {len(raw):,} bytes; a checklist has at most {MOST:,}", "keep what is done by hand")
    text = raw.decode("utf-8", "replace")
    said = client().ask(
        "POST", "toil", {"name": name or file.stem.lower(), "text": text, "automate_hours": automate_hours}
    )
    if json:
        show.as_json(said)
    else:
        show.say(f"{said['toil']}: {said['steps']} steps")
        show.note(f"next: `wend toil run {said['toil']}`")


@toil.command("list")
@json_option
def toil_list(json: bool) -> None:
    """Every procedure: what it costs a month, and whether automating it pays off.

    Example: wend toil list
    """
    found = client().get("toil")
    if json:
        show.as_json(found)
    elif found:
        rows = [(one["name"], cost(one["payoff"]), one["payoff"]["n"], one["payoff"]["says"]) for one in found]
        show.table(("PROCEDURE", "HOURS A MONTH", "RUNS", "SAYS"), rows)
    else:
        show.note("no procedure is written down; next: `wend toil define FILE`")


def cost(paid: dict[str, Any]) -> str:
    return "" if paid["hours"] is None else f"{paid['hours']:.1f} ({paid['low']:.1f}–{paid['high']:.1f})"


@toil.command("run")
@click.argument("name")
@json_option
def toil_run(name: str, json: bool) -> None:
    """Go through a procedure step by step: Enter when one is done, q to give up. Both are kept, and not who it was.

    Example: wend toil run rotate-keys
    """
    api = client()
    one = next((each for each in api.get("toil") if each["name"] == name), None)
    if one is None:
        raise NotFound(f"there is no procedure {name!r}", "`wend toil list` shows them")
    took, done = walk(one["title"], one["steps"])
    body = {"steps": [{"seconds": seconds} for seconds in took], "ended": "done" if done else "given up"}
    said = api.ask("POST", f"toil/{quote(name, safe='')}/runs", body)
    if json:
        show.as_json(said)
    else:
        word = "done in" if done else f"given up at step {len(took)}, after"
        show.say(f"{word} {units.text(said['seconds'], 's')}")


def walk(title: str, steps: Sequence[str]) -> tuple[list[float], bool]:
    """(seconds per step, whether all were done); of one given up, the last are those of the step it was left at. By a
    clock that nobody can set."""
    took: list[float] = []
    show.note(f"{title}: {len(steps)} steps; Enter when a step is done, q to give up")
    for number, step in enumerate(steps, 1):
        print(f"{number}/{len(steps)}  {show.clean(step)}", file=sys.stderr, flush=True)
        begun = time.monotonic()
        try:
            word = sys.stdin.readline()
        except KeyboardInterrupt:
            word = ""
        took.append(time.monotonic() - begun)
        if not word or word.strip().lower() in ("q", "quit"):
            return took, False
    return took, True
