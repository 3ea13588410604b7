"""Groups of evidence that may be one pain, proposed and never made: a person names a pain from one, or does not.

Average linkage, cut where the silhouette is highest (P. J. Rousseeuw, 1987), because no fixed threshold fits two
collections of texts. A cut that leaves more than half of all in one group is none: the silhouette is also high where
one odd text stands apart from the rest. It splits rather too much, the safe side: to put together is a click.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.state.delivery import side_texts
from wend.state.voice import EVIDENCE
from wend.voice import nearest, ngrams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NEWEST = 250  # unlinked pieces of evidence that are looked at
OF_A_PAIN = 6  # of what is linked to one, that stand for it
LEAST = 2  # pieces that make a group
APART = 1e9  # a distance nothing has

Pair = tuple[int, int]


@dataclass(frozen=True)
class Group:
    """Pieces of evidence, the most typical first, and how alike they are in the mean (0 to 1)."""

    evidence: tuple[str, ...]
    alike: float


@dataclass(frozen=True)
class Proposed:
    """`method`: how texts were compared. `looked`: how many there were; `left`: how many older ones were not looked
    at. `silhouette`: how clearly they fall apart into groups, up to 1; None when there is nothing to say."""

    method: str
    groups: tuple[Group, ...] = ()
    looked: int = 0
    left: int = 0
    silhouette: float | None = None


# ---------------------------------------------------------------------------------------------- pure


@dataclass
class Tree:
    """Clusters on their way together. `far`: mean distance of each two, APART where they may not be together. `sums`:
    distances of every text to the texts of each."""

    distance: Floats
    labels: NDArray[np.int64]
    far: Floats
    sums: Floats
    sizes: Floats
    never: NDArray[np.bool_]
    alive: list[bool] = field(default_factory=list[bool])

    def join(self, one: int, other: int) -> None:
        """Make the second a part of the first."""
        mine, its = self.sizes[one], self.sizes[other]
        self.far[one] = (mine * self.far[one] + its * self.far[other]) / (mine + its)
        self.never[one] |= self.never[other]
        self.far[one, self.never[one]] = APART
        self.far[:, one], self.never[:, one] = self.far[one], self.never[one]
        self.far[other, :] = self.far[:, other] = self.far[one, one] = APART
        self.sums[:, one] += self.sums[:, other]
        self.sums[:, other] = 0
        self.sizes[one], self.sizes[other] = mine + its, 0
        self.labels[self.labels == other] = one
        self.alive[other] = False

    def closest(self) -> Pair | None:
        """The two that are nearest to each other and may be together."""
        one, other = divmod(int(self.far.argmin()), len(self.far))
        return None if self.far[one, other] >= APART else (min(one, other), max(one, other))

    def silhouette(self) -> float:
        """The mean over all texts; one that is alone counts 0."""
        import numpy as np

        each = np.arange(len(self.labels))
        own = self.sizes[self.labels]
        inside = self.sums[each, self.labels] / np.maximum(own - 1, 1)
        means = np.where(self.sizes > 0, self.sums / np.maximum(self.sizes, 1), APART)
        means[each, self.labels] = APART
        outside = means.min(1)
        worst = np.maximum(np.maximum(inside, outside), 1e-12)
        return float(np.where((own > 1) & (outside < APART), (outside - inside) / worst, 0).mean())


def planted(alike: Floats, cannot: Iterable[Pair]) -> Tree:
    """Every text by itself."""
    import numpy as np

    count = len(alike)
    distance = np.clip(1 - alike, 0, 2)
    np.fill_diagonal(distance, 0)
    never = np.zeros((count, count), np.bool_)
    for one, other in cannot:
        never[one, other] = never[other, one] = one != other
    far = np.where(never, APART, distance)
    np.fill_diagonal(far, APART)
    return Tree(distance, np.arange(count), far, distance.copy(), np.ones(count), never, [True] * count)


def cut(alike: Floats, must: Iterable[Pair] = (), cannot: Iterable[Pair] = ()) -> tuple[list[int], float | None]:
    """A label for every text, and the silhouette there: of all the cuts of the tree that keep together what a person
    put together and apart what a person took apart, the one with the highest. `alike`: cosines, symmetric."""
    if len(alike) < LEAST:
        return list(range(len(alike))), None
    tree = planted(alike, cannot)
    for one, other in must:
        first, second = int(tree.labels[one]), int(tree.labels[other])
        if first != second:
            tree.join(first, second)
    best, labels, largest = tree.silhouette(), tree.labels.copy(), max(len(alike) / 2, tree.sizes.max())
    while (pair := tree.closest()) is not None and sum(tree.alive) > LEAST:
        tree.join(*pair)
        if tree.sizes.max() > largest:
            break  # and no later cut has smaller ones
        found = tree.silhouette()
        if found > best:
            best, labels = found, tree.labels.copy()
    return [int(label) for label in labels], best


def members(labels: Sequence[int]) -> list[list[int]]:
    """The places of each label, in the order of the first of each."""
    found: dict[int, list[int]] = {}
    for place, label in enumerate(labels):
        found.setdefault(label, []).append(place)
    return list(found.values())


def typical(places: Sequence[int], alike: Floats) -> tuple[list[int], float]:
    """The places, the one that is most like the others first, and how alike they are in the mean."""
    inside = alike[list(places)][:, list(places)]
    means = (inside.sum(1) - 1) / max(1, len(places) - 1)
    order = sorted(range(len(places)), key=lambda place: (-means[place], place))
    return [places[place] for place in order], max(0.0, min(1.0, float(means.mean())))


# ---------------------------------------------------------------------------------------------- from the tables


@dataclass(frozen=True)
class Item:
    """What is grouped: a text by its key, what it says at heart, and all the evidence that says just that."""

    text: str
    plain: str
    pain: int | None
    evidence: tuple[str, ...]


def propose(db: Connection) -> Proposed:
    """Groups of unlinked evidence that no pain claims, the largest first. What is linked takes part, so that a group
    is only proposed where the pains that are there do not fit, and every correction counts."""
    loose, left = unlinked(db)
    items = [*loose, *linked(db)] if sum(len(item.evidence) for item in loose) >= LEAST else []
    if not items:
        return Proposed(ngrams.NAME, left=left, looked=len(loose))
    never = nearest.refused(db, [one for item in loose for one in item.evidence])
    asked = (
        tuple(items),
        tuple(sorted((one, *sorted(pains)) for one, pains in never.items())),
        nearest.ready(items_of(items)),
    )
    held = HELD[:1]  # another thread may put its own there meanwhile
    if not held or held[0][0] != asked:
        held = HELD[:] = [(asked, grouped(db, items, never, left))]
    return held[0][1]


HELD: list[tuple[object, Proposed]] = []  # what was proposed last, and from what: to look again costs nothing


def items_of(items: Sequence[Item]) -> list[str]:
    return [item.text for item in items]


def grouped(db: Connection, items: Sequence[Item], never: Mapping[str, frozenset[int]], left: int) -> Proposed:
    method, alike = nearest.alike(db, items_of(items))
    labels, best = cut(alike, together(items, never), apart(items, never))
    groups: list[Group] = []
    for places in members(labels):
        order, mean = typical(places, alike)
        evidence = tuple(one for place in order for one in items[place].evidence)
        if len(evidence) >= LEAST and all(items[place].pain is None for place in places):
            groups.append(Group(evidence, mean if len(places) > 1 else 1.0))
    groups.sort(key=lambda group: -len(group.evidence))
    return Proposed(method, tuple(groups), sum(len(item.evidence) for item in items), left, best)


def together(items: Sequence[Item], never: Mapping[str, frozenset[int]]) -> list[Pair]:
    """What was linked to one pain, and what says just what was linked to one, unless a person took it apart."""
    first: dict[int, int] = {}
    says: dict[str, int] = {}
    found: list[Pair] = []
    for place, item in enumerate(items):
        if item.pain is not None:
            says.setdefault(item.plain, item.pain)
            if first.setdefault(item.pain, place) != place:
                found.append((first[item.pain], place))
    for place, item in enumerate(items):
        pain = says.get(item.plain)
        if item.pain is None and pain is not None and not any(pain in never.get(one, ()) for one in item.evidence):
            found.append((first[pain], place))
    return found


def apart(items: Sequence[Item], never: Mapping[str, frozenset[int]]) -> list[Pair]:
    """What was linked to different pains, and what was said not to belong to one."""
    anchors = {item.pain: place for place, item in reversed(list(enumerate(items))) if item.pain is not None}
    found = [(one, other) for one in anchors.values() for other in anchors.values() if one < other]
    for place, item in enumerate(items):
        pains = {pain for one in item.evidence for pain in never.get(one, ())}
        found += [(place, anchors[pain]) for pain in pains if pain in anchors]
    return found


def unlinked(db: Connection) -> tuple[list[Item], int]:
    """The newest texts that are about no pain yet, those that are word for word the same as one; how many older
    pieces there are. What the platform's own team said is not among them."""
    here = EVIDENCE.c.pain.is_(None) & EVIDENCE.c.text.is_not(None) & (EVIDENCE.c.own == 0)
    whole = db.execute(sa.select(sa.func.count()).select_from(EVIDENCE).where(here)).scalar() or 0
    query = sa.select(EVIDENCE.c.id, EVIDENCE.c.text).where(here).order_by(EVIDENCE.c.seq.desc()).limit(NEWEST)
    rows = [(str(row[0]), str(row[1])) for row in db.execute(query)]
    words = side_texts(db, [hash for _, hash in rows])
    same: dict[str, list[tuple[str, str]]] = {}
    for id, hash in rows:
        same.setdefault(ngrams.plain(words.get(hash, "")), []).append((id, hash))
    found = [
        Item(these[0][1], plain, None, tuple(id for id, _ in these)) for plain, these in same.items() if plain.strip()
    ]
    return found, int(whole) - len(rows)


def linked(db: Connection) -> list[Item]:
    """What stands for each open pain: its title, and the newest that was linked to it."""
    found: list[tuple[str, int]] = []
    count: dict[int, int] = {}
    for key, pain in nearest.known(db).texts:
        count[pain] = count.get(pain, 0) + 1
        if count[pain] <= OF_A_PAIN:
            found.append((key, pain))
    words = nearest.said(db, [key for key, _ in found])
    return [Item(key, ngrams.plain(words.get(key, "")), pain, ()) for key, pain in found]
