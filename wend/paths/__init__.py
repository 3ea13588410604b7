"""Golden paths for people: which there are, which fits, and a new app from one.

The paths themselves are data in `golden/`; how they are read is the build plug's business. An organisation's own lie in
a folder of its home (`catalogue.py`); a path as a product is `product.py`'s business, and newer templates for apps that
were made from older ones are `update.py`'s.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from wend.build import golden
from wend.build.golden import GoldenPath
from wend.build.origin import ANSWERS, remember
from wend.errors import Conflict, Invalid
from wend.spec import app_name


def all(own: Path | None = None) -> list[GoldenPath]:
    """Every golden path, in the order in which detection tries them. `own`: the folder of the organisation's own."""
    return list(golden.every(own))


def get(name: str, own: Path | None = None) -> GoldenPath:
    """The path of this name. Raises Invalid naming the nearest."""
    return golden.get(name, own)


def detect(files: Iterable[str], read: Callable[[str], str | None]) -> tuple[GoldenPath, str]:
    """The path that fits these files (relative, with /), and why. Raises Invalid that says what was looked for."""
    return golden.detect(files, read)


def new(path: str, name: str, dest: Path, own: Path | None = None) -> Path:
    """Scaffold an app from the path's template into `dest`, which must be new or empty. Returns `dest`.

    The answers are kept in `.copier-answers.yml`, so that a later template can be merged into the app."""
    golden_path = get(path, own)
    app_name(name)
    if dest.exists() and (not dest.is_dir() or any(dest.iterdir())):
        raise Conflict(f"{dest} is there already and not empty", "choose another folder, or move it away")
    if not golden_path.template.is_dir():
        raise Invalid(f"{path} has no template", f"the other paths: {', '.join(one.name for one in all(own))}")
    render(golden_path, name, dest)
    return dest


def render(path: GoldenPath, name: str, dest: Path) -> None:
    from copier import run_copy  # late: it takes a while to import, and only this needs it

    fresh = not dest.exists()
    answers = {"app": name, "title": name.replace("-", " ").title(), "module": name.replace("-", "_")}
    try:
        run_copy(str(path.template), dest, data=answers, defaults=True, quiet=True, vcs_ref=None)
    except Exception:
        if fresh:
            shutil.rmtree(dest, ignore_errors=True)
        raise
    remember(dest / ANSWERS, path.name, path.version)
