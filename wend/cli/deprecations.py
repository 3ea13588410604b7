"""What is on its way out: announce it, see who still uses it, move, or say why not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from wend.cli import repo, show
from wend.cli.client import app_path, client
from wend.cli.options import Default, app_option, dry_run_option, json_option

Item = dict[str, Any]
NUMBER = click.IntRange(1)


@click.command()
@click.argument("what")
@click.option("--replacement", required=True, metavar="NAME", help="What takes its place; a team must live on it.")
@click.option("--because", required=True, metavar="TEXT", help="Why it goes, in a sentence.")
@click.option("--minutes", required=True, type=NUMBER, help="What moving one app costs its team.")
@click.option("--script", metavar="COMMAND", help="What moves an app, run in a checkout of it.")
@click.option("--guide", metavar="URL", help="A page that says how.")
@click.option("--warned", metavar="DATE", help="From when pushes are warned; default: in 7 days.")
@click.option("--blocked", metavar="DATE", help="From when nobody may begin with it; default: in 30 days.")
@click.option("--retired", metavar="DATE", help="From when no deploy may use it; default: in 90 days.")
@click.option("--unused", default=14, show_default=True, help="Days without any use after which it is done.")
@dry_run_option
@json_option
def deprecate(what: str, dry_run: bool, json: bool, **said: Any) -> None:
    """Put what is offered on its way out: path:NAME, template:NAME@2, toolchain:python@3.9, hatch:KIND,
    setting:process.*.boot, part:pypi/NAME, or "api:GET /api/…".

    Example: wend deprecate toolchain:python@3.9 --replacement toolchain:python@3.12 --minutes 30
      --because "it gets no security fixes any more" --guide https://wiki.example.com/python
    """
    about = {"what": what, **{key: value for key, value in said.items() if value is not None}}
    found: Item = client().ask("POST", "deprecations", about, {"dry_run": dry_run})
    if json:
        show.as_json(found)
        return
    would = "would go" if dry_run else f"goes (deprecation {found['deprecation']})"
    hours, apps = sum(found["costs"].values()) / 60, "app uses" if found["using"] == 1 else "apps use"
    show.say(f"{found['what']} {would}: {found['using']} {apps} it, about {hours:.1f} h of work for their teams")
    show.facts([(key, date(found[key])) for key in ("warned", "blocked", "retired")])
    for begin, end in found["brownouts"]:
        show.say(f"brown-out of new deploys: {moment(begin)}, {(end - begin) // 60_000_000} minutes")


@click.group(cls=Default)
def deprecations() -> None:
    """What is on its way out: who uses it, until when, and how to move.

    Example: wend deprecations · wend deprecations move 3 -a shop
    """


@deprecations.command("show")
@click.argument("number", type=NUMBER, required=False)
@json_option
def deprecations_show(number: int | None, json: bool) -> None:
    """All of them; or one, with who still uses it.

    Example: wend deprecations show 3
    """
    said = client().get("deprecations" if number is None else f"deprecations/{number}")
    if json:
        show.as_json(said)
    elif number is not None:
        one(said)
    elif not said:
        show.note("nothing is on its way out: wend deprecate NAME --replacement NAME …")
    else:
        show.table(("NR", "WHAT", "INSTEAD", "STAGE", "NEXT", "USED BY"), map(row, said))


def row(each: Item) -> tuple[object, ...]:
    return each["id"], each["what"], each["replacement"], each["stage"], date(each["next"]), used(each)


def used(each: Item) -> str:
    more = f" (+{each['unknown']} not known)" if each["unknown"] else ""
    return "not counted yet" if each["using"] is None else f"{each['using']}{more}"


def one(said: Item) -> None:
    """One of them, in words."""
    forecast = said["forecast"]
    when = forecast["says"]
    if forecast["day"]:
        late = day(forecast["late"]) if forecast["late"] else "open"
        when += f"; all by {day(forecast['day'])} ({day(forecast['early'])}–{late}, n {forecast['n']})"
    show.facts([
        ("what", said["what"]), ("instead", said["replacement"]), ("because", said["because"]),
        ("stage", said["stage"]), *((key, date(said[key])) for key in ("warned", "blocked", "retired")),
        ("guide", said["guide"]), ("script", said["script"]), ("burn-down", when),
    ])  # fmt: skip
    for call in said["calls"]:
        show.say(f"called {call['calls']} times with tokens of {call['owner']}, last on {day(call['last'])}")
    if said["users"] and not said["calls"]:
        show.table(("APP", "TEAM", "PROPOSAL", "MORE TIME"), map(user, said["users"]))
    if said["not_known"]:
        show.note(f"not known of: {', '.join(said['not_known'])}; their next push tells")


def user(each: Item) -> tuple[object, ...]:
    proposal = each["proposal"]
    told = f"{proposal['standing']}: {proposal['branch']}" if proposal else "said why not" if each["stays"] else ""
    return each["app"], each["team"], told, date(each["exempt"]) if each["exempt"] else ""


@deprecations.command("move")
@click.argument("number", type=NUMBER)
@app_option
@json_option
def deprecations_move(number: int, app: str | None, json: bool) -> None:
    """Propose the migration to an app: applied on a branch, tried in a preview, never over what a person committed.

    Example: wend deprecations move 3 -a shop
    """
    said = client().act("POST", app_path(repo.app(app), f"deprecations/{number}/move"), {})
    if json:
        show.as_json(said)
        return
    where = f" at {said['preview']}" if said["preview"] else ""
    show.say(f"{said['branch']} of {said['app']}: {said['state']}{where}")
    show.note(f"next: git fetch wend {said['branch']} && git merge FETCH_HEAD")


@deprecations.command("stay")
@click.argument("number", type=NUMBER)
@click.argument("why")
@app_option
@json_option
def deprecations_stay(number: int, why: str, app: str | None, json: bool) -> None:
    """Say why an app has not moved. It becomes evidence, and the platform's team reads it.

    Example: wend deprecations stay 3 "the new driver has no Oracle support" -a shop
    """
    said = client().ask("POST", app_path(repo.app(app), f"deprecations/{number}/stay"), {"why": why})
    show.as_json(said) if json else show.say("thank you; the platform's team reads it this week")


@deprecations.command("postpone")
@click.argument("number", type=NUMBER)
@click.argument("retired", metavar="DATE")
@click.option("--why", required=True, metavar="TEXT", help="In a sentence.")
@json_option
def deprecations_postpone(number: int, retired: str, why: str, json: bool) -> None:
    """Move the end, and the brown-outs before it, to later.

    Example: wend deprecations postpone 3 2027-06-01 --why "two teams wait for a vendor"
    """
    said = client().ask("POST", f"deprecations/{number}/postpone", {"retired": retired, "why": why})
    show.as_json(said) if json else show.say(f"{said['what']} is retired on {date(said['retired'])} now")


@deprecations.command("withdraw")
@click.argument("number", type=NUMBER)
@click.option("--why", required=True, metavar="TEXT", help="In a sentence.")
@json_option
def deprecations_withdraw(number: int, why: str, json: bool) -> None:
    """It stays after all.

    Example: wend deprecations withdraw 3 --why "the replacement loses data"
    """
    said = client().ask("POST", f"deprecations/{number}/withdraw", {"why": why})
    show.as_json(said) if json else show.say(f"deprecation {number} is withdrawn")


def date(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).date().isoformat()


def moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1e6, UTC):%Y-%m-%d %H:%M} UTC"


def day(number: int) -> str:
    return date(number * 86_400_000_000)
