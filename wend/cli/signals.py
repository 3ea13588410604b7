"""What is measured: every signal of a scope in a line each, one of them in full, and what caused an incident."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from shutil import get_terminal_size
from typing import Any
from urllib.parse import quote

import click

from wend import units
from wend.cli import show
from wend.cli.client import client
from wend.cli.options import Default, json_option

BLOCKS = "▁▂▃▄▅▆▇█"
NARROW, WIDE = 80, 120  # columns of a terminal
WEEKS = 13  # that a narrow one has room for
ROWS = 10  # of what is behind a signal
SHORT = {
    "nps": "Recommend (NPS)",
    "failed_deployment_recovery_time": "Recovery time",
    "deployment_rework_rate": "Rework rate",
}
HEADED = {"rank": "EVIDENCE", "failed": "FAILED BY", "lead": "TOOK", "by": "KNOWN BY", "id": "WHICH"}
TOLD = ("service", "failed", "rank", "purpose", "reason", "kind", "lead")  # columns of the rows behind a signal
HEADS = ("SIGNAL", "VALUE", "INTERVAL", "N", "WEEKS", "SAYS")
EPOCH = date(1970, 1, 1)
Signal = dict[str, Any]

scope_option = click.option(
    "--scope", default="all", show_default=True, metavar="SCOPE", help="all, team:NAME or service:NAME."
)
weeks_option = click.option(
    "--weeks", type=click.IntRange(1, 260), default=13, show_default=True, help="How far back, this week included."
)


@click.group(cls=Default)
def signals() -> None:
    """What is measured: DORA's five, flow, people, adoption, support, voice.

    Example: wend signals --scope team:payments --weeks 26
    """


@signals.command("show")
@click.argument("signal", required=False)
@scope_option
@weeks_option
@json_option
def signals_show(signal: str | None, scope: str, weeks: int, json: bool) -> None:
    """Every signal; with its id, one in full: what it means, its parts, and the newest rows behind it.

    Example: wend signals show change_fail_rate
    """
    api, asked = client(), {"scope": scope, "weeks": weeks}
    if signal is None:
        found = api.get("signals", **asked)
        show.as_json(found) if json else every(found)
        return
    where = f"signals/{quote(signal, safe='')}"
    found = api.get(where, **asked)
    if json:
        show.as_json(found)
        return
    card(found)
    if not found["n_at_least"]:
        behind(api.get(f"{where}/evidence", limit=ROWS, **asked))


@signals.command("confirm")
@click.argument("incident")
@click.argument("deployment")
@click.option("--why", required=True, metavar="TEXT", help="How you know.")
@json_option
def signals_confirm(incident: str, deployment: str, why: str, json: bool) -> None:
    """Say which deployment caused an incident, or `none`: that no change did.

    Example: wend signals confirm pagerduty:PABC none --why "the data centre was down"
    """
    cause = None if deployment == "none" else deployment
    said = client().ask("POST", f"incidents/{quote(incident)}/attribution", {"deployment": cause, "why": why})
    if json:
        show.as_json(said)
    else:
        show.say(f"{incident}: {'no change caused it' if cause is None else f'caused by {cause}'}")


@signals.command("access")
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@json_option
def signals_access(limit: int, json: bool) -> None:
    """Who saw figures about people, or the rows behind any figure.

    Example: wend signals access
    """
    said = client().get("signals/access", limit=limit)
    if json:
        show.as_json(said)
    elif said:
        rows = [(one["actor"], one["signal"], one["scope"], show.when(one["at"])) for one in said]
        show.table(("WHO", "SIGNAL", "OF", "WHEN"), rows)
    else:
        show.note("nobody looked yet")


# ---------------------------------------------------------------------------------------------- all of them


def every(found: list[Signal]) -> None:
    """A line each. In a pipe they begin with their ids, and nothing is left out."""
    width = get_terminal_size().columns if show.terminal() else 10_000
    show.table(HEADS, [row(one, width) for one in found])
    if not any(one["n"] for one in found):
        show.note("nothing was heard of yet")
        show.note("next: `git push wend main`, or for what runs elsewhere: `wend ingest add github --kind github`")
    elif show.terminal():
        show.note("next: `wend signals show ID`, as in change_fail_rate, says what one means and what is behind it")


def row(one: Signal, width: int) -> tuple[str, ...]:
    title = str(one["title"])
    name = str(one["id"]) if width > 1000 else title if width >= WIDE else SHORT.get(one["id"], title)
    says = str(one["says"]) if width >= WIDE else one["says"].partition(",")[0].partition(":")[0]
    return name, *numbers(one, one["unit"], at_least(one)), spark(one, WEEKS + max(0, width - NARROW)), says


def numbers(one: Signal, unit: str, more: str = "") -> tuple[str, str, str]:
    """(value, interval, n): none of them without the others."""
    if one["value"] is None:
        return "", "", f"{one['n']:,}{more}"
    return (
        units.text(one["value"], unit, brief=True),
        units.interval(one["low"], one["high"], unit, True, one["value"]),
        (f"{one['n']:,}{more}"),
    )


def at_least(one: Signal) -> str:
    return "+" if one["n_at_least"] and one["n"] else ""


def spark(one: Signal, most: int) -> str:
    """A block for every week, the newest `most` of them; a week without anything is a space."""
    values = {point["day"]: point["value"] for point in one["series"] if point["value"] is not None}
    weeks = list(range(one["window"]["first"], one["window"]["last"] + 1, 7))[-most:]
    low, high = (-100.0, 100.0) if one["unit"] == "score" else (0.0, max(values.values(), default=0.0) or 1.0)
    if not values:
        return ""
    return "".join(block((values[week] - low) / (high - low)) if week in values else " " for week in weeks)


def block(share: float) -> str:
    return BLOCKS[round(min(1.0, max(0.0, share)) * (len(BLOCKS) - 1))]


# ---------------------------------------------------------------------------------------------- one of them


def card(one: Signal) -> None:
    """What it is, what it says, and what it rests on."""
    show.facts(facts(one))
    if one["parts"]:
        show.say()
        rows = [
            (part["title"], *numbers(part, part["unit"], at_least(one)), part["says"]) for part in one["parts"].values()
        ]
        show.table(("BESIDE IT", "VALUE", "INTERVAL", "N", "SAYS"), rows)


def facts(one: Signal) -> Iterator[tuple[str, object]]:
    value, ends, n = numbers(one, one["unit"], at_least(one))
    window = one["window"]
    yield "signal", f"{one['title']} ({one['id']}, version {one['version']})"
    yield "means", one["means"]
    yield "of", f"{one['scope']}, {day(window['first'])} to {day(window['last'])}"
    yield "value", f"{value} ({ends}, n {n})" if value else f"{one['says'] or 'no data'} (n {n})"
    yield "says", one["says"] if value else None
    yield "to begin", one["begin"]
    yield "weeks", spark(one, 260)
    yield "not over", f"{one['censored']:,} of them" if one["censored"] else None
    yield "assumed", f"{one['assumed']:.0%} of the links, left out" if one["assumed"] else None
    score = one["quick_check"]
    if score:
        ends = f"{score['low']:.1f}–{score['high']:.1f}, n {score['n']:,}"
        yield (
            "survey",
            f"{score['value']:.1f} of 10 ({ends}) on DORA's scale of 2025; the answers' mean was {score['mean']}",
        )
    yield "formula", " ".join(one["how"].split())
    for note in one["notes"]:
        yield "note", note


def day(number: int) -> str:
    return str(EPOCH + timedelta(days=number))


def behind(rows: list[dict[str, Any]]) -> None:
    """The newest rows, each with its event."""
    if not rows:
        show.note("nothing was counted in this window")
        return
    kept = [name for name in TOLD if name in rows[0]]
    # What is known by something needs the name of that; on a terminal there is room for one name.
    last = [name for name in ("by", "id") if name in rows[0]][: 1 if show.terminal() else 2]
    heads = ("EVENT", "WHEN", *(HEADED.get(name, name.upper()) for name in (*kept, *last)))
    show.say()
    show.table(
        heads, [(one["seq"], show.when(one["at"]), *(cell(one, name) for name in (*kept, *last))) for one in rows]
    )
    told = next((one["seq"] for one in rows if one["seq"]), None)
    if told:
        show.note(f"next: `wend ledger events --after {told - 1} -n 1 --json` shows the first of these events")


def cell(row: dict[str, Any], name: str) -> object:
    return units.text(row[name] / 1e6, "s") if name == "lead" and row[name] is not None else row[name]
