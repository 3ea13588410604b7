"""An app's configuration and secrets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from wend import spec
from wend.cli import repo, show
from wend.cli.client import app_path, client
from wend.cli.options import Default, app_argument, app_option, dry_run_option, json_option
from wend.errors import Invalid

# ---------------------------------------------------------------------------------------------- config


@click.group(cls=Default)
def config() -> None:
    """An app's plain configuration. Setting it makes a new release, deployed the safe way.

    Example: wend config hello · wend config set -a hello LOG_LEVEL=debug
    """


@config.command("show")
@app_argument
@json_option
def config_show(app: str | None, json: bool) -> None:
    """NAME=value, one a line."""
    name = repo.app(app)
    said = client().get(app_path(name, "config"))
    if json:
        show.as_json(said)
    elif not said:
        show.note(f"{name} has no configuration of its own: wend config set -a {name} NAME=value")
    else:
        for key, value in said.items():
            print(show.clean(f"{key}={value}"))


@config.command("set")
@click.argument("pairs", nargs=-1, required=True, metavar="NAME=value...")
@app_option
@dry_run_option
def config_set(pairs: tuple[str, ...], app: str | None, dry_run: bool) -> None:
    """Set variables and deploy them.

    Example: wend config set LOG_LEVEL=debug WORKERS=4
    """
    values = dict(pair_of(pair) for pair in pairs)
    change(app, "config", {"set": values, "unset": []}, dry_run)


def pair_of(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals:
        raise Invalid(f"{word[:60]!r} is not NAME=value", f"wend config set {word[:30] or 'NAME'}=value")
    return spec.env_name(name), spec.env_value(name, value)


@config.command("unset")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@app_option
@dry_run_option
def config_unset(names: tuple[str, ...], app: str | None, dry_run: bool) -> None:
    """Remove variables and deploy without them.

    Example: wend config unset LOG_LEVEL
    """
    change(app, "config", {"set": {}, "unset": list(names)}, dry_run)


def change(app: str | None, what: str, body: dict[str, Any], dry_run: bool) -> None:
    client().act("POST", app_path(repo.app(app), what), body, dry_run=dry_run)


# ---------------------------------------------------------------------------------------------- secret


@click.group(cls=Default)
def secret() -> None:
    """An app's secrets: sealed, given to its processes, never shown.

    Example: wend secret set -a hello API_KEY < key.txt
    """


@secret.command("show")
@app_argument
@json_option
def secret_show(app: str | None, json: bool) -> None:
    """The names, never the values."""
    name = repo.app(app)
    said = client().get(app_path(name, "secrets"))
    if json:
        show.as_json(said)
    elif not said:
        show.note(f"{name} has no secrets: wend secret set -a {name} NAME")
    else:
        rows = ((key, one.get("version"), show.when(one.get("at")), one.get("actor")) for key, one in said.items())
        show.table(("SECRET", "VERSION", "SET", "BY"), rows)


@secret.command("set")
@click.argument("name")
@click.option("--from-file", "file", type=click.Path(path_type=Path), help="Read the value from a file, unchanged.")
@app_option
@dry_run_option
def secret_set(name: str, file: Path | None, app: str | None, dry_run: bool) -> None:
    """Set a secret from a hidden prompt, standard input or a file, and deploy it.

    A final line end of typed or piped input is not part of it.

    Example: wend secret set API_KEY < key.txt
    """
    name, equals, value = name.partition("=")
    if equals and value != "-":
        hint = f"`wend secret set {name[:30]}` asks for it, or pipe it in"
        raise Invalid("a secret's value does not belong on the command line: shells and `ps` keep it", hint)
    spec.env_name(name)
    change(app, "secrets", {"set": {name: secret_value(name, file)}, "unset": []}, dry_run)


def secret_value(name: str, file: Path | None) -> str:
    """The value from wherever it comes. Raises Invalid when it is no text."""
    try:
        if file is not None:
            return file.read_bytes().decode("utf-8")
        if sys.stdin.isatty():
            return click.prompt(f"{name}", hide_input=True, err=True)
        return sys.stdin.buffer.read().decode("utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        hint = "encode it, for instance with base64"
        raise Invalid(f"the value of {name} is not text (byte {error.start})", hint) from error


@secret.command("unset")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@app_option
@dry_run_option
def secret_unset(names: tuple[str, ...], app: str | None, dry_run: bool) -> None:
    """Remove secrets and deploy without them.

    Example: wend secret unset API_KEY
    """
    change(app, "secrets", {"set": {}, "unset": list(names)}, dry_run)
