"""Where facts come in and go out: sources, what was kept aside of them, histories that were read, and subscriptions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.ledger.rows import LEDGER, TEXTS
from wend.state.delivery import CHANGES, DEPLOYED, DEPLOYMENTS, PARENTS
from wend.state.dirty import mark
from wend.state.tables import flag, merge_rows, number, table, text

OVERLAP = 24 * 3600 * 1_000_000  # microseconds that a secret holds after it was renewed
AT_ONCE = 500  # keys in one question
RECENT = 200_000  # events looked at for a source's last word

SOURCES = table(
    "sources",
    text("source", key=True),
    text("kind"),
    text("hash"),
    text("before", null=True),
    number("before_until", null=True),
    number("set_at"),
    text("set_by"),
)
ASIDES = table(
    "asides",
    number("seq", key=True),
    text("source"),
    number("at"),
    text("why"),
    text("shape"),
    text("hash"),
    number("bytes"),
    number("read_at", null=True),
    sa.Index("asides_source", "source", "seq"),
)
HISTORY = table("history", text("repo", key=True), text("commit", key=True), flag("gone"), number("times"))
SUBSCRIPTIONS = table(
    "subscriptions",
    text("id", key=True),
    text("url"),
    text("hash"),
    number("upto"),
    number("ok_at", null=True),
    number("failing_since", null=True),
    number("attempts"),
    text("why", null=True),
    flag("gave_up"),
    number("set_at"),
    text("set_by"),
)


@dataclass(frozen=True)
class Known:
    """A source as it is set up. `sealed`: the texts of the secrets that hold now, the newest first."""

    source: str
    kind: str
    sealed: tuple[bytes, ...]


@dataclass(frozen=True)
class Subscription:
    """Somebody who is told of our deploys. `upto`: the last event they need not be told of any more; `failing_since`:
    since when they take nothing (None: they do); `gave_up`: nobody tries any more. Times are Unix microseconds."""

    id: str
    url: str
    hash: str
    upto: int
    ok_at: int | None
    failing_since: int | None
    attempts: int
    why: str | None
    gave_up: int
    set_at: int
    set_by: str


# ---------------------------------------------------------------------------------------------- sources


def source_set(db: Connection, event: Event) -> None:
    """The secret before holds for OVERLAP longer."""
    data, here = event.data, SOURCES.c.source == event.data["source"]
    before = db.execute(sa.select(SOURCES.c.hash).where(here)).scalar()
    row = {"source": data["source"], "kind": data["kind"], "hash": data["hash"], "set_at": event.at}
    row |= {"before": before, "before_until": event.at + OVERLAP if before else None, "set_by": event.actor}
    db.execute(sa.delete(SOURCES).where(here))
    db.execute(sa.insert(SOURCES), row)


def source_removed(db: Connection, event: Event) -> None:
    db.execute(sa.delete(SOURCES).where(SOURCES.c.source == event.data["source"]))


def delivery_kept_aside(db: Connection, event: Event) -> None:
    row = {key: event.data[key] for key in ("source", "why", "shape", "hash", "bytes")}
    db.execute(sa.insert(ASIDES), {**row, "seq": event.seq, "at": event.at})


def delivery_read(db: Connection, event: Event) -> None:
    db.execute(sa.update(ASIDES).where(ASIDES.c.seq == event.data["aside"]).values(read_at=event.at))


# ---------------------------------------------------------------------------------------------- histories


def history_read(db: Connection, event: Event) -> None:
    rows = [{"repo": event.data["repo"], "commit": one, "gone": 0, "times": 0} for one in event.data["commits"]]
    merge_rows(db, HISTORY, rows, replace=("gone",))


def history_rewritten(db: Connection, event: Event) -> None:
    """Commits that a repository has no more: those that were never deployed were no changes, and what was only
    concluded from them (`wend ingest git`) was no deployment."""
    repo, gone = event.data["repo"], list(event.data["gone"])
    for some in cut(gone):
        here = (HISTORY.c.repo == repo) & HISTORY.c.commit.in_(some)
        db.execute(sa.update(HISTORY).where(here).values(gone=1, times=HISTORY.c.times + 1))
    withdraw(db, repo, gone)
    mark(db, "change", gone)
    left = set(gone) - deployed(db, gone) - elsewhere(db, gone)
    for some in cut(sorted(left)):
        days = db.execute(sa.select(CHANGES.c.day).where(CHANGES.c.commit.in_(some)).distinct()).scalars()
        mark(db, "arrived", sorted(map(str, days)))
        db.execute(sa.delete(CHANGES).where(CHANGES.c.commit.in_(some)))
        db.execute(sa.delete(PARENTS).where(PARENTS.c.commit.in_(some)))


def withdraw(db: Connection, repo: str, gone: Sequence[str]) -> None:
    """Take back the deployments that were read out of these commits."""
    for some in cut(gone):
        here = (DEPLOYMENTS.c.source == "git") & (DEPLOYMENTS.c.repo == repo) & DEPLOYMENTS.c.commit.in_(some)
        rows = db.execute(sa.select(DEPLOYMENTS.c.id, DEPLOYMENTS.c.service, DEPLOYMENTS.c.day).where(here)).all()
        ids = [row.id for row in rows]
        for few in cut(ids):
            db.execute(sa.delete(DEPLOYED).where(DEPLOYED.c.deployment.in_(few)))
            db.execute(sa.delete(DEPLOYMENTS).where(DEPLOYMENTS.c.id.in_(few)))
        mark(db, "deployment", ids)
        mark(db, "day", sorted({str(row.day) for row in rows if row.day is not None}))
        carried_anew(db, sorted({row.service for row in rows}))


def carried_anew(db: Connection, services: Sequence[str]) -> None:
    """Who carried what of these services is to be worked out from the beginning."""
    for some in cut(services):
        mark(db, "anew", some)
        db.execute(sa.update(DEPLOYMENTS).where(DEPLOYMENTS.c.service.in_(some)).values(fresh=1))
        mark(db, "service", some)


def deployed(db: Connection, commits: Sequence[str]) -> set[str]:
    """Those of the commits that some deployment carried: its own commit, those it names, and their ancestors."""
    parents: dict[str, list[str]] = {}
    stack: list[str] = []
    for some in cut(commits):
        for row in db.execute(sa.select(PARENTS).where(PARENTS.c.commit.in_(some))):
            parents.setdefault(row.commit, []).append(row.parent)
        stack += db.execute(sa.select(DEPLOYMENTS.c.commit).where(DEPLOYMENTS.c.commit.in_(some))).scalars()
        stack += db.execute(sa.select(DEPLOYED.c.commit).where(DEPLOYED.c.commit.in_(some))).scalars()
    found, asked = set[str](), set(commits)
    while stack:
        one = stack.pop()
        if one in asked and one not in found:
            found.add(one)
            stack += parents.get(one, ())
    return found


def elsewhere(db: Connection, commits: Sequence[str]) -> set[str]:
    """Those of the commits that another repository still has."""
    found = set[str]()
    for some in cut(commits):
        here = HISTORY.c.commit.in_(some) & (HISTORY.c.gone == 0)
        found.update(db.execute(sa.select(HISTORY.c.commit).where(here)).scalars())
    return found


# ---------------------------------------------------------------------------------------------- subscriptions


def subscription_set(db: Connection, event: Event) -> None:
    """A new one is told what comes from now on. One that is set again goes on where it stopped."""
    data, here = event.data, SUBSCRIPTIONS.c.id == event.data["subscription"]
    upto = db.execute(sa.select(SUBSCRIPTIONS.c.upto).where(here)).scalar()
    row = {"id": data["subscription"], "url": data["url"], "hash": data["hash"], "set_by": event.actor, "attempts": 0}
    row |= {"upto": event.seq if upto is None else upto, "set_at": event.at, "gave_up": 0}
    row |= dict.fromkeys(("ok_at", "failing_since", "why"))
    db.execute(sa.delete(SUBSCRIPTIONS).where(here))
    db.execute(sa.insert(SUBSCRIPTIONS), row)


def subscription_removed(db: Connection, event: Event) -> None:
    db.execute(sa.delete(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.id == event.data["subscription"]))


def emission_recorded(db: Connection, event: Event) -> None:
    data, here = event.data, SUBSCRIPTIONS.c.id == event.data["subscription"]
    values: dict[str, Any] = {"upto": data["upto"], "attempts": data["attempts"], "why": data["why"]}
    if data["ok"]:
        values |= {"ok_at": event.at, "failing_since": None}
    else:
        values |= {"failing_since": sa.func.coalesce(SUBSCRIPTIONS.c.failing_since, event.at)}
        values |= {"gave_up": int(data["gave_up"])}
    db.execute(sa.update(SUBSCRIPTIONS).where(here).values(**values))


REDUCERS = (
    source_set,
    source_removed,
    delivery_kept_aside,
    delivery_read,
    history_read,
    history_rewritten,
    subscription_set,
    subscription_removed,
    emission_recorded,
)


# ---------------------------------------------------------------------------------------------- questions


def with_secrets() -> sa.Select[Any, Any, Any]:
    """A source's kind and the sealed texts of its secrets that hold `:now`."""
    newest = TEXTS.alias()
    older = (TEXTS.c.hash == SOURCES.c.before) & (SOURCES.c.before_until > sa.bindparam("now"))
    both = sa.outerjoin(sa.outerjoin(SOURCES, newest, newest.c.hash == SOURCES.c.hash), TEXTS, older)
    query = sa.select(SOURCES.c.kind, newest.c.body, TEXTS.c.body.label("older")).select_from(both)
    return query.where(SOURCES.c.source == sa.bindparam("name"))


