"""Pains: named, put together and taken apart by people; ids never change, links are restored, few people are hidden."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.voice_world import DAY, MONDAY, NOW, everything, person, row, voice_world
from wend import access, pains
from wend.context import Actor, Context
from wend.errors import Conflict, Invalid, NotFound
from wend.voice import evidence


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with voice_world(tmp_path) as made:
        yield made


def said(ctx: Context, text: str, who: str | None = None, team: str | None = None, **rest: Any) -> str:
    return evidence.record(ctx, rest.pop("source", "feedback"), text, who, team, at=rest.pop("at", NOW), **rest)


def links(ctx: Context, ids: Sequence[str]) -> list[int | None]:
    return [row(ctx, id)["pain"] for id in ids]


# ---------------------------------------------------------------------------------------------- names


def test_numbers_count_up_and_are_never_used_again(ctx: Context) -> None:
    assert [pains.name(ctx, title) for title in ("slow builds", "flaky tests")] == [1, 2]
    pains.merge(ctx, 2, 1)
    assert pains.name(ctx, "flaky tests") == 3, "its name is free, its number is not"
    pains.rename(ctx, 3, "tests that fail at random")
    assert [one["title"] for one in pains.listed(ctx)["pains"] if one["id"] == 3] == ["tests that fail at random"]


def test_two_who_name_at_once_get_two_numbers(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second looks for a number before the first has written."""
    real, asked = ctx.ledger.append, list[int]()

    def late(facts: Any, expect: Any = None, texts: Any = None) -> Any:
        if not asked and expect:
            asked.append(1)
            pains.name(replace(ctx, actor=Actor("eve")), "flaky tests")
        return real(facts, expect, texts)

    monkeypatch.setattr(ctx.ledger, "append", late)
    assert pains.name(ctx, "slow builds") == 2
    titles = {one["id"]: one["title"] for one in pains.listed(ctx)["pains"]}
    assert titles == {1: "flaky tests", 2: "slow builds"}


def test_an_open_pain_has_its_name_alone(ctx: Context) -> None:
    pains.name(ctx, "slow builds")
    with pytest.raises(Conflict, match="pain 1 has this name"):
        pains.name(ctx, "  Slow   BUILDS ")
    pains.close(ctx, 1, "a cache")
    assert pains.name(ctx, "slow builds") == 2


@pytest.mark.parametrize("title", ["", "ab", "x" * 121, "\n\t "])
def test_what_is_no_title_is_refused(ctx: Context, title: str) -> None:
    with pytest.raises(Invalid):
        pains.name(ctx, title)


def test_states_are_left_only_by_their_doors(ctx: Context) -> None:
    pains.name(ctx, "slow builds")
    with pytest.raises(Conflict):
        pains.reopen(ctx, 1, "again")
    with pytest.raises(Invalid, match="why"):
        pains.close(ctx, 1, " ")
    pains.close(ctx, 1, "bet 7")
    with pytest.raises(Conflict, match="closed"):
        pains.close(ctx, 1, "again")
    pains.reopen(ctx, 1, "two teams told it again")
    assert pains.show(ctx, 1)["state"] == "open"
    for act in (lambda: pains.close(ctx, 9, "x"), lambda: pains.merge(ctx, 1, 9), lambda: pains.show(ctx, 9)):
        with pytest.raises(NotFound, match="no pain 9"):
            act()
    with pytest.raises(Invalid, match="itself"):
        pains.merge(ctx, 1, 1)


# ---------------------------------------------------------------------------------------------- merge and split


def test_a_pain_split_and_merged_back_is_as_it_was(ctx: Context) -> None:
    ids = [said(ctx, f"words {number}", f"p{number}", "red") for number in range(5)]
    pain = pains.name(ctx, "slow builds", ids)
    before = pains.show(ctx, pain)
    parts = pains.split(ctx, pain, {"cold cache": ids[:2], "big images": ids[2:3]})
    assert parts == [2, 3] and links(ctx, ids) == [2, 2, 3, 1, 1]
    for part in parts:
        pains.merge(ctx, part, pain)
    assert links(ctx, ids) == [1] * 5 and pains.show(ctx, pain) == before
    assert {one["id"]: one["state"] for one in pains.listed(ctx)["pains"]} == {1: "open", 2: "merged", 3: "merged"}
    assert everything(ctx)["not_linked"] == [], "what was split off belongs there again"
    rows = everything(ctx)
    ctx.ledger.rebuild()
    assert everything(ctx) == rows


def test_only_its_own_evidence_can_be_split_off_and_once(ctx: Context) -> None:
    one, other = said(ctx, "one"), said(ctx, "other")
    pain = pains.name(ctx, "slow builds", [one])
    for parts in ({"part": [other]}, {"part": []}, {}, {"part": [one], "again": [one]}):
        with pytest.raises(Invalid):
            pains.split(ctx, pain, parts)
    assert len(pains.listed(ctx)["pains"]) == 1


