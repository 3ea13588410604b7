"""Telling others of our deploys: CDEvents 0.5 in CloudEvents' binary mode, signed, in order, until they are taken.

Each subscription goes on from the last event it took, so what was told before a crash may be told once more, under the
same id. Facts: subscription_set, subscription_removed, emission_recorded.
"""

from __future__ import annotations

import hmac
import http.client
import json
import logging
import random
import re
import secrets as chance
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import sqlalchemy as sa

from wend import secrets, spec
from wend.context import Context
from wend.errors import Down, Invalid, NotFound, WendError
from wend.events import Event, Fact
from wend.ledger.chain import text_hash
from wend.state import ingest as table
from wend.state.ingest import Subscription
from wend.state.tables import RELEASES

KINDS = ("release_went_live", "deploy_failed")
VERSION = "0.5.1"  # of CDEvents; each type has one of its own
TYPES = {
    "deployed": "dev.cdevents.service.deployed.0.3.0",
    "upgraded": "dev.cdevents.service.upgraded.0.3.0",
    "rolledback": "dev.cdevents.service.rolledback.0.3.0",
    "finished": "dev.cdevents.pipelinerun.finished.0.3.0",
}
AT_ONCE = 100  # messages between two records of how far it is
HANDS = 4  # subscriptions told at the same time
CONNECT, PATIENCE = 5.0, 10.0  # seconds for a connection, and for everything together
LONGEST_WAIT = 3600.0  # seconds between two tries
ENOUGH = 3 * 86_400  # seconds without success after which nobody tries any more
LONGEST_URL = 1000
GONE = 410
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Message:
    """One CDEvent. `id` is that of the event it tells of, so that telling it twice is telling it once."""

    id: str
    type: str
    source: str
    subject: str
    time: str
    body: bytes

    def headers(self) -> dict[str, str]:
        """CloudEvents' attributes as headers, percent-encoded as its HTTP binding says."""
        about = {key: str(value) for key, value in asdict(self).items() if key != "body"} | {"specversion": "1.0"}
        return {f"ce-{key}": quote(value, safe="!#$&'()*+,/:;=?@[]~-._") for key, value in about.items()}


# ---------------------------------------------------------------------------------------------- pure


def address(url: str) -> str:
    """The URL, if events can be sent there. Raises Invalid."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.fragment
    except ValueError:
        parts, good = urlsplit(""), False
    if not good or len(url) > LONGEST_URL or not re.fullmatch(r"[!-~]+", url):
        raise Invalid(f"{url[:80]!r} is no address that events can be sent to", "like https://example.org/events")
    if parts.username is not None:
        raise Invalid("an address with a password in it would stand in the ledger for ever", "what is sent is signed")
    return url


def message(event: Event, begun: Mapping[str, Any], commit: str | None, portal: str) -> Message:
    """What is told of an event of KINDS. `begun`: what was said when its deploy began; `commit`: the release's."""
    app, data = event.app or "", event.data
    source, deploy = f"{portal}/apps/{app}", data["deploy"]
    about: dict[str, Any] = {"deploy": deploy, "cause": begun.get("cause"), "commit": commit or begun.get("commit")}
    if event.kind == "deploy_failed":
        what, subject = "finished", deploy
        outcome = "cancel" if data.get("superseded") else "failure"
        content: dict[str, Any] = {"pipelineName": app, "uri": f"{portal}/apps/{app}/deploys/{deploy}"}
        content |= {"outcome": outcome, "errors": f"{data['step']}: {data['message']}"}
    else:
        back, first = begun.get("cause") == "rollback", data.get("previous") is None
        what, subject = "rolledback" if back else "deployed" if first else "upgraded", app
        where = "production" if spec.parent(app) == app else "preview"
        content = {"environment": {"id": where, "source": portal}, "artifactId": package(app, data["release"])}
        about |= {"release": data["release"], "previous": data.get("previous")}
    moment = datetime.fromtimestamp(event.at / 1e6, UTC).isoformat().replace("+00:00", "Z")
    context = {"specversion": VERSION, "id": event.id, "source": source, "type": TYPES[what], "timestamp": moment}
    told = {"context": context, "subject": {"id": subject, "source": source, "content": content}}
    told |= {"customData": {"wend": about}, "customDataContentType": "application/json"}
    return Message(event.id, TYPES[what], source, subject, moment, json.dumps(told, separators=(",", ":")).encode())


