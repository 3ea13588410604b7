"""Which of the versions that are there is the one that was asked for. Pure.

Three dialects: `exact` ("3.12" takes 3.12.1), `least` (go.mod's: that or newer), `range` (PEP 440 and npm's).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version


def choose(asked: str, dialect: str, offered: Iterable[str], default: str) -> str | None:
    """The version to use, the default where it fits and the newest otherwise; None when none fits."""
    ordered = sorted(set(offered), key=lambda v: (v == default, key(v)), reverse=True)
    return next((version for version in ordered if fits(version, asked.strip(), dialect)), None)


def key(version: str) -> Version:
    try:
        return Version(version)
    except InvalidVersion:
        return Version("0")


def fits(version: str, asked: str, dialect: str) -> bool:
    """Whether `version` (which may be a whole line of versions, like "22" or "1.27") is what was asked for."""
    if dialect == "exact":
        return version == asked or f"{version}.".startswith(f"{asked}.")
    if dialect == "least":
        parts = len(version.split("."))
        return key(version) >= key(".".join(asked.split(".")[:parts]))
    return any(fits_set(version, part) for part in asked.split("||"))


def fits_set(version: str, asked: str) -> bool:
    """A line like "22" fits when some version of it could: its first, its last, and those that the range names."""
    try:
        wanted = SpecifierSet(",".join(pep440(part) for part in clauses(asked)))
    except InvalidSpecifier:
        return False
    if version.count(".") > 1:
        return Version(version) in wanted
    named = [number for number in re.findall(r"\d+(?:\.\d+)+", asked) if number.startswith(f"{version}.")]
    return any(Version(one) in wanted for one in (f"{version}.0", f"{version}.9999", *named))


def clauses(asked: str) -> list[str]:
    """The single comparisons of a range: "1 - 3" is spelled out, and a space after an operator is dropped."""
    asked = re.sub(r"(\S+)\s+-\s+(\S+)", r">=\1 <=\2", asked)
    asked = re.sub(r"([<>=~^!]+)\s+", r"\1", asked)
    return [part for part in re.split(r"[\s,]+", asked) if part]


def pep440(clause: str) -> str:
    """One npm comparison in PEP 440's words: ^1.2 → >=1.2,<2 · ~1.2.3 → >=1.2.3,<1.3 · 18.x, v18 → ==18.*"""
    if clause in ("*", "x", "latest", "node", "stable", "current") or clause.startswith("lts"):
        return ">=0"
    match = re.fullmatch(r"([<>=~^!]*)v?(\d+(?:\.\d+)*)((?:\.[xX*])*)", clause)
    if not match or match[1] in ("~=", "!=", "==="):
        return clause
    sign, number, wild = match.groups()
    major, *rest = number.split(".")
    if sign == "^":
        return f">={number},<{int(major) + 1}"
    if sign == "~":
        return f">={number},<{major}.{int(rest[0]) + 1}" if rest else f"=={major}.*"
    if sign in ("", "=", "=="):
        return f"=={number}.*" if wild or len(rest) < 2 else f"=={number}"
    return f"{sign}{number}" if sign != "<=" or len(rest) > 1 else f"<{number}.99999"
