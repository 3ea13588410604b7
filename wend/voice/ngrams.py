"""Texts as vectors of their character 3- to 5-grams, weighted by TF-IDF: what is used when no model is installed.

Pure. Grams are hashed into `WIDTH` places (the hashing trick), so there is no vocabulary to keep and none to leak what
was erased. On short texts characters beat words: "deploys", "deploying" and "redeploy" share most of theirs.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Grams = tuple[NDArray[np.int64], NDArray[np.float64]]  # places in order, and the weight of each

WIDTH = 1 << 18  # two grams that tell texts apart rarely meet
SIZES = (3, 4, 5)
MOST = 2_000  # characters of a text that count; what somebody is about stands at its beginning
NAME = "character 3-5-grams"
PRIMES = (1_000_003, 998_244_353, 1_000_000_007, 754_974_721, 469_762_049)


def plain(text: str) -> str:
    """Lower case, without accents and punctuation, one space around each word."""
    spread = unicodedata.normalize("NFKD", text[:MOST].lower())
    kept = "".join(letter if letter.isalnum() else " " for letter in spread if not unicodedata.combining(letter))
    return f" {' '.join(kept.split())} "


def grams(text: str) -> Grams:
    """The places that the text's grams fall on, and 1 + log of how often each is there."""
    import numpy as np

    letters = np.frombuffer(plain(text).encode("utf-32-le"), np.uint32).astype(np.int64)
    found = [rolled(letters, size) for size in SIZES if len(letters) >= size]
    places, counts = np.unique(np.concatenate(found) if found else np.empty(0, np.int64), return_counts=True)
    return places, 1 + np.log(counts)


def rolled(letters: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """A place for every gram of this size."""
    whole = len(letters) - size + 1
    code = letters[:whole] * PRIMES[0] + size
    for shift in range(1, size):
        code = (code ^ (code >> 13)) * PRIMES[shift] + letters[shift : shift + whole]
    return (code ^ (code >> 29)) % WIDTH


class Rows:
    """Texts side by side. A gram weighs the more, the fewer of the texts have it: log((1 + n) / (1 + those)) + 1.
    A text without grams is like nothing."""

    def __init__(self, texts: Sequence[Grams]) -> None:
        import numpy as np

        self.count = len(texts)
        self.owner = np.repeat(np.arange(self.count), [len(places) for places, _ in texts])
        self.places = np.concatenate([np.empty(0, np.int64), *(places for places, _ in texts)])
        self.rarity = np.log((1 + self.count) / (1 + np.bincount(self.places, minlength=WIDTH))) + 1
        self.weights = np.concatenate([np.empty(0), *(weights for _, weights in texts)]) * self.rarity[self.places]
        self.weights /= self.sums(self.weights**2)[self.owner] ** 0.5

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """For every text, that of its grams."""
        import numpy as np

        return np.bincount(self.owner, values, self.count).astype(np.float64)

    def like(self, text: Grams) -> NDArray[np.float64]:
        """The cosine of the text with every one of these."""
        import numpy as np

        places, weights = text
        weighed = weights * self.rarity[places]
        asked = np.zeros(WIDTH)
        asked[places] = weighed / max(float((weighed**2).sum() ** 0.5), 1e-12)
        return self.sums(self.weights * asked[self.places])


def square(texts: Sequence[str]) -> NDArray[np.float64]:
    """The cosine of each text with each."""
    import numpy as np

    found = [grams(text) for text in texts]
    rows = Rows(found)
    return np.array([rows.like(one) for one in found]).reshape(len(texts), len(texts))
