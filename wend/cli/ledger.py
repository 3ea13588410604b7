"""The ledger: read it, verify it, rebuild the tables from it."""

from __future__ import annotations

import json as words
from typing import Any

import click

from wend.cli import show, witness
from wend.cli.client import Client, client
from wend.cli.options import json_option
from wend.errors import Down, Refused


@click.group()
def ledger() -> None:
    """The record of everything that happened.

    Example: wend ledger events --app hello
    """


@ledger.command()
@click.option("-a", "--app", metavar="APP", help="Of this app only.")
@click.option("-k", "--kind", metavar="KIND[,KIND]", help="Of these kinds only, like deploy_failed.")
@click.option("--after", type=click.IntRange(0), help="Those after this number, oldest first; default: the newest.")
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@click.option("-f", "--follow", is_flag=True, help="Stay, and print what comes.")
@json_option
def events(app: str | None, kind: str | None, after: int | None, limit: int, follow: bool, json: bool) -> None:
    """Events, oldest first: number, time, kind, actor, app, data.

    Example: wend ledger events -k deploy_failed
    """
    asked = {"after": after, "kind": kind, "app": app, "limit": limit, "newest": after is None}
    api = client()
    if follow:
        for event in api.lines("GET", "ledger/events", query=asked | {"follow": True}):
            if json:
                show.as_json_line(event)
            else:
                print("\t".join(map(show.clean, event_row(event))), flush=True)
        return
    found = api.get("ledger/events", **asked)
    if json:
        show.as_json(found)
    elif found:
        ordered = sorted(found, key=lambda event: event["seq"])
        show.table(("SEQ", "WHEN", "KIND", "ACTOR", "APP", "DATA"), map(event_row, ordered))
    else:
        show.note("no such events")


def event_row(event: dict[str, Any]) -> tuple[object, ...]:
    data = words.dumps(event.get("data", {}), ensure_ascii=False, separators=(",", ":"))
    return event["seq"], show.when(event.get("at")), event["kind"], event.get("actor"), event.get("app") or "-", data


@ledger.command()
@click.option("--forget", is_flag=True, help="Drop the checkpoint kept here, because the platform was made anew.")
@json_option
def verify(forget: bool, json: bool) -> None:
    """Check that no event was changed, taken out or cut off, also against the newest checkpoint seen from here.

    Example: wend ledger verify
    """
    api = client()
    url = api.site.url
    if forget:
        witness.forget(url)
    kept = witness.kept().get(url)
    now = api.get("ledger/checkpoint")
    if not witness.genuine(str(now.get("checkpoint")), str(now.get("key"))):
        raise Refused(f"{url} hands out a checkpoint that its own key did not sign", "do not trust this ledger")
    if kept and not witness.genuine(kept, str(now["key"])):
        hint = "if it was made anew, forget the old one: wend ledger verify --forget"
        raise Refused(f"{url} has another key than the platform seen there before (event {kept.split('.')[0]})", hint)
    tell(api, kept, json)


def tell(api: Client, kept: str | None, json: bool) -> None:
    """Have the platform verify against our witness, and check that what it answers contains it."""
    seen = kept.rpartition(".")[0] if kept else None
    said = api.get("ledger/verify", witness=seen)
    if seen and int(said.get("events", 0)) < int(seen.split(".")[0]):
        raise Down(f"the ledger ends at {said.get('events')}, but event {seen.split('.')[0]} was seen from here")
    if json:
        show.as_json(said)
    else:
        number = seen.partition(".")[0] if seen else None
        against = f"; it contains event {number}, seen from here" if number else "; no earlier checkpoint to compare"
        show.say(f"{said['events']} events, unbroken, head {str(said['head'])[:16]}{against}")


@ledger.command()
@json_option
def rebuild(json: bool) -> None:
    """Make the tables anew from the events; what they say stays the same.

    Example: wend ledger rebuild
    """
    said = client().ask("POST", "ledger/rebuild")
    if json:
        show.as_json(said)
    else:
        show.say(f"the tables were rebuilt from {said['events']} events")
