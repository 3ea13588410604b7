"""Raw patches: what an app may change in Envoy's and the sandbox's own terms, for itself and nobody else.

`[hatch.proxy]` has two tables in the words of Envoy's v3 API, `route` (config.route.v3.RouteAction) and `cluster`
(config.cluster.v3.Cluster); they are laid over ours. Refused is what would send requests to another app, read or write
files, load other code, or take the proxy's memory from everybody. `[hatch.driver]` is about the app's own box.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from wend.errors import Invalid
from wend.units import read_size

Json = dict[str, Any]

ROUTE = (
    "hash_policy",
    "host_rewrite_literal",
    "idle_timeout",
    "max_stream_duration",
    "prefix_rewrite",
    "regex_rewrite",
    "retry_policy",
    "timeout",
)
CLUSTER = ("circuit_breakers", "connect_timeout", "lb_policy", "outlier_detection", "upstream_connection_options")
CODE = ("@type", "typed_config", "typed_extension_config")  # how Envoy's messages name code and other messages
REFUSED = "wend.toml: hatch.%cannot be%"  # an SQL pattern: what a deploy says whose patch reached beyond its app
LONGEST = 4096  # characters of a table as JSON
LOG = (64 * 2**10, 2**30)
CWD = re.compile(r"/app(/[\w.@+-]+)*", re.ASCII)


@dataclass(frozen=True)
class Patches:
    """`route` and `cluster`: fields of Envoy's messages. `cwd`: where the app's commands run; `log`: bytes of output
    that are kept of each process. None: as without."""

    route: Json = field(default_factory=Json)
    cluster: Json = field(default_factory=Json)
    cwd: str | None = None
    log: int | None = None

    def kept(self) -> dict[str, Json]:
        """As the tables of `wend.toml`; `patches` reads them back."""
        proxy = {key: table for key, table in (("route", self.route), ("cluster", self.cluster)) if table}
        driver = {"cwd": self.cwd, "log": None if self.log is None else f"{self.log // 2**10}K"}
        tables = {"proxy": proxy, "driver": {key: value for key, value in driver.items() if value is not None}}
        return {kind: table for kind, table in tables.items() if table}


def patches(hatches: Mapping[str, Mapping[str, Any]]) -> Patches:
    """What the `[hatch.*]` tables change. Raises Invalid."""
    misplaced(hatches)
    proxy, driver = hatches.get("proxy", {}), hatches.get("driver", {})
    return Patches(
        fields("hatch.proxy.route", proxy.get("route", {}), ROUTE),
        fields("hatch.proxy.cluster", proxy.get("cluster", {}), CLUSTER),
        cwd(driver.get("cwd")),
        log(driver.get("log")),
    )


def misplaced(hatches: Mapping[str, Mapping[str, Any]]) -> None:
    """A key in a table where it has no effect is a mistake that nobody would notice."""
    homes = {"route": "proxy", "cluster": "proxy", "cwd": "driver", "log": "driver"}
    for kind, table in hatches.items():
        for key in table:
            if homes.get(key, kind) != kind:
                raise Invalid(f"wend.toml: hatch.{kind}.{key} has no effect there", f"move it to [hatch.{homes[key]}]")


def fields(where: str, table: Mapping[str, Any], known: tuple[str, ...]) -> Json:
    for key in table:
        if key not in known:
            raise Invalid(
                f"wend.toml: {where}.{key[:60]} cannot be patched",
                f'what can: {", ".join(known)}. Tell us what you need: wend feedback "…"',
            )
    try:
        long = len(json.dumps(table, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"wend.toml: {where} is no JSON: {error}", 'write durations like "90s"') from None
    if long > LONGEST:
        raise Invalid(f"wend.toml: {where} has {long} characters as JSON; at most {LONGEST} are taken", "shorten it")
    check_plain(where, table)
    return dict(table)


def check_plain(where: str, value: Any) -> None:
    if isinstance(value, list):
        for one in cast("list[Any]", value):
            check_plain(where, one)
    if isinstance(value, Mapping):
        for key, one in cast("Mapping[str, Any]", value).items():
            if key in CODE:
                raise Invalid(f"wend.toml: {where} names {key}, and extensions cannot be loaded", f"take {key} out")
            check_plain(f"{where}.{key[:60]}", one)


def cwd(given: str | None) -> str | None:
    if given is not None and (not CWD.fullmatch(given) or posixpath.normpath(given) != given):
        raise Invalid(
            f"wend.toml: hatch.driver.cwd = {given[:80]!r} is no folder in /app", "write it like /app/service"
        )
    return given


def log(given: str | None) -> int | None:
    if given is None:
        return None
    size = read_size(given, "hatch.driver.log")
    if not LOG[0] <= size <= LOG[1]:
        raise Invalid(f"wend.toml: hatch.driver.log = {given!r} must be from 64K to 1G", 'write it like "50M"')
    return size // 2**10 * 2**10


def over(ours: Json, patch: Mapping[str, Any]) -> Json:
    """`ours` with the patch laid over it: tables are joined, all else is replaced."""
    found = dict(ours)
    for key, value in patch.items():
        mine = found.get(key)
        both = isinstance(value, dict) and isinstance(mine, dict)
        found[key] = over(cast("Json", mine), cast("Json", value)) if both else value
    return found
