"""The one thing from a real ledger: what counts, what does not, what is hidden, and who may see what was said."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests import company_told
from tests.company_world import TODAY, Company, found, live
from tests.told import committed
from tests.voice_world import person, voice_world
from wend import access, one_thing
from wend.context import Actor, Context
from wend.cost.given import Asked
from wend.errors import Conflict, NotFound, Refused
from wend.events import Fact
from wend.one_thing import per_week
from wend.research import interviews, snapshots
from wend.state.delivery import DAY
from wend.voice import evidence

TEAMS = ("payments", "search")


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with voice_world(tmp_path) as made:
        yield replace(made, actor=Actor("ada", scopes=("*",)))


def name(ctx: Context, *titles: str) -> None:
    rows = [Fact("pain_named", f"pain/{pain}", {"pain": pain, "title": title}) for pain, title in enumerate(titles, 1)]
    ctx.ledger.append(rows)


def hire(ctx: Context, many: int = 20) -> list[str]:
    return [person(ctx, f"dev{number}", TEAMS[number % 2]) for number in range(many)]


def say(
    ctx: Context, who: str | None, pain: int, text: str = "it is slow", source: str = "interview", minutes: float = 30.0
) -> str:
    id = evidence.record(ctx, source, text, who, None if who else "search", minutes)
    evidence.link(ctx, id, pain)
    return id


def listen(ctx: Context, *people: str, probability: float | None = 0.5, written: bool = True) -> None:
    """Interviews of today, with these people, as they are written down."""
    with ctx.ledger.query() as db:
        first = one_thing.tip(db)[0] + 1
    today = int(time.time() * 1e6) // DAY
    for number, who in enumerate(people, first):
        facts = company_told.interview(number, Asked(who, "", TODAY, probability or 0.5), 0)
        facts[0].data.update(week=evidence.monday(today), probability=probability)
        facts[1].data["at"] = today * DAY
        ctx.ledger.append(facts if written else facts[:2])


def row(ctx: Context, pain: int = 1) -> one_thing.Row:
    return next(one for one in one_thing.now(ctx).rows if one.pain == pain)


def often(ctx: Context) -> str:
    """Where the frequency of the first pain comes from."""
    found = row(ctx).frequency
    return found.source if found else ""


# ---------------------------------------------------------------------------------------------- before anything


def test_nothing_says_how_to_begin(ctx: Context) -> None:
    empty = one_thing.now(ctx)
    assert empty.rows == () and "no pain is named yet" in empty.says and not empty.separable
    assert access.log(ctx) == [], "nothing was seen"


def test_no_directory_says_what_is_missing(ctx: Context) -> None:
    name(ctx, "Slow builds", "Waiting for review")
    say(ctx, None, 2, source="feedback")
    told = one_thing.now(ctx)
    assert [one.title for one in told.rows] == ["Waiting for review", "Slow builds"], "what was said is shown"
    assert told.rows[0].hours is None and told.rows[0].evidence == 1 and "wend ingest file" in told.says


def test_of_four_people_nothing_is_told(ctx: Context) -> None:
    name(ctx, "Slow builds")
    say(ctx, hire(ctx, 4)[0], 1)
    told = one_thing.now(ctx)
    assert told.says.startswith("hidden") and told.rows[0].hours is None and told.ask == ()


# ---------------------------------------------------------------------------------------------- what counts


def test_a_pain_that_nothing_is_known_of_has_no_number_and_no_place(ctx: Context) -> None:
    people = hire(ctx)
    name(ctx, "slow builds", "flaky tests")
    found = one_thing.now(ctx)
    assert (found.rows, found.unheard) == ((), ("slow builds", "flaky tests")) and found.says.startswith("no data")
    say(ctx, people[0], 1)
    found = one_thing.now(ctx)
    assert [one.title for one in found.rows] == ["slow builds"] and found.unheard == ("flaky tests",)


def test_the_worst_is_the_one_thing_and_says_what_it_rests_on(ctx: Context) -> None:
    staff = hire(ctx)
    name(ctx, "Slow builds", "Waiting for review")
    for who in staff[:12]:
        say(ctx, who, 1, "waited for the build | 5 a week", minutes=60.0)
    say(ctx, staff[13], 2, "waited | once in a while", minutes=5.0)
    listen(ctx, *staff)
    told = one_thing.now(ctx)
    first, second = told.rows
    assert told.separable and first.title == "Slow builds" and "probability" in told.says and told.ask == ()
    assert first.p_worst and first.p_worst > 0.9 and (first.evidence, first.atoms, first.teams) == (12, 12, 2)
    assert first.reach and first.reach.value == pytest.approx(0.6) and first.reach.n == told.heard == 20
    assert first.frequency and first.frequency.source == "interview" and 3 < first.frequency.value < 6
    assert second.frequency and second.frequency.source == "assumed", "nobody said how often"
    assert first.hours and first.hours.low < 60 < first.hours.high
    assert first.named == TEAMS and second.named == (), "one person of a team tells on them"
    assert (told.id, told.version) == ("one_thing", 1)


def test_the_platforms_own_never_counts(ctx: Context) -> None:
    staff = hire(ctx)
    ours = [person(ctx, f"own{number}", "platform") for number in range(10)]
    name(ctx, "Our own pet", "Waiting for review")
    for who in ours:
        say(ctx, who, 1, minutes=600.0)
    moved = staff[0]
    say(ctx, moved, 1)
    person(ctx, "dev0", "platform")
    say(ctx, staff[1], 2)
    listen(ctx, *ours, *staff)
    told = one_thing.now(ctx)
    assert told.people == 19 and told.heard == 19 and told.unheard == ("Our own pet",)
    assert [one.pain for one in told.rows] == [2] and row(ctx, 2).evidence == 1
    say(ctx, staff[2], 1)
    own = row(ctx, 1)
    assert (own.evidence, own.own, own.at_least) == (1, 11, 1)
    told = one_thing.now(ctx)
    assert not {one.person for one in told.ask} & {*ours, moved}


def test_one_person_by_five_ways_is_one(ctx: Context) -> None:
    staff = hire(ctx)
    both = person(ctx, "ann", "payments", "ann@example.org")
    other = one_thing.people.pseudonyms(ctx.config.home).of("ann@example.org")
    name(ctx, "Slow builds", "Waiting for review")
    for source in ("feedback", "ticket", "survey", "friction", "interview"):
        for who in (both, other):
            say(ctx, who, 1, source=source)
    listen(ctx, *staff[:10], both)
    found_row = row(ctx)
    assert (found_row.evidence, found_row.atoms, found_row.at_least) == (10, 1, 1)
    assert found_row.reach and found_row.reach.value == pytest.approx(1 / 11)


def test_only_who_was_drawn_and_written_down_says_whom_it_hits(ctx: Context) -> None:
    staff = hire(ctx)
    name(ctx, "Slow builds")
    for who in staff[:10]:
        say(ctx, who, 1)
    listen(ctx, *staff[:3], probability=None)
    listen(ctx, *staff[3:6], written=False)
    assert one_thing.now(ctx).heard == 0
    reach = row(ctx).reach
    assert reach and reach.source == "assumed"
    listen(ctx, *staff[10:15])
    withdrawn = Fact("consent_withdrawn", "interview/7", {"interview": 7})
    ctx.ledger.append([withdrawn])
    assert one_thing.now(ctx).heard == 4


def test_closed_and_merged_pains_are_no_candidates(ctx: Context) -> None:
    staff = hire(ctx)
    name(ctx, "Slow builds", "Builds that are slow", "Waiting for review")
    say(ctx, staff[0], 1)
    say(ctx, staff[1], 2)
    listen(ctx, *staff)
    ctx.ledger.append([Fact("pain_merged", "pain/2", {"pain": 2, "into": 1})])
    ctx.ledger.append([Fact("pain_closed", "pain/3", {"pain": 3, "why": "gone"})])
    assert [one.pain for one in one_thing.now(ctx).rows] == [1] and row(ctx).evidence == 2


def test_telemetry_counts_every_time(ctx: Context) -> None:
    staff = hire(ctx)
    name(ctx, "Slow builds", "Waiting for review")
    for who in staff[:10]:
        id = evidence.record(ctx, "telemetry", None, who, None, 80.0, {"times": 4})
        evidence.link(ctx, id, 1)
    listen(ctx, *staff)
    there = row(ctx)
    assert there.minutes and there.minutes.source == "telemetry" and there.minutes.value == pytest.approx(20, rel=0.2)
    assert there.frequency and there.frequency.n == 40 and 2 < there.frequency.value < 6
    assert there.evidence == 10 and there.at_least == 10


def test_how_often_is_read_from_what_was_written_down() -> None:
    assert per_week("waited for a review | 3 a week | 40") == 3
    assert per_week("Builds | 2x per day") == 10 and per_week("x | 1 / month") == pytest.approx(12 / 52)
    assert per_week("x | 1,5 times a weeks") == 1.5 and per_week("x | 4 every quarter") == pytest.approx(16 / 52)
    for text in ("3 a week", "x | three a week", "x | 3 a blue moon", "x | 40", ""):
        assert per_week(text) is None, text


def test_a_snapshot_carries_how_often_and_how_long_to_the_ranking(ctx: Context) -> None:
    staff = hire(ctx)
    name(ctx, "Waiting for review", "Slow builds")
    for who in staff[:6]:
        held = interviews.hold(ctx, who, "full")
        snapshots.write(
            ctx, held["interview"], snapshots.read({"opportunities": ["waited for a review | 3 a week | 40"]})
        )
        evidence.link(ctx, f"interview/{held['interview']}/1", 1)
    there = row(ctx)
    assert there.frequency and (there.frequency.source, there.frequency.n) == ("interview", 6)
    assert there.minutes and there.minutes.n == 6 and there.minutes.low < 40 < there.minutes.high
    assert there.reach and there.reach.source == "assumed", "nobody drew them"


# ---------------------------------------------------------------------------------------------- forgotten, remembered


def test_erased_words_say_nothing_more(ctx: Context) -> None:
    staff = hire(ctx)
    name(ctx, "Slow builds", "Waiting for review")
    ids = [say(ctx, who, 1, "waited | 5 a week") for who in staff[:6]]
    listen(ctx, *staff)
    assert often(ctx) == "interview"
    quotes = one_thing.behind(ctx, 1)
    assert {one["text"] for one in quotes} == {"waited | 5 a week"} and not any("person" in one for one in quotes)
    hashes = [event.data["text"] for event in ctx.ledger.read(kinds=["evidence_recorded"]) if event.data["text"]]
    ctx.ledger.erase(hashes, "ada")
    assert often(ctx) == "assumed" and row(ctx).evidence == len(ids)
    assert [one["text"] for one in one_thing.behind(ctx, 1)] == [None] * 6


def test_it_is_worked_out_anew_only_when_something_was_heard(ctx: Context) -> None:
    staff = hire(ctx)
    name(ctx, "Slow builds")
    listen(ctx, *staff)
    before = one_thing.now(ctx)
    ctx.ledger.append([committed("a" * 40, 1)])
    assert one_thing.now(ctx) is before
    say(ctx, staff[0], 1)
    assert one_thing.now(ctx) is not before and row(ctx).evidence == 1


def test_what_was_said_is_for_who_leads_and_every_look_is_written_down(ctx: Context) -> None:
    name(ctx, "Slow builds")
    say(ctx, hire(ctx)[0], 1, "my words")
    other = replace(ctx, actor=Actor("bob", scopes=("signals.read",)))
    with pytest.raises(Refused):
        one_thing.behind(other, 1)
    shown = one_thing.show(other)
    assert shown["ask"] == [] and shown["to_ask"] == 3 and "my words" not in str(shown)
    assert [one["actor"] for one in access.log(ctx)] == ["bob"]
    asked = one_thing.show(ctx)["ask"]
    assert len(asked) == 3 and one_thing.behind(ctx, 1)[0]["text"] == "my words"
    looks = {(one["actor"], one["scope"]) for one in access.log(ctx)}
    assert looks == {("bob", "all"), ("ada", "all"), ("ada", "people to ask"), ("ada", "pain:1")}
    with pytest.raises(NotFound):
        one_thing.behind(ctx, 99)


# ---------------------------------------------------------------------------------------------- whom to talk to


def test_whom_to_talk_to_is_put_on_the_weeks_list_once(ctx: Context) -> None:
    staff = hire(ctx, 60)
    name(ctx, "Slow builds", "Waiting for review")
    for pain in (1, 2):
        say(ctx, staff[pain], pain)
    numbers = one_thing.invite(ctx)
    drawn = [event.data for event in ctx.ledger.read(kinds=["interview_scheduled"])]
    assert len(drawn) == 15 + len(numbers) and all(0 < one["probability"] <= 1 for one in drawn)
    asked = one_thing.now(ctx).ask
    assert len(asked) == 3 and all(one.listed for one in asked if one.why == "whom")
    assert one_thing.invite(ctx) == [], "they are on it"


def test_nobody_is_put_on_the_list_for_nothing(ctx: Context) -> None:
    with pytest.raises(Conflict, match="nobody to ask"):
        one_thing.invite(ctx)
    with pytest.raises(Refused):
        one_thing.invite(replace(ctx, actor=Actor("bob", scopes=("signals.read",))))


# ---------------------------------------------------------------------------------------------- bad weeks


def test_everything_in_one_team_and_dates_in_the_future(ctx: Context) -> None:
    company = found("one team")
    live(company, 2, 5)
    one = Company(company.dice, dict.fromkeys(company.people, "all"), company.loud, company.pains, company.hit)
    one.told = [replace(told, team="all", week=told.week + 70) for told in company.told]
    one.asked = [replace(asked, team="all", week=asked.week + 70) for asked in company.asked]
    company_told.tell(ctx, one)
    told = one_thing.now(ctx)
    assert all(row.hours and 0 <= row.hours.low <= row.hours.high for row in told.rows) and told.people == 120
    assert len(told.ask) == (0 if told.separable else 3)
