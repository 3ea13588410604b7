"""What is on its way out: how far it is by its dates, whom that stops, and when nobody will use it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from wend.deprecations import burndown
from wend.errors import Invalid
from wend.outgoing import DAY, HOUR, Outgoing, check, matches, met, moment, of_row, stage, usual, usual_brownouts

NOW = 20_000 * DAY
ONE = Outgoing(1, "path:old", "path:new", NOW, NOW + 7 * DAY, NOW + 30 * DAY, NOW + 90 * DAY,
               usual_brownouts(NOW + 90 * DAY))  # fmt: skip


@pytest.mark.parametrize(
    ("days", "name"),
    [(0, "announced"), (6.9, "announced"), (7, "warned"), (29.9, "warned"), (30, "blocked"), (68.9, "blocked"),
     (69 + 10 / 24, "brown-out"), (69 + 10.09 / 24, "blocked"), (83 + 11.9 / 24, "brown-out"), (90, "retired"),
     (9999, "retired")],
)  # fmt: skip
def test_the_stage_is_a_matter_of_dates_alone(days: float, name: str) -> None:
    assert stage(ONE, NOW + round(days * DAY)) == name


@pytest.mark.parametrize(
    ("days", "had", "stops"),
    [
        (1, None, None), (8, None, False), (8, ["path:old"], False), (31, None, True), (31, [], True),
        (31, ["path:old"], False), (69 + 10 / 24, ["path:old"], True), (90, ["path:old"], True), (90, None, True),
    ],
)  # fmt: skip
def test_who_used_it_is_stopped_later_than_who_begins(days: float, had: list[str] | None, stops: bool | None) -> None:
    """None: it is not told of yet."""
    found = met([ONE], ["path:old", "hatch:build"], had, NOW + round(days * DAY))
    assert [one.stops for one in found] == ([] if stops is None else [stops])
    assert met([ONE], ["path:new"], had, NOW + round(days * DAY)) == []


@pytest.mark.parametrize(
    ("name", "use", "same"),
    [
        ("toolchain:python@3.8", "toolchain:python@3.8.10", True),
        ("toolchain:python@3.1", "toolchain:python@3.12", False),
        ("toolchain:python", "toolchain:python@3.12", True), ("toolchain:python", "toolchain:pythonista@1", False),
        ("part:pypi/flask", "part:pypi/flask@2.0", True), ("part:pypi/flask", "part:pypi/flask-login@1", False),
        ("path:web", "path:web", True), ("path:web", "path:webby", False), ("template:web@1", "template:web@10", False),
        ("setting:process.*.boot", "setting:process.*.boot", True),
    ],
)  # fmt: skip
def test_a_name_means_its_versions_and_nothing_that_begins_like_it(name: str, use: str, same: bool) -> None:
    assert matches(name, use) is same


def test_the_next_date_is_the_one_at_which_it_becomes_harder() -> None:
    (found,) = met([ONE], ["path:old"], None, NOW + 31 * DAY)
    assert found.next == ONE.brownouts[0][0]
    (found,) = met([ONE], ["path:old"], None, NOW + 99 * DAY)
    assert found.next == ONE.retired


@pytest.mark.parametrize(
    "wrong",
    [
        {"retired": NOW + 29 * DAY}, {"warned": NOW + 40 * DAY}, {"blocked": NOW + 91 * DAY},
        {"blocked": NOW + 7 * DAY},
        {"brownouts": ((NOW + 10 * DAY, NOW + 10 * DAY + HOUR),)}, {"brownouts": ((NOW + 60 * DAY, NOW + 61 * DAY),)},
        {"brownouts": ((NOW + 60 * DAY, NOW + 60 * DAY + HOUR), (NOW + 70 * DAY, NOW + 70 * DAY + 1))},
        {"brownouts": ((NOW + 60 * DAY, NOW + 59 * DAY),)},
    ],
)  # fmt: skip
def test_a_timeline_that_nobody_could_keep_to_is_refused(wrong: dict[str, int]) -> None:
    check(ONE)
    with pytest.raises(Invalid):
        check(replace(ONE, **wrong))  # type: ignore[arg-type]


def test_dates_are_midnights_of_utc_and_hostile_ones_are_refused() -> None:
    assert moment("1970-01-02", "x") == DAY
    for wrong in ("", "tomorrow", "2027-13-01", "99999-01-01", "2027-01-01T00:00", "０２０２７-０１-０１"):
        with pytest.raises(Invalid):
            moment(wrong, "retired")
    times = usual(NOW + 5)
    assert [times[key] - NOW for key in ("warned", "blocked", "retired")] == [7 * DAY, 30 * DAY, 90 * DAY]
    row = {"id": 1, "what": "a", "replacement": "b", "announced": 1, **times, "brownouts": [[1, 2]], "unused": 3}
    assert of_row(row).brownouts == ((1, 2),)


# ---------------------------------------------------------------------------------------------- the burn-down


def test_without_removals_nothing_is_foretold() -> None:
    apps = frozenset("abc")
    assert burndown.forecast([], 9).says == "no data"
    found = burndown.forecast([(0, apps), (10, apps)], 10)
    assert found.day is None and found.says == "cannot tell: nobody of 3 has moved in 10 days"
    assert burndown.forecast([(0, apps), (5, frozenset())], 5).says == "nobody uses it"


def test_who_comes_back_is_counted() -> None:
    days = [(0, frozenset("ab")), (1, frozenset("a")), (2, frozenset("ab")), (3, frozenset("abc"))]
    found = burndown.forecast(days, 3)
    assert (found.n, found.back, found.left) == (1, 1, 3), "c began with it, and did not come back"


def test_the_forecast_is_right_half_of_the_time_and_its_interval_nearly_always() -> None:
    """500 companies of 30 apps, each of which moves with the same chance a day; the forecast of day 20."""
    dice, covers, before, n = random.Random(5), 0, 0, 0
    for _ in range(500):
        moves = [int(dice.expovariate(0.05)) for _ in range(30)]
        days = [(day, frozenset(str(app) for app, at in enumerate(moves) if at >= day)) for day in range(21)]
        found = burndown.forecast(days, 20)
        truth = burndown.half(found.left, 0.05)
        if found.day is None or found.early is None or truth is None:
            continue
        n, before = n + 1, before + (max(moves) <= found.day)
        covers += found.early - 1 <= 20 + truth <= (found.late or 10**6)
    assert n > 450 and 0.4 < before / n < 0.62, (before, n)
    assert covers / n > 0.92, (covers, n)


def test_unused_since_is_the_first_day_of_the_last_stretch_without_use() -> None:
    used, none = frozenset("a"), frozenset[str]()
    assert burndown.unused_since([(1, none), (2, used), (3, none), (7, none)]) == 3
    assert burndown.unused_since([(1, used)]) is None and burndown.unused_since([]) is None
