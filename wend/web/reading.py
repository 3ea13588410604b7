"""What there is to see, as plain JSON values: the API answers with these, and the pages show them.

Times are Unix microseconds as in the tables; those of processes are seconds, as the driver says them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from wend import __version__, apps, auth, fleet
from wend.context import Context
from wend.errors import Refused
from wend.run import Line, Status
from wend.state import questions, scaling
from wend.state.questions import App, Deploy, Release
from wend.web import holding, watching

Found = dict[str, Any]


# ---------------------------------------------------------------------------------------------- pure


def state(live: int | None, up: int, asleep: int, wanted: int) -> str:
    """An app's state in a word: empty (nothing was ever live) · well · asleep (the next request wakes it) · partly ·
    down."""
    if live is None:
        return "empty"
    if up + asleep >= wanted:
        return "asleep" if asleep and not up else "well"
    return "partly" if up or asleep else "down"


def wanted_replicas(release: Release | None, scale: Mapping[str, int]) -> int:
    """How many processes a live release should have."""
    if release is None:
        return 0
    return sum(fleet.wanted(settings, scale.get(name)) for name, settings in release.processes.items())


def glance(
    app: App, release: Release | None, scale: Mapping[str, int], have: list[Status], last: Deploy | None
) -> Found:
    """An app in one line of a list."""
    phases = [one.phase for one in have if one.release == app.live]
    up, asleep, wanted = phases.count("up"), phases.count("asleep"), wanted_replicas(release, scale)
    keys = ("name", "live", "branch", "team", "live_at", "created_at", "parent", "of_branch", "expires_at")
    return {
        **{key: getattr(app, key) for key in keys},
        "state": state(app.live, up, asleep, wanted),
        "up": up,
        "asleep": asleep,
        "wanted": wanted,
        "deploying": last is not None and last.state == "running",
        "last": dict(vars(last)) if last else None,
    }


def path_row(path: Any) -> Found:
    """A golden path as it is listed."""
    names = ("name", "title", "state", "owner", "gives", "looks_for", "replacement", "health", "version")
    return {**{name: getattr(path, name) for name in names}, "recognises": recognises(path), "guide": guide(path)}


def recognises(path: Any) -> list[str]:
    """What it starts by itself."""
    return [rule.get("says", "") for rule in path.processes]


def guide(path: Any) -> str:
    """The path's guide, in Markdown; empty when it has none."""
    return path.guide.read_text("utf-8") if path.guide.is_file() else ""


# ---------------------------------------------------------------------------------------------- the platform


def status(ctx: Context, base: str, key: str) -> Found:
    """The platform at a glance. `proxy`: whether it runs; `planes`: the control planes, when several may share the
    database."""
    with ctx.ledger.query() as db:
        count, running = len(questions.apps(db)), len(questions.deploys(db, state="running", limit=1000))
    where = {"home": str(ctx.config.home), "portal": base, "git": f"{base}/git/", "edge": ctx.config.url("APP")}
    proxy = ctx.router.alive()
    found = {"version": __version__, **where, "proxy": proxy, "apps": count, "deploying": running, "key": key}
    planes = ctx.leases.planes
    return found | ({"planes": planes.there()} if planes.shared else {})


def git_url(base: str, name: str) -> str:
    """Where to push the app."""
    return f"{base}/git/{name}.git"


# ---------------------------------------------------------------------------------------------- apps


def all_apps(ctx: Context) -> list[Found]:
    """Every app that the actor may see, by name."""
    with ctx.ledger.query() as db:
        found, live = questions.apps(db), questions.live_releases(db)
        last, scales = questions.latest_deploys(db), scaling.scales(db)
    have: dict[str, list[Status]] = {}
    for one in ctx.driver.status():
        have.setdefault(one.app, []).append(one)
    return [
        glance(app, live.get(app.name), scales.get(app.name, {}), have.get(app.name, []), last.get(app.name))
        | {"url": ctx.config.url(app.name)}
        for app in found
        if auth.permits(ctx.actor.scopes, "app.read", app.name)
    ]


