"""Prove a path in a process of its own: its template is written, and what comes out must fit the path.

python -m wend.paths.proof FOLDER
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path

from wend import paths
from wend.build import golden
from wend.errors import Invalid

MEMORY = 2 * 2**30  # bytes of addresses that this process may use


def prove(folder: Path) -> None:
    """Raises Invalid."""
    path = golden.load(folder / "path.toml")
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / "my-app"
        paths.render(path, "my-app", made)
        files = {file.relative_to(made).as_posix() for file in made.rglob("*") if file.is_file()}
        found, _ = golden.detect(files, lambda name: read(made / name), folder.parent)
        if paths.ANSWERS not in files:
            raise Invalid(f"it writes no {paths.ANSWERS}: nothing it makes could be updated", "docs/paths.md")
        if found.name != path.name and f'path = "{path.name}"' not in (read(made / "wend.toml") or ""):
            raise Invalid(f"what it writes is taken for {found.name}", f'write path = "{path.name}" into its wend.toml')


def read(file: Path) -> str | None:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else None


def main(words: list[str]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    prove(Path(words[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
