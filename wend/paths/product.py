"""A golden path as a product: who is on it, how they fare, what they leave it for, and whether to think it over.

No facts of its own: it reads what pushes, deploys, hatches, waivers and surveys left. Numbers are of apps, and never of
one person.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from wend import rates
from wend.build.golden import GoldenPath
from wend.context import Context
from wend.ingest.people import pseudonyms
from wend.outgoing import Outgoing, stage
from wend.patches import REFUSED
from wend.paths import all, get, reconsider
from wend.state import deprecations, hatches, questions
from wend.state import paths as table
from wend.state.delivery import DAY
from wend.state.guardrails import WAIVERS
from wend.state.questions import App, Release
from wend.state.tables import APPS, DEPLOYS, RELEASES
from wend.stats import Interval, ranks, wilson
from wend.surveys.counts import ease

WINDOW = 90  # days that walls are counted over
FEW = 6  # first deploys below which their median has no interval with both ends
Item = dict[str, Any]


# ---------------------------------------------------------------------------------------------- pure


def median(values: Sequence[float]) -> Item:
    """The median with its interval from order statistics; without one while there are too few."""
    n, found = len(values), sorted(values)
    if not n:
        return {"value": None, "low": None, "high": None, "n": 0, "says": "no data"}
    low, high = ranks(n, 0.5)
    if low < 1 or high > n:
        return {"value": None, "low": None, "high": None, "n": n, "says": f"cannot tell, needs about {FEW - n} more"}
    middle = (found[(n - 1) // 2] + found[n // 2]) / 2
    return {"value": middle, "low": found[low - 1], "high": found[high - 1], "n": n, "says": ""}


def shown(found: Interval | None) -> Item:
    return {"value": None, "low": None, "high": None, "n": 0} if found is None else asdict(found)


def lifecycle(path: GoldenPath, going: Iterable[Outgoing], now: int) -> Item:
    """Its state and what takes its place: what its file says, unless it is on its way out."""
    one = next((each for each in going if each.what == f"path:{path.name}"), None)
    if one is None:
        return {"state": path.state, "replacement": path.replacement}
    state = "retired" if stage(one, now) == "retired" else "deprecated"
    return {"state": state, "replacement": one.replacement.removeprefix("path:")}


def cage(refused: int, denied: int, left: int, pushes: int) -> Item:
    """The cage index: walls that somebody met, per 100 pushes, with the exact interval of a Poisson count. A wall is a
    push that the path refused by a rule of its own, or whose hatch was refused, a waiver that was denied, or an app
    that left."""
    walls = refused + denied + left
    index = shown(rates.rate(walls, pushes / 100) if pushes else None) | {"n": pushes}
    return {"refused": refused, "denied": denied, "left": left, "pushes": pushes, "index": index}


# ---------------------------------------------------------------------------------------------- asked of the tables


def first_deploys(db: Connection, names: Iterable[str]) -> list[float]:
    """Seconds from each app's creation until it was live first, of those that were."""
    some = list(names)
    live = sa.func.min(RELEASES.c.live_at)
    query = sa.select(APPS.c.created_at, live).join(RELEASES, RELEASES.c.app == APPS.c.name)
    query = query.where(APPS.c.name.in_(some), RELEASES.c.live_at.is_not(None)).group_by(APPS.c.name, APPS.c.created_at)
    return [max(0.0, (at - made) / 1e6) for made, at in db.execute(query)]


def walls(db: Connection, path: GoldenPath, names: Sequence[str], now: int) -> Item:
    since = now - WINDOW * DAY
    mine = DEPLOYS.c.app.in_(names) & (DEPLOYS.c.started_at > since) & (DEPLOYS.c.cause == "push")
    pushes = db.execute(sa.select(sa.func.count()).select_from(DEPLOYS).where(mine)).scalar() or 0
    said = [rule["message"] for rule in path.refusals]
    no = DEPLOYS.c.message.in_(said) | (DEPLOYS.c.app.in_(names) & DEPLOYS.c.message.like(REFUSED))
    recent = DEPLOYS.c.started_at > since
    refused = db.execute(sa.select(sa.func.count()).select_from(DEPLOYS).where(no & recent)).scalar() or 0
    here = WAIVERS.c.app.in_(names) & (WAIVERS.c.state == "denied") & (WAIVERS.c.asked_at > since)
    denied = db.execute(sa.select(sa.func.count()).select_from(WAIVERS).where(here)).scalar() or 0
    gone = table.left(db, path.name, since)
    return cage(refused, denied, len(gone), pushes) | {"why": [one["why"] for one in gone]}


# ---------------------------------------------------------------------------------------------- looks


def products(ctx: Context, now: float | None = None) -> list[Item]:
    """Every path as a product."""
    at = int((time.time() if now is None else now) * 1e6)
    own, names = ctx.config.home / "paths", pseudonyms(ctx.config.home)
    with ctx.ledger.query() as db:
        apps = {one.name: one for one in questions.apps(db) if not one.parent}
        live = {name: one for name, one in questions.live_releases(db).items() if name in apps}
        left, easy = hatches.live(db), ease(db, names)
        going = [one for one in deprecations.outgoing(db) if one.what.startswith("path:")]
        pinned = {one["path"]: {key: one[key] for key in ("url", "commit")} for one in table.paths(db)}
        return [product(db, path, apps, live, left, easy.get(path.name), at)
                | {"pinned": pinned.get(path.name), **lifecycle(path, going, at)} for path in all(own)]  # fmt: skip


def one(ctx: Context, name: str) -> Item:
    """One of them. Raises Invalid naming the nearest."""
    get(name, ctx.config.home / "paths")
    return next(each for each in products(ctx) if each["name"] == name)


def product(
    db: Connection,
    path: GoldenPath,
    apps: Mapping[str, App],
    live: Mapping[str, Release],
    left: Sequence[Mapping[str, Any]],
    easy: Interval | None,
    now: int,
) -> Item:
    mine = sorted(name for name, release in live.items() if release.path == path.name)
    hatch = [row for row in left if row["app"] in mine]
    teams = {str(row["team"]) for row in hatch if row["team"]}
    names = ("name", "title", "gives", "owner", "state", "version", "outcome", "because", "reconsider", "replacement",
             "free", "health", "looks_for")  # fmt: skip
    found: Item = {name: getattr(path, name) for name in names}
    found |= {"apps": len(mine), "teams": len({apps[name].team for name in mine if apps[name].team})}
    found["adoption"] = shown(wilson(len(mine), len(live)))
    found["ease"] = shown(easy)
    found["first_deploy"] = median(first_deploys(db, mine))
    found["hatches"] = {"open": len(hatch), "teams": len(teams), "kinds": sorted({row["kind"] for row in hatch})}
    found["cage"] = walls(db, path, mine, now)
    found["reconsidered"] = vars(reconsider.standing(path.reconsider, teams, easy)) if path.reconsider else None
    return found
