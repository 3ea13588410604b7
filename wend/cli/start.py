"""From nothing to a repository that can be pushed: login, init, remote, new, open."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import click

from wend import schema, spec
from wend.cli import repo, show, site
from wend.cli.client import Client, app_path, client
from wend.cli.options import app_argument, dry_run_option
from wend.cli.site import Site
from wend.errors import Down, Invalid, NotFound, Refused

KEPT = re.compile(r"\s*(#.*)?")


@click.command()
@click.argument("url")
@click.option("--token", help="The token; better left to the hidden prompt, a pipe or WEND_TOKEN.")
def login(url: str, token: str | None) -> None:
    """Keep a token for a platform, and talk to that one from now on.

    Example: wend login https://wend.example.org
    """
    url = site.tidy(url)
    token = (token or os.environ.get("WEND_TOKEN") or asked_token(url)).strip()
    if not re.fullmatch(r"[!-~]{1,200}", token):
        raise Invalid("this is not a token", "it looks like wend_human_…; `wend tokens add NAME` makes one")
    Client(Site(url, token)).ask("POST", "signin")  # the one thing that every token may do
    show.say(f"logged in to {url}; the token is in {site.remember(url, token)}")


def asked_token(url: str) -> str:
    if sys.stdin.isatty():
        return click.prompt(f"token for {url}", hide_input=True, err=True)
    return sys.stdin.readline()


# ---------------------------------------------------------------------------------------------- pure


def commented(example: str, name: str) -> str:
    """The example with every setting commented out but the app's name."""
    lines = [line if KEPT.fullmatch(line) else f"# {line}" for line in example.splitlines()]
    at = next(number for number, line in enumerate(lines) if line.startswith("# app ="))
    lines[at] = f'app = "{name}"'
    return "\n".join(lines) + "\n"


def app_name_of(folder: str) -> str:
    """The app's name that a folder's name suggests. Raises Invalid."""
    return spec.app_name(re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")[:40].strip("-"))


# ---------------------------------------------------------------------------------------------- acts


@click.command()
@click.argument("name", required=False)
@click.option("--print", "show_only", is_flag=True, help="Print the example wend.toml, and do nothing.")
@dry_run_option
def init(name: str | None, show_only: bool, dry_run: bool) -> None:
    """Write a commented wend.toml and add the git remote `wend`, so that `git push wend main` deploys.

    Example: wend init hello
    """
    if show_only:
        print(schema.example_text(), end="")
        return
    top = here()
    file = top / "wend.toml"
    name = spec.app_name(name) if name else repo.named(top) or app_name_of(top.name)
    if dry_run:
        show.say(f"would {'keep' if file.exists() else 'write'} {file} and point the remote `wend` at the app {name}")
        return
    if not file.exists():
        file.write_text(commented(schema.example_text(), name), encoding="utf-8")
    show.say(f"wend.toml names the app {name}")
    connect(top, name)


def here() -> Path:
    top = repo.top()
    if top is None:
        raise Invalid(f"{Path.cwd()} is not in a git repository", "git init -b main")
    return top


def connect(top: Path, name: str) -> None:
    """Add the remote, and say what to do next; without a platform say how to get one."""
    try:
        address = repo.attach(top, client().site, name)
    except (Down, Refused) as error:
        show.note(f"no remote yet: {error.message}\nnext: wend up --detach, then: wend remote {name}")
        return
    show.say(f"the remote `wend` is {address}; git asks wend for the token")
    show.note("next: git push wend main")


@click.command()
@app_argument
@dry_run_option
def remote(app: str | None, dry_run: bool) -> None:
    """Add or correct the git remote `wend`, with a helper that gives git the token without writing it down.

    Example: wend remote hello
    """
    top = here()
    found = repo.address()
    name = spec.app_name(app) if app else found[1] if found else repo.named(top) or app_name_of(top.name)
    to = client().site
    if dry_run:
        show.say(f"would point the remote `wend` at {to.url}/git/{name}.git")
        return
    show.say(repo.attach(top, to, name))


@click.command()
@click.argument("path")
@click.argument("name")
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), help="The folder to make; default: ./NAME.")
def new(path: str, name: str, into: Path | None) -> None:
    """Scaffold an app that runs as it is, commit it, and add the remote. `wend paths` lists the paths.

    Example: wend new python-web hello
    """
    from wend import paths
    from wend.cli.paths import own_path

    own = None if path in {one.name for one in paths.all()} else own_path(path)
    dest = paths.new(path, name, (into or Path(name)).absolute(), own)
    repo.git("init", "--quiet", "-b", "main", where=dest)
    repo.git("add", "--all", where=dest)
    repo.git(*identity(dest), "commit", "--quiet", "-m", f"{name}, from the golden path {path}", where=dest)
    show.say(f"{name} is in {dest}")
    try:
        repo.attach(dest, client().site, name)
        show.note(f"next: cd {dest.name if into is None else dest}\n      git push wend main")
    except (Down, Refused) as error:
        show.note(f"no remote yet: {error.message}\nnext: wend up --detach")
        show.note(f"      cd {dest.name if into is None else dest}; wend remote; git push wend main")


def identity(where: Path) -> tuple[str, ...]:
    """Who commits, when git does not know it: the first commit of a scaffold should not fail for that."""
    if repo.git("config", "--get", "user.email", ok=(0, 1), where=where):
        return ()
    return ("-c", "user.name=wend", "-c", "user.email=wend@localhost")


@click.command("open")
@app_argument
@click.option("--portal", is_flag=True, help="The portal instead, by a link that signs you in once.")
def open_(app: str | None, portal: bool) -> None:
    """Print an app's address and, on a desktop, open it in the browser.

    Example: wend open hello
    """
    api = client()
    url = str(api.ask("POST", "signin")["url"]) if portal else app_url(api, repo.app(app))
    print(show.clean(url))
    if show.terminal() and url.startswith(("http://", "https://")) and desktop():
        click.launch(url)


def desktop() -> bool:
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def app_url(api: Client, name: str) -> str:
    """Where the app answers. Raises NotFound with the way to get there."""
    push = f"git push {api.site.url}/git/{name}.git main (`wend remote {name}` makes that: git push wend main)"
    try:
        said = api.get(app_path(name))
    except NotFound as error:
        raise NotFound(error.message, push) from error
    if not said.get("live"):
        raise NotFound(f"{name} has nothing live yet", push)
    url = str(said.get("url") or "")
    if not url.startswith(("http://", "https://")):
        raise NotFound(f"{name} has no address: nothing of it is a web process", f"wend ps {name}")
    return url
