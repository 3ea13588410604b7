"""Secrets do not open elsewhere, do not open altered, and do not show."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wend import secrets
from wend.errors import Bug, Down

KEY = bytes(range(32))


@given(st.text(max_size=200))
def test_round_trip(value: str) -> None:
    assert secrets.unseal(KEY, "a", "N", 1, secrets.seal(KEY, "a", "N", 1, value)) == value


@pytest.mark.parametrize("place", [("b", "N", 1), ("a", "M", 1), ("a", "N", 2)])
def test_a_sealed_text_opens_only_where_it_belongs(place: tuple[str, str, int]) -> None:
    sealed = secrets.seal(KEY, "a", "N", 1, "hunter2hunter2")
    with pytest.raises(Bug):
        secrets.unseal(KEY, *place, sealed)


def test_every_flipped_bit_is_noticed() -> None:
    sealed = secrets.seal(KEY, "a", "N", 1, "hunter2")
    for index in range(len(sealed)):
        altered = bytearray(sealed)
        altered[index] ^= 1
        with pytest.raises(Bug):
            secrets.unseal(KEY, "a", "N", 1, bytes(altered))


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    first = secrets.key(tmp_path)
    assert secrets.key(tmp_path) == first
    assert (tmp_path / "secrets.key").stat().st_mode & 0o077 == 0
    (tmp_path / "secrets.key").write_bytes(b"short")
    with pytest.raises(Down):
        secrets.key(tmp_path)


def test_redaction_takes_the_longest_first_and_leaves_short_ones() -> None:
    text = "token=abcdefgh and abcdefghij, port 80"
    assert secrets.redact(text, ["abcdefgh", "abcdefghij", "80"]) == "token=[secret] and [secret], port 80"
