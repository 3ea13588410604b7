"""What files for other platforms say about how an app would run: a Dockerfile, compose files, manifests. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wend.build.rules import Tree
from wend.guardrails.hits import Hit

DOCKERFILES = ("Dockerfile", "**/Dockerfile", "Containerfile")
COMPOSE = ("**/docker-compose*.yml", "**/docker-compose*.yaml", "**/compose*.yml", "**/compose*.yaml")
MANIFESTS = ("**/*.yaml", "**/*.yml")
HERE_ONLY = r"127\.|localhost|\[::1\]"
PORT = r"\d{1,5}(?:-\d+)?"
PUBLISHED = re.compile(rf"""^\s*-\s*["']?(?!{HERE_ONLY})(?:[\d.]+:)?{PORT}:{PORT}(?:/\w+)?["']?\s*(#.*)?$""")
EXPOSED = re.compile(r"^\s*-?\s*(?:type:\s*[\"']?(?:LoadBalancer|NodePort)\b|hostPort:\s*\d)")
OPEN = re.compile(r"""["'](?:0\.0\.0\.0/0|::/0)["']""")
SAYS_WHY = re.compile(r"(?:#|//)\s*\S.{7,}")  # a comment of some words, on the line or on the one before


def root(tree: Tree) -> Iterator[Hit]:
    """Images whose last stage runs as root: no USER, or USER root."""
    for file in dict.fromkeys(name for glob in DOCKERFILES for name in tree.match(glob)):
        users, at = list[tuple[int, str]](), 1
        for number, line in enumerate((tree.read(file) or "").splitlines(), 1):
            words = line.split()
            if words and words[0].upper() == "FROM":
                users, at = [], number
            elif len(words) > 1 and words[0].upper() == "USER":
                users.append((number, words[1].partition(":")[0]))
        if not users:
            yield Hit(f"{file}:{at}", "no USER: what it starts runs as root")
        elif users[-1][1] in ("root", "0"):
            yield Hit(f"{file}:{users[-1][0]}", f"USER {users[-1][1]}")


def ports(tree: Tree) -> Iterator[Hit]:
    """Ports that are open to everybody, without a comment that says why."""
    compose = dict.fromkeys(name for glob in COMPOSE for name in tree.match(glob))
    for file in compose:
        yield from lines(tree, file, PUBLISHED)
    for file in dict.fromkeys(name for glob in MANIFESTS for name in tree.match(glob)):
        if file not in compose and "kind:" in (tree.read(file) or ""):
            yield from lines(tree, file, EXPOSED)
    for file in tree.match("**/*.tf"):
        yield from lines(tree, file, OPEN)


def lines(tree: Tree, file: str, pattern: re.Pattern[str]) -> Iterator[Hit]:
    before = ""
    for number, line in enumerate((tree.read(file) or "").splitlines(), 1):
        if (
            len(line) < 500
            and pattern.search(line)
            and not SAYS_WHY.search(line)
            and not SAYS_WHY.match(before.strip())
        ):
            yield Hit(f"{file}:{number}", line.strip()[:80])
        before = line
