"""The ledger: read it, verify it, rebuild the tables from it."""

from __future__ import annotations

import json as words
from collections.abc import Iterable, Iterator
from typing import Any

import click

from wend.cli import show, witness
from wend.cli.client import Client, client
from wend.cli.options import json_option
from wend.errors import Refused
from wend.events import Event

PAGE = 1000  # events of one answer, the most the API gives


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
        show.table(("SEQ", "WHEN", "KIND", "ACTOR", "APP", "DATA"), map(event_row, ordered), cut=True)
    else:
        show.note("no such events")


def event_row(event: dict[str, Any]) -> tuple[object, ...]:
    data = words.dumps(event.get("data", {}), ensure_ascii=False, separators=(",", ":"))
    return event["seq"], show.when(event.get("at")), event["kind"], event.get("actor"), event.get("app") or "-", data


@ledger.command()
@click.option("--here", is_flag=True, help="Fetch every event and compute the chain on this machine.")
@click.option("--forget", is_flag=True, help="Drop the checkpoint kept here, because the platform was made anew.")
@json_option
def verify(here: bool, forget: bool, json: bool) -> None:
    """Check that no event was changed, taken out or cut off, also against the newest checkpoint seen from here.

    Example: wend ledger verify
    """
    api = client()
    name, kept = api.site.name, witness.kept()
    if forget:
        witness.forget(name)
    seen = None if forget else kept.get(name)
    now = api.get("ledger/checkpoint")
    check_signatures(api.site.url, seen, str(now["checkpoint"]), str(now["key"]))
    point = seen.rpartition(".")[0] if seen else None
    said = recomputed(api, point, str(now["checkpoint"])) if here else api.get("ledger/verify", witness=point)
    if json:
        show.as_json(said)
        return
    number = point.partition(".")[0] if point else None
    against = f"it contains event {number}, seen from here" if number else "no earlier checkpoint to compare with"
    show.say(f"{said['events']} events, unbroken, head {str(said['head'])[:16]}; {against}")


def check_signatures(url: str, seen: str | None, now: str, key: str) -> None:
    """Raises Refused unless both checkpoints were signed with this key."""
    if not witness.genuine(now, key):
        raise Refused(f"{url} hands out a checkpoint that its own key did not sign", "do not trust this ledger")
    if seen and not witness.genuine(seen, key):
        hint = "if it was made anew, forget the old one: wend ledger verify --forget"
        raise Refused(f"{url} has another key than when event {seen.partition('.')[0]} was seen from here", hint)


def recomputed(api: Client, point: str | None, now: str) -> dict[str, Any]:
    """What verifying says when nothing is left to the platform: every event is fetched and hashed here, and both the
    checkpoint seen before and the one of now must lie on the chain."""
    from wend.ledger import chain

    known = set(map(seq_and_hash, filter(None, (point, now))))
    count, _ = chain.verify(watched(fetched(api), known))
    last = max(seq for seq, _ in known)
    if count < last:
        raise Refused(f"the ledger was cut off: it ends at {count}, a checkpoint names event {last}")
    number, head = seq_and_hash(now)
    return {"events": number, "head": head}


def seq_and_hash(checkpoint: str) -> tuple[int, str]:
    seq, hash = checkpoint.split(".")[:2]
    return int(seq), hash


def fetched(api: Client) -> Iterator[Event]:
    """Every event of the ledger, page by page."""
    after = 0
    while page := api.get("ledger/events", after=after, limit=PAGE):
        yield from (Event(**row) for row in page)
        after = page[-1]["seq"]


def watched(events: Iterable[Event], known: set[tuple[int, str]]) -> Iterator[Event]:
    """The same events; Refused at one that is not the one a checkpoint names."""
    for event in events:
        if any(seq == event.seq and hash != event.hash for seq, hash in known):
            raise Refused(f"the ledger was rewritten: event {event.seq} is not the one that a checkpoint names")
        yield event


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
