"""What the whole platform takes when idle: control plane and proxy, resident and proportional, with one app live.

python bench/memory.py
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from measure import verdict

from tests.house import House
from tests.test_crash import envoys


def kilobytes(pid: int, key: str) -> int:
    for text in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if text.startswith(key + ":"):
            return int(text.split()[1])
    raise KeyError(key)


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="wend-bench-"))
    house = House(folder / "home").up()
    try:
        assert house.repo("idle", folder / "idle").push()[0]
        time.sleep(10)
        assert house.process
        total = 0
        for name, pids in (("control plane", [house.process.pid]), ("proxy", envoys(house))):
            resident, share = (sum(kilobytes(pid, key) for pid in pids) / 1024 for key in ("Rss", "Pss"))
            total += resident
            print(f"{name:<16} resident {resident:6.1f} MB  proportional {share:6.1f} MB  processes {len(pids)}")
        print(f"{'together':<16} resident {total:6.1f} MB  (n 1, 10 s after the last deploy)")
        return 0 if verdict("below 150 MB resident", total < 150) else 1
    finally:
        house.down()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
