"""The one decision: five verdicts, the same at every gate; and the rules, each with what it must and must not catch."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any, cast

import pytest

from wend import spec
from wend.build.rules import Tree
from wend.errors import Invalid
from wend.guardrails import keys
from wend.guardrails.decide import EVERY, GATES, MODES, Decision, Gate, Mode, Rule, Waiver, decide, printed
from wend.guardrails.facts import Facts, of_tree, recalled
from wend.guardrails.hits import Hit, NotSeen
from wend.guardrails.reconsider import bound, standing
from wend.guardrails.rules import BIG, RULES

HIT = Hit("config.py:3", "an AWS access key AKIAABCD…")
SEEN = ("secrets", "plaintext", "debug", "unpinned", "deprecated", "vulnerable", "licences", "root", "memory", "health")
SEEN += ("ports", "logged", "retired")
CLEAN = replace(Facts("shop", False, "red", size=10), **dict.fromkeys(SEEN, ()))
# Of each rule: facts it must fail, the same mended, and the fact without which it cannot know.
CASES: dict[str, tuple[Facts, Facts, str]] = {
    "secret-in-tree": (replace(CLEAN, secrets=(HIT,)), CLEAN, "secrets"),
    "plaintext-secret": (replace(CLEAN, plaintext=(HIT,)), CLEAN, "plaintext"),
    "missing-owner": (replace(CLEAN, team=""), CLEAN, "team"),
    "debug-mode": (replace(CLEAN, debug=(HIT,)), CLEAN, "debug"),
    "unpinned-dependency": (replace(CLEAN, unpinned=(HIT,)), CLEAN, "unpinned"),
    "oversized-artifact": (replace(CLEAN, size=BIG + 1), replace(CLEAN, size=BIG), "size"),
    "deprecated-option": (replace(CLEAN, deprecated=(HIT,)), CLEAN, "deprecated"),
    "retired-option": (replace(CLEAN, retired=(HIT,)), CLEAN, "retired"),
    "vulnerable-dependency": (replace(CLEAN, vulnerable=(HIT,)), CLEAN, "vulnerable"),
    "licence": (replace(CLEAN, licences=(HIT,)), CLEAN, "licences"),
    "runs-as-root": (replace(CLEAN, root=(HIT,)), CLEAN, "root"),
    "unbounded-memory": (replace(CLEAN, memory=(HIT,)), CLEAN, "memory"),
    "no-health-check": (replace(CLEAN, health=(HIT,)), CLEAN, "health"),
    "public-port": (replace(CLEAN, ports=(HIT,)), CLEAN, "ports"),
    "secret-in-log": (replace(CLEAN, logged=(HIT,)), CLEAN, "logged"),
}
ON: dict[tuple[str, str], Mode] = {(rule.id, gate): "enforce" for rule in RULES for gate in GATES}


def verdict(decision: Decision, rule: str) -> str:
    return next(one.verdict for one in decision.results if one.rule.id == rule)


# ---------------------------------------------------------------------------------------------- each rule


def test_every_rule_has_its_cases() -> None:
    assert CASES.keys() == {rule.id for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_fails_passes_and_says_when_it_cannot_know(rule: Rule) -> None:
    """[Attack 27: a missing field.] Rego, json-logic and Cedar pass here."""
    bad, good, needs = CASES[rule.id]
    assert verdict(decide([rule], bad, [], 0, "push", ON), rule.id) == "FAIL"
    assert verdict(decide([rule], good, [], 0, "push", ON), rule.id) == "PASS"
    blind = decide([rule], replace(bad, **{needs: None}), [], 0, "push", ON)
    assert verdict(blind, rule.id) == "UNKNOWN" and blind.blocked, "unknown is no pass"
    assert rule.because and rule.reconsider and rule.fix.format(app="shop")


MUTANTS: dict[str, Any] = {
    "says nothing": lambda check: lambda facts: [],
    "says always": lambda check: lambda facts: [HIT],
    "says the opposite": lambda check: lambda facts: [] if list(check(facts)) else [HIT],
    "takes what it does not know for well": lambda check: swallowed(check),
}


def swallowed(check: Any) -> Any:
    def mutant(facts: Facts) -> list[Hit]:
        try:
            return list(check(facts))
        except NotSeen:
            return []

    return mutant


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_of_a_rule_is_caught_by_its_cases(rule: Rule, name: str) -> None:
    mutant = replace(rule, check=MUTANTS[name](rule.check))
    with pytest.raises(AssertionError):
        test_a_rule_fails_passes_and_says_when_it_cannot_know(mutant)


# ---------------------------------------------------------------------------------------------- the decision


def test_a_rule_that_breaks_is_an_error_and_stops() -> None:
    """[Attack 27: an exception.]"""

    def broken(facts: Facts) -> list[Hit]:
        raise ZeroDivisionError("by zero")

    rule = replace(RULES[0], check=broken)
    found = decide([rule], CLEAN, [], 0, "push", ON)
    assert found.results[0].verdict == "ERROR" and found.blocked and "by zero" in found.results[0].why


def waiver(rule: str, begins: int, ends: int, **more: Any) -> Waiver:
    return Waiver(
        **{"id": 1, "rule": rule, "app": "shop", "print": None, "owner": "ada", "begins": begins, "ends": ends, **more}
    )


@pytest.mark.parametrize("gate", GATES)
def test_a_waiver_is_gone_in_the_same_second_at_every_gate(gate: Gate) -> None:
    """[Kyverno 17473: admission honours the end, background scans and the CLI do not.]"""
    bad, held = CASES["secret-in-tree"][0], [waiver("secret-in-tree", 100, 200)]
    said = {now: verdict(decide(RULES, bad, held, now, gate, ON), "secret-in-tree") for now in (99, 100, 199, 200)}
    assert said == {99: "FAIL", 100: "WAIVED", 199: "WAIVED", 200: "FAIL"}


def test_a_waiver_covers_its_rule_its_app_and_its_finding_alone() -> None:
    other = Hit("b.py:9", "a private key -----BEGIN…")
    two = replace(CLEAN, secrets=(HIT, other))
    one = waiver("secret-in-tree", 0, 9, print=printed("secret-in-tree", HIT))
    found = decide(RULES, two, [one], 5, "push", ON).results[0]
    assert found.verdict == "FAIL" and [each.waived for each in found.findings] == [1, None]
    both = [one, waiver("secret-in-tree", 0, 9, id=2, print=printed("secret-in-tree", other))]
    assert decide(RULES, two, both, 5, "push", ON).results[0].verdict == "WAIVED"
    for wrong in (waiver("debug-mode", 0, 9), waiver("secret-in-tree", 0, 9, app="till")):
        assert verdict(decide(RULES, two, [wrong], 5, "push", ON), "secret-in-tree") == "FAIL"
    moved = replace(CLEAN, secrets=(replace(HIT, where="config.py:77"),))
    assert verdict(decide(RULES, moved, [one], 5, "push", ON), "secret-in-tree") == "WAIVED", "lines move"
    glass = waiver(EVERY, 0, 9)
    assert not decide(RULES, Facts("shop"), [glass], 5, "push", ON).blocked


def test_new_apps_are_stopped_and_others_warned() -> None:
    modes: dict[tuple[str, str], Mode] = {("missing-owner", "push"): "new"}
    for new, stops in ((True, True), (None, True), (False, False)):
        facts = replace(CASES["missing-owner"][0], new=new)
        assert bool(decide(RULES, facts, [], 0, "push", modes).blocked) is stops


def test_the_gates_agree_on_random_cases() -> None:
    """Facts, rules, waivers and clocks at random: the same verdicts at all five, and after facts were written down and
    read again, as between a push and a later deploy. `bench/guardrails.py` does it 100,000 times."""
    dice = random.Random(29)
    for _ in range(2000):
        agree(dice)


def agree(dice: random.Random) -> None:
    every = [case[side] for case in CASES.values() for side in (0, 1)]
    facts = dice.choice(every)
    for name in dice.sample([case[2] for case in CASES.values()], dice.randrange(3)):
        facts = replace(facts, **{name: getattr(dice.choice(every), name)}, new=dice.choice((None, True, False)))
    facts = (
        replace(facts, **{dice.choice([case[2] for case in CASES.values()]): None}) if dice.random() < 0.3 else facts
    )
    rules = dice.sample(RULES, dice.randrange(1, len(RULES)))
    prints = [None, printed("secret-in-tree", HIT), printed("debug-mode", HIT), "x"]
    held = [
        waiver(dice.choice([*CASES, EVERY]), begin := dice.randrange(20), begin + dice.randrange(20), id=number,
               app=dice.choice(("shop", "till")), print=dice.choice(prints))
        for number in range(dice.randrange(6))
    ]  # fmt: skip
    now = dice.randrange(40)
    said = [decide(rules, facts, held, now, gate, ON) for gate in GATES]
    again = [decide(rules, recalled(facts.kept()), held, now, gate, ON) for gate in GATES]
    first = [(one.rule.id, one.verdict, one.findings, one.blocks) for one in said[0].results]
    for one in (*said, *again):
        assert [(each.rule.id, each.verdict, each.findings, each.blocks) for each in one.results] == first
        assert one.of == said[0].of


def test_modes_are_what_somebody_set_or_the_rules_own() -> None:
    off: dict[tuple[str, str], Mode] = {(rule.id, "push"): "off" for rule in RULES}
    assert decide(RULES, Facts("shop"), [], 0, "push", off).results == ()
    by_itself = decide(RULES, replace(CLEAN, secrets=(HIT,), debug=(HIT,)), [], 0, "push")
    assert [one.rule.id for one in by_itself.blocked] == ["secret-in-tree"], "the rest warns"
    assert set(MODES) >= {mode for rule in RULES for mode in rule.modes.values()}


# ---------------------------------------------------------------------------------------------- looking


def tree(files: dict[str, str]) -> Tree:
    return Tree(frozenset(files), files.get)


def key(kind: str) -> str:
    """An example of each form, put together here so that no test file holds one."""
    begins = {
        "a private key": "-----BEGIN RSA PRIVATE" + " KEY-----", "an AWS access key": "AKIA" + "ABCDEFGHIJKLMNOP",
        keys.OURS: "wend_human_" + "a1" * 19, "a GitHub fine-grained token": "github_pat_" + "a" * 82,
        "a PyPI token": "pypi-AgEIcHlwaS5vcmc" + "a" * 60, "a Slack token": "xoxb-" + "1" * 30,
    }  # fmt: skip
    long = {"a GitHub token": ("ghp_", 36), "a GitLab token": ("glpat-", 20), "a Stripe key": ("sk_live_", 24)}
    long |= {"a Google API key": ("AIza", 35), "an Anthropic key": ("sk-ant-", 60), "an OpenAI key": ("sk-proj-", 60)}
    long |= {"an npm token": ("npm_", 36)}
    made = begins | {name: begin + "a" * count for name, (begin, count) in long.items()}
    return made[kind]


@pytest.mark.parametrize("kind", keys.FORMS)
def test_a_key_is_known_by_its_form_and_never_told(kind: str) -> None:
    text = f"first line\nTOKEN = '{key(kind)}'\n"
    assert list(keys.found(text)) == [(2, kind, key(kind))]
    (hit,) = cast("tuple[Hit, ...]", of_tree("shop", tree({"a.py": text}), spec.parse(None)).facts.secrets)
    assert hit.where == "a.py:2" and key(kind) not in hit.seen and "…" in hit.seen


@pytest.mark.parametrize(
    "text",
    [
        "AKIA" + "A" * 17,
        "x" + "AKIA" + "ABCDEFGHIJKLMNOP",
        "sk-ant-short",
        "ghp_" + "a" * 35,
        "AKIA...",
        "pypi",
        "d41d8c" * 6,
    ],
)
def test_what_only_looks_a_little_like_a_key_is_none(text: str) -> None:
    assert list(keys.found(text)) == []


def test_looking_for_keys_takes_linear_time() -> None:
    """[Attack 26.]"""
    import time

    def taken(text: str) -> float:
        began = time.process_time()
        list(keys.found(text))
        return time.process_time() - began

    for text in ("AKIA" * 125_000, "sk-ant-" + "a" * 500_000, "xoxb-" * 100_000, "-----BEGIN " + "A " * 125_000):
        short, long = min(taken(text) for _ in range(3)), min(taken(text * 8) for _ in range(3))
        assert long < 20 * short + 0.1, f"{text[:20]}: {short:.3f} s, eight times as much {long:.3f} s"


@pytest.mark.parametrize(
    ("files", "toml", "name", "where"),
    [
        ({}, '[env]\nDB_PASSWORD = "hunter2hunter2"', "plaintext", ["env.DB_PASSWORD"]),
        ({}, '[env]\nTOKEN_URL = "https://x.example"\nSECRET_KEY_FILE = "/run/k"\nPASSWORD = "short"', "plaintext", []),
        ({}, '[env]\nFLASK_ENV = "Development"\nDEBUG = false', "debug", ["env.FLASK_ENV"]),
        ({"shop/settings.py": "A = 1\nDEBUG = True\n"}, "", "debug", ["shop/settings.py:2"]),
        ({"shop/settings.py": "DEBUG = env('DEBUG')\n"}, "", "debug", []),
        ({"requirements.txt": "flask\nrequests>=2 # c\nclick==8.1\n-r x.txt\n# y\na @ https://x\n"}, "", "unpinned",
         ["requirements.txt:1", "requirements.txt:2"]),
        ({"requirements.txt": "flask\n", "uv.lock": ""}, "", "unpinned", []),
    ],
)  # fmt: skip
def test_what_is_seen_in_files_and_settings(files: dict[str, str], toml: str, name: str, where: list[str]) -> None:
    facts = of_tree("shop", tree(files), spec.parse(toml)).facts
    assert [hit.where for hit in getattr(facts, name)] == where


def test_the_owner_is_wend_tomls_or_the_one_that_is_known() -> None:
    assert of_tree("shop", tree({}), spec.parse('team = "red"'), "blue").facts.team == "red"
    assert of_tree("shop", tree({}), spec.parse(None), "blue").facts.team == "blue"
    assert of_tree("shop", tree({}), spec.parse(None)).facts.team == ""


@pytest.mark.parametrize(
    ("waived", "n", "holds", "words"),
    [
        (0, 0, None, "no data"), (1, 2, None, "cannot tell"), (0, 20, None, "cannot tell"), (0, 60, False, "0 of 60"),
        (20, 60, True, "think it over"), (8, 60, None, "cannot tell"), (500, 500, True, "think it over"),
    ],
)  # fmt: skip
def test_a_rule_waived_too_often_is_thought_over(waived: int, n: int, holds: bool | None, words: str) -> None:
    verdicts = [{"debug-mode": "WAIVED" if at < waived else "PASS", "other": "WAIVED"} for at in range(n)]
    found = standing("waivers > 10 % of deploys", [*verdicts, {"other": "WAIVED"}], "debug-mode")
    assert (found.holds, found.n) == (holds, n) and words in found.says


def test_every_rule_has_a_condition_that_can_be_measured() -> None:
    assert {bound(rule.reconsider) for rule in RULES} == {0.1}
    for wrong in ("", "waivers > 1000 % of deploys", "when we feel like it", "waivers > -1 % of deploys"):
        with pytest.raises(Invalid):
            bound(wrong)
