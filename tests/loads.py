"""Steady load on an app, through the proxy, over kept-alive connections."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter

from tests.house import House

MOST_SECONDS = 1200.0


class Lane(threading.Thread):
    """One connection that sends a request every `pause` seconds, until `ended`. `took`: milliseconds of each."""

    def __init__(self, house: House, app: str, pause: float, ended: threading.Event, path: str = "/") -> None:
        super().__init__(daemon=True)
        self.house, self.app, self.pause, self.ended, self.path = house, app, pause, ended, path
        self.took: list[float] = []
        self.failed: Counter[str] = Counter()
        self.start()

    def run(self) -> None:
        headers = {"Host": f"{self.app}.localhost:{self.house.edge}"}
        connection = http.client.HTTPConnection("127.0.0.1", self.house.edge, timeout=30)
        due = time.monotonic()
        stop = due + MOST_SECONDS
        while not self.ended.is_set() and due < stop:
            began = time.monotonic()
            try:
                connection.request("GET", self.path, headers=headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failed[f"HTTP {answer.status}"] += 1
            except (OSError, http.client.HTTPException) as error:
                self.failed[type(error).__name__] += 1
                connection.close()
            self.took.append((time.monotonic() - began) * 1000)
            due += self.pause
            self.ended.wait(max(0.0, due - time.monotonic()))
        connection.close()
