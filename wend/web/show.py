"""How values look on a page. All text is hostile: it is escaped, and what would not be seen is made visible."""

from __future__ import annotations

import hashlib
import math
import re
import time
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from wend import units
from wend.errors import WendError
from wend.journal import STEPS
from wend.web import places

HERE = Path(__file__).parent
ESCAPE = re.compile("\x1b\\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
Bar = dict[str, Any]
DIGEST = re.compile("[0-9a-f]{32,64}")
HTTP = re.compile("https?://[^/]")
TIMES = frozenset({"at", "until", "since", "detected_at", "restored_at", "resolved_at", "last_here", "last_elsewhere"})
EMPTY: tuple[Any, ...] = (None, "", [], {})
HIDDEN = frozenset({"Cf", "Cc", "Co", "Cs", "Zl", "Zp"})
KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
TITLES = {401: "Who are you?", 403: "Not allowed", 404: "Nothing here", 405: "Not like that", 409: "Not now"}


@dataclass(frozen=True)
class Page:
    """A page to show: its template, and its data, which is also its JSON twin. `extra` is for the template alone."""

    template: str
    data: dict[str, Any] | list[Any]
    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    status: int = 200


# ---------------------------------------------------------------------------------------------- text


def visible(value: Any) -> Any:
    """The value as it may be printed: control, bidi and zero-width characters become signs that can be seen. Every
    `{{ … }}` of every template goes through here; markup of our own does not."""
    if not isinstance(value, str) or isinstance(value, Markup) or (value.isascii() and value.isprintable()):
        return value
    return "".join(letter if letter in "\n\t" or letter.isprintable() else sign(letter) for letter in value)


def sign(letter: str) -> str:
    """A visible stand-in for a character that has no shape of its own."""
    code = ord(letter)
    if code < 0x20 or code == 0x7F:
        return f"^{chr(code ^ 0x40)}"
    return f"⟨U+{code:04X}⟩" if unicodedata.category(letter) in HIDDEN else letter


def log_text(text: str) -> Markup:
    """A line of output: what a terminal would have obeyed is shown, dimmed."""
    parts: list[str] = []
    after = 0
    for match in ESCAPE.finditer(text):
        parts.append(str(escape(visible(text[after : match.start()]))))
        parts.append(f'<span class="ctl">{escape(visible(match[0]))}</span>')
        after = match.end()
    return Markup("".join(parts) + str(escape(visible(text[after:]))))


def moment(at: float) -> datetime:
    """A time in seconds; one that no calendar has is the beginning of them all."""
    try:
        return datetime.fromtimestamp(at, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)


def log_line(item: dict[str, Any]) -> bytes:
    """A line of the live log as the page takes it: one element, one line."""
    clock = moment(item["at"])
    short = item["source"].split(".", 1)[-1]
    html = Markup('<div class="line"><time datetime="{}">{}</time> <b>{}</b> <span>{}</span></div>\n')
    filled = html.format(clock.isoformat(), clock.strftime("%H:%M:%S"), visible(short), log_text(item["text"]))
    return str(filled).encode("utf-8", "replace")


# ---------------------------------------------------------------------------------------------- numbers


def duration(ms: float | None) -> str:
    """412 ms · 3.2 s · 2 min 5 s · 3 h 4 min · 2 d 3 h."""
    if ms is None:
        return "–"
    if ms < 1000:
        return f"{ms:.0f} ms"
    seconds = ms / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    for big, small, unit, lower in ((60, 1, "min", "s"), (3600, 60, "h", "min"), (86400, 3600, "d", "h")):
        if seconds < big * {"min": 60, "h": 24, "d": 10**9}[unit]:
            return f"{seconds // big:.0f} {unit} {seconds % big // small:.0f} {lower}"
    return "–"


def size(count: int | None) -> str:
    """Bytes: 43 MB."""
    if not count:
        return "–"
    amount, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1024 or unit == "TB":
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if amount >= 10 or unit == "B" else f"{amount:.1f} {unit}"


def percent(share: float | None) -> str:
    """A share of 1: 0 % · 0.04 % · 1.2 % · 12 %."""
    if share is None:
        return "–"
    whole = share * 100
    digits = 0 if whole >= 10 or whole == 0 else 1 if whole >= 0.1 else 2
    return f"{whole:.{digits}f} %"


def millis(ms: float | None) -> str:
    """Milliseconds of an answer, finer than `duration`: 0.8 ms · 12 ms · 1.2 s."""
    if ms is None or ms >= 1000:
        return duration(ms)
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"


def between(low: float, high: float, how: Callable[[float], str]) -> str:
    """An interval with its unit once, when both ends have the same: 0.2–1.7 % · 800 ms–1.2 s."""
    first, second = how(low), how(high)
    value, _, unit = first.rpartition(" ")
    return f"{value if second.endswith(' ' + unit) else first}–{second}"


def count(number: float | None) -> str:
    """A count with its thousands apart: 12 345."""
    return "–" if number is None else f"{number:,.0f}".replace(",", "\u202f")


def factor(value: float) -> str:
    """How many times more likely: 0.3 · 12 · 1 000 · more than a million."""
    if value >= 1e6:
        return "more than a million"
    return count(value) if value >= 10 else f"{value:.1f}"


def left(until: float | None, clock: Callable[[], float] = time.time) -> str:
    """How long from now to a time in Unix microseconds, by its two largest units."""
    if not until:
        return "–"
    seconds = until / 1e6 - clock()
    if seconds <= 0:
        return "over"
    return duration(1000 * seconds) if seconds >= 60 else f"{math.ceil(seconds)} s"


def ago(at: float | None, clock: Callable[[], float] = time.time) -> Markup:
    """A point in time (Unix microseconds) as "3 min ago", the exact one behind it."""
    if not at:
        return Markup('<span class="none">never</span>')
    exact = datetime.fromtimestamp(at / 1e6, UTC)
    passed = max(0.0, clock() - at / 1e6)
    words = "just now" if passed < 5 else f"{rough(passed)} ago"
    full = exact.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup(f'<time datetime="{exact.isoformat()}" title="{full}">{words}</time>')


def rough(seconds: float) -> str:
    """The largest unit alone."""
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return "0 s"


def since(at: float | None, clock: Callable[[], float] = time.time) -> str:
    """How long ago, for a time in seconds."""
    return rough(max(0.0, clock() - at)) if at else "–"


def bars(steps: list[dict[str, Any]], deploy: dict[str, Any], clock: Callable[[], float] = time.time) -> list[Bar]:
    """The steps of a deploy, each with where its bar begins and how long it is, in percent of the whole. What came
    after the last step reached, if the deploy failed there or still runs, is a step too; and so is a canary's time."""
    shown: list[Bar] = []
    for step in steps:
        if shown and shown[-1]["step"] == "canary":
            ms = max(0.0, (step["at"] - shown[-1]["at"]) / 1000 - step["ms"])
            shown.append({"step": "judged", "ms": ms, "detail": "beside the release before", "state": "reached"})
        if step["ms"] or step["step"] != "done":
            shown.append({**step, "state": "reached"})
    if deploy["state"] in ("failed", "running"):
        on_trial = deploy["step"] == "canary"
        before = steps[-1]["at"] if steps else deploy["started_at"]
        ms = max(0.0, ((deploy["ended_at"] or clock() * 1e6) - before) / 1000)
        step = "judged" if on_trial else after(deploy["step"])
        detail = deploy["message"] or ("the judge looks on" if on_trial else "under way")
        shown.append({"step": step, "ms": ms, "detail": detail, "state": deploy["state"]})
    return placed(shown)


def after(step: str) -> str:
    """The step that comes next."""
    names = list(STEPS)
    return names[min(names.index(step) + 1, len(names) - 1)] if step in STEPS else "done"


def placed(steps: list[Bar]) -> list[Bar]:
    total = sum(step["ms"] for step in steps) or 1
    found: list[Bar] = []
    before = 0.0
    for step in steps:
        width = max(0.4, round(100 * step["ms"] / total, 2))
        found.append({**step, "x": round(100 * before / total, 2), "width": width})
        before += step["ms"]
    return found


def sentence(text: str | None) -> str:
    """The text with a capital first letter."""
    return (text or "")[:1].upper() + (text or "")[1:]


def live_ms(steps: list[dict[str, Any]]) -> float | None:
    """Milliseconds until the release was live, its time as a canary included; None when it never was."""
    live = next((step["at"] for step in steps if step["step"] == "live"), None)
    return None if live is None else (live - steps[0]["at"]) / 1000 + steps[0]["ms"]


def brief(data: dict[str, Any], most: int = 90) -> str:
    """An event's data in a line: what is long is cut, and the deploy's id left to the details."""
    parts = [f"{name} {short(value)}" for name, value in data.items() if name != "deploy" and value not in EMPTY]
    text = ", ".join(parts) or "–"
    return text if len(text) <= most else text[: most - 1] + "…"


def short(value: Any) -> str:
    if isinstance(value, dict | list):
        return " ".join(str(one) for one in cast(Iterable[Any], value))
    text = str(value)
    return text[:9] if DIGEST.fullmatch(text) else text


def day(number: int) -> str:
    """A UTC day since 1970 as people write it: 31 Aug 2026."""
    at = moment(number * 86_400)
    return f"{at.day} {at:%b %Y}"


def shorten(text: object, most: int = 32) -> str:
    """An id that fits a table: a digest by its first digits, the rest by both of its ends."""
    whole = short(text)
    return whole if len(whole) <= most else f"{whole[: most // 2]}…{whole[-most // 2 + 1 :]}"


def cell(row: dict[str, Any], name: str) -> Any:
    """A column of a row that is behind a signal: times and durations for people, links as links."""
    value = row[name]
    if value is None or value == "":
        return "–"
    if name == "url":
        return Markup('<a href="{}" rel="noreferrer">open</a>').format(value) if HTTP.match(str(value)) else value
    if name == "lead":
        return units.text(value / 1e6, "s")
    if name == "rework":
        return "yes" if value else "no"
    return ago(value) if name in TIMES else shorten(value)


def ticks(text: str | None) -> Markup:
    """Plain words with `commands` in them."""
    parts = (text or "").split("`")
    shown = [Markup("<code>{}</code>" if index % 2 else "{}").format(visible(part)) for index, part in enumerate(parts)]
    return Markup("").join(shown)


# ---------------------------------------------------------------------------------------------- pages


class Static:
    """Our own few files, read once: what is not among them cannot be asked for. A file's address carries its
    content's hash, so browsers keep it for good."""

    def __init__(self, folder: Path = HERE / "static") -> None:
        self.files = {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix in KINDS}
        self.marks = {name: hashlib.sha256(body).hexdigest()[:12] for name, body in self.files.items()}

    def url(self, name: str) -> str:
        return f"/static/{name}?v={self.marks[name]}"


class Renderer:
    """Turns pages into HTML."""

    def __init__(self) -> None:
        self.static = Static()
        self.jinja = Environment(
            loader=FileSystemLoader(HERE / "html"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=visible,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        filters = {"duration": duration, "size": size, "ago": ago, "since": since, "bars": bars}
        filters |= {"log": log_text, "brief": brief, "ticks": ticks, "live_ms": live_ms, "sentence": sentence}
        filters |= {"measure": units.text, "day": day, "shorten": shorten, "cell": cell}
        filters |= {"percent": percent, "millis": millis, "count": count, "factor": factor, "left": left}
        cast(dict[str, Any], self.jinja.filters).update(filters)
        known: dict[str, Any] = {"static": self.static.url, "between": between, "percent": percent, "millis": millis}
        known["places"] = places
        known |= {"interval": units.interval, "figure": units.figure, "unit_names": units.NAMES}
        cast(dict[str, Any], self.jinja.globals).update(known)

    def text(self, request: Request, page: Page, crew: dict[str, Any]) -> str:
        """The page's HTML."""
        about = {"path": request.url.path, "data": page.data, "actor": None, "may": {}, "csrf": ""}
        return self.jinja.get_template(page.template).render(**{**about, **crew, **page.extra})

    def page(self, request: Request, page: Page, crew: dict[str, Any]) -> HTMLResponse:
        return HTMLResponse(self.text(request, page, crew), page.status)

    def error(self, request: Request, error: WendError, crew: dict[str, Any]) -> HTMLResponse:
        """An error as a page: what happened, and what to do next."""
        title = TITLES.get(error.status, "That did not work" if error.status < 500 else "Our fault")
        extra = {"title": title, "status": error.status}
        return self.page(request, Page("error.html", dict(error.as_dict()), extra, error.status), crew)
