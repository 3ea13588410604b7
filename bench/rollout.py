"""Requests failed while canaries begin, are promoted and aborted, releases are rolled back and replicas scaled, all
under steady load; then how soon a release that answers only errors is taken back.

    python bench/rollout.py [rounds] [requests per second]

The load is bounded by the rounds, and by two minutes for each.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from measure import line, verdict

from tests.house import SERVER, House, Repo, until
from tests.load import Load

BAD = SERVER.replace("self.send_response(200)", "self.send_response(500 if self.path == '/' else 200)")
TOML = '[process.web]\nhealth = "/health"\n[canary]\nseconds = 30\n'


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 200.0
    folder = Path(tempfile.mkdtemp(prefix="wend-bench-"))
    house = House(folder / "home").up()
    try:
        repo = house.repo("busy", folder / "busy", word="v0")
        repo.change(**{"wend.toml": TOML})
        assert repo.push()[0]
        moved = changes(house, repo, rounds, rate)
        gone = errors(house, repo, max(2, rounds // 2), rate)
        return 0 if moved and gone else 1
    finally:
        house.down()
        shutil.rmtree(folder, ignore_errors=True)


def changes(house: House, repo: Repo, rounds: int, rate: float) -> bool:
    """Every way to move traffic, again and again, with good releases only."""
    took: dict[str, list[float]] = {}
    asked, failed = 0, 0
    for number in range(rounds):
        with Load(house, "busy", rate=rate) as load:
            for verb in ("promote", "abort"):
                repo.change(app_py=SERVER.format(word=f"v{number}{verb}"))
                timed(took, "canary", lambda: pushed(repo, "canary=25"))
                timed(took, verb, lambda verb=verb: done(house, verb, {}))
            timed(took, "rollback", lambda: done(house, "rollback", {}))
            for count in (3, 1):
                timed(took, f"scale to {count}", lambda count=count: done(house, "scale", {"counts": {"web": count}}))
        asked, failed = asked + load.count(), failed + sum(load.failed.values())
        print(f"round {number + 1}: {load.count()} requests, failed {load.failed or 0}", flush=True)
    for name, values in took.items():
        print(line(name, values))
    return verdict(f"0 of {asked} requests failed (at {rate:.0f}/s): {failed}", not failed)


def errors(house: House, repo: Repo, rounds: int, rate: float) -> bool:
    """Seconds from the first share of a release that answers only errors to the last request it gets."""
    took: dict[str, list[float]] = {}
    for number in range(rounds):
        for share in (5, 50):
            repo.change(app_py=BAD.format(word=f"bad{number}-{share}"))
            with Load(house, "busy", rate=rate):
                pushed(repo, f"canary={share}")
                timed(took, f"only errors, at {share} %", lambda: until(lambda: ended(house), 30, "rolled back"))
    for name, values in took.items():
        print(line(name, values))
    return verdict("rolled back in under 5 s", max(ms for values in took.values() for ms in values) < 5000)


def ended(house: House) -> bool:
    found = house.api("GET", "/api/ledger/events?app=busy&kind=canary_started,canary_ended&newest=1&limit=1")[1]
    return bool(found) and found[-1]["kind"] == "canary_ended"


def pushed(repo: Repo, option: str) -> None:
    taken, said = repo.push("-o", option, "main")
    assert taken, said


def done(house: House, verb: str, body: dict[str, object]) -> None:
    last = house.change(f"/api/apps/busy/{verb}", body)[1]
    assert "done" in last, (verb, last)


def timed(took: dict[str, list[float]], name: str, act: object) -> None:
    began = time.monotonic()
    act()  # type: ignore[operator]
    took.setdefault(name, []).append((time.monotonic() - began) * 1000)


if __name__ == "__main__":
    sys.exit(main())
