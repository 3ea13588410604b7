"""Escape hatches: leaving the path always works. It is asked why, in one line, counted, and learnt from.

Facts: hatch_explained, deployed_elsewhere, came_back, hatches_shown, hatch_replaced, feature_missed, and a pain's own
(pain_named, evidence_linked).

When three teams need the same hatch, that is a missing feature: the radar opens the pain by itself, once. Nobody is
told off: a hatch is the platform's shortcoming until somebody shows otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from wend import feedback, pains, proposals, removal
from wend.build import golden
from wend.context import Context
from wend.errors import Conflict, Invalid, NotFound, WendError
from wend.events import Fact
from wend.proposals import Change
from wend.state import hatches as table
from wend.state import questions
from wend.voice import evidence, ngrams
from wend.voice.telemetry import hatch_id

TEAMS = 3  # distinct teams that make a missing feature
RENEWED = 2  # times that one team's hatch was put off, which makes one, too
ALIKE = 0.2  # the cosine of two reasons of one kind that count as the same
LONGEST = 500
SOON = 14  # days before its end that a hatch is spoken of
Item = dict[str, Any]


# ---------------------------------------------------------------------------------------------- pure


@dataclass(frozen=True)
class Cluster:
    """Hatches of one kind with similar reasons. `teams`: distinct ones; an app of no team counts for none."""

    kind: str
    rows: tuple[Item, ...]

    @property
    def teams(self) -> set[str]:
        return {str(row["team"]) for row in self.rows if row["team"]}

    @property
    def missing(self) -> bool:
        """Whether it is a missing feature."""
        return len(self.teams) >= TEAMS or any(row["renewed"] >= RENEWED for row in self.rows)

    @property
    def title(self) -> str:
        """The shortest reason says it best."""
        return f"missing feature: {min((row['reason'] for row in self.rows), key=len)}"[: pains.LONGEST]


def clusters(rows: Iterable[Item]) -> list[Cluster]:
    """The hatches that have a reason, by kind and by what is near to each other (single linkage)."""
    by_kind: dict[str, list[Item]] = {}
    for row in rows:
        if row["reason"]:
            by_kind.setdefault(row["kind"], []).append(row)
    return [Cluster(kind, tuple(some)) for kind, mine in sorted(by_kind.items()) for some in together(mine)]


def together(rows: Sequence[Item]) -> list[list[Item]]:
    """Those that can be reached from each other over similar reasons."""
    near = ngrams.square([row["reason"] for row in rows]) if len(rows) > 1 else [[1.0]]
    left, found = set(range(len(rows))), list[list[Item]]()
    while left:
        stack, group = [min(left)], set[int]()
        while stack:
            at = stack.pop()
            group.add(at)
            left.discard(at)
            stack += [other for other in left if near[at][other] >= ALIKE]
        found.append([rows[at] for at in sorted(group)])
    return found


def days_left(until: str | None, today: date) -> int | None:
    return None if until is None else (date.fromisoformat(until) - today).days


# ---------------------------------------------------------------------------------------------- acts


def explain(ctx: Context, app: str, kind: str, reason: str, until: str | None = None) -> Item:
    """Say why, and until when. Raises NotFound when the app has no such hatch in its live release, and Invalid."""
    words, ends = sentence(reason, "reason"), ending(until)
    with ctx.ledger.query() as db:
        mine = [row for row in table.live(db) if (row["app"], row["kind"]) == (app, kind)]
    if not mine:
        raise NotFound(f"{app} has no hatch {kind[:40]!r} in its live release", "`wend hatches` lists them")
    about = {"kind": kind, "reason": words, "until": ends}
    ctx.ledger.append([Fact("hatch_explained", f"app/{app}", about, actor=ctx.actor.name, app=app)])
    return {"app": app, **about}


def agree(ctx: Context, app: str, agrees: bool) -> Item:
    """The team of this app agrees to be named with its hatches, or does no more. Raises Conflict when it has none."""
    with ctx.ledger.query() as db:
        team = questions.app(db, app).team
    if not team:
        raise Conflict(f"{app} belongs to no team, and is shown as it is", 'add team = "…" to wend.toml')
    about = {"team": team, "agrees": agrees}
    ctx.ledger.append([Fact("hatches_shown", f"team/{team}", about, actor=ctx.actor.name, team=team)])
    return about


def elsewhere(ctx: Context, service: str, team: str, place: str, reason: str, until: str | None = None) -> Item:
    """Say that a service is deployed elsewhere: that is fine, and the platform wants to learn. Raises Invalid."""
    texts = [sentence(text, name) for text, name in ((service, "service"), (team, "team"), (place, "where"))]
    about = dict(zip(("service", "team", "place"), texts, strict=True))
    about |= {"reason": sentence(reason, "reason"), "until": ending(until)}
    ctx.ledger.append([Fact("deployed_elsewhere", f"service/{service}"[:400], about, actor=ctx.actor.name)])
    return about


def back(ctx: Context, service: str) -> None:
    """It is deployed elsewhere no more. Raises NotFound."""
    with ctx.ledger.query() as db:
        if service not in {row["app"] for row in table.elsewhere(db)}:
            raise NotFound(f"nobody said that {service[:60]!r} is deployed elsewhere", "`wend hatches` lists them")
    ctx.ledger.append([Fact("came_back", f"service/{service}"[:400], {"service": service}, actor=ctx.actor.name)])


def sentence(text: str, what: str) -> str:
    said = evidence.words(text)
    if said is None or len(said) > LONGEST:
        raise Invalid(f"{what} has 1 to {LONGEST} characters", "say it in a few words")
    return said


def ending(until: str | None) -> str | None:
    """Raises Invalid for what is no date."""
    try:
        return date.fromisoformat(until).isoformat() if until else None
    except ValueError:
        raise Invalid(f"{until!r} is no date", "write it like 2027-03-01") from None


def replaced(ctx: Context, kind: str, by: str, say: Callable[[str], None]) -> list[Item]:
    """The path can do now what this kind of hatch was for: propose its removal to every app that declares one, each
    proven in a preview. What cannot be proposed is told, and the others go on."""
    why = sentence(by, "by")
    with ctx.ledger.query() as db:
        apps = [row["app"] for row in table.live(db) if row["kind"] == kind and row["kind"] != "elsewhere"]
    found: list[Item] = []
    for app in apps:
        try:
            said = proposals.propose(ctx, app, removing(kind, why, path_starts(ctx, app)), say)
            found.append({"app": app, "state": said["state"], "branch": said["branch"], "preview": said["preview"]})
        except WendError as error:
            say(f"{app}: {error.message}")
            found.append({"app": app, "state": "not proposed", "why": error.message})
    about = {"kind": kind, "by": why, "apps": apps}
    ctx.ledger.append([Fact("hatch_replaced", "hatches", about, actor=ctx.actor.name)])
    return found


def removing(kind: str, why: str, starts: set[str]) -> Change:
    return Change(
        f"hatch:{kind}",
        f"wend/without-hatch-{kind}",
        lambda folder: removal.without(folder, kind, starts),
        lambda report: f"Do without the hatch {kind}\n\n{why}\n",
    )


def path_starts(ctx: Context, app: str) -> set[str]:
    """The process types that the path of the app's live release has a command for."""
    with ctx.ledger.query() as db:
        live = questions.app(db, app).live
        path = "" if live is None else questions.release(db, app, live).path
    return {rule["name"] for rule in golden.get(path, ctx.config.home / "paths").processes} if path else set()


