"""How often verdicts on bets are wrong, and how much they see: worlds without a true effect, and with one.

    .venv/bin/python bench/bets.py                 1000 worlds of each kind, about ten minutes on two cores
    .venv/bin/python bench/bets.py --worlds 200

A world has services of their own levels, which drift between before and after (nobody's work), and weeks that are like
those before them. Each bet promises what the second true effect is. It exits 1 when "improved" comes up surely more
often than 5 times of 100 where nothing changed.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from wend import opinions
from wend.bets import Effect, deciding, shares, spans, verdict
from wend.bets.shares import Count, Figure, Week
from wend.bets.spans import Span
from wend.stats import wilson

DRIFT, LEVELS = 0.1, 0.5  # standard deviations of a service's drift, and of the services' levels, on a log scale
ALPHA = 0.05


@dataclass(frozen=True)
class World:
    """`effect`: the true change, as a share of the value before. `services`, `weeks` on each side, `pace`: rows a week
    and service."""

    kind: str
    effect: float
    services: int
    weeks: int
    pace: float
    promised: float
    better: str = "lower"


def rows(world: World, dice: Generator) -> Iterator[tuple[int, str, int, float, int]]:
    """(side, service, week, level on a log scale, how many)."""
    for number in range(world.services):
        level = dice.normal(0, LEVELS)
        for side in (0, 1):
            drift = dice.normal(0, DRIFT)
            for week in range(world.weeks):
                yield side, f"s{number}", week + 1000 * side, level + drift, int(dice.poisson(world.pace))


def durations(world: World, dice: Generator) -> tuple[Effect | None, float]:
    """Lead times of a lognormal, in hours."""
    sides: tuple[list[Span], list[Span]] = ([], [])
    for side, service, week, level, n in rows(world, dice):
        values = np.exp(level + dice.normal(0, 1.0, n)) * 10 * (1 + world.effect * side)
        sides[side].extend(Span(service, week, float(value)) for value in values)
    return spans.medians(*sides), 10.0


def recoveries(world: World, dice: Generator) -> tuple[Effect | None, float]:
    """Times to recover, of which those over 10 hours are not over yet."""
    sides: tuple[list[Span], list[Span]] = ([], [])
    for side, service, week, level, n in rows(world, dice):
        for value in np.exp(level + dice.normal(0, 0.8, n)) * (1 + world.effect * side):
            sides[side].append(Span(service, week, float(min(value, 10.0)), bool(value < 10)))
    if not all(sides):
        return None, 1.0
    found = spans.medians(*sides)
    return (found if found and spans.log_rank(*sides) >= verdict.SURE else verdict.unsure(found)), 1.0


def failing(world: World, dice: Generator) -> tuple[Effect | None, float]:
    """A fail rate of a tenth."""
    sides: tuple[list[Count], list[Count]] = ([], [])
    for side, service, week, level, n in rows(world, dice):
        odds = 0.1 / 0.9 * np.exp(level)
        share = odds / (1 + odds) * (1 + world.effect * side)
        sides[side].append(Count(service, week, int(dice.binomial(n, share)), n))
    return shares.difference(*sides), 0.1


def tickets(world: World, dice: Generator) -> tuple[Effect | None, float]:
    """Tickets a week, whose rate is like the week before (a correlation of 0.3, a fifth of spread)."""
    weeks: list[Week] = []
    state = dice.normal(0, 0.2)
    for week in range(2 * world.weeks):
        state = 0.3 * state + dice.normal(0, 0.2 * np.sqrt(1 - 0.09))
        mean = world.pace * np.exp(state - 0.02) * (1 + world.effect * (week >= world.weeks))
        weeks.append(Week(7 * week, int(dice.poisson(mean)), 1.0))
    return verdict.of_rates(weeks[: world.weeks], weeks[world.weeks :]), world.pace


def recommend(world: World, dice: Generator) -> tuple[Effect | None, float]:
    """Two waves of answers to NPS; the effect is in points of a hundred, and n is the pace."""

    def wave(shift: float) -> Figure | None:
        up, down = 0.4 + shift / 2, 0.25 - shift / 2
        counts = dice.multinomial(int(world.pace), [down, 1 - up - down, up])
        one = opinions.nps(dict(zip((3, 7, 9), map(int, counts), strict=True)))
        ends = (one.value, one.low, one.high)
        return None if None in ends else Figure(*(float(end) for end in ends if end is not None), one.n)

    before, after = wave(0.0), wave(world.effect)
    return (shares.figures(before, after) if before and after else None), 100.0


KINDS: dict[str, Callable[[World, Generator], tuple[Effect | None, float]]] = {
    "lead time": durations,
    "fail rate": failing,
    "recovery": recoveries,
    "tickets": tickets,
    "NPS": recommend,
}
PLAN = (
    World("lead time", -0.4, 3, 13, 5, 0.4),
    World("lead time", -0.4, 8, 13, 3, 0.4),
    World("lead time", -0.4, 25, 13, 3, 0.4),
    World("fail rate", -0.5, 8, 13, 3, 0.5),
    World("fail rate", -0.5, 25, 13, 3, 0.5),
    World("fail rate", -0.5, 25, 26, 5, 0.5),
    World("recovery", -0.5, 8, 13, 0.3, 0.5),
    World("recovery", -0.5, 25, 13, 0.3, 0.5),
    World("tickets", -0.5, 1, 4, 8, 0.5),
    World("tickets", -0.5, 1, 8, 8, 0.5),
    World("tickets", -0.5, 1, 13, 8, 0.5),
    World("tickets", -0.5, 1, 26, 8, 0.5),
    World("NPS", 0.2, 1, 1, 50, 0.2, "higher"),
    World("NPS", 0.2, 1, 1, 100, 0.2, "higher"),
    World("NPS", 0.2, 1, 1, 300, 0.2, "higher"),
)


def one(world: World, seed: int) -> str:
    found, before = KINDS[world.kind](world, np.random.default_rng(seed))
    return deciding.decide(found, world.better, before * world.promised / 2)


def run(job: tuple[World, int, int]) -> Counter[str]:
    """So many worlds, each of its own seed."""
    world, first, many = job
    return Counter(one(world, seed) for seed in range(first, first + many))


def measured(world: World, worlds: int, pool: ProcessPoolExecutor) -> Counter[str]:
    part = max(1, worlds // 8)
    jobs = [(world, start, min(part, worlds - start)) for start in range(0, worlds, part)]
    return sum(pool.map(run, jobs), Counter[str]())


def line(world: World, found: Counter[str], worlds: int) -> str:
    ends = wilson(found[deciding.IMPROVED], worlds)
    assert ends
    told = " | ".join(
        f"{found[word] / worlds:.1%}" for word in (deciding.WORSE, deciding.NO_CHANGE, deciding.CANNOT_TELL)
    )
    size = (
        f"n {world.pace:.0f} twice"
        if world.kind == "NPS"
        else f"{world.services} × 2 × {world.weeks} weeks × {world.pace:g}"
    )
    effect = f"{100 * world.effect:+.0f} points" if world.kind == "NPS" else f"{world.effect:+.0%}"
    improved = f"{ends.value:.1%} ({ends.low:.1%}–{ends.high:.1%})"
    return f"| {world.kind} | {size} | {effect if world.effect else 'none'} | {improved} | {told} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=1000)
    worlds, broken = parser.parse_args().worlds, list[str]()
    print("| signal | services × sides × weeks × a week | true effect | improved | worse | no change | cannot tell |")
    print("|---|---|---|---|---|---|---|")
    with ProcessPoolExecutor(2) as pool:
        for plan in PLAN:
            for effect in (0.0, plan.effect / 2, plan.effect):
                world = replace(plan, effect=effect)
                found = measured(world, worlds, pool)
                print(line(world, found, worlds), flush=True)
                ends = wilson(found[deciding.IMPROVED], worlds)
                if effect == 0 and ends and ends.low > ALPHA:
                    broken.append(world.kind)
    print(f"\n{worlds} worlds each; without an effect too often improved: {', '.join(broken) or 'none'}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
