"""What an app is made of: its dependencies by name and version, from its lock files or from what was installed. Pure.

A part is written "pypi/jinja2@3.1.6". What a build installed is the truth; a lock file is what is known before it.
Sources: PEP 503 (names of Python packages), npm's package-lock v2 and v3, yarn's and pnpm's lock files, go.mod.
"""

from __future__ import annotations

import email.parser
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from wend.build.rules import Tree

MOST = 5000  # parts of one app
EXACT = re.compile(r"^\s*([A-Za-z0-9][\w.\-]*)(?:\[[^\]]*\])?\s*===?\s*([\w.!+\-]+)")
GO = re.compile(r"^\s*(?:require\s+)?([\w.\-]+\.[\w.\-]+/\S+|[\w.\-]+\.[\w.\-]+)\s+(v[\w.\-+]+)", re.MULTILINE)
YARN = re.compile(r'^"?(@?[^@\s"]+)@[^\n]*:\n\s+version:? "?([\w.\-+]+)"?', re.MULTILINE)
PNPM = re.compile(r"^  '?/?(@?[^@\s'(]+)@([\w.\-+]+)(?:\([^\n]*\))?'?:\s*$", re.MULTILINE)
CLASSIFIER = "License :: "


@dataclass(frozen=True, order=True)
class Part:
    """One dependency. `licence`: what it says of itself; "" when it says nothing, None when nobody looked."""

    ecosystem: str
    name: str
    version: str
    licence: str | None = None

    def __str__(self) -> str:
        return f"{self.ecosystem}/{self.name}@{self.version}"


class Unread(Exception):
    """A lock file that is there and that nobody here can read; its words say which."""


def read_back(text: str) -> Part:
    """The part of this text."""
    ecosystem, _, rest = text.partition("/")
    name, _, version = rest.rpartition("@")
    return Part(ecosystem, name, version)


def normal(name: str) -> str:
    """A Python package's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


# ---------------------------------------------------------------------------------------------- lock files


def of_tree(tree: Tree) -> list[Part]:
    """What the lock files name, without what is for development alone. Raises Unread."""
    found: set[Part] = set()
    for file, reader in READERS.items():
        if file in tree.files:
            try:
                found |= set(reader(tree.read(file) or ""))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise Unread(f"{file}, which cannot be read: {str(error)[:80]}") from error
    if len(found) > MOST:
        raise Unread(f"all of {len(found):,} dependencies, more than {MOST:,}")
    return sorted(found)


def toml_lock(text: str) -> Iterator[Part]:
    for one in tomllib.loads(text).get("package", ()):
        source: Any = one.get("source") or {}
        local = isinstance(source, dict) and {"editable", "virtual", "directory", "path"} & source.keys()
        if not local and "version" in one:
            yield Part("pypi", normal(one["name"]), one["version"])


def requirements(text: str) -> Iterator[Part]:
    for line in text.splitlines():
        if match := EXACT.match(line):
            yield Part("pypi", normal(match[1]), match[2])


def npm_lock(text: str) -> Iterator[Part]:
    for where, one in json.loads(text).get("packages", {}).items():
        name = one.get("name") or where.rpartition("node_modules/")[2]
        if "node_modules/" in where and one.get("version") and not one.get("dev") and not one.get("link"):
            yield Part("npm", name, one["version"], spoken(one.get("license")))


def by(ecosystem: str, pattern: re.Pattern[str]) -> Callable[[str], Iterable[Part]]:
    return lambda text: (Part(ecosystem, name, version) for name, version in pattern.findall(text))


READERS: dict[str, Callable[[str], Iterable[Part]]] = {
    "uv.lock": toml_lock,
    "poetry.lock": toml_lock,
    "requirements.txt": requirements,
    "package-lock.json": npm_lock,
    "yarn.lock": by("npm", YARN),
    "pnpm-lock.yaml": by("npm", PNPM),
    "go.mod": by("go", GO),
}


# ---------------------------------------------------------------------------------------------- what was installed


def installed(folders: Iterable[Path]) -> list[Part]:
    """The Python and npm packages in these folders of dependencies, with their licences."""
    found: set[Part] = set()
    for folder in folders:
        for file in folder.glob("venv/lib/python*/site-packages/*.dist-info/METADATA"):
            found.add(of_metadata(file.read_text(encoding="utf-8", errors="replace")))
        for pattern in ("node_modules/*/package.json", "node_modules/@*/*/package.json"):
            found |= {one for file in folder.glob(pattern) if (one := of_package(file))}
    return sorted(found, key=str)[:MOST]


def of_metadata(text: str) -> Part:
    """A Python package by its core metadata (PEP 639's expression first, then what there was before it)."""
    said = email.parser.HeaderParser().parsestr(text)
    known = [one.rpartition(" :: ")[2] for one in said.get_all("Classifier", []) if one.startswith(CLASSIFIER)]
    old = str(said.get("License", "")).strip().splitlines()
    licence = said.get("License-Expression") or (" OR ".join(known) if known else old[0][:100] if old else "")
    return Part("pypi", normal(str(said.get("Name", ""))), str(said.get("Version", "")), str(licence))


def of_package(file: Path) -> Part | None:
    try:
        one = json.loads(file.read_text(encoding="utf-8", errors="replace"))
        return Part("npm", str(one["name"]), str(one["version"]), spoken(one.get("license")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def spoken(licence: Any) -> str:
    """npm's field as text: it was an object once."""
    said = cast("dict[str, Any]", licence).get("type", "") if isinstance(licence, dict) else licence or ""
    return str(said)[:100]
