"""The platform's own settings: one table. The environment wins over `config.toml` in the home, which wins over the
default."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from wend.errors import Invalid


class Setting(NamedTuple):
    """A setting's name, default and meaning. The default's type is the setting's."""

    name: str
    default: str | int | float
    help: str


SETTINGS: tuple[Setting, ...] = (
    Setting("listen", "127.0.0.1:7000", "where portal, API and git answer"),
    Setting("edge", "127.0.0.1:7080", "where the apps answer"),
    Setting("domain", "localhost", "apps answer at NAME.domain"),
    Setting("driver", "local", "what runs the replicas"),
    Setting("router", "envoy", "what sends the traffic"),
    Setting("keep_releases", 10, "releases per app whose files are kept for rollback"),
    Setting("keep_bytes", 20 * 2**30, "bytes of artifacts and dependencies kept in all"),
    Setting("warm_seconds", 300, "how long the release before stays running for an instant rollback"),
    Setting("drain_seconds", 30, "how long requests in flight at an old release may take"),
    Setting("settle_seconds", 1.5, "how long a process without a port must stay up to pass its gate"),
    Setting("disk_floor", 512 * 2**20, "bytes that must be free before a push is taken"),
    Setting("build_seconds", 900, "how long a build may take"),
    Setting("build_memory", 4 * 2**30, "bytes of memory a build may use"),
    Setting("build_disk", 5 * 2**30, "bytes a build may write"),
    Setting("previews_per_app", 5, "previews one app may have at a time"),
    Setting("jobs_at_once", 4, "jobs that run at the same time, of all apps together"),
    Setting("postgres", "", "the address of a PostgreSQL server for the apps, with a role that may make databases"),
    Setting("database", "", "the PostgreSQL database of ledger and tables; empty: wend.db in the home"),
    Setting("trash_hours", 72, "how long the data of a destroyed app can be restored"),
    Setting("digest_webhook", "", "who is posted the week's digest on Monday morning, as JSON"),
    Setting("digest_mail", "", "who gets it by mail: addresses, with commas"),
    Setting("digest_from", "wend@localhost", "whom that mail is from"),
    Setting("smtp", "", "the mail server, like smtp://user:password@mail.example.org:25"),
    Setting("timezone", "UTC", "whose Fridays are meant when deployments are counted by weekday"),
    Setting("bots", "", "e-mail addresses and logins of authors who are no people, with commas"),
    Setting("platform_team", "platform", "the team whose platform this is: what it says is never counted as users'"),
    Setting("pushes_at_once", 4, "pushes one person may have under way"),
)
NAMES = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True)
class Config:
    """The settings in force: `home` and a value per name in SETTINGS."""

    home: Path
    values: Mapping[str, Any] = field(repr=False)  # some hold a password

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None

    def address(self, name: str) -> tuple[str, int]:
        """The host and port of `listen` or `edge`."""
        return parse_address(self.values[name], name)

    def url(self, app: str) -> str:
        """Where an app answers."""
        port = self.address("edge")[1]
        return f"http://{app}.{self.domain}" + ("" if port == 80 else f":{port}")

    @property
    def portal(self) -> str:
        """Where the portal answers, as seen from this machine."""
        return f"http://{self.listen}"


def default_home() -> Path:
    """`WEND_HOME`, else `~/.wend`."""
    return Path(os.environ.get("WEND_HOME") or Path.home() / ".wend").expanduser()


def remembered(home: Path) -> Path:
    """Where a home keeps the last address of its database, so that every later command finds it."""
    return home / "database"


def load(home: Path, given: Mapping[str, str] | None = None) -> Config:
    """The settings of this home: `given` (flags) > environment `WEND_NAME` > `home/config.toml` > default; a database
    that was named once is remembered.
    Raises Invalid for an unknown name or a value of the wrong kind."""
    file = home / "config.toml"
    try:
        written = tomllib.loads(file.read_text("utf-8")) if file.exists() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{file} cannot be read: {error}", "mend it or move it away") from error
    for name in written:
        if name not in NAMES:
            close = difflib.get_close_matches(name, NAMES, n=1)
            raise Invalid(
                f"{file}: unknown setting {name!r}", f"did you mean {close[0]}?" if close else "see docs/settings.md"
            )
    if remembered(home).exists():
        written = {"database": remembered(home).read_text("utf-8").strip(), **written}
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        raw = (
            (given or {}).get(setting.name)
            or os.environ.get(f"WEND_{setting.name.upper()}")
            or written.get(setting.name)
        )
        values[setting.name] = setting.default if raw is None else convert(setting, raw)
    for name in ("listen", "edge"):
        parse_address(values[name], name)
    check_zone(values["timezone"])
    return Config(home.resolve(), values)


def convert(setting: Setting, raw: object) -> str | int | float:
    """`raw` as the kind of the setting's default. Raises Invalid."""
    try:
        value = type(setting.default)(raw)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise Invalid(f"{setting.name} = {raw!r} is not a {type(setting.default).__name__}", setting.help) from None
    if isinstance(value, int | float) and value < 0:
        raise Invalid(f"{setting.name} = {raw!r} must not be negative", setting.help)
    return value


def check_zone(name: str) -> None:
    """Raises Invalid when there is no such time zone."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # late: it reads folders

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(f"timezone = {name!r} is not known here", "write it like Europe/Berlin, or UTC") from None


def parse_address(text: str, name: str) -> tuple[str, int]:
    """("127.0.0.1", 7000) from "127.0.0.1:7000". Raises Invalid."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})", text)
    if not match or not 0 <= int(match[2]) <= 65535:
        raise Invalid(f"{name} = {text!r} is not HOST:PORT", f"write it like {NAMES[name].default}")
    return match[1].strip("[]"), int(match[2])
