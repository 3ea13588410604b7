"""What an app says about itself: `wend.toml`, its Procfile, and the rules both must obey.

The shape is `schema.py`'s business; what is declared beside processes (canary, schedules, resources, previews) is
`declared.py`'s.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

from wend import declared
from wend.declared import Declared, Scaling
from wend.errors import Invalid
from wend.schema import check_against, example
from wend.units import read_size

APP = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
PROCESS = re.compile(r"[a-z][a-z0-9_-]{0,29}")
ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
SLUG = re.compile(r"[a-z](-?[a-z0-9])*")
LEAST_MEMORY = 4 * 2**20
LABEL = 63  # the most letters that one part of a host name may have
MAX_BYTES = 256 * 2**10


@dataclass(frozen=True)
class Process:
    """One process type. memory: bytes; cpu: cores; boot, grace: seconds. None: the path's or the platform's default."""

    name: str
    command: str | None = None
    replicas: int | None = None
    memory: int | None = None
    cpu: float | None = None
    processes: int | None = None
    health: str | None = None
    boot: float = 60.0
    grace: float = 10.0
    scaling: Scaling | None = None


@dataclass(frozen=True)
class Hatch:
    """A departure from the path; `reason` is empty when nobody said why: it works all the same, and is asked for."""

    kind: str
    command: str | None
    reason: str
    until: date | None = None


@dataclass(frozen=True)
class Spec:
    """A parsed and valid `wend.toml`; every field has its default when there is no file."""

    app: str | None = None
    team: str | None = None
    path: str | None = None
    branch: str | None = None
    processes: Mapping[str, Process] = field(default_factory=dict[str, Process])
    release: str | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    hatches: Mapping[str, Hatch] = field(default_factory=dict[str, Hatch])
    declared: Declared = field(default_factory=Declared)

    def process(self, name: str) -> Process:
        """What was said of this process type, or its defaults."""
        return self.processes.get(name) or Process(name)


# ---------------------------------------------------------------------------------------------- parsing


def parse(text: str | bytes | None) -> Spec:
    """The Spec that this `wend.toml` text describes (None: no file). Raises Invalid."""
    if text is None:
        return Spec()
    data = load(text)
    check_against(example(), data)
    processes = {name: process(name, table) for name, table in data.get("process", {}).items()}
    hatches = {kind: hatch(kind, table) for kind, table in data.get("hatch", {}).items()}
    if "app" in data:
        app_name(data["app"])
    return Spec(
        app=data.get("app"),
        team=data.get("team"),
        path=data.get("path"),
        branch=data.get("branch"),
        processes=processes,
        release=data.get("release", {}).get("command"),
        env={env_name(key): env_value(key, value) for key, value in data.get("env", {}).items()},
        hatches=hatches,
        declared=declared.declared(data),
    )


def load(text: str | bytes) -> dict[str, Any]:
    """TOML with the limits that keep a hostile file harmless: size, encoding, nesting."""
    if len(text) > MAX_BYTES:
        raise Invalid(f"wend.toml has {len(text)} bytes; at most {MAX_BYTES} are read", "shorten it")
    try:
        return tomllib.loads(text.decode("utf-8") if isinstance(text, bytes) else text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Invalid(f"wend.toml cannot be read: {error}", "see `wend init --print` for a working example") from error


def process(name: str, table: Mapping[str, Any]) -> Process:
    if not PROCESS.fullmatch(name):
        raise Invalid(f"wend.toml: process name {name!r} must be lower-case letters, digits, - or _, at most 30")
    said: Any = table.get("replicas")
    scaling = declared.scaling(name, said) if isinstance(said, dict) else None
    replicas: Any = None if scaling is not None else cast("Any", said)
    if replicas is not None and not (isinstance(replicas, int) and 0 <= replicas <= 100):
        raise Invalid(f"wend.toml: process.{name}.replicas = {replicas!r} must be a whole number from 0 to 100")
    return Process(
        name,
        command=table.get("command"),
        replicas=replicas,
        memory=memory(table, name),
        cpu=positive(table, name, "cpu"),
        processes=int(positive(table, name, "processes") or 0) or None,
        health=health(table.get("health"), name),
        boot=positive(table, name, "boot") or 60.0,
        grace=positive(table, name, "grace") or 10.0,
        scaling=scaling,
    )


def positive(table: Mapping[str, Any], process_name: str, key: str) -> float | None:
    value = table.get(key)
    if value is not None and not 0 < value <= 100_000:
        raise Invalid(f"wend.toml: process.{process_name}.{key} = {value!r} must be above 0 and at most 100000")
    return None if value is None else float(value)


def memory(table: Mapping[str, Any], process_name: str) -> int | None:
    if "memory" not in table:
        return None
    size = read_size(table["memory"], f"process.{process_name}.memory")
    if size < LEAST_MEMORY:
        raise Invalid(f"wend.toml: process.{process_name}.memory = {table['memory']!r} is less than 4M", 'like "256M"')
    return size


def health(value: str | None, name: str) -> str | None:
    if value is not None and not re.fullmatch(r"/[!-~]{0,500}", value):
        raise Invalid(f"wend.toml: process.{name}.health = {value!r} must be a path that starts with /")
    return value


def hatch(kind: str, table: Mapping[str, Any]) -> Hatch:
    return Hatch(kind, table.get("command"), str(table.get("reason", "")).strip(), table.get("until"))


def procfile(text: str) -> dict[str, str]:
    """Process type → command. Blank lines and `#` comments are skipped; the last of two equal names wins (Heroku).
    Raises Invalid naming the line."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, command = line.partition(":")
        if not colon or not PROCESS.fullmatch(name.strip().lower()) or not command.strip():
            raise Invalid(f"Procfile line {number}: {line.strip()[:80]!r} is not `name: command`")
        found[name.strip().lower()] = command.strip()
    return found