WITH_SECRETS = with_secrets()  # made once: every delivery asks it


def source(db: Connection, name: str, now: int) -> Known | None:
    """The source of this name, if it is set up."""
    row = db.execute(WITH_SECRETS, {"name": name, "now": now}).first()
    if row is None:
        return None
    return Known(name, row.kind, tuple(bytes(one) for one in (row.body, row.older) if one is not None))


def hashes(db: Connection, name: str) -> tuple[str, str | None] | None:
    """The names of the texts of the source's secret and of the one before; None when it is not set up."""
    row = db.execute(sa.select(SOURCES.c.hash, SOURCES.c.before).where(SOURCES.c.source == name)).first()
    return (row.hash, row.before) if row else None


def sources(db: Connection) -> list[dict[str, Any]]:
    """Every source, by name: source, kind, set_at, set_by, before_until (until when the secret before holds), and
    heard_at, when it last said something new (None: not in the last RECENT events)."""
    shown = [SOURCES.c[name] for name in ("source", "kind", "set_at", "set_by", "before_until")]
    rows = [dict(row) for row in db.execute(sa.select(*shown).order_by(SOURCES.c.source)).mappings()]
    newest = db.execute(sa.select(sa.func.max(LEDGER.c.seq))).scalar() or 0
    recent = sa.select(LEDGER.c.actor, sa.func.max(LEDGER.c.at)).where(LEDGER.c.seq > newest - RECENT)
    names = [row["source"] for row in rows]
    heard = {name: at for name, at in db.execute(recent.where(LEDGER.c.actor.in_(names)).group_by("actor"))}
    return [row | {"heard_at": heard.get(row["source"])} for row in rows]


