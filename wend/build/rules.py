"""The small rules a golden path is written in: what a tree holds, and what follows from it. Pure.

A condition is a table whose every key must hold:
  files / any / none   globs over the tree (`*` stays in a folder, `**/` is any depth)
  has / lacks          "package.json:scripts.build": a key of a JSON or TOML file
  installed            paths below the dependency folder
  grep                 { files, pattern }: a line that matches; its named groups, and `file`, `folder` and `module`,
                       become words that commands may use as {word}
  also                 a list of further such greps
"""

from __future__ import annotations

import json
import posixpath
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from wend.errors import Invalid

Table = Mapping[str, Any]
Words = dict[str, str]
CONDITIONS = frozenset({"files", "any", "none", "has", "lacks", "installed", "grep", "also"})
MAX_READ = 2**20


@dataclass(frozen=True)
class Tree:
    """The files of a commit. `read` gives a file's text, or None when there is none that can be read."""

    files: frozenset[str]
    read: Callable[[str], str | None]
    deps: Path | None = None

    def match(self, pattern: str) -> list[str]:
        """The files that fit a glob, shallow ones first, then by name."""
        if "*" not in pattern:
            return [pattern] if pattern in self.files else []
        fits = regex(pattern).fullmatch
        return sorted((file for file in self.files if fits(file)), key=lambda file: (file.count("/"), file))


def on_disk(root: Path, files: Iterable[str], deps: Path | None = None) -> Tree:
    """A Tree whose files lie below `root`."""
    return Tree(frozenset(files), lambda path: read_text(root / path), deps)


def read_text(path: Path) -> str | None:
    """The first MiB of a plain file as text. A symlink is not followed: it may lead out of the tree."""
    if path.is_symlink() or not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(MAX_READ).decode("utf-8-sig", "replace")


@cache
def regex(pattern: str) -> re.Pattern[str]:
    out = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    return re.compile(out)


def holds(tree: Tree, when: Table) -> Words | None:
    """The words this condition found, or None when it does not hold. An empty condition holds."""
    simple = (
        all(tree.match(glob) for glob in when.get("files", ()))
        and ("any" not in when or any(tree.match(glob) for glob in when["any"]))
        and not any(tree.match(glob) for glob in when.get("none", ()))
        and all(value_at(tree, where) is not None for where in when.get("has", ()))
        and all(value_at(tree, where) is None for where in when.get("lacks", ()))
        and all(tree.deps is not None and (tree.deps / file).exists() for file in when.get("installed", ()))
    )
    if not simple:
        return None
    words: Words = {}
    for rule in [*([when["grep"]] if "grep" in when else []), *when.get("also", ())]:
        found = grep(tree, rule["files"], rule["pattern"])
        if found is None:
            return None
        words |= found
    return words


def grep(tree: Tree, globs: Iterable[str], pattern: str) -> Words | None:
    """Where the pattern is first found, as words: its named groups, `file`, and `module` (a/b.py → a.b)."""
    seek = re.compile(pattern, re.MULTILINE)
    for file in (file for glob in globs for file in tree.match(glob)):
        match = seek.search(tree.read(file) or "")
        if match:
            module = file.removesuffix(".py").removesuffix("/__init__").removeprefix("src/").replace("/", ".")
            named = {name: value for name, value in match.groupdict().items() if value}
            return {"file": file, "folder": posixpath.dirname(file), "module": module, **named}
    return None


def first(tree: Tree, rules: Iterable[Table]) -> tuple[Table, Words] | None:
    """The first rule whose `when` holds, with the words it found."""
    for rule in rules:
        words = holds(tree, rule.get("when", {}))
        if words is not None:
            return rule, words
    return None


def value_at(tree: Tree, where: str) -> Any:
    """What "package.json:scripts.build" holds; None when file or key is missing. Raises Invalid for a broken file."""
    file, _, key = where.partition(":")
    value: Any = document(tree, file)
    for part in key.split("."):
        value = cast("dict[str, Any]", value).get(part) if isinstance(value, dict) else None
    return value


def document(tree: Tree, file: str) -> Any:
    text = tree.read(file) if file in tree.files else None
    if text is None:
        return None
    try:
        return tomllib.loads(text) if file.endswith((".toml", ".lock")) else json.loads(text)
    except (ValueError, RecursionError) as error:
        kind = "TOML" if file.endswith((".toml", ".lock")) else "JSON"
        raise Invalid(f"{file} is not valid {kind}: {error}", f"correct {file} and push again") from error


def fill(text: str, words: Mapping[str, str]) -> str:
    """`{word}` replaced where the word is known; every other brace stays, for the shell."""
    return re.sub(r"\{(\w+)\}", lambda match: words.get(match[1], match[0]), text)


def fill_all(table: Mapping[str, str], words: Mapping[str, str]) -> dict[str, str]:
    return {key: fill(value, words) for key, value in table.items()}
