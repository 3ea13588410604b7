"""Defaults are opinions: each has a reason, and says when so many disagree that it is a wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web_world import World, live_app, world
from wend import defaults
from wend.declared import declared
from wend.state.questions import Release


@pytest.fixture
def there(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "home") as made:
        yield made


@pytest.mark.parametrize(
    ("other", "n", "holds"), [(0, 0, None), (1, 3, None), (0, 40, False), (20, 40, True), (10, 40, None)]
)
def test_a_default_is_thought_over_when_surely_more_than_a_fifth_disagree(
    other: int, n: int, holds: bool | None
) -> None:
    found = defaults.standing(other, n)
    assert found["holds"] is holds and (found["n"] == n)


def release(processes: dict[str, Any], **tables: Any) -> Release:
    about: dict[str, Any] = dict.fromkeys(Release.__dataclass_fields__)
    return Release(**(about | {"processes": processes, "declared": declared(tables)}))


@pytest.mark.parametrize(
    ("process", "tables", "names"),
    [
        ({}, {}, []), ({"memory": 512 * 2**20, "replicas": 1, "boot": 60.0, "grace": 10.0}, {}, []),
        ({"memory": 2**30}, {}, ["process.*.memory"]), ({"replicas": 2}, {}, ["process.*.replicas"]),
        ({"scaling": {"min": 0, "max": 1}}, {}, ["process.*.replicas"]),
        ({"health": "/up"}, {}, ["process.web.health"]),
        ({"boot": 5.0}, {}, ["process.*.boot"]), ({}, {"canary": {"steps": "off"}}, ["canary.steps"]),
        ({}, {"canary": {"watch": 0}}, ["canary.watch"]), ({}, {"preview": {"hours": 1}}, ["preview.hours"]),
    ],
)  # fmt: skip
def test_what_a_release_says_otherwise_is_seen(
    process: dict[str, Any], tables: dict[str, Any], names: list[str]
) -> None:
    one = release({"web": process}, **tables)
    assert [each.name for each in defaults.DEFAULTS if each.other(one)] == names


def test_they_are_told_with_their_reasons(there: World) -> None:
    assert all(one["reconsidered"]["says"] == "no data" for one in there.ask("GET", "/api/defaults").json)
    live_app(there)
    said = there.ask("GET", "/api/defaults").json
    assert all(one["because"] and one["reconsidered"]["n"] == 1 for one in said)
    assert "a leak is caught early" in there.page("/paths").text
    assert there.ask("GET", "/api/defaults", token=there.token("app.*")).status == 403
