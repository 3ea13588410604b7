"""Escape hatches: who left the path, why, and what is missing."""

from __future__ import annotations

from typing import Any

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
    """Hatches of live releases: one by one of teams that agreed to be named and of your own, as counts of the rest."""
    said = client().get("hatches")
    if json:
        show.as_json(said)
        return
    if not said["hatches"] and not said["others"]:
        show.note("everybody is on the path")
        return
    show.table(("APP", "TEAM", "LEFT FOR", "UNTIL", "WHY"), map(row, said["hatches"]))
    for one in said["others"]:
        show.note(f"{one['kind']}: {one['hatches']} more, of {one['teams']} teams that have not agreed to be named")


def row(one: dict[str, Any]) -> tuple[object, ...]:
    return one["app"], one["team"], one["kind"], one["until"], one["reason"] or "(not said)"


@hatches.command("agree")
@app_option
@click.option("--no", "no", is_flag=True, help="Not any more.")
@json_option
def hatches_agree(app: str | None, no: bool, json: bool) -> None:
    """Agree that the team of an app is named with its hatches, where others see counts alone.

    Example: wend hatches agree -a shop
    """
    said = client().ask("POST", app_path(repo.app(app), "hatches/agree"), {"agrees": "no" if no else "yes"})
    show.as_json(said) if json else show.say(f"{said['team']} is {'not named' if no else 'named'} from now on")


@hatches.command("elsewhere")
@click.argument("service")
@click.option("--team", required=True, metavar="NAME")
@click.option("--where", required=True, metavar="PLACE", help="Where it is deployed, like: AWS ECS.")
@click.option("--reason", required=True, metavar="TEXT", help="Why the paths do not fit.")
@click.option("--until", metavar="DATE", help="When you expect to come, like 2027-03-01.")
@json_option
def hatches_elsewhere(service: str, json: bool, **said: str | None) -> None:
    """Say that you deploy a service elsewhere. That is fine; the platform wants to learn.

    Example: wend hatches elsewhere billing --team money --where "AWS Lambda" --reason "we need a queue trigger"
    """
    found = client().ask("POST", "hatches/elsewhere", {"service": service, **said})
    show.as_json(found) if json else show.say(f"{found['service']} is deployed at {found['place']}: noted; thank you")


@hatches.command("back")
@click.argument("service")
@json_option
def hatches_back(service: str, json: bool) -> None:
    """A service is deployed elsewhere no more.

    Example: wend hatches back billing
    """
    said = client().ask("DELETE", f"hatches/elsewhere/{service}")
    show.as_json(said) if json else show.say(f"{service}: welcome back")


@hatches.command("replaced")
@click.argument("kind")
@click.option("--now", required=True, metavar="TEXT", help="What the path can do now instead.")
@json_option
def hatches_replaced(kind: str, now: str, json: bool) -> None:
    """The path can do now what a kind of hatch was for: propose its removal to every app, proven in a preview.

    Example: wend hatches replaced build --now "python-web compiles C extensions since version 3"
    """
    said = client().act("POST", "hatches/replaced", {"kind": kind, "by": now})
    if json:
        show.as_json(said)
    else:
        rows = ((one["app"], one["state"], one.get("branch") or one.get("why")) for one in said["apps"])
        show.table(("APP", "PROPOSAL", "BRANCH"), rows)


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
