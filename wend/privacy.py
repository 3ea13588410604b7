"""What may be shown about people: never one of them, nor so few that they can be told apart, nor what gives them away
when it is taken from something else that is shown.

Pure. Whoever shows figures about people asks here first; docs/privacy.md says what that means to those people.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, floor

from wend.errors import Invalid

K = 5  # people below which nothing is said about them
COMMENTS = 10  # answers below which no comment is shown
ATTRIBUTES = 2  # that may be combined, such as team and role
BANDS = (5, 10, 20, 50, 100)
ABOUT_PEOPLE = frozenset({"nps", "csat", "ces", "time_to_first_change", "time_to_tenth_change"})
EPOCH = date(1970, 1, 1)

Cell = tuple[str, str]  # row, column
Node = tuple[str, str]  # "row" or "column", and "=" with its name: what its total says


@dataclass(frozen=True)
class Shown:
    """The groups whose figures may be shown, and whether that of all of them together may."""

    groups: frozenset[str]
    whole: bool


def suppress(groups: Mapping[str, int], whole: int, k: int = K) -> Shown:
    """Which groups of people may be shown beside the whole of them. Few people are hidden, and so many groups with
    them, the smallest first, that what is left when all that is shown is taken from the whole is nobody or at least k
    people; those who are in no group are a group that is never shown. Raises Invalid when groups overlap."""
    rest = whole - sum(groups.values())
    if rest < 0:
        raise Invalid(f"the groups have {sum(groups.values())} people, all of them together {whole}", "count each once")
    hidden = {name for name, people in groups.items() if people < k}
    left = rest + sum(groups[name] for name in hidden)
    for name in sorted(groups.keys() - hidden, key=lambda name: (groups[name], name)):
        if left == 0 or left >= k:
            break
        hidden.add(name)
        left += groups[name]
    return Shown(frozenset(groups.keys() - hidden if whole >= k else ()), whole >= k)


# ---------------------------------------------------------------------------------------------- two attributes


@dataclass(frozen=True)
class Table:
    """What may be shown of a table: cells, and the totals of rows, of columns, and of it all."""

    cells: frozenset[Cell]
    rows: frozenset[str]
    columns: frozenset[str]
    whole: bool


@dataclass
class Hiding:
    """A table on the way there: what is hidden so far. A row or column whose total is hidden is hidden whole."""

    cells: Mapping[Cell, int]
    hidden: set[Cell]
    rows: set[str]
    columns: set[str]

    def ends(self, cell: Cell) -> tuple[Node, Node]:
        """The equations the cell is in, as nodes: of its row and of its column. Rows with hidden totals share one, that
        of what is left of the whole; so do columns."""
        row, column = cell
        return ("row", "" if row in self.rows else "=" + row), (
            "column",
            "" if column in self.columns else "=" + column,
        )

    def hide(self, cells: Iterable[Cell]) -> None:
        self.hidden |= {cell for cell in cells if self.cells.get(cell)}


def crossed(cells: Mapping[Cell, int], k: int = K) -> Table:
    """Which cells and totals of a table of people by two attributes may be shown. Whatever is added up and taken from
    each other, no cell and no sum of cells with fewer than k people comes out. Everybody is in one cell: who has no
    value needs a row or column of their own."""
    rows, columns = (totals(cells, place) for place in (0, 1))
    whole = sum(cells.values())
    if whole < k:
        return Table(frozenset(), frozenset(), frozenset(), False)
    by_row, by_column = suppress(rows, whole, k), suppress(columns, whole, k)
    hiding = Hiding(cells, set(), set(rows) - by_row.groups, set(columns) - by_column.groups)
    hiding.hide(cell for cell in cells if cells[cell] < k or cell[0] in hiding.rows or cell[1] in hiding.columns)
    for cell in sorted(cell for cell in hiding.hidden if cells[cell] < k):
        while (side := leak(hiding, cell, k)) is not None:  # to hide more keeps what is kept already
            mend(hiding, side, hiding.ends(cell)[1])
            hiding.hide(cell for cell in cells if cell[0] in hiding.rows or cell[1] in hiding.columns)
    shown = frozenset(cell for cell, people in cells.items() if people and cell not in hiding.hidden)
    return Table(shown, frozenset(rows.keys() - hiding.rows), frozenset(columns.keys() - hiding.columns), True)


def totals(cells: Mapping[Cell, int], place: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for cell, people in cells.items():
        found[cell[place]] = found.get(cell[place], 0) + people
    return found


def leak(hiding: Hiding, cell: Cell, k: int) -> set[Node] | None:
    """Nodes whose equations (rows less columns) give a sum of fewer than k people with this cell in it; None: there are
    no such.

    Hidden cells are edges between the equations of their row and column. Equations of some nodes, added up, leave the
    edges out of those nodes: from a row inside to a column outside with plus, the others with minus. A sum of people is
    one without minus, so the smallest is a least cut where edges the other way cannot be cut (L. R. Ford and D. R.
    Fulkerson, 1956): from a row to a column as many can flow as there are people, back without limit."""
    room: dict[Node, dict[Node, int]] = {}
    for one in hiding.hidden:
        row, column = hiding.ends(one)
        room.setdefault(row, {})[column] = room.get(row, {}).get(column, 0) + hiding.cells[one]
        room.setdefault(column, {})[row] = k
    return cut(room, *hiding.ends(cell), k)


def cut(room: dict[Node, dict[Node, int]], start: Node, goal: Node, k: int) -> set[Node] | None:
    """The nodes on the start's side of a cut of less than k; None: k can flow. Empties `room` as it fills it."""
    flow = 0
    while flow < k:
        came, queue = {start: start}, deque([start])
        while queue and goal not in came:
            here = queue.popleft()
            for there in sorted(there for there, left in room.get(here, {}).items() if left > 0 and there not in came):
                came[there] = here
                queue.append(there)
        if goal not in came:
            return set(came)
        flow += 1
        there = goal
        while there != start:
            here = came[there]
            room[here][there] -= 1
            room[there][here] = room[there].get(here, 0) + 1
            there = here
    return None


