"""The options and arguments that commands share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wend.cli import site
from wend.errors import Invalid

app_argument = click.argument("app", required=False)
app_option = click.option("-a", "--app", metavar="APP", help="The app; default: the one this repository goes to.")
json_option = click.option("--json", is_flag=True, help="The API's answer as it is.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")


def absolute(_context: click.Context, _option: click.Parameter, home: Path) -> Path:
    return home.expanduser().absolute()


home_option = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    default=site.home,
    callback=absolute,
    help="The platform's home (WEND_HOME, ~/.wend).",
)


class Default(click.Group):
    """A group whose first word may also be an app: then, or without a word, the command `show` is meant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["show", *args]
        return super().parse_args(ctx, args)


class Trailing(click.Command):
    """A command that takes everything after the first `--` as it stands, in `context.obj`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        split: Any = args.index("--") if "--" in args else None
        ctx.obj = None if split is None else args[split + 1 :]
        return super().parse_args(ctx, args[:split])


def app_and_name(words: tuple[str, ...], what: str) -> tuple[str | None, str]:
    """(app, name) of `[APP] NAME`. Raises Invalid."""
    if not 1 <= len(words) <= 2:
        raise Invalid(f"which {what}?", f"{click.get_current_context().command_path} APP NAME")
    return (words[0] if len(words) == 2 else None), words[-1]
