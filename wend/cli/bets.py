"""Bets: open one, see what it came to, link work to it, argue for it, end it; and answer whether one helped you."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import click

from wend import units
from wend.cli import show
from wend.cli.client import client
from wend.cli.options import Default, json_option

EPOCH = date(1970, 1, 1)
Bet = dict[str, Any]


@click.group("bet", cls=Default)
def bet() -> None:
    """Bets: an outcome, from what is measured to what is promised, and what came of it.

    Example: wend bet show 7
    """


@bet.command("open")
@click.argument("sentence", required=False, default="")
@click.option("--signal", required=True, metavar="SIGNAL", help="What it is measured by: an id of `wend signals`.")
@click.option("--by", "due", required=True, metavar="DATE", help="When it is to have come true.")
@click.option("--kill", required=True, metavar="DATE", help="When it ends unless it is argued for.")
@click.option("--appetite", required=True, type=int, metavar="DAYS", help="Days of work that may be lost on it.")
@click.option("--who", "users", default="", metavar="WHO", help="Who of the developers is better off.")
@click.option("--can", default="", metavar="WHAT", help="What they can do then.")
@click.option("--to", default="", metavar="NUMBER", help="The new number, with its unit.")
@click.option("--pain", type=int, metavar="N", help="The pain it is for.")
@click.option("--scope", default="all", show_default=True, metavar="SCOPE", help="all, team:NAME or service:NAME.")
@click.option("--sure", type=int, metavar="PERCENT", help="How sure you are that the number will be there.")
@click.option("--low", metavar="NUMBER", help="You would bet nine to one that it will be at least this,")
@click.option("--high", metavar="NUMBER", help="and at most this.")
@click.option("--weeks", type=int, default=13, show_default=True, help="Of the baseline.")
@json_option
def bet_open(json: bool, due: str, users: str, **asked: Any) -> None:
    """Open a bet. What is measured now is where it starts from.

    Example: wend bet open "new engineers can get a change out in 4 h instead of 14 h" --signal change_lead_time
    --by 2027-03-31 --kill 2027-02-15 --appetite 20
    """
    found = client().ask("POST", "bets", {**asked, "by": due, "who": users})
    if json:
        show.as_json(found)
        return
    show.say(f"bet {found['id']}: {found['sentence']}")
    show.say(f"from {measured(found['baseline'])} of {found['signal']}")
    show.note(f"next: put `Bet: {found['id']}` into the last lines of commits for it; `wend bet show {found['id']}`")


@bet.command("list")
@json_option
def bet_list(json: bool) -> None:
    """Every bet, and how good our predictions were.

    Example: wend bet list
    """
    found = client().get("bets")
    if json:
        show.as_json(found)
        return
    rows = [(one["id"], state(one), one["sentence"], day(one["by_day"])) for one in found["bets"]]
    if rows:
        show.table(("BET", "STATE", "OUTCOME", "BY"), rows)
    else:
        show.note("nothing was bet yet; next: `wend bet open --help`")
    for line in predictions(found["predictions"]):
        show.note(line)


@bet.command("show")
@click.argument("number", type=int, required=False)
@json_option
def bet_show(number: int | None, json: bool) -> None:
    """A bet: where it began, how it stands or what it came to, and by which method.

    Example: wend bet show 7
    """
    if number is None:
        click.get_current_context().invoke(bet_list, json=json)
        return
    found = client().get(f"bets/{number}")
    show.as_json(found) if json else show.facts(facts(found))


@bet.command("link")
@click.argument("number", type=int)
@click.argument("what", metavar="APP|COMMIT")
@json_option
def bet_link(number: int, what: str, json: bool) -> None:
    """Say that an app has what the bet is about, or that a commit is work for it.

    Example: wend bet link 7 checkout
    """
    told(client().ask("POST", f"bets/{number}/work", {"what": what}), f"bet {number}: {what} is linked", json)


@bet.command("reargue")
@click.argument("number", type=int)
@click.option("--kill", required=True, metavar="DATE", help="The new kill date.")
@click.option("--why", required=True, metavar="TEXT", help="Why it should go on.")
@json_option
def bet_reargue(number: int, kill: str, why: str, json: bool) -> None:
    """Argue for a bet: it goes on until another day.

    Example: wend bet reargue 7 --kill 2027-03-01 --why "half of it is live, and it shows"
    """
    said = client().ask("POST", f"bets/{number}/kill", {"kill": kill, "why": why})
    told(said, f"bet {number} goes on until {kill}", json)


@bet.command("close")
@click.argument("number", type=int)
@click.option("--why", required=True, metavar="TEXT", help="Why it ends.")
@json_option
def bet_close(number: int, why: str, json: bool) -> None:
    """End a bet today. It is judged when what was deployed has settled.

    Example: wend bet close 7 --why "the pain is gone by itself"
    """
    told(client().ask("POST", f"bets/{number}/end", {"why": why}), f"bet {number} is over", json)


@click.command("answer-bet")
@click.argument("number", type=int)
@click.argument("fixed", type=click.Choice(["yes", "no"]))
@json_option
def answer_bet(number: int, fixed: str, json: bool) -> None:
    """Say whether a bet fixed what you told of. The last word counts.

    Example: wend answer-bet 7 yes
    """
    told(client().ask("POST", f"bets/{number}/answer", {"fixed": fixed}), "thank you, that is kept", json)


# ---------------------------------------------------------------------------------------------- how it looks


def told(said: Any, line: str, json: bool) -> None:
    show.as_json(said) if json else show.say(line)


def state(one: Bet) -> str:
    return one["verdict"]["verdict"] if one["verdict"] and one["state"] == "judged" else one["state"]


def day(number: int | None) -> str:
    return "" if number is None else str(EPOCH + timedelta(days=number))


def measured(one: Bet, unit: str | None = None) -> str:
    """A value with its interval and n. Without a unit of a signal, as numbers."""
    if one["value"] is None:
        return one.get("says") or "no data"
    if unit is None:
        ends = ", ".join("open" if end is None else f"{end:.4g}" for end in (one["low"], one["high"]))
        return f"{one['value']:.4g} ({ends}; n {one['n']:,})"
    ends = units.interval(one["low"], one["high"], unit, value=one["value"])
    return f"{units.text(one['value'], unit)} ({ends}, n {one['n']:,})"


def change(value: float | None, unit: str) -> str:
    if value is None or not math.isfinite(value):
        return "open"
    sign = "+" if value > 0 else "-" if value < 0 else ""
    if unit in ("share", "score"):
        return f"{sign}{units.digits(abs(value) * (100 if unit == 'share' else 1))} points"
    return sign + units.text(abs(value), unit)


def facts(one: Bet) -> Iterator[tuple[str, object]]:
    from wend.signals.definitions import DEFINITIONS

    about, verdict = DEFINITIONS[one["signal"]], one["verdict"]
    effect = verdict["effect"]
    yield "bet", f"{one['id']}: {one['sentence']}"
    yield "pain", one["pain"]
    yield "state", f"{one['state']}" + (f": {one['why']}" if one["why"] else "")
    yield "so far" if one["so_far"] else "verdict", f"{verdict['verdict']}: {verdict['says']}"
    yield "signal", f"{about.title} of {one['scope']}, {about.better} is better"
    yield "before", measured(one["baseline"], about.unit)
    yield "promised", f"{units.text(one['to'], about.unit)} by {day(one['by_day'])}"
    yield "after", measured(verdict["after"], about.unit)
    if effect:
        ends = f"{change(effect['low'], about.unit)} to {change(effect['high'], about.unit)}, n {effect['n']:,}"
        yield "change", f"{change(effect['value'], about.unit)} ({ends})"
        yield "method", effect["method"]
        seen = effect["detectable"]
        yield "sees", f"changes from {change(seen, about.unit).lstrip('+')} on, 4 times out of 5" if seen else None
    yield "needs", f"about {verdict['needs']:,} more" if verdict["needs"] else None
    for rail in verdict["guards"]:
        yield "guard", f"{rail['title']}: {rail['says']}"
    yield "kill date", day(one["kill_day"])
    yield "prediction", None if one["sure"] is None else f"{one['sure']:.0%} sure"
    yield "work", ", ".join(f"{work['kind']} {work['id'][:12]}" for work in one["work"])
    for note in verdict["notes"]:
        yield "note", note


def predictions(score: Bet) -> Iterator[str]:
    if score["brier"] is not None:
        yield f"predictions: Brier score {score['brier']:.3f} (n {score['said']}); who always says 50 % has 0.250"
    if score["coverage"]:
        cover = score["coverage"]
        ends = f"{cover['low']:.0%}–{cover['high']:.0%}, n {cover['n']}"
        yield f"in the predicted interval: {cover['value']:.0%} ({ends}); 90 % were meant to be"
