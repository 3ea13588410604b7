"""Which template an app was made from, as `.copier-answers.yml` in it says. Pure, but for writing it down."""

from __future__ import annotations

import re
from pathlib import Path

ANSWERS = ".copier-answers.yml"
SOURCE = re.compile(r"^_src_path: *(?:wend:|\S*/golden/)([a-z0-9-]+)(?:/template)?/? *$", re.MULTILINE)
COMMIT = re.compile(r"^_commit: *v?(\d{1,6}) *$", re.MULTILINE)


def made_from(answers: str | None) -> tuple[str, int] | None:
    """The path and the version of its template that these answers are of; None when they are of none of ours. What was
    made before versions were written down is of the first."""
    source = SOURCE.search(answers or "")
    if not source:
        return None
    commit = COMMIT.search(answers or "")
    return source[1], int(commit[1]) if commit else 1


def remember(answers: Path, path: str, version: int) -> None:
    """Write down by name, and not by a folder of some machine, what the app was made from."""
    if answers.is_file():
        lines = answers.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if not line.startswith(("_src_path:", "_commit:"))]
        head = next((at for at, line in enumerate(kept) if not line.startswith("#")), len(kept))
        fresh = [*kept[:head], f"_commit: v{version}", f"_src_path: wend:{path}", *kept[head:]]
        answers.write_text("\n".join(fresh) + "\n", encoding="utf-8")
