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

from tests.web_world import World, live_app, world

PAGES = ("/", "/apps/hello", "/apps/hello/deploys/hello1", "/apps/hello/logs", "/paths", "/paths/python-web", "/ledger")
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
