"""Facts and readings that put apps into every state of a canary, for tests of the portal: nothing runs."""

from __future__ import annotations

import time
from typing import Any

from tests.web_world import COMMIT, World, began
from wend.route import Backend, Route, Traffic
from wend.route.meter import Reading
from wend.run import Status

POLICY = {"steps": [5, 25, 50], "seconds": 30, "watch": 300, "sticky": False, "cannot_tell": "pause"}
DECLARED = {"cron": {"nightly": {"schedule": "0 3 * * *", "command": "python report.py"}}, "preview": {"hours": 24}}
SCALING = {"min": 0, "max": 4, "target": 20, "idle": 300}


def interval(value: float, n: int) -> dict[str, float]:
    return {"value": value, "low": value * 0.5, "high": value * 1.5, "n": n}


def evidence(errors: int = 2, needs: int | None = None) -> dict[str, Any]:
    """What the judge writes beside a verdict."""

    def side(requests: int, failed: int) -> dict[str, Any]:
        quantiles = {key: interval(ms, requests) for key, ms in (("p50", 12.0), ("p95", 48.0), ("p99", 180.0))}
        counts = {"requests": requests, "errors": failed, "exits": 0}
        return counts | quantiles | {"error_rate": interval(failed / requests, requests)}

    tests = {"more errors": {"evidence": 20_000.0 if errors > 20 else 31.6, "threshold": 1000.0}}
    numbers = {"seconds": 74.0, "stable": side(4210, 12), "canary": side(412, errors), "tests": tests, "needs": needs}
    return {"numbers": numbers}


def release(world: World, app: str, number: int, live: bool = False) -> str:
    """A release by its events; its deploy's id."""
    id = f"{app}{number}"
    began(world, app, id, f"Change {number}")
    frozen = {"artifact": f"a{number}", "path": "python-web", "commit": COMMIT, "secrets": {}, "env": {}, "config": {}}
    processes = {"web": {"command": "serve", "replicas": 1, "scaling": SCALING}}
    world.say(
        "release_created", app, deploy=id, release=number, processes=processes, declared=DECLARED, **frozen
    )  # fmt: skip
    if live:
        world.say("release_went_live", app, deploy=id, release=number, previous=number - 1 or None)
        world.say("deploy_finished", app, deploy=id)
    return id


def on_trial(world: World, app: str, **judged: Any) -> str:
    """An app whose release 2 gets 5 % beside release 1; the id of its deploy. `judged`: the judge's words so far."""
    world.say("app_created", app, branch="main")
    release(world, app, 1, live=True)
    id = release(world, app, 2)
    world.say("deploy_step_reached", app, deploy=id, step="canary", ms=400, detail="5 % of the requests")
    trial(world, app, id, "canary_started", mode="canary", stable=1, weight=5, policy=POLICY)
    if judged:
        trial(world, app, id, "canary_judged", mode="canary", **judged)
    world.ctx.router.set(app, Route((f"{app}.localhost",), {n: Backend(w, ()) for n, w in ((1, 95), (2, 5))}))
    for number in (1, 2):
        world.driver.replicas.append(
            Status(f"{app}.{number}.web.1", app, number, "web", 1, "up", 1, 4000, rss=2**26, started=time.time())
        )
    return id


def trial(world: World, app: str, id: str, kind: str, **data: Any) -> None:
    """The next fact of an app's canary or watch, of release 2."""
    world.say(kind, app, actor="platform", deploy=id, release=2, **data)


def rolled_back(world: World, app: str, id: str, why: str) -> None:
    """The judge took the canary back."""
    trial(world, app, id, "canary_ended", mode="canary", outcome="rolled back", verdict="rollback", why=why,
          evidence=evidence(errors=31))  # fmt: skip
    hint = "release 1 serves as before; mend it and push again"
    world.say("deploy_failed", app, deploy=id, step="canary", message=f"rolled back: {why}", hint=hint, tail=[])


def traffic(world: World, *apps: str) -> None:
    """Ten minutes of requests to releases 1 and 2, of which some failed."""
    began_at = time.monotonic() - 600
    for look in range(0, 1201, 5):
        asked = {1: 20 * look, 2: look}
        seen = {
            n: Traffic(total, total - total // 100, 0, total // 100, latency=shape(total)) for n, total in asked.items()
        }
        world.ctx.meter.note(Reading(began_at + look / 2, dict.fromkeys(apps, seen)))


def shape(total: int) -> tuple[tuple[float, int], ...]:
    return (10.0, total // 2), (50.0, total - total // 20), (200.0, total)
