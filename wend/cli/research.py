"""`wend interview`: whom to ask, what to ask, and what they said."""

from __future__ import annotations

import json as js
import sys
import tomllib
from datetime import date, timedelta
from pathlib import Path
from typing import Any, cast

import click

from wend.cli import show
from wend.cli.client import client
from wend.cli.options import Default, dry_run_option, json_option
from wend.errors import Invalid

EPOCH = date(1970, 1, 1)
BIGGEST = 2**20  # bytes of a file with a snapshot
WHOLE = (("facts", "Quick facts"), ("quote", "Memorable quote"), ("notes", "Notes"))
LISTS = (
    ("story", "The story, a step at a time, each with its time in front"),
    ("opportunities", "What hurt; how often and the minutes behind bars: waited for a review | 3 a week | 40"),
    ("insights", "What you learnt"),
)
CONSENTS, REASONS = ("full", "notes", "none"), ("declined", "absent", "left")
Item = dict[str, Any]


@click.group(cls=Default)
def interview() -> None:
    """Listen to developers every week: whom to ask, what to ask, what they said.

    Example: wend interview next
    """


@interview.command("show")
@json_option
def interview_show(json: bool) -> None:
    """This week's checklist: each step ticks itself, and it starts over on Monday.

    Example: wend interview
    """
    said = client().get("research/week")
    if json:
        show.as_json(said)
        return
    show.say(f"{'Your first week' if said['first'] else 'The week'}, of {day(said['week'])}")
    for one in said["steps"]:
        pips = f"  {one['count']}/{one['of']}" if one["of"] else ""
        show.say(f"{'●' if one['done'] else '○'} {one['title']}{pips}")
        show.say(f"    {one['says']}" + ("" if one["done"] else f"; next: {one['next']}"))
    if said["red"]:
        show.note(show.paint(f"nobody was interviewed for {said['silent']} days", "red", sys.stderr))


def day(number: int) -> str:
    return str(EPOCH + timedelta(days=number))


@interview.command("next")
@json_option
def interview_next(json: bool) -> None:
    """Whom to ask next. They are drawn at random, once a week: asking twice gives the same people."""
    said = client().ask("POST", "research/draw", {})
    if json:
        show.as_json(said["next"])
    elif said["next"]:
        show.table(("NUMBER", "WHO", "CHANCE", "RESERVE", "GROUP"), map(person_row, said["next"]))
        show.note(f"next: `wend interview start {said['next'][0]['interview']}`, or `wend interview missed NUMBER`")
    elif said["week"]:
        show.note("everybody who was drawn this week was heard, or could not come")
    else:
        show.note("nobody can be asked: nobody is known, or all had their turn lately")
        show.note("next: `wend ingest file csv people.csv` tells of who is here")


def person_row(one: Item) -> tuple[object, ...]:
    return one["interview"], named(one), chance(one), "reserve" if one["reserve"] else "", one["stratum"]


def named(one: Item) -> str:
    return one["name"] or one["person"]


def chance(one: Item) -> str:
    return "not drawn" if one["probability"] is None else f"{100 * one['probability']:.0f} %"


@interview.command("schedule")
@json_option
def interview_schedule(json: bool) -> None:
    """Everybody drawn this week, with the reserve, and what became of them."""
    said = client().ask("POST", "research/draw", {})["week"]
    if json:
        show.as_json(said)
    elif said:
        rows = ((one["interview"], named(one), chance(one), state(one), one["stratum"]) for one in said)
        show.table(("NUMBER", "WHO", "CHANCE", "STATE", "GROUP"), rows)
    else:
        show.note("nobody was drawn: `wend ingest file csv people.csv` tells of who is here")


def state(one: Item) -> str:
    if one["withdrawn_at"]:
        return "taken back"
    if one["state"] == "missed":
        return str(one["why"])
    if one["state"] == "invited":
        return "in reserve" if one["reserve"] else "to be asked"
    if one["written_at"] or one["consent"] == "none":
        return f"held, {one['consent']}"
    return "overdue" if one["overdue"] else "to be written down"


