"""The portal's two rows of places: everything leads somewhere, and one is shown where one is."""

from __future__ import annotations

import pytest

from wend import auth
from wend.web import ROOMS
from wend.web.places import PLACES, beside, seen

ALL = dict.fromkeys(auth.VERBS, True)
PAGES = {address.path: address.verb for room in ROOMS for address in room.ADDRESSES if address.method == "GET"}


def test_every_place_is_a_page_and_asks_for_what_the_page_asks() -> None:
    for one in [*PLACES, *(below for place in PLACES for below in place.under)]:
        assert PAGES[one.path] == one.verb, one


@pytest.mark.parametrize(
    ("path", "main", "row"),
    [
        ("/", "Apps", []),
        ("/apps/shop/logs", "Apps", []),
        ("/rightsize", "Paths", ["Right size"]),
        ("/paths/python-web", "Paths", ["Golden paths"]),
        ("/signals/change_lead_time", "Signals", ["Signals"]),
        ("/toil", "Bets", ["Work by hand"]),
        ("/pains/3", "Pains", ["Pains"]),
        ("/friction", "Pains", ["Friction logs"]),
        ("/nowhere", None, []),
    ],
)
def test_one_sees_where_one_is(path: str, main: str | None, row: list[str]) -> None:
    assert [one.name for one in seen(ALL) if one.holds(path)] == ([main] if main else [])
    assert [one.name for one in beside(path, ALL) if one.holds(path)] == row


def test_nobody_is_led_to_what_they_may_not_see() -> None:
    may = {"app.read": True}
    assert [one.name for one in seen(may)] == ["Apps", "Paths"]
    assert beside("/paths", may) == [], "the only one there is needs no row"
    assert seen({}) == []
