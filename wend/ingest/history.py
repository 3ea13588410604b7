"""Histories of repositories that a client read with git (`wend ingest git`): commits, deployments, and what is gone.

Facts: history_rewritten, change_recorded, bet_linked, history_read, service_recorded, deployment_recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from wend.context import Context
from wend.errors import Invalid
from wend.events import Fact
from wend.ingest import Delivery, Heard, parse, take, trailers
from wend.ingest.people import pseudonyms
from wend.ingest.telling import Telling, bounded
from wend.state import ingest as table

MOST = 5_000  # rows of each kind in one call
SOURCE = "git"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """A commit. `at`: Unix microseconds. `author`: an e-mail address, which goes no further than its pseudonym."""

    commit: str
    at: int
    parents: tuple[str, ...]
    purpose: parse.Purpose
    reverts: str | None
    author: str | None
    bets: tuple[int, ...] = ()
    folders: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Deployment:
    """A deployment that somebody concluded from a tag or a commit. `name`: the tag's, or what kind of commit it is."""

    name: str
    commit: str
    at: int
    hotfix: bool


@dataclass(frozen=True)
class Told:
    """What a client says of one repository."""

    repo: str
    service: str
    team: str | None
    gone: tuple[str, ...]
    changes: tuple[Change, ...]
    deployments: tuple[Deployment, ...]
    folders: tuple[str, ...] = ()


# ---------------------------------------------------------------------------------------------- pure


def told(
    repo: str,
    service: str | None,
    team: str | None,
    gone: Sequence[str],
    changes: Sequence[Row],
    deployments: Sequence[Row],
    folders: Sequence[str] = (),
) -> Told:
    """The body of the call. Raises Invalid naming what is wrong."""
    for what, rows in (("gone", gone), ("changes", changes), ("deployments", deployments)):
        if len(rows) > MOST:
            raise Invalid(f"{what} has {len(rows)} rows; at most {MOST} are taken at once", "send fewer at a time")
    repo = parse.name(repo)
    return Told(
        repo,
        parse.name(service or repo.rpartition("/")[2]),
        parse.name(team) if team else None,
        tuple(dict.fromkeys(parse.commit(one) for one in gone)),
        tuple(change(row) for row in changes),
        tuple(deployment(row) for row in deployments),
        folders_of(list(folders)) or (),
    )


def change(row: Row) -> Change:
    known(row, ("commit", "committed_at", "parents", "purpose", "reverts", "author", "bets", "folders"))
    purpose = row.get("purpose", "planned")
    if purpose not in ("planned", "revert", "hotfix"):
        raise Invalid(f"purpose = {str(purpose)[:40]!r} is none", "planned, revert or hotfix")
    parents, author = row.get("parents", []), row.get("author")
    if not isinstance(parents, list) or not (author is None or isinstance(author, str)):
        raise Invalid("parents is a list of commits, and author a text or null", "see docs/api.md")
    above = tuple(parse.commit(one) for one in cast(list[object], parents))
    reverts = None if row.get("reverts") is None else parse.commit(row["reverts"])
    at, bets = parse.moment(row["committed_at"]), numbers(row.get("bets", []))
    folders = folders_of(row.get("folders"))
    return Change(parse.commit(row["commit"]), at, above, purpose, reverts, author and author[:254], bets, folders)


def folders_of(given: object) -> tuple[str, ...] | None:
    """Folders from the top of the repository; None where none are told. Raises Invalid."""
    each = cast(list[object], given) if isinstance(given, list) else []
    if (given is not None and not isinstance(given, list)) or not all(isinstance(one, str) for one in each):
        raise Invalid("folders is a list of texts", "see docs/api.md")
    if len(each) > parse.MOST_FOLDERS:
        raise Invalid(
            f"{len(each)} folders; at most {parse.MOST_FOLDERS} are kept", "leave them out: then it is not known"
        )
    return tuple(dict.fromkeys(parse.folder(str(one)) for one in each)) or None


def numbers(given: object) -> tuple[int, ...]:
    """The bets that a commit names. Raises Invalid."""
    each = cast(list[object], given) if isinstance(given, list) else [None]
    found = [one for one in each if isinstance(one, int) and not isinstance(one, bool) and 0 < one < 10**9]
    if len(found) != len(each) or len(found) > trailers.MOST:
        raise Invalid("bets is a list of at most ten numbers of bets", "see docs/api.md")
    return tuple(found)


