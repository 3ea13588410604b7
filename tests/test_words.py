"""Every word people meet has its heading in docs/, and no heading lacks its code.

A heading that starts with code, like "### `wend up`", is a promise that the thing exists: an event kind, a setting, a
key of wend.toml, a command, a driver, a router, a signal, a guardrail, a golden path, or a file in this repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import click
import pytest

from wend import config, events, schema, spec
from wend.cli import wend
from wend.guardrails.rules import RULES
from wend.route import ROUTERS
from wend.run import DRIVERS
from wend.signals.definitions import DEFINITIONS

ROOT = Path(__file__).parent.parent
HEADING = re.compile(r"#{1,6} +(.*)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FREE = {"process": "NAME", "hatch": "KIND", "env": "NAME"}


def keys(table: Mapping[str, object], at: tuple[str, ...] = ()) -> Iterator[str]:
    """Every key of wend.toml with its table; the app's own words become NAME and KIND."""
    for key, value in table.items():
        shown = FREE[at[0]] if len(at) == 1 and at[0] in FREE else key
        if isinstance(value, dict) and key not in schema.OPEN:
            yield from keys(value, (*at, shown))
        else:
            yield ".".join((*at, shown))


def commands() -> set[str]:
    context = click.Context(wend)
    found = {name: wend.get_command(context, name) for name in wend.list_commands(context)}
    return {f"wend {name}" for name, command in found.items() if command and not command.hidden}


@cache
def words() -> dict[str, set[str]]:
    golden = Path(spec.__file__).parent / "golden"
    return {
        "event kind": set(events.KINDS),
        "setting": {setting.name for setting in config.SETTINGS},
        "wend.toml key": set(keys(schema.example())),
        "command": commands(),
        "driver": set(DRIVERS),
        "router": set(ROUTERS),
        "signal": set(DEFINITIONS),
        "guardrail": {rule.id for rule in RULES},
        "golden path": {file.parent.name for file in golden.glob("*/path.toml")},
    }


@cache
def pages() -> dict[Path, list[str]]:
    """Page → its lines outside fences."""
    found: dict[Path, list[str]] = {}
    for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]):
        parts = re.split(r"^```.*?^```\s*$", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        found[page] = "\n".join(parts).splitlines()
    return found


@cache
def headings() -> dict[str, Path]:
    """Code at the start of a heading → the page it is on."""
    lines = [(page, line) for page, lines in pages().items() for line in lines]
    titles = [(page, match[1]) for page, line in lines if (match := HEADING.match(line))]
    return {match[1]: page for page, title in titles if (match := re.match(r"`([^`]+)`", title))}


def anchors(page: Path) -> set[str]:
    """The names that links to headings use."""
    titles = [match[1] for line in pages()[page] if (match := HEADING.match(line))]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("kind", sorted(words()))
def test_every_word_has_its_heading(kind: str) -> None:
    assert words()[kind], f"no {kind} was found at all"
    assert sorted(words()[kind] - set(headings())) == []


def test_no_heading_lacks_its_code() -> None:
    known = set().union(*words().values())
    # dist files and the virtual environment are not ours, so only folders that are
    ours = [folder for folder in ROOT.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    files = {file.name for folder in ours for file in folder.rglob("*") if file.is_file()} | {
        f.name for f in ROOT.iterdir()
    }
    assert {code: page.name for code, page in headings().items() if code not in known and code not in files} == {}


def test_links_between_pages_lead_somewhere() -> None:
    broken: list[str] = []
    for page, lines in pages().items():
        for target in LINK.findall("\n".join(lines)):
            path, _, anchor = target.partition("#")
            there = (page.parent / path).resolve() if path else page
            outside = re.match(r"[a-z]+:", target)
            if not outside and (not there.exists() or (anchor and there in pages() and anchor not in anchors(there))):
                broken.append(f"{page.name}: {target}")
    assert broken == []


def test_keys_are_read_right() -> None:
    table = {"app": "a", "process": {"web": {"command": "x"}}, "env": {"LOG": "x"}, "release": {"command": "y"}}
    assert list(keys(table)) == ["app", "process.NAME.command", "env.NAME", "release.command"]
