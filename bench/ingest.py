"""How fast deliveries are taken by a real platform on loopback, and whether `kill -9` loses or doubles any.

python bench/ingest.py [--events 20000] [--single 3000] [--kills 3]

Beside it, in the same run, two floors: a server that only reads the same requests and answers, and a plain SQLite table
that gets the same rows with the same promise (every commit on the disk), without a server.
"""

from __future__ import annotations

import argparse
import hmac
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measure import line, verdict

from tests.house import House, free_port, until

AT_ONCE = 8
BATCH = 1000
OTHERS = 7 * 10**8  # commits of a repository that nothing is deployed from
SECRET = "a secret of the benchmark"
ANSWERS = """
import sys, uvicorn
async def app(scope, receive, send):
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False, lifespan="off")
"""


# ---------------------------------------------------------------------------------------------- what is sent


def deployed(number: int) -> dict[str, Any]:
    """A deployment as a CDEvent in a CloudEvent."""
    name, type, source = f"event-{number}", "dev.cdevents.service.deployed.0.3.0", "/bench"
    content = {"environment": {"id": "production"}, "artifactId": f"pkg:oci/shop@sha256:{number:064x}"}
    context = {"specversion": "0.5.1", "id": name, "source": source, "type": type, "timestamp": "2026-03-01T12:00:00Z"}
    data = {"context": context, "subject": {"id": f"shop-{number % 50}", "content": content}}
    data |= {"customData": {"commit": f"{number:040x}"}}
    return {"specversion": "1.0", "id": name, "source": source, "type": type, "data": data}


def commit(number: int) -> dict[str, Any]:
    about = {"commit": f"{number:040x}", "committed_at": 1_770_000_000 + number, "parents": [f"{number + 1:040x}"]}
    return about | {"author": f"person{number % 100}@example.org"}


