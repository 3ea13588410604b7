"""What fails, and for how long, where other tools are known to go wrong, each with the right number. The names in
brackets are the reports in their trackers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reference_signals import EVERY
from tests.told import BEGUN, HOUR, Book, at, broke, committed, deployed, owned
from wend.events import Fact
from wend.signals import Scope, Window, measure
from wend.state.delivery import DAY

FIRST = BEGUN // DAY
LATER = 60  # days after which everything here is settled


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    made = Book(tmp_path)
    yield made
    made.ledger.close()


def daily(n: int, service: str = "shop") -> list[Fact]:
    return [deployed(f"{service}{day}", 24 * day + 10, service) for day in range(n)]


def failed(book: Book, scope: str = "all") -> tuple[float, int]:
    """(how many failed, of how many)."""
    found = book.ask("change_fail_rate", scope, weeks=9, day=LATER).value
    assert found.value is not None
    return round(found.value * found.n), found.n


def assumed(book: Book) -> int:
    found = book.ask("change_fail_rate", weeks=9, day=LATER)
    return round((found.parts["with_assumed"].value or 0) * found.value.n) - failed(book)[0]


# ---------------------------------------------------------------------------------------------- change fail rate


def test_six_incidents_of_four_deployments_out_of_23_are_four_failures(book: Book) -> None:
    """[DevLake #8890: one dashboard 6 of 23, the other 4.]"""
    causes = ["shop2", "shop2", "shop5", "shop9", "shop9", "shop20"]
    book.tell(*daily(23), *(broke(f"i{n}", 700 + n, cause={"deployment": id}) for n, id in enumerate(causes)))
    found = book.ask("change_fail_rate", weeks=9, day=LATER).value
    assert (found.n, round(found.value or 0, 4)) == (23, 0.1739)
    assert (round(found.low or 0, 3), round(found.high or 0, 3)) == (0.07, 0.371)


def test_a_deployment_with_many_linked_changes_fails_once(book: Book) -> None:
    """[Four Keys: a failing deployment counts once for every change joined to it.]"""
    book.tell(*(committed(f"c{n}", n) for n in range(9)))
    book.tell(deployed("d", 20, commits=[f"c{n}" for n in range(9)]), deployed("e", 40))
    book.tell(*(broke(f"i{n}", 21 + n, cause={"commit": f"c{n}"}) for n in range(9)))
    assert failed(book) == (1, 2)


def test_an_incident_that_is_edited_is_one_incident(book: Book) -> None:
    """[Four Keys #213: every update of the issue adds one.]"""
    book.tell(*daily(4))
    for edit in range(5):
        book.tell(broke("i", 60, severity=f"s{edit}", cause={"deployment": "shop1"}))
    assert failed(book) == (1, 4)


def test_an_incident_whose_cause_is_corrected_moves(book: Book) -> None:
    book.tell(*daily(4), broke("i", 60, cause={"deployment": "shop0"}))
    assert book.ask("change_fail_rate", weeks=9, day=LATER).value.n == 4
    book.tell(broke("i", 61, state="resolved", cause={"deployment": "shop1"}))
    book.tell(broke("i", 60, cause={"deployment": "shop0"}))  # the first, once more
    assert (failed(book), failing(book)) == ((1, 4), ["shop1"])


def failing(book: Book) -> list[str]:
    with book.ledger.query() as db:
        words = "SELECT id FROM deployments WHERE failed BETWEEN 1 AND 4 ORDER BY id"
        return list(db.exec_driver_sql(words).scalars())


def test_an_incident_of_one_service_is_not_blamed_on_another(book: Book) -> None:
    """[middleware: B deploys, a minute before it breaks A deploys too: A is blamed.]"""
    book.tell(owned("a", "red"), owned("b", "red"))
    book.tell(deployed("b1", 10, "b"), deployed("a1", 10.08, "a"), broke("i", 10.1, "b"))
    book.ask("change_fail_rate", day=LATER)
    with book.ledger.query() as db:
        assert db.exec_driver_sql("SELECT deployment, rank FROM blames").all() == [("b1", 5)]
    assert (failed(book), assumed(book)) == ((0, 2), 1)


def test_an_incident_200_days_later_is_nobodys_fault(book: Book) -> None:
    """[middleware, DevLake #8150: no bound in time.]"""
    book.tell(deployed("d", 10), broke("near", 10 + 7 * 24), broke("far", 10 + 200 * 24))
    assert assumed(book) == 1
    with book.ledger.query() as db:
        assert db.exec_driver_sql('SELECT "by" FROM blames').scalars().all() == ["near"]


def said(deployment: str | None) -> Fact:
    return Fact("incident_attributed", "incident/i", {"incident": "i", "deployment": deployment, "why": "w"})


def test_an_incident_without_a_cause_is_only_assumed_until_somebody_says_so(book: Book) -> None:
    """[DevLake #7487: not every incident was caused by a deployment.]"""
    book.tell(*daily(2), broke("i", 40))
    assert (failed(book), assumed(book)) == ((0, 2), 1)
    assert book.ask("change_fail_rate", weeks=9, day=LATER).value.assumed == 1.0
    book.tell(said(None))
    assert (failed(book), assumed(book)) == ((0, 2), 0)
    book.tell(said("shop0"))
    assert (failed(book), failing(book)) == ((1, 2), ["shop0"])


def test_an_incident_in_staging_says_nothing_of_production(book: Book) -> None:
    book.tell(*daily(2), broke("i", 40, environment="staging"))
    assert (failed(book), assumed(book)) == ((0, 2), 0)


def test_an_incident_that_is_retracted_counts_for_nothing(book: Book) -> None:
    book.tell(*daily(2), broke("i", 40, cause={"deployment": "shop1"}))
    assert failed(book) == (1, 2)
    book.tell(broke("i", 50, state="retracted"))
    assert failed(book) == (0, 2)
    book.tell(broke("i", 45, cause={"deployment": "shop1"}))
    assert failed(book) == (0, 2), "what was so before it was retracted changes nothing"
    book.tell(broke("i", 60, opened_at=at(40), cause={"deployment": "shop1"}))
    assert failed(book) == (1, 2), "it is one after all"


def test_an_incident_of_a_deployment_that_is_heard_of_later(book: Book) -> None:
    """Also when the incident is another service's, or nobody's."""
    book.tell(*daily(2), broke("i", 40, "other", cause={"deployment": "late"}))
    book.tell(broke("j", 41, None, cause={"commit": "c9"}))
    assert failed(book) == (0, 2)
    book.tell(deployed("late", 30), deployed("later", 35, "third", commits=["c9"]))
    assert (failed(book), failing(book)) == ((2, 4), ["late", "later"])


def test_a_young_deployment_is_pending_and_not_good(book: Book) -> None:
    book.tell(*daily(14))
    found = book.ask("change_fail_rate", weeks=3, day=14.4).value  # the 7th day is not a week ago in all of it
    assert (found.n, found.pending) == (7, 7)


def test_a_window_a_day_further_on_changes_the_rate_by_a_day(book: Book) -> None:
    """[DevLake #4989: the same data, a day apart, and a very different rate.]"""
    book.tell(*daily(28), *(broke(f"i{n}", 24 * n + 11, cause={"deployment": f"shop{n}"}) for n in range(0, 28, 4)))
    book.ask("change_fail_rate")
    for shift in range(8):
        window = Window(FIRST + shift, FIRST + shift + 15, at(24 * LATER))
        with book.ledger.query() as db:
            found = measure(db, "change_fail_rate", Scope(), window).value
        assert (found.n, found.value) == (16, 4 / 16)


def test_no_data_is_not_zero(book: Book) -> None:
    """[Four Keys, cdviz: IFNULL(…, 0), which is the best there is.]"""
    for id in EVERY:
        found = book.ask(id)
        assert (found.value.value, found.value.n, found.value.says) == (None, 0, "no data"), id
        assert all(point.value is None for point in found.series)


# ---------------------------------------------------------------------------------------------- repairs


def test_a_failure_that_took_a_rollback_and_two_hotfixes_is_one_failure(book: Book) -> None:
    book.tell(deployed("good", 10), deployed("bad", 20), deployed("back", 21, purpose="rollback"))
    book.tell(deployed("fix1", 30, purpose="hotfix"), deployed("fix2", 31, purpose="hotfix"))
    assert (failed(book), failing(book)) == ((1, 5), ["bad"])
    rework = book.ask("deployment_rework_rate", weeks=9, day=LATER).value
    assert (rework.n, rework.value) == (5, 3 / 5)
    assert book.ask("failed_deployment_recovery_time", weeks=9, day=LATER).value.value == 3600


def test_a_rollback_far_back_is_one_failure_and_a_deployment(book: Book) -> None:
    book.tell(*(committed(f"c{n}", n, *([f"c{n - 1}"] if n else [])) for n in range(5)))
    book.tell(*(deployed(f"d{n}", 10 + n, commit=f"c{n}") for n in range(5)))
    book.tell(deployed("back", 30, commit="c1", purpose="rollback"))
    assert (failed(book), failing(book)) == ((1, 6), ["d4"])
    frequency = book.ask("deployment_frequency", weeks=9, day=LATER)
    assert (frequency.value.n, frequency.parts["rollbacks"].value) == (6, 1)
    assert book.ask("change_lead_time", weeks=9, day=LATER).value.n == 4, "what was there before carries nothing anew"


def test_a_rollback_to_the_revision_that_was_deployed_last_is_seen(book: Book) -> None:
    """[Argo CD's own trigger fires once per commit: going back to an earlier revision says nothing.]"""
    book.tell(deployed("argo:app/7", 10, commit="c1"), deployed("argo:app/8", 11, commit="c2"))
    book.tell(deployed("argo:app/9", 12, commit="c1", purpose="rollback", undoes="argo:app/8"))
    assert (failed(book), failing(book)) == ((1, 3), ["argo:app/8"])


def test_a_rollback_of_what_reached_nobody_blames_nobody(book: Book) -> None:
    book.tell(deployed("good", 10), deployed("broken", 11, outcome="failure"))
    book.tell(deployed("back", 12, purpose="rollback", undoes="broken"))
    assert failed(book) == (0, 2)


def test_a_revert_blames_who_carried_what_it_reverts(book: Book) -> None:
    book.tell(committed("c0", 1), committed("c1", 2, "c0"), committed("c2", 3, "c1"))
    book.tell(committed("r", 40, "c2", purpose="revert", reverts="c1"))
    book.tell(*(deployed(f"d{n}", 10 + n, commit=f"c{n}") for n in range(3)), deployed("dr", 50, commit="r"))
    assert (failed(book), failing(book)) == ((1, 4), ["d1"])
    assert book.ask("failed_deployment_recovery_time", weeks=9, day=LATER).value.value == 39 * 3600
    assert book.ask("deployment_rework_rate", weeks=9, day=LATER).value.value == 1 / 4


def test_bringing_back_what_was_reverted_is_no_failure(book: Book) -> None:
    book.tell(committed("c0", 1), committed("c1", 2, "c0"), committed("r", 20, "c1", reverts="c1"))
    book.tell(committed("again", 40, "r", reverts="r"), committed("rr", 60, "again", reverts="again"))
    book.tell(deployed("d0", 10, commit="c0"), deployed("d1", 11, commit="c1"), deployed("dr", 21, commit="r"))
    book.tell(deployed("da", 41, commit="again"))
    assert (failed(book), failing(book)) == ((1, 4), ["d1"])
    book.tell(deployed("drr", 61, commit="rr"))
    assert (failed(book), failing(book)) == ((2, 5), ["d1", "da"])


def test_a_revert_of_what_was_never_deployed_is_no_failure(book: Book) -> None:
    book.tell(committed("c0", 1), committed("c1", 2, "c0"), committed("r", 3, "c1", reverts="c1"))
    book.tell(deployed("d0", 10, commit="c0"), deployed("d1", 11, commit="r"))
    assert failed(book) == (0, 2)


# ---------------------------------------------------------------------------------------------- recovery


def recovery(book: Book, *told: Fact, day: float = LATER) -> tuple[float | None, int, int]:
    book.tell(*told)
    found = book.ask("failed_deployment_recovery_time", weeks=9, day=day).value
    return found.value, found.n, found.censored


CAUSED = {"cause": {"deployment": "shop0"}}


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_an_incident_told_in_the_wrong_order_ends_when_it_ended(book: Book, order: tuple[int, ...]) -> None:
    states = ((12, "open"), (14, "resolved"), (20, "reopened"), (34, "resolved"))
    told = [broke("i", hours, state=state, **CAUSED) for hours, state in states]
    assert recovery(book, *daily(1), *(told[place] for place in order)) == (24 * 3600, 1, 0)


def test_an_incident_that_was_opened_again_is_not_over(book: Book) -> None:
    told = [broke("i", 12, **CAUSED), broke("i", 14, state="resolved"), broke("i", 20, state="reopened")]
    assert recovery(book, *daily(1), *told) == (None, 1, 1)


def test_open_failures_are_counted_as_lasting(book: Book) -> None:
    """Two of three are over after an hour and two: leaving out the third would give 1.5 hours."""
    told = [broke(f"i{n}", 24 * n + 10.5, cause={"deployment": f"shop{n}"}) for n in range(3)]
    told += [broke(f"i{n}", 24 * n + 11 + n, state="resolved") for n in range(2)]
    assert recovery(book, *daily(3), *told) == (2 * 3600, 3, 1)


def test_a_failure_that_was_over_before_it_began_is_skewed_and_told(book: Book) -> None:
    told = [broke("i", 8, **CAUSED), broke("i", 9, state="resolved")]
    assert recovery(book, *daily(1), *told) == (None, 0, 0)
    assert book.ask("failed_deployment_recovery_time", weeks=9, day=LATER).value.skewed == 1


def test_a_canary_taken_back_leaves_the_release_before_it_to_answer_for_the_rest(book: Book) -> None:
    book.happen("app_created", "own", 0, branch="main")
    book.live("own", 1, 10)
    trial = {"deploy": "own2", "mode": "canary", "release": 2, "stable": 1, "weight": 5, "policy": {}}
    begun = {"deploy": "own2", "cause": "push", "commit": "c2", "ref": "main", "summary": ""}
    book.happen("deploy_started", "own", 20, **begun)
    book.happen("canary_started", "own", 20, **trial)
    book.happen("canary_ended", "own", 20.5, deploy="own2", mode="canary", outcome="rolled back", why="errors")
    book.tell(broke("i", 30, "own"))
    book.ask("change_fail_rate")
    with book.ledger.query() as db:
        found = db.exec_driver_sql('SELECT deployment, "by", rank FROM blames ORDER BY rank').all()
    assert found == [("wend:own2", "wend:own2", 2), ("wend:own1", "i", 5)]


def test_days_are_those_of_microseconds(book: Book) -> None:
    """A deployment at midnight is the new day's, the one a microsecond before the old one's."""
    book.tell(deployed("a", 24), deployed("b", 24, finished_at=at(24) - 1), deployed("c", 24, finished_at=at(24) + 1))
    book.ask("deployment_frequency")
    with book.ledger.query() as db:
        found = db.exec_driver_sql("SELECT day, deployments FROM days WHERE scope = 'all' ORDER BY day").all()
    assert found == [(FIRST, 1), (FIRST + 1, 2)]
    assert HOUR * 24 == DAY


def test_of_very_many_failures_the_median_is_known_to_a_bucket(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    told = [broke(f"i{n}", 24 * n + 10.5, cause={"deployment": f"shop{n}"}) for n in range(7)]
    told += [broke(f"i{n}", 24 * n + 11 + n, state="resolved") for n in range(6)]
    exact = recovery(book, *daily(7), *told)
    assert exact == (4 * 3600, 7, 1)
    monkeypatch.setattr("wend.signals.throughput.MANY", 6)
    assert recovery(book) == (pytest.approx(exact[0], rel=0.011), 7, 1)
    assert recovery(book)[0] != exact[0]


def test_a_deploy_of_less_than_a_second_is_drawn_as_that(book: Book) -> None:
    for n in range(9):
        book.tell(deployed(f"d{n}", 24 * n + 12, started_at=at(24 * n + 12) - 300_000 - n))
    drawn = [point for point in book.ask("time_to_deploy").series if point.value is not None]
    assert drawn and all(point.value == pytest.approx(0.3, rel=0.012) for point in drawn)
