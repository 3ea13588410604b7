"""Appends a second, in batches and one by one from 1 and 16 threads, on SQLite and (where its server is installed) on
PostgreSQL, against floors of the same run: plain sqlite3 with a commit per batch, and a file with an fsync per line.

    python bench/ledger.py [events]
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import line, quantile, verdict

from tests.databases import File, PostgresServer, Served
from wend.errors import Down
from wend.events import Fact
from wend.ledger.store import Store
from wend.resources import server

BATCH = 1000
DATA = {"ref": "refs/heads/main", "old": "0" * 40, "new": "1" * 40, "forced": False}


def fact() -> Fact:
    """A delivery as they come by thousands; no table is filled by it."""
    return Fact("push_received", "app/hello", DATA, actor="ada", app="hello")


def batched(append: Callable[[list[Fact]], object], events: int) -> float:
    """Events a second."""
    facts = [[fact() for _ in range(BATCH)] for _ in range(events // BATCH)]
    began = time.perf_counter()
    for batch in facts:
        append(batch)
    return events / (time.perf_counter() - began)


def singles(append: Callable[[list[Fact]], object], events: int, threads: int) -> tuple[float, list[float]]:
    """(appends a second of all threads together, the milliseconds of each)."""
    took: list[float] = []

    def write() -> None:
        for _ in range(events // threads):
            one, began = [fact()], time.perf_counter()
            append(one)
            took.append((time.perf_counter() - began) * 1000)

    hands = [threading.Thread(target=write) for _ in range(threads)]
    began = time.perf_counter()
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    return len(took) / (time.perf_counter() - began), took


def floors(folder: Path, events: int) -> tuple[float, float]:
    """(rows a second by plain sqlite3 in batches, lines a second with an fsync each)."""
    raw = sqlite3.connect(folder / "raw.db", isolation_level=None)
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("PRAGMA synchronous=FULL")
    raw.execute("CREATE TABLE ledger (seq INTEGER PRIMARY KEY, id TEXT UNIQUE, data TEXT)")
    rows = iter((str(number), str(DATA)) for number in range(events))
    began = time.perf_counter()
    for _ in range(events // BATCH):
        raw.execute("BEGIN IMMEDIATE")
        raw.executemany("INSERT INTO ledger (id, data) VALUES (?, ?)", [next(rows) for _ in range(BATCH)])
        raw.execute("COMMIT")
    plain = events / (time.perf_counter() - began)
    raw.close()
    count = min(events, 500)
    with (folder / "lines").open("ab") as file:
        began = time.perf_counter()
        for _ in range(count):
            file.write(str(DATA).encode())
            file.flush()
            os.fsync(file.fileno())
        synced = count / (time.perf_counter() - began)
    return plain, synced


@contextmanager
def postgres(folder: Path) -> Iterator[Served | None]:
    """A database on a server of this run; None where there is no PostgreSQL, which is said."""
    folder.chmod(0o711)
    try:
        found = PostgresServer(folder / "postgres")
    except Down as error:
        print(f"PostgreSQL is left out: {error.message} ({error.hint})")
        yield None
        return
    try:
        yield found.make()
    finally:
        server.stop_all(found.home)


def measured(name: str, ledger: Store, events: int, plain: float, synced: float) -> bool:
    """Print one ledger's figures; whether they are reached."""
    batch = batched(ledger.append, events)
    print(f"{name}: in batches of {BATCH:,} {batch:,.0f} events/s, {batch / plain:.2f} × plain sqlite3")
    rates: dict[int, float] = {}
    for threads in (1, 16):
        rates[threads], took = singles(ledger.append, min(events, 3200), threads)
        print(
            f"{name}: one by one from {threads} at once {rates[threads]:,.0f}/s, {rates[threads] / synced:.2f} × fsync"
        )
        print(line("    an append", took), f" p99 {quantile(took, 0.99):.1f}")
    good = verdict(f"{name}: 5,000 events/s in batches", batch >= 5000)
    good &= verdict(f"{name}: 500 appends/s one by one", rates[16] >= 500)
    good &= verdict(f"{name}: the chain of {ledger.head()[0]:,} verifies", ledger.verify() == ledger.head())
    ledger.close()
    return good


def main() -> int:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    folder = Path(tempfile.mkdtemp(prefix="wend-bench-"))
    try:
        plain, synced = floors(folder, events)
        print(f"floors: plain sqlite3 {plain:,.0f} rows/s in batches, a file {synced:,.0f} lines/s with an fsync each")
        good = measured("SQLite", File(folder / "wend.db").open(), events, plain, synced)
        with postgres(folder) as served:
            if served:
                good &= measured("PostgreSQL", served.open(), events, plain, synced)
        return 0 if good else 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
