"""How long the portal's pages take, asked one after the other over one connection, with as many apps as told.

python bench/portal.py [apps]
"""

from __future__ import annotations

import http.client
import shutil
import sys
import tempfile
import time
from pathlib import Path

from measure import line, quantile, verdict

from tests.trial_world import evidence, on_trial, traffic, trial
from tests.web_world import World, live_app, world

PAGES = (
    *("/", "/apps/hello", "/apps/going", "/apps/going/deploys/going2", "/apps/hello/deploys/hello1"),
    *("/apps/hello/previews", "/apps/hello/jobs", "/apps/hello/resources", "/apps/hello/logs", "/numbers"),
    *("/paths", "/paths/python-web", "/ledger"),
)
VERDICTS = 200  # told so far of the canary
TIMES = 100
MOST_MS = 60.0


def timed(there: World, path: str, cookie: str) -> list[float]:
    """Milliseconds of each request."""
    connection = http.client.HTTPConnection("127.0.0.1", there.port, timeout=20)
    took: list[float] = []
    for _ in range(TIMES):
        began = time.perf_counter()
        connection.request("GET", path, headers={"Cookie": cookie, "Accept": "text/html"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, (path, answer.status)
        took.append((time.perf_counter() - began) * 1000)
    connection.close()
    return took


def main() -> int:
    apps = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    folder = Path(tempfile.mkdtemp(prefix="wend-bench-"))
    try:
        with world(folder / "home") as there:
            for number in range(apps - 1):
                live_app(there, f"service-{number}")
            live_app(there)
            id = on_trial(there, "going")
            for number in range(VERDICTS):
                said = {"verdict": "wait", "why": f"after {number} looks", "evidence": evidence()}
                trial(there, "going", id, "canary_judged", mode="canary", **said)
            traffic(there, "hello", "going")
            cookie = there.sign_in()
            slowest = 0.0
            for path in PAGES:
                took = timed(there, path, cookie)
                slowest = max(slowest, quantile(took, 0.95))
                print(line(f"{path} with {apps} apps", took))
        return 0 if verdict(f"every page p95 < {MOST_MS:.0f} ms", slowest < MOST_MS) else 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
