"""What was changed, deployed and broken, here and elsewhere: the rows as they were told. What follows from them (which
deployment carried a change, which one failed) is worked out in `derived/`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend.events import Event
from wend.state.catalogue import add_services
from wend.state.dirty import mark
from wend.state.tables import add_once, flag, merge_rows, number, some_of, table, text

DAY = 86_400_000_000  # microseconds

CHANGES = table(
    "changes",
    text("commit", key=True),
    text("repo"),
    number("committed_at"),
    number("day"),
    text("purpose"),
    text("reverts", null=True),
    flag("merge"),
    flag("bot"),
    text("author", null=True),
    text("author_text", null=True),
    number("seq"),
    flag("fresh"),
    some_of("changes_fresh", "fresh = 1", "committed_at"),
    sa.Index("changes_day", "day"),
    sa.Index("changes_repo", "repo", "day"),
    sa.Index("changes_author", "author"),
    sa.Index("changes_reverts", "reverts"),
)
REVIEWS = table(
    "reviews",
    text("id", key=True),
    text("repo"),
    text("commit", null=True),
    text("head", null=True),
    number("own", null=True),
    number("opened_at", null=True),
    number("reviewed_at", null=True),
    number("merged_at", null=True),
    sa.Index("reviews_commit", "commit"),
)
COUNTED = "tier = 'production' AND outcome = 'success' AND finished_at IS NOT NULL"
COUNTS = " AND ".join(f"d.{term}" for term in COUNTED.split(" AND "))  # of a row called d
TOOK = "(finished_at - started_at)"
PARENTS = table("parents", text("commit", key=True), text("parent", key=True))
TOUCHED = table("touched", text("commit", key=True), text("folder", key=True))  # none: nobody told which
DEPLOYMENTS = table(
    "deployments",
    text("id", key=True),
    text("source"),
    text("service"),
    text("team", null=True),
    text("repo", null=True),
    text("environment"),
    text("tier"),
    text("outcome"),
    text("purpose"),
    text("commit", null=True),
    text("artifact", null=True),
    number("started_at", null=True),
    number("finished_at", null=True),
    number("day", null=True),
    text("undoes", null=True),
    text("cause", null=True),
    number("push_only", null=True),
    text("url", null=True),
    number("fault_at", null=True),
    number("seq"),
    number("failed"),
    number("detected_at", null=True),
    number("restored_at", null=True),
    flag("rework"),
    flag("fresh"),
    some_of("deployments_fault", "fault_at IS NOT NULL", "service"),
    some_of("deployments_fresh", "fresh = 1", "finished_at"),
    sa.Index("deployments_service", "service", "finished_at", "id"),
    sa.Index("deployments_day", "day"),
    sa.Index("deployments_team", "team", "day"),
    some_of("deployments_failed", "failed > 0", "day", "failed", "finished_at", "detected_at", "restored_at"),
    some_of(
        "deployments_failed_team", "failed > 0", "team", "day", "failed", "finished_at", "detected_at", "restored_at"
    ),
    some_of("deployments_ended", COUNTED, "finished_at", "failed"),
    some_of("deployments_ended_team", COUNTED, "team", "finished_at", "failed"),
    some_of("deployments_took", COUNTED, sa.text(TOOK), "day"),
    some_of("deployments_took_team", COUNTED, "team", sa.text(TOOK), "day"),
    sa.Index("deployments_purpose", "purpose", "service"),
)
DEPLOYED = table("deployed", text("deployment", key=True), text("commit", key=True))
INCIDENTS = table(
    "incidents",
    text("id", key=True),
    text("service", null=True),
    number("opened_at", null=True),
    number("resolved_at", null=True),
    number("reopened_at", null=True),
    number("retracted_at", null=True),
    number("said_at", null=True),
    flag("retracted"),
    text("environment", null=True),
    text("severity", null=True),
    text("cause_kind", null=True),
    text("cause", null=True),
    text("attributed", null=True),
    text("title", null=True),
    text("url", null=True),
    number("service_at", null=True),  # the state in which it was said to be of the service, and to have the cause
    number("cause_at", null=True),
    number("seq"),
    sa.Index("incidents_service", "service", "opened_at"),
    sa.Index("incidents_cause", "cause"),
    sa.Index("incidents_attributed", "attributed"),
)
TEXTS = sa.table("texts", sa.column("hash"), sa.column("body"))
STAMPS = ("opened_at", "resolved_at", "reopened_at", "retracted_at", "said_at")
AT_ONCE = 500  # keys in one question
OUTCOMES = ("running", "cancelled", "failure", "success")  # of two parts the later one here holds
PURPOSES = ("planned", "hotfix", "rollback")
DERIVED: dict[str, Any] = {"team": None, "failed": 0, "rework": 0, "detected_at": None, "restored_at": None}
UNSAID = {**DERIVED, **dict.fromkeys(("cause", "push_only", "fault_at", "day"))}


# ---------------------------------------------------------------------------------------------- changes


def change_recorded(db: Connection, events: Sequence[Event]) -> None:
    """Commits are the same wherever they are heard of; what one source knows, another may not."""
    authors = side_texts(db, [event.data["author"] for event in events if event.data.get("author")])
    rows = [change_row(event, authors) for event in events]
    known = ("author", "author_text", "reverts")
    merge_rows(db, CHANGES, rows, highest=("merge", "bot"), known=known, replace=("fresh",))
    pairs = [
        (row["commit"], parent) for row, event in zip(rows, events, strict=True) for parent in event.data["parents"]
    ]
    add_once(db, PARENTS, [{"commit": commit, "parent": parent} for commit, parent in pairs])
    touched = [(event.data["commit"], one) for event in events for one in event.data.get("folders") or ()]
    add_once(db, TOUCHED, [{"commit": commit, "folder": folder} for commit, folder in dict.fromkeys(touched)])


def change_row(event: Event, authors: dict[str, str]) -> dict[str, Any]:
    data = event.data
    row = {key: data[key] for key in ("commit", "repo", "committed_at", "purpose")}
    row |= {"reverts": data.get("reverts"), "merge": int(data["merge"]), "bot": int(data["bot"])}
    hash = data.get("author")
    row |= {"author": authors.get(hash or ""), "author_text": hash[:16] if hash else None}
    return row | {"day": row["committed_at"] // DAY, "seq": event.seq, "fresh": 1}


def side_texts(db: Connection, hashes: Sequence[str]) -> dict[str, str]:
    """Hash of a side text → what it says ("salt words"), as far as it was not erased."""
    found: dict[str, str] = {}
    for start in range(0, len(hashes), AT_ONCE):
        query = sa.select(TEXTS.c.hash, TEXTS.c.body).where(TEXTS.c.hash.in_(hashes[start : start + AT_ONCE]))
        found |= {row.hash: bytes(row.body).decode().partition(" ")[2] for row in db.execute(query)}
    return found


def text_erased(db: Connection, event: Event) -> None:
    """The pseudonym goes with its text."""
    here = CHANGES.c.author_text == event.data["hash"][:16]
    db.execute(sa.update(CHANGES).where(here).values(author=None))


def review_recorded(db: Connection, event: Event) -> None:
    """The moments of a request come one by one, in any order: the first review is the first."""
    data, here = event.data, REVIEWS.c.id == event.data["review"]
    before = db.execute(sa.select(REVIEWS).where(here)).mappings().first()
    row: dict[str, Any] = {"id": data["review"], **{one.name: data[one.name] for one in REVIEWS.c if one.name in data}}
    if before:
        row = {key: before[key] if before[key] is not None else value for key, value in row.items()}
        row["reviewed_at"] = least(before["reviewed_at"], data["reviewed_at"])
        db.execute(sa.delete(REVIEWS).where(here))
    db.execute(sa.insert(REVIEWS), row)


# ---------------------------------------------------------------------------------------------- deployments


def deployment_recorded(db: Connection, events: Sequence[Event]) -> None:
    """Parts of one deployment become one row: it succeeded if any part did, and ended with the last."""
    put_deployments(db, [deployment_row(event) for event in events])
    pairs = [(event.data["deployment"], commit) for event in events for commit in event.data.get("commits", ())]
    add_once(
        db, DEPLOYED, [{"deployment": deployment, "commit": commit} for deployment, commit in dict.fromkeys(pairs)]
    )


def deployment_row(event: Event) -> dict[str, Any]:
    data = event.data
    keys = ("source", "service", "repo", "environment", "tier", "outcome", "purpose", "commit", "artifact")
    row = {key: data.get(key) for key in (*keys, "started_at", "finished_at", "undoes", "url")}
    return row | {"id": data["deployment"], "seq": event.seq}


def put_deployments(db: Connection, parts: Sequence[dict[str, Any]]) -> None:
    """Add deployments, or what further parts say of them."""
    known = with_ids(db, {part["id"] for part in parts})
    merged = dict(known)
    for part in parts:
        id, row = str(part["id"]), {**UNSAID, **part}
        row = joined(merged[id], row) if id in merged else row
        merged[id] = row | {"day": None if row["finished_at"] is None else row["finished_at"] // DAY, "fresh": 1}
    fresh = [row for id, row in merged.items() if id not in known]
    if fresh:
        db.execute(sa.insert(DEPLOYMENTS), fresh)
        services = {row["service"]: row for row in fresh}
        add_services(db, [{"service": name, "repo": row["repo"]} for name, row in services.items()])
    for id in known:
        db.execute(sa.update(DEPLOYMENTS).where(DEPLOYMENTS.c.id == id).values(**merged[id]))
    mark(db, "day", (str(row["day"]) for row in known.values() if row["day"] is not None))


def with_ids(db: Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The deployments of these ids, as far as there are any."""
    wanted, found = sorted(ids), dict[str, dict[str, Any]]()
    for start in range(0, len(wanted), AT_ONCE):
        query = sa.select(DEPLOYMENTS).where(DEPLOYMENTS.c.id.in_(wanted[start : start + AT_ONCE]))
        found |= {row["id"]: dict(row) for row in db.execute(query).mappings()}
    return found


