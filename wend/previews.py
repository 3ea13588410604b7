"""Previews: another branch of an app, running beside it for a while.

Facts: app_created, preview_renewed, push_received, secret_sealed, app_destroyed, and those of a deploy.

A preview is an app of its own, called BRANCH--APP, with its own releases, logs and address. It shares its app's
repository and plain configuration, and of its secrets those that the app's live release lends. Whether a preview comes
about or not, the branch is kept: nothing here refuses a push.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from wend import apps, release, secrets, spec
from wend.build import Artifact
from wend.context import Context
from wend.declared import Canary, Scaling
from wend.deploy import Wish, undone_on_failure
from wend.errors import Conflict, NotFound, Refused, WendError
from wend.events import Fact
from wend.guardrails import gates
from wend.journal import Journal, Say
from wend.receive import Push
from wend.repos import NONE
from wend.spec import Process, Spec
from wend.state import questions
from wend.state.questions import App, Release

HOUR = 3600 * 10**6  # microseconds
ONE_THAT_SLEEPS = Scaling(min=0, max=1)
log = logging.getLogger(__name__)


# ---------------------------------------------------------------------------------------------- pure


def slug(branch: str) -> str:
    """The branch as a part of a host name: letters, digits and single dashes, a letter first."""
    text = re.sub(r"[^a-z0-9]+", "-", branch.lower()).strip("-") or "branch"
    return text if text[0].isalpha() else f"b-{text}"


def name_for(branch: str, app: str, taken: Collection[str]) -> str:
    """What the branch's preview is called. A hash of the branch ends the name when another branch has it already, when
    it had to be cut, and after `xn--`, which begins a host name in another script."""
    text, hashed = slug(branch), hashlib.sha256(branch.encode("utf-8", "surrogateescape")).hexdigest()
    room = spec.LABEL - len(app) - len("--")
    if len(text) <= room and text != "xn" and f"{text}--{app}" not in taken:
        return f"{text}--{app}"
    for digits in (6, 12, 18):
        name = f"{text[: room - digits - 1].rstrip('-')}-{hashed[:digits]}--{app}"
        if name not in taken:
            return name
    raise Conflict(f"every name for a preview of {branch} is taken", "rename the branch")


def fitted(wanted: Spec, made: Iterable[str], config: Mapping[str, str]) -> Spec:
    """The wend.toml as a preview runs it: the app's plain configuration in its environment, processes as few as they
    can be, live at once. (Its jobs are there to be started by hand; the clock passes previews over.)"""
    processes = {name: modest(wanted.process(name)) for name in made}
    declared = replace(wanted.declared, canary=Canary(steps="off", watch=0))
    return replace(
        wanted,
        processes={**wanted.processes, **processes},
        env={**wanted.env, **config},
        declared=declared,
    )


def modest(said: Process) -> Process:
    """One replica, which sleeps when it can: a number of replicas in wend.toml is the app's own need. A range is kept:
    it follows the load of the preview."""
    if said.scaling or said.replicas == 0:
        return said
    return replace(said, replicas=None, scaling=ONE_THAT_SLEEPS if said.name == "web" else None)


def over(preview: App, parent: App, tip: str, merged: bool, now: float) -> str:
    """Why the preview's time is over, or "". `tip`: the branch's commit, or zeros; `now`: Unix seconds."""
    if tip == NONE:
        return f"branch {preview.of_branch} was deleted"
    if preview.of_branch == parent.branch:
        return f"branch {preview.of_branch} deploys {parent.name} now"
    if merged:
        return f"branch {preview.of_branch} was merged"
    if preview.expires_at is not None and preview.expires_at / 1e6 <= now:
        return "its time was over"
    return ""


# ---------------------------------------------------------------------------------------------- a push


def of(ctx: Context, app: str) -> list[App]:
    """The app's previews, by name."""
    with ctx.ledger.query() as db:
        return questions.previews(db, app)


def find(ctx: Context, app: str, branch: str) -> App | None:
    """The branch's preview."""
    return next((one for one in of(ctx, app) if one.of_branch == branch), None)


def moved(ctx: Context, pushed: Push, say: Say) -> bool:
    """A branch that does not deploy was pushed or deleted: it gets a preview, or loses it. Whether all went well;
    raises nothing."""
    try:
        if pushed.new == NONE:
            forget(ctx, pushed, say)
            return True
        return push(ctx, pushed, say)
    except WendError as error:
        say(f"no preview: {error.message}")
        if error.hint:
            say(f"  try: {error.hint}")
    except Exception:
        log.exception("preview of %s of %s", pushed.branch, pushed.app)
        say("no preview: this is our fault, not yours; the platform's log has the details")
    return False


