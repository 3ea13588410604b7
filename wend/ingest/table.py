"""Plain tables: people, services, deployments, incidents, tickets and answers to surveys, as CSV from anywhere.

The columns of the first row say which it is. A fact is named by what its row says, so a file that has grown can be
sent again whole. Cells that look like formulas are text like any other.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, TypeVar

from wend.errors import Invalid
from wend.ingest import Delivery, Heard, parse, proof
from wend.ingest.telling import Outcome, Telling

T = TypeVar("T")
DELIMITERS = ",;\t|"
ALSO = {"e_mail": "email", "mail": "email", "person": "email", "finish": "finished", "end": "finished"}
YES, NO = ("yes", "y", "true", "1", "x"), ("no", "n", "false", "0", "")
OUTCOMES: dict[str, Outcome] = {
    "success": "success",
    "failure": "failure",
    "failed": "failure",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "running": "running",
}
PURPOSES: dict[str, Literal["planned", "rollback", "hotfix"]] = {
    "planned": "planned",
    "rollback": "rollback",
    "hotfix": "hotfix",
}


class Row(NamedTuple):
    """A row by its columns; `line` is where it begins, `nth` counts equal rows from 0."""

    line: int
    cells: dict[str, str]
    nth: int

    def get(self, column: str, read: Callable[[str], T]) -> T | None:
        """What is in the cell, or None when it is empty or missing. Raises Invalid, naming line and column."""
        text = self.cells.get(column, "")
        try:
            return read(text) if text else None
        except Invalid as error:
            raise Invalid(f"line {self.line}, column {column}: {error.message}", error.hint) from None

    def need(self, column: str, read: Callable[[str], T]) -> T:
        found = self.get(column, read)
        if found is None:
            raise Invalid(f"line {self.line}, column {column}: it is empty", "every row needs one")
        return found

    def one_of(self, column: str, choices: dict[str, T], otherwise: T) -> T:
        found = self.get(column, either(choices))
        return otherwise if found is None else found

    def text(self, column: str) -> str | None:
        return self.get(column, str)

    def name(self, column: str) -> str | None:
        return self.get(column, parse.name)

    def time(self, column: str) -> int | None:
        return self.get(column, parse.moment)


class Table:
    """One file a delivery, of one kind."""

    def genuine(self, delivery: Delivery, secret: str, now: float) -> None:
        proof.ours(delivery, secret, now)

    def read(self, delivery: Delivery) -> Heard:
        telling, rows = Telling(delivery), rows_of(decoded(delivery.body))
        line, header = next(rows, (1, ["nothing"]))
        columns = [column_of(cell) for cell in header]
        kind = kind_of(line, columns)
        for row in named(rows, columns):
            READERS[kind](telling, row)
        return telling.heard


# ---------------------------------------------------------------------------------------------- the file


def decoded(body: bytes) -> str:
    """The text: UTF-8 with or without a mark at its beginning, or UTF-16 with one. Raises Invalid, naming the line."""
    encoding = "utf-16" if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise Invalid(f"line {line} is not UTF-8", 'save it as "CSV UTF-8"') from None
    if "\0" in text:
        raise Invalid(f"line {text.count(chr(10), 0, text.index(chr(0))) + 1} has a zero byte: this is no text")
    return text


def rows_of(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line where it begins, cells) of every row that is not blank."""
    first = text.split("\n", 1)[0].strip()
    said = re.fullmatch(r"sep=([,;\t|])", first)  # Excel's own way to name it
    outside = re.sub(r'"[^"]*"', "", first)
    delimiter = said[1] if said else max(DELIMITERS, key=outside.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells) and not (said and begins == 1):
                yield begins, [cell.strip() for cell in cells]
            begins = reader.line_num + 1
    except csv.Error as error:
        raise Invalid(f"line {begins} is not CSV: {error}") from None


def column_of(cell: str) -> str:
    """A column's name as it is known here: "Opened at" and "opened_at" are "opened"."""
    found = re.sub(r"[\s_-]+", "_", cell.strip().lower()).strip("_")
    found = re.sub(r"_(?:at|on|date)$", "", found)
    return ALSO.get(found, found)


def kind_of(line: int, columns: list[str]) -> str:
    """The first kind whose own columns are all there. Raises Invalid for a column that it has not, or has twice."""
    kind = next((kind for kind, (own, _) in COLUMNS.items() if own <= set(columns)), None)
    if kind is None:
        kinds = "; ".join(f"{kind}: {', '.join(sorted(own))}" for kind, (own, _) in COLUMNS.items())
        raise Invalid(f"line {line}: these columns are of no table known here", f"it takes at least {kinds}")
    own, more = COLUMNS[kind]
    for number, column in enumerate(columns):
        if column in columns[:number]:
            raise Invalid(f"line {line}: the column {column[:60]!r} is there twice")
        if column not in own | more and not column.startswith("#"):
            known = ", ".join(sorted(own | more))
            raise Invalid(f"line {line}: {kind} have no column {column[:60]!r}", f"{known}; # before it skips it")
    return kind


def named(rows: Iterator[tuple[int, list[str]]], columns: list[str]) -> Iterator[Row]:
    """The rows below the first. Raises Invalid when one has more cells than there are columns."""
    seen: Counter[tuple[str, ...]] = Counter()
    for line, cells in rows:
        if any(cells[len(columns) :]):
            raise Invalid(f"line {line} has {len(cells)} cells, and there are {len(columns)} columns")
        key = tuple(cells)
        yield Row(line, {column: parse.clean(cell) for column, cell in zip(columns, cells, strict=False)}, seen[key])
        seen[key] += 1


