"""What goes past the platform and can be seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wend.build.rules import on_disk
from wend.cli import show
from wend.cli.checks import listed
from wend.cli.options import json_option
from wend.scan import scan as look

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.group()
def scan() -> None:
    """Find escape hatches that nobody declared. Only you see what is found.

    Example: wend scan git ~/src/*
    """


@scan.command("git")
@click.argument(
    "repos", nargs=-1, required=True, metavar="REPO…", type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@json_option
def scan_git(repos: tuple[Path, ...], json: bool) -> None:
    """Look through checkouts for their own ways to deploy: CI steps, Terraform, Helm, compose, serverless, images.

    Example: wend scan git ~/src/shop ~/src/till
    """
    said: list[dict[str, Any]] = []
    for path in repos:
        root = path.absolute()
        said += [{"repo": root.name, **vars(one)} for one in look(on_disk(root, listed(root)))]
    if json:
        show.as_json(said)
        return
    if not said:
        show.note("nothing goes past the platform here, as far as can be seen")
        return
    show.table(
        ("REPOSITORY", "WHAT", "WHERE", "LINE"), ((one["repo"], one["kind"], one["where"], one["says"]) for one in said)
    )
    kinds = sorted({(one["kind"], one["repo"]) for one in said})
    for kind in sorted({kind for kind, _ in kinds}):
        many = sum(each == kind for each, _ in kinds)
        show.note(f"{kind}: {many} {'repository' if many == 1 else 'repositories'}")
