"""How small it may be, and what to retire next."""

from __future__ import annotations

from typing import Any

import click

from wend.cli import show
from wend.cli.client import client
from wend.cli.options import json_option


@click.command("rightsize")
@json_option
def rightsize(json: bool) -> None:
    """The simplest topology that holds the measured load, what may shrink, and what to retire next.

    Example: wend rightsize
    """
    found = client().get("rightsize")
    if json:
        show.as_json(found)
        return
    show.say(sentence(found["topology"]["says"]))
    show.say(sentence(found["growth"]["says"]))
    if found["apps"]:
        show.table(("APP", "HAS", "WOULD DO", "IN WEND.TOML"), [fit(one) for one in found["apps"]])
    if found["sprawl"]:
        rows = [(one["job"], len(one["ways"]), ways(one)) for one in found["sprawl"]]
        show.table(("WHAT FOR", "WAYS", "WHICH"), rows)
    if found["retire"]:
        one = found["retire"]
        show.note(f"retire next: {one['way']} (apps: {one['apps']}, and {one['instead_apps']} take {one['instead']})")


def sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."


def fit(one: dict[str, Any]) -> tuple[str, str, str, str]:
    return one["app"], f"{one['what']} {one['now']}", one["enough"], one["change"]


def ways(one: dict[str, Any]) -> str:
    return ", ".join(f"{way['way']} ×{way['apps']}" for way in one["ways"])