def mend(hiding: Hiding, side: set[Node], goal: Node) -> None:
    """Hide a cell between the two sides: the smallest that closes a circle through the goal, or gives the sum a minus,
    or makes it larger. Where there is none, the total of a row, or column, of each side."""
    between: list[tuple[int, int, Cell]] = []
    for cell, people in hiding.cells.items():
        row, column = hiding.ends(cell)
        if people and cell not in hiding.hidden and (row in side) != (column in side):
            between.append((0 if column == goal else 1 if column in side else 2, people, cell))
    if between:
        hiding.hide([min(between)[2]])
        return
    for place, totals_hidden in ((0, hiding.rows), (1, hiding.columns)):
        inside, outside = apart(hiding, side, place)
        if inside and outside:
            totals_hidden |= {min(inside)[1], min(outside)[1]}
            return


def apart(hiding: Hiding, side: set[Node], place: int) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """(people, name) of the rows (or columns) on this side and on the other."""
    found: tuple[list[tuple[int, str]], list[tuple[int, str]]] = ([], [])
    node = {cell[place]: hiding.ends(cell)[place] for cell in hiding.cells}
    for name, people in totals(hiding.cells, place).items():
        found[0 if node[name] in side else 1].append((people, name))
    return found


def by(attributes: Collection[str]) -> None:
    """Raises Invalid for more attributes at once than people stay hidden in."""
    if len(set(attributes)) > ATTRIBUTES:
        several = ", ".join(sorted(set(attributes)))
        raise Invalid(f"{several} together single people out", f"use at most {ATTRIBUTES} of them at once")


# ---------------------------------------------------------------------------------------------- time


@dataclass(frozen=True)
class Quarter:
    """A quarter of a year in UTC days since 1970, both included. Figures about people have no other windows, so that no
    two of them overlap."""

    name: str
    first: int
    last: int


def quarter(day: int) -> Quarter:
    """The one this day is in."""
    at = EPOCH + timedelta(days=day)
    number = (at.month - 1) // 3
    first, after = date(at.year, 3 * number + 1, 1), date(at.year + number // 3, (3 * number + 3) % 12 + 1, 1)
    return Quarter(f"{at.year}-Q{number + 1}", (first - EPOCH).days, (after - EPOCH).days - 1)


def comparable(previous: int, now: int, both: int, k: int = K) -> bool:
    """Whether figures of two sets of people, such as a group then and now, may both be shown: those who are in one of
    them alone are none or at least k, for else one figure taken from the other is theirs. `both`: those in both."""
    return all(only == 0 or only >= k for only in (previous - both, now - both))


# ---------------------------------------------------------------------------------------------- what is shown


def band(people: int) -> str:
    """How many there are, as near as is told: "5-9", "10-19", …, "100+"."""
    lower = at_least(people)
    upper = next((edge for edge in BANDS if edge > people), None)
    return f"fewer than {BANDS[0]}" if lower == 0 else f"{lower}+" if upper is None else f"{lower}-{upper - 1}"


def at_least(people: int) -> int:
    """The lower edge of the band; 0 below the first."""
    return max((edge for edge in BANDS if edge <= people), default=0)


def blurred(value: float, low: float, high: float, parts: int = 1) -> tuple[float, float, float]:
    """A figure and its interval, in whole points or so many parts of one, the interval outwards: an exact figure tells
    how many answered, and what."""
    near = 1e-9  # what arithmetic is off by is no reason to go a point further
    return round(value * parts) / parts, floor(low * parts + near) / parts, ceil(high * parts - near) / parts


def comments(texts: Sequence[str], answers: int, least: int = COMMENTS) -> list[str]:
    """The comments of a group with so many answers, in an order that says nothing of who wrote when; none of few."""
    return sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest()) if answers >= least else []