def previews(ctx: Context, name: str) -> list[Found]:
    """The app's previews, as `all_apps` lists them."""
    check_app(ctx, name)
    return [one for one in all_apps(ctx) if one["parent"] == name]


def check_app(ctx: Context, name: str) -> None:
    """Raises NotFound when there is no such app."""
    with ctx.ledger.query() as db:
        questions.app(db, name)


def one_app(ctx: Context, name: str, base: str) -> Found:
    """Everything about an app but its logs and the values of its secrets."""
    with ctx.ledger.query() as db:
        app = questions.app(db, name)
        releases, deploys = questions.releases(db, name, 20), questions.deploys(db, name, limit=20)
        exits, runs, scale = questions.exits(db, name), questions.runs(db, name), scaling.scale(db, name)
        live = questions.release(db, name, app.live) if app.live is not None else None
        by_hand = scaling.by_hand(db, name)
    have = apps.ps(ctx, name)
    return {
        **glance(app, live, scale, have, deploys[0] if deploys else None),
        "url": ctx.config.url(name),
        "git": git_url(base, name),
        "previous": app.previous,
        "created_by": app.created_by,
        "processes": [process(one) for one in have],
        "releases": [asdict(one) for one in releases],
        "deploys": [dict(vars(one)) for one in deploys],
        "exits": exits,
        "runs": runs,
        "scale": scale,
        "counts": holding.counts(live, scale, by_hand, have),
        "traffic": watching.traffic_of(ctx, name),
        **watching.under_judgement(ctx, name),
    }


def process(one: Status) -> Found:
    """A replica, and in words how it last ended."""
    return asdict(one) | {"ended": str(one.exit) if one.exit else None}


def processes(ctx: Context, name: str) -> list[Found]:
    """The app's processes, the live release's first."""
    return [process(one) for one in apps.ps(ctx, name)]


def releases(ctx: Context, name: str) -> list[Found]:
    """The app's newest releases."""
    with ctx.ledger.query() as db:
        questions.app(db, name)
        return [asdict(one) for one in questions.releases(db, name)]


def deploys(ctx: Context, name: str) -> list[Found]:
    """The app's newest deploys."""
    with ctx.ledger.query() as db:
        questions.app(db, name)
        return [asdict(one) for one in questions.deploys(db, name)]


def deploy(ctx: Context, id: str) -> Found:
    """A deploy with its journal."""
    with ctx.ledger.query() as db:
        return asdict(questions.deploy(db, id)) | {"steps": questions.steps(db, id)}


def config(ctx: Context, name: str) -> dict[str, str]:
    """The plain configuration in force."""
    with ctx.ledger.query() as db:
        questions.app(db, name)
        return questions.config(db, name)


def secret_names(ctx: Context, name: str) -> dict[str, Found]:
    """The secrets in force: name → version, at, actor. Never a value."""
    with ctx.ledger.query() as db:
        questions.app(db, name)
        held = questions.secrets(db, name)
    return {secret: {key: about[key] for key in ("version", "at", "actor")} for secret, about in held.items()}


def line(one: Line) -> Found:
    """A line of output."""
    return {"at": one.at, "source": one.source, "text": one.text}


# ---------------------------------------------------------------------------------------------- the rest


def events(
    ctx: Context,
    after: int = 0,
    kinds: list[str] | None = None,
    app: str | None = None,
    limit: int = 100,
    newest: bool = False,
) -> list[Found]:
    """Events of the ledger in order."""
    return [dict(vars(one)) for one in ctx.ledger.read(after, kinds, app, limit, newest)]


def tokens(ctx: Context) -> list[Found]:
    """Every token but its secret, newest last."""
    return auth.tokens(ctx)


def witness(text: str | None) -> tuple[int, str] | None:
    """(seq, hash) of "SEQ.HASH", as a checkpoint begins. Raises Refused when it is neither."""
    if text is None:
        return None
    seq, _, hash = text.partition(".")
    if not (seq.isascii() and seq.isdigit() and len(seq) < 19):
        raise Refused(f"{text[:40]!r} is no checkpoint", "use SEQ.HASH, as the Wend-Checkpoint header gives it")
    return int(seq), hash.partition(".")[0]
