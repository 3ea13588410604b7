"""What an app uses of what the platform offers, by name: whatever has a name can be on its way out. Pure.

`path:python-web` · `template:python-web@2` · `toolchain:python@3.11.7` · `hatch:build` · `setting:process.*.boot`
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from wend.build import Artifact
from wend.build.origin import ANSWERS, made_from
from wend.build.rules import Tree
from wend.spec import Spec

NAMED = frozenset({"process", "cron", "resources", "hatch"})  # tables whose keys are names that people chose
KINDS = ("path", "template", "toolchain", "hatch", "setting", "part", "api")


def of_tree(tree: Tree, wanted: Spec) -> tuple[str, ...]:
    """Before a build: the template, hatches and settings."""
    origin = made_from(tree.read(ANSWERS))
    found = {f"hatch:{kind}" for kind in wanted.hatches} | {f"setting:{key}" for key in settings(tree)}
    found |= {f"template:{origin[0]}@{origin[1]}"} if origin else set()
    return tuple(sorted(found))


def settings(tree: Tree) -> Iterator[str]:
    """Every key of wend.toml, with names that people chose as `*`. (It was parsed already, so it can be.)"""
    text = tree.read("wend.toml")
    yield from keys(tomllib.loads(text)) if text else ()


def keys(table: Mapping[str, Any], at: tuple[str, ...] = ()) -> Iterator[str]:
    for key, value in table.items():
        here = (*at, "*" if at and at[-1] in NAMED else key)
        yield ".".join(here)
        if isinstance(value, dict) and here != ("env",):
            yield from keys(cast("dict[str, Any]", value), here)


def of_artifact(made: Artifact) -> tuple[str, ...]:
    """What a build adds: the path that fitted, and the toolchains."""
    return (f"path:{made.path}", *(f"toolchain:{tool}" for tool in made.tools))


def everything(uses: Iterable[str] | None, parts: Iterable[str] | None) -> list[str]:
    """The names and the dependencies as one list."""
    return [*(uses or ()), *(f"part:{one}" for one in parts or ())]
