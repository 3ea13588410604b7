"""Saying what one thinks: feedback, friction logs, tickets, and answers to the one question now and then."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from wend.cli import show
from wend.cli.client import client
from wend.cli.options import Default, json_option
from wend.errors import Invalid, NotFound

MOST = 200_000  # characters that are sent
FEW = "few yet"  # fewer than may be told of


@click.command()
@click.argument("text", required=False)
@click.option("-a", "--app", metavar="APP", help="What it is about.")
@click.option("--minutes", type=float, metavar="N", help="How long it cost you.")
@click.option("--friction", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A friction log.")
@json_option
def feedback(text: str | None, app: str | None, minutes: float | None, friction: Path | None, json: bool) -> None:
    """Tell the platform's team what is in your way. After a push that failed it is taken to be about that push.

    Example: wend feedback "the build takes ages" --minutes 15 · wend feedback --friction monday.md
    """
    if (text is None) == (friction is None):
        raise Invalid("say it in one argument, or send a friction log", 'wend feedback "what slowed you down"')
    if friction is not None:
        said = client().ask("POST", "friction", {"text": bounded(friction.read_text("utf-8", errors="replace"))})
        counts = ", ".join(f"{count} {colour}" for colour, count in said["colours"].items())
        thank(said, f"thank you: {counts}; each red one is evidence now", json)
        return
    body = {"text": bounded(text or ""), "app": app, "minutes": minutes}
    said = client().ask("POST", "feedback", body)
    thank(said, "thank you" + (f" (about the deploy {said['deploy']})" if said["deploy"] else ""), json)


def bounded(text: str) -> str:
    if len(text) > MOST:
        raise Invalid(f"that is {len(text):,} characters long; nobody reads so much", "say it in a few sentences")
    return text


def thank(said: dict[str, Any], line: str, json: bool) -> None:
    if json:
        show.as_json(said)
    else:
        show.say(line)
        show.say(said["next"])


# ---------------------------------------------------------------------------------------------- one question


@click.command()
@click.argument("words", nargs=-1, metavar="[SCORE|skip] [TEXT]")
@click.option("--invite", metavar="ID", help="Which question; default: the last one you were shown.")
@json_option
def answer(words: tuple[str, ...], invite: str | None, json: bool) -> None:
    """Answer the question that you were shown after a push: a number, and why if you like; or skip, for peace. Without
    words the question is shown, and one key answers it.

    Example: wend answer 4 · wend answer 2 "the build" · wend answer skip
    """
    api = client()
    if not words:
        found = api.get("surveys/waiting")
        if json or not found or not (show.terminal() and sys.stdin.isatty()):
            show.as_json(found) if json else show.say(found["text"] if found else "no question waits for you")
            return
        words = (key_for(found),)
    if words[0].lower() in ("skip", "s"):
        said = api.ask("POST", "surveys/dismiss", {"invite": invite})
    else:
        body = {"answer": bounded(words[0]), "text": bounded(" ".join(words[1:])), "invite": invite}
        said = api.ask("POST", "surveys/answer", body)
    thank(said, "thank you", json)


def key_for(found: dict[str, Any]) -> str:
    """What somebody types to a question they asked to see."""
    show.say(found["text"])
    if not found["labels"]:
        return click.prompt("in your words (0: nothing, s: skip)", default="s", show_default=False)
    every = len(found["labels"]) > 2
    for at in range(found["lowest"], found["highest"] + 1) if every else (found["lowest"], found["highest"]):
        show.say(f"  {at}  {found['labels'][at - found['lowest'] if every else -(at == found['highest'])]}")
    if found["highest"] > 9:
        return click.prompt("a number (s: skip)", default="s", show_default=False)
    show.note("one key; s: skip")
    key = click.getchar()
    return key if key.isdigit() else "skip" if key in ("s", "S") else leave()


def leave() -> str:
    """Any other key, such as Enter: nothing was answered, and nothing is held against anybody."""
    raise click.exceptions.Exit(0)


@click.command()
@json_option
def survey(json: bool) -> None:
    """Every question: how many were drawn, shown, answered, and what they said.

    Example: wend survey
    """
    said = client().get("surveys")
    if json:
        show.as_json(said)
        return
    show.table(("QUESTION", "WAVE", "DRAWN", "SHOWN", "ANSWERED", "NOT NOW", "RESPONSE", "MEAN"), map(survey_row, said))
    for one in said:
        if one["response"]["alarm"]:
            show.note(f"{one['topic']}: {one['response']['says']}")


def survey_row(one: dict[str, Any]) -> tuple[object, ...]:
    rate, result = one["response"], one["result"]
    shown = FEW if rate["value"] is None else f"{rate['value']:.0%} ({rate['low']:.0%}-{rate['high']:.0%})"
    mean = FEW if result["value"] is None else f"{result['value']} ({result['low']}-{result['high']})"
    counts = (one["invited"], one["shown"], one["answered"], one["dismissed"])
    return one["topic"], one["wave"], *counts, shown, "-" if one["open"] else mean


# ---------------------------------------------------------------------------------------------- tickets


@click.group(cls=Default)
def ticket() -> None:
    """Tickets by hand, where no ticket system tells of them.

    Example: wend ticket open "no space left on the build machine" --reason build
    """


@ticket.command("show")
@json_option
def ticket_show(json: bool) -> None:
    """The newest tickets by hand."""
    said = client().get("tickets")
    if json:
        show.as_json(said)
        return
    rows = ((one["ticket"], show.when(one["opened_at"]), show.when(one["resolved_at"]), one["reason"]) for one in said)
    show.table(("TICKET", "OPENED", "CLOSED", "REASON"), rows)


@ticket.command("open")
@click.argument("title")
@click.option("--reason", metavar="WORD", help="A label, like build or access.")
@click.option("-a", "--app", metavar="APP", help="What it is about.")
@json_option
def ticket_open(title: str, reason: str | None, app: str | None, json: bool) -> None:
    """Ask the platform's team for help.

    Example: wend ticket open "cannot reach the database" --reason access
    """
    said = client().ask("POST", "tickets", {"title": bounded(title), "reason": reason, "app": app})
    thank(said, f"{said['ticket']} is open", json)


@ticket.command("close")
@click.argument("id")
def ticket_close(id: str) -> None:
    """Say that it is done with.

    Example: wend ticket close hand:1a2b3c4d
    """
    if not id.isprintable() or "/" in id:
        raise NotFound(f"there is no ticket {id[:60]!r} by hand", "`wend ticket` lists them")
    client().ask("POST", f"tickets/{quote(id, safe='')}/close", {})
    show.say(f"{id} is closed")
