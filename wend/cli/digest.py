"""The week in one screen."""

from __future__ import annotations

import click

from wend.cli import show
from wend.cli.client import client
from wend.cli.options import json_option


@click.command()
@click.option("--last", is_flag=True, help="Last week's, not this week's so far.")
@click.option("--html", is_flag=True, help="As HTML.")
@click.option("--send", is_flag=True, help="Send it to whoever is set up to get it.")
@json_option
def digest(last: bool, html: bool, send: bool, json: bool) -> None:
    """Who was heard, the one thing, bets, what moved and what got simpler.

    Example: wend digest
    """
    api = client()
    if send:
        done = api.ask("POST", "digest/send", {"last": int(last)})
        show.say(f"sent by {' and '.join(done['sent'])}")
        return
    found = api.get("digest", last=last)
    if json:
        show.as_json(found)
    else:
        show.say(found["html" if html else "markdown"].rstrip())