def tend(ctx: Context) -> int:
    """Open the pain of every missing feature that has none, and put what came since to those that have; how many were
    opened. The evidence is that of the telemetry; what a person linked elsewhere stays there."""
    with ctx.ledger.query() as db:
        known = table.missed(db)
        found = [one for one in clusters(table.live(db)) if one.missing]
    return sum(open_pain(ctx, one, known) for one in found)


def open_pain(ctx: Context, one: Cluster, known: dict[tuple[str, str], int]) -> int:
    ids = [hatch_id(row) for row in one.rows]
    told = [known[one.kind, id] for id in ids if (one.kind, id) in known]
    fresh = [id for id in ids if (one.kind, id) not in known]
    if not fresh:
        return 0
    pain = min(told) if told else named(ctx, one)
    for row, id in zip(one.rows, ids, strict=True):
        if id in fresh:
            said = f"left the golden path for its own {row['kind']}: {row['reason']}"[:2000]
            about = {"app": row["app"], "hatch": row["kind"]}
            evidence.record(ctx, "hatch", said, None, row["team"], None, about, row["since"], id)
            link(ctx, id, pain)
    about = {"kind": one.kind, "pain": pain, "evidence": fresh}
    ctx.ledger.append([Fact("feature_missed", f"pain/{pain}", about, actor=ctx.actor.name)])
    return 0 if told else 1


def named(ctx: Context, one: Cluster) -> int:
    """The pain's number: a new one, or the open one that somebody gave this name."""
    try:
        return pains.name(ctx, one.title)
    except Conflict:
        listed = pains.listed(ctx)["pains"]
        return next(each["id"] for each in listed if each["title"].lower() == one.title.lower())


def link(ctx: Context, id: str, pain: int) -> None:
    """Unless a person has said what it is about, or the pain was closed meanwhile."""
    with ctx.ledger.query() as db:
        if evidence.found(db, id)["pain"] is not None or evidence.state_of(db, pain) != "open":
            return
    evidence.link(ctx, id, pain)


# ---------------------------------------------------------------------------------------------- looks


def listed(ctx: Context, now: float | None = None) -> Item:
    """`hatches`, one by one, of teams that agreed to be named, of whoever asks, and of nobody: app, team, kind, reason,
    until, since, renewed; `left`: days to its end, less than 0 when that is over. `others`: counts by kind of the
    rest."""
    today = datetime.fromtimestamp(time.time() if now is None else now, UTC).date()
    with ctx.ledger.query() as db:
        mine = feedback.person(ctx, db).team if ctx.actor.kind == "human" else None
        rows, named = table.live(db), table.agreed(db) | {None, mine}
    rest = [row for row in rows if row["team"] not in named]
    kinds = sorted({row["kind"] for row in rest})
    counts = [{"kind": kind, "hatches": sum(row["kind"] == kind for row in rest),
               "teams": len({row["team"] for row in rest if row["kind"] == kind})} for kind in kinds]  # fmt: skip
    shown = [row | {"left": days_left(row["until"], today)} for row in rows if row["team"] in named]
    return {"hatches": shown, "others": counts}


def radar(ctx: Context) -> list[Item]:
    """What teams leave the path for, as counts: kind, the reasons, apps, teams, whether it is a missing feature, and
    the pain that it opened."""
    with ctx.ledger.query() as db:
        known, found = table.missed(db), clusters(table.live(db))
    told: list[Item] = []
    for one in found:
        pain = next((known[key] for row in one.rows if (key := (one.kind, hatch_id(row))) in known), None)
        reasons = sorted({row["reason"] for row in one.rows})
        told.append({"kind": one.kind, "reasons": reasons, "apps": len(one.rows), "teams": len(one.teams),
                     "missing": one.missing, "pain": pain})  # fmt: skip
    return sorted(told, key=lambda each: (-each["teams"], -each["apps"], each["kind"]))
