"""Acting on an app: run something in it, scale it, roll it back, remove it."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from typing import Any

import click

from wend import spec
from wend.cli import repo, show
from wend.cli.client import app_path, client
from wend.cli.options import Trailing, app_argument, dry_run_option
from wend.errors import Invalid
from wend.run import Exit

# ---------------------------------------------------------------------------------------------- run


@click.command(cls=Trailing, options_metavar="[OPTIONS]")
@app_argument
@click.pass_context
def run(context: click.Context, app: str | None) -> None:
    """Run a command with an app's code and configuration, beside it: wend run [APP] -- COMMAND…

    One argument goes to the shell as it is. The exit code is the command's; Ctrl-C ends it. In a pipe its output
    arrives unchanged.

    Example: wend run hello -- python manage.py createsuperuser
    """
    words: list[str] | None = context.obj
    if not words:
        raise Invalid("there is no command to run", f"wend run {app or 'APP'} -- COMMAND")
    command = words[0] if len(words) == 1 else shlex.join(words)
    tell: Callable[[str], None] = show.say if show.terminal() else raw
    ended = client().act("POST", app_path(repo.app(app), "run"), {"command": command}, tell)
    context.exit(exit_code(ended))


def raw(line: str) -> None:
    """The line as the command wrote it: whoever pipes wants the bytes."""
    sys.stdout.buffer.write(line.encode("utf-8", "surrogatepass") + b"\n")
    sys.stdout.buffer.flush()


def exit_code(ended: dict[str, Any]) -> int:
    """The command's code, or 128 + its signal as shells have it; a word when it did not end by itself."""
    code, signal, oom = ended.get("code"), ended.get("signal"), bool(ended.get("oom"))
    if signal is not None or oom:
        show.note(Exit(code, signal, oom))
        return 128 + (signal or 9)
    return int(code or 0)


# ---------------------------------------------------------------------------------------------- how much of which


@click.command()
@click.argument("words", nargs=-1, metavar="[APP] PROCESS=COUNT...")
@dry_run_option
def scale(words: tuple[str, ...], dry_run: bool) -> None:
    """Set how many replicas of a process type run; it holds for later releases too.

    Example: wend scale hello web=3 worker=1
    """
    app = words[0] if words and "=" not in words[0] else None
    counts = dict(count_of(word) for word in words[1 if app else 0 :])
    if not counts:
        raise Invalid("which process, and how many?", "wend scale APP web=3")
    client().act("POST", app_path(repo.app(app), "scale"), {"counts": counts}, dry_run=dry_run)


def count_of(word: str) -> tuple[str, int]:
    name, _, count = word.partition("=")
    if not spec.PROCESS.fullmatch(name) or not count.isascii() or not count.isdigit() or len(count) > 4:
        raise Invalid(f"{word[:60]!r} is not PROCESS=COUNT", "write it like web=3")
    return name, int(count)


@click.command()
@click.argument("words", nargs=-1, metavar="[APP] [RELEASE]")
@dry_run_option
def rollback(words: tuple[str, ...], dry_run: bool) -> None:
    """Go back to an earlier release, code and configuration together; by default the one that was live before.

    Example: wend rollback hello v7
    """
    app, release = parted(words)
    client().act("POST", app_path(repo.app(app), "rollback"), {"release": release}, dry_run=dry_run)


def parted(words: tuple[str, ...]) -> tuple[str | None, int | None]:
    """(app, release) of `[APP] [RELEASE]`. A lone 7 or v7 is a release."""
    if len(words) > 2:
        raise Invalid(f"{' '.join(words)[:60]!r} is more than an app and a release", "wend rollback APP 7")
    number = re.fullmatch(r"v?([0-9]{1,9})", words[-1]) if words else None
    if len(words) == 2 and not number:
        raise Invalid(f"{words[1][:60]!r} is not a release", f"`wend releases {words[0]}` lists them")
    return (words[0] if words and not (number and len(words) == 1) else None), int(number[1]) if number else None


@click.command()
@app_argument
@click.option("--confirm", metavar="APP", help="The app's name again, so that no slip destroys anything.")
@dry_run_option
def destroy(app: str | None, confirm: str | None, dry_run: bool) -> None:
    """Remove an app with its releases, configuration, secrets and repository. Its history in the ledger stays.

    Example: wend destroy hello --confirm hello
    """
    if app is None:
        raise Invalid("which app?", "destroying takes the name: wend destroy APP --confirm APP")
    name = spec.any_name(app)
    api = client()
    if confirm is None and sys.stdin.isatty() and not dry_run:
        confirm = click.prompt(f"type {name} to remove it for good", default="", show_default=False, err=True)
    if confirm != name and not dry_run:
        raise Invalid(f"{name} was not confirmed", f"wend destroy {name} --confirm {name}")
    gone = api.act("DELETE", app_path(name), {"confirm": name}, dry_run=dry_run)
    if dry_run:
        counted = (f"{count} {what}" for what, count in gone.items() if isinstance(count, int))
        show.say(f"would remove {name}: {', '.join(counted)}")
    else:
        show.say(f"{name} is gone; the ledger keeps its history")
