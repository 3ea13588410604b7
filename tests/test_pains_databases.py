"""Pains in both databases: what is linked, split, merged and measured reads the same, before and after the tables are
made anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.databases import Database, database, postgres, served
from tests.voice_world import everything, person, voice_world
from wend import pains
from wend.errors import Conflict
from wend.events import Fact
from wend.voice import evidence
from wend.voice.telemetry import Teller

__all__ = ["database", "postgres", "served"]  # fixtures


def test_pains_in_both_databases(database: Database, tmp_path: Path) -> None:
    with voice_world(tmp_path) as made:
        ctx = replace(made, ledger=database.open())
        who = person(ctx, "ann@shop.example", "red", "ann")
        ctx.ledger.append([Fact("app_created", "app/shop", {"branch": "main"}, app="shop", team="red")])
        ctx.ledger.append([Fact("push_refused", "app/shop", {"reason": "no \x00 way"}, actor="ann", app="shop", at=5)])
        assert Teller().tend(ctx) == 1 and Teller().tend(ctx) == 0
        ids = [
            evidence.record(ctx, "feedback", text, who, None) for text in ("slow \x00 build", "slow builds", "vault")
        ]
        assert pains.name(ctx, "Slow builds", ids[:2]) == 1
        with pytest.raises(Conflict, match="has this name"):
            pains.name(ctx, "slow BUILDS")
        assert [row["near"][0]["pain"] for row in pains.inbox(ctx)["evidence"] if row["near"]] in ([1], [1, 1], [])
        assert pains.split(ctx, 1, {"cold cache": ids[:1]}) == [2]
        pains.merge(ctx, 2, 1)
        pains.link(ctx, ids[2][:12], 1, [1])
        pains.unlink(ctx, ids[2], 1)
        assert pains.show(ctx, 1)["atoms"] == 1 and pains.groups(ctx)["looked"] == 2
        assert pains.listed(ctx)["proposals"]["accepted"]["n"] == 1
        ctx.ledger.erase([ctx.ledger.read(0, ["evidence_recorded"])[1].data["text"]], "ada")
        before = everything(ctx)
        ctx.ledger.rebuild()
        assert everything(ctx) == before and ctx.ledger.verify() == ctx.ledger.head()
        ctx.ledger.close()
