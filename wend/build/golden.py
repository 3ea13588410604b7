"""Golden paths as data: one folder each, `golden/NAME/path.toml`, with its template and guide beside it. Pure.

`path.toml` is explained in docs/paths.md. Adding a language means adding a folder; nothing here knows any by name.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from wend.build import images
from wend.build.rules import CONDITIONS, Table, Tree, holds
from wend.errors import Bug, Invalid

HOME = Path(__file__).parent.parent / "golden"
RULES = ("detect", "toolchain", "refuse", "deps", "step", "process", "file")
OPINION = ("because", "reconsider", "outcome")
KEYS = {"title", "gives", "owner", "state", "order", "replacement", "run", "version", "free", *OPINION, *RULES}
STATES = ("trial", "paved", "deprecated", "retired")
# What every path gives; a path.toml says what its own are in [free].
FREE = ("build", "health", "limits", "logs", "metrics", "security", "compliance")
NAME = re.compile(r"[a-z][a-z0-9-]{1,39}")


@dataclass(frozen=True)
class GoldenPath:
    """One way to ship an app. `state`: trial · paved · deprecated · retired. The tuples are the tables of path.toml
    in the order they are tried; `folder` holds the template and the guide, of which `version` is the number. `because`:
    why it is as it is; `reconsider`: what would have to be true for it to be thought over; `outcome`: what people can
    do with it; `free`: what nobody on it has to do, by FREE."""

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
    version: int = 1
    because: str = ""
    reconsider: str = ""
    outcome: str = ""
    free: dict[str, str] = field(default_factory=dict[str, str])

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


def every(own: Path | None = None) -> tuple[GoldenPath, ...]:
    """All golden paths in the order in which detection tries them: those that ship with Wend, and the organisation's
    `own`, one folder each in this folder."""
    mine = [read(file, file.stat().st_mtime_ns) for file in own.glob("[a-z]*/path.toml")] if own else []
    return tuple(sorted((*shipped(), *mine), key=lambda path: (path.order, path.name)))


@cache
def shipped() -> tuple[GoldenPath, ...]:
    return tuple(map(load, sorted(HOME.glob("*/path.toml"))))


@lru_cache(200)
def read(file: Path, at: int) -> GoldenPath:
    """As `load`, once for each time it was written."""
    return load(file)


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
        version=data.get("version", 1),
        free={**free(), **data.get("free", {})},
        **{key: data.get(key, "") for key in OPINION},
    )


@cache
def free() -> dict[str, str]:
    """What is the same on every path."""
    return tomllib.loads((HOME / "free.toml").read_text(encoding="utf-8"))


def check(file: Path, data: dict[str, Any]) -> None:
    """A mistyped rule would never fire and nobody would notice: refuse it when the file is read."""
    unknown = set(data) - KEYS
    for table in RULES:
        for rule in data.get(table, ()):
            unknown |= set(rule.get("when", {})) - CONDITIONS
    unknown |= set(data.get("free", {})) - set(FREE)
    if data.get("version", 1) not in range(1, 10**6):
        raise Bug(f"{file}: version = {data['version']!r} is no number from 1", "see docs/paths.md for the keys")
    if unknown:
        raise Bug(f"{file}: nothing reads {', '.join(sorted(unknown))}", "see docs/paths.md for the keys")


def get(name: str, own: Path | None = None) -> GoldenPath:
    """The path of this name. Raises Invalid naming the nearest."""
    known = {path.name: path for path in every(own)}
    if name not in known:
        close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
        raise Invalid(f"there is no golden path {name!r}", hint)
    return known[name]


def detect(files: Iterable[str], read: Callable[[str], str | None], own: Path | None = None) -> tuple[GoldenPath, str]:
    """The path that fits these files, and why. Raises Invalid that says everything that was looked for."""
    tree = Tree(frozenset(files), read)
    for path in every(own):
        if path.state == "retired":
            continue
        for rule in path.detects:
            if holds(tree, rule.get("when", {})) is not None:
                return path, rule["says"]
    hint = images.hint(tree) or "add a Procfile with the line `web: COMMAND`"
    raise Invalid(f"no golden path fits: {looked_for(tree, own)}", hint)


def looked_for(tree: Tree, own: Path | None = None) -> str:
    """Everything detection looks for, path by path, and what there was instead."""
    wants = "; ".join(f"{path.name} needs {path.looks_for}" for path in every(own) if path.state != "retired")
    top = sorted({file.split("/")[0] + ("/" if "/" in file else "") for file in tree.files})
    there = ", ".join(top[:12]) + (" …" if len(top) > 12 else "") if top else "nothing"
    return f"{wants}. At the top of the repository there is: {there}"
