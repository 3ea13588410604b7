"""The changes that a push to Wend itself brought: what lead time is measured from for our own deploys.

Facts: change_recorded, and bet_linked for those that name a bet.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace

import sqlalchemy as sa

from wend import spec
from wend.context import Context
from wend.ingest import Delivery, gitlog, take, trailers
from wend.ingest.gitlog import Commit
from wend.ingest.people import pseudonyms
from wend.ingest.telling import Telling
from wend.receive import Push
from wend.repos import NONE
from wend.state.delivery import CHANGES

MOST = 2_000  # commits of one push
SOURCE = "wend"
log = logging.getLogger(__name__)


# ---------------------------------------------------------------------------------------------- pure


def told(telling: Telling, app: str, commits: list[Commit]) -> None:
    """The commits as facts; the same commit of the same app is one, however often it is told."""
    for one in commits:
        if one.at is None:
            continue
        merge, bot = len(one.parents) > 1, telling.bot(one.author)
        telling.change(app, one.id, one.at, one.parents, one.author, merge, one.purpose, one.reverts, bot)
        telling.heard.facts[-1] = replace(telling.heard.facts[-1], id=f"{SOURCE}:{app}@{one.id}")
        telling.heard.facts += trailers.linked(one.bets, one.id, one.at, SOURCE)


# ---------------------------------------------------------------------------------------------- acts


def note(ctx: Context, pushed: Push) -> threading.Thread | None:
    """Record the push's changes on a thread of its own: it is live, and nobody waits for this. A preview's push brings
    none: they come with the push of the branch that deploys."""
    if pushed.new == NONE or spec.parent(pushed.app) != pushed.app:
        return None
    thread = threading.Thread(target=quietly, args=(ctx, pushed), name=f"changes-{pushed.app}", daemon=True)
    thread.start()
    return thread


def quietly(ctx: Context, pushed: Push) -> None:
    try:
        record(ctx, pushed)
    except Exception:
        log.exception("changes of %s", pushed.app)


def record(ctx: Context, pushed: Push) -> int:
    """Record the commits that came with this push, at most the newest MOST; how many were new. When those before them
    are not known (a first push, or one whose record was cut off), they are recorded as well."""
    since = () if pushed.old == NONE or not is_known(ctx, pushed.old) else (f"^{pushed.old}",)
    words = (*gitlog.WORDS, f"--max-count={MOST}", pushed.new, *since, "--")
    commits = list(gitlog.commits([ctx.repos.run(pushed.repo, *words, seconds=60)]))
    now = time.time_ns() // 1000
    delivery = Delivery(SOURCE, {}, b"", now, pseudonyms(ctx.config.home), take.bots_of(ctx.config.bots))
    telling = Telling(delivery)
    told(telling, pushed.app, commits)
    return len(ctx.ledger.append(telling.heard.facts, texts=telling.heard.texts))


def is_known(ctx: Context, commit: str) -> bool:
    with ctx.ledger.query() as db:
        return db.execute(sa.select(CHANGES.c.commit).where(CHANGES.c.commit == commit)).first() is not None
