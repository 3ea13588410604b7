"""What scale to zero costs: the wait of a first request beyond the app's own boot, starts per crowd, memory asleep.

    python bench/sleep.py [sleepers]

The app's own boot is measured in the same run, by the app: from its first instruction to the moment it listens, after
a pause of its own of 0.2 s. All requests go through the proxy, or straight to the socket where it says so.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measure import line, verdict

from tests.house import SERVER, House, small, until
from tests.replicas import Yard, answers, python, wait
from wend.run import Step
from wend.run.local import state_of

ROUNDS = 15
CROWD = 50
SLOW = SERVER.format(word="one").replace(
    "import http.server", "import time; BEGAN = time.monotonic(); time.sleep(0.2)\nimport http.server", 1
)
TOLD = SLOW.replace('print("serving"', 'print("boot", time.monotonic() - BEGAN, flush=True); print("serving"')
BOUNDS = "[process.web]\nreplicas = { min = 0, max = 2, idle = 1 }\n"
TINY = """
import os, socket
server = socket.socket()
server.bind(('0.0.0.0', int(os.environ['PORT'])))
server.listen(64)
while True:
    one = server.accept()[0]
    one.recv(4096)
    one.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\nhello')
    one.close()
"""


def asleep(house: House) -> bool:
    return [one["phase"] for one in house.api("GET", "/api/apps/one")[1]["processes"]] == ["asleep"]


def boots(house: House) -> list[float]:
    """Milliseconds of each boot so far, as the app told them."""
    texts = [text for path in (house.home / "logs/one").glob("*.log") for text in path.read_text().splitlines()]
    told = sorted(text.split() for text in texts if " boot " in text)
    return [float(words[2]) * 1000 for words in told]


def cold(house: House) -> tuple[list[float], list[float]]:
    """Milliseconds of first requests, and the boots they waited for."""
    first: list[float] = []
    known = len(boots(house))
    for _ in range(ROUNDS):
        until(lambda: asleep(house), 30)
        time.sleep(0.2)  # let the app's end be over: a sleeper in the middle of it is another measure
        began = time.monotonic()
        assert house.get("one") == (200, "one")
        first.append((time.monotonic() - began) * 1000)
    return first, boots(house)[known:]


def crowd(house: House) -> tuple[int, int]:
    """How many of CROWD first requests at once were answered, and how many processes they started."""
    until(lambda: asleep(house), 30)
    before = len(boots(house))
    with ThreadPoolExecutor(CROWD) as pool:
        good = sum(found == (200, "one") for found in pool.map(lambda _: house.get("one"), range(CROWD)))
    return good, len(boots(house)) - before


def memory(folder: Path, sleepers: int) -> list[float]:
    """Proportional megabytes of each sleeper. They are told to sleep as soon as they were asked once."""
    yard = Yard(folder / "yard")
    try:
        names: list[str] = []
        for index in range(sleepers):
            name = yard.start(python(TINY), port=True, naps=True, index=index)
            status = yard.until(name, lambda one: bool(answers(one.port)))
            wait(lambda name=name: yard.driver.idle(name))
            yard.driver.apply(Step("sleep", name), {})
            yard.until(status.id, lambda one: one.phase == "asleep")
            names.append(name)
        wait(lambda: not any(state_of(yard.driver.replicas / name)["keeper"] for name in names))
        return [proportional(state_of(yard.driver.replicas / name)["shim"][0]) for name in names]
    finally:
        yard.down()


def proportional(pid: int) -> float:
    for text in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if text.startswith("Pss:"):
            return int(text.split()[1]) / 1024
    raise KeyError(pid)


def main() -> int:
    sleepers = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    folder = Path(tempfile.mkdtemp(prefix="wend-bench-"))
    house = House(folder / "home")
    try:
        repo = house.up().repo("one", folder / "one", small("one", **{"app.py": TOLD, "wend.toml": BOUNDS}))
        taken, said = repo.push()
        assert taken, said
        first, own = cold(house)
        over = [whole - boot for whole, boot in zip(first, own, strict=True)]
        print(line("first request of a sleeper", first))
        print(line("the app's own boot", own))
        print(line("first request beyond the app's boot", over))
        good, started = crowd(house)
        print(f"{CROWD} first requests at once: {good} answered, {started} process started")
    finally:
        house.down()
    try:
        each = memory(folder, sleepers)
        print(f"{sleepers} sleepers: {sum(each):.0f} MB proportional in all, {max(each):.1f} MB the largest")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    held = [
        verdict("at most 300 ms beyond the app's own boot, p95", sorted(over)[int(len(over) * 0.95)] <= 300),
        verdict(f"{CROWD} first requests start one process, all answered", (good, started) == (CROWD, 1)),
        verdict("a sleeper takes at most 5 MB", max(each) <= 5),
    ]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
