"""Tokens: who may do what."""

from __future__ import annotations

import json as words
from typing import Any
from urllib.parse import quote

import click

from wend.cli import show
from wend.cli.client import client
from wend.cli.options import Default, dry_run_option, json_option

USUAL = ("app.read", "app.push", "app.change", "app.run", "ledger.read", "platform.read")


@click.group(cls=Default)
def tokens() -> None:
    """The tokens that people, agents and CI use.

    Example: wend tokens add ada
    """


@tokens.command("show")
@json_option
def tokens_show(json: bool) -> None:
    """Every token, without its secret."""
    said = client().get("tokens")
    if json:
        show.as_json(said)
    else:
        show.table(("ID", "OWNER", "KIND", "STATE", "EXPIRES", "NOTE", "SCOPES"), map(token_row, said))


def token_row(one: dict[str, Any]) -> tuple[object, ...]:
    scopes = ",".join(words.loads(one["scopes_json"]))
    expires = show.stamp(one["expires_at"] / 1e6) if one["expires_at"] else "never"
    state = "revoked" if one["revoked_at"] else "ok"
    return one["id"], one["owner"], one["kind"], state, expires, one["note"], scopes


@tokens.command("add")
@click.argument("owner")
@click.option("--kind", type=click.Choice(["human", "agent", "ci"]), default="human", show_default=True)
@click.option("--scope", "scopes", multiple=True, metavar="VERB[:APP]", help="What it allows; repeat it.")
@click.option("--days", type=float, help="How long it lives; default: until revoked, an agent's an hour.")
@click.option("--note", default="", help="What it is for.")
@json_option
def tokens_add(owner: str, kind: str, scopes: tuple[str, ...], days: float | None, note: str, json: bool) -> None:
    """Issue a token and print it, this once: the token on stdout, all else on stderr.

    Example: wend tokens add deploy-bot --kind ci --scope app.push:hello
    """
    body = {"owner": owner, "kind": kind, "scopes": list(scopes or USUAL), "days": days, "note": note}
    said = client().ask("POST", "tokens", body)
    if json:
        show.as_json(said)
        return
    print(show.clean(said["token"]))
    show.note(f"this is the only time it is shown; `wend tokens revoke {said['id']}` ends it")


@tokens.command("revoke")
@click.argument("id")
@dry_run_option
def tokens_revoke(id: str, dry_run: bool) -> None:
    """Make a token useless at once.

    Example: wend tokens revoke 1a2b3c4d
    """
    if dry_run:
        show.say(f"would revoke the token {id}")
        return
    client().ask("DELETE", f"tokens/{quote(id, safe='')}")
    show.say(f"revoked {id}")
