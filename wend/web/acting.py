"""What the API changes: each act reads its body and calls the room that does it."""

from __future__ import annotations

from typing import Any

from wend import apps, auth, jobs, previews, release, rollout, rotation, trial
from wend.errors import Invalid, NotFound
from wend.release import Change
from wend.resources import trash
from wend.rollout import Asked
from wend.state import resources as stored
from wend.web import asked, holding, rehearsal
from wend.web.body import Field
from wend.web.door import Visit
from wend.web.stream import Flow, Item, told

SET, UNSET = Field("set", "table", {}), Field("unset", "texts", [])
CONFIRM = Field("confirm", "text", "")


# ---------------------------------------------------------------------------------------------- configuration


def change(visit: Visit, secret: bool) -> Flow:
    """Set and unset configuration or secrets."""
    dry, given = visit.dry(), visit.read(SET, UNSET)
    wanted = Change(given["set"], tuple(given["unset"]), secret)
    if dry:
        return told(lambda say, gone: rehearsal.change(visit.ctx, visit.app, wanted, say))
    kind = "secret" if secret else "config"
    return told(asked.after(visit, kind, lambda say, gone: release.change_config(visit.ctx, visit.app, wanted, say)))


def config(visit: Visit) -> Flow:
    return change(visit, secret=False)


def secrets(visit: Visit) -> Flow:
    return change(visit, secret=True)


# ---------------------------------------------------------------------------------------------- releases


def rollback(visit: Visit) -> Flow:
    dry, number = visit.dry(), visit.read(Field("release", "whole", None))["release"]
    if dry:
        return told(lambda say, gone: rehearsal.rollback(visit.ctx, visit.app, number, say))

    def back(say: Any, gone: Any) -> Item:
        return {"release": release.rollback(visit.ctx, visit.app, number, say)}

    return told(asked.after(visit, "rollback", back))


def canary(visit: Visit) -> Flow:
    """Begin a canary of a release that is there."""
    dry, given = visit.dry(), visit.read(Field("release", "whole", None), Field("steps", "text", None))
    number, steps = given["release"], shares(given["steps"])
    if dry:
        return told(lambda say, gone: rehearsal.canary(visit.ctx, visit.app, number, steps, say))
    return told(lambda say, gone: {"release": trial.start(visit.ctx, visit.app, number, steps, say)})


def shares(text: str | None) -> Asked:
    """ "5,25,50" as steps; None and "auto": what wend.toml says. Raises Invalid, also for "off": that is no canary."""
    wanted = None if text is None else release.read_steps(text)
    if wanted == "off":
        raise Invalid("a canary in no steps is none", 'write it like "5,25,50"')
    return wanted if isinstance(wanted, tuple) else None


def promote(visit: Visit) -> Flow:
    dry, _ = visit.dry(), visit.read()
    if dry:
        return told(lambda say, gone: rehearsal.promote(visit.ctx, visit.app, say))
    return told(lambda say, gone: {"release": trial.promote(visit.ctx, visit.app, say)})


def abort(visit: Visit) -> Flow:
    dry, _ = visit.dry(), visit.read()
    if dry:
        return told(lambda say, gone: rehearsal.abort(visit.ctx, visit.app, say))
    return told(lambda say, gone: {"release": rollout.abort(visit.ctx, visit.app, say)})


# ---------------------------------------------------------------------------------------------- processes


def scale(visit: Visit) -> Flow:
    dry, counts = visit.dry(), visit.read(Field("counts", "counts"))["counts"]
    if not counts:
        raise Invalid("there is nothing to scale", 'send {"counts": {"web": 2}}')
    act = rehearsal.scale if dry else apps.scale
    return told(lambda say, gone: act(visit.ctx, visit.app, counts, say))


def run(visit: Visit) -> Flow:
    """A one-off command; closing the connection cancels it."""
    command = visit.read(Field("command", "text"))["command"]

    def act(say: Any, gone: Any) -> Item:
        ended = apps.run(visit.ctx, visit.app, command, say, gone)
        return {"code": ended.code, "signal": ended.signal, "oom": ended.oom}

    return told(act, patient=True)


def run_job(visit: Visit) -> Flow:
    """A scheduled command now; it goes on when nobody listens any more."""
    visit.read()

    def act(say: Any, gone: Any) -> Item:
        state, ended = jobs.start(visit.ctx, visit.app, visit.name, say)
        return {"state": state, "ended": ended}

    return told(act)


# ---------------------------------------------------------------------------------------------- the app itself


def branch(visit: Visit) -> Item:
    apps.set_branch(visit.ctx, visit.app, visit.read(Field("branch", "text"))["branch"])
    return {}


def destroy(visit: Visit) -> Item:
    """Done: `kept`, what of its resources lies in the trash."""
    dry, given = visit.dry(), visit.read(CONFIRM, Field("why", "text", ""))
    if dry:
        return rehearsal.destroy(visit.ctx, visit.app)
    before = {one["id"] for one in holding.trash(visit.ctx)}
    apps.destroy(visit.ctx, visit.app, given["confirm"], given["why"].strip()[:500] or "on request")
    return {"kept": [one for one in holding.trash(visit.ctx) if one["app"] == visit.app and one["id"] not in before]}


def remove_preview(visit: Visit) -> Item:
    dry, _ = visit.dry(), visit.read()
    if visit.name not in {one.name for one in previews.of(visit.ctx, visit.app)}:
        raise NotFound(f"{visit.app} has no preview {visit.name[:80]!r}", f"`wend previews {visit.app}` lists them")
    if dry:
        return rehearsal.destroy(visit.ctx, visit.name)
    previews.remove(visit.ctx, visit.name, f"by {visit.ctx.actor.name}")
    return {}


# ---------------------------------------------------------------------------------------------- resources


def rotate(visit: Visit) -> Flow:
    visit.read()
    return told(
        asked.after(visit, "resource", lambda say, gone: rotation.rotate(visit.ctx, visit.app, visit.name, say))
    )


def remove_resource(visit: Visit) -> Flow:
    """Into the trash."""
    confirm = visit.read(CONFIRM)["confirm"]
    return told(lambda say, gone: trash.remove(visit.ctx, visit.app, visit.name, confirm, say))


def restore(visit: Visit) -> Flow:
    """Out of the trash, as a resource of this app."""
    given = visit.read(Field("trash", "text"), Field("name", "text", None))
    id = in_trash(visit, given["trash"])
    return told(lambda say, gone: trash.restore(visit.ctx, id, visit.app, given["name"], say))


def in_trash(visit: Visit, id: str) -> str:
    """The id, if it lies in the trash. Whoever may not change the app that it was of does not learn that it is there:
    NotFound."""
    with visit.ctx.ledger.query() as db:
        of = {one.id: one.app for one in stored.trashed(db)}.get(id)
    if of is None or not auth.permits(visit.ctx.actor.scopes, "app.change", of):
        raise NotFound(f"there is no {id[:60]!r} in the trash", "`wend resources trash` lists it")
    return id
