"""Departures from the path that nobody declared and that a push shows: they count like the declared ones. Pure.

Nothing is forbidden by it, and nobody is told off: it asks why in one line, so that the path can learn.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date

from wend.build import images
from wend.build.golden import GoldenPath
from wend.build.rules import Tree
from wend.spec import Hatch, Process, Spec

MEMORY = 2 * 2**30  # bytes for one process beyond which the path's own limits do not fit
BOOT = 300.0  # seconds
PROCESSES = 2048
SOON = 14  # days before its end that a hatch is spoken of


def seen(tree: Tree, wanted: Spec, path: GoldenPath) -> Iterator[str]:
    """The kinds: an image of its own, a start command where the path has one, limits beyond the path's."""
    if any(name in tree.files for name in images.FILES):
        yield "dockerfile"
    starts = {rule["name"] for rule in path.processes}
    if any(one.command and name in starts for name, one in wanted.processes.items()):
        yield "command"
    if any(beyond(one) for one in wanted.processes.values()):
        yield "limits"


def beyond(one: Process) -> list[str]:
    """The keys of a process that are beyond the path's limits."""
    over = {
        "memory": (one.memory or 0) > MEMORY,
        "boot": one.boot > BOOT,
        "processes": (one.processes or 0) > PROCESSES,
    }
    return [key for key, so in over.items() if so]


def with_seen(wanted: Spec, kinds: Iterator[str]) -> Spec:
    """The spec with what was seen beside what was declared; what was declared has its own words."""
    return replace(wanted, hatches={**{kind: Hatch(kind, None, "") for kind in kinds}, **wanted.hatches})


def asks(hatches: Mapping[str, Hatch], explained: Collection[str], app: str, today: date) -> Iterator[str]:
    """What a push says of them: why, once, and when one meant to be back."""
    for kind, hatch in hatches.items():
        left = None if hatch.until is None else (hatch.until - today).days
        if not hatch.reason and kind not in explained:
            yield f'{kind}: why does the path not fit? Say it once it is live: wend hatches explain {kind} -a {app} "…"'
        elif left is not None and left < 0:
            yield f"{kind}: you meant to be back on the path by {hatch.until}. What is missing? wend hatches"
        elif left is not None and left <= SOON:
            yield f"{kind}: {left} days left until you meant to be back on the path"