def test_what_was_merged_can_be_taken_up_again_by_its_number(ctx: Context) -> None:
    pains.name(ctx, "slow builds")
    pains.name(ctx, "cold cache", [said(ctx, "cold")])
    pains.merge(ctx, 2, 1)
    with pytest.raises(Conflict, match="a part of 1"):
        pains.merge(ctx, 2, 1)
    pains.reopen(ctx, 2, "not the same")
    assert pains.show(ctx, 2)["state"] == "open" and pains.show(ctx, 2)["atoms"] == 0


def test_the_beginning_of_an_id_is_enough_when_it_is_the_only_one(ctx: Context) -> None:
    for id in ("abcd1", "abcd2", "wxyz_1"):
        said(ctx, "x", id=id)
    pains.name(ctx, "slow builds")
    assert pains.link(ctx, "wxyz", 1) == "wxyz_1"
    with pytest.raises(Conflict, match="several"):
        pains.link(ctx, "abcd", 1)
    for wrong in ("abc", "%%%%", "____", ""):
        with pytest.raises(NotFound):
            pains.link(ctx, wrong, 1)


# ---------------------------------------------------------------------------------------------- who


def test_one_angry_team_of_twelve_is_twelve_atoms_of_one_team(ctx: Context) -> None:
    ids = [said(ctx, "again!", person(ctx, f"{number}@x.example", "red"), "red") for number in range(12)]
    shown = pains.show(ctx, pains.name(ctx, "slow builds", ids))
    assert (shown["atoms"], shown["teams"], shown["people"]) == (12, 1, "10-19")
    assert shown["rows"] == [{"team": "red", "people": "10-19", "atoms": 12}]


def test_few_people_are_hidden_and_cannot_be_worked_out(ctx: Context) -> None:
    ids = [said(ctx, "x", f"r{number}", "red") for number in range(6)]
    ids += [said(ctx, "x", f"b{number}", "blue") for number in range(3)]
    shown = pains.show(ctx, pains.name(ctx, "slow builds", ids))
    assert shown["rows"] == [] and shown["hidden"] == 2 and shown["atoms"] == 9
    assert "blue" not in str(shown), "a team of three is not named"


def test_the_platforms_own_words_are_apart(ctx: Context) -> None:
    ids = [said(ctx, "ours", "own", "platform"), said(ctx, "theirs", "ab", "red")]
    shown = pains.show(ctx, pains.name(ctx, "slow builds", ids))
    assert [one["text"] for one in shown["own"]] == ["ours"] and shown["atoms"] == 1
    assert [one["text"] for one in shown["evidence"]] == ["theirs"]


def test_who_reads_what_was_said_is_written_down_and_nobody_is_named(ctx: Context) -> None:
    who = person(ctx, "ann@shop.example", "red")
    one = said(ctx, "it is slow", who, about={"interview": 4, "app": "shop"})
    found = pains.inbox(ctx)
    pains.name(ctx, "slow builds", [one])
    shown = pains.show(ctx, 1)
    assert who not in str(found) + str(shown) and "interview" not in str(shown["evidence"])
    assert [(look["signal"], look["scope"]) for look in access.log(ctx)] == [("pains", "pain:1"), ("pains", "inbox")]


def test_weeks_are_counted_once_a_person(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pains.time, "time", lambda: (NOW + 7 * DAY) / 1e6)
    ids = [said(ctx, "x", "ab", "red", at=NOW + 7 * DAY * week) for week in (0, 0, 1)]
    weeks = pains.show(ctx, pains.name(ctx, "slow builds", ids))["weeks"]
    assert len(weeks) == pains.WEEKS and weeks[-2:] == [{"week": MONDAY, "atoms": 1}, {"week": MONDAY + 7, "atoms": 1}]


# ---------------------------------------------------------------------------------------------- how good


def test_proposals_are_measured_by_what_people_took_and_left(ctx: Context) -> None:
    assert pains.listed(ctx)["proposals"] == {"accepted": None, "pairs": 0, "together": None}
    ids = [said(ctx, f"the build is slow {number}", f"p{number}") for number in range(4)]
    pains.name(ctx, "slow builds")
    for id in ids[:3]:
        pains.link(ctx, id, 1, [1])
    pains.name(ctx, "cold cache", ids[3:], [1])  # none of what was offered
    quality = pains.listed(ctx)["proposals"]
    assert (quality["accepted"]["value"], quality["accepted"]["n"]) == (0.75, 4)
    assert (quality["pairs"], quality["together"]) == (3, 1.0)
    pains.link(ctx, ids[0], 2)  # a correction: of three pairs one is left
    assert pains.listed(ctx)["proposals"]["together"] == pytest.approx(1 / 3)
    pains.merge(ctx, 1, 2)  # one name for it all is no correction
    assert pains.listed(ctx)["proposals"]["together"] == 1.0