def either(choices: dict[str, T]) -> Callable[[str], T]:
    """Reads one of these words."""

    def read(text: str) -> T:
        if text.lower() not in choices:
            raise Invalid(f"{text[:60]!r} is none of {', '.join(choices)}")
        return choices[text.lower()]

    return read


def truth(text: str) -> bool:
    return either({**dict.fromkeys(YES, True), **dict.fromkeys(NO, False)})(text)


def score_of(text: str) -> int:
    if not re.fullmatch(r"\d{1,3}", text, re.ASCII):
        raise Invalid(f"{text[:60]!r} is no whole number")
    return int(text)


def commits_of(text: str) -> list[str]:
    return [parse.commit(one) for one in re.split(r"[\s,;]+", text) if one]


def folders_of(text: str) -> list[str]:
    return [parse.folder(one) for one in re.split(r"[\s,;]+", text) if one][: parse.MOST_FOLDERS]


# ---------------------------------------------------------------------------------------------- the kinds


def person(telling: Telling, row: Row) -> None:
    chief = [one for one in (row.text("email"), row.text("login")) if one]
    if not chief:
        raise Invalid(f"line {row.line}: it names nobody", "an e-mail address or a login")
    aliases = [one for one in re.split(r"[\s,;]+", row.text("aliases") or "") if one]
    telling.person(
        [*chief, *aliases],
        team=row.name("team"),
        role=row.text("role"),
        joined_at=row.time("joined"),
        left_at=row.time("left"),
        name=row.text("name"),
    )


def service(telling: Telling, row: Row) -> None:
    telling.service(
        row.need("service", parse.name),
        team=row.name("team"),
        repo=row.get("repo", parse.repository),
        since=row.time("since"),
        until=row.time("until"),
        why=row.text("why"),
        exempt=row.get("exempt", truth) or False,
        folders=row.get("folders", folders_of),
    )


def deployment(telling: Telling, row: Row) -> None:
    environment = row.name("environment") or "production"
    commits = row.get("commits", commits_of) or []
    undoes = row.name("undoes")
    telling.deployment(
        telling.id(row.need("deployment", parse.name)),
        row.need("service", parse.name),
        environment,
        row.one_of("outcome", OUTCOMES, "success"),
        purpose=row.one_of("purpose", PURPOSES, "planned"),
        repo=row.get("repo", parse.repository),
        commit=row.get("commit", parse.commit) or (commits[-1] if commits else None),
        commits=commits,
        artifact=row.text("artifact"),
        started_at=row.time("started"),
        finished_at=row.need("finished", parse.moment),
        undoes=telling.id(undoes) if undoes else None,
        url=row.text("url"),
    )


def incident(telling: Telling, row: Row) -> None:
    began, ended = row.need("opened", parse.moment), row.time("resolved")
    telling.incident(
        telling.id(row.need("incident", parse.name)),
        "open" if ended is None else "resolved",
        began if ended is None else ended,
        service=row.name("service"),
        environment=row.name("environment"),
        opened_at=began,
        resolved_at=ended,
        cause=cause_of(telling, row),
        severity=row.text("severity"),
        title=row.text("title"),
        url=row.text("url"),
    )


def cause_of(telling: Telling, row: Row) -> dict[str, str] | None:
    """A commit, an artifact as a package URL, or a deployment of this source or, with its source before it, another."""
    text = row.name("cause")
    if not text:
        return None
    if commit := parse.sha(text):
        return {"commit": commit}
    if text.startswith("pkg:"):
        return {"artifact": text}
    return {"deployment": text if ":" in text else telling.id(text)}


def ticket(telling: Telling, row: Row) -> None:
    began, ended = row.need("opened", parse.moment), row.time("resolved")
    platform = row.get("platform", truth)
    telling.ticket(
        telling.id(row.need("ticket", parse.name)),
        "open" if ended is None else "resolved",
        began if ended is None else ended,
        opened_at=began,
        resolved_at=ended,
        reason=row.text("reason"),
        team=row.name("team"),
        platform=True if platform is None else platform,
        automatic=row.get("automatic", truth) or False,
        title=row.text("title"),
    )


def answer(telling: Telling, row: Row) -> None:
    """Equal answers are told apart by their id, or else by how many of them there were before."""
    survey, wave = row.need("survey", lambda text: parse.name(text).lower()), row.need("wave", parse.name)
    own = row.text("id")
    call = f"survey/{parse.digest([survey, wave, own] if own else [row.cells, row.nth])}"
    score = row.need("score", score_of)
    row.get("score", lambda _: telling.answer(call, survey, wave, score, row.name("team"), *rest(row)))


def rest(row: Row) -> tuple[str | None, str | None]:
    return row.text("wording"), row.text("comment")


COLUMNS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    kind: (frozenset(own.split()), frozenset(more.split()))
    for kind, own, more in (
        ("incidents", "incident opened", "resolved service environment cause severity title url"),
        ("tickets", "ticket opened", "resolved reason team platform automatic title"),
        ("surveys", "survey wave score", "id team wording comment"),
        (
            "deployments",
            "deployment service finished",
            "environment outcome purpose repo commit commits artifact started undoes url",
        ),
        ("services", "service", "team repo since until why exempt folders"),
        ("people", "email", "login aliases name team role joined left"),
        ("logins", "login", "aliases name team role joined left"),
    )
}
READERS: dict[str, Callable[[Telling, Row], None]] = {
    "people": person,
    "logins": person,
    "services": service,
    "deployments": deployment,
    "incidents": incident,
    "tickets": ticket,
    "surveys": answer,
}
