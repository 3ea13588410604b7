"""One turn per app: newer intentions win, queued ones coalesce, nobody waits for ever. A plane alone on its
home, and one that shares a database, keep the same contract."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.databases import BOTH, postgres, served
from tests.house import until
from wend.errors import Conflict, WendError
from wend.leases import Lease, Leases
from wend.ledger.postgres import Server
from wend.planes.shared import Shared

__all__ = ["postgres", "served"]  # fixtures


@pytest.fixture(params=BOTH)
def leases(request: pytest.FixtureRequest) -> Iterator[Leases]:
    if request.param == "sqlite":
        yield Leases()
        return
    plane = Shared(Server.parse(request.getfixturevalue("served").url), "127.0.0.1:7000")
    found = Leases(plane)
    yield found
    found.close(5)
    plane.close()


class Turn(threading.Thread):
    """Holds a lease until told to let go; `outcome` is what happened."""

    def __init__(self, leases: Leases, cause: str, urgent: bool) -> None:
        super().__init__(daemon=True)
        self.leases, self.cause, self.urgent = leases, cause, urgent
        self.lease: Lease | None = None
        self.let_go = threading.Event()
        self.outcome = ""
        self.start()

    def run(self) -> None:
        try:
            with self.leases.hold("a", self.cause, self.urgent) as self.lease:
                self.let_go.wait(10)
                self.lease.check()
            self.outcome = "done"
        except WendError as error:
            self.outcome = error.message


def queued(leases: Leases, count: int) -> None:
    until(lambda: len(leases.waiting.get("a", [])) == count, 5)


def test_turns_follow_one_another(leases: Leases) -> None:
    first = Turn(leases, "config", False)
    until(lambda: first.lease, 5)
    second = Turn(leases, "scale", False)
    queued(leases, 1)
    assert second.lease is None
    first.let_go.set()
    until(lambda: second.lease, 5)
    second.let_go.set()
    second.join()
    assert (first.outcome, second.outcome) == ("done", "done")


def test_the_newest_push_wins_and_those_that_wait_coalesce(leases: Leases) -> None:
    first = Turn(leases, "push", True)
    until(lambda: first.lease, 5)
    second = Turn(leases, "push", True)
    queued(leases, 1)
    assert first.lease and first.lease.cancel.is_set()
    third = Turn(leases, "push", True)
    second.join(5)
    assert second.outcome == "superseded by a newer push"
    first.let_go.set()
    first.join(5)
    assert first.outcome == "superseded by a newer push"
    until(lambda: third.lease, 5)
    third.let_go.set()
    third.join(5)
    assert third.outcome == "done"


def test_a_committed_holder_finishes(leases: Leases) -> None:
    first = Turn(leases, "push", True)
    lease = until(lambda: first.lease, 5)
    leases.commit(lease)
    second = Turn(leases, "rollback", True)
    queued(leases, 1)
    assert not lease.cancel.is_set()
    first.let_go.set()
    until(lambda: second.lease, 5)
    second.let_go.set()
    second.join(5)
    assert (first.outcome, second.outcome) == ("done", "done")


def test_a_cancelled_holder_cannot_commit(leases: Leases) -> None:
    first = Turn(leases, "push", True)
    lease = until(lambda: first.lease, 5)
    Turn(leases, "push", True)
    queued(leases, 1)
    with pytest.raises(Conflict):
        leases.commit(lease)
    first.let_go.set()


def test_configuration_waits_and_cancels_nobody(leases: Leases) -> None:
    first = Turn(leases, "push", True)
    lease = until(lambda: first.lease, 5)
    Turn(leases, "config", False).let_go.set()
    queued(leases, 1)
    assert not lease.cancel.is_set()
    first.let_go.set()


def test_try_hold_never_waits(leases: Leases) -> None:
    with leases.hold("a", "push"), leases.try_hold("a", "reconcile") as turn:
        assert turn is None
    with leases.try_hold("a", "reconcile") as turn:
        assert turn is not None
    assert leases.holders == {} and leases.waiting == {}
