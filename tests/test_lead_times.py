"""Deployments, lead times and Fridays where other tools are known to go wrong, each with the right number. The names in
brackets are the reports in their trackers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.told import BEGUN, HOUR, Book, at, committed, deployed, owned, requested
from wend.events import Fact
from wend.signals import Scope, Signal, Window, measure
from wend.state.delivery import DAY

FIRST = BEGUN // DAY


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    made = Book(tmp_path)
    yield made
    made.ledger.close()


def lead(book: Book, scope: str = "all", weeks: int = 1, day: float = 6.5) -> Signal:
    return book.ask("change_lead_time", scope, weeks, day)


def chain(*hours: float, **rest: object) -> list[Fact]:
    """Commits c0, c1, … each on top of the one before, at these hours."""
    return [committed(f"c{n}", hour, *([f"c{n - 1}"] if n else []), **rest) for n, hour in enumerate(hours)]


def measured(book: Book, id: str, scope: str, window: Window) -> Signal:
    with book.ledger.query() as db:
        return measure(db, id, Scope.parse(scope), window)


# ---------------------------------------------------------------------------------------------- frequency


def test_two_deployments_in_thirty_days_are_two_in_thirty_days(book: Book) -> None:
    """[middleware #593: 0 a day, 0 a week, 1 a month.]"""
    book.tell(deployed("a", 10), deployed("b", 24 * 20))
    found = book.ask("deployment_frequency", weeks=5, day=29.5).value
    assert (found.n, found.value) == (2, 2 / 30)


def test_two_deployments_an_hour_apart_are_not_48_a_day(book: Book) -> None:
    """[cdviz: count / (last − first).]"""
    book.tell(deployed("a", 10), deployed("b", 11))
    assert book.ask("deployment_frequency", weeks=5, day=30.9).value.value == 2 / 31


def test_a_week_without_deployments_is_a_week_with_none(book: Book) -> None:
    book.tell(deployed("a", 10), deployed("b", 24 * 15))
    assert [point.value for point in book.ask("deployment_frequency", weeks=4, day=27).series] == [1 / 7, 0, 1 / 7, 0]
    quiet = book.ask("deployment_frequency", weeks=2, day=48).value
    assert (quiet.n, quiet.value) == (0, 0.0), "it deployed before, so this is known, and not no data"


def test_a_service_counts_for_the_days_that_it_was_there(book: Book) -> None:
    book.tell(deployed("other", 0, "other"), deployed("a", 24 * 10), deployed("b", 24 * 12))
    book.tell(owned("shop", None, until=at(24 * 13)))
    assert book.ask("deployment_frequency", "service:shop", weeks=4, day=27).value.value == 2 / 4
    assert book.ask("deployment_frequency", "service:shop", weeks=1, day=41).value.says == "no data"


def test_five_regions_of_one_run_are_one_deployment_that_ends_with_the_last(book: Book) -> None:
    book.tell(*chain(0, 2))
    book.tell(deployed("before", 1, commit="c0"))
    for region in range(5):
        outcome = "failure" if region == 2 else "success"
        book.tell(deployed("run/7", 10 + region, environment=f"prod-{region}", commit="c1", outcome=outcome))
        book.ask("deployment_frequency")
    assert book.ask("deployment_frequency").value.n == 2
    assert lead(book).value.value == 12 * 3600


def test_the_same_delivery_twice_is_one_deployment(book: Book) -> None:
    once = replace(deployed("a", 10), id="ci:1")
    book.tell(once, once)
    book.tell(once)
    assert book.ask("deployment_frequency").value.n == 1


def test_what_was_tried_and_reached_nobody_is_no_deployment(book: Book) -> None:
    """[middleware: failed runs are in the denominator, and never fail.]"""
    book.tell(deployed("a", 10), deployed("b", 11, outcome="failure"), deployed("c", 12, outcome="cancelled"))
    book.tell(deployed("d", 13, outcome="running", finished_at=None), deployed("e", 14, tier="staging"))
    assert book.ask("deployment_frequency").value.n == 1
    assert book.ask("change_fail_rate", weeks=9, day=60).value.n == 1


# ---------------------------------------------------------------------------------------------- lead time


def test_the_median_of_two_is_their_middle(book: Book) -> None:
    """[DevLake #6346: 315 and 670 minutes gave 0.]"""
    book.tell(*chain(0, 10, 20), deployed("a", 1, commit="c0"))
    book.tell(deployed("b", 10 + 315 / 60, commit="c1"), deployed("c", 20 + 670 / 60, commit="c2"))
    assert lead(book).value.value == pytest.approx(492.5 * 60)


def test_what_the_first_recorded_deployment_found_there_has_no_lead_time(book: Book) -> None:
    """[DevLake #8790, #8188, #7193: lead times of 30 weeks.]"""
    book.tell(*chain(-5000, -4000, -3000, 20))
    book.tell(deployed("first", 10, commit="c2"), deployed("next", 23, commit="c3"))
    assert (lead(book).value.n, lead(book).value.value) == (1, 3 * 3600)
    book.tell(deployed("earlier", -4, commit="c1"))
    assert lead(book).value.n == 2, "now the first one is not the first"


def test_a_deployment_that_is_told_of_again_keeps_its_end(book: Book) -> None:
    """[DevLake #8302: GitHub moves `updated_at` when the next one replaces it; what we hear of counts as it ended.]"""
    book.tell(*chain(0, 5), deployed("a", 1, commit="c0"), deployed("b", 6, commit="c1"))
    before = lead(book).value
    book.tell(deployed("b", 400, commit="c1", outcome="running", finished_at=None))
    book.tell(deployed("b", 500, commit="c1", outcome="failure"))
    assert lead(book).value == before
    assert before.value == 3600


def test_stages_that_are_not_known_add_nothing(book: Book) -> None:
    """[middleware, DevLake: a stage of None is a stage of 0 s.] There are no stages to add up: unknown starts are left
    out of the time to deploy, and a change that nobody reviewed has the same lead time."""
    book.tell(*chain(0, 2), deployed("a", 1, commit="c0", started_at=None), deployed("b", 4, commit="c1"))
    assert lead(book).value.value == 2 * 3600
    took = book.ask("time_to_deploy").value
    assert (took.n, took.value) == (1, 360)


def test_changes_that_wait_are_in_the_median_of_those_committed(book: Book) -> None:
    """[Octopus #7812.] One took an hour; three wait for days: half of them are not over."""
    book.tell(*chain(0, 10, 20, 21, 22), deployed("a", 1, commit="c0"), deployed("b", 11, commit="c1"))
    found = lead(book)
    waiting = found.parts["with_waiting"]
    assert (found.value.value, found.value.n, found.value.censored) == (3600, 1, 3)
    assert (waiting.value, waiting.n, waiting.censored, waiting.says) == (None, 4, 3, "not reached yet")


def test_a_change_that_was_deployed_before_it_was_committed_is_told(book: Book) -> None:
    """[Four Keys drops what is not above 0.]"""
    book.tell(*chain(0, 8, 9))
    book.tell(*(deployed(f"d{n}", hours, commit=f"c{n}") for n, hours in enumerate((1, 7, 11))))
    found = lead(book)
    assert (found.value.n, found.value.value, found.value.skewed) == (1, 2 * 3600, 1)
    assert "clocks disagree" in found.notes[0]


def test_a_squashed_pull_request_leads_to_the_commits_of_its_branch(book: Book) -> None:
    """[Four Keys #456: the first commit is lost.] The squash itself is when the pull request was merged."""
    book.tell(committed("c0", 0), deployed("a", 1, commit="c0"))
    book.tell(committed("b1", 2, "c0"), committed("b2", 5, "b1"), committed("squash", 9, "c0", merge=True))
    book.tell(deployed("b", 10, commit="squash", commits=["b1", "b2"]))
    found = lead(book)
    assert (found.value.n, found.value.value) == (2, 6.5 * 3600)
    assert found.parts["merge_to_deploy"].value == 3600
    assert found.value.censored == 0


def test_the_stages_of_a_request_are_told_apart_and_what_is_not_known_is_left_out(book: Book) -> None:
    """[middleware and DevLake add 0 for a stage that is not there: one of two not reviewed makes half of it.]"""
    book.tell(committed("c0", 0), deployed("a", 1, commit="c0"))
    for number, reviewed in ((1, None), (2, 12)):
        base, branch, end = f"c{number - 1}", f"b{number}", f"c{number}"
        book.tell(
            committed(branch, 2, base), committed(f"{branch}x", 5, branch), committed(end, 20, base, f"{branch}x")
        )
        book.tell(requested(f"r{number}", end, opened_at=at(6), merged_at=at(20), head=f"{branch}x", own=2))
        if reviewed:
            book.tell(*(requested(f"r{number}", reviewed_at=at(hours)) for hours in (reviewed + 3, reviewed)))
    book.tell(deployed("b", 30, commit="c2"))
    parts = lead(book).parts
    assert [(parts[name].value, parts[name].n) for name in ("coding", "pickup", "review", "merge_to_deploy")] == [
        (4 * 3600, 2), (6 * 3600, 1), (8 * 3600, 1), (10 * 3600, 2)
    ]  # fmt: skip
    book.tell(requested("r3", "c2", opened_at=at(6), head="unheard", own=4))
    assert lead(book).parts["coding"].n == 2, "of a branch that nobody told of it is not known when it was begun"


def test_merges_and_machines_do_not_count(book: Book) -> None:
    """[DevLake #3386: only merge commits counted.]"""
    book.tell(committed("c0", 0), deployed("a", 1, commit="c0"), committed("c1", 2, "c0"), committed("x", 3, "c0"))
    book.tell(committed("bot", 3.5, "c1", bot=True), committed("m", 4, "bot", "x"), deployed("b", 6, commit="m"))
    assert (lead(book).value.n, lead(book).value.value) == (2, 3.5 * 3600)


def test_a_change_counts_once_however_many_services_are_made_from_it(book: Book) -> None:
    book.tell(*chain(0, 2))
    for hours, service, team in ((1, "a", "red"), (1, "b", "red"), (1, "c", "blue")):
        book.tell(owned(service, team, repo="shop"))
        book.tell(deployed(f"{service}0", hours, service, commit="c0", repo="shop"))
    for hours, service in ((8, "a"), (4, "b"), (14, "c")):
        book.tell(deployed(f"{service}1", hours, service, commit="c1", repo="shop"))
    found = [lead(book, scope).value for scope in ("all", "team:red", "team:blue", "service:a")]
    assert [(one.n, one.value) for one in found] == [(1, 7200), (1, 7200), (1, 12 * 3600), (1, 6 * 3600)]


def test_history_that_was_rewritten_leaves_what_was_deployed(book: Book) -> None:
    book.tell(*chain(0, 2, 3), deployed("a", 1, commit="c0"), deployed("b", 5, commit="c1"))
    assert (lead(book).value.n, lead(book).value.censored) == (1, 1)
    book.tell(Fact("history_rewritten", "repo/shop", {"repo": "shop", "gone": ["c1", "c2"]}))
    book.tell(committed("n1", 2, "c0"), deployed("c", 8, commit="n1"))
    assert (lead(book).value.n, lead(book).value.value, lead(book).value.censored) == (2, 4.5 * 3600, 0)


def test_a_late_deployment_takes_the_changes_that_it_brought_first(book: Book) -> None:
    book.tell(*chain(0, 2, 3), deployed("a", 1, commit="c0"), deployed("c", 30, commit="c2"))
    assert lead(book).value.value == 27.5 * 3600
    book.tell(deployed("b", 4, commit="c1"))
    assert lead(book).value.value == (2 + 27) / 2 * 3600


def test_the_earlier_of_two_that_end_at_midnight_carries(book: Book) -> None:
    """At the same microsecond, the one whose id comes first; also when it is heard of last."""
    book.tell(*chain(0, 2, 3), deployed("a", 1, commit="c0"), deployed("z", 24, commit="c2"))
    assert lead(book).value.n == 2
    book.tell(deployed("y", 24, commit="c1"))
    lead(book)
    with book.ledger.query() as db:
        found = db.exec_driver_sql('SELECT "commit", deployment FROM carried ORDER BY "commit"').all()
    assert found == [("c0", "a"), ("c1", "y"), ("c2", "z")]


# ---------------------------------------------------------------------------------------------- odd dates


@pytest.mark.parametrize(("year", "commit"), [(253_370_764_800_000_000, "c2"), (0, None)])
def test_a_clock_that_is_far_off_harms_only_its_own_deployment(book: Book, year: int, commit: str | None) -> None:
    """9999-01-01, and 1970-01-01 to the second."""
    book.tell(*chain(0, 2, 3), deployed("a", 1, commit="c0"), deployed("b", 4, commit="c1"))
    book.tell(deployed("odd", 5, commit=commit, started_at=year, finished_at=year))
    for scope in ("all", "service:shop"):
        assert lead(book, scope).value.n == (1 if commit else 2)
        assert lead(book, scope).fresh == at(4)
        assert book.ask("deployment_frequency", scope).value.n == 2
        assert book.ask("friday_confidence", scope, weeks=9).value.n == 2
        assert book.ask("change_fail_rate", scope, weeks=9, day=60).value.n == 2


def test_what_is_dated_tomorrow_does_not_count_today(book: Book) -> None:
    """In the same week, so that the week's counts hold more than the window does."""
    book.tell(owned("shop", "red"), *chain(0, 2, 3), deployed("a", 1, commit="c0"), deployed("b", 4, commit="c1"))
    book.tell(deployed("ahead", 90, commit="c2"))
    for scope in ("all", "team:red", "service:shop"):
        assert [lead(book, scope, day=day).value.n for day in (2.5, 3.5)] == [1, 2]
        assert [book.ask("time_to_deploy", scope, day=day).value.n for day in (2.5, 3.5)] == [2, 3]


# ---------------------------------------------------------------------------------------------- Fridays


def fridays(book: Book, zone: str, *days: int) -> tuple[int, int]:
    """(deployments on a Friday, all), of a window from the first of the days to the last."""
    book.ask("deployment_frequency")
    window = Window(days[0], days[-1], (days[-1] + 1) * DAY, zone)
    found = measured(book, "friday_confidence", "all", window).value
    assert found.value is not None
    return round(found.value * found.n), found.n


def test_fridays_are_those_of_the_place(book: Book) -> None:
    book.tell(deployed("thursday", 24 * 3 + 16), deployed("friday", 24 * 4 + 12), deployed("saturday", 24 * 5 + 3))
    week = (FIRST, FIRST + 6)
    assert fridays(book, "UTC", *week) == (1, 3)
    assert fridays(book, "Asia/Tokyo", *week) == (2, 3)
    assert fridays(book, "America/New_York", *week) == (2, 3)
    assert fridays(book, "Asia/Tokyo", FIRST, FIRST + 3) == (1, 1), "there it is Friday before the window ends"


def test_a_friday_on_which_the_clocks_change_has_23_hours(book: Book) -> None:
    """Egypt's summer time begins on Friday 2026-04-24 at midnight, which does not exist: the day begins at one."""
    friday = 20_567
    begins = friday * DAY - 2 * HOUR
    ends = [begins - 1, begins, begins + 23 * HOUR - 1, begins + 23 * HOUR]
    book.tell(*(deployed(f"d{n}", 0, finished_at=end) for n, end in enumerate(ends)))
    assert fridays(book, "Africa/Cairo", friday - 4, friday + 2) == (2, 4)


# ---------------------------------------------------------------------------------------------- whose it is


def test_a_services_history_goes_with_it_to_another_team(book: Book) -> None:
    book.tell(owned("shop", "red"), owned("cart", "red"), *chain(0, 2, 30))
    book.tell(deployed("a", 1, commit="c0"), deployed("b", 4, commit="c1"), deployed("x", 5, "cart"))
    assert book.ask("deployment_frequency", "team:red").value.n == 3
    assert lead(book, "team:red").value.n == 1 and lead(book, "team:red").value.censored == 1
    book.tell(owned("shop", "blue"))
    assert [book.ask("deployment_frequency", f"team:{team}").value.n for team in ("red", "blue")] == [1, 2]
    assert [lead(book, f"team:{team}").value.n for team in ("red", "blue")] == [0, 1]
    assert [lead(book, f"team:{team}").value.censored for team in ("red", "blue")] == [0, 1]
    assert book.ask("deployment_frequency").value.n == 3


def test_a_push_after_a_canary_that_was_taken_back_was_not_all_it_took(book: Book) -> None:
    book.happen("app_created", "own", 0, branch="main")
    book.live("own", 1, 1)
    trial = {"deploy": "own2", "mode": "canary", "release": 2, "stable": 1, "weight": 5, "policy": {}}
    book.happen("deploy_started", "own", 2, deploy="own2", cause="push", commit="c2", ref="main", summary="")
    book.happen("canary_started", "own", 2, **trial)
    book.happen("canary_ended", "own", 3, deploy="own2", mode="canary", outcome="rolled back", why="errors")
    book.live("own", 3, 4)
    book.live("own", 4, 5)
    found = book.ask("push_only_rate").value
    assert (found.n, found.value) == (3, 2 / 3)
