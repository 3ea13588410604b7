"""Requests failed over many deploys under steady load, then rollback times under the same load.

    python bench/deploys.py [deploys] [requests per second]

The load is open-loop over kept-alive connections to the proxy, bounded by the deploys, and stops by itself.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from measure import line, verdict

from tests.house import SERVER, House
from tests.load import Load


def main() -> int:
    deploys = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 200.0
    folder = Path(tempfile.mkdtemp(prefix="wend-bench-"))
    house = House(folder / "home").up()
    try:
        repo = house.repo("busy", folder / "busy", word="v0")
        assert repo.push()[0]
        began, took = time.monotonic(), list[float]()
        with Load(house, "busy", rate=rate, hands=8) as load:
            for number in range(1, deploys + 1):
                repo.change(app_py=SERVER.format(word=f"v{number}"))
                start = time.monotonic()
                taken, said = repo.push("-o", "canary=off", "main")
                took.append((time.monotonic() - start) * 1000)
                assert taken, said
            back = [roll(house, deploys + (number % 2)) for number in range(min(deploys, 40))]
            seconds = time.monotonic() - began
        times, failed = load.took, load.failed
        print(line("git push, under load", took))
        print(line("rollback, artifact and config, under load", back))
        print(line(f"request, {len(times) / seconds:.0f}/s over {seconds:.0f} s", times))
        print(f"failed requests: {sum(failed.values())} of {len(times)} {failed or ''}")
        held = verdict(f"0 requests failed over {deploys} deploys", not failed)
        return 0 if verdict("rollback p95 < 1 s", sorted(back)[int(len(back) * 0.95)] < 1000) and held else 1
    finally:
        house.down()
        shutil.rmtree(folder, ignore_errors=True)


def roll(house: House, release: int) -> float:
    """Milliseconds until another release, config and all, is live again."""
    began = time.monotonic()
    _, last = house.change("/api/apps/busy/rollback", {"release": release})
    assert "done" in last, last
    return (time.monotonic() - began) * 1000


if __name__ == "__main__":
    sys.exit(main())
