"""The API of canaries, counts, previews, jobs and resources: shapes, refusals, rehearsals, and whom it tells what."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.house import until
from tests.web_world import COMMIT, World, live_app, world
from wend.run import Status

POLICY = {"steps": [5, 25, 50], "seconds": 30.0, "watch": 300.0, "sticky": False, "cannot_tell": "pause"}
RESOURCE = {"type": "volume", "about": {"folder": "h"}, "hash": "secret-hash", "version": 1}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("api") / "home") as made:
        live_app(made)
        made.say("app_created", "fix--hello", branch="fix", parent="hello", of_branch="fix", expires_at=9 * 10**15)
        made.say("resource_created", "hello", name="db", **RESOURCE)
        made.say("resource_created", "gone", name="old", **RESOURCE)
        made.say("resource_trashed", "gone", trash="t1", name="old", until=9 * 10**15, **RESOURCE)
        yield made


def newer(there: World, app: str, number: int) -> None:
    """A release that is frozen and never had traffic."""
    frozen = {"artifact": "a", "path": "python-web", "commit": COMMIT, "secrets": {}, "env": {}, "config": {}}
    scaling = {"min": 0, "max": 4, "target": 20.0, "idle": 300.0}
    processes = {"web": {"command": "serve", "scaling": scaling}}
    there.say("release_created", app, deploy=f"d{number}", release=number, processes=processes, **frozen)


def about(app: str) -> dict[str, Any]:
    return {"deploy": f"{app}-d4", "mode": "canary", "release": 4}


def begun(there: World, app: str) -> None:
    """A canary of release 4 beside 3, in its second step."""
    there.say("canary_started", app, stable=3, weight=5, policy=POLICY, **about(app))
    judged = {"verdict": "wait", "why": "too early", "evidence": {"numbers": {"canary": {"requests": 7}}, "state": {}}}
    there.say("canary_stepped", app, step=1, weight=25, state="running", **about(app))
    there.say("canary_judged", app, **about(app), **judged)


# ---------------------------------------------------------------------------------------------- a canary


def test_what_a_canary_would_be_begun_of(there: World) -> None:
    live_app(there, "plain")
    assert there.ask("GET", "/api/apps/plain/canary").json["untried"] is None
    newer(there, "plain", 4)
    assert there.ask("GET", "/api/apps/plain/canary").json["untried"] == 4
    begun(there, "plain")
    there.say("canary_ended", "plain", outcome="rolled back", why="3 % errors", **about("plain"))
    said = there.ask("GET", "/api/apps/plain/canary").json
    assert said["untried"] is None, "nobody begins again by a look what was taken back"
    assert (said["undone"]["why"], said["past"][0]["state"], said["canary"]) == ("3 % errors", "rolled back", None)
    assert there.ask("GET", "/api/apps/plain").json["undone"]["release"] == 4


def test_a_canary_is_read_and_followed_to_its_end(there: World) -> None:
    live_app(there, "tried")
    newer(there, "tried", 4)
    begun(there, "tried")
    said = there.ask("GET", "/api/apps/tried/canary").json
    row = said["canary"]
    assert (row["release"], row["stable"], row["weight"], row["step"], row["why"]) == (4, 3, 25, 1, "too early")
    assert row["numbers"]["canary"]["requests"] == 7 and 0 <= row["seconds"] < 60 and row["policy"] == POLICY
    assert there.ask("GET", "/api/apps/tried").json["canary"]["weight"] == 25
    with there.stream("/api/apps/tried/canary?follow=1") as sock:
        got = bytearray()

        def lines(count: int) -> bool:
            got.extend(sock.recv(65536))
            return got.count(b'"untried"') >= count

        until(lambda: lines(1), 5, "the first reading")
        there.say("canary_ended", "tried", outcome="promoted", why="as good", **about("tried"))
        until(lambda: b'"promoted"' in got or lines(99), 5, "its end")
        sock.settimeout(5)
        while b"0\r\n\r\n" not in got[-16:]:
            got.extend(sock.recv(65536))  # the stream ends by itself
    assert there.ask("GET", "/api/apps/tried/canary?follow=1").json["canary"] is None


def test_rehearsals_of_a_canary_change_nothing(there: World) -> None:
    live_app(there, "rehearsed")
    newer(there, "rehearsed", 4)
    path = "/api/apps/rehearsed"
    before = there.ctx.ledger.head()
    said = there.ask("POST", f"{path}/canary?dry_run=1", {"steps": "10,40"}).lines
    assert "release 4 a share beside 3" in said[0]["line"] and "10 → 40 → 100 %" in said[1]["line"]
    assert "5 → 25 → 50 → 100 %" in there.ask("POST", f"{path}/canary?dry_run=1", {}).lines[1]["line"]
    assert there.ask("POST", f"{path}/canary?dry_run=1", {"release": 3}).status == 409
    assert there.ask("POST", f"{path}/canary?dry_run=1", {"release": 9}).status == 404
    assert there.ask("POST", f"{path}/promote?dry_run=1", {}).status == 404
    assert there.ctx.ledger.head() == before
    begun(there, "rehearsed")
    assert there.ask("POST", f"{path}/canary?dry_run=1", {}).status == 409
    assert "would make release 4 live" in there.ask("POST", f"{path}/promote?dry_run=1", {}).lines[0]["line"]
    assert "would take release 4 back" in there.ask("POST", f"{path}/abort?dry_run=1", {}).lines[0]["line"]


@pytest.mark.parametrize("steps", ["50,20", "0", "abc", "5,,6", "", "100", "5,5", "5.5", "-1", "off", "٣", "9" * 5000])
def test_steps_that_make_no_sense(there: World, steps: str) -> None:
    answer = there.ask("POST", "/api/apps/hello/canary", {"steps": steps})
    assert answer.status == 422 and "steps" in answer.json["message"] and "5" in answer.json["hint"], answer.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("canary", {"steps": [5, 25]}),
        ("canary", {"release": "8"}),
        ("canary", {"release": True}),
        ("canary", {"stpes": "5"}),
        ("promote", {"release": 4}),
        ("scale", {"counts": {"web": "auto"}}),
        ("scale", {"counts": {"web": 1.5}}),
        ("scale", {"counts": {"web": True}}),
        ("scale", {"counts": [3]}),
        ("scale", {"counts": None}),
        ("scale", {"counts": {}}),
        ("resources", {}),
        ("resources", {"trash": 7}),
    ],
)
def test_bodies_of_another_type(there: World, path: str, body: Any) -> None:
    before = there.ctx.ledger.head()
    answer = there.ask("POST", f"/api/apps/hello/{path}", body)
    assert answer.status == 422 and answer.json["hint"], answer.text
    assert there.ctx.ledger.head() == before


# ---------------------------------------------------------------------------------------------- the rest


def test_counts_say_who_set_them(there: World) -> None:
    live_app(there, "scaled")
    newer(there, "scaled", 4)
    there.say("release_went_live", "scaled", deploy="d4", release=4, previous=3)
    there.driver.replicas.append(Status("scaled.4.web.1", "scaled", 4, "web", 1, "asleep", started=time.time()))
    web = there.ask("GET", "/api/apps/scaled/scale").json["processes"]["web"]
    assert (web["count"], web["by"], web["up"], web["asleep"], web["bounds"]["max"]) == (1, "load", 0, 1, 4)
    assert there.ask("GET", "/api/apps/scaled").json["state"] == "asleep"
    said = there.ask("POST", "/api/apps/scaled/scale?dry_run=1", {"counts": {"web": None}}).lines
    assert "from ×1 to ×0 to ×4 by load" in said[0]["line"]
    there.say("scaled", "scaled", process="web", replicas=3)
    said = there.ask("GET", "/api/apps/scaled/scale").json
    assert (said["processes"]["web"]["by"], said["processes"]["web"]["count"]) == ("hand", 3)
    assert said["history"][0]["why"] == "by hand"
    assert there.ask("POST", "/api/apps/hello/scale?dry_run=1", {"counts": {"web": None}}).status == 422


def test_traffic_of_what_nobody_asked(there: World) -> None:
    seen = there.ask("GET", "/api/apps/hello/traffic").json
    assert [one["release"] for one in seen] == [3]
    assert (seen[0]["requests"], seen[0]["error_rate"], seen[0]["memory"]) == (0, None, 2**24)


def test_previews_belong_to_their_app(there: World) -> None:
    narrow = there.token("app.read:hello", "app.change:hello")
    assert [one["name"] for one in there.ask("GET", "/api/apps/hello/previews", token=narrow).json] == ["fix--hello"]
    assert there.ask("GET", "/api/apps/fix--hello", token=narrow).json["parent"] == "hello"
    other = there.token("app.read:other", "app.change:other")
    assert there.ask("GET", "/api/apps/fix--hello", token=other).status == 403
    for name in ("hello", "fix--other", "no--hello", "%2e%2e"):
        assert there.ask("DELETE", f"/api/apps/hello/previews/{name}", {}, token=narrow).status == 404, name
    said = there.ask("DELETE", "/api/apps/hello/previews/fix--hello?dry_run=1", {}, token=narrow).json
    assert (said["would"], said["app"]) == ("remove", "fix--hello")
    assert there.ask("DELETE", "/api/apps/hello?dry_run=1").json["previews"] == 1


def test_resources_and_trash_tell_no_secret_and_no_stranger(there: World) -> None:
    here, trash = (there.ask("GET", path) for path in ("/api/apps/hello/resources", "/api/trash"))
    assert [one["name"] for one in here.json] == ["db"] and [one["id"] for one in trash.json] == ["t1"]
    assert "secret-hash" not in here.text + trash.text
    assert there.ask("DELETE", "/api/apps/hello?dry_run=1").json["kept"][0]["name"] == "db"
    thief = there.token("app.read:hello", "app.change:hello")
    assert there.ask("GET", "/api/trash", token=thief).json == []
    body = {"trash": "t1"}
    stolen = there.ask("POST", "/api/apps/hello/resources", body, token=thief)
    absent = there.ask("POST", "/api/apps/hello/resources", {"trash": "t2"}, token=thief)
    assert stolen.status == absent.status == 404
    assert stolen.text.replace("t1", "t2") == absent.text, "nobody learns what lies in another's trash"


def test_jobs_that_are_not_there(there: World) -> None:
    assert there.ask("GET", "/api/apps/hello/jobs").json == []
    there.say("job_started", "hello", run="j1", job="nightly", due_at=5, release=3, cause="schedule")
    said = there.ask("GET", "/api/apps/hello/jobs/nightly").json
    assert said["job"] is None and said["runs"][0]["state"] == "running", "the history of a job outlives it"
    assert there.ask("GET", "/api/apps/hello/jobs/absent").status == 404
    assert json.loads(there.ask("POST", "/api/apps/hello/jobs/absent/run", {}).text)["error"] == "notfound"
