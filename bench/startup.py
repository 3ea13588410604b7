"""How long `wend --help` takes as a whole process, against Python alone: `python bench/startup.py [--n 30]`.

The two take turns, so that whatever else the machine does meets both.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from measure import line, verdict

MOST = 150.0  # milliseconds


def wend() -> list[str]:
    """The installed command beside this Python."""
    return [str(Path(sys.executable).with_name("wend"))]


def took(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - began) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=30)
    count = parser.parse_args().n
    floor, commands = [sys.executable, "-c", "pass"], {"wend --help": ["--help"], "wend ps --help": ["ps", "--help"]}
    times: dict[str, list[float]] = {"python -c pass": [], **{name: [] for name in commands}}
    took([*wend(), "--help"])  # once, so that everything is compiled
    for _ in range(count):
        times["python -c pass"].append(took(floor))
        for name, words in commands.items():
            times[name].append(took([*wend(), *words]))
    for name, values in times.items():
        print(line(name, values))
    ratio = statistics.median(times["wend --help"]) / statistics.median(times["python -c pass"])
    print(f"{'wend --help / python -c pass':<44} ratio  {ratio:8.1f}")
    return 0 if verdict(f"wend --help below {MOST:g} ms", statistics.median(times["wend --help"]) < MOST) else 1


if __name__ == "__main__":
    sys.exit(main())
