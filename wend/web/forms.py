"""What the portal's buttons do: roll back, try a release on a share of the traffic, promote it, take it back; run a
job, renew credentials, restore data."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from starlette.responses import RedirectResponse, Response

from wend import jobs, release, rollout, rotation, trial
from wend.context import Context
from wend.errors import Invalid, WendError
from wend.journal import Say
from wend.resources import trash
from wend.state import questions
from wend.web import acting, body
from wend.web.door import Visit
from wend.web.stream import bug

PATIENCE = 15.0  # seconds an act may take to begin, before the browser is sent on
A_MOMENT = 1.0  # the same for a job, which may say nothing for hours
log = logging.getLogger(__name__)


def release_number(raw: str) -> int:
    if not (raw.isascii() and raw.isdigit() and len(raw) < 10):
        raise Invalid(f"{raw[:20]!r} is no release", "choose one on the app's page")
    return int(raw)


def roll_back(visit: Visit) -> Response:
    """Begin, and show the deploy that does it; it goes on whether or not anybody looks."""
    number = release_number(body.form(visit.body).get("release", ""))
    return begun(visit, "rollback", lambda say: release.rollback(visit.ctx, visit.app, number, say))


def canary(visit: Visit) -> Response:
    """Give a release that is not live a share of the traffic, and show the deploy that does it."""
    form = body.form(visit.body)
    number, text = release_number(form.get("release", "")), form.get("steps", "").strip()
    asked = release.read_steps(text) if text else None
    return begun(visit, "canary", lambda say: trial.start(visit.ctx, visit.app, number, asked, say))


def promote(visit: Visit) -> Response:
    """Make the canary that the page showed live; Conflict when it is another by now."""
    deploy = still(visit)
    failed = at_work(f"promote-{visit.app}", lambda say: trial.promote(visit.ctx, visit.app, say))
    return seen_at(visit, deploy, failed)


def abort(visit: Visit) -> Response:
    """Take the canary that the page showed back; Conflict when it is another by now."""
    deploy = still(visit)
    rollout.abort(visit.ctx, visit.app, log.info)
    return seen_at(visit, deploy, [])


def run_job(visit: Visit) -> Response:
    """Run a job now, and show the runs; it goes on whether or not anybody looks."""
    job = body.form(visit.body).get("job", "")
    return listed(visit, "jobs", lambda say: jobs.start(visit.ctx, visit.app, job, say), A_MOMENT)


def rotate(visit: Visit) -> Response:
    """Renew the credentials of a resource, and show the deploy that takes them to the app."""
    name = body.form(visit.body).get("name", "")
    return begun(visit, "resource", lambda say: rotation.rotate(visit.ctx, visit.app, name, say))


def restore(visit: Visit) -> Response:
    """Take data out of the trash, back to the app it was of."""
    id = acting.in_trash(visit, body.form(visit.body).get("trash", ""))
    return listed(visit, "resources", lambda say: trash.restore(visit.ctx, id, visit.app, None, say))


def listed(visit: Visit, page: str, act: Callable[[Say], object], patience: float = PATIENCE) -> Response:
    """Begin, and show the app's page that lists what came of it. Raises when the act refused."""
    failed = at_work(f"{page}-{visit.app}", act, patience)
    if failed:
        raise failed[0]
    return RedirectResponse(f"/apps/{visit.app}/{page}", 303)


def still(visit: Visit) -> str:
    """The deploy that the form is about, if its canary is under way."""
    return rollout.current(visit.ctx, visit.app, body.form(visit.body).get("deploy", "")[:60]).deploy


def begun(visit: Visit, cause: str, act: Callable[[Say], object]) -> Response:
    """The page of the deploy that `act` began, or its error if there is none."""
    before = newest(visit.ctx, visit.app, cause)
    failed = at_work(f"{cause}-{visit.app}", act)
    after = newest(visit.ctx, visit.app, cause)
    return seen_at(visit, after if after != before else None, failed)


def seen_at(visit: Visit, deploy: str | None, failed: list[WendError]) -> Response:
    """Where the browser goes on. A deploy tells its own failure."""
    if deploy is None and failed:
        raise failed[0]
    return RedirectResponse(f"/apps/{visit.app}" + (f"/deploys/{deploy}" if deploy else ""), 303)


def at_work(name: str, act: Callable[[Say], object], patience: float = PATIENCE) -> list[WendError]:
    """Act in a thread; returns once it says something, is over, or `patience` is. Its error, if it ended with one."""
    started, failed = threading.Event(), list[WendError]()

    def run() -> None:
        try:
            act(lambda line: started.set())
        except WendError as error:
            failed.append(error)
        except Exception as error:
            log.exception("%s", name)
            failed.append(bug(error))
        finally:
            started.set()

    threading.Thread(target=run, name=name, daemon=True).start()
    started.wait(patience)
    return failed


def newest(ctx: Context, app: str, cause: str) -> str | None:
    """The id of the app's newest deploy for this cause."""
    with ctx.ledger.query() as db:
        return next((one.id for one in questions.deploys(db, app) if one.cause == cause), None)
