"""What is known of an app on its way to production: seen in its files, its wend.toml and what was built. Pure.

A fact that nobody looked at is None, and asking for it raises NotSeen. What is secret is never in a fact, only where it
is and how it begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from wend.build.rules import Tree
from wend.guardrails import keys
from wend.spec import Spec

MOST_FILES = 50_000  # looked through for secrets; a push may have no more
FINDINGS = 50  # of one kind that are kept
PLAIN = re.compile(r"^\s*([A-Za-z0-9][\w.\-\[\],]*)\s*(?:;.*|#.*)?$")
LOOSE = re.compile(r"^\s*([A-Za-z0-9][\w.\-\[\],]*)\s*(?:[<>~^!]=?|\*)[^=#;]*")
DEBUG_ENV = {
    **dict.fromkeys(("DEBUG", "FLASK_DEBUG", "DJANGO_DEBUG"), "1 true yes on"),
    **dict.fromkeys(("FLASK_ENV", "NODE_ENV", "RAILS_ENV"), "development"),
}
DJANGO = re.compile(r"^DEBUG\s*=\s*True\b", re.MULTILINE)
SECRET_WORDS = "PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIALS?"
SECRET_NAME = re.compile(rf"(?:^|_)(?:{SECRET_WORDS})(?:_|$)", re.IGNORECASE)
LOCKS = frozenset({"uv.lock", "poetry.lock", "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "go.sum"})


class NotSeen(Exception):
    """Nobody looked at a fact that a rule needs."""


@dataclass(frozen=True)
class Hit:
    """Something that was seen: `where` is "path:line" or the key of a setting; `seen` tells it without its secret."""

    where: str
    seen: str


@dataclass(frozen=True)
class Facts:
    """`new`: it has no live release; `team`: "" when nobody owns it; `size`: bytes of the artifact."""

    app: str
    new: bool | None = None
    team: str | None = None
    secrets: tuple[Hit, ...] | None = None
    plaintext: tuple[Hit, ...] | None = None
    debug: tuple[Hit, ...] | None = None
    unpinned: tuple[Hit, ...] | None = None
    size: int | None = None
    deprecated: tuple[Hit, ...] | None = None

    def need(self, name: str) -> Any:
        """The fact of this name. Raises NotSeen, and AttributeError for one that does not exist."""
        value = getattr(self, name)
        if value is None:
            raise NotSeen(f"nobody looked at its {name}")
        return value

    def kept(self) -> dict[str, Any]:
        """As JSON; `recalled` reads it back."""
        return {name: plain(value) for name, value in vars(self).items() if value is not None}


def plain(value: Any) -> Any:
    return [vars(one) for one in cast("tuple[Hit, ...]", value)] if isinstance(value, tuple) else value


def recalled(kept: Mapping[str, Any]) -> Facts:
    known: dict[str, Any] = {name: value for name, value in kept.items() if name in Facts.__dataclass_fields__}
    for name, value in known.items():
        if isinstance(value, list):
            known[name] = tuple(Hit(**one) for one in cast("list[dict[str, str]]", value))
    return Facts(**known)


@dataclass
class Looked:
    """The facts of a tree, and our own tokens that lie in it: they are kept nowhere, and revoked."""

    facts: Facts
    tokens: set[str] = field(default_factory=set[str])


# ---------------------------------------------------------------------------------------------- looking


def of_tree(app: str, tree: Tree, wanted: Spec, team: str | None = None, new: bool | None = None) -> Looked:
    """What the files and the wend.toml tell. `team`: the owner that is known of it otherwise."""
    looked = Looked(Facts(app, new=new, team=wanted.team or team or ""))
    secrets = in_files(tree, looked.tokens)
    pinned = bool(LOCKS & {file.rpartition("/")[2] for file in tree.files})
    looked.facts = replace(
        looked.facts,
        secrets=None if secrets is None else tuple(secrets[:FINDINGS]),
        plaintext=tuple(in_env(wanted.env))[:FINDINGS],
        debug=(*in_debug(wanted.env), *django(tree))[:FINDINGS],
        unpinned=() if pinned else tuple(requirements(tree))[:FINDINGS],
        deprecated=(),
    )
    return looked


def in_files(tree: Tree, tokens: set[str]) -> list[Hit] | None:
    """Secrets in plain text, of those whose form leaves no doubt. None: there are too many files to look through."""
    if len(tree.files) > MOST_FILES:
        return None
    hits: list[Hit] = []
    for file in sorted(tree.files):
        for number, kind, found in keys.found(tree.read(file) or ""):
            hits.append(Hit(f"{file}:{number}", f"{kind} {keys.masked(found)}"))
            if kind == keys.OURS:
                tokens.add(found)
    return hits


def in_env(env: Mapping[str, str]) -> Iterator[Hit]:
    """Values of wend.toml's [env] whose names say that they are secret."""
    for name, value in env.items():
        if SECRET_NAME.search(name) and len(value) >= 8 and not value.startswith(("$", "/", "http://", "https://")):
            yield Hit(f"env.{name}", f"a value of {len(value)} characters")


def in_debug(env: Mapping[str, str]) -> Iterator[Hit]:
    for name, bad in DEBUG_ENV.items():
        if env.get(name, "").strip().lower() in bad.split():
            yield Hit(f"env.{name}", f"{name} = {env[name]!r}")


def django(tree: Tree) -> Iterator[Hit]:
    """Settings that switch Django's debugging on whatever the environment says."""
    for file in tree.match("**/settings.py"):
        text = tree.read(file) or ""
        if match := DJANGO.search(text):
            yield Hit(f"{file}:{text.count(chr(10), 0, match.start()) + 1}", "DEBUG = True")


def requirements(tree: Tree) -> Iterator[Hit]:
    """Lines of requirements.txt that another day would install something else."""
    for number, line in enumerate((tree.read("requirements.txt") or "").splitlines(), 1):
        found = PLAIN.match(line) or LOOSE.match(line)
        if found and "==" not in line and "@" not in line:
            yield Hit(f"requirements.txt:{number}", line.strip()[:80])
