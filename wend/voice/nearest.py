"""The pains that a text is nearest to, offered to a person who decides.

A pain is known by its title and by the evidence that people linked to it, so each link makes the next offer better.
What a person said does not belong to a pain is never offered for it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.context import Context
from wend.state.delivery import side_texts
from wend.state.voice import EVIDENCE, NOT_LINKED, PAINS
from wend.voice import minilm, ngrams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 3  # pains that are offered
CLOSEST = 3  # of a pain's texts that say how near it is
NEAR = 200  # texts that are looked at, the closest
CORPUS = 5_000  # linked pieces of evidence that are looked at, the newest
SLICE = 8  # texts that the model reads at a time, between which others get their turn
FEW = 8  # that it may still have to read when somebody is waiting

Offer = tuple[int, str, float]


class Like(Protocol):
    """Texts side by side, to which another is compared."""

    def like(self, text: Any) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class Known:
    """What there is to be near to. `pains`: number → title of the open ones. `texts`: (key, pain) of every text that
    stands for one, a title's key being the title."""

    pains: Mapping[int, str]
    texts: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Asked:
    """What is compared; the id of the piece of evidence, if it is one, and the hash of its side text."""

    text: str
    evidence: str | None = None
    hash: str | None = None

    @property
    def key(self) -> str:
        return self.hash or f"title {self.text}"


@dataclass(frozen=True)
class Offers:
    """`method`: how it was compared. `found`: for each text that was asked for, the nearest first."""

    method: str
    found: list[list[Offer]]


# ---------------------------------------------------------------------------------------------- memory


class Memory:
    """What was made of texts, by their hash, for as long as they are looked at: what is erased is forgotten."""

    def __init__(self) -> None:
        self.grams: dict[str, ngrams.Grams] = {}
        self.meant: dict[str, Any] = {}
        self.rows: tuple[object, Like] | None = None


MEMORY = Memory()


def said(db: Connection, keys: Sequence[str]) -> dict[str, str]:
    """Key → words. A title is its own key."""
    found = side_texts(db, [key for key in keys if not key.startswith("title ")])
    return found | {key: key.removeprefix("title ") for key in keys if key.startswith("title ")}


def gram_rows(db: Connection, keys: tuple[str, ...]) -> Like:
    """The texts of these keys side by side."""
    held = MEMORY.rows
    if held is None or held[0] != (ngrams.NAME, keys):
        before = MEMORY.grams  # another thread may put others there meanwhile
        missing = said(db, [key for key in keys if key not in before])
        fresh = {key: ngrams.grams(words) for key, words in missing.items()}
        grams = {key: fresh.get(key) or before[key] for key in keys if key in fresh or key in before}
        nothing = ngrams.grams("")
        held = ((ngrams.NAME, keys), ngrams.Rows([grams.get(key, nothing) for key in keys]))
        MEMORY.grams, MEMORY.rows = grams, held
    return held[1]


