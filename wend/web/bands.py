"""A signal's weeks as a chart: a line, the band of its intervals, gaps where nothing was heard, and the week that is
not over yet drawn apart. SVG made on the server, like the charts of an app; the words beside it are HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from markupsafe import Markup

from wend import units
from wend.signals import Point, Signal
from wend.state.delivery import DAY

SMALL, BIG = (300, 64), (960, 240)  # width and height that a chart is drawn in; the page stretches it
EPOCH = date(1970, 1, 1)
ROUND = (1.0, 1.2, 1.6, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
ROOM = 1.15  # above the highest value
FARTHEST = 1.6  # times the highest value that a band may reach before it is cut at the upper edge
Spot = tuple[float, float, float, float]  # x, and y of value, lower and upper end


@dataclass(frozen=True)
class Plot:
    """A chart with its words: `ticks` from the top down, and the weeks at its ends."""

    svg: Markup
    ticks: tuple[str, ...]
    first: str
    last: str


@dataclass(frozen=True)
class Frame:
    """Where a value is drawn: `top` at the upper edge, `bottom` at the lower."""

    width: float
    height: float
    weeks: int
    top: float
    bottom: float = 0.0
    unit: tuple[float, str] = (1.0, "")  # how much one of what the ticks count is, and its name

    def x(self, week: float) -> float:
        return self.width * (week + 0.5) / max(1, self.weeks)

    def y(self, value: float) -> float:
        share = (value - self.bottom) / (self.top - self.bottom)
        return 2 + (self.height - 4) * (1 - min(1.0, max(0.0, share)))

    def spot(self, week: int, point: Point) -> Spot:
        value = point.value or 0.0
        low, high = (edge if end is None else end for edge, end in ((self.bottom, point.low), (self.top, point.high)))
        return self.x(week), self.y(value), self.y(low), self.y(high)


def by_week(signal: Signal) -> tuple[Point, ...]:
    """A point for every week of the window. What is measured now and then (a survey's wave) has points between gaps."""
    there = {point.day: point for point in signal.series}
    weeks = range(signal.window.first, signal.window.last + 1, 7)
    return tuple(there.get(week, Point(week, None, None, None, 0)) for week in weeks)


# ---------------------------------------------------------------------------------------------- what the scale is


def scaled(series: Sequence[Point], unit: str) -> tuple[float, tuple[float, str]]:
    """A round value a little above the highest one, and above its interval where that does not dwarf it; and what the
    ticks count in."""
    values = [point.value for point in series if point.value is not None]
    ends = [point.high for point in series if point.value is not None and point.high is not None]
    highest = max(values, default=0.0)
    reach = max(ends, default=highest)
    wanted = max(highest * ROOM, min(reach, highest * FARTHEST) if highest else reach) or 1.0
    one, name = units.scale(highest or wanted, unit)
    most = math.inf if unit != "share" else 1.0
    return min(most, rounded(wanted / one) * one), (one, "" if unit in units.LONG else name)


def rounded(value: float) -> float:
    """The next value that people like to read."""
    size = 10 ** math.floor(math.log10(value))
    return next(one for one in ROUND if value / size <= one * (1 + 1e-9)) * size


def ticks_of(frame: Frame) -> tuple[str, ...]:
    """Top, middle and bottom, all counted in the same."""
    if frame.bottom < 0:
        return (f"{frame.top:+.0f}", "0", f"{frame.bottom:+.0f}")
    one, name = frame.unit
    name = "day" if name == "days" and frame.top == 1 else name
    return (f"{units.digits(frame.top / one)} {name}".strip(), units.digits(frame.top / one / 2), "0")


def named(day: int, weeks: int) -> str:
    """The Monday: 31 Aug, or 31 Aug 2025 where a year is not clear by itself."""
    at = EPOCH + timedelta(days=day)
    return f"{at.day} {at:%b}" + (f" {at.year}" if weeks > 26 else "")


# ---------------------------------------------------------------------------------------------- what is drawn


def shapes(frame: Frame, series: Sequence[Point], open_week: bool) -> Markup:
    """Every stretch without a gap, and the week that is not over."""
    over = len(series) - 1 if open_week else len(series)
    found = Markup("")
    if open_week:
        found += Markup('<rect class="week" x="{:.1f}" y="0" width="{:.1f}" height="{}"/>').format(
            frame.x(over - 0.5), frame.width / max(1, frame.weeks), frame.height
        )
    zero = frame.y(0.0)
    found += Markup('<line class="axis" x1="0" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>').format(frame.width, y=zero)
    spots = [frame.spot(week, point) if point.value is not None else None for week, point in enumerate(series)]
    for known, run in groupby(spots[:over], key=lambda spot: spot is not None):
        if known:
            found += stretch([spot for spot in run if spot], frame)
    if open_week and (now := spots[over]):
        found += unfinished(now, spots[over - 1] if over else None, frame)
    return found


def stretch(run: Sequence[Spot], frame: Frame) -> Markup:
    """Weeks in a row: their band and line. A week alone is a dot with a bar."""
    if len(run) == 1:
        return bar(run[0], frame, "band") + dot(run[0], "dot")
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in run)
    return band(run, "band") + Markup('<polyline class="stroke" points="{}"/>').format(line)


