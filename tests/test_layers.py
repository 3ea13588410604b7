"""Imports point down, as the floor table in CONTRIBUTING.md says, and nothing goes in circles."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "wend"
WIRING = re.compile(r"(wend(?:\.[a-z_]+)+):\w+")


@dataclass(frozen=True)
class Floor:
    """One row of the table; 0 is the lowest. `apart`: its rooms do not import each other."""

    height: int
    name: str
    rooms: tuple[str, ...]
    apart: bool


@cache
def floors() -> tuple[Floor, ...]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.split("| floor |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in reversed(table)]
    return tuple(
        Floor(height, name, tuple(re.findall(r"`([\w.]+?)(?:/|\.py)`", rooms)), beside == "apart")
        for height, (name, rooms, beside) in enumerate(rows)
    )


@cache
def sources() -> dict[str, Path]:
    """Module → file, for every module of the package (the templates in golden/ are other people's programs)."""
    files = [file for file in PACKAGE.rglob("*.py") if "golden" not in file.relative_to(PACKAGE).parts]
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def statements(module: str, node: ast.AST) -> Iterator[str]:
    """Every module this node imports; relative names made absolute."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        package = module if sources()[module].name == "__init__.py" else module.rpartition(".")[0]
        parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        base = ".".join([*parents, *([node.module] if node.module else [])])
        yield from (f"{base}.{alias.name}" if f"{base}.{alias.name}" in sources() else base for alias in node.names)


def wiring(node: ast.AST) -> Iterator[str]:
    """A module named by text to be imported later, like "wend.route.envoy:Envoy"."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and (match := WIRING.fullmatch(node.value)):
        yield match[1]


def imports_of(module: str, text: str, with_wiring: bool) -> set[str]:
    """The modules of ours that this text imports: at the top, inside functions and under TYPE_CHECKING alike."""
    nodes = list(ast.walk(ast.parse(text)))
    found = {name for node in nodes for name in statements(module, node)}
    found |= {name for node in nodes for name in wiring(node) if with_wiring}
    return {name for name in found if name in sources() and name not in ("wend", module)}


@cache
def graph(with_wiring: bool) -> dict[str, set[str]]:
    return {name: imports_of(name, file.read_text(encoding="utf-8"), with_wiring) for name, file in sources().items()}


def room(module: str) -> str:
    return module.split(".")[1]


def floor_of(module: str) -> Floor:
    return next(floor for floor in floors() if room(module) in floor.rooms)


def test_every_room_stands_on_exactly_one_floor() -> None:
    listed = [one for floor in floors() for one in floor.rooms]
    there = {room(module) for module in sources() if module != "wend"}
    assert sorted(listed) == sorted(there)


@pytest.mark.parametrize("module", sorted(set(sources()) - {"wend"}))
def test_imports_point_down(module: str) -> None:
    own = floor_of(module)
    for other in graph(with_wiring=True)[module]:
        if room(other) == room(module):
            continue
        theirs = floor_of(other)
        assert theirs.height <= own.height, f"{module} ({own.name}) imports {other} ({theirs.name}), which is above it"
        assert theirs != own or not own.apart, f"{module} imports {other}: the rooms of floor {own.name} stand apart"


def circle(edges: dict[str, set[str]]) -> list[str]:
    """A cycle, as the names along it; empty when there is none."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_nothing_goes_in_circles() -> None:
    assert circle(graph(with_wiring=False)) == []
    rooms: dict[str, set[str]] = {}
    for module, others in graph(with_wiring=True).items():
        if module != "wend":
            rooms.setdefault(room(module), set()).update(room(other) for other in others if room(other) != room(module))
    assert circle(rooms) == []


HIDDEN = """
from typing import TYPE_CHECKING
from wend import errors
if TYPE_CHECKING:
    from wend.context import Context
def late():
    from .. import config
    import wend.spec
BODIES = {"envoy": "wend.route.envoy:Envoy"}
"""


def test_no_way_to_import_is_overlooked() -> None:
    plain = {"wend.errors", "wend.context", "wend.config", "wend.spec"}
    assert imports_of("wend.cli.show", HIDDEN, with_wiring=False) == plain
    assert imports_of("wend.cli.show", HIDDEN, with_wiring=True) == {*plain, "wend.route.envoy"}
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})


def test_the_table_is_read_right() -> None:
    names = [floor.name for floor in floors()]
    assert names[0] == "words" and names[-1] == "house"
    assert all(lower.height < upper.height for lower, upper in pairwise(floors()))
    assert {floor.name for floor in floors() if floor.apart} == {"doors", "plugs"}
