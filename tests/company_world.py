"""A company whose pains are known to the minute, and the ways in which it tells of them, each wrong in its own way.

120 developers in 14 teams, 12 pains. Loud teams write tickets, the others suffer; tickets come twice and exaggerate,
some pains nobody writes about; telemetry sees some pains, and not everything of those; interviews are drawn at random,
not everybody comes, and who comes forgets and misjudges.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from wend.cost.given import Asked, Told

DEVELOPERS, TEAMS, PAINS, MEASURED = 120, 14, 12, 5
TODAY = 20_787  # a Monday, UTC day since 1970


@dataclass(frozen=True)
class Pain:
    """`reach`: share of people hit, about; `rate` times a week and `minutes` a time: medians among them; `heard`: how
    readily people write about it; `seen`: the share of times that telemetry sees (0: nothing)."""

    reach: float
    rate: float
    minutes: float
    heard: float
    seen: float


@dataclass
class Company:
    """`hit`: (pain, person) → times a week and minutes a time. `loud`: how readily a team writes."""

    dice: random.Random
    people: dict[str, str]
    loud: dict[str, float]
    pains: list[Pain]
    hit: dict[tuple[int, str], tuple[float, float]]
    told: list[Told] = field(default_factory=list[Told])
    asked: list[Asked] = field(default_factory=list[Asked])

    @property
    def hours(self) -> dict[int, float]:
        """Pain → developer-hours that it truly costs in a week."""
        found = dict.fromkeys(range(len(self.pains)), 0.0)
        for (pain, _), (rate, minutes) in self.hit.items():
            found[pain] += rate * minutes / 60
        return found


def found(seed: object) -> Company:
    """A company of its own for every seed."""
    dice = random.Random(f"company {seed}")
    teams = [f"team-{number:02}" for number in range(TEAMS)]
    sizes = [dice.uniform(0.5, 1.6) for _ in teams]
    people = {f"{number:016x}": dice.choices(teams, sizes)[0] for number in range(DEVELOPERS)}
    pains = [pain(dice, number < MEASURED) for number in range(PAINS)]
    hit: dict[tuple[int, str], tuple[float, float]] = {}
    for number, one in enumerate(pains):
        odds = {team: math.log(one.reach / (1 - one.reach)) + dice.gauss(0, 0.9) for team in teams}
        for person, team in people.items():
            if dice.random() < 1 / (1 + math.exp(-odds[team])):
                hit[number, person] = one.rate * dice.lognormvariate(0, 0.5), one.minutes * dice.lognormvariate(0, 0.5)
    loud = {team: dice.lognormvariate(0, 1.2) for team in teams}
    return Company(dice, people, loud, pains, hit)


def pain(dice: random.Random, measured: bool) -> Pain:
    reach = min(0.8, max(0.03, dice.betavariate(1.3, 3.5)))
    rate, minutes = dice.lognormvariate(0, 0.7), dice.lognormvariate(math.log(15), 0.8)
    return Pain(reach, rate, minutes, dice.lognormvariate(0, 1.0), dice.uniform(0.7, 1.0) if measured else 0.0)


def live(company: Company, weeks: int, interviews: int) -> None:
    """So many weeks up to TODAY, with so many people asked for an interview in each."""
    heard: dict[str, int] = {}
    for week in range(TODAY - 7 * (weeks - 1), TODAY + 1, 7):
        write(company, week)
        measure(company, week)
        ask(company, week, interviews, heard)


def write(company: Company, week: int) -> None:
    """Tickets: each of the loud one's comes up to four times, and makes it worse than it is."""
    for (number, person), (rate, minutes) in company.hit.items():
        team = company.people[person]
        ready = 0.03 * company.loud[team] * company.pains[number].heard * min(2.0, rate)
        if company.dice.random() < ready:
            more = company.dice.lognormvariate(0.3, 0.5) * min(3.0, max(1.0, company.loud[team]))
            for _ in range(company.dice.randint(1, 4)):
                company.told.append(Told(number, person, team, week, "ticket", 1, None, minutes * more))


