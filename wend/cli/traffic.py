"""How releases are compared: requests, errors and latency side by side, each with what it may as well be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wend.cli import show

WORDS = ("share", "requests/s", "requests", "errors", "p50", "p95", "p99", "restarts", "memory", "cpu")


def span(seconds: float) -> str:
    """Seconds for people."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def digits(value: float) -> str:
    """Three digits at most, two of them behind the point."""
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f}".removesuffix(".00").removesuffix(".0")


def measure(key: str, value: Any) -> str:
    """A figure of a release as it is shown: with its interval, when it has one."""
    if value is None:
        return "-"
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else digits(value)
    times, unit = (100, "%") if key == "error_rate" else (1, " ms")
    middle, low, high = (digits(float(value[part]) * times) for part in ("value", "low", "high"))
    return f"{middle}{unit} ({low} to {high})"


def compare(heads: Sequence[str], sides: Sequence[Sequence[str]], words: Sequence[str]) -> None:
    """Releases beside each other on a terminal, one a line in a pipe."""
    if show.terminal():
        show.table(("", *heads), zip(words, *sides, strict=True))
    else:
        show.table(("RELEASE", *words), ((head, *side) for head, side in zip(heads, sides, strict=True)))


def releases(seen: list[dict[str, Any]], live: int | None, tried: int | None) -> None:
    """What the proxy saw of each release in the last minute: those that get requests, else the live one."""
    shown = [one for one in seen if one["weight"] or one["requests"] or one["release"] in (live, tried)][-3:]
    if shown:
        compare([head(one["release"], live, tried) for one in shown], [side(one) for one in shown], WORDS)


def head(release: int, live: int | None, tried: int | None) -> str:
    word = " live" if release == live else " canary" if release == tried else ""
    return f"v{release}{word}"


def side(one: dict[str, Any]) -> tuple[str, ...]:
    rates = (measure(key, one[key]) for key in ("error_rate", "p50", "p95", "p99"))
    cpu = "-" if one["cpu"] is None else f"{one['cpu']:.2f}"
    used = (str(one["restarts"]), show.size(one["memory"]), cpu)
    return f"{one['weight']} %", digits(one["rate"]), f"{one['requests']:,}", *rates, *used