def package(app: str, release: int) -> str:
    """A release as a package URL."""
    return f"pkg:generic/wend/{quote(app, safe='')}@{release}"


def signature(secret: str, body: bytes, now: float) -> str:
    """The value of X-Wend-Signature: the time and the HMAC-SHA-256 of "TIME.BODY", in hex."""
    at = int(now)
    return f"t={at},v1={hmac.new(secret.encode(), f'{at}.'.encode() + body, 'sha256').hexdigest()}"


def delay(attempts: int, chance: float) -> float:
    """Seconds until the next try: 1, 2, 4 … up to an hour, less up to half of it (`chance`: 0 to 1), so that many who
    failed together do not come back together."""
    return min(LONGEST_WAIT, 2.0 ** min(attempts - 1, 20)) * (1 - chance / 2)


# ---------------------------------------------------------------------------------------------- subscriptions


def subscribe(ctx: Context, url: str, secret: str | None) -> tuple[str, str | None]:
    """(id, secret): tell this address of our deploys from now on. One that is told already, or was given up, goes on
    where it stopped; its secret stays, and is None here, unless a new one is given. Raises Invalid."""
    url = address(url)
    known = next((one for one in subscribed(ctx) if one.url == url), None)
    id = known.id if known else chance.token_hex(4)
    made = (secret or chance.token_urlsafe(32)) if secret or known is None else None
    body = secrets.seal(secrets.key(ctx.config.home), f"subscription {id}", url, 1, made) if made else b""
    hash = text_hash(body) if body or known is None else known.hash
    data = {"subscription": id, "url": url, "hash": hash}
    fact = Fact("subscription_set", f"subscription/{id}", data, actor=ctx.actor.name)
    ctx.ledger.append([fact], texts={hash: body} if body else {})
    if known and hash != known.hash:
        ctx.ledger.erase([known.hash], ctx.actor.name)
    return id, made


def unsubscribe(ctx: Context, id: str) -> None:
    """Tell it nothing any more, and erase its secret. Raises NotFound."""
    known = next((one for one in subscribed(ctx) if one.id == id), None)
    if known is None:
        raise NotFound(f"there is no subscription {id[:60]!r}", "`wend ingest subscriptions` lists them")
    data = {"subscription": id}
    ctx.ledger.append([Fact("subscription_removed", f"subscription/{id}", data, actor=ctx.actor.name)])
    ctx.ledger.erase([known.hash], ctx.actor.name)


def subscribed(ctx: Context) -> list[Subscription]:
    with ctx.ledger.query() as db:
        return table.subscriptions(db)


def listed(ctx: Context) -> list[dict[str, Any]]:
    """Every subscription without its secret, and how many events it has still to be told of (`behind`, at most
    AT_ONCE)."""
    return [
        {key: value for key, value in asdict(one).items() if key != "hash"}
        | {"behind": len(ctx.ledger.read(one.upto, KINDS, limit=AT_ONCE))}
        for one in subscribed(ctx)
    ]


# ---------------------------------------------------------------------------------------------- the clock