def forget(ctx: Context, pushed: Push, say: Say) -> None:
    """Remove the preview of a deleted branch."""
    with ctx.leases.hold(f"{pushed.app}/previews", "prune"):  # the clock may be at it too
        preview = find(ctx, pushed.app, pushed.branch)
        if preview:
            remove(ctx, preview.name, f"branch {pushed.branch} was deleted")
            say(f"preview {preview.name} is removed")


def push(ctx: Context, pushed: Push, say: Say) -> bool:
    """Build the branch and run it as a preview, made now or renewed. Raises Refused when there can be none; a deploy
    that fails is told, and False."""
    with ctx.ledger.query() as db:
        parent = questions.app(db, pushed.app)
        live = questions.release(db, parent.name, parent.live) if parent.live is not None else None
    if live is None or not live.declared.preview.hours or "no-preview" in pushed.options:
        say(f"{pushed.branch} is kept, not deployed: this app deploys from {parent.branch}")
        return True
    preview = admit(ctx, parent, pushed.branch, live.declared.preview.hours)
    say(f"preview {preview.name} of branch {pushed.branch}")
    try:
        deploy(ctx, pushed, live, preview, say)
    except WendError as error:
        say(f"preview failed: {error.message}")
        if isinstance(error, Conflict):
            return True  # a newer one goes on
        with ctx.ledger.query() as db:
            now = questions.find_app(db, preview.name)
        runs = f"; release {now.live} of the preview goes on as before" if now and now.live else ""
        say(f"  the branch is kept{runs}")
        return False
    say(f"preview {ctx.config.url(preview.name)}")
    return True


def admit(ctx: Context, parent: App, branch: str, hours: float) -> App:
    """The branch's preview, with its time begun anew. Raises Refused when the app has as many as it may."""
    with ctx.leases.hold(f"{parent.name}/previews", "preview"):
        with ctx.ledger.query() as db:
            parent, there = questions.app(db, parent.name), questions.previews(db, parent.name)
        ends = round(time.time() * 1e6 + hours * HOUR)
        known = next((one for one in there if one.of_branch == branch), None)
        if known:
            name, kind, data = known.name, "preview_renewed", {"expires_at": ends}
        else:
            check_room(ctx, parent, there)
            name, kind = name_for(branch, parent.name, [one.name for one in there]), "app_created"
            data = {"branch": branch, "parent": parent.name, "of_branch": branch, "expires_at": ends}
        ctx.ledger.append([Fact(kind, f"app/{name}", data, actor=ctx.actor.name, app=name, team=parent.team)])
    with ctx.ledger.query() as db:
        return questions.app(db, name)


def check_room(ctx: Context, parent: App, there: list[App]) -> None:
    """Raises Refused when one more is too many."""
    most = ctx.config.previews_per_app
    if len(there) >= most:
        names = ", ".join(f"{one.of_branch} ({one.name})" for one in there)
        # The branch has moved already: git would say that there is nothing to push.
        hint = (
            "git push wend --delete BRANCH, or wend destroy NAME --confirm NAME, then push with an empty commit on top"
        )
        raise Refused(f"{parent.name} has {len(there)} previews already, at most {most}: {names or 'none'}", hint)


def deploy(ctx: Context, pushed: Push, live: Release, preview: App, say: Say) -> None:
    """Build the branch and make it the preview's live release. Raises what ended it."""
    with ctx.leases.hold(preview.name, "push", urgent=True) as lease:
        with ctx.ledger.query() as db:
            questions.app(db, preview.name)  # it may have been removed while we waited
        now = ctx.repos.ref(pushed.repo, pushed.ref)
        if now != pushed.new:
            raise Conflict(f"somebody pushed {now[:9]} meanwhile", "nothing to do: the newer one goes on")
        arrived = {"ref": pushed.ref, "old": pushed.old, "new": pushed.new, "forced": pushed.forced}
        first = Fact("push_received", f"app/{preview.name}", arrived, actor=ctx.actor.name, app=preview.name)
        # Without its ref: that branch has moved already, and a deploy that ends late must not move it back.
        summary = release.subject(ctx, pushed)
        journal = Journal.begin(ctx, preview.name, "push", say, before=[first], commit=pushed.new, summary=summary)
        with undone_on_failure(ctx, journal):
            wanted = release.look_at(ctx, journal, pushed)
            known = gates.pushed(ctx, pushed, wanted, journal.say)
            made = release.make(ctx, journal, lease, replace(pushed, app=preview.name), wanted)
            gates.built(ctx, known, pushed.new, made, journal.say)
            wish = wish_of(ctx, live, preview.name, made, wanted, pushed.new)
            release.release(ctx, journal, lease, wish, "off")
        take_back(ctx, preview.name, wish.secrets)


