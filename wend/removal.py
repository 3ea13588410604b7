"""What is taken out of a repository when its path can do what a hatch was for; the rest stays as people wrote it.

The lines go, and the file is read again: where that is not just what was meant to go, nothing is proposed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from wend import departures, spec
from wend.build import images
from wend.errors import Refused

HEADER = re.compile(r"\s*\[\s*([^\[\]#]+?)\s*\]\s*(#.*)?")
KEY = re.compile(r"""\s*["']?([A-Za-z0-9_-]+)["']?\s*=""")
Key = tuple[str, ...]


def without(folder: Path, kind: str, starts: Collection[str] = ()) -> dict[str, int]:
    """The report: how many lines or files went. `starts`: the process types that the path has a command for.

    Raises Refused when wend.toml is written in a way that only a person can change."""
    if kind == "dockerfile":
        there = [folder / name for name in images.FILES if (folder / name).is_file()]
        for file in there:
            file.unlink()
        return {"removed": len(there)}
    file = folder / "wend.toml"
    if not file.is_file() or file.is_symlink():
        return {"removed": 0}
    text = file.read_text(encoding="utf-8")
    said = spec.load(text)
    gone = set(departing(said, kind, starts))
    kept = list(staying(text, gone))
    left = "".join(kept).rstrip("\n") + "\n"
    if read(left) != less(said, gone):
        hint = f"take it out by hand: {', '.join('.'.join(key) for key in sorted(gone))}"
        raise Refused("wend.toml is written in a way that its lines cannot be taken out one by one", hint)
    file.write_text(left, encoding="utf-8")
    return {"removed": text.count("\n") - left.count("\n")}


def departing(said: Mapping[str, Any], kind: str, starts: Collection[str]) -> Iterator[Key]:
    """The tables and keys that are the hatch."""
    if kind in said.get("hatch", {}):
        yield ("hatch", kind)
    for name, table in said.get("process", {}).items():
        if kind == "command" and name in starts and "command" in table:
            yield ("process", name, "command")
        if kind == "limits":
            process = spec.process(name, table)
            yield from (("process", name, key) for key in departures.beyond(process) if key in table)


def staying(text: str, gone: Collection[Key]) -> Iterator[str]:
    """The lines without those of what is gone. A comment right before the next table is about that one."""
    at: Key = ()
    above: list[str] = []
    for line in text.splitlines(keepends=True):
        header, key = HEADER.fullmatch(line.rstrip("\r\n")), KEY.match(line)
        at = tuple(part.strip(" \t\"'") for part in header[1].split(".")) if header else at
        here = (*at, key[1]) if key and not header else at
        if not any(here[: len(one)] == one for one in gone):
            yield from (*above, line) if header else (line,)
            above = []
        else:
            above = [*above, line] if line.lstrip().startswith("#") and not header else []


def less(said: Mapping[str, Any], gone: Collection[Key], at: Key = ()) -> dict[str, Any]:
    """The tables without what is gone, and without tables that have nothing else."""
    found: dict[str, Any] = {}
    for key, value in said.items():
        here = (*at, key)
        if here in gone:
            continue
        inner = less(cast("Mapping[str, Any]", value), gone, here) if isinstance(value, dict) else value
        if inner != {}:
            found[key] = inner
    return found


def read(text: str) -> dict[str, Any] | None:
    """The tables of the text that say something; None when it cannot be read."""
    try:
        return less(tomllib.loads(text), ())
    except tomllib.TOMLDecodeError:
        return None
