"""The one decision of every gate. Pure: the same rules, facts, waivers and time give the same verdicts anywhere.

A rule that cannot know says UNKNOWN, one that breaks says ERROR, and neither is a pass: where a rule is enforced they
block like FAIL (OPA, Cedar and json-logic let a missing field pass in silence).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from wend.guardrails.facts import Facts
from wend.guardrails.hits import Hit, NotSeen

Verdict = Literal["PASS", "FAIL", "WAIVED", "UNKNOWN", "ERROR"]
Gate = Literal["laptop", "push", "build", "deploy", "run"]
Mode = Literal["off", "warn", "new", "enforce"]  # new: enforced for apps that have no live release yet
log = logging.getLogger(__name__)
GATES: tuple[Gate, ...] = ("laptop", "push", "build", "deploy", "run")
MODES: tuple[Mode, ...] = ("off", "warn", "new", "enforce")
BAD = frozenset({"FAIL", "UNKNOWN", "ERROR"})
EVERY = "*"  # the rule of a waiver that holds for all of them: a broken glass


@dataclass(frozen=True)
class Rule:
    """`because`: why it is there; `reconsider`: what would have to be true for it to go; `fix`: what to do, `{app}` in
    it; `modes`: those that hold unless somebody set others, off where there is none. `check` gives what is wrong, and
    raises NotSeen for a fact that nobody looked at."""

    id: str
    version: int
    title: str
    because: str
    reconsider: str
    fix: str
    modes: Mapping[Gate, Mode]
    check: Callable[[Facts], Iterable[Hit]]


@dataclass(frozen=True)
class Waiver:
    """An exception: of one rule (or EVERY), for one app, of one finding (or all: None), from `begins` to before `ends`
    (Unix microseconds)."""

    id: int
    rule: str
    app: str
    print: str | None
    owner: str
    begins: int
    ends: int


@dataclass(frozen=True)
class Finding:
    """What is wrong, and the name that stays the same while it is: by it one finding can be waived alone."""

    hit: Hit
    print: str
    waived: int | None = None


@dataclass(frozen=True)
class Result:
    """`why`: what kept it from being known."""

    rule: Rule
    verdict: Verdict
    mode: Mode
    findings: tuple[Finding, ...] = ()
    why: str = ""

    @property
    def blocks(self) -> bool:
        return self.verdict in BAD and self.mode == "enforce"


@dataclass(frozen=True)
class Decision:
    """`of`: a hash of the facts, the rules and the waivers, from which and the time alone it was made."""

    gate: Gate
    app: str
    results: tuple[Result, ...]
    of: str

    @property
    def blocked(self) -> tuple[Result, ...]:
        return tuple(one for one in self.results if one.blocks)

    @property
    def shown(self) -> tuple[Result, ...]:
        """What is not a plain pass."""
        return tuple(one for one in self.results if one.verdict != "PASS")


def decide(
    rules: Sequence[Rule],
    facts: Facts,
    waivers: Sequence[Waiver],
    now: int,
    gate: Gate,
    modes: Mapping[tuple[str, str], Mode] | None = None,
) -> Decision:
    """The verdict of every rule that is on at this gate. `now`: Unix microseconds; `modes`: (rule, gate) → what
    somebody set. The verdict itself does not depend on the gate, only whether it is asked for and blocks."""
    mine = [one for one in waivers if one.app == facts.app and one.begins <= now < one.ends]
    results: list[Result] = []
    for rule in rules:
        mode = (modes or {}).get((rule.id, gate), rule.modes.get(gate, "off"))
        if mode != "off":
            results.append(judged(rule, facts, mine, enforced(mode, facts)))
    return Decision(gate, facts.app, tuple(results), digest(rules, facts, waivers))


def enforced(mode: Mode, facts: Facts) -> Mode:
    """What "enforce for new" is for this app. Where nobody knows whether it is new, it is."""
    return mode if mode != "new" else "warn" if facts.new is False else "enforce"


def judged(rule: Rule, facts: Facts, waivers: Sequence[Waiver], mode: Mode) -> Result:
    try:
        hits = list(rule.check(facts))
    except NotSeen as error:
        return excused(Result(rule, "UNKNOWN", mode, why=str(error)), waivers)
    except Exception as error:
        log.exception("guardrail %s", rule.id)
        return excused(Result(rule, "ERROR", mode, why=f"{type(error).__name__}: {error}"[:200]), waivers)
    if not hits:
        return Result(rule, "PASS", mode)
    findings = tuple(waived(Finding(hit, printed(rule.id, hit)), rule.id, waivers) for hit in hits)
    bad = any(one.waived is None for one in findings)
    return Result(rule, "FAIL" if bad else "WAIVED", mode, findings)


def waived(finding: Finding, rule: str, waivers: Iterable[Waiver]) -> Finding:
    for one in waivers:
        if one.rule in (rule, EVERY) and one.print in (None, finding.print):
            return replace(finding, waived=one.id)
    return finding


def excused(result: Result, waivers: Iterable[Waiver]) -> Result:
    """What could not be told is waived by a waiver of the whole rule alone."""
    whole = any(one.rule in (result.rule.id, EVERY) and one.print is None for one in waivers)
    return replace(result, verdict="WAIVED") if whole else result


def printed(rule: str, hit: Hit) -> str:
    """The finding's name: of what and in which file, not on which line, which moves."""
    return hashlib.sha256(f"{rule}\0{hit.where.partition(':')[0]}\0{hit.seen}".encode()).hexdigest()[:10]


def digest(rules: Sequence[Rule], facts: Facts, waivers: Sequence[Waiver]) -> str:
    about = [[(one.id, one.version) for one in rules], facts.kept(), sorted(map(repr, waivers))]
    return hashlib.sha256(repr(about).encode()).hexdigest()[:16]
