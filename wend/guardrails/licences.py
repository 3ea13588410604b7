"""Which licences ask for a word with somebody before they go into a product. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from wend.guardrails.hits import Hit
from wend.guardrails.parts import Part

# By SPDX's identifiers and by how packages write them. Those bind who offers the app over a network, or forbid it.
BINDING = re.compile(
    r"\b(AGPL|Affero|SSPL|Server Side Public|BUSL|Business Source|Commons Clause|Elastic-2|CC-BY-NC|NonCommercial"
    r"|Non-Commercial|UNLICENSED|Proprietary)\b",
    re.IGNORECASE,
)
EITHER = re.compile(r"\s+OR\s+|\s*/\s*", re.IGNORECASE)
NAMED = 5  # packages of one finding that are named


def looked(parts: Iterable[Part]) -> tuple[Hit, ...] | None:
    """The parts whose licence binds, and those that name none; None when nobody looked at any licence."""
    every = list(parts)
    if any(one.licence is None for one in every):
        return None
    return (*binding(every), *silent(every))


def binding(parts: Iterable[Part]) -> Iterator[Hit]:
    """Where one may choose, one licence that does not bind is enough."""
    for one in parts:
        if one.licence and all(BINDING.search(word) for word in EITHER.split(one.licence)):
            yield Hit(f"{one.ecosystem}/{one.name}", f"licence {one.licence}")


def silent(parts: Iterable[Part]) -> Iterator[Hit]:
    names = sorted(one.name for one in parts if one.licence == "")
    if names:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        yield Hit("dependencies", f"no licence is named by {', '.join(names[:NAMED])}{more}")
