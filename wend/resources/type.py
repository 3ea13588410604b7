"""What a type of resource is: how its data is made, reached, given new credentials, closed and thrown away.

A type is looked up by name in `TYPES`. `about` is what the ledger keeps to find a resource again (never a password).
Doing anything twice equals doing it once.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from wend.config import Config
from wend.errors import NotFound
from wend.run import Mount

TYPES = {
    "postgres": "wend.resources.postgres:Postgres",
    "redis": "wend.resources.redis:Redis",
    "volume": "wend.resources.volume:Volume",
}
About = Mapping[str, Any]


@dataclass(frozen=True)
class Granted:
    """What a release's processes get of its resources: variables (`secrets` names those that are secret), folders, and
    addresses that they may connect to."""

    env: Mapping[str, str] = field(default_factory=dict[str, str])
    mounts: tuple[Mount, ...] = ()
    reach: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


class Type(Protocol):
    """One type. `secret`: its resources have a password. `usual`: the variable that apps expect when they have only
    one of it. Every act raises Down naming the server and its address when that does not answer."""

    secret: bool
    usual: str

    def __init__(self, config: Config) -> None: ...

    def alive(self, about: About | None) -> None:
        """See that the resource (None: a new one) can be had. Starts a server of our own that does not run."""
        ...

    def host(self, about: About) -> str | None:
        """The name of the server of our own that it lies on."""
        ...

    def create(self, id: str, password: str) -> About:
        """Make it. `id`: its name for ever, 48 characters at most, of a-z, 0-9 and _."""
        ...

    def grant(self, name: str, about: About, password: str) -> Granted:
        """What the app's processes get, under the resource's name in wend.toml. Asks no server."""
        ...

    def admit(self, about: About, password: str) -> About:
        """Let this password in too; those let in before stay until `settle`. Opens what was shut."""
        ...

    def settle(self, about: About, password: str) -> None:
        """Let nothing but this password in from now on. Connections that stand stay."""
        ...

    def shut(self, about: About) -> None:
        """Let nobody in. The data stays as it is."""
        ...

    def purge(self, about: About) -> None:
        """Throw the data away for ever."""
        ...

    def size(self, about: About) -> int | None:
        """Bytes, where asking is cheap."""
        ...


def load(config: Config, name: str) -> Type:
    """The type called `name`. Raises NotFound."""
    if name not in TYPES:
        raise NotFound(f"there is no type of resource {name!r} here", f"there are: {', '.join(TYPES)}")
    module, _, attribute = TYPES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)(config)


def variable(name: str, what: str) -> str:
    """ "DB_URL" of "db" and "URL"."""
    return f"{name.upper().replace('-', '_')}_{what}"


def new_id(app: str, name: str) -> str:
    """A name for data, never used before: it stays when the app goes, and nobody else's has it. Long names are cut."""
    plain = re.sub(r"[^a-z0-9]+", "_", f"{app}_{name}".lower())
    token = hashlib.sha256(secrets.token_bytes(16)).hexdigest()[:8]
    return f"{plain[:39].rstrip('_')}_{token}"