def joined(known: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Two parts of one deployment as one. A success with a part that failed reached people all the same."""
    row = {**known, **{key: value for key, value in part.items() if value is not None and key not in DERIVED}}
    row["outcome"] = max(known["outcome"], part["outcome"], key=OUTCOMES.index)
    row["purpose"] = max(known["purpose"], part["purpose"], key=PURPOSES.index)
    row["started_at"] = least(known["started_at"], part["started_at"])
    ends = [one["finished_at"] for one in (known, part) if one["outcome"] == row["outcome"]]
    row["finished_at"] = max((end for end in ends if end is not None), default=None)
    for key in ("commit", "repo", "service", "environment"):
        row[key] = known[key] or part.get(key)
    row["tier"] = "production" if "production" in (known["tier"], part["tier"]) else known["tier"]
    return row


def least(one: int | None, other: int | None) -> int | None:
    return min((time for time in (one, other) if time is not None), default=None)


# ---------------------------------------------------------------------------------------------- incidents


def incident_recorded(db: Connection, event: Event) -> None:
    """One row an incident, however often it is told of, and in whatever order: of what is said of its service and its
    cause, that of its latest state holds."""
    data, here = event.data, INCIDENTS.c.id == event.data["incident"]
    known = db.execute(sa.select(INCIDENTS).where(here)).mappings().first()
    blank = {"id": data["incident"], **dict.fromkeys(("attributed", "service", "cause", "cause_kind")), "retracted": 0}
    row: dict[str, Any] = dict(known) if known else blank
    before: str | None = row["service"]
    row |= stamps(row, data)
    for key in ("environment", "severity", "title", "url"):
        row[key] = row.get(key) if data.get(key) is None else data[key]
    if data.get("service") is not None and newer(data["at"], row.get("service_at")):
        row |= {"service": data["service"], "service_at": data["at"]}
    causes: dict[str, str] = data.get("cause") or {}
    for kind, cause in causes.items():
        if newer(data["at"], row.get("cause_at")):
            row |= {"cause_kind": kind, "cause": cause, "cause_at": data["at"]}
    db.execute(sa.delete(INCIDENTS).where(here))
    db.execute(sa.insert(INCIDENTS), {**row, "seq": event.seq})
    mark(db, "incident", [row["id"]])
    mark(db, "service", {one for one in (row["service"], before) if one})


def newer(at: int, than: int | None) -> bool:
    return than is None or at >= than


def stamps(row: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """When it began, was resolved and was opened again: the first beginning, the last of the others. It is retracted
    unless something was said of it that is true since later than that."""
    found = {key: row.get(key) for key in STAMPS}
    begun, ended = data.get("opened_at"), data.get("resolved_at")
    begun = data["at"] if begun is None and data["state"] == "open" else begun
    ended = data["at"] if ended is None and data["state"] == "resolved" else ended
    found["opened_at"] = least(found["opened_at"], begun)
    for key, time in (("resolved_at", ended), ("reopened_at", data["at"] if data["state"] == "reopened" else None)):
        found[key] = max((one for one in (found[key], time) if one is not None), default=None)
    said = "retracted_at" if data["state"] == "retracted" else "said_at"
    found[said] = max(data["at"], found[said] or 0)
    return found | {"retracted": int((found["retracted_at"] or -1) >= (found["said_at"] or 0))}


def incident_attributed(db: Connection, event: Event) -> None:
    here = INCIDENTS.c.id == event.data["incident"]
    db.execute(sa.update(INCIDENTS).where(here).values(attributed=event.data["deployment"] or ""))
    service = db.execute(sa.select(INCIDENTS.c.service).where(here)).scalar()
    mark(db, "incident", [event.data["incident"]])
    mark(db, "service", [service] if service else [])


MASSES = {"change_recorded": change_recorded, "deployment_recorded": deployment_recorded}
REDUCERS = (review_recorded, incident_recorded, incident_attributed, text_erased)