@interview.command("start")
@click.argument("whom", metavar="PERSON")
@click.option("--consent", type=click.Choice(CONSENTS), help="What they allow; asked for on a terminal.")
@click.option("--at", metavar="TIME", help="When it was, if it is over: 2026-03-01T12:30:00Z.")
@json_option
def interview_start(whom: str, consent: str | None, at: str | None, json: bool) -> None:
    """Begin an interview and print the questions to read out. PERSON: its number, a login, e-mail address or pseudonym.

    Example: wend interview start 7 --consent full
    """
    if consent is None:
        if not sys.stdin.isatty():
            raise Invalid("what do they consent to?", "--consent full, notes or none")
        show.say('Ask: "May I keep what you say, and may I quote you without your name?"')
        consent = str(click.prompt("They consent to", type=click.Choice(CONSENTS), default="full"))
    body = {"who": whom, "consent": consent} | ({"at": at} if at else {})
    said = client().ask("POST", "research/interviews", body)
    if json:
        show.as_json(said)
        return
    show.say(f"interview {said['interview']} with {named(said)}")
    for line in (
        said["ask"]["opening"],
        "",
        *(f"- {one}" for one in said["ask"]["questions"]),
        "",
        said["ask"]["never"],
    ):
        show.say(line)
    if said["due_at"]:
        when = "is overdue" if said["overdue"] else f"is due {show.due(said['due_at'])}"
        show.note(f"its snapshot {when}: `wend interview snapshot {said['interview']}`")


@interview.command("missed")
@click.argument("number", type=click.IntRange(1))
@click.option("--why", type=click.Choice(REASONS), required=True, help="What came between.")
@json_option
def interview_missed(number: int, why: str, json: bool) -> None:
    """Say that an interview is not to be; the reserve takes its place.

    Example: wend interview missed 7 --why absent
    """
    said = client().ask("POST", f"research/interviews/{number}/missed", {"why": why})
    show.as_json(said) if json else show.say(f"interview {number}: {why}; `wend interview next` has somebody else")


@interview.command("list")
@click.argument("number", type=click.IntRange(1), required=False)
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@json_option
def interview_list(number: int | None, limit: int, json: bool) -> None:
    """Past interviews, newest first; with a number, that one and what was written down of it."""
    api = client()
    said = api.get(f"research/interviews/{number}") if number else api.get("research/interviews", limit=limit)
    if json:
        show.as_json(said)
    elif number:
        card(said)
    elif said:
        rows = ((one["interview"], named(one), show.when(one["held_at"]), state(one), one["stratum"]) for one in said)
        show.table(("NUMBER", "WHO", "WHEN", "STATE", "GROUP"), rows)
    else:
        show.note("nobody was interviewed yet: `wend interview next`")


def card(one: Item) -> None:
    """An interview in full."""
    said: Item = one["snapshot"] or {}
    show.facts((
        ("interview", one["interview"]),
        ("who", named(one)),
        ("group", one["stratum"]),
        ("chance", chance(one)),
        ("held", show.when(one["held_at"])),
        ("state", state(one)),
        *((title.lower(), said.get(name)) for name, title in WHOLE),
    ))  # fmt: skip
    for step in said.get("story", ()):
        show.say(f"  {step['at'] or '':>8}  {step['text']}")
    for hurt in said.get("opportunities", ()):
        lost = "" if hurt["minutes"] is None else f" ({hurt['minutes']:g} min)"
        where = f"pain {hurt['pain']}" if hurt["pain"] else "points to no pain yet"
        show.say(f"- {hurt['text'] or '(erased)'}{lost}: {where}")
    for insight in said.get("insights", ()):
        show.say(f"! {insight}")


