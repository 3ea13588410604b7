"""Requests failed over many deploys under steady load, then rollback times under the same load.

    python bench/deploys.py [deploys] [requests per second]

The load is open-loop over kept-alive connections to the proxy, bounded by the deploys, and stops by itself.
"""

from __future__ import annotations

import http.client
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from measure import line, verdict

from tests.house import SERVER, House

LANES = 8
MOST_SECONDS = 1200.0


class Lane(threading.Thread):
    """One connection that sends a request every `pause` seconds, whatever the answers take."""

    def __init__(self, house: House, pause: float, ended: threading.Event) -> None:
        super().__init__(daemon=True)
        self.house, self.pause, self.ended = house, pause, ended
        self.took: list[float] = []
        self.failed: Counter[str] = Counter()
        self.start()

    def run(self) -> None:
        headers = {"Host": f"busy.localhost:{self.house.edge}"}
        connection = http.client.HTTPConnection("127.0.0.1", self.house.edge, timeout=20)
        due = time.monotonic()
        stop = due + MOST_SECONDS
        while not self.ended.is_set() and due < stop:
            began = time.monotonic()
            try:
                connection.request("GET", "/", headers=headers)
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200 or not body.startswith(b"v"):
                    self.failed[f"HTTP {answer.status}"] += 1
            except (OSError, http.client.HTTPException) as error:
                self.failed[type(error).__name__] += 1
                connection.close()
            self.took.append((time.monotonic() - began) * 1000)
            due += self.pause
            time.sleep(max(0.0, due - time.monotonic()))
        connection.close()


def main() -> int:
    deploys = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 200.0
    folder = Path(tempfile.mkdtemp(prefix="wend-bench-"))
    house = House(folder / "home").up()
    try:
        repo = house.repo("busy", folder / "busy", word="v0")
        assert repo.push()[0]
        ended = threading.Event()
        lanes = [Lane(house, LANES / rate, ended) for _ in range(LANES)]
        began, took = time.monotonic(), []
        for number in range(1, deploys + 1):
            repo.change(app_py=SERVER.format(word=f"v{number}"))
            start = time.monotonic()
            taken, said = repo.push()
            took.append((time.monotonic() - start) * 1000)
            assert taken, said
        back = [roll(house, deploys + (number % 2)) for number in range(min(deploys, 40))]
        seconds = time.monotonic() - began
        ended.set()
        for lane in lanes:
            lane.join()
        times = [ms for lane in lanes for ms in lane.took]
        failed = sum((lane.failed for lane in lanes), Counter[str]())
        print(line("git push, under load", took))
        print(line("rollback, artifact and config, under load", back))
        print(line(f"request, {len(times) / seconds:.0f}/s over {seconds:.0f} s", times))
        print(f"failed requests: {sum(failed.values())} of {len(times)} {dict(failed) or ''}")
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
