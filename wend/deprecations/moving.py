"""Moving an app off what goes: the migration is applied on a branch, proven in a preview, and handed over.

Facts: proposal_made (by `proposals.py`).
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from wend import fleet, proposals
from wend.build.work import Job, Work, perform
from wend.context import Context
from wend.deprecations import announcing
from wend.errors import Refused
from wend.journal import Say
from wend.paths import update
from wend.proposals import Change
from wend.run import Mount

SECONDS = 120.0  # a script may take
Item = dict[str, Any]


def move(ctx: Context, id: int, app: str, say: Say) -> Item:
    """Propose the migration to an app. Raises Refused when there is only a guide, and what `propose` raises."""
    row = announcing.found(ctx, id)
    if row["what"].startswith("template:"):
        return update.update(ctx, app, say)
    if not row["script"]:
        raise Refused(f"{row['what']} has no script that moves an app", f"its guide says how: {row['guide']}")

    def edit(folder: Path) -> Item:
        run(ctx, app, row["script"], folder, say)
        return {"script": row["script"]}

    def message(report: Item) -> str:
        return f"Move from {row['what']} to {row['replacement']}\n\n{row['because']}\n\nDeprecation: {id}\n"

    change = Change(f"deprecation:{id}", f"wend/deprecation-{id}", edit, message)
    return proposals.propose(ctx, app, change, say)


def run(ctx: Context, app: str, script: str, folder: Path, say: Say) -> None:
    """The script in a checkout, in the walls of a build: it sees these files, and neither secrets nor git's folder.
    Raises Refused with its last words."""
    room, files = fleet.build_room(ctx), folder.parent / "files"
    files.mkdir()
    for one in folder.iterdir():
        if one.name != ".git":
            one.rename(files / one.name)
    work = Work(app, room, say, threading.Event(), time.monotonic() + SECONDS, folder.parent / "home")
    job = Job("the migration", script, "mend the script of this deprecation", (Mount(str(files), "/app", "rw"),))
    try:
        perform(work, job)
    finally:
        for one in files.iterdir():
            one.rename(folder / one.name)
