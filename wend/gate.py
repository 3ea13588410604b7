"""The health gate: has every new process come up, and if not, why, in plain words.

`judge` is a pure function of what was seen; `wait` looks until there is a verdict.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wend import secrets
from wend.context import Context
from wend.errors import Refused
from wend.leases import Lease
from wend.run import Replica, Status

TAIL = 20
PATIENCE = 5.0  # seconds for a process that answers 5xx, or listens on another port, to come round
PROBE = 10.0  # seconds one health answer may take


class Sick(Refused):
    """The gate said no; `tail` holds the last lines the process wrote."""

    def __init__(self, message: str, hint: str, tail: list[str]) -> None:
        super().__init__(message, hint)
        self.tail = tail


@dataclass
class Seen:
    """What was seen of one replica so far. Times are monotonic seconds; `answer` is the last HTTP status, or an
    error's words."""

    process: str
    health: str | None
    boot: float
    began: float
    answer: int | str | None = None
    answered: float | None = None
    astray: float | None = None
    listens: tuple[int, ...] = ()
    up_since: float | None = None
    ended: str | None = None
    port: int | None = None
    well: bool = False


@dataclass(frozen=True)
class Verdict:
    """`state`: well · wait · sick; a sick one has its reason and the next thing to do."""

    state: str
    reason: str = ""
    hint: str = ""


def judge(seen: Seen, now: float, settle: float) -> Verdict:
    """The verdict on one replica. Without a health path (not a web process) staying up for `settle` seconds is well."""
    name, waited = seen.process, now - seen.began
    if seen.ended is not None:
        return Verdict(
            "sick", f"{name} {seen.ended} {during(waited)}", "mend it and push again; its last lines are shown"
        )
    if seen.health is None:
        stayed = seen.up_since is not None and now - seen.up_since >= settle
        return Verdict("well") if stayed else late(seen, waited, f"{name} is not up after {waited:.0f} s")
    if isinstance(seen.answer, int) and seen.answer < 500:
        return Verdict("well")
    if isinstance(seen.answer, int):
        if seen.answered is not None and now - seen.answered > PATIENCE:
            reason = f"{name} answers {seen.answer} at {seen.health}"
            return Verdict("sick", reason, "any status below 500 passes; its log says why it fails")
        return late(seen, waited, f"{name} still answers {seen.answer} at {seen.health} after {waited:.0f} s")
    if seen.astray is not None and now - seen.astray > PATIENCE:
        ports = ", ".join(map(str, seen.listens))
        return Verdict(
            "sick",
            f"{name} listens on port {ports}, not on $PORT ({seen.port})",
            "read the port from the environment: PORT",
        )
    return late(
        seen,
        waited,
        f"{name} did not listen on $PORT ({seen.port}) within {waited:.0f} s"
        if seen.answer is None
        else f"{name} did not answer {seen.health} within {waited:.0f} s: {seen.answer}",
    )


def late(seen: Seen, waited: float, reason: str) -> Verdict:
    hint = f"give it longer with [process.{seen.process}] boot = {int(seen.boot * 2)} in wend.toml"
    return Verdict("sick", reason, hint) if waited > seen.boot else Verdict("wait")


def during(waited: float) -> str:
    return f"after {waited * 1000:.0f} ms" if waited < 10 else f"after {waited:.0f} s"


# ---------------------------------------------------------------------------------------------- acts


@dataclass
class Watch:
    """The replicas under the gate and what has been seen of them."""

    app: str
    replicas: list[Replica]
    seen: dict[str, Seen] = field(default_factory=dict[str, Seen])


def wait(
    ctx: Context,
    want: Iterable[Replica],
    processes: Mapping[str, Mapping[str, Any]],
    lease: Lease | None,
    values: Iterable[str],
) -> None:
    """Return when every replica is well. Raises Sick at the first that is not, Conflict when the lease is cancelled.
    `values` are the secrets to blot out of the lines shown."""
    began = time.monotonic()
    watch = Watch("", list(want))
    for replica in watch.replicas:
        settings = processes[replica.process]
        health = (settings.get("health") or "/") if replica.process == "web" else None
        watch.seen[replica.id] = Seen(replica.process, health, float(settings.get("boot") or 60), began)
        watch.app = replica.app
    while not look(ctx, watch, values):
        if lease is not None:
            lease.check()
        time.sleep(0.004 if time.monotonic() - began < 3 else 0.05)


def look(ctx: Context, watch: Watch, values: Iterable[str]) -> bool:
    """Look once at everything that is not well yet. True when all is well."""
    pending = [replica for replica in watch.replicas if not watch.seen[replica.id].well]
    if not pending:
        return True
    have = {status.id: status for status in ctx.driver.status(watch.app)}
    for replica in pending:
        seen = watch.seen[replica.id]
        observe(seen, have.get(replica.id), f"{replica.app}.{ctx.config.domain}")
        verdict = judge(seen, time.monotonic(), ctx.config.settle_seconds)
        if verdict.state == "sick":
            raise Sick(verdict.reason, verdict.hint, tail(ctx, replica, values))
        seen.well = verdict.state == "well"
    return all(seen.well for seen in watch.seen.values())


def observe(seen: Seen, status: Status | None, host: str) -> None:
    """Add what is to be seen now."""
    now = time.monotonic()
    if status is None:
        return
    seen.port, seen.listens = status.port, status.listens
    if status.exit is not None or status.phase in ("backoff", "exited"):
        seen.ended = str(status.exit) if status.exit else "ended"
        return
    if status.phase == "up" and seen.up_since is None:
        seen.up_since = now
    if seen.health is not None and status.port:
        answer = ask(status.port, seen.health, host)
        seen.answer = seen.answer if answer is None else answer
        if isinstance(answer, int) and seen.answered is None:
            seen.answered = now
        strayed = status.port not in status.listens and bool(status.listens) and answer is None
        seen.astray = (seen.astray or now) if strayed else None


def ask(port: int, path: str, host: str) -> int | str | None:
    """The status of a GET, an error's words when something listens but does not answer, None when nothing listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE)
    try:
        connection.request("GET", path, headers={"Host": host, "User-Agent": "wend-gate", "Accept": "*/*"})
        answer = connection.getresponse()
        answer.read(2**16)  # leaving a body unread resets the connection, and some servers log that as an error
        return answer.status
    except TimeoutError:
        return f"no answer in {PROBE:.0f} s"
    except ConnectionRefusedError:
        return None
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()


def tail(ctx: Context, replica: Replica, values: Iterable[str]) -> list[str]:
    """The last lines the replica wrote, without secrets."""
    hidden = list(values)
    lines = [line.text for line in ctx.driver.logs(replica.app, lines=200) if line.source == replica.id]
    return [secrets.redact(text, hidden) for text in lines[-TAIL:]]
