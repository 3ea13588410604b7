"""What an app stores outside its releases, and the trash."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import quote

import click

from wend.cli import repo, show
from wend.cli.client import app_path, client
from wend.cli.options import Default, app_and_name, app_argument, json_option
from wend.errors import Invalid


@click.group(cls=Default)
def resources() -> None:
    """An app's databases, caches and folders. A push whose wend.toml declares one makes it.

    Example: wend resources hello · wend resources rotate hello db · wend resources trash
    """


@resources.command("show")
@app_argument
@json_option
def resources_show(app: str | None, json: bool) -> None:
    """What the app has, and since when its credentials hold."""
    name = repo.app(app)
    said = client().get(app_path(name, "resources"))
    if json:
        show.as_json(said)
    elif not said:
        show.note(f'{name} stores nothing outside its releases: add [resources.db] with type = "postgres" to wend.toml')
    else:
        show.table(("RESOURCE", "TYPE", "SIZE", "MADE", "ROTATED"), map(resource_row, said))
        for one in said:
            if one["rotating"]:
                show.note(f"old credentials of {one['name']} still hold: wend resources rotate {name} {one['name']}")


def resource_row(one: dict[str, Any]) -> tuple[object, ...]:
    size = None if one["bytes"] is None else show.size(one["bytes"])
    return one["name"], one["type"], size, show.when(one["created_at"]), show.when(one["rotated_at"])


@resources.command("rotate")
@click.argument("words", nargs=-1, metavar="[APP] NAME")
def resources_rotate(words: tuple[str, ...]) -> None:
    """Give a resource new credentials, without downtime.

    Example: wend resources rotate hello db
    """
    app, name = app_and_name(words, "resource")
    client().act("POST", app_path(repo.app(app), "resources", quote(name, safe=""), "rotate"), {})


@resources.command("remove")
@click.argument("words", nargs=-1, metavar="[APP] NAME")
@click.option("--confirm", metavar="NAME", help="The resource's name again, so that no slip removes anything.")
def resources_remove(words: tuple[str, ...], confirm: str | None) -> None:
    """Take a resource away from its app. It lies in the trash for a while (72 hours).

    Example: wend resources remove hello db --confirm db
    """
    app, name = app_and_name(words, "resource")
    app = repo.app(app)
    if confirm is None and sys.stdin.isatty():
        confirm = click.prompt(f"type {name} to remove it", default="", show_default=False, err=True)
    if confirm != name:
        raise Invalid(
            f"{name[:60]} was not confirmed", f"wend resources remove {app} {name[:60]} --confirm {name[:60]}"
        )
    client().act("DELETE", app_path(app, "resources", quote(name, safe="")), {"confirm": name})


@resources.command("trash")
@json_option
def resources_trash(json: bool) -> None:
    """What can be restored, and until when.

    Example: wend resources trash
    """
    said = client().get("trash")
    if json:
        show.as_json(said)
    elif not said:
        show.note("the trash is empty: what a destroyed app stored would lie here for 72 hours")
    else:
        rows = ((one["id"], one["app"], one["name"], one["type"], show.due(one["until"])) for one in said)
        show.table(("ID", "OF", "RESOURCE", "TYPE", "GONE"), rows)


@resources.command("restore")
@click.argument("id")
@click.option("-a", "--app", metavar="APP", required=True, help="The app that gets it.")
@click.option("--name", help="What it is called there; default: as before.")
def resources_restore(id: str, app: str, name: str | None) -> None:
    """Take a resource out of the trash.

    Example: wend resources restore 1a2b3c4d --app hello
    """
    client().act("POST", app_path(repo.app(app), "resources"), {"trash": id, "name": name})