def asides(db: Connection, name: str | None, limit: int) -> list[dict[str, Any]]:
    """What was kept aside and not read since, newest first: seq, source, at, why, shape, hash, bytes, read_at."""
    query = sa.select(ASIDES).where(ASIDES.c.read_at.is_(None)).order_by(ASIDES.c.seq.desc()).limit(limit)
    if name is not None:
        query = query.where(ASIDES.c.source == name)
    return [dict(row) for row in db.execute(query).mappings()]


def aside(db: Connection, seq: int) -> dict[str, Any] | None:
    row = db.execute(sa.select(ASIDES).where(ASIDES.c.seq == seq)).mappings().first()
    return dict(row) if row else None


def history(db: Connection, repo: str, after: str, limit: int) -> list[tuple[str, list[str]]]:
    """The commits that were read of the repository and are not gone, with their parents; by commit, those after
    `after`."""
    here = (HISTORY.c.repo == repo) & (HISTORY.c.gone == 0) & (HISTORY.c.commit > after)
    commits = db.execute(sa.select(HISTORY.c.commit).where(here).order_by(HISTORY.c.commit).limit(limit)).scalars()
    found: dict[str, list[str]] = {one: [] for one in commits}
    for some in cut(list(found)):
        for row in db.execute(sa.select(PARENTS).where(PARENTS.c.commit.in_(some)).order_by(PARENTS.c.parent)):
            found[row.commit].append(row.parent)
    return list(found.items())


def seen(db: Connection, repo: str, commits: Sequence[str]) -> dict[str, tuple[bool, int]]:
    """Commit → whether it is gone, and how often it went, of those that were ever read of the repository."""
    found: dict[str, tuple[bool, int]] = {}
    for some in cut(commits):
        query = sa.select(HISTORY).where(HISTORY.c.repo == repo, HISTORY.c.commit.in_(some))
        found |= {row.commit: (bool(row.gone), row.times) for row in db.execute(query)}
    return found


def begun(db: Connection, stream: str) -> dict[str, Any]:
    """What the deploy_started of this stream said; also of an app that is gone."""
    here = (LEDGER.c.stream == stream) & (LEDGER.c.kind == "deploy_started")
    found = db.execute(sa.select(LEDGER.c.data).where(here).limit(1)).scalar()
    return json.loads(found) if found else {}


def subscriptions(db: Connection) -> list[Subscription]:
    """Every one, oldest first."""
    rows = db.execute(sa.select(SUBSCRIPTIONS).order_by(SUBSCRIPTIONS.c.set_at, SUBSCRIPTIONS.c.id)).mappings()
    return [Subscription(**row) for row in rows]


def cut(keys: Iterable[str]) -> Iterator[list[str]]:
    """The keys, AT_ONCE at a time."""
    whole = list(keys)
    return (whole[start : start + AT_ONCE] for start in range(0, len(whole), AT_ONCE))
