"""Evidence: what is kept of it, whom it counts for, and that an atom is a person, a pain and a week."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.voice_world import DAY, MONDAY, NOW, everything, person, row, voice_world
from wend.context import Context
from wend.errors import Conflict, Invalid, NotFound
from wend.events import Fact
from wend.voice import evidence


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with voice_world(tmp_path) as made:
        yield made


def named(ctx: Context, *pains: int) -> None:
    ctx.ledger.append([Fact("pain_named", f"pain/{pain}", {"pain": pain, "title": f"pain {pain}"}) for pain in pains])


def counted(ctx: Context, **where: int) -> list[dict[str, Any]]:
    with ctx.ledger.query() as db:
        return evidence.atoms(db, **where)


def said(
    ctx: Context, text: str, who: str | None, team: str | None = None, at: int = NOW, source: str = "feedback"
) -> str:
    return evidence.record(ctx, source, text, who, team, at=at)


# ---------------------------------------------------------------------------------------------- what is kept


def test_words_stand_beside_the_chain_and_the_name_nowhere(ctx: Context) -> None:
    ann = person(ctx, "ann@shop.example", "payments")
    one = said(ctx, "the build cache is always cold", ann)
    event = ctx.ledger.read(0, ["evidence_recorded"])[0]
    assert "cold" not in str(event) and "ann" not in str(event) and event.actor == "feedback"
    assert b"always cold" in (ctx.ledger.text(event.data["text"]) or b"")
    kept = row(ctx, one)
    assert (kept["team"], kept["week"], kept["own"], kept["person"]) == ("payments", MONDAY, 0, ann)


@pytest.mark.parametrize(
    ("day", "monday"), [(0, -3), (4, 4), (MONDAY, MONDAY), (MONDAY + 6, MONDAY), (MONDAY + 7, MONDAY + 7)]
)
def test_a_week_begins_on_monday(day: int, monday: int) -> None:
    assert evidence.monday(day) == monday


def test_an_app_that_nobody_speaks_for_speaks_for_its_team(ctx: Context) -> None:
    ctx.ledger.append([Fact("app_created", "app/shop", {"branch": "main"}, app="shop", team="payments")])
    one = evidence.record(ctx, "telemetry", "push refused", None, None, about={"app": "shop"}, at=NOW, minutes=3)
    assert (row(ctx, one)["team"], row(ctx, one)["app"], row(ctx, one)["minutes"]) == ("payments", "shop", 3.0)
    ctx.ledger.append([Fact("app_destroyed", "app/shop", {}, app="shop")])
    assert row(ctx, one)["team"] == "payments", "what was suffered outlives the app"


@pytest.mark.parametrize("team", ["platform", None])
def test_the_platforms_own_people_are_not_its_customers(ctx: Context, team: str | None) -> None:
    named(ctx, 1)
    own = person(ctx, "own@shop.example", "platform")
    one = said(ctx, "our runners are slow", own if team is None else None, team)
    evidence.link(ctx, one, 1)
    assert row(ctx, one)["own"] == 1 and counted(ctx) == []


def test_saying_it_again_under_the_same_id_changes_nothing(ctx: Context) -> None:
    for text in ("first", "second"):
        evidence.record(ctx, "ticket", text, None, "red", id="t1", at=NOW)
    assert ctx.ledger.head()[0] == 1
    assert b"first" in (ctx.ledger.text(row(ctx, "t1")["text"]) or b"")


@pytest.mark.parametrize("text", ["", "   \n", "\x00\x07", None])
def test_nothing_said_is_no_text(ctx: Context, text: str | None) -> None:
    kept = row(ctx, evidence.record(ctx, "feedback", text, None, None))
    assert kept["text"] is None or "\ufffd" in (ctx.ledger.text(kept["text"]) or b"").decode()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"text": "x" * 1_000_000}, "1,000,000 characters"),
        ({"source": "rumour"}, "rumour"),
        ({"minutes": -1}, "-1"),
        ({"minutes": float("nan")}, "nan"),
        ({"minutes": 1e9}, "1000000000"),
    ],
)
def test_what_cannot_be_is_refused(ctx: Context, given: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        evidence.record(ctx, **{"source": "feedback", "text": "x", "person": None, "team": None, **given})
    assert ctx.ledger.head()[0] == 0


def test_escapes_do_not_reach_whoever_reads(ctx: Context) -> None:
    kept = row(ctx, said(ctx, "red \x1b[31m and \x9b2J <b>bold</b>", None))
    body = (ctx.ledger.text(kept["text"]) or b"").decode()
    assert "\x1b" not in body and "\x9b" not in body and "<b>bold</b>" in body


# ---------------------------------------------------------------------------------------------- atoms


def test_one_person_through_five_channels_is_one_atom(ctx: Context) -> None:
    named(ctx, 1)
    who = person(ctx, "ann@shop.example", "payments", "ann", "a.b@shop.example")
    others = [evidence.pseudonyms(ctx.config.home).of(name) for name in ("ANN", "a.b@shop.example")]
    sources = ("interview", "feedback", "ticket", "survey", "friction")
    told = [
        said(ctx, source, one, source=source) for source, one in zip(sources, [who, *others, who, who], strict=True)
    ]
    for one in told:
        evidence.link(ctx, one, 1)
    assert counted(ctx) == [{"person": who, "team": "payments", "pain": 1, "week": MONDAY, "evidence": told}]


def test_an_address_that_is_heard_of_later_is_the_same_person(ctx: Context) -> None:
    named(ctx, 1)
    login = evidence.pseudonyms(ctx.config.home).of("ann")
    evidence.link(ctx, said(ctx, "slow", login), 1)
    who = person(ctx, "ann@shop.example", "payments", "ann")
    evidence.link(ctx, said(ctx, "slow again", who), 1)
    assert [(one["person"], len(one["evidence"])) for one in counted(ctx)] == [(who, 2)]


def test_weeks_pains_and_people_tell_atoms_apart(ctx: Context) -> None:
    named(ctx, 1, 2)
    for who, pain, week in (("ab", 1, 0), ("ab", 1, 0), ("ab", 2, 0), ("ab", 1, 1), ("cd", 1, 0)):
        evidence.link(ctx, said(ctx, "x", who, "red", NOW + 7 * DAY * week), pain)
    assert len(counted(ctx)) == 4 and len(counted(ctx, pain=1)) == 3
    assert [one["week"] for one in counted(ctx, first=MONDAY + 7)] == [MONDAY + 7]
    assert len(counted(ctx, last=MONDAY)) == 3


def test_who_is_not_known_counts_once_a_source_team_and_week(ctx: Context) -> None:
    """Twelve tickets of a queue that names nobody may all be of one."""
    named(ctx, 1)
    for number in range(12):
        evidence.link(ctx, said(ctx, f"ticket {number}", None, "red", source="ticket"), 1)
    evidence.link(ctx, said(ctx, "ticket", None, "blue", source="ticket"), 1)
    assert sorted(one["person"] for one in counted(ctx)) == [f"?ticket/{team}/{MONDAY}" for team in ("blue", "red")]


# ---------------------------------------------------------------------------------------------- links


def test_a_link_elsewhere_is_a_correction_for_ever(ctx: Context) -> None:
    named(ctx, 1, 2)
    one = said(ctx, "x", "ab", "red")
    evidence.link(ctx, one, 1, [1, 2])
    evidence.link(ctx, one, 1)  # again: nothing
    evidence.link(ctx, one, 2)
    assert row(ctx, one)["pain"] == 2 and everything(ctx)["not_linked"] == [(one, 1)]
    assert len(ctx.ledger.read(0, ["evidence_linked"])) == 2
    evidence.link(ctx, one, 1)
    assert everything(ctx)["not_linked"] == [(one, 2)], "the latest word counts"


def test_unlinking_can_be_said_of_what_was_only_proposed(ctx: Context) -> None:
    named(ctx, 1, 2)
    one = said(ctx, "x", "ab", "red")
    evidence.link(ctx, one, 2)
    for _ in range(2):
        evidence.unlink(ctx, one, 1)
    assert row(ctx, one)["pain"] == 2
    evidence.unlink(ctx, one, 2)
    assert row(ctx, one)["pain"] is None and everything(ctx)["not_linked"] == [(one, 1), (one, 2)]
    assert len(ctx.ledger.read(0, ["evidence_unlinked"])) == 2


def test_what_is_not_there_cannot_be_linked(ctx: Context) -> None:
    named(ctx, 1)
    one = said(ctx, "x", "ab", "red")
    with pytest.raises(NotFound, match="no pain 9"):
        evidence.link(ctx, one, 9)
    with pytest.raises(NotFound, match="no evidence 'nope'"):
        evidence.link(ctx, "nope", 1)
    ctx.ledger.append([Fact("pain_closed", "pain/1", {"pain": 1, "why": "gone"})])
    with pytest.raises(Conflict, match="pain 1 is closed"):
        evidence.link(ctx, one, 1)


def test_erased_words_leave_the_row_and_a_rebuild_is_the_same(ctx: Context) -> None:
    named(ctx, 1)
    one = said(ctx, "please forget this", "ab", "red")
    evidence.link(ctx, one, 1)
    hash = row(ctx, one)["text"]
    ctx.ledger.erase([hash], "ada")
    assert row(ctx, one)["text"] is None and ctx.ledger.text(hash) is None and len(counted(ctx)) == 1
    evidence.unlink(ctx, one, 1)
    assert counted(ctx) == []
    before = everything(ctx)
    ctx.ledger.rebuild()
    assert everything(ctx) == before and ctx.ledger.verify() == ctx.ledger.head()
