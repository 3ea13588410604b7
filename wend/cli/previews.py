"""An app's previews: other branches of it, running beside it for a while."""

from __future__ import annotations

from typing import Any

import click

from wend import spec
from wend.cli import repo, show
from wend.cli.client import app_path, client
from wend.cli.options import Default, app_argument, dry_run_option, json_option
from wend.errors import Invalid


@click.group(cls=Default)
def previews() -> None:
    """An app's previews. A push of a branch that does not deploy makes one.

    Example: wend previews hello · wend previews remove fix-login--hello
    """


@previews.command("show")
@app_argument
@json_option
def previews_show(app: str | None, json: bool) -> None:
    """Every preview: its branch, state, end and address."""
    name = spec.parent(repo.app(app))
    said = client().get(app_path(name, "previews"))
    if json:
        show.as_json(said)
    elif not said:
        show.note(f"{name} has no previews: push another branch, like git push wend my-branch")
    else:
        show.table(("PREVIEW", "BRANCH", "STATE", "EXPIRES", "URL"), map(preview_row, said))


def preview_row(one: dict[str, Any]) -> tuple[object, ...]:
    state = "deploying" if one["deploying"] else one["state"]
    return one["name"], one["of_branch"], state, show.due(one["expires_at"]), one["url"]


@previews.command("remove")
@click.argument("name")
@dry_run_option
def previews_remove(name: str, dry_run: bool) -> None:
    """Remove a preview. Its branch stays, and the next push of it makes the preview anew.

    Example: wend previews remove fix-login--hello
    """
    if "--" not in name:
        raise Invalid(f"{name[:60]!r} is no preview's name", "they are BRANCH--APP; `wend previews APP` lists them")
    path = app_path(spec.parent(spec.any_name(name)), "previews", name)
    client().act("DELETE", path, {}, dry_run=dry_run)
    show.say(f"would remove {name}" if dry_run else f"{name} is gone; its branch stays")