# ---------------------------------------------------------------------------------------------- what it may know


def wish_of(ctx: Context, live: Release, name: str, made: Artifact, wanted: Spec, commit: str) -> Wish:
    """The preview's next release, of its app's configuration and its own."""
    with ctx.ledger.query() as db:
        theirs, mine = questions.config(db, live.app), questions.config(db, name)
    names = [one for one in live.declared.preview.secrets if one in live.secrets and one not in mine]
    held = lend(ctx, live, name, names)
    return Wish(made, fitted(wanted, made.processes, theirs), commit, mine, held)


def lend(ctx: Context, live: Release, name: str, names: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """The preview's secrets: those that people set for it, and the `names` of its app's, sealed anew where they have
    changed."""
    with ctx.ledger.query() as db:
        held, lent = questions.secrets(db, name), questions.lent(db, name)
    own = {key: which for key, which in held.items() if which["hash"] not in lent}
    values = secrets.open_all(ctx, live.app, {key: live.secrets[key] for key in names if key not in own})
    kept = {key: which for key, which in held.items() if key in values and which["hash"] in lent}
    known = secrets.open_all(ctx, name, kept)
    fresh = {key: value for key, value in values.items() if known.get(key) != value}
    same = {key: which for key, which in kept.items() if key not in fresh}
    return {**own, **same, **secrets.put(ctx, name, fresh, lender=live.app)}


def take_back(ctx: Context, name: str, held: Mapping[str, Mapping[str, Any]]) -> None:
    """Erase what the preview was lent and does not have any more, so that going back does not bring it back."""
    with ctx.ledger.query() as db:
        lent = questions.lent(db, name)
    gone = [hash for hash in lent - {which["hash"] for which in held.values()} if ctx.ledger.text(hash) is not None]
    if gone:
        ctx.ledger.erase(gone, ctx.actor.name)


# ---------------------------------------------------------------------------------------------- the end


def remove(ctx: Context, name: str, why: str) -> None:
    """Remove a preview. Raises NotFound."""
    apps.destroy(ctx, name, name, why)


def sweep(ctx: Context) -> None:
    """Remove the previews whose time is over."""
    with ctx.ledger.query() as db:
        parents = {app.parent for app in questions.apps(db) if app.parent}
    for parent in sorted(parents):
        with suppress(NotFound):  # destroyed meanwhile
            prune(ctx, parent, log.info)


def prune(ctx: Context, name: str, say: Say) -> None:
    """Remove the app's previews whose branch was merged into what is live, or is gone, or whose time is over."""
    if not of(ctx, name):
        return
    with ctx.leases.hold(f"{name}/previews", "prune"):
        with ctx.ledger.query() as db:
            parent, there = questions.app(db, name), questions.previews(db, name)
        for preview in there:
            try:
                why = reason(ctx, parent, preview)
                if why:
                    remove(ctx, preview.name, why)
                    say(f"preview {preview.name} is removed: {why}")
            except NotFound:
                continue  # somebody was quicker
            except Exception:
                # One preview that cannot be removed must not keep the others; the next look tries again.
                log.exception("looking at preview %s", preview.name)


def reason(ctx: Context, parent: App, preview: App) -> str:
    """Why the preview's time is over, or "". A push of it that is under way is let to its end."""
    with ctx.ledger.query() as db:
        last = questions.deploys(db, preview.name, limit=1)
    if last and last[0].state == "running":
        return ""
    repo = ctx.repos.open(parent.name)
    tip = ctx.repos.ref(repo, f"refs/heads/{preview.of_branch}")
    return over(preview, parent, tip, tip != NONE and is_merged(ctx, parent, preview, tip), time.time())


def is_merged(ctx: Context, parent: App, preview: App, tip: str) -> bool:
    """Whether the app has gone live with the branch's commits since the preview was pushed, and not had them before: a
    branch that has just been made of what is live is not merged."""
    with ctx.ledger.query() as db:
        last = questions.deploys(db, preview.name, limit=1)
        numbers = [number for number in (parent.live, parent.previous) if number is not None]
        commits = [questions.release(db, parent.name, number).commit for number in numbers]
    if len(commits) < 2 or (parent.live_at or 0) < (last[0].started_at if last else preview.created_at):
        return False
    repo = ctx.repos.open(parent.name)
    return ctx.repos.contains(repo, tip, commits[0]) and not ctx.repos.contains(repo, tip, commits[1])
