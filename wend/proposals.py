"""A change that the platform proposes: on a branch of its own, proven in a preview, and handed over with the evidence.

Facts: proposal_made. Nobody's commit is ever overwritten: the branch moves only while its last commit is ours.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wend import previews
from wend.context import Context
from wend.errors import Bug, Conflict, NotFound, Refused
from wend.events import Fact
from wend.journal import Say
from wend.receive import Push
from wend.repos import NONE
from wend.state import proposals as table
from wend.state import questions
from wend.state.questions import App

AUTHOR = {"GIT_AUTHOR_NAME": "Wend", "GIT_AUTHOR_EMAIL": "wend@localhost"}
KEPT = 20  # lines of the preview that are kept
Item = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """`what`: the name of what it is about; `edit` changes a checkout and gives its report; `message` of the commit, by
    that report."""

    what: str
    branch: str
    edit: Callable[[Path], Item]
    message: Callable[[Item], str]


# ---------------------------------------------------------------------------------------------- pure


def standing(row: Mapping[str, Any], tip: str, merged: bool) -> str:
    """What has become of a proposal: merged · stale (the app has moved on) · or how its preview went."""
    return "merged" if merged else "stale" if row["base"] != tip else str(row["state"])


# ---------------------------------------------------------------------------------------------- acts


def propose(ctx: Context, app: str, change: Change, say: Say) -> Item:
    """Make the change on its branch and try it in a preview. Raises NotFound, Conflict when a person has committed to
    the branch, and Refused when there is nothing to change."""
    with ctx.leases.hold(f"{app}/proposal", change.what):
        with ctx.ledger.query() as db:
            known, before = questions.app(db, app), table.proposal(db, app, change.branch)
        repo, ref = ctx.repos.open(app), f"refs/heads/{change.branch}"
        base, there = ctx.repos.ref(repo, f"refs/heads/{known.branch}"), ctx.repos.ref(repo, ref)
        if base == NONE:
            raise NotFound(f"{app} has no commit on {known.branch} yet", "push it first")
        if there not in (NONE, before["commit"] if before else NONE):
            hint = f"merge it, or delete it: git push wend --delete {change.branch}"
            raise Conflict(f"somebody has committed to {change.branch} of {app}; it is left alone", hint)
        with tempfile.TemporaryDirectory(prefix="proposal-", dir=ctx.config.home / "run") as folder:
            checkout = Path(folder) / "app"
            check_out(ctx, repo, base, checkout)
            report = change.edit(checkout)
            commit = committed(ctx, checkout, change.message(report))
            if not commit:
                raise Refused(f"{change.what} changes nothing in {app}", "it needs no proposal")
            bring(ctx, repo, checkout, commit)
        ctx.repos.move(repo, ref, commit, there, f"proposal: {change.what}")
        say(f"{change.branch} is proposed to {app}, on {base[:9]} of {known.branch}")
        state, lines = proven(ctx, known, ref, there, commit, say)
        about = {"what": change.what, "branch": change.branch, "base": base, "commit": commit, "report": report}
        about |= {"state": state, "lines": lines[-KEPT:]}
        ctx.ledger.append([Fact("proposal_made", f"app/{app}", about, actor=ctx.actor.name, app=app)])
    return {"app": app, **about, "preview": preview_of(ctx, app, change.branch)}


def proven(ctx: Context, known: App, ref: str, old: str, new: str, say: Say) -> tuple[str, list[str]]:
    """Run the branch as a preview: "proved", "failed", or "not tried" when the app is not live or has no previews."""
    lines: list[str] = []

    def hear(line: str) -> None:
        lines.append(line)
        say(line)

    repo = ctx.repos.path(known.name)
    tree = ctx.repos.ref(repo, f"{new}^{{tree}}")
    pushed = Push(known.name, ctx.actor, ref, old, new, tree, {}, repo, "", forced=old != NONE)
    try:
        well = previews.push(ctx, pushed, hear)
    except Refused as error:
        hear(error.message)
        return "not tried", lines
    ran = previews.find(ctx, known.name, ref.removeprefix("refs/heads/"))
    return ("failed" if not well else "proved" if ran and ran.live else "not tried"), lines


def preview_of(ctx: Context, app: str, branch: str) -> str | None:
    """Where the branch runs now."""
    found = previews.find(ctx, app, branch)
    return ctx.config.url(found.name) if found and found.live else None


# ---------------------------------------------------------------------------------------------- git


def environment(ctx: Context) -> dict[str, str]:
    """Of a git on a checkout: our settings, and nobody's hooks or templates."""
    return ctx.repos.env({**AUTHOR, "GIT_TEMPLATE_DIR": "", "GIT_OPTIONAL_LOCKS": "0"})


def check_out(ctx: Context, repo: Path, commit: str, folder: Path) -> None:
    """The commit's files, as a repository of its own that borrows the app's objects. Links stay texts."""
    folder.mkdir()
    git(ctx, folder, "init", "--quiet", "--initial-branch", "proposal")
    borrowed = folder / ".git" / "objects" / "info" / "alternates"
    borrowed.parent.mkdir(parents=True, exist_ok=True)
    borrowed.write_text(f"{(repo / 'objects').resolve()}\n", encoding="utf-8")
    git(ctx, folder, "reset", "--quiet", "--hard", commit)


def committed(ctx: Context, folder: Path, message: str) -> str:
    """Commit what was changed; the commit, or "" when nothing was."""
    git(ctx, folder, "add", "--all")
    if not git(ctx, folder, "status", "--porcelain", "-z"):
        return ""
    git(ctx, folder, "commit", "--quiet", "--no-verify", "--message", message)
    return git(ctx, folder, "rev-parse", "HEAD").strip()


def bring(ctx: Context, repo: Path, folder: Path, commit: str) -> None:
    """Copy the commit's objects into the app's repository, checked like those of a push."""
    words = ("-c", "protocol.file.allow=always", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head")
    ctx.repos.run(repo, *words, str(folder), commit, seconds=120)


def git(ctx: Context, folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], env=environment(ctx), capture_output=True, timeout=120, check=False
    )  # fmt: skip
    if done.returncode:
        raise Bug(f"git {words[0]} ended with code {done.returncode}: {done.stderr.decode('utf-8', 'replace')[-300:]}")
    return done.stdout.decode("utf-8", "replace")


# ---------------------------------------------------------------------------------------------- looks


def listed(ctx: Context, what: str | None = None) -> list[Item]:
    """The newest proposal of each app and branch, with what has become of it and where its preview runs."""
    with ctx.ledger.query() as db:
        rows, apps = table.proposals(db, what), {one.name: one for one in questions.apps(db)}
    return [told(ctx, row, apps[row["app"]]) for row in rows if row["app"] in apps]


def told(ctx: Context, row: Item, app: App) -> Item:
    repo = ctx.repos.path(app.name)
    tip = ctx.repos.ref(repo, f"refs/heads/{app.branch}") if repo.is_dir() else NONE
    merged = tip != NONE and ctx.repos.contains(repo, row["commit"], tip)
    return row | {"standing": standing(row, tip, merged), "preview": preview_of(ctx, app.name, row["branch"])}
