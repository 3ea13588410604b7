"""What every benchmark prints: median, p95 and n of a list, in one aligned line."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the sorted values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def line(name: str, values: Sequence[float], unit: str = "ms") -> str:
    """`name  median 12.3 ms  p95 20.1 ms  n 30`"""
    middle, high = statistics.median(values), quantile(values, 0.95)
    return f"{name:<44} median {middle:8.1f} {unit}  p95 {high:8.1f} {unit}  n {len(values)}"


def verdict(text: str, holds: bool) -> bool:
    """Print a figure to reach and whether it is reached."""
    print(f"{'reached' if holds else 'MISSED ':<8} {text}")
    return holds
