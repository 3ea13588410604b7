"""What happens elsewhere: sources that deliver it, files and histories that are read here, and who is told of ours."""

from __future__ import annotations

import mimetypes
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from wend.cli import show
from wend.cli.client import Client, client
from wend.cli.options import dry_run_option, json_option
from wend.errors import Invalid

if TYPE_CHECKING:
    from wend.cli.history import History

PAGE, GONE = 10_000, 2_000
secret_option = click.option(
    "--secret", metavar="SECRET", help="One that the other side has made; - reads it from stdin."
)


@click.group()
def ingest() -> None:
    """What happened elsewhere: sources, files and git histories; and who is told of our deploys.

    Example: wend ingest add github --kind github
    """


# ---------------------------------------------------------------------------------------------- sources


@ingest.command("list")
@json_option
def ingest_list(json: bool) -> None:
    """The sources that may deliver, and when each last said something new."""
    said = client().get("ingest/sources")
    if json:
        show.as_json(said)
    elif not said:
        show.note("no source delivers here yet: wend ingest add NAME --kind KIND")
    else:
        show.table(("SOURCE", "KIND", "HEARD", "SET", "BY", "OLD SECRET"), map(source_row, said))


def source_row(one: dict[str, Any]) -> tuple[object, ...]:
    holds = one["before_until"] and one["before_until"] > time.time() * 1e6
    old = f"holds, ends {show.due(one['before_until'])}" if holds else None
    return one["source"], one["kind"], show.when(one["heard_at"]), show.when(one["set_at"]), one["set_by"], old


@ingest.command("add")
@click.argument("name")
@click.option("--kind", default="", help="What it is, like github or cloudevents; default: as it is set up.")
@secret_option
@json_option
def ingest_add(name: str, kind: str, secret: str | None, json: bool) -> None:
    """Set up a source, or renew its secret: the old one holds for 24 hours. The secret is printed this once.

    Example: wend ingest add github --kind github
    """
    body = {"source": name, "kind": kind, "secret": given(secret)}
    said = client().ask("POST", "ingest/sources", {key: value for key, value in body.items() if value is not None})
    if json:
        show.as_json(said)
        return
    show.facts((("address", said["address"]), ("secret", said["secret"])))
    show.note("this is the only time the secret is shown; the other side signs with it")


def given(secret: str | None) -> str | None:
    """The secret of an option; "-" stands for standard input."""
    return sys.stdin.read().strip() if secret == "-" else secret


@ingest.command("remove")
@click.argument("name")
@dry_run_option
def ingest_remove(name: str, dry_run: bool) -> None:
    """Let a source deliver no more. What it said stays.

    Example: wend ingest remove github
    """
    if dry_run:
        show.say(f"would remove the source {name}")
        return
    client().ask("DELETE", f"ingest/sources/{quote(name, safe='')}")
    show.say(f"removed {name}")


@ingest.command("aside")
@click.argument("number", type=click.IntRange(1), required=False)
@click.option("--source", metavar="NAME", help="Of this source only.")
@click.option("--read", "again", is_flag=True, help="Read the one with this number again, with today's readers.")
@click.option("--erase", is_flag=True, help="Erase the body of the one with this number.")
@json_option
def ingest_aside(number: int | None, source: str | None, again: bool, erase: bool, json: bool) -> None:
    """What arrived and nobody here can read; with a number, the body of that one.

    Example: wend ingest aside --source github
    """
    api = client()
    if number is None:
        if erase or again:
            word = "erase" if erase else "read"
            raise Invalid(f"{word} which one?", f"wend ingest aside NUMBER --{word}")
        list_asides(api.get("ingest/asides", source=source), json)
    elif erase:
        api.ask("DELETE", f"ingest/asides/{number}")
        show.say(f"erased the body of {number}")
    elif again:
        said = api.ask("POST", f"ingest/asides/{number}/read")
        show.as_json(said) if json else show.say(f"{said['facts']} facts, {said['new']} of them new")
    else:
        said = api.get(f"ingest/asides/{number}")
        if json:
            show.as_json(said)
        else:
            show.note(f"{said['source']}: {said['why']} ({said['shape']}, {said['bytes']} bytes)")
            show.say("(erased)" if said["body"] is None else said["body"])