def request(path: str, said: Any, kind: str, **headers: str) -> bytes:
    body = json.dumps(said).encode()
    now = str(int(time.time()))
    mac = hmac.new(SECRET.encode(), now.encode() + b"." + body, "sha256").hexdigest()
    given = {"X-Wend-Signature": f"t={now},v1={mac}", **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    start = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{head}\r\n"
    return start.encode() + body


def single(numbers: Sequence[int]) -> list[bytes]:
    return [request("/ingest/bench", deployed(number), "application/cloudevents+json") for number in numbers]


def batches(count: int, first: int) -> list[bytes]:
    parts = [range(start, min(start + BATCH, first + count)) for start in range(first, first + count, BATCH)]
    kind = "application/cloudevents-batch+json"
    return [request("/ingest/bench", [deployed(number) for number in part], kind) for part in parts]


def histories(count: int, token: str) -> list[bytes]:
    parts = [range(start, min(start + BATCH, OTHERS + count)) for start in range(OTHERS, OTHERS + count, BATCH)]
    return [
        request("/api/ingest/git", {"repo": "acme/shop", "changes": [commit(number) for number in part]},
                "application/json", Authorization=f"Bearer {token}")
        for part in parts
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------- sending


class Wire:
    """One connection that sends a request and reads its answer, again and again."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, raw: bytes) -> tuple[int, bytes]:
        self.sock.sendall(raw)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self.more()
        head, _, body = got.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        while len(body) < length:
            body += self.more()
        return int(head.split(b" ", 2)[1]), body

    def more(self) -> bytes:
        chunk = self.sock.recv(65536)
        if not chunk:
            raise ConnectionError("the server hung up")
        return chunk


def send(port: int, requests: Sequence[bytes], at_once: int, heard: Callable[[int], None] | None = None) -> list[float]:
    """Milliseconds of each, from so many connections. `heard` gets the number of each that was acknowledged."""
    took: list[float] = []
    rest = iter(range(len(requests)))
    turn = threading.Lock()

    def work() -> None:
        wire = Wire(port)
        while True:
            with turn:
                number = next(rest, None)
            if number is None:
                return
            began = time.perf_counter()
            status, said = wire.ask(requests[number])
            took.append((time.perf_counter() - began) * 1000)
            assert status == 200, (status, said[:300])
            if heard:
                heard(number)

    def quietly() -> None:
        try:
            work()
        except OSError:
            if heard is None:
                raise

    threads = [threading.Thread(target=quietly) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


def rate(count: int, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def busy(house: House) -> float:
    """Seconds of processor time that the control plane has used."""
    assert house.process
    fields = Path(f"/proc/{house.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def both(house: House, count: int, work: Callable[[], object]) -> tuple[float, float]:
    """How many a second, and how many a second of the control plane's processor time: the second number is what other
    work on this machine disturbs least."""
    before = busy(house)
    found = rate(count, work)
    return found, count / (busy(house) - before)


# ---------------------------------------------------------------------------------------------- the floors


@contextmanager
def answering() -> Generator[int]:
    """A server that reads and answers, and does nothing else."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "-c", ANSWERS, str(port)])
    try:
        until(lambda: not socket.socket().connect_ex(("127.0.0.1", port)), what="the floor's server")
        yield port
    finally:
        server.kill()
        server.wait()


def written(folder: Path, rows: Sequence[bytes], each: int) -> None:
    """The rows in a plain table, so many a commit."""
    db = sqlite3.connect(folder / f"floor{each}.db", isolation_level=None)
    db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE rows (body BLOB)")
    for start in range(0, len(rows), each):
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO rows VALUES (?)", [(row,) for row in rows[start : start + each]])
        db.execute("COMMIT")
    db.close()


# ---------------------------------------------------------------------------------------------- kill -9


def known(house: House) -> list[str]:
    """The commits of the deployments in the ledger, as often as they are there."""
    with sqlite3.connect(f"file:{house.home}/wend.db?mode=ro", uri=True) as db:
        rows = db.execute("SELECT data FROM ledger WHERE kind = 'deployment_recorded'")
        return [json.loads(data)["commit"] for (data,) in rows]


def killed(house: House, first: int, count: int, after: int) -> tuple[int, int, int]:
    """(acknowledged, of these missing, doubled in the end): SIGKILL after so many answers, then everything again."""
    requests, heard = single(range(first, first + count)), set[int]()
    sender = threading.Thread(target=send, args=(house.listen, requests, AT_ONCE, heard.add))
    sender.start()
    until(lambda: len(heard) >= after, what="some answers")
    house.kill()
    sender.join()
    there = set(known(house))
    missing = sum(f"{first + number:040x}" not in there for number in heard)
    house.up()
    send(house.listen, requests, AT_ONCE)
    mine = [one for one in known(house) if first <= int(one, 16) < first + count]
    assert set(mine) == {f"{first + number:040x}" for number in range(count)}
    return len(heard), missing, len(mine) - len(set(mine))


# ---------------------------------------------------------------------------------------------- all of it


def measure(house: House, events: int, alone: int, folder: Path) -> list[bool]:
    """Print the rates beside their floors."""
    ones, many, commits = single(range(1, alone + 1)), batches(events, 10**6), histories(events, house.token)
    took: list[float] = []
    with answering() as floor:
        http = rate(alone, lambda: send(floor, ones, AT_ONCE))
        https = rate(events, lambda: send(floor, many, 2))
    rows = [json.dumps(deployed(number)).encode() for number in range(events)]
    disk, disks = (
        rate(alone, lambda: written(folder, rows[:alone], 1)),
        rate(events, lambda: written(folder, rows, BATCH)),
    )
    one = both(house, alone, lambda: took.extend(send(house.listen, ones, AT_ONCE)))
    batch = both(house, events, lambda: send(house.listen, many, 2))
    again = both(house, events, lambda: send(house.listen, many, 2))
    history = both(house, events, lambda: send(house.listen, commits, 2))
    print(f"{'':<44} {'a second':>10}  {'a CPU second':>12}  {'HTTP alone':>11}  {'disk alone':>11}")
    for name, (found, cpu), *floors in (
        (f"one by one, {AT_ONCE} connections", one, http, disk),
        (f"batches of {BATCH}", batch, https, disks),
        ("the same batches again (nothing is new)", again, https, disks),
        (f"histories, batches of {BATCH} with authors", history, https, disks),
    ):
        ratios = "  ".join(f"{found / floor:>9.3f} x" for floor in floors)
        print(f"{name:<44} {found:>10,.0f}  {cpu:>12,.0f}  {ratios}")
    print(f"floors: HTTP {http:,.0f} and {https:,.0f} events a second, disk {disk:,.0f} and {disks:,.0f}")
    print(line("an answer, one by one", took))
    return [
        verdict(f"at least 500 a second one by one: {one[0]:,.0f}", one[0] >= 500),
        verdict(f"at least 5,000 a second in batches: {batch[0]:,.0f}", batch[0] >= 5000),
    ]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--single", type=int, default=3_000)
    parser.add_argument("--kills", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder) / "home").up()
        try:
            house.api("POST", "/api/ingest/sources", {"source": "bench", "kind": "cloudevents", "secret": SECRET})
            reached = measure(house, chosen.events, chosen.single, Path(folder))
            ends = [killed(house, 10**8 * (turn + 1), 1000, 300 + 150 * turn) for turn in range(chosen.kills)]
            status, said = house.api("GET", "/api/ledger/verify")
            sizes = statistics.median(acknowledged for acknowledged, _, _ in ends) if ends else 0
            lost, doubled = sum(one[1] for one in ends), sum(one[2] for one in ends)
            words = (
                f"{lost} lost and {doubled} doubled over {len(ends)} kills -9 (median {sizes:.0f} acknowledged before)"
            )
            reached.append(verdict(words, not lost and not doubled and status == 200))
            print(f"the chain verifies: {said['events']} events")
        finally:
            house.down()
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
