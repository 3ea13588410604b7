"""The fix as a patch, where one can be written: a unified diff that `git apply` takes. Pure.

Only what is certain is patched: a line that goes, or one whose replacement does the same without what was wrong.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable

from wend.guardrails.decide import Result
from wend.guardrails.hits import Hit

Read = Callable[[str], str | None]
Mended = tuple[str, list[str]] | None  # a file and its new lines
TOML = "wend.toml"
STARTS = re.compile(r"\s*(?:CMD|ENTRYPOINT)\b", re.IGNORECASE)
DEBUG = re.compile(r"^DEBUG\s*=\s*True\b")


def patch(results: Iterable[Result], read: Read) -> str:
    """One diff that mends every finding that it can; "" when there is none. `read` gives a file of the tree."""
    changed: dict[str, list[str]] = {}

    def now(file: str) -> list[str]:
        return changed[file] if file in changed else (read(file) or "").splitlines(keepends=True)

    hits = [(one.rule.id, each.hit) for one in results for each in one.findings if each.waived is None]
    for rule, hit in sorted(hits, key=lambda one: line_of(one[1])[1], reverse=True):  # from below: numbers stay true
        mended = HOW[rule](hit, now) if rule in HOW else None
        if mended:
            changed[mended[0]] = mended[1]
    return "".join(diff(file, (read(file) or "").splitlines(keepends=True), lines) for file, lines in changed.items())


def diff(file: str, before: list[str], after: list[str]) -> str:
    """As git writes it: a file that was not there comes from /dev/null, and a last line may lack its end."""
    old = f"a/{file}" if before else "/dev/null"
    lines = difflib.unified_diff(before, after, old, f"b/{file}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def line_of(hit: Hit) -> tuple[str, int]:
    """The file and the number of the line; 0 when it is none."""
    file, _, number = hit.where.rpartition(":")
    return (file, int(number)) if number.isdigit() else (hit.where, 0)


# ---------------------------------------------------------------------------------------------- by guardrail


def setting(hit: Hit, now: Callable[[str], list[str]]) -> Mended:
    """Take a line out of [env] of wend.toml."""
    name, lines, inside = hit.where.removeprefix("env."), now(TOML), False
    for at, line in enumerate(lines):
        if line.lstrip().startswith("["):
            inside = line.split("#")[0].strip() == "[env]"
        elif inside and re.match(rf"""\s*["']?{re.escape(name)}["']?\s*=""", line) and '"""' not in line:
            return TOML, lines[:at] + lines[at + 1 :]
    return None


def debug(hit: Hit, now: Callable[[str], list[str]]) -> Mended:
    """Django's DEBUG from the environment, and off without it."""
    if hit.where.startswith("env."):
        return setting(hit, now)
    file, number = line_of(hit)
    lines = now(file)
    if not (0 < number <= len(lines) and DEBUG.match(lines[number - 1])):
        return None
    fresh = DEBUG.sub('DEBUG = __import__("os").environ.get("DEBUG") == "1"', lines[number - 1])
    return file, [*lines[: number - 1], fresh, *lines[number:]]


def health(hit: Hit, now: Callable[[str], list[str]]) -> Mended:
    lines = now(TOML)
    at = next((at for at, line in enumerate(lines) if line.split("#")[0].strip() == "[process.web]"), None)
    return None if at is None else (TOML, [*lines[: at + 1], 'health = "/healthz"\n', *lines[at + 1 :]])


def user(hit: Hit, now: Callable[[str], list[str]]) -> Mended:
    """A user of its own at the end of a Dockerfile: before what starts, when that is there."""
    file, number = line_of(hit)
    lines = now(file)
    if "USER" in hit.seen.split()[:1]:
        return file, [*lines[: number - 1], "USER 10001\n", *lines[number:]]
    starts = (at for at, line in enumerate(lines) if STARTS.match(line) and at >= number)
    at = next(starts, len(lines))
    return file, [*(line if line.endswith("\n") else f"{line}\n" for line in lines[:at]), "USER 10001\n", *lines[at:]]


HOW: dict[str, Callable[[Hit, Callable[[str], list[str]]], Mended]] = {
    "plaintext-secret": setting,
    "debug-mode": debug,
    "no-health-check": health,
    "runs-as-root": user,
}
