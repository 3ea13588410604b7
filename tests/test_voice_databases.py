"""A voice in both databases: what is drawn, answered and said reads the same, before and after the tables are made
anew."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.databases import Database, database, postgres, served
from tests.test_feedback import LOG
from tests.web_world import live_app, world
from wend import feedback, tickets
from wend.context import Actor, Context
from wend.errors import Conflict
from wend.state.surveys import FRICTION, INVITES
from wend.state.voice import EVIDENCE
from wend.surveys import answering, asking, counts, questions

__all__ = ["database", "postgres", "served"]  # fixtures


def everything(ctx: Context) -> str:
    with ctx.ledger.query() as db:
        rows: list[Any] = [
            [list(row) for row in db.execute(sa.select(one).order_by(one.c.seq))]
            for one in (INVITES, FRICTION, EVIDENCE)
        ]
    return json.dumps([rows, counts.listed(ctx), tickets.listed(ctx)], default=str)


def test_a_voice_in_both_databases(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "rates", lambda ctx: {one.id: float(one.id == "ease") for one in questions()})
    with world(tmp_path / "home") as there:
        store = database.open()
        there = replace(there, ctx=replace(there.ctx, ledger=store))
        live_app(there)
        for number in range(5):
            ctx = replace(there.ctx, actor=Actor(f"dev{number}", "human", ("app.*",)))
            found = asking.decide(ctx, "push", "hello", f"e{number}")
            assert found and asking.decide(ctx, "push", "hello", "again") is None
            asking.shown(ctx, found.id, "terminal")
            answering.answer(ctx, str(1 + number), "because")
            with pytest.raises(Conflict):
                answering.answer(ctx, "1")
            feedback.give(ctx, "slow \x00 builds", "hello", 5)
            feedback.log(ctx, LOG)
            tickets.begin(ctx, "help", "build")
            assert answering.waiting(ctx) is None
        [ease] = [one for one in counts.listed(there.ctx) if one["question"] == "ease"]
        assert ease["result"]["value"] == 3.0 and ease["held"] == {"asked lately": 5}
        asking.work_out(there.ctx)
        before = everything(there.ctx)
        store.rebuild()
        assert everything(there.ctx) == before
        store.close()
