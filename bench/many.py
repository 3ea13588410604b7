"""Two years of a large company's deployments as rows, for benchmarks: the same seed makes the same rows."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from wend.state.delivery import DAY

YEARS = 2
TEAMS, SERVICES = 50, 1000
FIRST = 20_458 - 365 * YEARS  # the day of the first deployment; the last is Sunday, 2026-01-04
MINUTE = 60_000_000
Rows = dict[str, list[tuple[Any, ...]]]
COLUMNS = {
    "deployments": "id source service team repo environment tier outcome purpose commit artifact started_at "
    "finished_at day undoes cause push_only url fault_at seq failed detected_at restored_at rework fresh",
    "changes": "commit repo committed_at day purpose reverts merge bot author author_text seq fresh",
    "parents": "commit parent",
    "incidents": "id service opened_at resolved_at retracted cause_kind cause seq",
    "tickets": "id opened_at day resolved_at retracted reason team platform automatic seq",
    "services": "service team repo exempt",
    "dirty": "kind key",
}


def zipf(n: int) -> list[float]:
    return [1 / (place + 1) for place in range(n)]


@dataclass
class Many:
    """So many deployments, with about 1.5 changes, 0.05 incidents and 0.1 tickets each."""

    deployments: int
    dice: random.Random = field(default_factory=lambda: random.Random(4))
    seq: int = 0
    teams: dict[str, str] = field(default_factory=dict[str, str])

    def number(self) -> int:
        self.seq += 1
        return self.seq

    def batches(self) -> Iterator[Rows]:
        """A service at a time; its deployments in the order of time."""
        dice = self.dice
        owners = dice.choices([f"team{n:02}" for n in range(TEAMS)], zipf(TEAMS), k=SERVICES)
        owners[:TEAMS] = [f"team{n:02}" for n in range(TEAMS)]
        whole = sum(zipf(SERVICES))
        for place, weight in enumerate(zipf(SERVICES)):
            service = f"service-{place:04}"
            self.teams[service] = owners[place]
            yield self.service(service, owners[place], max(1, round(self.deployments * weight / whole)))

    def service(self, service: str, team: str, n: int) -> Rows:
        dice = self.dice
        rows: Rows = {name: [] for name in COLUMNS}
        rows["services"].append((service, team, f"acme/{service}", 0))
        times = sorted(self.moment() for _ in range(n))
        head: list[str] = []
        for at in times:
            self.deployment(rows, service, at, head)
        for _ in range(round(n * 0.05)):
            self.incident(rows, service, dice.choice(rows["deployments"]))
        for _ in range(round(n * 0.1)):
            at = self.moment()
            rows["tickets"].append((f"t{self.number()}", at, at // DAY, None, 0, "help", team, 1, 0, self.seq))
        rows["dirty"] += [("service", service), ("team", service)]
        return rows

    def moment(self) -> int:
        """Most by day, few on week-ends and on Fridays."""
        day = FIRST + 7 * self.dice.randrange(52 * YEARS) + self.dice.choices(range(7), (6, 6, 6, 6, 3, 1, 1))[0]
        return (day + 2) * DAY + int(self.dice.gauss(13, 3.5) * 60 % 1440 * MINUTE) + self.dice.randrange(MINUTE)

    def deployment(self, rows: Rows, service: str, at: int, head: list[str]) -> None:
        dice, repo = self.dice, f"acme/{service}"
        purpose = dice.choices(("planned", "rollback", "hotfix"), (96.5, 2, 1.5))[0]
        new = 0 if purpose == "rollback" else dice.choices((0, 1, 2, 3, 5), (12, 50, 20, 12, 6))[0]
        for number in range(new or not head):
            commit = f"{dice.getrandbits(160):040x}"
            merge = number == new - 1 and new > 1 and dice.random() < 0.4
            back = head[-1] if len(head) > 1 and dice.random() < 0.01 else None
            committed = at - int(dice.lognormvariate(10, 1.6) * 1e6)
            rows["changes"].append((commit, repo, committed, committed // DAY, "revert" if back else "planned", back,
                                    int(merge), int(dice.random() < 0.08), None, None, self.number(), 1))  # fmt: skip
            rows["parents"] += [(commit, one) for one in (head[-2:] if merge else head[-1:])]
            head.append(commit)
            del head[:-4]
        began = at - int(dice.lognormvariate(5.3, 0.8) * 1e6)
        commit = head[0] if purpose == "rollback" else head[-1]
        rows["deployments"].append((f"ci:{self.number()}", "ci", service, None, repo, "production", "production",
                                    "success", purpose, commit, None, began, at, at // DAY, None, None, None, None,
                                    None, self.seq, 0, None, None, 0, 1))  # fmt: skip

    def incident(self, rows: Rows, service: str, after: tuple[Any, ...]) -> None:
        dice = self.dice
        opened = after[12] + int(dice.expovariate(1 / 3600) * 1e6)
        resolved = opened + int(dice.lognormvariate(8, 1.2) * 1e6) if dice.random() < 0.97 else None
        kind = dice.choices((None, "deployment", "commit"), (70, 25, 5))[0]
        cause = {"deployment": after[0], "commit": after[9]}.get(kind or "")
        rows["incidents"].append((f"i{self.number()}", service, opened, resolved, 0, kind, cause, self.seq))


def into_sqlite(file: str, many: Many) -> None:
    raw = sqlite3.connect(file, isolation_level=None)
    raw.executescript("PRAGMA synchronous=OFF; PRAGMA cache_size=-200000; BEGIN")
    for rows in many.batches():
        for name, some in rows.items():
            columns = COLUMNS[name].split()
            quoted = ", ".join(f'"{column}"' for column in columns)
            marks = ", ".join("?" * len(columns))
            raw.executemany(f"INSERT OR IGNORE INTO {name} ({quoted}) VALUES ({marks})", some)
    raw.execute("COMMIT")
    raw.close()


def into_postgres(url: str, many: Many) -> None:
    import psycopg

    with psycopg.connect(url) as raw, raw.cursor() as cursor:
        for rows in many.batches():
            for name, some in rows.items():
                quoted = ", ".join(f'"{column}"' for column in COLUMNS[name].split())
                with cursor.copy(f"COPY {name} ({quoted}) FROM STDIN".encode()) as copy:
                    for row in dict.fromkeys(some):
                        copy.write_row(row)