class Meanings:
    """Rows of meaning side by side."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def like(self, text: Any) -> NDArray[np.float64]:
        return self.rows @ text


def meaning_rows(db: Connection, keys: tuple[str, ...]) -> Like | None:
    """The same by meaning; None when the model has not read most of them yet."""
    import numpy as np

    missing = unread(keys)
    if len(missing) > FEW:
        return None
    read(db, missing)
    nothing = np.zeros(minilm.SIZE, np.float32)
    return Meanings(np.stack([MEMORY.meant.get(key, nothing) for key in keys])) if keys else None


def unread(keys: Sequence[str]) -> list[str]:
    return [key for key in dict.fromkeys(keys) if key not in MEMORY.meant]


def read(db: Connection, keys: Sequence[str]) -> None:
    words = said(db, keys)
    if words:
        MEMORY.meant.update(zip(words, minilm.embed(list(words.values())), strict=True))


def meaning(one: Asked) -> Any:
    """Read now, when it was not read before."""
    known = MEMORY.meant.get(one.key)
    return minilm.embed([one.text])[0] if known is None else known


def warm(ctx: Context) -> None:
    """Let the model read some of what it has not read yet, the newest first, and forget what is not there any more. A
    clock does it, so that nobody waits; without the model there is nothing to do."""
    if minilm.folder() is None:
        return
    with ctx.ledger.query() as db:
        query = sa.select(EVIDENCE.c.text).where(EVIDENCE.c.text.is_not(None)).order_by(EVIDENCE.c.seq.desc())
        keys = [*(key for key, _ in known(db).texts), *db.execute(query.limit(CORPUS)).scalars()]
        read(db, unread(keys)[:SLICE])
    there = set(keys)
    MEMORY.meant = {key: row for key, row in MEMORY.meant.items() if key in there}


# ---------------------------------------------------------------------------------------------- pure


def ranked(there: Known, cosines: NDArray[np.float64], never: frozenset[int], most: int) -> list[Offer]:
    """The nearest pains. How near one is, its closest texts say together, so that one word in common with one of
    fifty does not make it the nearest."""
    import numpy as np

    found: dict[int, list[float]] = {}
    for place in map(int, np.argsort(-cosines, kind="stable")[:NEAR]):
        pain, cosine = there.texts[place][1], float(cosines[place])
        if cosine > 0 and pain not in never:
            found.setdefault(pain, []).append(cosine)
    near = {pain: together(values[:CLOSEST]) for pain, values in found.items()}
    best = sorted(near, key=lambda pain: (-near[pain], pain))[:most]
    return [(pain, there.pains[pain], round(min(1.0, near[pain]), 4)) for pain in best]


def together(values: Sequence[float]) -> float:
    """One similarity of the closest few, the closest first: each next one counts half as much."""
    weights = [0.5**place for place in range(len(values))]
    return sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)


# ---------------------------------------------------------------------------------------------- acts


def propose(db: Connection, text: str, most: int = MOST, evidence: str | None = None) -> list[Offer]:
    """The nearest open pains: number, title and similarity from 0 to 1, the nearest first."""
    return offers(db, [Asked(text, evidence)], most).found[0]


def offers(db: Connection, asked: Sequence[Asked], most: int = MOST) -> Offers:
    """The same for several texts at once, and how they were compared."""
    there, never = known(db), refused(db, [one.evidence for one in asked if one.evidence])
    keys = tuple(key for key, _ in there.texts)
    if not keys or not asked:
        return Offers(ngrams.NAME, [[] for _ in asked])
    rows = meaning_rows(db, keys) if ready([*keys, *(one.key for one in asked)]) else None
    made = [meaning(one) if rows else ngrams.grams(one.text) for one in asked]
    method, rows = (minilm.NAME, rows) if rows else (ngrams.NAME, gram_rows(db, keys))
    found = [
        ranked(there, rows.like(vector), never.get(one.evidence or "", frozenset()), most)
        for one, vector in zip(asked, made, strict=True)
    ]
    return Offers(method, found)


def ready(keys: Sequence[str]) -> bool:
    """Whether the model has read these, or as good as."""
    return minilm.folder() is not None and len(unread(keys)) <= FEW


def alike(db: Connection, keys: Sequence[str]) -> tuple[str, NDArray[np.float64]]:
    """How the texts of these keys were compared, and the cosine of each with each."""
    import numpy as np

    if ready(keys):
        read(db, unread(keys))
        nothing = np.zeros(minilm.SIZE, np.float32)
        rows = np.array([MEMORY.meant.get(key, nothing) for key in keys]).astype(np.float64)
        return minilm.NAME, rows @ rows.T
    words = said(db, keys)
    return ngrams.NAME, ngrams.square([words.get(key, "") for key in keys])


def known(db: Connection) -> Known:
    """The open pains and the texts that stand for them."""
    titles = sa.select(PAINS.c.id, PAINS.c.title).where(PAINS.c.state == "open").order_by(PAINS.c.id)
    pains = {int(row[0]): str(row[1]) for row in db.execute(titles)}
    query = sa.select(EVIDENCE.c.text, EVIDENCE.c.pain).where(
        EVIDENCE.c.pain.is_not(None), EVIDENCE.c.text.is_not(None)
    )
    linked = db.execute(query.order_by(EVIDENCE.c.seq.desc()).limit(CORPUS)).all()
    texts = [(f"title {title}", pain) for pain, title in pains.items()]
    return Known(pains, (*texts, *((row[0], row[1]) for row in linked if row[1] in pains)))


def refused(db: Connection, evidence: Sequence[str]) -> dict[str, frozenset[int]]:
    """Evidence → the pains it does not belong to; what was merged counts as what it was merged into."""
    query = sa.select(PAINS.c.id, PAINS.c.merged_into).where(PAINS.c.merged_into.is_not(None))
    merged = {row.id: row.merged_into for row in db.execute(query)}
    found: dict[str, set[int]] = {}
    for start in range(0, len(evidence), 500):
        these = NOT_LINKED.c.evidence.in_(evidence[start : start + 500])
        for row in db.execute(sa.select(NOT_LINKED).where(these)):
            found.setdefault(row.evidence, set()).add(end_of(row.pain, merged))
    return {one: frozenset(pains) for one, pains in found.items()}


def end_of(pain: int, merged: Mapping[int, int]) -> int:
    """What became of a pain by mergers."""
    seen = {pain}
    while (after := merged.get(pain)) is not None and after not in seen:
        seen.add(after)
        pain = after
    return pain
