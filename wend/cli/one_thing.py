"""The one thing: what costs most, how sure that is, and whom to talk to next, in five lines."""

from __future__ import annotations

from collections.abc import Iterator
from shutil import get_terminal_size
from typing import Any

import click

from wend import units
from wend.cli import show
from wend.cli.client import client
from wend.cli.options import json_option

WIDE = 80
Found = dict[str, Any]


@click.command("one-thing")
@click.option("--invite", is_flag=True, help="Put those to talk to next on this week's list of interviews.")
@json_option
def one_thing(invite: bool, json: bool) -> None:
    """The pain that costs the most hours a week, how sure that is, or whom to talk to next.

    Example: wend one-thing
    """
    api = client()
    if invite:
        said = api.ask("POST", "one-thing/invite", {})
        if json:
            show.as_json(said)
        else:
            many = len(said["interviews"])
            show.say(f"{many} more on this week's list" if many else "they are on this week's list already")
            show.note("next: `wend interview next`")
        return
    found = api.get("one-thing")
    if json:
        show.as_json(found)
        return
    width = min(get_terminal_size().columns, WIDE) if show.terminal() else WIDE
    for text in lines(found):
        show.say(cut(show.clean(text), width))


def lines(found: Found) -> Iterator[str]:
    """Five of them once there is something to compare; fewer before."""
    rows = found["rows"]
    if not rows or rows[0]["hours"] is None:
        yield found["says"]
        yield from (f"{one['title']}: {one['evidence']} pieces of evidence" for one in rows[:4])
        yield from (f"{title}: no data" for title in found["unheard"][:4])
        return
    yield found["says"] if not found["separable"] else f"the one thing: {rows[0]['title']}"
    yield hours(rows[0], "" if found["separable"] else f"{rows[0]['title']}: ")
    yield parts(rows[0])
    yield hours(rows[1], f"next: {rows[1]['title']}: ") if len(rows) > 1 else "no other pain is open"
    yield last(found)


def hours(row: Found, name: str) -> str:
    """What it costs and how sure that is; the name gives way, never a number."""
    one = row["hours"]
    told = (
        f"{units.digits(one['mean'])} h/week ({units.digits(one['low'])}–{units.digits(one['high'])}), "
        f"worst: {row['p_worst']:.0%}, rank {row['rank_low']}–{row['rank_high']}"
    )
    return f"{cut(name.removesuffix(': '), WIDE - len(told) - 2)}: {told}" if name else told


def parts(row: Found) -> str:
    reach, often, long = row["reach"], row["frequency"], row["minutes"]
    amounts = f"{reach['value']:.0%} × {units.digits(often['value'])}/week × {units.digits(long['value'])} min"
    counts = ", ".join(str(one["n"]) if one["n"] else "assumed" for one in (reach, often, long))
    return f"{amounts} (n {counts}); {row['evidence']} pieces of {row['teams']} teams"


def last(found: Found) -> str:
    """Whom to talk to, or what the ranking rests on."""
    if found["ask"]:
        return "ask: " + ", ".join(f"{one['name'] or one['person'][:8]} ({one['team']})" for one in found["ask"])
    heard = f"{found['heard']} of {found['people']} people heard by random draw"
    return f"{heard}; picking now loses {units.digits(found['regret'])} h/week on average"


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
