"""Who looked at figures about people is written down, once a day, before they see them; everyone may read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import FakeRouter
from tests.web_world import FakeDriver
from wend import access, config
from wend.context import Actor, Context
from wend.errors import Down, Invalid
from wend.leases import Leases
from wend.ledger.sqlite import Sqlite
from wend.repos import Repos
from wend.route.meter import Meter
from wend.state import SCHEMA
from wend.state.reducers import reduce
from wend.state.tables import META


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    ledger = Sqlite(tmp_path / "wend.db", META, reduce, SCHEMA)
    made = Context(config.load(tmp_path), ledger, FakeDriver(), FakeRouter(), Repos(tmp_path), Leases(), Meter())
    yield replace(made, actor=Actor("ada"))
    ledger.close()


def test_a_look_is_written_once_a_day_per_person_signal_and_scope(ctx: Context) -> None:
    for _ in range(3):
        access.seen(ctx, "nps", "all")
        access.seen(ctx, "nps", "team:payments")
        access.seen(replace(ctx, actor=Actor("eve")), "nps", "all")
    rows = access.log(ctx)
    assert [(row["actor"], row["signal"], row["scope"]) for row in rows] == [
        ("eve", "nps", "all"),
        ("ada", "nps", "team:payments"),
        ("ada", "nps", "all"),
    ]
    assert ctx.ledger.head()[0] == 3 and rows[0]["day"] == rows[0]["at"] // 86_400_000_000
    assert access.log(ctx, 1) == rows[:1]


def test_another_day_is_another_look(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds in (86_400 * 20_000, 86_400 * 20_000 + 86_399, 86_400 * 20_001):
        monkeypatch.setattr(access.time, "time", lambda seconds=seconds: float(seconds))
        access.seen(ctx, "csat", "all")
    assert [row["day"] for row in access.log(ctx)] == [20_001, 20_000]


def test_two_looks_at_once_are_one(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both find nothing written; the event's id is the same, so only one is."""
    access.seen(ctx, "ces", "all")
    monkeypatch.setattr("wend.state.access.known", lambda *rest: False)
    access.seen(ctx, "ces", "all")
    assert len(access.log(ctx)) == 1


def test_nothing_is_shown_where_the_look_cannot_be_written(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*rest: object, **more: object) -> None:
        raise Down("the disk is full")

    monkeypatch.setattr(ctx.ledger, "append", full)
    with pytest.raises(Down):
        access.seen(ctx, "nps", "all")


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_the_log_is_read_in_pieces(ctx: Context, limit: int) -> None:
    with pytest.raises(Invalid, match=f"{limit} looks"):
        access.log(ctx, limit)


def test_the_log_survives_a_rebuild(ctx: Context) -> None:
    access.seen(ctx, "nps", "all")
    before = access.log(ctx)
    ctx.ledger.rebuild()
    assert access.log(ctx) == before
