"""Small charts as SVG, made on the server: no script, no style that a page's policy would refuse. Each tells in its
title and description what it shows, for whoever does not see it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

from markupsafe import Markup

from wend import stats, traffic
from wend.route.meter import Reading

WIDTH, HEIGHT = 240, 40
SECONDS, APART = 900.0, 15.0  # how far back a chart goes, and how much of that is one point
Point = tuple[float, float, float]  # value, and what it may as well be: from, to


@dataclass(frozen=True)
class Lately:
    """One release during the last SECONDS, a point for each APART of them, oldest first: requests per second, and the
    share of errors. None: nothing was seen, or nothing was asked."""

    rate: list[Point | None]
    errors: list[Point | None]


# ---------------------------------------------------------------------------------------------- what is drawn


def lately(readings: Sequence[Reading], app: str) -> dict[int, Lately]:
    """Every release of the app that was seen. Readings that are further apart than a point are spread over it."""
    if not readings:
        return {}
    count, end = round(SECONDS / APART), readings[-1].at
    sums: dict[int, list[list[float]]] = {}
    for before, after in pairwise(readings):
        slot = count - 1 - int((end - after.at) / APART)
        then, now = before.seen.get(app, {}), after.seen.get(app, {})
        for release in then.keys() & now.keys() if slot >= 0 else ():
            seen = traffic.side(then[release], now[release])
            cell = sums.setdefault(release, [[0.0, 0.0, 0.0] for _ in range(count)])[slot]
            cell[0] += after.at - before.at
            cell[1] += seen.requests
            cell[2] += seen.errors
    return {release: Lately(*points(cells)) for release, cells in sums.items()}


def points(cells: Iterable[Sequence[float]]) -> tuple[list[Point | None], list[Point | None]]:
    """(seconds, requests, errors) of each point as a rate and as a share with its interval."""
    rates: list[Point | None] = []
    errors: list[Point | None] = []
    for seconds, requests, failed in cells:
        rate = requests / seconds if seconds else 0.0
        rates.append((rate, rate, rate) if seconds else None)
        share = stats.wilson(min(int(failed), int(requests)), int(requests))
        errors.append((share.value, share.low, share.high) if share else None)
    return rates, errors


# ---------------------------------------------------------------------------------------------- how


def line(id: str, title: str, about: str, drawn: Sequence[Point | None], top: float) -> Markup:
    """A line over time, with the band of its intervals where they are wider than it. `top`: the value at the upper
    edge. Gaps stay gaps."""
    step = WIDTH / max(1, len(drawn) - 1)
    shapes = Markup("")
    for known, run in groupby(enumerate(drawn), key=lambda one: one[1] is not None):
        if known:
            shapes += stretch([(index * step, point) for index, point in run if point], top)
    return picture(id, title, about, shapes)


def stretch(run: Sequence[tuple[float, Point]], top: float) -> Markup:
    """One stretch without a gap; a single point is a short dash."""
    if len(run) == 1:
        x, point = run[0]
        run = [(max(0.0, x - 1), point), (min(float(WIDTH), x + 1), point)]
    upper = [place(x, point[2], top) for x, point in run]
    lower = [place(x, point[1], top) for x, point in reversed(run)]
    middle = " ".join(place(x, point[0], top) for x, point in run)
    band = Markup('<polygon class="band" points="{}"/>').format(" ".join(upper + lower))
    wide = any(point[2] > point[1] for _, point in run)
    return (band if wide else Markup("")) + Markup('<polyline class="stroke" points="{}"/>').format(middle)


def place(x: float, value: float, top: float) -> str:
    share = min(1.0, max(0.0, value / top)) if top > 0 and math.isfinite(value) else 0.0
    return f"{x:.1f},{HEIGHT - 1 - share * (HEIGHT - 3):.1f}"


def picture(id: str, title: str, about: str, shapes: Markup) -> Markup:
    return Markup(
        '<svg class="spark" viewBox="0 0 {w} {h}" preserveAspectRatio="none" role="img" '
        'aria-labelledby="{id}-t {id}-d">'
        '<title id="{id}-t">{title}</title><desc id="{id}-d">{about}</desc>'
        '<line class="axis" x1="0" x2="{w}" y1="{base}" y2="{base}"/>{shapes}</svg>'
    ).format(w=WIDTH, h=HEIGHT, base=HEIGHT - 1, id=id, title=title, about=about, shapes=shapes)


def top(series: Iterable[Sequence[Point | None]], least: float) -> float:
    """One scale for charts that are compared: the highest value in any of them."""
    return max([least, *(point[0] for one in series for point in one if point)])


def sparks(found: Mapping[int, Lately]) -> dict[int, dict[str, Markup]]:
    """Both charts of every release, on the same scales."""
    fast = top((one.rate for one in found.values()), 1.0)
    bad = min(1.0, 1.5 * top((one.errors for one in found.values()), 0.02))
    return {release: pair(release, one, fast, bad) for release, one in found.items()}


def pair(release: int, one: Lately, fast: float, bad: float) -> dict[str, Markup]:
    """A release's two charts, with the words for who hears them."""
    rates, shares = [point[0] for point in one.rate if point], [point[0] for point in one.errors if point]
    told = f"from {min(rates):.1f} to {max(rates):.1f}, now {rates[-1]:.1f}" if rates else "nothing seen"
    wrong = f"from {min(shares):.1%} to {max(shares):.1%}, now {shares[-1]:.1%}" if shares else "nothing was asked"
    name = f"of release {release} in the last {SECONDS / 60:.0f} minutes"
    return {
        "rate": line(f"rate-{release}", f"Requests per second {name}", told, one.rate, fast),
        "errors": line(f"errors-{release}", f"Share of errors {name}", wrong, one.errors, bad),
    }


def as_json(found: Mapping[int, Lately]) -> dict[str, Any]:
    """The same points for programs."""
    return {str(release): {"rate": one.rate, "errors": one.errors, "apart": APART} for release, one in found.items()}
