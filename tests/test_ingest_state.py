"""The tables of sources, histories and subscriptions, in both databases: what is asked, and rebuilt the same."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tests.databases import database, ledger, postgres, served
from wend.events import Fact
from wend.ledger.chain import text_hash
from wend.ledger.store import Store
from wend.state import ingest
from wend.state.delivery import CHANGES, DEPLOYMENTS, PARENTS
from wend.state.derived import refresh

__all__ = ["database", "ledger", "postgres", "served"]  # fixtures
NOW = 1_900_000_000_000_000


def say(ledger: Store, kind: str, at: int = NOW, **data: Any) -> None:
    ledger.append([Fact(kind, "s", data, actor=data.get("source", "ann"), at=at)])


def change(commit: str, *parents: str) -> Fact:
    data = {"source": "git", "repo": "acme/shop", "commit": commit, "committed_at": NOW, "parents": list(parents)}
    return Fact("change_recorded", "s", {**data, "merge": False, "bot": False, "purpose": "planned", "author": None})


def deployment(id: str, commit: str, source: str = "git") -> Fact:
    data: dict[str, Any] = dict.fromkeys(("artifact", "started_at", "undoes", "url"))
    data |= {"source": source, "deployment": id, "service": "shop", "repo": "acme/shop", "environment": "production"}
    data |= {"tier": "production", "outcome": "success", "purpose": "planned", "commit": commit, "commits": []}
    return Fact("deployment_recorded", "s", {**data, "finished_at": NOW + len(id)})


def rows(ledger: Store, table: sa.Table) -> list[tuple[Any, ...]]:
    with ledger.query() as db:
        return sorted(tuple(row) for row in db.execute(sa.select(table)))


def column(ledger: Store, column: sa.Column[Any]) -> set[Any]:
    with ledger.query() as db:
        return set(db.execute(sa.select(column)).scalars())


def carried(ledger: Store) -> dict[str, str]:
    with ledger.transaction() as db:
        refresh(db)
        return {row[0]: row[1] for row in db.execute(sa.text('SELECT "commit", deployment FROM carried'))}


def set_source(ledger: Store, body: bytes, at: int) -> None:
    hash = text_hash(body)
    data = {"source": "gh", "kind": "github", "hash": hash}
    ledger.append([Fact("source_set", "s", data, actor="ann", at=at)], texts={hash: body})


def sealed(ledger: Store, now: int) -> tuple[bytes, ...] | None:
    with ledger.query() as db:
        found = ingest.source(db, "gh", now)
    return found.sealed if found else None


def test_a_secret_and_the_one_before(ledger: Store) -> None:
    assert sealed(ledger, NOW) is None
    set_source(ledger, b"one", NOW)
    assert sealed(ledger, NOW) == (b"one",)
    set_source(ledger, b"two", NOW + 1)
    assert sealed(ledger, NOW + ingest.OVERLAP) == (b"two", b"one")
    assert sealed(ledger, NOW + 1 + ingest.OVERLAP) == (b"two",)
    ledger.erase([text_hash(b"two")], "ann")
    assert sealed(ledger, NOW) == (b"one",)
    say(ledger, "delivery_kept_aside", source="gh", why="w", shape="s", hash="h", bytes=3)
    with ledger.query() as db:
        [listed] = ingest.sources(db)
        assert (listed["source"], listed["heard_at"], listed["before_until"]) == ("gh", NOW, NOW + 1 + ingest.OVERLAP)
        assert [one["bytes"] for one in ingest.asides(db, "gh", 9)] == [3] and ingest.asides(db, "other", 9) == []
    ledger.append([Fact("source_removed", "s", {"source": "gh"})])
    assert sealed(ledger, NOW) is None


def test_a_rewrite_takes_back_what_it_lost_and_nothing_else(ledger: Store) -> None:
    facts = [change("a"), change("b", "a"), change("c", "b"), change("x", "a"), change("y", "x")]
    facts += [Fact("history_read", "s", {"repo": "acme/shop", "commits": list("abcxy")})]
    facts += [deployment("git:a", "a"), deployment("git:c", "c"), deployment("github:x", "x", "github")]
    ledger.append(facts)
    assert carried(ledger) == {"a": "git:a", "b": "git:c", "c": "git:c", "x": "github:x"}
    ledger.append([Fact("history_rewritten", "s", {"repo": "acme/shop", "gone": ["b", "c", "x", "y"]})])
    assert column(ledger, CHANGES.c.commit) == {"a", "x"} == column(ledger, PARENTS.c.commit) | {"a"}
    assert column(ledger, DEPLOYMENTS.c.id) == {"git:a", "github:x"}
    assert carried(ledger) == {"a": "git:a", "x": "github:x"}
    with ledger.query() as db:
        assert ingest.history(db, "acme/shop", "", 10) == [("a", [])]
        assert ingest.seen(db, "acme/shop", ["a", "b", "?"]) == {"a": (False, 0), "b": (True, 1)}
    before = carried(ledger), rows(ledger, CHANGES), rows(ledger, ingest.HISTORY)
    ledger.rebuild()
    assert (carried(ledger), rows(ledger, CHANGES), rows(ledger, ingest.HISTORY)) == before, "once both are worked in"


def test_a_subscription_from_its_beginning_to_its_end(ledger: Store) -> None:
    def now() -> ingest.Subscription:
        with ledger.query() as db:
            return ingest.subscriptions(db)[0]

    ledger.append([Fact("app_created", "s", {"branch": "main"}, app="hello")])
    say(ledger, "subscription_set", subscription="s1", url="http://e.org", hash="h")
    assert (now().upto, now().failing_since, now().gave_up) == (2, None, 0)
    told = {"subscription": "s1", "attempts": 1, "why": "w", "gave_up": False}
    say(ledger, "emission_recorded", NOW + 1, **told, ok=False, upto=2)
    say(ledger, "emission_recorded", NOW + 2, **told, ok=False, upto=2)
    assert (now().failing_since, now().why, now().ok_at) == (NOW + 1, "w", None)
    say(ledger, "emission_recorded", NOW + 3, **{**told, "why": None}, ok=True, upto=7)
    assert (now().failing_since, now().upto, now().ok_at) == (None, 7, NOW + 3)
    say(ledger, "emission_recorded", NOW + 4, **{**told, "gave_up": True}, ok=False, upto=7)
    assert now().gave_up == 1
    say(ledger, "subscription_set", subscription="s1", url="http://e.org", hash="i")
    assert (now().gave_up, now().upto, now().hash) == (0, 7, "i"), "it goes on where it stopped"
    before = rows(ledger, ingest.SUBSCRIPTIONS)
    ledger.rebuild()
    assert rows(ledger, ingest.SUBSCRIPTIONS) == before
    ledger.append([Fact("subscription_removed", "s", {"subscription": "s1"})])
    assert rows(ledger, ingest.SUBSCRIPTIONS) == []


def test_what_a_deploy_said_when_it_began_outlives_its_app(ledger: Store) -> None:
    data = {"deploy": "d1", "cause": "rollback", "commit": "c", "ref": "r", "summary": "s"}
    ledger.append([Fact("app_created", "s", {"branch": "main"}, app="hello")])
    ledger.append([Fact("deploy_started", "deploy/d1", data, app="hello")])
    ledger.append([Fact("app_destroyed", "s", {}, app="hello")])
    with ledger.query() as db:
        assert ingest.begun(db, "deploy/d1")["cause"] == "rollback" and ingest.begun(db, "deploy/d2") == {}
