"""How long the delivery signals take over two years, and whether they are right.

python bench/signals.py [--deployments 1000000] [--worlds 100] [--postgres]

First the answers: random worlds, told as facts, are held against the slow reference of tests/ (`--worlds 0`: not). Then
the time: 1,000 services of 50 teams, both with sizes by Zipf, are written into the tables of a throw-away home, and
every team is asked for every signal over 104 weeks. Floors in the same run: counting the deployments, a loop in Python
over the largest team's rows, and blaming each incident on the deployment before it by a subquery for each.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import sqlalchemy as sa
from many import FIRST, Many, into_postgres, into_sqlite
from measure import line, quantile, verdict

from tests import compared
from tests.databases import PostgresServer
from tests.random_world import Maker
from tests.told import BEGUN, HOUR
from wend import rates, signals
from wend.events import Fact
from wend.ledger.postgres import Postgres
from wend.ledger.sqlite import Sqlite
from wend.ledger.store import Store
from wend.resources import server
from wend.signals import Scope, Window
from wend.state import SCHEMA, derived
from wend.state.delivery import DAY
from wend.state.reducers import reduce
from wend.state.tables import META

WEEKS = 104
NOW = (FIRST + 2 + 7 * WEEKS) * DAY - HOUR
DORA = (
    "deployment_frequency",
    "change_lead_time",
    "failed_deployment_recovery_time",
    "change_fail_rate",
    "deployment_rework_rate",
)
MORE = ("time_to_deploy", "friday_confidence", "push_only_rate")
MOST_MS, MOST_MB = 100.0, 30.0
BLAMED_NAIVELY = """
SELECT COUNT(DISTINCT bad) FROM (SELECT (SELECT d.id FROM deployments d WHERE d.service = i.service
  AND d.finished_at < i.opened_at AND d.finished_at >= i.opened_at - 604800000000
  ORDER BY d.finished_at DESC LIMIT 1) AS bad
FROM incidents i) AS blamed
"""


def resident() -> float:
    """Megabytes of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def took(act: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


# ---------------------------------------------------------------------------------------------- the answers


def right(worlds: int) -> None:
    """Hold every answer against the reference; refreshing at random and in another order gives the same rows."""
    windows = [Window.of(8, BEGUN + 45 * DAY + 5 * HOUR), Window(BEGUN // DAY + 4, BEGUN // DAY + 29, BEGUN + 30 * DAY)]
    for seed in range(worlds):
        dice = random.Random(10_000 + seed)
        maker = Maker(dice, dice.randrange(5, 120), dice.randrange(3, 90), dice.randrange(1, 7))
        told, other = compared.once(maker.heard(dice)), compared.once(maker.heard(dice))
        with compared.memory().begin() as db:
            compared.tell(db, told)
            compared.check(compared.refreshed(db), compared.read(told), windows)
            at_once = compared.following(db)
        with compared.memory().begin() as db:
            for number, fact in enumerate(other):
                compared.tell(db, [fact], number)
                if dice.random() < 0.05:
                    derived.refresh(db)
            assert compared.following(compared.refreshed(db)) == at_once, f"world {seed}: another order, other rows"
    print(f"{worlds} random worlds: every row and every answer is that of the reference, in any order of arrival")


# ---------------------------------------------------------------------------------------------- the time


@contextmanager
def sqlite(folder: Path, many: Many) -> Iterator[tuple[Store, Callable[[], int]]]:
    file = folder / "wend.db"
    ledger = Sqlite(file, META, reduce, SCHEMA)
    into_sqlite(str(file), many)
    yield ledger, lambda: sum(one.stat().st_size for one in folder.glob("wend.db*") if one.suffix != ".db-shm")
    ledger.close()


@contextmanager
def postgres(folder: Path, many: Many) -> Iterator[tuple[Store, Callable[[], int]]]:
    there = PostgresServer(folder)
    made = there.make()
    ledger = Postgres(made.url, META, reduce, SCHEMA)
    into_postgres(made.url, many)

    def size() -> int:
        with ledger.query() as db:
            return int(db.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one())

    yield ledger, size
    ledger.close()
    server.stop_all(folder)


def refresh(ledger: Store) -> list[float]:
    """Work in all there is; the milliseconds of each slice, in which nobody else can write."""
    spent: list[float] = []
    stale = True
    while stale:
        began = time.perf_counter()
        with ledger.transaction() as db:
            derived.refresh(db)
            stale = derived.stale(db)
        spent.append((time.perf_counter() - began) * 1000)
    return spent


class Spent(list[float]):
    """Milliseconds by the clock; `own`: those in which this process had a processor. On a machine that does other
    things too they are far apart; with PostgreSQL the server's are not among them."""

    def __init__(self) -> None:
        super().__init__()
        self.own: list[float] = []

    def __str__(self) -> str:
        own = f"own median {median(self.own):.0f} p95 {quantile(self.own, 0.95):.0f}"
        return f"{own} max {max(self.own):.0f}"


def timed(ledger: Store, ids: Iterable[str], scopes: Iterable[Scope], times: int = 2) -> Spent:
    """For all these signals together, of every scope, the first round not counted."""
    window, ids, spent = Window.of(WEEKS, NOW), list(ids), Spent()
    for turn in range(times):
        for scope in scopes:
            with ledger.query() as db:
                own = time.process_time()
                ms = took(lambda: [signals.measure(db, id, scope, window) for id in ids])  # noqa: B023 - at once
            if turn:
                spent.append(ms)
                spent.own.append((time.process_time() - own) * 1000)
    return spent


def asked(ledger: Store, many: Many) -> bool:
    """Print a line for each signal; whether each team's has p95 below MOST_MS and memory stayed."""
    teams = [Scope("team", one) for one in sorted(set(many.teams.values()))]
    services = [Scope("service", one) for one in list(many.teams)[:: max(1, len(many.teams) // 50)]]
    before, good = resident(), True
    rates.rate(3, 7.0)
    print(f"SciPy, once: {resident() - before:.0f} MB")
    before = resident()
    for id in (*DORA, *MORE):
        spent = timed(ledger, [id], teams)
        good &= quantile(spent, 0.95) < MOST_MS
        whole, one = timed(ledger, [id], [Scope()], 4), timed(ledger, [id], services)
        print(f"{line(id, spent)}  max {max(spent):.0f}  {spent}")
        print(f"{'':4}of everything {median(whole):.0f} ms ({whole})  of a service {median(one):.0f} ms ({one})")
    for name, scopes in (("all five of DORA's together", teams), ("all five, of everything", [Scope()])):
        spent = timed(ledger, DORA, scopes, 4)
        print(f"{line(name, spent)}  max {max(spent):.0f}  {spent}")
    grown = resident() - before
    held = verdict(f"each signal of any team over {WEEKS} weeks p95 < {MOST_MS:.0f} ms", good)
    return verdict(f"memory grows by less than {MOST_MB:.0f} MB (by {grown:.1f})", grown < MOST_MB) and held


def one_more(ledger: Store, many: Many) -> None:
    """What it takes to work in a change and a deployment of it."""
    spent: list[float] = []
    for number, service in enumerate(list(many.teams)[:: max(1, len(many.teams) // 20)]):
        at = NOW - number * HOUR
        change = {"source": "git", "repo": f"acme/{service}", "commit": f"new{number}", "committed_at": at - HOUR}
        change |= {"parents": [], "merge": False, "purpose": "planned", "reverts": None, "bot": False, "author": None}
        about = {"source": "ci", "deployment": f"new{number}", "service": service, "repo": f"acme/{service}"}
        about |= {"environment": "production", "tier": "production", "outcome": "success", "purpose": "planned"}
        about |= {"commit": f"new{number}", "commits": [], "artifact": None, "started_at": at, "finished_at": at}
        ledger.append(
            [Fact("change_recorded", "r", change), Fact("deployment_recorded", "s", {**about, "undoes": None})]
        )
        spent.append(took(lambda: refresh(ledger)))
    print(line("refresh after one more deployment", spent))


def floors(ledger: Store, many: Many) -> None:
    names = list(many.teams.values())
    team = max(set(names), key=lambda one: sum(1 / (place + 1) for place, name in enumerate(names) if name == one))
    window = Window.of(WEEKS, NOW)
    leads = sa.text("SELECT lead FROM carried WHERE team = :team AND merge = 0 AND lead >= 0 AND place >= 1")
    rows = sa.text("SELECT * FROM deployments WHERE team = :team")

    def loop() -> None:
        with ledger.query() as db:
            counted = [
                row for row in db.execute(rows, {"team": team}) if row.outcome == "success" and row.day >= window.first
            ]
            wanted = median(row.lead for row in db.execute(leads, {"team": team})) / 1e6
            found = signals.measure(db, "change_lead_time", Scope("team", team), window).value
            fail = signals.measure(db, "change_fail_rate", Scope("team", team), window).value
        assert found.value is not None and abs(found.value - wanted) < 1e-6, (found, wanted)
        assert fail.n + fail.pending == len(counted), (fail, len(counted))

    with ledger.query() as db:
        print(
            line(
                "floor: SELECT COUNT(*) FROM deployments", [took(lambda: count(db, "SELECT COUNT(*) FROM deployments"))]
            )
        )
        print(line("blaming naively, a subquery for each", [took(lambda: count(db, BLAMED_NAIVELY))]))
    print(line(f"a loop over the rows of {team}", [took(loop)]))


def count(db: sa.Connection, words: str) -> int:
    return int(db.execute(sa.text(words)).scalar_one())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deployments", type=int, default=1_000_000)
    parser.add_argument("--worlds", type=int, default=100)
    parser.add_argument("--postgres", action="store_true")
    given = parser.parse_args()
    right(given.worlds)
    folder = Path(tempfile.mkdtemp(prefix="wend-bench-"))
    try:
        many = Many(given.deployments)
        began = time.perf_counter()
        with (postgres if given.postgres else sqlite)(folder, many) as (ledger, size):
            print(f"{given.deployments:,} deployments written in {time.perf_counter() - began:.0f} s")
            spent = refresh(ledger)
            print(f"worked out from nothing in {sum(spent) / 1000:.0f} s")
            print(line("a slice of it", spent))
            print(f"{size() / 1e6:,.0f} MB, {size() / given.deployments:,.0f} bytes a deployment with its changes")
            good = asked(ledger, many)
            floors(ledger, many)
            one_more(ledger, many)
        return 0 if good else 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
