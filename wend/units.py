"""How a measured value is written for people: by the unit of its signal; and sizes as people write them."""

from __future__ import annotations

import math
import re

from wend.errors import Invalid

SIZES = {"K": 2**10, "M": 2**20, "G": 2**30}
SPANS = ((2 * 86400.0, 86400.0, "d"), (3600.0, 3600.0, "h"), (60.0, 60.0, "min"), (1.0, 1.0, "s"), (0.0, 0.001, "ms"))
PACES = ((1.0, 1.0, "per day"), (1 / 7, 1 / 7, "per week"), (0.0, 1 / 30, "per month"))  # from, one of it, its name
NAMES = {
    "s": "seconds",
    "share": "share",
    "per_day": "per day",
    "per_100_weeks": "per 100 developers and week",
    "score": "score from -100 to 100",
    "days": "working days",
    "count": "count",
}
LEAST, MOST = 0.1, 100  # of a unit: what is beyond is said in another one
LONG = frozenset({"per_100_weeks"})  # whose name is said with the value alone
BRIEF = {"per day": "/day", "per week": "/week", "per month": "/month", NAMES["per_100_weeks"]: ""}


def digits(value: float) -> str:
    """So many digits as are worth reading, and no zeros behind the point for nothing."""
    size = abs(value)
    text = f"{value:.{0 if size >= 99.95 else 1 if size >= 0.995 else 2}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def scale(value: float, unit: str) -> tuple[float, str]:
    """What a value of this size is counted in: how much one of it is, and its name."""
    if unit in ("s", "per_day"):
        steps = SPANS if unit == "s" else PACES
        if not value:
            return (60.0, "min") if unit == "s" else (1.0, "per day")
        return next((one, name) for least, one, name in steps if abs(value) >= least)
    return {"share": (0.01, "%"), "days": (1.0, "days"), "per_100_weeks": (1.0, NAMES["per_100_weeks"])}.get(
        unit, (1.0, "")
    )


def figure(value: float, unit: str) -> tuple[str, str]:
    """The number and what it is counted in, as ("14.4", "h"). The second may be empty."""
    one, name = scale(value, unit)
    if unit == "score":
        return f"{value:+.0f}" if round(value) else "0", ""
    if unit == "days" and digits(value) == "1":
        return "1", "day"
    return digits(value / one), name


def text(value: float | None, unit: str, brief: bool = False) -> str:
    """The value with its unit: "14.4 h", "8.7 %", "5.2 per day", or "5.2/day" in `brief`; "–" for none."""
    if value is None or not math.isfinite(value):
        return "–"
    number, name = figure(value, unit)
    if brief and name in BRIEF:
        return number + BRIEF[name]
    return f"{number} {name}" if name else number


def interval(low: float | None, high: float | None, unit: str, brief: bool = False, value: float | None = None) -> str:
    """The interval of a value, counted in what the value is: "13.3–15.5 h"; where its ends are far from that each in
    its own unit: "40 s–2 d"; "from 3 h" or "up to 5 h" where an end is open, "interval open" where both are."""
    brief = brief or unit in LONG
    low, high = (None if end is None or not math.isfinite(end) else end for end in (low, high))
    if low is None or high is None:
        there = high if low is None else low
        word = "interval open" if there is None else "from " if high is None else "up to "
        return word + ("" if there is None else text(there, unit, brief))
    if unit == "score":
        return f"{text(low, unit)} to {text(high, unit)}"
    one, name = scale(value or high, unit)
    if unit in ("s", "per_day") and ((low and low / one < LEAST) or high / one >= MOST):
        lower, same = text(low, unit, brief), figure(low, unit)[1] == figure(high, unit)[1]
        return f"{figure(low, unit)[0] if same or not low else lower}–{text(high, unit, brief)}"
    if unit == "days" and digits(high) == "1":
        name = "day"
    numbers = f"{digits(low / one)}–{digits(high / one)}"
    return numbers + BRIEF[name] if brief and name in BRIEF else f"{numbers} {name}".rstrip()


def read_size(given: str, where: str) -> int:
    """Bytes from "256M" (K, M, G are binary). `where`: the key of `wend.toml`. Raises Invalid."""
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,3})?)([KMG])i?B?", given.strip(), re.IGNORECASE)
    amount = int(float(match[1]) * SIZES[match[2].upper()]) if match else 0
    if not 0 < amount <= 2**50:
        raise Invalid(f"wend.toml: {where} = {given!r} is not a size", 'write it like "256M"')
    return amount
