"""Golden paths as data: one folder each, `golden/NAME/path.toml`, with its template and guide beside it. Pure.

`path.toml` is explained in docs/paths.md. Adding a language means adding a folder; nothing here knows any by name.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from wend.build.rules import CONDITIONS, Table, Tree, holds
from wend.errors import Bug, Invalid

HOME = Path(__file__).parent.parent / "golden"
RULES = ("detect", "toolchain", "refuse", "deps", "step", "process", "file")
KEYS = {"title", "gives", "owner", "state", "order", "replacement", "run", *RULES}


@dataclass(frozen=True)
class GoldenPath:
    """One way to ship an app. `state`: trial · paved · deprecated · retired. The tuples are the tables of path.toml
    in the order they are tried; `folder` holds the template and the guide."""

    name: str
    title: str
    gives: str
    owner: str
    state: str
    order: int
    folder: Path
    detects: tuple[Table, ...] = ()
    toolchains: tuple[Table, ...] = ()
    refusals: tuple[Table, ...] = ()
    deps: tuple[Table, ...] = ()
    steps: tuple[Table, ...] = ()
    processes: tuple[Table, ...] = ()
    files: tuple[Table, ...] = ()
    env: dict[str, str] = field(default_factory=dict[str, str])
    bins: tuple[str, ...] = ()
    health: str = "/"
    replacement: str = ""

    @property
    def template(self) -> Path:
        return self.folder / "template"

    @property
    def guide(self) -> Path:
        return self.folder / "guide.md"

    @property
    def looks_for(self) -> str:
        """One sentence part: what makes this path fit."""
        return " or ".join(rule["says"] for rule in self.detects)


@cache
def every() -> tuple[GoldenPath, ...]:
    """All golden paths that ship with Wend, in the order in which detection tries them."""
    return tuple(sorted(map(load, HOME.glob("*/path.toml")), key=lambda path: (path.order, path.name)))


def load(file: Path) -> GoldenPath:
    """The path this `path.toml` describes. Raises Bug naming the key that nothing reads."""
    data: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    check(file, data)
    run: Table = data.get("run", {})
    return GoldenPath(
        name=file.parent.name,
        title=data["title"],
        gives=data["gives"],
        owner=data["owner"],
        state=data["state"],
        order=data["order"],
        folder=file.parent,
        detects=tuple(data["detect"]),
        toolchains=tuple(data.get("toolchain", ())),
        refusals=tuple(data.get("refuse", ())),
        deps=tuple(data.get("deps", ())),
        steps=tuple(data.get("step", ())),
        processes=tuple(data.get("process", ())),
        files=tuple(data.get("file", ())),
        env=dict(run.get("env", {})),
        bins=tuple(run.get("bin", ())),
        health=run.get("health", "/"),
        replacement=data.get("replacement", ""),
    )


def check(file: Path, data: dict[str, Any]) -> None:
    """A mistyped rule would never fire and nobody would notice: refuse it when the file is read."""
    unknown = set(data) - KEYS
    for table in RULES:
        for rule in data.get(table, ()):
            unknown |= set(rule.get("when", {})) - CONDITIONS
    if unknown:
        raise Bug(f"{file}: nothing reads {', '.join(sorted(unknown))}", "see docs/paths.md for the keys")


def get(name: str) -> GoldenPath:
    """The path of this name. Raises Invalid naming the nearest."""
    known = {path.name: path for path in every()}
    if name not in known:
        close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
        raise Invalid(f"there is no golden path {name!r}", hint)
    return known[name]


def detect(files: Iterable[str], read: Callable[[str], str | None]) -> tuple[GoldenPath, str]:
    """The path that fits these files, and why. Raises Invalid that says everything that was looked for."""
    tree = Tree(frozenset(files), read)
    for path in every():
        if path.state == "retired":
            continue
        for rule in path.detects:
            if holds(tree, rule.get("when", {})) is not None:
                return path, rule["says"]
    raise Invalid(f"no golden path fits: {looked_for(tree)}", "add a Procfile with the line `web: COMMAND`")


def looked_for(tree: Tree) -> str:
    """Everything detection looks for, path by path, and what there was instead."""
    wants = "; ".join(f"{path.name} needs {path.looks_for}" for path in every() if path.state != "retired")
    top = sorted({file.split("/")[0] + ("/" if "/" in file else "") for file in tree.files})
    there = ", ".join(top[:12]) + (" …" if len(top) > 12 else "") if top else "nothing"
    return f"{wants}. At the top of the repository there is: {there}"
