"""A newer template for the apps that were made from an older one: merged, held against the pristine, proposed.

Facts: proposal_made (by `proposals.py`). Which app was made from what is a fact of its pushes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wend import proposals
from wend.build.golden import GoldenPath
from wend.build.origin import ANSWERS, made_from
from wend.context import Context
from wend.errors import Conflict, Invalid, NotFound, Refused
from wend.journal import Say
from wend.paths import get, templates
from wend.paths.merge import Report
from wend.proposals import Change
from wend.state import guardrails as judged
from wend.state import questions

SECONDS = 120.0  # a merge may take
NAMED = 8  # files of one kind that a commit names
ROOT = Path(__file__).parent.parent.parent
Item = dict[str, Any]


# ---------------------------------------------------------------------------------------------- pure


def message(path: GoldenPath, old: int, report: Report) -> str:
    """The commit's, with what people have to look at."""
    lines = [f"Update the template {path.name} from version {old} to {path.version}", ""]
    lines += files("Updated", report.updated)
    lines += files("Not merged, for it did not fit what is there (yours is kept)", list(report.conflicts))
    lines += files("Different from what the template writes", list(report.diverged))
    lines += files("The template's, and not here any more", report.gone)
    return "\n".join(lines).rstrip() + "\n"


def files(title: str, names: list[str]) -> list[str]:
    more = [f"  and {len(names) - NAMED} more"] if len(names) > NAMED else []
    return [f"{title}:", *(f"  {name}" for name in names[:NAMED]), *more, ""] if names else []


def branch(path: GoldenPath) -> str:
    return f"wend/{path.name}-v{path.version}"


# ---------------------------------------------------------------------------------------------- acts


def update(ctx: Context, app: str, say: Say) -> Item:
    """Propose the newest template to an app that was made from an older one. Raises NotFound, Refused when it has the
    newest or was made from none, and Conflict as `propose`."""
    with ctx.ledger.query() as db:
        known = questions.app(db, app)
    repo = ctx.repos.open(app)
    found = ctx.repos.file(repo, f"refs/heads/{known.branch}", ANSWERS, most=256 * 2**10)
    origin = made_from(found.decode("utf-8", "replace") if found is not None else None)
    if origin is None:
        what = f"{app} was made from no template of ours (it has no {ANSWERS} that names one)"
        raise Refused(what, "`wend new` makes apps that can be updated")
    path, old = get(origin[0], ctx.config.home / "paths"), origin[1]
    if old >= path.version:
        raise Refused(
            f"{app} has the newest template of {path.name}: version {path.version}",
            "`wend paths drift` shows who is behind",
        )
    template = templates.keep(ctx, path)
    if old not in templates.versions(ctx, path.name):
        raise NotFound(f"version {old} of {path.name} was never here", "another home made this app: merge it by hand")

    def edit(folder: Path) -> Item:
        return asdict(merged(ctx, folder, template, path, old))

    def told(report: Item) -> str:
        return message(path, old, Report(**report))

    said = proposals.propose(ctx, app, Change(f"template:{path.name}@{path.version}", branch(path), edit, told), say)
    return said | {"path": path.name, "from": old, "to": path.version}


def merged(ctx: Context, folder: Path, template: Path, path: GoldenPath, old: int) -> Report:
    """Run the merge in a process of its own. Raises Invalid with its last words, Conflict when it takes too long."""
    settings = folder.parent / "gitconfig"
    settings.write_text("[user]\n\tname = Wend\n\temail = wend@localhost\n[safe]\n\tdirectory = *\n"
                        "[core]\n\tsymlinks = false\n\thooksPath = /dev/null\n")  # fmt: skip
    env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder.parent), "LANG": "C.UTF-8",
           "PYTHONPATH": str(ROOT), "GIT_CONFIG_GLOBAL": str(settings), "GIT_CONFIG_NOSYSTEM": "1",
           "GIT_TEMPLATE_DIR": "", "TMPDIR": str(folder.parent)}  # fmt: skip
    given = (str(folder), str(template), path.name, str(old), str(path.version))
    try:
        words = [sys.executable, "-m", "wend.paths.merge", *given]
        done = subprocess.run(words, env=env, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise Conflict(
            f"the merge did not end within {SECONDS:g} s", "its template or its answers never end"
        ) from error
    if done.returncode:
        last = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1]
        raise Invalid(f"the template cannot be merged: {last[:300]}", f"look at {ANSWERS}, or merge it by hand")
    return Report(**json.loads(done.stdout))


# ---------------------------------------------------------------------------------------------- looks


def drift(ctx: Context, path: str | None = None) -> list[Item]:
    """Every app that was made from a template, by how far it is behind: app, team, path, has, newest, behind, and the
    proposal for it, if there is one."""
    with ctx.ledger.query() as db:
        live, apps = questions.live_releases(db), {one.name: one for one in questions.apps(db)}
        kept = {name: judged.facts(db, name, one.commit) or {} for name, one in live.items() if not apps[name].parent}
    made = {(one["app"], one["what"]): one for one in proposals.listed(ctx)}
    found: list[Item] = []
    for name, facts in kept.items():
        if not (template := facts.get("template")) or path not in (None, template[0]):
            continue
        newest = newest_of(ctx, template[0])
        proposal = made.get((name, f"template:{template[0]}@{newest}"))
        row = {"app": name, "team": apps[name].team, "path": template[0], "has": template[1], "newest": newest}
        found.append(row | {"behind": max(0, (newest or 0) - template[1]), "proposal": proposal})
    return sorted(found, key=lambda one: (-one["behind"], one["app"]))


def newest_of(ctx: Context, path: str) -> int | None:
    """The path's version; None when it is gone."""
    try:
        return get(path, ctx.config.home / "paths").version
    except Invalid:
        return None
