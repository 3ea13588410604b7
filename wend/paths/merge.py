"""Merge what a template changed since an app was made from it. Run as a program, in a process of its own: a template is
code, and an app's answers are anybody's.

    python -m wend.paths.merge APP TEMPLATE OLD NEW

APP is a checkout (a git repository with nothing uncommitted), TEMPLATE the repository of the template's versions. It
prints what became of each of the template's files as JSON. Copier merges; because that merges only what changed between
two versions, every file is also held against what the new version alone would write: one that went its own way once is
seen each time (epics-containers.github.io 232: such a file never heals, while the answers claim the newest).
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, field
from difflib import unified_diff
from pathlib import Path
from typing import Any, cast

from wend.build.origin import ANSWERS, remember

MOST = 256 * 2**10  # bytes of the answers
SHOWN = 60  # lines of a difference
MEMORY = 2 * 2**30  # bytes of addresses that this process may use
LARGE = 2**20  # bytes of a file that is compared


@dataclass
class Report:
    """`updated`: what the merge changed; `same`: as the new version writes it; `diverged`: file → how it differs from
    that; `conflicts`: file → what of the update did not fit, and is not in it; `gone`: of the template's, not there any
    more."""

    updated: list[str] = field(default_factory=list[str])
    same: list[str] = field(default_factory=list[str])
    diverged: dict[str, str] = field(default_factory=dict[str, str])
    conflicts: dict[str, str] = field(default_factory=dict[str, str])
    gone: list[str] = field(default_factory=list[str])


def merge(app: Path, template: Path, name: str, old: int, new: int) -> Report:
    """Update the checkout in place, and commit nothing."""
    from copier import run_update

    answers, source, report = app / ANSWERS, f"git+file://{template}", Report()
    begun = git(app, "rev-parse", "HEAD").strip()
    given, written = read(answers), answers.read_bytes()
    with tempfile.TemporaryDirectory(prefix="pristine-") as folder:
        before, after = pristine(source, old, given, Path(folder)), pristine(source, new, given, Path(folder))
        mine = {file: (app / file).read_bytes() for file in tracked(app)}
        pointed(answers, source, old, given)
        git(app, "commit", "--quiet", "--all", "--no-verify", "--message", "point at the template")
        run_update(app, defaults=True, overwrite=True, conflict="rej", quiet=True, vcs_ref=f"v{new}", skip_tasks=True)
        for mark in app.rglob("*.rej"):
            mark.unlink()
        restore(app, mine, before, after, report)
        answers.write_bytes(written)
        remember(answers, name, new)
        git(app, "reset", "--quiet", "--soft", begun)
        git(app, "add", "--all")
        changed = git(app, "diff", "--cached", "--name-only", "-z").split("\0")
        report.updated = sorted(file for file in changed if file and file != ANSWERS)
        compare(app, after, report)
    return report


def pristine(source: str, version: int, answers: dict[str, Any], place: Path) -> Path:
    """What this version of the template alone writes with these answers."""
    from copier import run_copy

    made = place / f"v{version}"
    run_copy(source, made, data=answers, defaults=True, quiet=True, vcs_ref=f"v{version}", skip_tasks=True)
    return made


def tracked(app: Path) -> list[str]:
    names = git(app, "ls-files", "-z").split("\0")
    return [name for name in names if name and name != ANSWERS and (app / name).is_file()]


def restore(app: Path, mine: dict[str, bytes], before: Path, after: Path, report: Report) -> None:
    """Put back what people wrote where the merge lost a line of it, and leave out what they had deleted. (On a conflict
    copier writes the template's file, and drops what people had changed there.)"""
    for name, body in mine.items():
        old, now = content(before / name), content(app / name)
        if old != body and now != body and lost(old or b"", body, now or b""):
            (app / name).parent.mkdir(parents=True, exist_ok=True)
            (app / name).write_bytes(body)
            report.conflicts[name] = difference(old, content(after / name), "the template was", "it is now")
    for file in before.rglob("*"):
        name = file.relative_to(before).as_posix()
        if file.is_file() and name not in mine and name != ANSWERS and (app / name).is_file():
            (app / name).unlink()


def lost(old: bytes, mine: bytes, now: bytes) -> bool:
    """Whether a line that people added to the template's is not in there any more."""
    theirs, kept = Counter(mine.splitlines()) - Counter(old.splitlines()), Counter(now.splitlines())
    return any(kept[line] < count for line, count in theirs.items())


def content(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() and not file.is_symlink() else None


def difference(old: bytes | None, new: bytes | None, was: str, becomes: str) -> str:
    if max(len(old or b""), len(new or b"")) > LARGE:
        return "too large to compare"
    one, other = ((body or b"").decode("utf-8", "replace").splitlines() for body in (old, new))
    return cut(list(unified_diff(one, other, was, becomes, lineterm="")))


def read(answers: Path) -> dict[str, Any]:
    """The answers as they were given. Raises ValueError for what is too long or no table."""
    import yaml

    if answers.is_symlink() or answers.stat().st_size > MOST:
        raise ValueError(f"{ANSWERS} is a link, or longer than {MOST} bytes")
    found = yaml.safe_load(answers.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{ANSWERS} is no table")
    return {str(key): value for key, value in cast("dict[Any, Any]", found).items() if not str(key).startswith("_")}


def pointed(answers: Path, source: str, version: int, given: dict[str, Any]) -> None:
    """The same answers, of the template here."""
    import yaml

    body = yaml.safe_dump({"_commit": f"v{version}", "_src_path": source, **given}, sort_keys=False)
    answers.write_text(body, encoding="utf-8")


def compare(app: Path, fresh: Path, report: Report) -> None:
    """Hold each of the template's files against what its new version alone writes."""
    for file in sorted(one for one in fresh.rglob("*") if one.is_file()):
        name = file.relative_to(fresh).as_posix()
        if name == ANSWERS:
            continue
        mine, theirs = content(app / name), file.read_bytes()
        if mine is None:
            report.gone.append(name)
        elif mine == theirs:
            report.same.append(name)
        else:
            report.diverged[name] = difference(theirs, mine, "the path's", "the app's")


def cut(lines: list[str]) -> str:
    more = [f"… and {len(lines) - SHOWN} more lines"] if len(lines) > SHOWN else []
    return "\n".join([*lines[:SHOWN], *more])


def git(app: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(app), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"git {words[0]}: {done.stderr.strip()[-300:]}")
    return done.stdout


def main(words: list[str]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    app, template, name, old, new = words
    print(json.dumps(asdict(merge(Path(app), Path(template), name, int(old), int(new)))))


if __name__ == "__main__":
    main(sys.argv[1:])