def band(run: Sequence[Spot], kind: str) -> Markup:
    upper = [f"{x:.1f},{high:.1f}" for x, _, _, high in run]
    lower = [f"{x:.1f},{low:.1f}" for x, _, low, _ in reversed(run)]
    return Markup('<polygon class="{}" points="{}"/>').format(kind, " ".join(upper + lower))


def bar(spot: Spot, frame: Frame, kind: str) -> Markup:
    """The interval of a week that has no neighbour."""
    x, y, low, high = spot
    half = frame.width / max(1, frame.weeks) / 4
    return band([(x - half, y, low, high), (x + half, y, low, high)], kind)


def dot(spot: Spot, kind: str) -> Markup:
    """A line without length, with round ends: it stays round however the chart is stretched."""
    return Markup('<path class="{}" d="M{:.1f} {:.1f}h0.01"/>').format(kind, spot[0], spot[1])


def unfinished(now: Spot, before: Spot | None, frame: Frame) -> Markup:
    """The running week: dashed, for it is not over."""
    found = band([before, now], "band now") if before else bar(now, frame, "band now")
    if before:
        ends = f"{before[0]:.1f},{before[1]:.1f} {now[0]:.1f},{now[1]:.1f}"
        found += Markup('<polyline class="stroke now" points="{}"/>').format(ends)
    return found + dot(now, "dot") + dot(now, "dot hole")


def hints(frame: Frame, series: Sequence[Point], unit: str) -> Markup:
    """What each week says, for whoever points at it."""
    width = frame.width / max(1, frame.weeks)
    shape = Markup('<rect class="hint" x="{:.1f}" y="0" width="{:.1f}" height="{}"><title>{}</title></rect>')
    rows = (shape.format(week * width, width, frame.height, said(one, unit)) for week, one in enumerate(series))
    return Markup("").join(rows)


# ---------------------------------------------------------------------------------------------- what it tells


def said(point: Point, unit: str) -> str:
    """A week in words."""
    week = f"Week of {named(point.day, 53)}: "
    if point.value is None:
        return week + "no data"
    ends = units.interval(point.low, point.high, unit, value=point.value)
    return f"{week}{units.text(point.value, unit)} ({ends}, n {point.n:,})"


def about(series: Sequence[Point], unit: str, open_week: bool) -> str:
    """The chart in words: from where to where, the last weeks, and the gaps."""
    whole = series[:-1] if open_week else series
    known = [point for point in whole if point.value is not None]
    values = [point.value for point in known if point.value is not None]
    if not values:
        return "No data in any whole week."
    ends = f"from {units.text(min(values), unit)} to {units.text(max(values), unit)}"
    parts = [f"{len(known)} of {len(whole)} whole weeks, {ends}."]
    parts.append(said(known[-1], unit) + ".")
    if gaps := len(whole) - len(known):
        parts.append(f"Nothing in {gaps} of them.")
    if open_week and series[-1].value is not None:
        parts.append(f"This week is not over; so far {said(series[-1], unit).partition(': ')[2]}.")
    return " ".join(parts)


def draw(signal: Signal, size: tuple[int, int] = SMALL) -> Plot | None:
    """The chart of a signal; None for one without weeks, or without anything in them."""
    unit, series = signal.definition.unit, by_week(signal)
    if not any(point.value is not None for point in series):
        return None
    if unit == "score":  # it may be below 0
        frame = Frame(*size, len(series), 100.0, -100.0, (1.0, ""))
    else:
        top, counted = scaled(series, unit)
        frame = Frame(*size, len(series), top, 0.0, counted)
    open_week = len(signal.series) == len(series) and signal.window.now // DAY <= series[-1].day + 6
    inside = shapes(frame, series, open_week) + (hints(frame, series, unit) if size == BIG else Markup(""))
    names = {"id": f"weeks-{signal.definition.id}", "title": f"{signal.definition.title}, week by week"}
    svg = Markup(
        '<svg class="weeks" viewBox="0 0 {w} {h}" preserveAspectRatio="none" role="img" '
        'aria-labelledby="{id}-t {id}-d">'
        '<title id="{id}-t">{title}</title><desc id="{id}-d">{about}</desc>{inside}</svg>'
    ).format(w=size[0], h=size[1], about=about(series, unit, open_week), inside=inside, **names)
    last = "this week" if signal.window.now // DAY <= series[-1].day + 6 else named(series[-1].day, len(series))
    return Plot(svg, ticks_of(frame), named(series[0].day, len(series)), last)
