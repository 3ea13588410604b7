"""Whether the gates agree, and how long a decision takes.

python bench/guardrails.py [--cases 100000] [--rules 50]

Random facts, rules, waivers and clocks, decided at all five gates, before and after the facts were written down: any
difference ends the run. Then the time of one decision with so many rules, and of looking through a tree of 2,000 files;
beside it, in the same run, the floor of only reading those files.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from measure import line, quantile, verdict

from tests.test_guardrails import CLEAN, HIT, ON, agree, waiver
from tests.test_own_guardrails import TWICE, facts
from wend import spec
from wend.build.rules import on_disk
from wend.guardrails import own
from wend.guardrails.decide import decide
from wend.guardrails.facts import of_tree
from wend.guardrails.rules import RULES

MOST_MS = 5.0


def decisions(rules: int) -> list[float]:
    """Milliseconds of each of 5,000, with 50 waivers."""
    every = [
        replace(RULES[number % len(RULES)], id=f"{RULES[number % len(RULES)].id}-{number}") for number in range(rules)
    ]
    modes = {(rule.id, "push"): "enforce" for rule in every} | dict(ON)
    facts = replace(CLEAN, secrets=(HIT,) * 10, debug=(HIT,), unpinned=(HIT,) * 20)
    held = [waiver(rule.id, 0, 9, id=number, print="x") for number, rule in enumerate((every * 50)[:50])]
    spent: list[float] = []
    for _ in range(5000):
        began = time.perf_counter()
        decide(every, facts, held, 5, "push", modes)  # type: ignore[arg-type]
        spent.append((time.perf_counter() - began) * 1000)
    return spent


def own_rules(count: int) -> list[float]:
    """Milliseconds to have so many expressions in CEL evaluated, in their own process."""
    texts = [(TWICE.replace("payments-run-twice", f"rule-{number}"), 1) for number in range(count)]
    spent: list[float] = []
    for _ in range(1000):
        began = time.perf_counter()
        own.rules(texts, facts(2))
        spent.append((time.perf_counter() - began) * 1000)
    own.evaluator().end()
    return spent[10:]


def looking(files: int = 2000) -> tuple[list[float], list[float]]:
    """Milliseconds to look through a tree, and to read it only."""
    with tempfile.TemporaryDirectory() as folder:
        root, names = Path(folder), [f"src/m{number}.py" for number in range(files)]
        (root / "src").mkdir()
        for name in names:
            (root / name).write_text("def work(value):\n    return value + 1  # nothing secret\n" * 60)
        looked, read = list[float](), list[float]()
        for _ in range(5):
            tree = on_disk(root, names)
            began = time.perf_counter()
            of_tree("shop", tree, spec.parse(None))
            looked.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            for name in names:
                tree.read(name)
            read.append((time.perf_counter() - began) * 1000)
    return looked, read


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--rules", type=int, default=50)
    given = parser.parse_args()
    dice = random.Random(1)
    began = time.perf_counter()
    for _ in range(given.cases):
        agree(dice)
    print(f"{given.cases:,} random cases: all five gates agree, in {time.perf_counter() - began:.0f} s")
    spent = decisions(given.rules)
    print(line(f"a decision with {given.rules} rules and 50 waivers", spent))
    mine = own_rules(given.rules)
    print(line(f"{given.rules} more in CEL", mine))
    looked, read = looking()
    print(line("looking through 2,000 files", looked))
    print(line("floor: reading them", read))
    worst = max(quantile(spent, 0.99), quantile(mine, 0.99))
    return 0 if verdict(f"p99 of a decision < {MOST_MS:g} ms ({worst:.2f})", worst < MOST_MS) else 1


if __name__ == "__main__":
    sys.exit(main())
