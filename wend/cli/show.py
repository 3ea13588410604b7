"""How results look: aligned and coloured on a terminal, plain and tab-separated in a pipe.

Text that apps and people wrote passes through `clean` on its way out: nothing they wrote steers a terminal.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from shutil import get_terminal_size
from typing import IO, Any

from wend.errors import WendError

STYLE = re.compile(r"\x1b\[[0-9;:]*m")
# C0 but tab, DEL and C1; what reorders text or breaks lines behind one's back; halves of surrogate pairs.
STEERS = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
COLOURS = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "plain": ""}
STATES: dict[str, str] = {
    **dict.fromkeys(("well", "up", "live", "done", "ok", "paved", "promoted", "kept"), "green"),
    **dict.fromkeys(("partly", "starting", "backoff", "running", "stopping", "deploying", "trial", "paused"), "yellow"),
    **dict.fromkeys(("down", "failed", "lost", "exited", "missing", "revoked", "rolled back", "aborted"), "red"),
    **dict.fromkeys(("empty", "warm", "asleep", "retired", "never live", "superseded", "skipped"), "dim"),
}
UNITS = ((86400 * 365, "year"), (86400 * 30, "month"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


# ---------------------------------------------------------------------------------------------- pure


def clean(text: object) -> str:
    """The text on one line without power over a terminal: colours are dropped, other controls become visible."""
    return STEERS.sub(lambda match: ascii(match[0])[1:-1], STYLE.sub("", str(text)))


def block(text: object) -> str:
    """The same for text of several lines."""
    return "\n".join(map(clean, str(text).split("\n")))


def ago(at: float, now: float | None = None) -> str:
    """How long ago a Unix time was, in its largest unit."""
    gone = (time.time() if now is None else now) - at
    for seconds, unit in UNITS:
        count = int(gone // seconds)
        if count >= 1:
            return f"{count} {unit}{'s' * (count > 1)} ago"
    return "now"


def ahead(at: float, now: float | None = None) -> str:
    """How long until a Unix time, in its largest unit."""
    left = at - (time.time() if now is None else now)
    for seconds, unit in UNITS:
        count = int(left // seconds)
        if count >= 1:
            return f"in {count} {unit}{'s' * (count > 1)}"
    return "now"


def stamp(at: float) -> str:
    """A Unix time as ISO 8601, UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def size(count: int) -> str:
    """Bytes for people."""
    amount = float(count)
    for unit in ("B", "K", "M", "G"):
        if amount < 1024 or unit == "G":
            return f"{amount:.0f}{unit}" if unit in "BK" or amount >= 10 else f"{amount:.1f}{unit}"
        amount /= 1024
    return ""


# ---------------------------------------------------------------------------------------------- printing


def terminal(stream: IO[str] | None = None) -> bool:
    """Whether a person reads this directly."""
    return (stream or sys.stdout).isatty()


def coloured(stream: IO[str] | None = None) -> bool:
    return terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str, stream: IO[str] | None = None) -> str:
    """The text in a colour, where colours are seen and wanted."""
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if COLOURS[colour] and coloured(stream) else text


def complain(error: WendError) -> int:
    """An error on stderr, with the next command; its exit code."""
    first, *rest = map(clean, error.message.split("\n"))
    lines = [paint("error: ", "red", sys.stderr) + first, *rest]
    lines += [f"  try: {clean(error.hint)}"] if error.hint else []
    print("\n".join(lines), file=sys.stderr, flush=True)
    return error.exit


def say(text: object = "") -> None:
    """One line for the person, cleaned."""
    print(block(text), flush=True)


def note(text: object) -> None:
    """A word beside the result: on stderr, so that a pipe does not get it."""
    print(block(text), file=sys.stderr, flush=True)


def as_json(value: Any) -> None:
    """The API's answer as it is. ASCII only, so that it cannot steer a terminal either."""
    print(json.dumps(value, indent=2))


def as_json_line(value: Any) -> None:
    """One object of a stream."""
    print(json.dumps(value), flush=True)


def when(at: int | float | None, unit: float = 1e6) -> str:
    """A time in the given fraction of a second: relative on a terminal, ISO 8601 in a pipe, "-" for none."""
    if not at:
        return "-"
    return ago(at / unit) if terminal() else stamp(at / unit)


def due(at: int | None) -> str:
    """The same for a time to come, in microseconds."""
    if not at:
        return "-"
    return ahead(at / 1e6) if terminal() else stamp(at / 1e6)


def table(titles: Sequence[str], rows: Iterable[Sequence[object]], cut: bool = False) -> None:
    """Rows under titles. In a pipe: no titles, one tab between cells, "-" for an empty one. On a terminal the last
    column takes as many lines as it must; with `cut` it ends in "…" instead."""
    cells = [[clean("-" if cell is None or cell == "" else cell).replace("\t", " ") for cell in row] for row in rows]
    if not terminal():
        for row in cells:
            print("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in titles[:-1]:
        grid.add_column(title, no_wrap=True)
    grid.add_column(titles[-1], overflow="fold")
    for *row, last in cells:
        end = Text(last, style=STATES.get(last, ""), no_wrap=cut, overflow="ellipsis" if cut else "fold")
        grid.add_row(*(Text(cell, style=STATES.get(cell, "")) for cell in row), end)
    width = get_terminal_size().columns
    Console(highlight=False, force_terminal=coloured(), width=width).print(grid)


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values below each other; pairs without a value are left out."""
    there = [(name, str(value)) for name, value in pairs if value is not None and value != ""]
    width = max((len(name) for name, _ in there), default=0)
    for name, value in there:
        if terminal():
            shown = block(value).replace("\n", "\n" + " " * (width + 2))
            line = f"{paint(name.ljust(width), 'dim')}  {paint(shown, STATES.get(value, 'plain'))}"
        else:
            line = f"{name}\t{clean(value)}"
        print(line, flush=True)


class Frame(io.StringIO):
    """A part of the terminal that is drawn anew in the same place."""

    lines = 0

    def isatty(self) -> bool:
        return True

    def draw(self, work: Callable[[], None]) -> None:
        """Show what `work` prints instead of what was shown before."""
        self.seek(0)
        self.truncate()
        with redirect_stdout(self):
            work()
        width = get_terminal_size().columns
        drawn = self.getvalue()
        back = f"\x1b[{self.lines}A\r\x1b[J" if self.lines else ""
        print(back + drawn, end="", flush=True)
        shown = STYLE.sub("", drawn).split("\n")[:-1]
        self.lines = sum(max(1, -(-len(line) // width)) for line in shown)
