"""The shape of `wend.toml`: what its commented example shows is what may be written.

A key that the example does not show is refused with the nearest that it does, and a value must be of the kind shown.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from wend.errors import Invalid

OPEN = frozenset({"route", "cluster"})  # of a hatch: in the words of another program, which checks them
FREE = frozenset({"process", "env", "hatch", "cron", "resources"})  # tables whose next key is the app's own word


class Either(tuple[Any, ...]):
    """What a key may look like, when the example shows it in more than one shape."""

    __slots__ = ()


@cache
def example() -> dict[str, Any]:
    """The commented example, parsed."""
    return tomllib.loads(example_text())


def example_text() -> str:
    """The commented example as it stands: the reference page and what `wend init` writes."""
    return (Path(__file__).parent / "wend.example.toml").read_text(encoding="utf-8")


def check_against(shown: Any, given: Any, at: tuple[str, ...] = ()) -> None:
    """Refuse keys that the example does not show, and values of another kind. Raises Invalid naming key and value."""
    where = ".".join(at) or "wend.toml"
    if isinstance(shown, Either):
        shown = next((one for one in shown if isinstance(one, dict) == isinstance(given, dict)), shown[0])
    if not isinstance(shown, dict):
        check_kind(shown, given, where)
        return
    said = as_table(given)
    if said is None:
        raise Invalid(f"wend.toml: {where} = {given!r} must be a table", f"write it as [{where}]")
    if len(at) == 3 and at[0] == "hatch" and at[2] in OPEN:
        return
    known = as_table(shown) or {}
    for key, value in said.items():
        if len(at) == 1 and at[0] in FREE:
            check_against(together(known), value, (*at, key))
        elif key in known:
            check_against(known[key], value, (*at, key))
        else:
            raise Invalid(f"wend.toml: unknown key {'.'.join((*at, key))!r}", nearest(key, known))


def together(known: Mapping[str, Any]) -> Any:
    """The one shape of a free table's entries: everything that any of the shown ones has."""
    if not all(isinstance(one, dict) for one in known.values()):
        return next(iter(known.values()))
    shapes: dict[str, Any] = {}
    for entry in known.values():
        for key, value in entry.items():
            before = shapes.setdefault(key, value)
            if isinstance(before, dict) != isinstance(value, dict):
                shapes[key] = Either([before, value])
    return shapes


def as_table(value: Any) -> dict[str, Any] | None:
    """A TOML table as what it is: keys are text. None for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def check_kind(shown: Any, given: Any, where: str) -> None:
    """A number where a number is shown, text where text is; where a list is shown, a word may stand for one (which
    words, the parser knows)."""
    if isinstance(shown, list):
        fits = isinstance(given, list | str)
    elif isinstance(shown, bool):
        fits = isinstance(given, bool)
    elif isinstance(shown, int | float):
        fits = isinstance(given, int | float) and not isinstance(given, bool) and abs(given) < 2**53
    else:
        fits = isinstance(given, type(shown)) or (where.startswith("env.") and isinstance(given, int | float))
    if not fits:
        raise Invalid(f"wend.toml: {where} = {given!r} is not of the right kind", f"write it like {where} = {shown!r}")


def nearest(word: str, known: Mapping[str, Any]) -> str:
    """The hint for a mistyped key."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(sorted(known))}"
