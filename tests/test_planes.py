"""Control planes on one database: a turn has one holder among all, and ends with its holder."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.databases import PostgresServer, Served, postgres, served
from tests.house import until
from tests.kept import needs
from tests.test_leases import Turn
from wend.errors import Conflict, Down
from wend.leases import Leases
from wend.ledger.postgres import Server
from wend.planes import LEADER
from wend.planes.shared import GRACE, Shared

__all__ = ["postgres", "served"]  # fixtures
pytestmark = needs("initdb", "postgresql")


@pytest.fixture
def planes(served: Served) -> Iterator[list[Shared]]:
    found = [Shared(Server.parse(served.url), f"127.0.0.1:700{number}") for number in (1, 2)]
    yield found
    for plane in found:
        plane.close()


def cut(served: Served, plane: Shared) -> None:
    """End a plane's session, as the server does when the machine or the network is gone."""
    with psycopg.connect(served.url) as db:
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
            [f"wend plane {plane.name}"],
        )


def test_a_turn_has_one_holder(planes: list[Shared]) -> None:
    one, two = planes
    assert one.take("a") and one.take("a") and not two.take("a") and two.take("b")
    assert one.taken("a") and two.taken("a") and not two.taken("c")
    two.leave("a")
    assert not two.take("a"), "nobody gives back what another has"
    one.leave("a")
    assert two.take("a") and not one.take("a")


def test_a_plane_that_is_gone_has_no_turns(planes: list[Shared], served: Served) -> None:
    one, two = planes
    assert one.take(LEADER) and one.leads() and not two.take(LEADER)
    one.close()
    until(lambda: two.take(LEADER), 5, "the other leads")
    assert two.leads() and not one.leads()


def test_which_there_are_and_which_leads(planes: list[Shared]) -> None:
    one, two = planes
    assert two.take(LEADER)
    assert one.there() == [{"plane": one.name, "leads": False}, {"plane": two.name, "leads": True}]
    one.close()
    until(lambda: two.there() == [{"plane": two.name, "leads": True}], 5)


def test_a_connection_that_breaks_is_made_anew_with_its_turns(planes: list[Shared], served: Served) -> None:
    one, two = planes
    assert one.take("a") and one.take(LEADER)
    session = one.session
    cut(served, one)
    until(lambda: one.session not in (None, session), 5, "a new session")
    assert one.leads() and not two.take("a")
    with pytest.raises(AssertionError):
        until(lambda: one.take("new"), GRACE / 2, "nothing new is taken at first, so that all can have theirs back")
    until(lambda: one.take("new"), GRACE * 2, "later it is")


def test_a_turn_that_another_took_meanwhile_is_lost_and_its_holder_stops(planes: list[Shared], served: Served) -> None:
    one, two = planes
    leases, connect = Leases(one), one.connect
    may = threading.Event()

    def later() -> None:
        if not may.is_set():
            raise psycopg.OperationalError("not yet")
        connect()

    one.connect = later  # type: ignore[method-assign]
    with leases.hold("a", "push", urgent=True) as lease:
        cut(served, one)
        until(lambda: two.take("a"), 5, "the other has it")
        may.set()
        until(lease.cancel.is_set, 5, "the holder is told")
        with pytest.raises(Down, match="another control plane"):
            lease.check()
    assert not one.take("a")


def test_what_one_tells_the_others_hear_and_not_itself(planes: list[Shared]) -> None:
    heard: list[tuple[int, Any]] = []
    for number, plane in enumerate(planes):
        plane.listen(lambda words, number=number: heard.append((number, words["x"])), lambda name: None)
    planes[0].tell({"x": 1})
    planes[1].tell({"x": 2})
    until(lambda: sorted(heard) == [(0, 2), (1, 1)], 5)


def test_a_server_that_is_away_is_said(postgres: PostgresServer, served: Served) -> None:
    wrong = Server.parse(served.url.replace(postgres.password, "geheim"))
    with pytest.raises(Down, match="password authentication failed") as caught:
        Shared(wrong, "here")
    assert "geheim" not in caught.value.message


# ---------------------------------------------------------------------------------------------- leases of two planes


def test_the_newest_push_wins_at_whichever_plane(planes: list[Shared]) -> None:
    here, there = map(Leases, planes)
    first = Turn(here, "push", True)
    lease = until(lambda: first.lease, 5)
    second = Turn(there, "push", True)
    until(lease.cancel.is_set, 5, "the other plane's push is heard of")
    third = Turn(here, "push", True)
    second.join(5)
    assert second.outcome == "superseded by a newer push"
    first.let_go.set()
    first.join(5)
    until(lambda: third.lease, 5)
    third.let_go.set()
    third.join(5)
    assert (first.outcome, third.outcome) == ("superseded by a newer push", "done")


def test_of_two_pushes_at_once_one_stays(planes: list[Shared]) -> None:
    sides = list(map(Leases, planes))
    for _ in range(5):
        turns = [Turn(side, "push", True) for side in sides]
        for turn in turns:
            turn.let_go.set()
        for turn in turns:
            turn.join(10)
        assert "done" in [turn.outcome for turn in turns]


def test_a_committed_holder_finishes_before_the_other_planes_push(planes: list[Shared]) -> None:
    here, there = map(Leases, planes)
    with here.hold("a", "push", urgent=True) as lease:
        here.commit(lease)
        second = Turn(there, "push", True)
        until(lambda: "a" in there.holders, 5)
        time.sleep(0.3)
        assert second.lease is None and not lease.cancel.is_set()
        with there.try_hold("a", "reconcile") as turn:
            assert turn is None
    until(lambda: second.lease, 5)
    second.let_go.set()
    second.join(5)
    assert second.outcome == "done"


def test_configuration_waits_for_the_other_plane_and_cancels_nobody(planes: list[Shared]) -> None:
    here, there = map(Leases, planes)
    with here.hold("a", "push", urgent=True) as lease:
        second = Turn(there, "config", False)
        until(lambda: "a" in there.holders, 5)
        time.sleep(0.3)
        lease.check()
    until(lambda: second.lease, 5)
    second.let_go.set()
    second.join(5)
    assert second.outcome == "done"


def test_whoever_gains_a_turn_settles_first_what_was_left_there(planes: list[Shared]) -> None:
    leases, settled = Leases(planes[0]), list[str]()

    def settle(app: str) -> None:
        settled.append(app)
        raise Conflict("cannot be taken up")

    leases.settle = settle
    with leases.hold("a", "push"), leases.try_hold("b", "reconcile") as turn:
        assert turn is not None
    assert settled == ["a", "b"]
    assert leases.holders == {} and planes[0].held == set()


def test_a_platform_that_stops_lets_those_go_that_wait_for_another_plane(planes: list[Shared]) -> None:
    here, there = map(Leases, planes)
    outcome: list[str] = []

    def wait() -> None:
        with pytest.raises(Down, match="stopping"), there.hold("a", "scale"):
            pass
        outcome.append("told")

    with here.hold("a", "push"):
        waiting = threading.Thread(target=wait)
        waiting.start()
        until(lambda: "a" in there.holders, 5)
        there.close(5)
        waiting.join(5)
    assert outcome == ["told"]
