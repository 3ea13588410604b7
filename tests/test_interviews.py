"""Interviews: consent, snapshots within a day, evidence, and what is left when consent is withdrawn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.databases import database, ledger, postgres, served
from tests.research_world import company, hire, research
from wend import access, week
from wend.context import Context
from wend.errors import Conflict, Invalid, NotFound, Refused
from wend.events import Fact
from wend.ingest.people import pseudonyms
from wend.ledger.rows import TEXTS
from wend.ledger.store import Store
from wend.research import heard as far
from wend.research import interviews, snapshots
from wend.research.snapshots import Said, cost, read, step
from wend.state.delivery import DAY
from wend.state.voice import EVIDENCE, atoms
from wend.voice import evidence

__all__ = ["database", "ledger", "postgres", "served"]  # fixtures
HOSTILE = "<script>alert(1)</script> \x1b]0;owned\x07\x1b[31mred\u202eevil \ud800"
SAID = Said(
    "Four years here, owns checkout",
    "I went for a coffee, and then for another one.",
    "A long talk.",
    ("10:05 opened the change", "40 min waited for a review", "asked around"),
    ("Waiting for the build | 40", "Nobody knows who owns the DNS"),
    ("They batch changes because deploys are slow",),
)


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with research(tmp_path) as made:
        yield made


def heard(ctx: Context, login: str = "dev1", consent: str = "full") -> int:
    return interviews.hold(ctx, login, consent)["interview"]


def everything(ctx: Context) -> bytes:
    """All that the database still holds of texts and tables."""
    with ctx.ledger.query() as db:
        texts = b"".join(bytes(row.body) for row in db.execute(TEXTS.select()))
    return texts + b"".join((ctx.config.home / name).read_bytes() for name in ("wend.db",))


# ---------------------------------------------------------------------------------------------- pure


@pytest.mark.parametrize(
    ("text", "words", "minutes"),
    [
        ("Waiting | 40", "Waiting", 40.0),
        ("Waiting | 7.5 min", "Waiting", 7.5),
        ("a | b", "a | b", None),
        ("a | b | 3 minutes", "a | b", 3.0),
        ("40 minutes", "40 minutes", None),
        ("| 40", "| 40", None),
    ],
)
def test_minutes_stand_behind_a_bar(text: str, words: str, minutes: float | None) -> None:
    assert cost(text) == (words, minutes)


def test_a_step_has_its_time_in_front() -> None:
    assert step("10:05 opened it") == {"at": "10:05", "text": "opened it"}
    assert step("40 min waited") == {"at": "40 min", "text": "waited"}
    assert step("4 people came") == {"at": None, "text": "4 people came"}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "the snapshot is empty"),
        ({"facts": " ", "story": ["", " "]}, "the snapshot is empty"),
        ({"quote": "x" * 2_001}, "quote is 2,001 characters long; 2,000 at most are kept"),
        ({"notes": "x" * 2**20}, "notes is 1,048,576 characters long; 200,000 at most are kept"),
        ({"opportunities": ["x" * 2_001]}, "opportunities is 2,001 characters long"),
        ({"story": ["x"] * 51}, "story has 51 parts"),
        ({"story": "x"}, "story is no list"),
        ({"facts": 3}, "facts is no text"),
        ({"insights": [["x"]]}, "insights is no text"),
        ({"opportunities": ["x | 99999"]}, "99999.0 is no number of minutes lost"),
        ({"mood": "good"}, "a snapshot has no 'mood'"),
    ],
)
def test_what_is_no_snapshot_says_why(given: dict[str, Any], why: str) -> None:
    with pytest.raises(Invalid, match=why):
        read(given)


# ---------------------------------------------------------------------------------------------- held and missed


def test_an_interview_from_the_draw_to_the_evidence(ctx: Context) -> None:
    company(ctx)
    first = interviews.upcoming(ctx)[0]
    held = interviews.hold(ctx, str(first["interview"]), "full")
    assert (held["state"], held["drawn"], held["overdue"]) == ("held", True, False)
    assert held["due_at"] == held["held_at"] + DAY
    found = snapshots.write(ctx, held["interview"], SAID)
    assert found["due_at"] is None and found["name"].startswith("Dev")
    said = found["snapshot"]
    assert said["quote"] == SAID.quote and said["story"][1] == {"at": "40 min", "text": "waited for a review"}
    assert [(one["text"], one["minutes"], one["pain"]) for one in said["opportunities"]] == [
        ("Waiting for the build", 40.0, None),
        ("Nobody knows who owns the DNS", None, None),
    ]
    with ctx.ledger.query() as db:
        rows = db.execute(EVIDENCE.select()).mappings().all()
    assert {(row["source"], row["person"], row["own"]) for row in rows} == {("interview", first["person"], 0)}
    assert {row["at"] for row in rows} == {held["held_at"]}


def test_nothing_that_was_said_is_in_the_chain(ctx: Context) -> None:
    company(ctx)
    snapshots.write(ctx, heard(ctx), SAID)
    chain = str([event.data for event in ctx.ledger.read()])
    for words in ("coffee", "checkout", "Waiting", "DNS", "batch", "opened", "long talk", "dev1", "Dev1"):
        assert words not in chain, words


def test_who_was_not_drawn_is_heard_but_counted_apart(ctx: Context) -> None:
    company(ctx)
    drawn = {one["person"] for one in interviews.schedule(ctx)}
    people = pseudonyms(ctx.config.home)
    other = next(login for login in (f"dev{n}" for n in range(30)) if people.of(login) not in drawn)
    row = interviews.hold(ctx, other, "notes")
    assert (row["probability"], row["drawn"]) == (None, False) and "on the path" in row["stratum"]
    it = week.checklist(ctx)["steps"][0]
    assert (it["count"], it["says"]) == (0, "0 of 10 people heard, and 1 who were not drawn")
    assert interviews.upcoming(ctx)[0]["person"] in drawn


@pytest.mark.parametrize("who", ["dev1", "DEV1 ", "person", "begins", "number"])
def test_people_are_found_by_login_pseudonym_beginning_and_number(ctx: Context, who: str) -> None:
    person = company(ctx, 5)["dev1"]
    [number] = [one["interview"] for one in interviews.schedule(ctx) if one["person"] == person]
    said = {"person": person, "begins": person[:9], "number": str(number)}.get(who, who)
    assert interviews.hold(ctx, said, "full")["interview"] == number


def test_nobody_known_by_that_name(ctx: Context) -> None:
    company(ctx)
    for who in ("mallory", "", "9999", "0", "²", "\x00", "x" * 10_000):
        with pytest.raises(NotFound):
            interviews.hold(ctx, who, "full")


def test_the_platforms_own_team_is_no_customer(ctx: Context) -> None:
    company(ctx)
    with pytest.raises(Refused, match="which owns this platform"):
        interviews.hold(ctx, "own1", "full")


def test_an_interview_is_held_once_and_a_missed_one_may_be_made_up_for(ctx: Context) -> None:
    company(ctx)
    first, second = interviews.upcoming(ctx)[:2]
    interviews.hold(ctx, str(first["interview"]), "full")
    with pytest.raises(Conflict, match="was held already"):
        interviews.hold(ctx, str(first["interview"]), "none")
    with pytest.raises(Conflict, match="was held"):
        interviews.miss(ctx, first["interview"], "absent")
    assert interviews.miss(ctx, second["interview"], "absent")["why"] == "absent"
    assert interviews.hold(ctx, second["person"], "full")["state"] == "held"
    for words in ("ill", "", "<b>"):
        with pytest.raises(Invalid, match="is no reason"):
            interviews.miss(ctx, second["interview"], words)


def test_times_in_the_past_are_taken_and_others_are_not(ctx: Context) -> None:
    company(ctx)
    now = int(time.time() * 1e6)
    row = interviews.hold(ctx, "dev1", "full", now - 3 * DAY)
    assert row["overdue"] and row["held_at"] == now - 3 * DAY
    for at, why in ((now + DAY, "in the future"), (now - 400 * DAY, "no news")):
        with pytest.raises(Invalid, match=why):
            interviews.hold(ctx, "dev2", "full", at)
    with pytest.raises(Invalid, match="is no consent"):
        interviews.hold(ctx, "dev2", "maybe")


# ---------------------------------------------------------------------------------------------- consent


def test_without_consent_nothing_is_kept_and_nothing_is_due(ctx: Context) -> None:
    company(ctx)
    id = heard(ctx, consent="none")
    with pytest.raises(Refused, match="nothing of it may be kept"):
        snapshots.write(ctx, id, SAID)
    assert snapshots.show(ctx, id)["due_at"] is None and b"coffee" not in everything(ctx)


def test_notes_but_no_quote(ctx: Context) -> None:
    company(ctx)
    id = heard(ctx, consent="notes")
    with pytest.raises(Refused, match="may not be quoted"):
        snapshots.write(ctx, id, SAID)
    assert snapshots.write(ctx, id, Said(facts="four years here"))["snapshot"]["quote"] is None


def test_a_snapshot_is_written_once_and_only_of_what_was_held(ctx: Context) -> None:
    company(ctx)
    waiting = interviews.upcoming(ctx)[0]["interview"]
    with pytest.raises(Conflict, match="it is invited"):
        snapshots.write(ctx, waiting, SAID)
    id = heard(ctx)
    snapshots.write(ctx, id, SAID)
    with pytest.raises(Conflict, match="has its snapshot"):
        snapshots.write(ctx, id, SAID)
    with pytest.raises(NotFound):
        snapshots.write(ctx, 99, SAID)


def test_withdrawn_consent_erases_what_was_said_and_the_counts_restate(ctx: Context) -> None:
    company(ctx)
    id, other = heard(ctx), heard(ctx, "dev2")
    snapshots.write(ctx, id, SAID)
    snapshots.write(ctx, other, SAID)
    ctx.ledger.append([Fact("pain_named", "pain/1", {"pain": 1, "title": "Slow builds"})])
    for one in (id, other):
        evidence.link(ctx, f"interview/{one}/1", 1)
    with ctx.ledger.query() as db:
        assert len(atoms(db, 1)) == 2
    before = week.checklist(ctx)["steps"][1]["says"]
    found = snapshots.withdraw(ctx, id)
    assert found["snapshot"] is None and found["consent"] == "none" and found["withdrawn_at"]
    with ctx.ledger.query() as db:
        assert len(atoms(db, 1)) == 1
        mine = db.execute(EVIDENCE.select().where(EVIDENCE.c.id == f"interview/{id}/1")).mappings().one()
    assert mine["text"] is None and mine["pain"] is None
    assert (before, week.checklist(ctx)["steps"][1]["says"]) == ("4 things that hurt", "2 things that hurt")
    assert ctx.ledger.verify()[0] > 0
    with ctx.ledger.query() as db:
        kept = b"".join(bytes(row.body) for row in db.execute(TEXTS.select()))
    assert kept.count(b"coffee") == kept.count(b"Waiting") == kept.count(b"batch") == 1, "the other's stays"
    assert snapshots.show(ctx, other)["snapshot"]["quote"] == SAID.quote
    with pytest.raises(Conflict, match="consent was withdrawn"):
        snapshots.write(ctx, id, SAID)
    with pytest.raises(Conflict, match="consent was withdrawn"):
        evidence.link(ctx, f"interview/{id}/1", 1)
    evidence.link(ctx, f"interview/{other}/2", 1)


def test_a_withdrawal_that_was_cut_off_is_finished_by_the_next(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    company(ctx)
    id = heard(ctx)
    snapshots.write(ctx, id, SAID)
    with monkeypatch.context() as cut:
        cut.setattr(ctx.ledger, "erase", lambda hashes, actor: None)  # pyright: ignore[reportUnknownLambdaType]
        snapshots.withdraw(ctx, id)
    assert snapshots.show(ctx, id)["snapshot"] is None, "what is withdrawn is not shown, erased or not"
    assert b"coffee" in everything(ctx)
    snapshots.withdraw(ctx, id)
    with ctx.ledger.query() as db:
        assert not [row for row in db.execute(TEXTS.select()) if b"coffee" in bytes(row.body)]
    assert len(ctx.ledger.read(kinds=["consent_withdrawn"])) == 1
    with pytest.raises(Conflict, match="nothing to take back"):
        snapshots.withdraw(ctx, interviews.upcoming(ctx)[0]["interview"])


def test_consent_that_is_withdrawn_while_the_snapshot_is_written_counts(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    company(ctx)
    id = heard(ctx)
    make = snapshots.made_evidence

    def meanwhile(*given: Any) -> Any:
        snapshots.withdraw(ctx, id)
        return make(*given)

    monkeypatch.setattr(snapshots, "made_evidence", meanwhile)
    with pytest.raises(Conflict, match="changed meanwhile"):
        snapshots.write(ctx, id, SAID)
    with ctx.ledger.query() as db:
        assert not [row for row in db.execute(TEXTS.select()) if b"coffee" in bytes(row.body)]
    assert ctx.ledger.read(kinds=["snapshot_written", "evidence_recorded"]) == []


def test_rebuilt_tables_are_the_same_after_a_withdrawal(ctx: Context) -> None:
    company(ctx)
    id = heard(ctx)
    snapshots.write(ctx, id, SAID)
    snapshots.withdraw(ctx, id)
    with ctx.ledger.query() as db:
        before = [dict(row) for row in db.execute(interviews.table.INTERVIEWS.select()).mappings()]
    ctx.ledger.rebuild()
    with ctx.ledger.query() as db:
        assert [dict(row) for row in db.execute(interviews.table.INTERVIEWS.select()).mappings()] == before


def test_hostile_words_are_kept_as_words(ctx: Context) -> None:
    company(ctx)
    id = heard(ctx)
    said = read({"quote": HOSTILE, "story": [HOSTILE], "opportunities": [HOSTILE + " | 3"], "insights": [HOSTILE]})
    quote = snapshots.write(ctx, id, said)["snapshot"]["quote"]
    assert quote.startswith("<script>") and "\x1b" not in quote and "\ud800" not in quote


def test_who_left_keeps_their_interview_and_is_asked_no_more(ctx: Context) -> None:
    company(ctx)
    id = heard(ctx)
    snapshots.write(ctx, id, SAID)
    hire(ctx, "dev1", left_at=int(time.time() * 1e6) - DAY)
    person = snapshots.show(ctx, id)["person"]
    assert person not in {one["person"] for one in interviews.upcoming(ctx)}
    assert snapshots.show(ctx, id)["snapshot"]["quote"] == SAID.quote


def test_who_looks_is_written_down(ctx: Context) -> None:
    company(ctx)
    interviews.upcoming(ctx)
    assert [(row["actor"], row["signal"]) for row in access.log(ctx)] == [("ann", "interviews")]


def test_a_name_that_was_erased_is_a_pseudonym_again(ctx: Context) -> None:
    person = hire(ctx, "dev1", name="Ada Lovelace")
    assert interviews.schedule(ctx)[0]["name"] == "Ada Lovelace"
    hash, _ = pseudonyms(ctx.config.home).text(person, "Ada Lovelace")
    ctx.ledger.erase([hash], "ann")
    assert interviews.schedule(ctx)[0]["name"] is None


def test_a_week_in_either_database(ctx: Context, ledger: Store) -> None:
    here = replace(ctx, ledger=ledger)
    company(here)
    listed = interviews.schedule(here)
    id = interviews.hold(here, str(listed[0]["interview"]), "full")["interview"]
    interviews.miss(here, listed[1]["interview"], "absent")
    snapshots.write(here, id, SAID)
    assert far.overview(here)["segments"][0]["n"] == 1 and len(interviews.past(here, 10)) == 2
    assert week.checklist(here)["steps"][1]["done"]
    snapshots.withdraw(here, id)
    assert far.overview(here)["segments"] == [] and ledger.verify() == ledger.head()
    before = interviews.schedule(here)
    ledger.rebuild()
    assert interviews.schedule(here) == before
