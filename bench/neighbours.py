"""What a running app's callers notice of a neighbour that misbehaves: latency alone, then beside each, in one run.

    python bench/neighbours.py [--rate 100] [--seconds 10]

Needs git and Envoy. A platform of its own in a temporary folder, on loopback; builds may write 2 GiB, for 60 s at most.
"""

from __future__ import annotations

import argparse
import http.client
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.house import House, small

FLOOD = "import time\nwhile True: print('x' * 9999, flush=True)\n"
BUILDS = {
    "8 burners in a build": "for i in 1 2 3 4 5 6 7 8; do (while :; do :; done) & done; sleep 20; exit 9",
    "a fork bomb in a build": "f() { f | f & }; f; sleep 20; exit 9",
    "a build writing 100 GB": "i=0; while [ $i -lt 1000 ]; do i=$((i+1)); head -c 100M /dev/zero > big$i; done",
}


def load(house: House, rate: int, seconds: float) -> list[float]:
    """Milliseconds of each request, sent when it is due on one of 8 connections and counted from then; a failed one
    counts as a minute."""
    times, begin, lock = list[float](), time.monotonic() + 0.2, threading.Lock()

    def caller(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", house.edge, timeout=20)
        for number in range(first, int(rate * seconds), 8):
            due = begin + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                connection.request("GET", "/", headers={"Host": f"steady.localhost:{house.edge}"})
                answer = connection.getresponse()
                good = answer.read() == b"steady" and answer.status == 200
            except (OSError, http.client.HTTPException):
                connection.close()
                good = False
            with lock:
                times.append((time.monotonic() - due) * 1000 if good else 60_000.0)

    callers = [threading.Thread(target=caller, args=(first,)) for first in range(8)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    return sorted(times)


@contextmanager
def building(house: House, folder: Path, name: str, command: str) -> Generator[Callable[[], str]]:
    """A push whose build runs the command, for the time of the block and until it is refused; what was said."""
    hatch = f"[hatch.build]\nreason = 'bench'\ncommand = '''{command}'''\n"
    repo = house.repo(name, folder, {**small("noisy"), "wend.toml": hatch})
    said: list[str] = []
    pusher = threading.Thread(target=lambda: said.append(repo.push()[1]))
    pusher.start()
    time.sleep(2)  # the clone and the checks before the build
    yield lambda: pusher.join(90) or next((x[8:].strip() for x in "".join(said).splitlines() if "refused" in x), "")
    pusher.join(90)


def row(what: str, times: list[float], alone: list[float], said: str = "") -> None:
    def at(found: list[float], share: float) -> float:
        return found[int(len(found) * share)]

    half, most = at(times, 0.5), at(times, 0.99)
    ratio, failed = most / at(alone, 0.99), sum(one >= 60_000 for one in times)
    print(
        f"{what:<26} p50 {half:7.1f} ms  p99 {most:7.1f} ms  x{ratio:5.1f}  failed {failed}/{len(times)}  {said[:90]}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wend-bench-") as folder:
        limits = {"WEND_BUILD_DISK": str(2 * 2**30), "WEND_BUILD_SECONDS": "60"}
        house = House(Path(folder) / "home", limits).up()
        try:
            taken, said = house.repo("steady", Path(folder) / "steady", word="steady").push()
            assert taken, said
            load(house, chosen.rate, 2)
            alone = load(house, chosen.rate, chosen.seconds)
            row("alone", alone, alone)
            for number, (what, command) in enumerate(BUILDS.items()):
                with building(house, Path(folder) / f"noisy{number}", f"noisy{number}", command) as refusal:
                    times = load(house, chosen.rate, chosen.seconds)
                row(what, times, alone, refusal())
            files = {**small("noisy"), "Procfile": "worker: exec python flood.py\n", "flood.py": FLOOD}
            house.repo("flood", Path(folder) / "flood", files).push()
            row("an app flooding its log", load(house, chosen.rate, chosen.seconds), alone)
            kept = sum(file.stat().st_size for file in (house.home / "logs" / "flood").iterdir())
            print(f"the flood's log holds {kept / 2**20:.1f} MiB")
        finally:
            house.down()


if __name__ == "__main__":
    main()
