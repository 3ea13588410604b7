"""Envoy's counters as Traffic: its text page, which is the cheapest it has, read line by line."""

from __future__ import annotations

import re
from functools import lru_cache

from wend.route import Traffic

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
BUCKET = re.compile(r"B([^(]+)\(\d+,(\d+)\)")  # upper edge, count since the last flush, count since it started
HOUR = 3_600_000


def edges() -> list[int]:
    """The upper edges of the latency buckets in milliseconds: ten to a decade (each 26 % above the one before) up to a
    minute, then an hour. Envoy measures whole milliseconds and keeps two digits of them, so these are exact."""
    return [*sorted({round(float(f"{10 ** (step / 10):.1e}")) for step in range(49)}), HOUR]


EDGES = {f"{float(edge):g}": float(edge) for edge in edges()}  # one number object for all that is kept of it


def parse(text: str) -> dict[str, dict[int, Traffic]]:
    """App → release → what was counted; Envoy leaves out what never happened."""
    found: dict[str, dict[int, dict[str, int]]] = {}
    times: dict[tuple[str, int], tuple[tuple[float, int], ...]] = {}
    for app, number, name, value in LINE.findall(text):
        release = int(number)
        if name == TIMES:
            times[app, release] = latency(value)
        elif field := FIELDS.get(name):
            seen = found.setdefault(app, {}).setdefault(release, {})
            seen[field] = seen.get(field, 0) + int(value)
    return {
        app: {release: traffic(counts, times.get((app, release), ())) for release, counts in releases.items()}
        for app, releases in found.items()
    }


def traffic(counts: dict[str, int], latency: tuple[tuple[float, int], ...]) -> Traffic:
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
def latency(text: str) -> tuple[tuple[float, int], ...]:
    return tuple((EDGES.get(edge) or float(edge), int(count)) for edge, count in BUCKET.findall(text))
