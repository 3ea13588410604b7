"""The git repository that a command stands in: its app, its `wend` remote, and the helper that knows the token."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from wend import spec
from wend.cli import site
from wend.cli.site import Site
from wend.errors import Down, Invalid, WendError

ADDRESS = re.compile(r"(?P<site>https?://[^/]+)/git/(?P<app>[^/]+?)(?:\.git)?/?")


def git(*words: str, ok: tuple[int, ...] = (0,), where: Path | None = None) -> str:
    """What git says. Raises Invalid with git's own words when it ends otherwise, Down when there is none."""
    command = ["git", *(("-C", str(where)) if where else ()), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise Down(f"git cannot be run: {error.strerror}", "install git") from error
    if done.returncode not in ok:
        raise Invalid(f"git {words[0]}: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


def top(where: Path | None = None) -> Path | None:
    """The folder of the repository we stand in, or None."""
    try:
        said = git("rev-parse", "--show-toplevel", ok=(0, 128), where=where)
    except WendError:
        return None
    return Path(said) if said else None


def address() -> tuple[str, str] | None:
    """(platform, app) behind the `wend` remote, or None."""
    try:
        match = ADDRESS.fullmatch(git("config", "--get", "remote.wend.url", ok=(0, 1, 128)))
        return (site.tidy(re.sub(r"//[^@/]*@", "//", match["site"])), match["app"]) if match else None
    except WendError:
        return None


def platform() -> str | None:
    """The platform behind the `wend` remote, or None."""
    found = address()
    return found[0] if found else None


def app(given: str | None) -> str:
    """The app a command is about: the one given, else the remote's, else that of wend.toml. Raises Invalid."""
    if given:
        return spec.any_name(given)
    found = address()
    name = found[1] if found else named()
    if name is None:
        raise Invalid("which app?", "name it, or stand in its repository (`wend remote APP` adds the remote)")
    return spec.any_name(name)


def named(where: Path | None = None) -> str | None:
    """The app that the repository's wend.toml names. Raises Invalid when it cannot be read."""
    root = where or top()
    file = root / "wend.toml" if root else None
    return spec.parse(file.read_bytes()).app if file and file.is_file() else None


def attach(where: Path, to: Site, app_name: str) -> str:
    """Point the `wend` remote at the app, and git at our credential helper. The remote's URL, without token."""
    url = f"{to.url}/git/{app_name}.git"
    known = git("config", "--get", "remote.wend.url", ok=(0, 1), where=where)
    if known != url:
        git("remote", *(("set-url",) if known else ("add",)), "wend", url, where=where)
    key = f"credential.{to.url}.helper"
    # The empty first value makes git forget the helpers named before, which would store the token in the clear.
    git("config", "--replace-all", key, "", where=where)
    git("config", "--add", key, helper(to), where=where)
    return url


def helper(to: Site) -> str:
    """The credential helper as git is to call it. -P: the app's own folder must not be searched for our modules."""
    words = [sys.executable, "-P", "-m", "wend.cli", "git-credential"]
    return "!" + shlex.join([*words, *(("--home", str(to.home)) if to.home else ())])
