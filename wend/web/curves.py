"""How much new each interview brings, as a chart: the share of new pains, and the band of its orders. SVG made on the
server; the words beside it are HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from wend.research.saturation import THRESHOLD

WIDE, HIGH = 300.0, 64.0  # what it is drawn in; the page stretches it


def draw(points: Sequence[dict[str, Any]]) -> Markup | None:
    """The chart from the first point that has a share; None when fewer than two have."""
    there = [one for one in points if one["new"] is not None]
    if len(there) < 2:
        return None
    top = max(4 * THRESHOLD, *(one["high"] for one in there))
    xs = [WIDE * place / (len(there) - 1) for place in range(len(there))]

    def y(share: float) -> float:
        return round(2 + (HIGH - 4) * (1 - share / top), 1)

    line = " ".join(f"{x:.1f},{y(one['new'])}" for x, one in zip(xs, there, strict=True))
    upper = [f"{x:.1f},{y(one['high'])}" for x, one in zip(xs, there, strict=True)]
    lower = [f"{x:.1f},{y(one['low'])}" for x, one in zip(xs, there, strict=True)]
    svg = (
        '<svg class="weeks" viewBox="0 0 {wide:g} {high:g}" preserveAspectRatio="none" aria-hidden="true">'
        '<path class="axis" d="M0 {base}H{wide:g}M0 {threshold}H{wide:g}"/>'
        '<polygon class="band" points="{band}"/><polyline class="stroke" points="{line}"/></svg>'
    )
    return Markup(svg).format(wide=WIDE, high=HIGH, base=y(0), threshold=y(THRESHOLD),
                              band=" ".join(upper + lower[::-1]), line=line)  # fmt: skip