@dataclass
class Emitter:
    """Tells every subscription what it has not been told, each in its turn. `waits`: id → (tries so far, not before
    this monotonic time)."""

    first: float = 1.0  # scales the time between tries
    clock: Callable[[], float] = time.time
    waits: dict[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])
    at_work: dict[str, Future[None]] = field(default_factory=dict[str, "Future[None]"])
    hands: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(HANDS, thread_name_prefix="emit"))

    def tend(self, ctx: Context) -> None:
        """Give each subscription that is due to a free hand, unless one is at it."""
        self.at_work = {id: future for id, future in self.at_work.items() if not future.done()}
        for one in subscribed(ctx):
            due = self.waits.get(one.id, (0, 0.0))[1] <= time.monotonic()
            if due and not one.gave_up and one.id not in self.at_work:
                self.at_work[one.id] = self.hands.submit(self.turn, ctx, one)

    def turn(self, ctx: Context, one: Subscription) -> None:
        try:
            self.tell(ctx, one)
        except WendError as error:
            log.error("telling %s: %s (%s)", one.url, error.message, error.hint)
        except Exception:
            log.exception("telling %s", one.url)

    def tell(self, ctx: Context, one: Subscription) -> None:
        """Send what is new, in order, until something is not taken; then record how far it is."""
        events = ctx.ledger.read(one.upto, KINDS, limit=AT_ONCE)
        if not events:
            return
        secret, upto, why, status = opened(ctx, one), one.upto, "", 0
        for event in events:
            status, why = send(one.url, self.written(ctx, event), secret, self.clock())
            if why:
                break
            upto = event.seq
        if upto > one.upto:
            self.waits.pop(one.id, None)
            record(ctx, one, upto, True, 0, None)
        if why:
            self.failed(ctx, one, upto, why, status == GONE, fresh=upto > one.upto)

    def written(self, ctx: Context, event: Event) -> Message:
        with ctx.ledger.query() as db:
            begun = table.begun(db, event.stream)
            release = event.data.get("release") or begun.get("release")
            mine = (RELEASES.c.app == event.app) & (RELEASES.c.number == release)
            commit = db.execute(sa.select(RELEASES.c.commit).where(mine)).scalar()
        return message(event, begun, commit, ctx.config.portal)

    def failed(self, ctx: Context, one: Subscription, upto: int, why: str, gone: bool, fresh: bool) -> None:
        """Wait longer before the next try. The first failure and the end are recorded, not every try."""
        attempts = self.waits.get(one.id, (0, 0.0))[0] + 1
        self.waits[one.id] = attempts, time.monotonic() + self.first * delay(attempts, random.random())
        since = None if fresh else one.failing_since
        over = gone or (since is not None and self.clock() - since / 1e6 > ENOUGH)
        if since is None or over:
            record(ctx, one, upto, False, attempts, f"given up: {why}" if over else why, over)
        if over:
            log.error("telling %s was given up: %s", one.url, why)


def record(
    ctx: Context, one: Subscription, upto: int, ok: bool, attempts: int, why: str | None, gave_up: bool = False
) -> None:
    data = {"subscription": one.id, "upto": upto, "ok": ok, "attempts": attempts, "why": why, "gave_up": gave_up}
    ctx.ledger.append([Fact("emission_recorded", f"subscription/{one.id}", data)])


def opened(ctx: Context, one: Subscription) -> str:
    """The subscription's secret. Raises Down when it was erased."""
    body = ctx.ledger.text(one.hash)
    if body is None:
        raise Down(f"the secret of subscription {one.id} was erased", "`wend ingest subscribe URL --secret S`")
    return secrets.unseal(secrets.key(ctx.config.home), f"subscription {one.id}", one.url, 1, body)


def send(url: str, what: Message, secret: str, now: float) -> tuple[int, str]:
    """(status, why it was not taken; "" when it was). Nothing is followed, the answer's body is not read, and all of it
    has PATIENCE seconds."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=CONNECT)
    over = threading.Event()
    end = threading.Timer(PATIENCE, hang_up, (connection, over))
    end.daemon = True
    headers = {**what.headers(), "Content-Type": "application/json", "User-Agent": "wend"}
    headers["X-Wend-Signature"] = signature(secret, what.body, now)
    end.start()
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, what.body, headers)
        status = connection.getresponse().status
        return status, "" if 200 <= status < 300 else f"it answers {status}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        slow = isinstance(error, TimeoutError) or over.is_set()
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return 0, "it takes too long to answer" if slow else f"it cannot be reached: {said[:200]}"
    finally:
        end.cancel()
        connection.close()


def hang_up(connection: http.client.HTTPConnection, over: threading.Event) -> None:
    """End a connection that another thread waits on."""
    over.set()
    if sock := connection.sock:
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
