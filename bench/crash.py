"""Kill the control plane at every journal step, again and again, under load: old or new serves, always, and every
restart recovers. How many cycles, how many failed requests, and how long recovery took.

    python bench/crash.py [cycles]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from measure import line, verdict

from tests.house import SERVER, House, until
from tests.test_crash import CRASH, POINTS, Watcher, expected_after


def main() -> int:
    cycles = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    folder = Path(tempfile.mkdtemp(prefix="wend-bench-"))
    house = House(folder / "home").up()
    recovered, failed, asked = list[float](), list[object](), 0
    try:
        repo = house.repo("phoenix", folder / "phoenix", word="v0")
        assert repo.push()[0]
        live = "v0"
        for cycle in range(cycles):
            point = POINTS[cycle % len(POINTS)]
            house.stop(15)
            house.up(CRASH, point)
            new = f"v{cycle + 1}"
            watcher = Watcher(house, "phoenix", {live, new})
            repo.change(app_py=SERVER.format(word=new))
            repo.push()
            assert house.process
            house.process.wait(timeout=60)
            began = time.monotonic()
            house.up()
            live = new if expected_after(point) == "two" else live
            until(lambda word=live: house.get("phoenix") == (200, word), 10, f"{live} after {point}")
            recovered.append((time.monotonic() - began) * 1000)
            watcher.stop()
            failed += watcher.failed
            asked += len(watcher.seen)
            if live != new:
                repo.git("reset", "-q", "--hard", "HEAD~1")
        print(line("recovery, start of Python included", recovered))
        print(f"cycles {cycles}, kill points {len(POINTS)}, failed requests {len(failed)} of {asked}")
        return 0 if verdict("old or new serves, always", not failed) else 1
    finally:
        house.down()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
