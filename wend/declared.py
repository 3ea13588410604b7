"""What an app declares beside its processes: how it goes out, how it scales, what runs by the clock, what it stores,
what its previews may know, and how proxy and sandbox are patched. Each parser takes its table of `wend.toml` and raises
Invalid with the value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from wend.errors import Invalid
from wend.patches import Patches, patches

NAME = re.compile(r"[a-z][a-z0-9_-]{0,29}")
MOST = 100
LONGEST_SCHEDULE = 200
AUTO_STEPS = (5, 25, 50)  # percent
RESOURCES = ("postgres", "redis", "volume")
CANNOT_TELL = ("pause", "promote", "rollback")
OVERLAPS = ("skip", "allow", "replace")


@dataclass(frozen=True)
class Canary:
    """How a push goes out. `steps`: percent of the requests, rising; "auto": steps when there is traffic enough to
    judge by, else live and watched; "off": live at once. `seconds` per step; `watch`: seconds after going live.
    `sticky`: a client stays with one release. `cannot_tell`: what to do when the steps are over without a verdict."""

    steps: tuple[int, ...] | Literal["auto", "off"] = "auto"
    seconds: float = 30.0
    watch: float = 300.0
    sticky: bool = False
    cannot_tell: Literal["pause", "promote", "rollback"] = "pause"


@dataclass(frozen=True)
class Scaling:
    """Replicas by measured load: as many as keep `target` requests in flight at each, between `min` and `max`. With
    `min` 0 the last one sleeps after `idle` seconds without a request."""

    min: int
    max: int
    target: float = 20.0
    idle: float = 300.0


@dataclass(frozen=True)
class Cron:
    """A command that runs by the clock. `overlap`: what to do while the run before is still going. `timeout`: in
    seconds."""

    name: str
    schedule: str
    command: str
    overlap: Literal["skip", "allow", "replace"] = "skip"
    timeout: float = 3600.0
    timezone: str = "UTC"


@dataclass(frozen=True)
class Resource:
    """Something that outlives releases: a database, a cache, a folder."""

    name: str
    type: Literal["postgres", "redis", "volume"]


@dataclass(frozen=True)
class Preview:
    """What the previews of this app's branches may know (`secrets`: names) and how many hours they live after the
    last push; 0: no previews."""

    secrets: tuple[str, ...] = ()
    hours: float = 72.0


@dataclass(frozen=True)
class Declared:
    """All of it, as a Spec says it and a release keeps it."""

    canary: Canary = field(default_factory=Canary)
    crons: Mapping[str, Cron] = field(default_factory=dict[str, Cron])
    resources: Mapping[str, Resource] = field(default_factory=dict[str, Resource])
    preview: Preview = field(default_factory=Preview)
    patches: Patches = field(default_factory=Patches)

    def kept(self) -> dict[str, Any]:
        """As plain tables, in the shape of `wend.toml`; `declared` reads them back."""
        entries = {"cron": self.crons, "resources": self.resources}
        tables = {key: {name: plain(one) for name, one in found.items()} for key, found in entries.items()}
        return {"canary": plain(self.canary), **tables, "preview": plain(self.preview), "hatch": self.patches.kept()}


def plain(one: Any) -> dict[str, Any]:
    """The dataclass as a table of `wend.toml`: its name is the table's."""
    fields: dict[str, Any] = {key: value for key, value in asdict(one).items() if key != "name"}
    return {
        key: list(cast("tuple[Any, ...]", value)) if isinstance(value, tuple) else value
        for key, value in fields.items()
    }


def declared(data: Mapping[str, Any]) -> Declared:
    """What these tables of a `wend.toml` declare."""
    return Declared(
        canary(data.get("canary", {})),
        {name: cron(name, table) for name, table in data.get("cron", {}).items()},
        {name: resource(name, table) for name, table in data.get("resources", {}).items()},
        preview(data.get("preview", {})),
        patches(data.get("hatch", {})),
    )


def canary(table: Mapping[str, Any]) -> Canary:
    return Canary(
        steps=steps(table.get("steps", "auto")),
        seconds=between(table, "canary", "seconds", 30.0, 1, 86_400),
        watch=between(table, "canary", "watch", 300.0, 0, 86_400),
        sticky=table.get("sticky", False),
        cannot_tell=one_of(table, "canary", "cannot_tell", "pause", CANNOT_TELL),
    )


def steps(given: Any) -> Any:
    """Rising whole percents below 100 (a last 100 goes without saying), or one of the words. Raises Invalid."""
    if given in ("auto", "off"):
        return given
    found = cast("list[Any]", given) if isinstance(given, list | tuple) else []
    whole = [step for step in found if isinstance(step, int) and not isinstance(step, bool)]
    weights = whole[:-1] if len(whole) > 1 and whole[-1] == 100 else whole
    rising = all(before < after for before, after in pairwise(weights))
    if len(whole) != len(found) or not weights or not rising or weights[0] < 1 or weights[-1] > 99 or len(weights) > 20:
        raise Invalid(
            f"wend.toml: canary.steps = {given!r} are not rising whole percents from 1 to 99",
            'write it like steps = [5, 25, 50], or "auto", or "off"',
        )
    return tuple(weights)