def deployment(row: Row) -> Deployment:
    known(row, ("name", "commit", "at", "hotfix"))
    name, hotfix = row["name"], row.get("hotfix", False)
    if not isinstance(name, str) or not isinstance(hotfix, bool):
        raise Invalid("name is a text, and hotfix true or false", "see docs/api.md")
    return Deployment(parse.name(name), parse.commit(row["commit"]), parse.moment(row["at"]), hotfix)


def known(row: Row, keys: Collection[str]) -> None:
    """Raises Invalid when a key is there that nobody reads, or one is missing that must be there."""
    odd = [key for key in row if key not in keys]
    if odd:
        raise Invalid(f"unknown key {odd[0][:60]!r}", f"known: {', '.join(keys)}")
    missing = [key for key in keys if key in ("commit", "committed_at", "name", "at") and key not in row]
    if missing:
        raise Invalid(f"{missing[0]!r} is missing", "see docs/api.md")


def heard(told: Told, delivery: Delivery, seen: Mapping[str, tuple[bool, int]]) -> Heard:
    """The facts: what is gone first, then what is there. `seen`: commit → (is it gone, how often it went). A commit
    that was gone and came back is told of anew, under another id."""
    telling = Telling(delivery)

    def again(commit: str) -> str:
        times = seen.get(commit, (False, 0))[1] + (commit in lost)
        return f"#{times}" if times else ""

    lost = {one for one in told.gone if seen.get(one, (True, 0))[0] is False}
    here, at = f"{told.repo}@", [one.commit for one in told.changes]
    if lost:
        tell(telling, "history_rewritten", told.repo, {"gone": sorted(lost)}, again)
    for one in told.changes:
        merge, bot = len(one.parents) > 1, telling.bot(one.author)
        about = (one.parents, one.author, merge, one.purpose, one.reverts, bot, one.folders)
        telling.change(told.repo, one.commit, one.at, *about)
        named(telling, here + one.commit + again(one.commit))
        telling.heard.facts += trailers.linked(one.bets, one.commit, one.at, SOURCE)
    if at:
        tell(telling, "history_read", told.repo, {"commits": at}, again)
    if told.team or told.folders:
        telling.service(told.service, told.team, told.repo, folders=told.folders or None)
        named(telling, ":".join((told.repo, "service", told.service, told.team or "", *told.folders)))
    for one in told.deployments:
        deploy(telling, told, one, again(one.commit))
    return telling.heard


def deploy(telling: Telling, told: Told, one: Deployment, again: str) -> None:
    of = "" if told.service == told.repo.rpartition("/")[2] else f"{told.service}:"  # one repository, several services
    id = telling.id(told.repo, f"{of}{one.name}@{one.commit}")
    purpose = "hotfix" if one.hotfix else "planned"
    to = (told.service, "production", "success", "production", purpose, told.repo, one.commit)
    telling.deployment(id, *to, finished_at=one.at)
    named(telling, f"{told.repo}:{told.service}:{one.name}@{one.commit}{again}")


def tell(telling: Telling, kind: str, repo: str, data: dict[str, Any], again: Callable[[str], str]) -> None:
    """A fact about the whole history; the same commits make the same id, unless one has come back since."""
    commits = [one + again(one) for one in next(iter(data.values()))]
    telling.heard.facts.append(Fact(kind, f"repo/{repo}", {"repo": repo, **data}, actor=SOURCE))
    named(telling, f"{repo}:{kind}:{parse.digest(commits)}")


def named(telling: Telling, id: str) -> None:
    """Give the last fact its id."""
    telling.heard.facts[-1] = replace(telling.heard.facts[-1], id=bounded(f"{SOURCE}:{id}"))


# ---------------------------------------------------------------------------------------------- acts


def record(ctx: Context, told: Told) -> dict[str, int]:
    """Record what a client read, in one append: how many `facts`, how many of them `new`. Saying it again changes
    nothing."""
    now = time.time_ns() // 1000
    delivery = Delivery(SOURCE, {}, b"", now, pseudonyms(ctx.config.home), take.bots_of(ctx.config.bots))
    commits = {*told.gone, *(one.commit for one in (*told.changes, *told.deployments))}
    with ctx.ledger.query() as db:
        seen = table.seen(db, told.repo, sorted(commits))
    said = heard(told, delivery, seen)
    made = ctx.ledger.append(said.facts, texts=said.texts)
    return {"facts": len(said.facts), "new": len(made)}


def read(ctx: Context, repo: str, after: str, limit: int) -> list[tuple[str, list[str]]]:
    """The commits of the repository that are known here, each with its parents; by commit, those after `after`."""
    with ctx.ledger.query() as db:
        return table.history(db, parse.name(repo), after, limit)