def list_asides(said: list[dict[str, Any]], json: bool) -> None:
    if json:
        show.as_json(said)
    elif not said:
        show.note("nothing was kept aside")
    else:
        rows = (
            (one["seq"], one["source"], show.when(one["at"]), one["shape"], one["bytes"], one["why"]) for one in said
        )
        show.table(("NUMBER", "SOURCE", "WHEN", "SHAPE", "BYTES", "WHY"), rows)


@ingest.command("file")
@click.argument("kind")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--type", "media", metavar="TYPE", help="The content type; default: by the file's name.")
@json_option
def ingest_file(kind: str, file: Path, media: str | None, json: bool) -> None:
    """Send a file as a delivery of this kind, or to the source of this name. Sending it again changes nothing.

    Example: wend ingest file csv people.csv
    """
    guessed = {".csv": "text/csv", ".json": "application/json"}.get(file.suffix.lower()) or mimetypes.guess_type(
        file.name
    )[0]
    headers = {"Content-Type": media or guessed or "application/octet-stream", "X-Wend-File": quote(file.name)}
    said = client().deliver(f"/ingest/{quote(kind, safe='')}", file.read_bytes(), headers)
    if json:
        show.as_json(said)
    elif "aside" in said:
        show.say(f"not understood, and kept aside: {said['aside']}")
    else:
        show.say(f"{said['facts']} facts, {said['new']} of them new")


# ---------------------------------------------------------------------------------------------- histories


