"""The ledger: an append-only chain of everything that happened, and the one way in.

State tables are filled by reducers in the same transaction, so nothing is done without its record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection

from wend.events import Event, Fact

Reduce = Callable[[Connection, Sequence[Event]], None]


class Ledger(Protocol):
    """Append, read, follow. Every implementation passes `tests/test_ledger.py`."""

    def append(
        self,
        facts: Sequence[Fact],
        expect: tuple[str, int] | None = None,
        texts: Mapping[str, bytes] | None = None,
    ) -> list[Event]:
        """Record facts, all or none, and apply them to the tables in the same transaction. A fact whose id is known
        is skipped. `expect` = (stream, seq): Conflict unless that is the stream's last event (0: none yet).
        `texts`: bodies by `chain.text_hash`, kept beside the chain so that they can be erased. Raises Down when it
        cannot be made durable; then nothing was recorded."""
        ...

    def read(
        self,
        after: int = 0,
        kinds: Iterable[str] | None = None,
        app: str | None = None,
        limit: int = 1000,
        newest: bool = False,
    ) -> list[Event]:
        """Events with seq > after in order, or, with `newest`, the last `limit` of them, still in order."""
        ...

    def follow(self, after: int, seconds: float) -> Iterator[list[Event]]:
        """Batches of new events as they come; ends after `seconds` without any."""
        ...

    def text(self, hash: str) -> bytes | None:
        """A text kept beside the chain, or None when it was erased."""
        ...

    def erase(self, hashes: Iterable[str], actor: str) -> None:
        """Erase texts for ever and record that; the chain still verifies."""
        ...

    def query(self) -> Connection:
        """A read connection for the tables, as a context manager."""
        ...

    def transaction(self) -> AbstractContextManager[Connection]:
        """A write transaction, for tables that follow from other tables; facts go through `append`. Raises Down."""
        ...

    def verify(self, witness: tuple[int, str] | None = None) -> tuple[int, str]:
        """Recompute the chain; its head as `head` says it, of what was read. Raises Refused naming the first event that
        is not as written, or that `witness` (seq, hash seen earlier) is missing or different."""
        ...

    def rebuild(self) -> int:
        """Empty the tables and apply every event again; the number of events."""
        ...

    def head(self) -> tuple[int, str]:
        """(seq, hash) of the newest event; (0, GENESIS) when empty."""
        ...

    def close(self) -> None: ...
