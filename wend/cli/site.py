"""Which platform a command talks to, and with which token.

In this order: `--url` or `WEND_URL`; the home that `WEND_HOME` names; the platform behind the repository's `wend`
remote, when we hold a token for it; the last `wend login`; the default home on this machine.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wend.config import default_home
from wend.errors import Down, Invalid, Refused
from wend.home import holder, places

SCHEMES = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Site:
    """A platform: its URL without a final slash, the token for it, and its home when that is on this machine."""

    url: str
    token: str
    home: Path | None = None

    @property
    def name(self) -> str:
        """What it is known by: its home when that is here, else its URL."""
        return str(self.home) if self.home else self.url


# ---------------------------------------------------------------------------------------------- pure


def tidy(url: str) -> str:
    """The URL as platforms are told apart: scheme, host in lower case, port. Raises Invalid."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if not host or parts.scheme not in SCHEMES or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise Invalid(f"{url[:80]!r} is not a platform's address", "write it like http://127.0.0.1:7000")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in (None, SCHEMES[parts.scheme]) else f":{port}")


def reachable(listen: str) -> str:
    """The URL under which a platform that listens on HOST:PORT answers on this machine."""
    host, _, port = listen.rpartition(":")
    return tidy(f"http://{ {'0.0.0.0': '127.0.0.1', '[::]': '[::1]'}.get(host, host) }:{port}")


# ---------------------------------------------------------------------------------------------- logins


def login_file() -> Path:
    """Where `wend login` keeps tokens, for this person alone."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "wend" / "login.json"


def logins() -> dict[str, Any]:
    """{"current": URL, "tokens": {URL: token}}. Raises Invalid when the file cannot be read."""
    file = login_file()
    try:
        kept: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
        return {"current": kept.get("current"), "tokens": dict[str, str](kept.get("tokens", {}))}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise Invalid(f"{file} cannot be read: {error}", "move it away, then `wend login URL`") from error


def remember(url: str, token: str) -> Path:
    """Keep a token (0600) and make its platform the current one."""
    kept = logins()
    kept["tokens"][url] = token
    body = json.dumps({"current": url, "tokens": kept["tokens"]}, indent=2)
    return write_private(login_file(), body)


def write_private(file: Path, body: str) -> Path:
    """Write a file that nobody else can read, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        stream.write(body)
    draft.rename(file)
    return file


# ---------------------------------------------------------------------------------------------- homes


def served(home: Path, pid: int | None = None) -> dict[str, Any] | None:
    """What the platform that runs on this home says of itself: pid, started, listen, edge, version. None: none runs.
    With several control planes, the first one's, or that of process `pid`."""
    for place in places(home):
        found = holder(place)
        try:
            said: dict[str, Any] = json.loads((place / "serve.json").read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if "listen" in said and found and pid in (None, found.pid):
            return said
    return None


def running(home: Path) -> int | None:
    """The process that holds this home, or None."""
    return next(iter(planes(home)), None)


def planes(home: Path) -> list[int]:
    """The processes that hold this home: none, one, or several that share a database."""
    return [found.pid for place in places(home) if (found := holder(place))]


def local(home: Path) -> Site:
    """The platform of a home on this machine. Raises Down when none runs there, Refused when it is someone else's."""
    said = served(home)
    if said is None:
        hint = "`wend up` starts one; `wend login URL` names another"
        raise Down(f"no platform answers at {home}: none runs there", hint)
    try:
        token = (home / "admin.token").read_text("utf-8").strip()
    except OSError as error:
        hint = "ask its owner for a token, then `wend login URL`"
        raise Refused(f"{home / 'admin.token'} cannot be read: {error.strerror}", hint) from error
    return Site(reachable(said["listen"]), token, home)


# ---------------------------------------------------------------------------------------------- finding it


def find(url: str | None, remote: str | None = None) -> Site:
    """The platform to talk to. `url`: asked for by name. `remote`: the one behind the repository's remote. Raises
    Down, Refused or Invalid."""
    if url:
        return named(tidy(url))
    if os.environ.get("WEND_HOME"):
        return local(home())
    known = token_for(remote) if remote else None
    if remote and known:
        return known
    kept = logins()
    if kept["current"] in kept["tokens"]:
        return Site(kept["current"], kept["tokens"][kept["current"]])
    return local(home())


def named(url: str) -> Site:
    token = os.environ.get("WEND_TOKEN")
    site = Site(url, token) if token else token_for(url)
    if site is None:
        raise Refused(f"there is no token for {url}", f"wend login {url}, or set WEND_TOKEN")
    return site


def token_for(url: str, where: Path | None = None) -> Site | None:
    """The platform at this URL when we hold a token for it: from the environment, from
    `wend login`, or because it runs on this machine.
    The token of a home goes nowhere but to the address which that home listens on."""
    given = os.environ.get("WEND_TOKEN"), os.environ.get("WEND_URL")
    if given[0] and given[1] and tidy(given[1]) == url:
        return Site(url, given[0])
    kept = logins()["tokens"]
    if url in kept:
        return Site(url, kept[url])
    try:
        here = local(where or home())
    except (Down, Refused):
        return None
    return here if here.url == url else None


def home() -> Path:
    """The home on this machine: `WEND_HOME`, else `~/.wend`."""
    return default_home().absolute()
