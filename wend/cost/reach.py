"""Whom a pain hits: the share of the people, from those asked at random; what volunteers say is a lower bound."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from wend.cost.given import WINDOW, Asked, Book, Draw, Quantity
from wend.stats import Interval

if TYPE_CHECKING:
    from wend.cost.given import Draws

CAUGHT = 3  # people in both channels, below which hidden ones are not guessed at
RANDOM = ("interview", "survey")  # sources that ask people drawn at random, the better first
ASSUMED = "assumed"


def newest(given: Book) -> tuple[str, dict[str, Asked]]:
    """The best source that asked people at random, and each person's newest answer there."""
    for source in RANDOM:
        found = {one.person: one for one in sorted(given.asked, key=lambda one: one.week) if one.source == source}
        if found:
            return source, found
    return "", {}


def tellers(given: Book, pain: int, source: str, heard: Mapping[str, Asked]) -> set[str]:
    """Of those heard, who told of the pain the last time they were."""
    mine = given.mine(pain, source)
    return {one.person for one in mine if one.person in heard and one.week >= heard[one.person].week}


def known_hit(given: Book, pain: int) -> set[str]:
    """People of the directory that are known to be hit, by whatever source, in the last half year."""
    since = given.today - WINDOW
    return {one.person for one in given.told if one.pain == pain and one.week >= since and one.person in given.people}


def chapman(one: int, other: int, both: int) -> Interval | None:
    """How many there are, of whom two channels each saw some (D. G. Chapman, 1951), with the 90 % interval by his
    variance; never fewer than were seen. None: so few were seen by both that nothing follows."""
    if both < CAUGHT:
        return None
    value = (one + 1) * (other + 1) / (both + 1) - 1
    spread = (one + 1) * (other + 1) * (one - both) * (other - both) / ((both + 1) ** 2 * (both + 2))
    reach, seen = 1.644854 * math.sqrt(spread), one + other - both
    return Interval(value, max(float(seen), value - reach), value + reach, seen)


def recaptured(given: Book, pain: int) -> Quantity | None:
    """The share hit, by the two channels with the most people in both: an independent one is assumed."""
    since = given.today - WINDOW
    channels: dict[str, set[str]] = {}
    for one in given.told:
        if one.pain == pain and one.week >= since and one.person in given.people:
            channels.setdefault(one.source, set()).add(one.person)
    pairs = [(a, b) for a in sorted(channels) for b in sorted(channels) if a < b]
    if not pairs or not given.people:
        return None
    a, b = max(pairs, key=lambda pair: len(channels[pair[0]] & channels[pair[1]]))
    found = chapman(len(channels[a]), len(channels[b]), len(channels[a] & channels[b]))
    if found is None:
        return None
    value, low, high = (min(1.0, count / len(given.people)) for count in (found.value, found.low, found.high))
    return Quantity(value, low, high, found.n, f"capture-recapture: {a} and {b}")


# ---------------------------------------------------------------------------------------------- drawn


def reaches(draw: Draw) -> dict[int, tuple[Draws, Quantity]]:
    """Share of the people that each pain hits. From those asked at random by Hájek's form of the Horvitz-Thompson
    estimator (each weighs 1 / probability, halved every 90 days), with one person's worth of what is usual; those who
    were asked are known, the rest is drawn. Nobody less than are known to be hit."""
    given = draw.given
    source, heard = newest(given)
    n, share = worth(given, heard)
    hits = {pain: tellers(given, pain, source, heard) for pain in given.pains}
    told = sum(share[person] for hit in hits.values() for person in hit)
    usual = (told + 0.3) / (len(hits) + 2) if heard else 0.15
    column = [given.place[person] for person in share]
    each = draw.np.array(list(share.values())) * n
    weights = draw.weights[:, column] * each
    settled = min(1.0, n / max(1, len(given.people)))
    found: dict[int, tuple[Draws, Quantity]] = {}
    for pain, hit in hits.items():
        here = draw.np.array([person in hit for person in share], dtype=float)
        more, fewer = draw.gamma(usual), draw.gamma(1 - usual)
        among = (weights @ here + more) / (weights.sum(axis=1) + more + fewer)
        value = sum(share[person] for person in hit) if heard else float(among.mean())
        floor = len(known_hit(given, pain)) / max(1, len(given.people))
        drawn = (
            draw.np.maximum(floor, settled * value + (1 - settled) * among) if heard else floor + (1 - floor) * among
        )
        low, high = draw.ends(drawn)
        best = Quantity(max(floor, value), low, high, len(heard), source or ASSUMED)
        found[pain] = drawn, checked(best, recaptured(given, pain) or at_least(given, pain, floor))
    return found


def worth(given: Book, heard: Mapping[str, Asked]) -> tuple[float, dict[str, float]]:
    """How many equal people those heard are worth (L. Kish, 1965), fresh ones in full; and the share of each."""
    raw = {one.person: given.fresh(one.week) / one.probability for one in heard.values()}
    total = sum(raw.values())
    share = {person: weight / total for person, weight in sorted(raw.items())}
    fresh = sum(given.fresh(one.week) for one in heard.values())
    even = 1 / sum(part**2 for part in share.values()) if share else 0.0
    return min(even, fresh), share


def at_least(given: Book, pain: int, floor: float) -> Quantity | None:
    n = len(known_hit(given, pain))
    return Quantity(floor, floor, 1.0, n, "known to be hit") if n else None


def checked(best: Quantity, other: Quantity | None) -> Quantity:
    """Beside it what the other source says."""
    apart = other is not None and (other.low > best.high or other.high < best.low)
    return Quantity(best.value, best.low, best.high, best.n, best.source, other, apart)
