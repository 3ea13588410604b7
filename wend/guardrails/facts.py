"""What is known of an app on its way to production: seen in its files, its wend.toml and what was built. Pure.

A fact that nobody looked at is None, and asking for it raises NotSeen. What is secret is never in a fact, only where it
is and how it begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from wend.build.origin import ANSWERS, made_from
from wend.build.rules import Tree
from wend.guardrails import infra, keys, licences, parts, uses
from wend.guardrails.hits import Hit, NotSeen
from wend.guardrails.parts import Part, Unread
from wend.spec import Process, Spec

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


@dataclass(frozen=True)
class Facts:
    """`new`: it has no live release; `team`: "" when nobody owns it; `size`: bytes of the artifact; `parts`: what it
    is made of, as text; `uses`: names of what the platform offers; `template`: what it was made from, with its version;
    `unread`: why something is None, by its name; `settings`: its wend.toml, for rules in CEL."""

    app: str
    new: bool | None = None
    team: str | None = None
    secrets: tuple[Hit, ...] | None = None
    plaintext: tuple[Hit, ...] | None = None
    debug: tuple[Hit, ...] | None = None
    unpinned: tuple[Hit, ...] | None = None
    size: int | None = None
    deprecated: tuple[Hit, ...] | None = None
    retired: tuple[Hit, ...] | None = None
    vulnerable: tuple[Hit, ...] | None = None
    licences: tuple[Hit, ...] | None = None
    root: tuple[Hit, ...] | None = None
    memory: tuple[Hit, ...] | None = None
    health: tuple[Hit, ...] | None = None
    ports: tuple[Hit, ...] | None = None
    logged: tuple[Hit, ...] | None = None
    parts: tuple[str, ...] | None = None
    uses: tuple[str, ...] | None = None
    template: tuple[Any, ...] | None = None
    settings: Mapping[str, Any] | None = None
    unread: Mapping[str, str] = field(default_factory=dict[str, str])

    def need(self, name: str) -> Any:
        """The fact of this name. Raises NotSeen, and AttributeError for one that does not exist."""
        value = getattr(self, name)
        if value is None:
            raise NotSeen(self.unread.get(name, f"nobody looked at its {name}"))
        return value

    def kept(self) -> dict[str, Any]:
        """As JSON; `recalled` reads it back."""
        return {name: plain(value) for name, value in vars(self).items() if value is not None and value != {}}


def plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [vars(one) if isinstance(one, Hit) else one for one in cast("tuple[Any, ...]", value)]
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else value


def again(one: Any) -> Any:
    return Hit(**cast("dict[str, str]", one)) if isinstance(one, dict) else one


def recalled(kept: Mapping[str, Any]) -> Facts:
    known: dict[str, Any] = {name: value for name, value in kept.items() if name in Facts.__dataclass_fields__}
    for name, value in known.items():
        if isinstance(value, list):
            known[name] = tuple(again(one) for one in cast("list[Any]", value))
    return Facts(**known)


@dataclass
class Looked:
    """The facts of a tree, and our own tokens that lie in it: they are kept nowhere, and revoked."""

    facts: Facts
    tokens: set[str] = field(default_factory=set[str])


# ---------------------------------------------------------------------------------------------- looking


def of_tree(
    app: str, tree: Tree, wanted: Spec, team: str | None = None, new: bool | None = None, memory: int | None = None
) -> Looked:
    """What the files and the wend.toml tell. `team`: the owner that is known of it otherwise; `memory`: bytes that the
    machine has, where it will run."""
    looked = Looked(Facts(app, new=new, team=wanted.team or team or ""))
    secrets = in_files(tree, looked.tokens)
    pinned = bool(LOCKS & {file.rpartition("/")[2] for file in tree.files})
    looked.facts = replace(
        looked.facts,
        secrets=None if secrets is None else tuple(secrets[:FINDINGS]),
        plaintext=tuple(in_env(wanted.env))[:FINDINGS],
        debug=(*in_debug(wanted.env), *django(tree))[:FINDINGS],
        unpinned=() if pinned else tuple(requirements(tree))[:FINDINGS],
        uses=uses.of_tree(tree, wanted),
        template=made_from(tree.read(ANSWERS)),
        root=tuple(infra.root(tree))[:FINDINGS],
        ports=tuple(infra.ports(tree))[:FINDINGS],
        memory=None if memory is None else tuple(in_memory(wanted, memory)),
        health=tuple(unhealthy(wanted.process("web"))),
        settings=settings(wanted, looked.facts.team or ""),
    )
    try:
        looked.facts = made_of(looked.facts, parts.of_tree(tree))
    except Unread as error:
        looked.facts = replace(looked.facts, unread={"parts": f"nobody here reads {error}"})
    return looked


def made_of(facts: Facts, some: list[Part]) -> Facts:
    """The facts with what it is made of; the licences where every part was looked at."""
    found = licences.looked(some)
    return replace(facts, parts=tuple(map(str, some)), licences=None if found is None else found[:FINDINGS])


def settings(wanted: Spec, team: str) -> dict[str, Any]:
    """The wend.toml as rules in CEL see it; of what looks secret the name alone."""
    env = {name: "…" if SECRET_NAME.search(name) else value for name, value in wanted.env.items()}
    said = {name: told(one) for name, one in wanted.processes.items()}
    resources = {name: one.type for name, one in wanted.declared.resources.items()}
    found: dict[str, Any] = {"team": team, "env": env, "processes": said, "resources": resources}
    found |= {"hatches": sorted(wanted.hatches), "crons": sorted(wanted.declared.crons)}
    found |= {key: value for key, value in (("path", wanted.path), ("release", wanted.release)) if value}
    return found


def told(one: Process) -> dict[str, Any]:
    keys = ("command", "replicas", "memory", "cpu", "processes", "health", "boot", "grace")
    return {key: value for key in keys if (value := getattr(one, key)) is not None}


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


def in_memory(wanted: Spec, machine: int) -> Iterator[Hit]:
    """Limits that limit nothing: half of the machine or more, for one process of one app."""
    for name, one in wanted.processes.items():
        if one.memory and one.memory * 2 >= machine:
            seen = f"{one.memory / 2**20:,.0f} MB of the {machine / 2**20:,.0f} that the machine has"
            yield Hit(f"process.{name}.memory", seen)


def unhealthy(web: Process) -> Iterator[Hit]:
    """Several replicas, and nothing that tells a sick one from a healthy one."""
    most = web.scaling.max if web.scaling else web.replicas or 1
    if most > 1 and not web.health:
        yield Hit("process.web", f"up to {most} replicas, and no health path of its own")


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