def measure(company: Company, week: int) -> None:
    for (number, person), (rate, minutes) in company.hit.items():
        seen = company.pains[number].seen
        times = poisson(company.dice, rate * seen) if seen else 0
        if times:
            took = sum(minutes * company.dice.lognormvariate(0, 0.4) for _ in range(times)) / times
            company.told.append(Told(number, person, company.people[person], week, "telemetry", times, None, took))


def ask(company: Company, week: int, most: int, heard: dict[str, int]) -> None:
    """People who were not heard for twelve weeks, drawn at random. What is rare is forgotten, and all of it is guessed
    from memory."""
    free = [person for person in sorted(company.people) if week - heard.get(person, -1000) >= 84]
    for person in company.dice.sample(free, min(most, len(free))):
        if company.dice.random() < 0.8:  # the others did not come
            heard[person] = week
            interview(company, person, week, min(most, len(free)) / len(free))


def interview(company: Company, person: str, week: int, probability: float | None) -> None:
    """One of them is held. `probability`: None for who was not drawn."""
    dice, team = company.dice, company.people[person]
    if probability is not None:
        company.asked.append(Asked(person, team, week, probability))
    for number in range(len(company.pains)):
        rate, minutes = company.hit.get((number, person), (0.0, 0.0))
        if rate and dice.random() < 0.95 * (1 - math.exp(-5 * rate)):
            said = rate * dice.lognormvariate(0, 0.5), minutes * dice.lognormvariate(0.1, 0.5)
            company.told.append(Told(number, person, team, week, "interview", 1, *said))


def poisson(dice: random.Random, mean: float) -> int:
    count, left = 0, dice.random()
    term = below = math.exp(-mean)
    while left > below and count < 1000:
        count += 1
        term *= mean / count
        below += term
    return count


# ---------------------------------------------------------------------------------------------- what others would say


def votes(company: Company) -> int:
    """As feature boards do: who has the most people behind it, each once."""
    people: dict[int, set[str]] = {number: set() for number in range(len(company.pains))}
    for one in company.told:
        if one.source != "telemetry":
            people[one.pain].add(one.person)
    return max(people, key=lambda pain: len(people[pain]))


def weekly(one: Told) -> float:
    """Minutes a week, as this source makes it look."""
    times = one.per_week if one.per_week is not None else float(one.times)
    return (one.minutes or 0.0) * times


def rice(company: Company) -> int:
    """Reach (people known to be hit, all sources) × impact (3, 2, 1, 0.5, 0.25 by what they say or is measured) ×
    confidence (100, 80, 50 % by how many sources there are), at the same effort."""
    best, first = -1.0, 0
    for number in range(len(company.pains)):
        mine = [one for one in company.told if one.pain == number]
        if not mine:
            continue
        mean = sum(map(weekly, mine)) / len(mine)
        impact = next(worth for least, worth in ((60, 3), (30, 2), (15, 1), (5, 0.5), (0, 0.25)) if mean >= least)
        sure = {1: 0.5, 2: 0.8}.get(len({one.source for one in mine}), 1.0)
        score = len({one.person for one in mine}) * impact * sure
        best, first = (score, number) if score > best else (best, first)
    return first


def importance(company: Company) -> int:
    """The sum of how important it is to each person, 0 to 3, whatever they said last counting."""
    last: dict[tuple[int, str], int] = {}
    for one in sorted(company.told, key=lambda one: one.week):
        if one.source != "telemetry":
            last[one.pain, one.person] = sum(weekly(one) >= least for least in (5, 15, 45))
    sums = dict.fromkeys(range(len(company.pains)), 0)
    for (number, _), worth in last.items():
        sums[number] += worth
    return max(sums, key=lambda pain: sums[pain])


def said_hours(company: Company) -> int:
    """The sum of the minutes a week that those interviewed say, and nothing else: no weights, no doubt."""
    sums = dict.fromkeys(range(len(company.pains)), 0.0)
    for one in company.told:
        if one.source == "interview":
            sums[one.pain] += weekly(one)
    return max(sums, key=lambda pain: sums[pain])
