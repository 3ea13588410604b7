"""Who uses the platform, how much of it, and who stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.told import Book, at, deployed, owned
from wend.events import Fact


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    made = Book(tmp_path)
    yield made
    made.ledger.close()


def made_here(book: Book, app: str, hours: float, team: str = "red") -> None:
    fact = Fact("app_created", f"app/{app}", {"branch": "main"}, actor="ann", app=app, team=team, at=at(hours))
    book.tell(fact)


def test_an_empty_platform_has_no_data_and_not_zero(book: Book) -> None:
    for id in ("adoption", "adoption_depth", "adoption_retention", "onboarding_funnel", "open_hatches"):
        found = book.ask(id)
        assert (found.value.value, found.value.says) == (None, "no data"), id
    assert "no other way is known" in book.ask("voluntary_adoption").value.says


def test_adoption_counts_services_that_deployed_here_of_all_that_could(book: Book) -> None:
    made_here(book, "one", 1)
    book.live("one", 1, 2)
    book.tell(deployed("d1", 3, "two"), deployed("d2", 4, "three"), owned("four", "blue", since=at(0)))
    book.tell(owned("five", "blue", since=at(0), exempt=True, why="it is a mainframe"))
    found = book.ask("adoption")
    assert (found.value.value, found.value.n) == (0.25, 4)
    assert found.value.low is not None and found.value.low < 0.25
    assert (found.parts["teams"].value, found.parts["teams"].n) == (0.5, 2)
    assert [point.value for point in found.series] == [0.25]


def test_without_any_other_way_known_adoption_says_so(book: Book) -> None:
    made_here(book, "one", 1)
    book.live("one", 1, 2)
    assert "Only services that deploy here are known" in book.ask("adoption").notes[0]


def test_who_has_not_deployed_for_28_days_is_not_active_and_is_named_with_the_reason(book: Book) -> None:
    for app in ("one", "two"):
        made_here(book, app, 1)
        book.live(app, 1, 2)
    book.tell(deployed("d1", 24 * 10, "two"))
    found = book.ask("adoption", weeks=6, day=40)
    assert (found.value.value, found.value.n) == (0.0, 2)
    assert found.parts["left"].value == 2
    assert "one left: nobody said why" in found.notes and "two left: it deploys elsewhere now" in found.notes
    assert [point.value for point in found.series] == [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]


def test_a_new_service_is_voluntary_when_it_began_here_though_it_could_have_begun_elsewhere(book: Book) -> None:
    made_here(book, "one", 1)
    book.live("one", 1, 2)
    book.tell(deployed("d1", 3, "two"))
    assert (book.ask("voluntary_adoption").value.value, book.ask("voluntary_adoption").value.n) == (0.5, 2)


def test_retention_counts_those_still_here_as_at_least_so_long(book: Book) -> None:
    for number, last in enumerate((20, 200, 200, 200)):
        app = f"app{number}"
        made_here(book, app, 1)
        book.live(app, 1, 2)
        book.live(app, 2, 24 * last)
    found = book.ask("adoption_retention", weeks=30, day=200)
    assert (found.value.value, found.value.n, found.value.censored) == (0.75, 4, 3)
    assert found.parts["came in 2026 Q1"].value == 0.75
    assert "nobody is here for 180 days" in book.ask("adoption_retention", weeks=6, day=40).parts["180_days"].says


def test_depth_is_what_the_live_release_uses(book: Book) -> None:
    made_here(book, "one", 1)
    book.live("one", 1, 2)
    book.live("one", 2, 3, declared={"cron": {"nightly": {}}}, secrets={"KEY": {"version": 1, "hash": "h"}})
    found = book.ask("adoption_depth")
    assert (found.value.value, found.value.n) == (2.0, 1)
    assert found.parts["cron"].value == 1.0 and "workers" not in found.parts


def test_the_funnel_says_how_far_new_apps_came_and_what_stopped_the_others(book: Book) -> None:
    for app in ("one", "two", "three"):
        made_here(book, app, 1)
    book.live("one", 1, 2)
    book.live("one", 2, 3)
    book.happen("deploy_started", "two", 2, deploy="x", cause="push", summary="")
    book.happen("deploy_failed", "two", 3, deploy="x", step="built", message="no")
    found = book.ask("onboarding_funnel")
    assert found.value.value == pytest.approx(1 / 3) and found.parts["again"].value == pytest.approx(1 / 3)
    assert set(found.notes) == {"1 never went live: deploy failed", "1 never went live: nobody pushed"}


def test_open_hatches_are_those_of_live_releases_only(book: Book) -> None:
    made_here(book, "one", 1)
    book.live("one", 1, 2, hatches={"build": {"reason": "a C extension", "until": None}})
    assert (book.ask("open_hatches").value.value, book.ask("open_hatches").value.n) == (1.0, 1)
    book.live("one", 2, 3)
    assert book.ask("open_hatches").value.value == 0.0


def test_a_push_that_needed_more_than_the_push_does_not_count_as_push_only(book: Book) -> None:
    made_here(book, "one", 1)
    book.live("one", 1, 2)
    book.happen("push_refused", "one", 3, reason="no")
    book.live("one", 2, 4)
    book.live("one", 3, 5)
    book.live("one", 4, 6, cause="config")
    book.live("one", 5, 7)
    found = book.ask("push_only_rate")
    assert (found.value.value, found.value.n) == (0.5, 4), "a config change is more than a push"


def test_a_destroyed_app_keeps_its_numbers_and_its_reason(book: Book) -> None:
    made_here(book, "one", 1)
    book.live("one", 1, 2)
    book.happen("app_destroyed", "one", 30, why="we moved to another team's service")
    assert book.ask("deployment_frequency").value.n == 1
    later = book.ask("adoption", weeks=6, day=36)
    assert later.notes[-1] == "one left: we moved to another team's service"
