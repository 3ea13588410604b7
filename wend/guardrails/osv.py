"""What an OSV record says of a package, and whether it is about a version of it. Pure.

Source: https://ossf.github.io/osv-schema/ (1.6): `affected[].package`, `versions`, and `ranges` with `events`,
evaluated as its section "Evaluation" says; SemVer 2.0 for npm and Go, PEP 440 for PyPI.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from packaging.version import InvalidVersion, Version

from wend.guardrails.parts import normal

ECOSYSTEMS = {"PyPI": "pypi", "npm": "npm", "Go": "go"}
SEMVER = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.\-]+))?(?:\+.*)?")
Item = dict[str, Any]


def rows(record: Mapping[str, Any]) -> Iterator[Item]:
    """What an OSV record says of each package of an ecosystem that we know; nothing when it was withdrawn."""
    if record.get("withdrawn"):
        return
    cves = [one for one in record.get("aliases", ()) if str(one).startswith("CVE-")]
    for one in record.get("affected", ()):
        package = one.get("package", {})
        ecosystem = ECOSYSTEMS.get(str(package.get("ecosystem", "")).partition(":")[0])
        if ecosystem is None:
            continue
        name = normal(package["name"]) if ecosystem == "pypi" else str(package["name"])
        ranges = [each.get("events", []) for each in one.get("ranges", ()) if each.get("type") != "GIT"]
        about = {"id": str(record["id"]), "cve": cves[:1], "versions": list(one.get("versions", ())), "ranges": ranges}
        yield {"ecosystem": ecosystem, "name": name, "about": about}


def modified(record: Mapping[str, Any]) -> int:
    """When it was changed last, in Unix microseconds; 0 when it does not say."""
    try:
        at = datetime.fromisoformat(str(record.get("modified", "")).replace("Z", "+00:00"))
        return int(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * 1e6)
    except ValueError:
        return 0


def ordered(ecosystem: str, version: str) -> Any:
    """The version as something that can be compared with others of its ecosystem. Raises ValueError."""
    if ecosystem == "pypi":
        try:
            return Version(version)
        except InvalidVersion as error:
            raise ValueError(str(error)) from error
    match = SEMVER.fullmatch(version)
    if not match:
        raise ValueError(f"{version!r} is no version")
    numbers = tuple(int(one or 0) for one in match.groups()[:3])
    return (*numbers, match[4] is None, tuple(map(before, (match[4] or "").split("."))))


def before(word: str) -> tuple[bool, int, str]:
    """One identifier of a pre-release: numbers come before words (SemVer 2.0, 11)."""
    return (not word.isdigit(), int(word) if word.isdigit() else 0, word)


def affects(about: Mapping[str, Any], ecosystem: str, version: str) -> str | None:
    """None when this version is well; else the version in which it is mended, "" when there is none yet. Raises
    ValueError when versions cannot be compared."""
    fixed = [str(event["fixed"]) for events in about["ranges"] for event in events if "fixed" in event]
    if version in about["versions"] or version.removeprefix("v") in about["versions"]:
        return next_after(fixed, ecosystem, version)
    if not about["ranges"]:
        return None
    mine = ordered(ecosystem, version)
    return (
        next_after(fixed, ecosystem, version) if any(inside(one, ecosystem, mine) for one in about["ranges"]) else None
    )


def inside(events: Iterable[Mapping[str, str]], ecosystem: str, mine: Any) -> bool:
    """Whether the version is in the range: the last event at or before it says so."""
    told = [(kind, value) for event in events for kind, value in event.items() if kind != "limit"]
    placed = [((), kind) if value == "0" else ((ordered(ecosystem, value),), kind) for kind, value in told]
    there = False
    for at, kind in sorted(placed):  # "0" is before every version
        if kind == "introduced" and (mine,) >= at:
            there = True
        elif (kind == "fixed" and (mine,) >= at) or (kind == "last_affected" and (mine,) > at):
            there = False
    return there


def next_after(fixed: Iterable[str], ecosystem: str, version: str) -> str:
    """The first of the mended versions after this one."""
    try:
        mine = ordered(ecosystem, version)
        later = [one for one in fixed if ordered(ecosystem, one) > mine]
        return min(later, key=lambda one: ordered(ecosystem, one), default="")
    except ValueError:
        return ""