# ---------------------------------------------------------------------------------------------- names


def app_name(name: str) -> str:
    """The name itself when it can be an app's: it becomes a host name, a folder and a user. Raises Invalid."""
    if not APP.fullmatch(name) or "--" in name:
        raise Invalid(
            f"{name[:60]!r} cannot be an app's name",
            "use 1 to 40 lower-case letters, digits and single dashes, starting with a letter, like my-app",
        )
    return name


def any_name(name: str) -> str:
    """The name itself when it can be an app's, or a preview's (BRANCH--APP). Raises Invalid."""
    branch, dashes, app = name.partition("--")
    if not dashes:
        return app_name(name)
    if len(name) > LABEL or not SLUG.fullmatch(branch) or not APP.fullmatch(app) or "--" in app:
        raise Invalid(
            f"{name[:80]!r} cannot be the name of an app or a preview", "a preview's is like my-branch--my-app"
        )
    return name


def parent(name: str) -> str:
    """The app that owns this app's or preview's repository: the part behind the double dash, or all of it."""
    return name.rpartition("--")[2]


def env_name(name: str) -> str:
    """The name itself when it can be an environment variable that an app may set. Raises Invalid."""
    if not ENV.fullmatch(name):
        raise Invalid(f"{name[:60]!r} cannot be a variable's name", "use letters, digits and _, like LOG_LEVEL")
    if name in {"PORT", "PATH", "HOME"} or name.startswith(("WEND_", "LD_")):
        raise Invalid(f"{name} is set by the platform", "choose another name")
    return name


def env_value(name: str, value: object) -> str:
    """The value as text: no NUL byte, at most 32 KiB. Raises Invalid."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if "\0" in text or len(text.encode("utf-8", "surrogatepass")) > 32 * 2**10:
        raise Invalid(f"the value of {name} must be text of at most 32 KiB without NUL bytes")
    return text