@interview.command("coverage")
@json_option
def interview_coverage(json: bool) -> None:
    """Who was not heard for how long, and whether interviews still bring anything new."""
    said = client().get("research")
    if json:
        show.as_json(said)
        return
    rows = [
        (one["way"], one["name"], f"{one['heard']} of {one['people']}", "never" if one["days"] is None else one["days"])
        for one in said["coverage"]
    ]
    show.table(("", "GROUP", f"HEARD IN {said['lately']} WEEKS", "DAYS AGO"), rows)
    show.say()
    show.table(
        ("BY", "GROUP", "N", "NEW"), [(one["way"], one["name"], one["n"], one["says"]) for one in said["segments"]]
    )
    if said["loose"]:
        show.note(f"not in it, for it points to no pain yet: {said['loose']} of what was said")


@interview.command("withdraw")
@click.argument("number", type=click.IntRange(1))
@click.option("--confirm", type=int, metavar="NUMBER", help="The number again: what they said is erased for ever.")
@dry_run_option
def interview_withdraw(number: int, confirm: int | None, dry_run: bool) -> None:
    """Take back their consent: what they said is erased, and counted no more.

    Example: wend interview withdraw 7 --confirm 7
    """
    if dry_run:
        show.say(f"would erase what was said in interview {number}")
        return
    if confirm != number:
        raise Invalid(
            f"erasing interview {number} cannot be undone", f"wend interview withdraw {number} --confirm {number}"
        )
    client().ask("POST", f"research/interviews/{number}/withdrawn", {})
    show.say(f"interview {number}: what was said is erased")


# ---------------------------------------------------------------------------------------------- snapshots


@interview.command("snapshot")
@click.argument("number", type=click.IntRange(1))
@click.option(
    "--file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="TOML or JSON with all of it."
)
@click.option("--facts", help="Quick facts: how long here, what they own.")
@click.option("--quote", help="A memorable quote; needs full consent.")
@click.option("--notes", help="Notes or a transcript; - reads them from stdin.")
@click.option("--story", multiple=True, metavar="STEP", help='A step with its time in front: "10:05 opened it".')
@click.option("--opportunity", "opportunities", multiple=True, metavar="TEXT", help='What hurt: "slow build | 40".')
@click.option("--insight", "insights", multiple=True, metavar="TEXT", help="What you learnt.")
@json_option
def interview_snapshot(number: int, file: Path | None, json: bool, **given: Any) -> None:
    """Write down what was said, within a day. Without options it asks for each part.

    Example: wend interview snapshot 7 --story "10:05 opened the change" --opportunity "waited for a review | 40"
    """
    lists = {name for name, _ in LISTS}
    body: Item = {name: list(value) if name in lists else value for name, value in given.items() if value}
    if body.get("notes") == "-":
        body["notes"] = sys.stdin.read()
    if file:
        body = from_file(file) | body
    if not body:
        if not sys.stdin.isatty():
            raise Invalid("what was said?", "--file snapshot.toml, or --story, --opportunity, --quote …")
        body = asked()
    said = client().ask("POST", f"research/interviews/{number}/snapshot", body)
    if json:
        show.as_json(said)
    else:
        card(said)
        show.note("next: say which pain each points to")


def from_file(file: Path) -> Item:
    """The snapshot in a file. Raises Invalid."""
    if file.stat().st_size > BIGGEST:
        raise Invalid(f"{file} has more than {BIGGEST:,} bytes", "keep what matters")
    try:
        text = file.read_text("utf-8")
        found: Any = js.loads(text) if file.suffix.lower() == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # of both, and of text that is no UTF-8
        raise Invalid(f"{file} cannot be read: {error}", "write it as TOML, or as JSON in a .json file") from None
    if not isinstance(found, dict):
        raise Invalid(f"{file} holds no object", 'write it like {"quote": "…"}')
    return cast(Item, found)


def asked() -> Item:
    """Every part, asked for on the terminal; an empty line goes on."""
    show.note("an empty line goes on to the next")
    found: Item = {}
    for name, title in WHOLE[:2]:
        found[name] = str(click.prompt(title, default="", show_default=False))
    for name, title in LISTS:
        show.say(title)
        found[name] = list(
            iter(lambda: str(click.prompt("  -", default="", show_default=False, prompt_suffix=" ")), "")
        )
    return {name: value for name, value in found.items() if value}
