"""Envoy's counters as Traffic: its text page, which is the cheapest it has, read line by line."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from wend.route import Traffic

Latency = tuple[tuple[float, int], ...]
FIELDS = {  # the end of a counter's name → where it counts in Traffic
    "rq_total": "total",
    "rq_1xx": "ok",
    "rq_2xx": "ok",
    "rq_3xx": "ok",
    "rq_4xx": "client_errors",
    "rq_5xx": "server_errors",
    "rq_active": "active",
    "cx_connect_fail": "connect_failures",
}
TIMES = "rq_time"
LINE = re.compile(r"cluster\.([^/]+)/(\d+)\.upstream_(\w+): (.+)")
GROUPS = (("total", "connect_failures"), ("ok", "client_errors", "server_errors"))  # what Envoy forgets together
BUCKET = re.compile(r"B([^(]+)\(\d+,(\d+)\)")  # upper edge, count since the last flush, count since it started
HOUR = 3_600_000
BEHIND = 10  # releases that may come back into the routes with their counts


def edges() -> list[int]:
    """The upper edges of the latency buckets in milliseconds: ten to a decade (each 26 % above the one before) up to a
    minute, then an hour. Envoy measures whole milliseconds and keeps two digits of them, so these are exact."""
    return [*sorted({round(float(f"{10 ** (step / 10):.1e}")) for step in range(49)}), HOUR]


EDGES = {f"{float(edge):g}": float(edge) for edge in edges()}  # one number object for all that is kept of it


def parse(text: str) -> dict[str, dict[int, Traffic]]:
    """App → release → what was counted; Envoy leaves out what never happened."""
    found: dict[str, dict[int, dict[str, int]]] = {}
    times: dict[tuple[str, int], Latency] = {}
    for app, number, name, value in LINE.findall(text):
        release = int(number)
        if name == TIMES:
            times[app, release] = latency(value)
        elif place := FIELDS.get(name):
            seen = found.setdefault(app, {}).setdefault(release, {})
            seen[place] = seen.get(place, 0) + int(value)
    return {
        app: {release: traffic(counts, times.get((app, release), ())) for release, counts in releases.items()}
        for app, releases in found.items()
    }


def traffic(counts: dict[str, int], latency: Latency) -> Traffic:
    return Traffic(
        total=counts.get("total", 0),
        ok=counts.get("ok", 0),
        client_errors=counts.get("client_errors", 0),
        server_errors=counts.get("server_errors", 0),
        connect_failures=counts.get("connect_failures", 0),
        active=counts.get("active", 0),
        latency=latency,
    )


@lru_cache(maxsize=512)  # most releases are quiet most of the time, and their line stays the same
def latency(text: str) -> Latency:
    return tuple((EDGES.get(edge) or float(edge), int(count)) for edge, count in BUCKET.findall(text))


# ---------------------------------------------------------------------------------------------- on and on


@dataclass
class Tally:
    """Makes the counts of a release go on where Envoy begins anew: it forgets answers and latency when the release's
    replicas change, and everything when it starts again. Not for several threads at once."""

    newest: dict[tuple[str, int], Traffic] = field(default_factory=dict[tuple[str, int], Traffic])
    carried: dict[tuple[str, int], Traffic] = field(default_factory=dict[tuple[str, int], Traffic])

    def count(self, app: str, release: int, now: Traffic) -> Traffic:
        """What was counted in all, given what Envoy says now."""
        key = (app, release)
        before = self.newest.get(key)
        if before is not None and before is not now:
            self.carried[key] = carry(self.carried.get(key, Traffic()), before, now)
        self.newest[key] = now
        return joined(self.carried.get(key, Traffic()), now)

    def keep(self, known: Mapping[str, Collection[int]]) -> None:
        """Forget the apps that are not known any more, and the releases long behind those that are."""
        for kept in (self.newest, self.carried):
            for app, release in list(kept):
                if release + BEHIND < max(known.get(app, ()), default=release + BEHIND + 1):
                    del kept[app, release]


def carry(carried: Traffic, before: Traffic, now: Traffic) -> Traffic:
    """What to add from now on: more by what was there before of everything that fell."""
    counts = {name: int(getattr(carried, name)) for group in GROUPS for name in group}
    for group in GROUPS:
        if any(getattr(now, name) < getattr(before, name) for name in group):
            counts |= {name: counts[name] + int(getattr(before, name)) for name in group}
    latency = merged(carried.latency, before.latency) if shrank(before.latency, now.latency) else carried.latency
    return Traffic(**counts, latency=latency)


def joined(carried: Traffic, now: Traffic) -> Traffic:
    if carried == Traffic():
        return now
    counts = {name: int(getattr(carried, name)) + int(getattr(now, name)) for group in GROUPS for name in group}
    return Traffic(**counts, active=now.active, latency=merged(carried.latency, now.latency))


def shrank(before: Latency, now: Latency) -> bool:
    """Whether the later histogram is not a continuation of the earlier one."""
    if [edge for edge, _ in before] != [edge for edge, _ in now]:
        return bool(before)
    return any(later[1] < sooner[1] for sooner, later in zip(before, now, strict=True))


def merged(one: Latency, other: Latency) -> Latency:
    """Both histograms in one. When their edges differ, which takes another version of us, the later one alone."""
    if not one or not other:
        return one or other
    if [edge for edge, _ in one] != [edge for edge, _ in other]:
        return other
    return tuple((edge, count + more) for (edge, count), (_, more) in zip(one, other, strict=True))
