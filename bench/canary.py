"""How often the judge of a canary is wrong, and how soon it is right: simulated, beside the rules of three others.

python bench/canary.py [--quick] [--rate 100] [--runs 1000]

Requests come at random at `--rate` a second and are dealt by weight; the proxy is read every half second. Wend goes 5,
25 and 50 % with 30 s each. Kayenta's judge (Mann-Whitney at 98 %, tolerance 0.25, pass 95, marginal 75; metrics: error
rate and p95) sees the same samples at the end of every step. Flagger (10 % more a minute up to 50 %, success rate of
99 %, P99 of 500 ms, five failed checks) and Argo Rollouts (every 5 minutes a success rate of 95 %, more than three
failures) have the thresholds of their own examples, and their own time.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache

from wend import canary
from wend.canary import Sample, Side
from wend.declared import AUTO_STEPS, Canary
from wend.stats import quantile, wilson

EDGES = (*sorted({round(float(f"{10 ** (step / 10):.1e}")) for step in range(49)}), 3_600_000)
TICK, STEP = 0.5, 30.0
MEDIAN = 40.0  # milliseconds


@dataclass(frozen=True)
class World:
    """Two releases. `errors`: share of both, `more` of the canary's requests besides; `slower`: times, in the share
    `slow` of its requests; `spread`: of the logarithm of the latency; `storms` and `stalls`: mean seconds between a
    second in which everything, or one release at a time by itself, answers half errors and 5 times slower (`stalls`:
    slower only); `hiccups`: between half seconds in which one release by itself answers errors only."""

    name: str
    rate: float = 100.0
    errors: float = 0.001
    more: float = 0.0
    slower: float = 1.0
    slow: float = 1.0
    spread: float = 0.8
    storms: float = 0.0
    stalls: float = 0.0
    hiccups: float = 0.0


def worlds(rate: float) -> tuple[list[World], list[World]]:
    """(those without a difference, those with one)."""
    same = [
        World("calm, 0.1 % errors", rate),
        World("2 % errors", rate, errors=0.02),
        World("half of all are errors", rate, errors=0.5),
        World("10 requests/s, 1 % errors", rate / 10, errors=0.01),
        World("skewed latency", rate, spread=1.8),
        World("storms that hit both", rate, storms=20),
        World("stalls of either by itself", rate, stalls=30),
        World("hiccups of either by itself", rate, hiccups=60),
    ]
    worse = [World(f"{more:.0%} errors", rate, more=more) for more in (1.0, 0.1, 0.02, 0.01)]
    worse += [World("100% errors, 20 requests/s", rate / 5, more=1.0)]
    worse += [World(f"{times:g} × slower", rate, slower=times) for times in (1.5, 2.0, 5.0)]
    return same, [*worse, World("1 % of requests 100 × slower", rate, slower=100.0, slow=0.01)]


# ---------------------------------------------------------------------------------------------- what happens


@cache
def reach(spread: float, times: float, slow: float) -> tuple[float, ...]:
    """The share of answers up to each edge: log-normal."""
    return tuple(
        (1 - slow) * below(edge / MEDIAN, spread) + slow * below(edge / MEDIAN / times, spread) for edge in EDGES
    )


def below(ratio: float, spread: float) -> float:
    return 0.5 * math.erfc(-math.log(ratio) / spread / math.sqrt(2))


def poisson(dice: random.Random, mean: float) -> int:
    if mean > 30:
        return max(0, round(dice.gauss(mean, math.sqrt(mean))))
    count, left = 0, math.exp(-mean)
    product = dice.random()
    while product > left:
        count, product = count + 1, product * dice.random()
    return count


def side(dice: random.Random, world: World, mean: float, errors: float, times: float, slow: float) -> Side:
    n = poisson(dice, mean)
    shares = reach(world.spread, times, slow)
    slots = [0] * len(EDGES)
    for _ in range(n):
        slots[min(bisect_left(shares, dice.random()), len(EDGES) - 1)] += 1
    seen, up_to = 0, []
    for edge, count in zip(EDGES, slots, strict=True):
        seen += count
        up_to.append((float(edge), seen))
    return Side(n, sum(dice.random() < errors for _ in range(n)), 0, tuple(up_to) if n else ())


def samples(dice: random.Random, world: World, weights: Callable[[], float]) -> Iterator[Sample]:
    """Half a second after the other, for ever."""
    storm = [0, 0, 0]  # ticks left: for both, for the canary, for the stable release
    kinds = ((world.storms, 2), (world.stalls, 2), (world.stalls, 2))
    hits = lambda every: every and dice.random() < TICK / every  # noqa: E731
    while True:
        storm = [ticks if hits(every) else max(0, left - 1) for left, (every, ticks) in zip(storm, kinds, strict=True)]
        share, sides = weights(), []
        for own, part in ((True, share), (False, 1 - share)):
            wild = storm[0] or storm[1 if own else 2]
            errors = min(1.0, world.errors + (world.more if own else 0) + (0.5 if storm[0] else 0))
            errors = 1.0 if hits(world.hiccups) else errors
            times, slow = (world.slower, world.slow) if own else (1.0, 1.0)
            times, slow = (5.0 * times, 1.0) if wild else (times, slow)
            sides.append(side(dice, world, world.rate * TICK * part, errors, times, slow))
        yield Sample(TICK, *sides)


# ---------------------------------------------------------------------------------------------- the judges

Outcome = tuple[str, float, int]  # action, seconds, requests to the canary until then


def wend(dice: random.Random, world: World) -> Outcome:
    evidence, step, policy = canary.begin(), [0], Canary(steps=AUTO_STEPS, seconds=STEP)
    for sample in samples(dice, world, lambda: AUTO_STEPS[step[0]] / 100):
        evidence = canary.fold(evidence, sample)
        verdict = canary.decide(evidence, policy, step[0], AUTO_STEPS)
        if verdict.action == "step":
            evidence, step[0] = canary.stepped(evidence), step[0] + 1
        elif verdict.action != "wait":
            return verdict.action, evidence.seconds, evidence.canary.requests
    raise AssertionError


def kayenta(dice: random.Random, world: World) -> Outcome:
    points: dict[str, tuple[list[float], list[float]]] = {"errors": ([], []), "p95": ([], [])}
    now, requests, stream = 0.0, 0, None
    stream = samples(dice, world, lambda: AUTO_STEPS[min(2, int(now / STEP))] / 100)
    while now < STEP * len(AUTO_STEPS):
        sample = next(stream)
        now, requests = now + TICK, requests + sample.canary.requests
        for index, seen in enumerate((sample.canary, sample.stable)):
            if seen.requests:
                points["errors"][index].append(seen.errors / seen.requests)
            if found := quantile(seen.latency, 0.95):
                points["p95"][index].append(found.value)
        if now % STEP == 0:
            score = 100 * statistics.mean(not high(*both) for both in points.values())
            if score < 75:
                return "rollback", now, requests
    return "promote" if score >= 95 else "cannot tell", now, requests


def high(ours: list[float], theirs: list[float]) -> bool:
    """Whether the metric is High: the interval of the shift (Hodges and Lehmann) lies above a quarter of the shift."""
    n, m = len(ours), len(theirs)
    if not n or not m or len({*ours, *theirs}) == 1:
        return False
    shifts = sorted(one - other for one in ours for other in theirs)
    ties: dict[float, int] = {}
    for value in (*ours, *theirs):
        ties[value] = ties.get(value, 0) + 1
    tied = sum(count**3 - count for count in ties.values()) / ((n + m) * (n + m - 1))
    sigma = math.sqrt(n * m / 12 * (n + m + 1 - tied))
    low = shifts[max(0, math.floor(n * m / 2 - 2.326 * sigma))]
    return low > 0.25 * abs(statistics.median(shifts)) and statistics.mean(ours) >= statistics.mean(theirs)


def flagger(dice: random.Random, world: World) -> Outcome:
    return thresholds(dice, world, 60.0, 5, 0.99, 500.0)


def argo(dice: random.Random, world: World) -> Outcome:
    return thresholds(dice, world, 300.0, 4, 0.95, math.inf)


def thresholds(
    dice: random.Random, world: World, every: float, most: int, success: float, slowest: float
) -> Outcome:  # fmt: skip
    """Rolled back at so many failed checks; a check that passes goes a step on: 10, 20 … 50 %, then it is promoted."""
    weight, failed, now, requests = 0.1, 0, 0.0, 0
    stream = samples(dice, world, lambda: weight)
    while weight < 0.55:
        seen = Side()
        for _ in range(round(every / TICK)):
            seen += next(stream).canary
        now, requests = now + every, requests + seen.requests
        p99 = quantile(seen.latency, 0.99)
        well = seen.requests and 1 - seen.errors / seen.requests >= success and p99 and p99.value <= slowest
        failed, weight = (failed, weight + 0.1) if well else (failed + 1, weight)
        if failed >= most:
            return "rollback", now, requests
    return "promote", now, requests


# ---------------------------------------------------------------------------------------------- the table

JUDGES = {"Wend": wend, "Kayenta": kayenta, "Flagger": flagger, "Argo": argo}
DEAR = {"Kayenta": 5, "Flagger": 20, "Argo": 40}  # so many times fewer runs: each is slow, or its answer is plain


def many(name: str, world: World, seed: int, runs: int) -> list[Outcome]:
    return [JUDGES[name](random.Random(f"{seed}/{run}/{world.name}"), world) for run in range(runs)]


def share(hits: int, n: int) -> str:
    found = wilson(hits, n)
    assert found
    return f"{100 * found.value:.3g} % of {n} ({100 * found.low:.3g}–{100 * found.high:.3g})"


def row(found: list[Outcome]) -> str:
    """How many were rolled back, when, after how many requests, and what became of the others."""
    back = sorted((seconds, requests) for action, seconds, requests in found if action == "rollback")
    unsure = sum(action == "cannot tell" for action, *_ in found)
    text = share(len(back), len(found))
    if back:
        late = back[min(len(back) - 1, int(0.95 * len(back)))][0]
        middle = statistics.median(requests for _, requests in back)
        text += f" · {statistics.median(seconds for seconds, _ in back):g} s, p95 {late:g} s, {middle:.0f} requests"
    return text + (f" · cannot tell {unsure}" if unsure else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few runs, and of Wend only")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    parser.add_argument("--runs", type=int, default=1000, help="of each world without a difference")
    given = parser.parse_args()
    runs = min(given.runs, 60) if given.quick else given.runs
    same, worse = worlds(given.rate)
    false: dict[str, tuple[int, int]] = {}
    with ProcessPoolExecutor(2) as pool:
        for kind, found in (("no difference", same), ("worse", worse)):
            print(f"\n{kind}: rolled back · after (median) · requests to the canary until then", flush=True)
            for world in found:
                for name in ("Wend",) if given.quick else JUDGES:
                    n = max(10, (runs if kind == "no difference" else runs // 4) // DEAR.get(name, 1))
                    parts = pool.map(many, (name,) * 2, (world,) * 2, (1, 2), (n - n // 2, n // 2))
                    outcomes = [one for part in parts for one in part]
                    print(f"  {world.name:<30} {name:<8} {row(outcomes)}", flush=True)
                    if kind == "no difference":
                        hits, all_ = false.get(name, (0, 0))
                        hits += sum(action == "rollback" for action, *_ in outcomes)
                        false[name] = hits, all_ + n
    print()
    for name, (hits, n) in false.items():
        print(f"rolled back though nothing differs, {name}: {share(hits, n)}")
    hits, n = false["Wend"]
    return 0 if hits <= 0.01 * n else 1


if __name__ == "__main__":
    sys.exit(main())
