"""Whom to talk to next, so that the two worst pains come apart: those whose answer is expected to tell the most."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wend.cost.given import Asked, Book, Quantity, Told, book, seed
from wend.cost.reach import newest, tellers

REST = 84  # days for which nobody who was heard is asked again
MOST = 10  # people at once
PULL = 2.0  # people that the company's share is worth in a team's


@dataclass(frozen=True)
class Ask:
    """Somebody to talk to. `gain`: by how much the variance of the difference between the two is expected to shrink,
    in (hours a week)²; None for who is asked for a story. `why`: "whom" of the two hits more people there, or "story":
    is known to be hit by `pain`, and can tell how often and how long. `listed`: is to be interviewed anyway; if not,
    `chance` is the probability that they count with: that of those who were drawn before (None: they are not drawn)."""

    person: str
    team: str
    why: str
    pain: int | None
    gain: float | None
    asked: int
    of: int
    listed: bool
    chance: float | None


@dataclass(frozen=True)
class Rival:
    """One of the two. `each`: hours a week of one person who is hit."""

    pain: int
    mean: float
    reach: Quantity
    frequency: Quantity
    minutes: Quantity

    def each(self, people: int) -> float:
        return self.mean / people / self.reach.value if self.reach.value else 0.0

    @property
    def unsure(self) -> float:
        """How many times the upper end of what one time costs is above the lower."""
        low, high = self.frequency.low * self.minutes.low, self.frequency.high * self.minutes.high
        return high / low if low > 0 else high


def next_people(
    rivals: tuple[Rival, Rival],
    told: Sequence[Told],
    asked: Sequence[Asked],
    people: Mapping[str, str],
    today: int,
    whom: float,
    most: int = 3,
    listed: frozenset[str] = frozenset(),
) -> list[Ask]:
    """At most so many of the `people`; fewer when the others were heard lately. `whom`: the share of what is not known
    that is whom the two hit. Strangers tell of that and, if they are hit, their story too; those who are known to be
    hit tell only that, and are asked when little else is missing. `listed`: who was
    drawn for an interview already; of a team they come first. The same for the same data."""
    given = book([one.pain for one in rivals], told, asked, people, today)
    heard = {one.person for one in given.asked if one.week > today - REST}
    mark = seed(given)
    free = sorted(people.keys() - heard, key=lambda one: (one not in listed, lot(mark, one)))
    stories = story_tellers(given, rivals, free, listed)[: int(most * (1 - whom) ** 2)]
    rest = {one.person for one in stories}
    drawn = strangers(given, rivals, [person for person in free if person not in rest], listed)
    place = most - len(stories)
    return [*drawn[:place], *stories, *drawn[place:]][:most]


def lot(mark: int, person: str) -> str:
    """Chance decides within a team, and the same way for the same data."""
    return hashlib.sha256(f"{mark} {person}".encode()).hexdigest()


def strangers(given: Book, rivals: tuple[Rival, Rival], free: Sequence[str], listed: frozenset[str]) -> list[Ask]:
    """People of the teams where one more answer tells the most, each answer taken as given before the next. A
    team's part of the variance of the difference is (its people)² × (variance of one person) / (people asked + 1)."""
    source, heard = newest(given)
    hits = {one.pain: tellers(given, one.pain, source, heard) for one in rivals}
    waiting: dict[str, list[str]] = {}
    for person in free:
        waiting.setdefault(given.people[person], []).append(person)
    there = Counter(given.people.values())
    known = Counter(given.people[person] for person in heard)
    fresh = dict.fromkeys(waiting, 0.0)
    for one in heard.values():
        if (team := given.people[one.person]) in fresh:
            fresh[team] += given.fresh(one.week)
    # Those who tell most are of the teams heard least, so with them the teams' shares come nearer to what they are:
    # each counts like those who were drawn before.
    usual = [1 / one.probability for one in heard.values()]
    as_others = len(usual) / sum(usual) if usual else min(1.0, MOST / max(1, len(free)))
    found: list[Ask] = []
    while waiting and len(found) < MOST:
        apart = {
            team: sum(variance(given, one, team, hits[one.pain], known[team]) for one in rivals) for team in waiting
        }
        gains = {team: there[team] ** 2 * one_more(fresh[team]) * apart[team] for team in waiting}
        team = max(sorted(gains), key=lambda name: gains[name])
        person = waiting[team].pop(0)
        chance = None if person in listed else as_others
        found.append(Ask(person, team, "whom", None, gains[team], known[team], there[team], person in listed, chance))
        fresh[team] += 1
        waiting = {name: names for name, names in waiting.items() if names}
    return found


def one_more(asked: float) -> float:
    return 1 / (asked + 1) - 1 / (asked + 2)


def variance(given: Book, rival: Rival, team: str, hit: set[str], asked: int) -> float:
    """Of one person's hours a week, as far as it is not known whether they are hit."""
    here = sum(given.people[person] == team for person in hit)
    share = (here + PULL * rival.reach.value) / (asked + PULL)
    return share * (1 - share) * rival.each(len(given.people)) ** 2


def story_tellers(given: Book, rivals: tuple[Rival, Rival], free: Sequence[str], listed: frozenset[str]) -> list[Ask]:
    """Those who are known to be hit by the one of the two that is less known, and then of the other; of every team one,
    and then another."""
    found: list[Ask] = []
    for rival in sorted(rivals, key=lambda one: -one.unsure):
        hit = {one.person for one in given.told if one.pain == rival.pain}
        round_of: dict[str, int] = {}
        rows: list[tuple[int, Ask]] = []
        for person in free:
            if person in hit and all(one.person != person for one in found):
                team = given.people[person]
                round_of[team] = round_of.get(team, 0) + 1
                ask = Ask(person, team, "story", rival.pain, None, 0, 0, person in listed, None)
                rows.append((round_of[team], ask))
        found += [ask for _, ask in sorted(rows, key=lambda row: row[0])]
    return found