@ingest.command("git")
@click.argument("repos", nargs=-1, required=True, metavar="REPO…", type=click.Path(path_type=Path, exists=True))
@click.option("--name", metavar="OWNER/REPO", help="What the repository is called; default: by its remote origin.")
@click.option("--service", metavar="NAME", help="The service it is deployed as; default: the last part of its name.")
@click.option("--team", metavar="TEAM", help="The team whose service it is.")
@click.option(
    "--folder", "folders", multiple=True, metavar="DIR", help="What of it the service is made from; default: all."
)
@click.option("--tags", metavar="PATTERN", help='Tags like "v*" are deployments.')
@click.option(
    "--deploys-are", type=click.Choice(["commits", "tags", "merges"]), help="What else counts as a deployment."
)
@click.option("--since", metavar="DATE", help="Nothing older than this, like 2026-01-01.")
@dry_run_option
@json_option
def ingest_git(
    repos: tuple[Path, ...],
    name: str | None,
    service: str | None,
    team: str | None,
    folders: tuple[str, ...],
    tags: str | None,
    deploys_are: str | None,
    since: str | None,
    dry_run: bool,
    json: bool,
) -> None:
    """Read repositories here and tell of their commits and deployments, so that there is a past from the first day.

    What a commit says stays here: only what it takes back, whether it is a hotfix, its date and its author's address
    (kept as a pseudonym) are sent. Running it again changes nothing.

    Example: wend ingest git ~/src/shop --tags "v*" --team payments
    """
    from wend.cli import history
    from wend.ingest import parse

    if len(repos) > 1 and (name or service or folders):
        raise Invalid("--name, --service and --folder are of one repository", "name one, or leave them out")
    if tags and deploys_are not in (None, "tags"):
        raise Invalid(f"--tags and --deploys-are {deploys_are} contradict each other", "choose one")
    deploys: Any = "tags" if tags else deploys_are
    wish = history.Wish(deploys, tags or "*", None if since is None else parse.moment(since) // 1_000_000)
    api, told = client(), list[dict[str, Any]]()
    for path in repos:
        found = history.read(path, name, wish)
        about = {"service": service, "team": team, "folders": list(folders)}
        told.append(tell(api, path, found, about, dry_run))
        if not json:
            describe(told[-1], dry_run)
    if json:
        show.as_json(told)


def tell(api: Client, path: Path, found: History, about: dict[str, Any], dry_run: bool) -> dict[str, Any]:
    """Send what the platform does not know of it yet, and what is gone."""
    from wend.cli import history

    known = known_of(api, found.repo)
    gone, ahead = history.vanished(known, found.present, found.tips)
    if found.shallow or not found.present:
        gone, ahead = set[str](), set[str]()  # what cannot be seen from here is not gone
    if ahead:
        found.lacks.append(f"{len(ahead)} commits known to the platform are newer than this clone (git fetch)")
    new = [one for one in found.commits if one.id not in known]
    touched = history.folders(path, new)
    fresh = [history.row(one, found.hot, touched.get(one.id)) for one in new]
    said = {"repo": found.repo, "commits": len(found.commits), "new": len(fresh), "gone": len(gone)}
    said |= {"deployments": len(found.deployments), "new_deployments": 0, "lacks": found.lacks}
    if dry_run:
        return said
    about = {"repo": found.repo} | {key: value for key, value in about.items() if value}
    if "team" in about or "folders" in about:
        api.ask("POST", "ingest/git", about)
    lost = sorted(gone)
    for start in range(0, len(lost), GONE):
        api.ask("POST", "ingest/git", {**about, "gone": lost[start : start + GONE]})
    for part in history.batches(fresh):
        api.ask("POST", "ingest/git", {**about, "changes": part})
    for part in history.batches(found.deployments):
        new = api.ask("POST", "ingest/git", {**about, "deployments": part})["new"]
        said["new_deployments"] += new
    return said


def known_of(api: Client, repo: str) -> dict[str, list[str]]:
    """The commits of the repository that the platform knows, with their parents."""
    known: dict[str, list[str]] = {}
    after: str | None = None
    while True:
        page: list[tuple[str, list[str]]] = api.get("ingest/git", repo=repo, after=after, limit=PAGE)["commits"]
        known.update(page)
        if len(page) < PAGE:
            return known
        after = page[-1][0]


def describe(said: dict[str, Any], dry_run: bool) -> None:
    would = "would tell of " if dry_run else ""
    line = f"{said['repo']}: {would}{said['commits']} commits, {said['new']} of them new"
    if said["gone"]:
        line += f"; {said['gone']} are gone: its history was rewritten"
    if said["deployments"]:
        line += f"; {said['deployments']} deployments" + ("" if dry_run else f", {said['new_deployments']} of them new")
    show.say(line)
    for word in said["lacks"]:
        show.note(f"  {said['repo']}: {word}")


# ---------------------------------------------------------------------------------------------- subscriptions


@ingest.command("subscribe")
@click.argument("url")
@secret_option
@json_option
def ingest_subscribe(url: str, secret: str | None, json: bool) -> None:
    """Tell this address of our deploys, as CDEvents. The secret that signs them is printed this once.

    Example: wend ingest subscribe https://example.org/events
    """
    body = {"url": url, "secret": given(secret)}
    said = client().ask(
        "POST", "ingest/subscriptions", {key: value for key, value in body.items() if value is not None}
    )
    if json:
        show.as_json(said)
        return
    show.facts((("id", said["id"]), ("secret", said["secret"])))
    show.note("this is the only time the secret is shown" if said["secret"] else "it goes on; its secret is as before")


@ingest.command("subscriptions")
@json_option
def ingest_subscriptions(json: bool) -> None:
    """Who is told of our deploys, how far they are, and what keeps them.

    Example: wend ingest subscriptions
    """
    said = client().get("ingest/subscriptions")
    if json:
        show.as_json(said)
    elif not said:
        show.note("nobody is told of our deploys: wend ingest subscribe URL")
    else:
        show.table(("ID", "URL", "STATE", "LAST", "BEHIND", "WHY"), map(subscription_row, said))


def subscription_row(one: dict[str, Any]) -> tuple[object, ...]:
    state = "failed" if one["gave_up"] else "backoff" if one["failing_since"] else "ok"
    return one["id"], one["url"], state, show.when(one["ok_at"]), one["behind"], one["why"]


@ingest.command("unsubscribe")
@click.argument("id")
@dry_run_option
def ingest_unsubscribe(id: str, dry_run: bool) -> None:
    """Tell a subscription nothing any more.

    Example: wend ingest unsubscribe 1a2b3c4d
    """
    if dry_run:
        show.say(f"would end the subscription {id}")
        return
    client().ask("DELETE", f"ingest/subscriptions/{quote(id, safe='')}")
    show.say(f"ended {id}")
