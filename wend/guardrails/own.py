"""An organisation's own guardrails: an expression in CEL that has to be true, with the tests that prove it.

A file is TOML; docs/guardrails.md explains its keys. It is taken when its tests hold, and then it is in the ledger: a
broken file changes nothing, and what was taken last stays in force. Facts: guardrail_written, guardrail_removed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, cast

from sqlalchemy import Connection

from wend.context import Context
from wend.errors import Invalid, NotFound, Refused
from wend.events import Fact
from wend.guardrails.cel import Answer, Evaluator
from wend.guardrails.decide import GATES, MODES, Gate, Mode, Rule
from wend.guardrails.facts import Facts
from wend.guardrails.hits import Hit, NotSeen
from wend.guardrails.reconsider import bound
from wend.guardrails.rules import RULES
from wend.state import guardrails as table

ID = re.compile(r"[a-z][a-z0-9-]{2,39}")
LONGEST = 64 * 2**10
TEXTS = ("title", "because", "expression", "message", "fix")
KEYS = {"id", "reconsider", "modes", "test", *TEXTS}
VERDICTS = {"pass": "true", "fail": "false", "unknown": "unknown"}
USUAL = "waivers > 10 % of deploys"
WARNED: dict[Gate, Mode] = {"laptop": "warn", "push": "warn", "deploy": "warn", "run": "warn"}
MOST = 200
Item = dict[str, Any]


@dataclass(frozen=True)
class Written:
    """A guardrail as its file says it. `expression`: what has to be true; `tests`: (facts, what it must say)."""

    id: str
    title: str
    because: str
    reconsider: str
    expression: str
    message: str
    fix: str
    modes: Mapping[Gate, Mode]
    tests: tuple[tuple[Item, str], ...]


@cache
def evaluator() -> Evaluator:
    return Evaluator()


# ---------------------------------------------------------------------------------------------- reading


@lru_cache(MOST)
def read(text: str) -> Written:
    """The guardrail of this file. Raises Invalid."""
    if len(text) > LONGEST:
        raise Invalid(f"a guardrail has {len(text):,} letters; at most {LONGEST:,} are read", "one guardrail per file")
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise Invalid(f"that is no TOML: {error}", "docs/guardrails.md has an example") from error
    if odd := set(data) - KEYS:
        raise Invalid(f"nothing reads {', '.join(sorted(odd))}", f"the keys are {', '.join(sorted(KEYS))}")
    id = data.get("id")
    if not (isinstance(id, str) and ID.fullmatch(id)) or id in {one.id for one in RULES}:
        raise Invalid(f"id = {id!r} cannot be a guardrail's", "3 to 40 letters, digits and dashes, and not one of ours")
    for key in TEXTS:
        if not (isinstance(data.get(key), str) and data[key].strip()):
            raise Invalid(f"{id}: {key} is missing", f"the keys are {', '.join(sorted(KEYS))}")
    reconsider = data.get("reconsider", USUAL)
    bound(reconsider)
    texts = {key: data[key].strip() for key in TEXTS}
    return Written(id, reconsider=reconsider, modes=modes(id, data.get("modes")), tests=tests(id, data), **texts)


def modes(id: str, said: Any) -> Mapping[Gate, Mode]:
    if said is None:
        return WARNED
    if not isinstance(said, dict):
        raise Invalid(f"{id}: modes = {said!r} is no table", 'write modes = { push = "warn" }')
    found = cast("dict[Any, Any]", said)
    if set(found) - set(GATES) or not set(found.values()) <= set(MODES):
        there = f"gates: {', '.join(GATES)}; modes: {', '.join(MODES)}"
        raise Invalid(f"{id}: modes = {found!r} names what there is not", there)
    return found


def tests(id: str, data: Mapping[str, Any]) -> tuple[tuple[Item, str], ...]:
    """At least one each that passes, fails, and lacks a field."""
    found: list[tuple[Item, str]] = []
    for one in data.get("test", ()):
        if not isinstance(one, dict) or set(cast(Item, one)) != {"says", "facts"} or one["says"] not in VERDICTS:
            raise Invalid(f"{id}: a test has `says` ({', '.join(VERDICTS)}) and `facts`", "docs/guardrails.md")
        found.append((cast(Item, one["facts"]), VERDICTS[one["says"]]))
    if {said for _, said in found} != set(VERDICTS.values()):
        what = "a test that passes, one that fails, and one of a missing field"
        raise Invalid(f"{id} needs {what}", "docs/guardrails.md has an example")
    return tuple(found)


def prove(one: Written, ask: Callable[..., dict[str, Answer]] | None = None) -> None:
    """Run its tests. Raises Refused with the first that does not hold."""
    for facts, said in one.tests:
        answer = (ask or evaluator().ask)({one.id: one.expression}, facts)[one.id]
        if answer.said != said:
            why = f" ({answer.why})" if answer.why else ""
            words = {known: word for word, known in VERDICTS.items()}
            raise Refused(f"{one.id}: a test has to {words[said]}, and is {answer.said}{why}: {facts}"[:400],
                          "mend the expression or the test; nothing was changed")  # fmt: skip


# ---------------------------------------------------------------------------------------------- as rules


def seen(facts: Facts) -> Item:
    """What an expression may name: `app`, those facts that were looked at, and what wend.toml says."""
    known = {"app": facts.app, "new": facts.new, "size": facts.size}
    known |= {"parts": None if facts.parts is None else list(facts.parts)}
    return {name: value for name, value in known.items() if value is not None} | dict(facts.settings or {})


def rules(texts: Iterable[tuple[str, int]], facts: Facts) -> list[Rule]:
    """The rules of these files (with their versions), with their answers on these facts in them. All are evaluated at
    once and beforehand, so that the decision stays a pure one."""
    files = [(read(text), version) for text, version in texts]
    if not files:
        return []
    answers = evaluator().ask({one.id: one.expression for one, _ in files}, seen(facts))
    return [rule(one, version, answers[one.id]) for one, version in files]


def rule(one: Written, version: int, answer: Answer) -> Rule:
    def check(facts: Facts) -> Iterable[Hit]:
        if answer.said == "unknown":
            raise NotSeen(answer.why)
        if answer.said == "error":
            raise RuntimeError(answer.why)
        return [] if answer.said == "true" else [Hit("wend.toml", one.message)]

    fix = one.fix.replace("{", "{{").replace("}", "}}").replace("{{app}}", "{app}")
    return Rule(one.id, version, one.title, one.because, one.reconsider, fix, one.modes, check)


# ---------------------------------------------------------------------------------------------- acts


def write(ctx: Context, text: str) -> Item:
    """Take a guardrail, or a new version of one, when its tests hold. Raises Invalid and Refused, and then nothing has
    changed."""
    one = read(text)
    prove(one)
    with ctx.ledger.query() as db:
        known, version = ids(db), table.version(db, one.id) + 1
    if len(known) >= MOST and one.id not in known:
        raise Refused(f"there are {len(known)} guardrails of your own already", "wend guardrails remove RULE")
    about = {"rule": one.id, "text": text, "version": version}
    ctx.ledger.append([Fact("guardrail_written", "guardrails", about, actor=ctx.actor.name)])
    return {"rule": one.id, "version": version, "tests": len(one.tests)}


def ids(db: Connection) -> set[str]:
    """Of the organisation's own guardrails that are asked."""
    return {read(text).id for text, _ in table.own(db)}


def remove(ctx: Context, id: str) -> None:
    """Raises NotFound."""
    with ctx.ledger.query() as db:
        if id not in ids(db):
            raise NotFound(f"there is no guardrail {id[:60]!r} of your own", "`wend guardrails` lists them")
    ctx.ledger.append([Fact("guardrail_removed", "guardrails", {"rule": id}, actor=ctx.actor.name)])
