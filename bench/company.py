"""How often the one thing is truly the worst pain: on simulated companies, beside votes, RICE and sums of importance.

python bench/company.py [--runs 150] [--weeks 10] [--interviews 5] [--real 2] [--sweep]

120 developers in 14 teams, 12 pains whose hours are known; tests/company_world.py says in which ways the channels lie.
All methods see the same data. `--real` so many companies are told to a real ledger, and must be ranked the same.
`--sweep` goes through other numbers of weeks and interviews, and through what happens when nobody is asked how often.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean, stdev

import measure

from tests import company_told
from tests.company_world import TODAY, Company, found, importance, live, rice, said_hours, votes
from tests.voice_world import voice_world
from wend import cost, one_thing
from wend.stats import wilson

METHODS = {"votes": votes, "RICE": rice, "importance": importance}
MORE = {"said hours": said_hours}  # interviews alone: nobody's product, and no word of how sure it is
BINS = ((0, 0.05), (0.05, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 0.95), (0.95, 1.01))


@dataclass(frozen=True)
class World:
    """How long, how many interviews a week, and whether they are asked how often it happens."""

    weeks: int = 10
    interviews: int = 5
    often: bool = True


@dataclass
class Run:
    """What came out of one company. `picks` and `lost` by method; `probabilities`: (said, whether it is the worst)."""

    picks: dict[str, bool] = field(default_factory=dict[str, bool])
    lost: dict[str, float] = field(default_factory=dict[str, float])
    probabilities: list[tuple[float, bool]] = field(default_factory=list[tuple[float, bool]])
    inside: list[bool] = field(default_factory=list[bool])
    ranked: list[bool] = field(default_factory=list[bool])
    separable: bool = False
    regret: float = 0.0
    until: int | None = None  # interviews that it took
    soon: bool | None = None  # whether it was right when first called separable
    close: bool = False  # whether the two worst are within a quarter of each other


def rank(company: Company, day: int = TODAY) -> cost.Costs:
    """By what was told up to the day."""
    told = [one for one in company.told if one.week <= day]
    asked = [one for one in company.asked if one.week <= day]
    return cost.rank(range(len(company.pains)), told, asked, company.people, day)


def run(seed: str, world: World) -> Run:
    company, out = found(seed), Run()
    live(company, world.weeks, world.interviews)
    if not world.often:
        company.told = [replace(one, per_week=None) for one in company.told]
    costs, hours = rank(company), company.hours
    order = sorted(hours, key=lambda pain: -hours[pain])
    worst, first = order[0], costs.rows[0].pain
    for name, pick in {"Wend": first, **{name: method(company) for name, method in (METHODS | MORE).items()}}.items():
        out.picks[name], out.lost[name] = pick == worst, hours[worst] - hours[pick]
    for row in costs.rows:
        out.probabilities.append((row.p_worst, row.pain == worst))
        out.inside.append(row.low <= hours[row.pain] <= row.high)
        out.ranked.append(row.rank_low <= order.index(row.pain) + 1 <= row.rank_high)
    out.separable, out.regret, out.close = costs.separable, costs.regret, hours[order[1]] > 0.75 * hours[worst]
    for day in range(TODAY - 7 * (world.weeks - 1), TODAY + 1, 14):
        then = rank(company, day)
        if then.separable:
            out.soon = then.rows[0].pain == worst
            out.until = sum(one.week <= day for one in company.asked)
            break
    return out


def real(seed: str) -> bool:
    """Whether the ranking of a ledger that was told of it is the pure one's: the first, and whether it is separable."""
    company = found(seed)
    live(company, 10, 5)
    costs = rank(company)
    with tempfile.TemporaryDirectory() as folder, voice_world(Path(folder)) as ctx:
        company_told.tell(ctx, company)
        told = one_thing.now(ctx)
    return (told.rows[0].pain - 1, told.separable) == (costs.rows[0].pain, costs.separable)


# ---------------------------------------------------------------------------------------------- what is printed