def scaling(process: str, given: Any) -> Scaling:
    """`replicas = { min = 0, max = 10 }`."""
    where = f"process.{process}.replicas"
    table = cast("dict[str, Any]", given)
    if process != "web":
        raise Invalid(
            f"wend.toml: {where} = {table!r}: only web is scaled by its traffic",
            f"give {process} a number: {where} = 2",
        )
    low, high = table.get("min", 1), table.get("max")
    if not (isinstance(low, int) and isinstance(high, int) and 0 <= low <= high and 1 <= high <= MOST):
        raise Invalid(
            f"wend.toml: {where} = {table!r} must have whole numbers 0 ≤ min ≤ max, 1 ≤ max ≤ {MOST}",
            f"write it like {where} = {{ min = 0, max = 4 }}",
        )
    target = between(table, where, "target", 20.0, 0.1, 100_000)
    return Scaling(low, high, target, between(table, where, "idle", 300.0, 1, 86_400))


def cron(name: str, table: Mapping[str, Any]) -> Cron:
    if not NAME.fullmatch(name):
        raise Invalid(f"wend.toml: job name {name!r} must be lower-case letters, digits, - or _, at most 30")
    for key in ("schedule", "command"):
        if not str(table.get(key, "")).strip():
            raise Invalid(f"wend.toml: cron.{name} has no {key}", f'add {key} = "…" to [cron.{name}]')
    zone = table.get("timezone", "UTC")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(
            f"wend.toml: cron.{name}.timezone = {zone!r} is not known", "write it like Europe/Berlin"
        ) from None
    schedule = str(table["schedule"]).strip()
    fires(name, schedule)
    overlap = one_of(table, f"cron.{name}", "overlap", "skip", OVERLAPS)
    timeout = between(table, f"cron.{name}", "timeout", 3600.0, 1, 7 * 86_400)
    return Cron(name, schedule, str(table["command"]), overlap, timeout, zone)


def fires(name: str, schedule: str) -> None:
    """Raises Invalid for an expression that cannot be read, or that never comes true (30 February)."""
    from datetime import UTC, datetime  # late: most apps have no schedule

    where = f"wend.toml: cron.{name}.schedule = {schedule[:80]!r}"
    fields = schedule.split()
    try:
        if len(fields) != 5 or len(schedule) > LONGEST_SCHEDULE:
            raise CronSimError(f"{len(fields)} fields in {len(schedule)} characters")
        CronSim(" ".join([*fields[:3], "*", "*"]), datetime.now(UTC))
    except CronSimError as error:
        raise Invalid(
            f"{where} cannot be read: {error}", 'write it like "0 3 * * *" (minute hour day month weekday)'
        ) from None
    try:
        next(CronSim(schedule, datetime.now(UTC)))
    except (CronSimError, StopIteration) as error:
        if ("month" in str(error) and "day-of" not in str(error)) or "week" in str(error):
            raise Invalid(f"{where} cannot be read: {error}", "months are 1 to 12, weekdays 0 to 7") from None
        raise Invalid(f"{where} never fires", "check day and month: no year has that date") from None


def resource(name: str, table: Mapping[str, Any]) -> Resource:
    if not NAME.fullmatch(name):
        raise Invalid(f"wend.toml: resource name {name[:60]!r} must be lower-case letters, digits, - or _, at most 30")
    if "type" not in table:
        raise Invalid(f"wend.toml: resources.{name} has no type", f"one of: {', '.join(RESOURCES)}")
    return Resource(name, one_of(table, f"resources.{name}", "type", "", RESOURCES))


def preview(table: Mapping[str, Any]) -> Preview:
    names = table.get("secrets", [])
    if not isinstance(names, list) or not all(isinstance(one, str) for one in cast("list[Any]", names)):
        raise Invalid(f"wend.toml: preview.secrets = {names!r} must be a list of names", 'write it like ["STRIPE_KEY"]')
    return Preview(tuple(cast("list[str]", names)), between(table, "preview", "hours", 72.0, 0, 24 * 365))


def between(table: Mapping[str, Any], where: str, key: str, usual: float, least: float, most: float) -> float:
    value = table.get(key, usual)
    if not (isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most):
        raise Invalid(f"wend.toml: {where}.{key} = {value!r} must be from {least:g} to {most:g}")
    return float(value)


def one_of(table: Mapping[str, Any], where: str, key: str, usual: str, words: tuple[str, ...]) -> Any:
    value = table.get(key, usual)
    if value not in words:
        raise Invalid(f"wend.toml: {where}.{key} = {value!r} is not one of: {', '.join(words)}")
    return value
