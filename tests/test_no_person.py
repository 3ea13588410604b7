"""There is no delivery metric of a person: no address, command, signal or table shows what one of them did.

A half year of three teams is told; then everything that can be asked is asked, and what comes back is searched for each
of its people. Who did something *here*, by name, is the audit of the platform; docs/privacy.md lists those columns.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import sqlalchemy as sa

from tests import signal_world
from tests.web_world import COMMIT, World, live_app, world
from wend import signals
from wend.cli import wend
from wend.errors import Invalid, Refused, WendError
from wend.events import KINDS
from wend.signals import FAMILIES, Scope, Window, as_dict
from wend.signals.definitions import DEFINITIONS
from wend.signals.evidence import evidence
from wend.signals.look import bring_up_to_date
from wend.state.tables import META

PAGE = (Path(__file__).parent.parent / "docs/privacy.md").read_text(encoding="utf-8")
OF_PEOPLE = {"people", "aliases", "stints", "newcomers"}
NAMES = re.compile(r"(?i)\b(person|people|author|committer|developer|engineer|user|member|actor|owner)s?\b")
WORDS = {"person", "people", "author", "developer", "engineer", "user", "member", "by", "who"}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("people") / "home") as made:
        live_app(made)
        made.story = signal_world.seed(made.ctx.ledger)  # type: ignore[attr-defined]
        bring_up_to_date(made.ctx)
        yield made


@pytest.fixture(scope="module")
def people(there: World) -> list[str]:
    """What would give each of the people away: address and pseudonym."""
    story: signal_world.Story = there.story  # type: ignore[attr-defined]
    addresses = [f"{team}-{number}@shop.example" for team in signal_world.TEAMS for number in range(9)]
    found = [*addresses, *(story.people.of(one) for one in addresses)]
    assert len(set(found)) == 54
    return found


def named(text: str, people: list[str]) -> list[str]:
    return [one for one in people if one in text]


# ---------------------------------------------------------------------------------------------- what is kept


def test_people_are_in_their_own_tables_and_in_no_other(there: World, people: list[str]) -> None:
    found: set[str] = set()
    with there.ctx.ledger.query() as db:
        for table in META.sorted_tables:
            for row in db.execute(sa.select(table)).mappings():
                found |= {f"{table.name}.{key}" for key, value in row.items() if named(str(value), people)}
    assert found == {f"{table}.person" for table in OF_PEOPLE} | {"aliases.alias", "changes.author"}


def test_the_page_names_every_table_that_names_people() -> None:
    """By name or pseudonym: a new column for one needs its line there."""
    columns = re.compile(r".*_by|actor|owner|author|person|alias|lender")
    tables = {table.name for table in META.sorted_tables for column in table.c if columns.fullmatch(column.name)}
    known = {name.partition(".")[0] for name in re.findall(r"`([a-z_.]+)`", PAGE.split("## What is shown", 1)[0])}
    assert tables - known == set()


def test_two_commits_of_one_author_look_like_those_of_two(there: World, people: list[str]) -> None:
    told = there.ctx.ledger.read(0, ["change_recorded"], limit=10_000)
    assert len(told) > 500 > len(people)
    hashes = [event.data["author"] for event in told]
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_event_but_that_of_the_directory_holds_one(there: World, people: list[str], kind: str) -> None:
    events = there.ctx.ledger.read(0, [kind], limit=50_000)
    found = [event.seq for event in events if named(f"{event.stream} {event.actor} {json.dumps(event.data)}", people)]
    assert found == ([event.seq for event in events] if kind == "person_recorded" else [])


# ---------------------------------------------------------------------------------------------- what can be asked


@pytest.mark.parametrize("scope", ["person:ada", "author:ada", "person:", "people", "user:0123456789abcdef", "Team:x"])
def test_there_is_no_scope_of_a_person(scope: str) -> None:
    with pytest.raises(Invalid):
        Scope.parse(scope)


def test_every_signal_is_looked_at_here() -> None:
    assert set(FAMILIES) == set(DEFINITIONS)
    assert [
        one.id for one in DEFINITIONS.values() if re.search(r"\bper (person|developer|engineer)\b", one.means)
    ] == []


@pytest.mark.parametrize("id", sorted(DEFINITIONS))
def test_no_signal_shows_a_person(there: World, people: list[str], id: str) -> None:
    with there.ctx.ledger.query() as db:
        window = Window.of(52, there.story.now)  # type: ignore[attr-defined]
        for scope in (Scope(), *(Scope("team", team) for team in signal_world.TEAMS), Scope("service", "checkout")):
            found = json.dumps(as_dict(signals.measure(db, id, scope, window)))
            assert named(found, people) == []
            try:
                rows = evidence(db, id, scope, window, 1000)
            except Refused:
                continue
            assert named(json.dumps(rows), people) == []
            assert not rows or not WORDS & rows[0].keys() - {"by"}, "`by` is an incident, or a deployment"


@pytest.mark.parametrize("person", [0, 1])
def test_who_asks_for_a_team_named_like_a_person_gets_nothing(there: World, people: list[str], person: int) -> None:
    with there.ctx.ledger.query() as db:
        for id in DEFINITIONS:
            for kind in ("team", "service"):
                scope = Scope(kind, people[person * 27])
                found = signals.measure(db, id, scope, Window.of(52, there.story.now))  # type: ignore[attr-defined]
                assert not found.value.value and not found.value.n


# ---------------------------------------------------------------------------------------------- doors


def ask(there: World, path: str) -> str:
    """What comes back; of an answer that does not end, what comes within a second."""
    connection = http.client.HTTPConnection("127.0.0.1", there.port, timeout=1)
    connection.request("GET", path, headers={"Authorization": f"Bearer {there.admin}"})
    text = b""
    try:
        answer = connection.getresponse()
        assert answer.status < 500, f"{path}: {answer.status}"
        while piece := answer.read1(1 << 16):
            text += piece
    except TimeoutError:
        assert path.endswith("live"), f"{path} did not answer"
    finally:
        connection.close()
    return text.decode("utf-8", "replace")


def filled(path: str) -> list[str]:
    """The address for an app, and for every signal."""
    ids = sorted(DEFINITIONS) if "/signals/" in path else [COMMIT[:8]]
    path = path.replace("{app}", "hello").replace("{name}", "python-web").replace("{seq}", "3")
    return list(dict.fromkeys(path.replace("{id}", id) for id in ids))


def test_no_address_is_about_a_person_and_none_shows_one(there: World, people: list[str]) -> None:
    asked = 0
    for method, path in there.app.state.verbs:
        assert not NAMES.search(re.sub(r"[{}/_.-]", " ", path)), path
        for at in filled(path) if method == "GET" and not path.startswith("/git/") else []:
            text = ask(there, at)
            if at == "/api/ledger/events":  # the chain itself: every event, for who may read it
                text = "\n".join(json.dumps(one) for one in json.loads(text) if one["kind"] != "person_recorded")
            assert named(text, people) == [], at
            asked += bool(text)
    assert asked > 50


@pytest.mark.parametrize("given", ["author", "person", "actor", "user", "developer", "by"])
@pytest.mark.parametrize("path", ["/api/signals", "/api/signals/change_lead_time", "/api/signals/nps/evidence"])
def test_signals_cannot_be_narrowed_to_a_person(there: World, path: str, given: str) -> None:
    assert there.ask("GET", f"{path}?{given}=ada").status == 422
    assert there.ask("GET", f"{path}?scope={given}:ada").status == 422


def commands(group: click.Group) -> Iterator[click.Command]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command)
        elif command:
            yield command


def test_no_command_takes_a_person() -> None:
    """Commands print what the addresses above answer, so what remains is what they can be asked."""
    found = list(commands(wend))
    assert len(found) > 30
    for command in found:
        assert not WORDS & {param.name for param in command.params}, command.name


def test_what_is_behind_signals_about_people_is_refused(there: World) -> None:
    with there.ctx.ledger.query() as db:
        for id in ("nps", "csat", "ces", "time_to_first_change", "time_to_tenth_change"):
            with pytest.raises(WendError, match="groups only"):
                evidence(db, id, Scope(), Window.of(4, there.story.now))  # type: ignore[attr-defined]