def share(hits: list[bool]) -> str:
    one = wilson(sum(hits), len(hits))
    return f"{one.value:6.1%} ({one.low:.1%}–{one.high:.1%}, n {one.n})" if one else "no data"


def average(values: list[float]) -> str:
    half = 1.96 * stdev(values) / len(values) ** 0.5
    return f"{mean(values):6.1f} h/week (±{half:.1f})"


def report(runs: list[Run]) -> None:
    print("finds the worst pain, and hours a week lost by its pick on average:")
    for name in ("Wend", *METHODS, *MORE):
        print(f"  {name:<11} {share([one.picks[name] for one in runs])}   {average([one.lost[name] for one in runs])}")
    print("P(worst) said, and how often it was, over all pains:")
    every = [pair for one in runs for pair in one.probabilities]
    for low, high in BINS:
        here = [pair for pair in every if low <= pair[0] < high]
        if here:
            print(f"  {mean(said for said, _ in here):6.1%} → {share([true for _, true in here])}")
    print(f"true hours within the 90 % interval: {share([hit for one in runs for hit in one.inside])}")
    print(f"true rank within the rank interval:  {share([hit for one in runs for hit in one.ranked])}")
    sure, unsure = ([one for one in runs if one.separable is side] for side in (True, False))
    print(f"separable: {share([one.separable for one in runs])}; then right: {share([r.picks['Wend'] for r in sure])}")
    print(f"not separable; then the first would have been wrong: {share([not one.picks['Wend'] for one in unsure])}")
    print(f"  or the two worst are within a quarter: {share([not r.picks['Wend'] or r.close for r in unsure])}")
    print(f"regret said {average([one.regret for one in runs])}, true {average([one.lost['Wend'] for one in runs])}")
    until = [one.until if one.until is not None else 999 for one in runs]
    there = [one.soon for one in runs if one.soon is not None]
    print(f"interviews until it is first called separable: median {measure.quantile(until, 0.5)}, three quarters "
          f"{measure.quantile(until, 0.75)} (999: not within the time); then right: {share(there)}")  # fmt: skip


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=150)
    parser.add_argument("--weeks", type=int, default=10)
    parser.add_argument("--interviews", type=int, default=5, help="people asked a week; one in five does not come")
    parser.add_argument("--real", type=int, default=2)
    parser.add_argument("--sweep", action="store_true")
    return parser.parse_args()


def ahead(runs: list[Run]) -> bool:
    """Whether the others are far behind, in both figures."""
    ours, lost = ([one.picks["Wend"] for one in runs], sum(one.lost["Wend"] for one in runs))
    best = max(sum(one.picks[name] for one in runs) for name in METHODS)
    least = min(sum(one.lost[name] for one in runs) for name in METHODS)
    more = measure.verdict(
        "finds the worst at least 20 points more often than any of the others", sum(ours) - best >= 0.2 * len(runs)
    )
    return measure.verdict("loses less than half the hours of any of the others", lost < least / 2) and more


def main() -> int:
    given = arguments()
    worlds = [World(given.weeks, given.interviews)]
    if given.sweep:
        worlds += [World(4, 5), World(10, 2), World(20, 5), World(10, 10), World(10, 5, often=False)]
    holds = []
    with ProcessPoolExecutor(2) as pool:
        for world in worlds:
            how = "" if world.often else ", nobody asked how often"
            print(
                f"\n{world.weeks} weeks, {world.interviews} interviews a week{how}: {given.runs} companies", flush=True
            )
            seeds = [f"bench {number}" for number in range(given.runs)]
            runs = list(pool.map(run, seeds, [world] * len(seeds), chunksize=5))
            report(runs)
            holds.append(world is not worlds[0] or ahead(runs))
        same = list(pool.map(real, [f"bench {number}" for number in range(given.real)]))
    holds.append(measure.verdict(f"told to a real ledger, {len(same)} companies are ranked the same", all(same)))
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(main())
