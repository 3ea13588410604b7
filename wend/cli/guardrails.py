"""Guardrails and waivers: what is checked, and how to pass for a while."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from wend.cli import repo, show
from wend.cli.client import app_path, client
from wend.cli.options import Default, app_option, json_option
from wend.errors import Invalid

Item = dict[str, Any]


@click.group(cls=Default)
def guardrails() -> None:
    """What is checked on the way to production, and at which gate it warns or stops.

    Example: wend guardrails · wend guardrails backtest missing-owner
    """


@guardrails.command("show")
@json_option
def guardrails_show(json: bool) -> None:
    """Every guardrail, its modes, and in how many live apps it finds something."""
    said = client().get("guardrails")
    if json:
        show.as_json(said)
        return
    rows = ((one["rule"], modes(one["modes"]), f"{one['live']['FAIL']} of {one['n']}", one["title"]) for one in said)
    show.table(("GUARDRAIL", "MODES", "LIVE", "WHAT"), rows)
    for one in said:
        if one["reconsidered"]["holds"]:
            show.note(f"{one['rule']}: {one['reconsidered']['says']}")


def modes(said: dict[str, str]) -> str:
    """ "push enforce, else warn" in few words: the gates by mode."""
    by: dict[str, list[str]] = {}
    for gate, mode in said.items():
        if mode != "off":
            by.setdefault(mode, []).append(gate)
    return "; ".join(f"{mode}: {', '.join(gates)}" for mode, gates in by.items()) or "off"


@guardrails.command("mode")
@click.argument("rule")
@click.argument("gate")
@click.argument("mode")
@json_option
def guardrails_mode(rule: str, gate: str, mode: str, json: bool) -> None:
    """Set what a guardrail does at a gate: off, warn, new (enforced for new apps) or enforce.

    Example: wend guardrails mode missing-owner push new
    """
    said = client().ask("POST", f"guardrails/{rule}/mode", {"gate": gate, "mode": mode})
    show.as_json(said) if json else show.say(f"{rule} at {gate}: {mode}")


@guardrails.command("backtest")
@click.argument("rule")
@json_option
def guardrails_backtest(rule: str, json: bool) -> None:
    """What the guardrail would have stopped of the newest pushes, had it been enforced.

    Example: wend guardrails backtest missing-owner
    """
    said = client().get(f"guardrails/{rule}/backtest")
    if json:
        show.as_json(said)
        return
    show.say(f"it would have stopped {said['stopped']} of the last {said['of']} commits that were judged")
    if said["apps"]:
        show.say(f"of: {', '.join(said['apps'])}")


@guardrails.command("add")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@json_option
def guardrails_add(files: tuple[Path, ...], json: bool) -> None:
    """Take guardrails of your own: TOML files with an expression in CEL and tests that prove it, or folders of them.

    Example: wend guardrails add guardrails/
    """
    said = [client().ask("POST", "guardrails", {"text": written(one)}) for one in found(files)]
    if json:
        show.as_json(said)
        return
    for one in said:
        show.say(f"{one['rule']} is version {one['version']} now; its {one['tests']} tests hold")


@guardrails.command("test")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def guardrails_test(files: tuple[Path, ...]) -> None:
    """Run the tests of guardrails of your own here, and send nothing.

    Example: wend guardrails test guardrails/
    """
    from wend.guardrails import own

    for file in found(files):
        one = own.read(written(file))
        own.prove(one)
        show.say(f"{one.id}: {len(one.tests)} tests hold")


@guardrails.command("remove")
@click.argument("rule")
@json_option
def guardrails_remove(rule: str, json: bool) -> None:
    """Ask a guardrail of your own no more.

    Example: wend guardrails remove payments-run-twice
    """
    said = client().ask("DELETE", f"guardrails/{rule}")
    show.as_json(said) if json else show.say(f"{rule} is asked no more")


def found(paths: Iterable[Path]) -> list[Path]:
    """The files, and those of the folders. Raises Invalid when there is none."""
    some = [file for path in paths for file in (sorted(path.glob("*.toml")) if path.is_dir() else [path])]
    if not some:
        raise Invalid("there is no *.toml in there", "docs/guardrails.md has an example")
    return some


def written(file: Path) -> str:
    return file.read_bytes().decode("utf-8", "replace")


@guardrails.command("advisories")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def guardrails_advisories(file: Path, json: bool) -> None:
    """Bring known weaknesses of dependencies: a zip of OSV's records, a file with one, or one with a record a line.
    The whole takes the place of the last.

    Example: wend guardrails advisories all.zip
    """
    from wend.cli import advisories

    said = advisories.send(file)
    show.as_json(said) if json else show.say(
        f"{said['records']:,} records are here; what runs is held against them now"
    )


# ---------------------------------------------------------------------------------------------- waivers


@click.command()
@click.argument("rule")
@app_option
@click.option("--reason", required=True, metavar="TEXT", help="Why, in 20 characters or more.")
@click.option("--days", default=14, show_default=True, help="For how long, at most 90.")
@click.option("--only", metavar="PRINT", help="One finding alone; `wend check --json` has its print.")
@click.option("--owner", metavar="NAME", help="The human who answers for it; default: you.")
@json_option
def waive(rule: str, app: str | None, reason: str, days: int, only: str | None, owner: str | None, json: bool) -> None:
    """Ask to pass a guardrail for a while. Somebody else approves it.

    Example: wend waive unpinned-dependency -a shop --reason "the vendor's wheel has no versions yet"
    """
    about = {"rule": rule, "reason": reason, "days": days, "print": only, "owner": owner}
    given = {key: value for key, value in about.items() if value is not None}
    said = client().ask("POST", app_path(repo.app(app), "waivers"), given)
    told(said, json, f"waiver {said['id']} is asked for; somebody else approves it: wend waivers approve {said['id']}")


@click.command("break-glass")
@app_option
@click.option("--reason", required=True, metavar="TEXT", help="What is on fire, in 20 characters or more.")
@json_option
def break_glass(app: str | None, reason: str, json: bool) -> None:
    """Pass every guardrail of an app for four hours, at once. Everybody sees it.

    Example: wend break-glass -a shop --reason "checkout is down, the fix has a loose version"
    """
    said = client().ask("POST", app_path(repo.app(app), "break-glass"), {"reason": reason})
    told(said, json, f"every guardrail of {said['app']} is waived until {show.when(said['ends'])}; say afterwards why")


@click.group(cls=Default)
def waivers() -> None:
    """Who passes which guardrail, until when, and why.

    Example: wend waivers · wend waivers approve 3
    """


@waivers.command("show")
@json_option
def waivers_show(json: bool) -> None:
    """Every waiver, the newest first."""
    said = client().get("waivers")
    if json:
        show.as_json(said)
    elif not said:
        show.note("nobody has had to pass a guardrail: wend waive RULE --reason …")
    else:
        show.table(("WAIVER", "GUARDRAIL", "APP", "STATE", "UNTIL", "OWNER", "WHY"), map(row, said))


def row(one: Item) -> tuple[object, ...]:
    state = "holds" if one["holds"] else "over" if one["state"] == "approved" else one["state"]
    until = show.when(one["ends"]) if one["ends"] else f"{one['days']} days"
    return one["id"], one["rule"], one["app"], state, until, one["owner"], one["reason"]


@waivers.command("approve")
@click.argument("number", type=click.IntRange(1))
@json_option
def waivers_approve(number: int, json: bool) -> None:
    """Let a waiver hold from now on. Not your own, and no agent may.

    Example: wend waivers approve 3
    """
    said = client().ask("POST", f"waivers/{number}/approve", {})
    told(said, json, f"waiver {number} holds until {show.when(said['ends'])}")


@waivers.command("deny")
@click.argument("number", type=click.IntRange(1))
@click.option("--why", required=True, metavar="TEXT", help="In 20 characters or more.")
@json_option
def waivers_deny(number: int, why: str, json: bool) -> None:
    """Say no to a waiver.

    Example: wend waivers deny 3 --why "there is a version now: 2.1.0"
    """
    told(client().ask("POST", f"waivers/{number}/deny", {"why": why}), json, f"waiver {number} is denied")


@waivers.command("review")
@click.argument("number", type=click.IntRange(1))
@click.option("--found", required=True, metavar="TEXT", help="What went out, and what should change.")
@json_option
def waivers_review(number: int, found: str, json: bool) -> None:
    """Finish the review of a broken glass that somebody else broke. It is due within two days.

    Example: wend waivers review 4 --found "one loose version went out; it is pinned since"
    """
    told(client().ask("POST", f"waivers/{number}/review", {"why": found}), json, f"broken glass {number} is reviewed")


@waivers.command("revoke")
@click.argument("number", type=click.IntRange(1))
@click.option("--why", required=True, metavar="TEXT", help="In 20 characters or more.")
@json_option
def waivers_revoke(number: int, why: str, json: bool) -> None:
    """End a waiver before its time, at every gate at once.

    Example: wend waivers revoke 3 --why "it was pinned last week already"
    """
    told(client().ask("POST", f"waivers/{number}/revoke", {"why": why}), json, f"waiver {number} is over")


def told(said: Item, json: bool, words: str) -> None:
    show.as_json(said) if json else show.say(words)
