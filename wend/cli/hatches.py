"""Escape hatches: who left the path, why, and what is missing."""

from __future__ import annotations

import click

from wend.cli import repo, show
from wend.cli.client import app_path, client
from wend.cli.options import Default, app_option, json_option


@click.group(cls=Default)
def hatches() -> None:
    """Who left the golden path, why, and until when. It always works; the platform only wants to learn.

    Example: wend hatches · wend hatches explain build "we ship a C extension"
    """


@hatches.command("show")
@json_option
def hatches_show(json: bool) -> None:
    """Every hatch of a live release."""
    said = client().get("hatches")
    if json:
        show.as_json(said)
    elif not said:
        show.note("everybody is on the path")
    else:
        rows = ((one["app"], one["team"], one["kind"], one["until"], one["reason"] or "(not said)") for one in said)
        show.table(("APP", "TEAM", "LEFT FOR", "UNTIL", "WHY"), rows)


@hatches.command("explain")
@click.argument("kind")
@click.argument("reason")
@app_option
@click.option("--until", metavar="DATE", help="When you expect to be back, like 2027-03-01.")
@json_option
def hatches_explain(kind: str, reason: str, app: str | None, until: str | None, json: bool) -> None:
    """Say why the path does not fit, in a sentence.

    Example: wend hatches explain build "we ship a C extension" --until 2027-03-01
    """
    said = client().ask("POST", app_path(repo.app(app), "hatches"), {"kind": kind, "reason": reason, "until": until})
    show.as_json(said) if json else show.say(f"{said['app']}, {said['kind']}: {said['reason']}")


@hatches.command("radar")
@json_option
def hatches_radar(json: bool) -> None:
    """What teams leave the path for, and what is therefore a missing feature.

    Example: wend hatches radar
    """
    said = client().get("radar")
    if json:
        show.as_json(said)
        return
    rows = (
        (
            one["kind"],
            one["teams"],
            one["apps"],
            f"pain {one['pain']}" if one["pain"] else "-",
            "; ".join(one["reasons"]),
        )
        for one in said
    )
    show.table(("LEFT FOR", "TEAMS", "APPS", "OPENED", "REASONS"), rows)
