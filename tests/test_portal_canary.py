"""The portal's pages about trying releases: what the judge says in words and numbers, and the buttons for it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.test_portal import Seen, field
from tests.trial_world import POLICY, evidence, on_trial, release, rolled_back, traffic, trial
from tests.web_world import World, live_app, world
from wend.run import Status
from wend.web import charts, judged

HOSTILE = "<img src=x onerror=alert(1)>\u202e\x1b[31m<script>alert(2)</script>"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("trials") / "home") as made:
        live_app(made)
        traffic(made, "hello", "going", "held", "undone")
        yield made


@pytest.fixture(scope="module")
def cookie(there: World) -> str:
    return there.sign_in()


def words(there: World, path: str, cookie: str) -> str:
    answer = there.page(path, cookie)
    assert answer.status == 200, answer.text
    return " ".join(" ".join(Seen(answer.text).words).split())


def test_a_canary_under_way_is_told_in_full(there: World, cookie: str) -> None:
    id = on_trial(there, "going", verdict="wait", why="2 of 412 failed", evidence=evidence())
    trial(there, "going", id, "canary_stepped", mode="canary", step=1, weight=25, state="running", verdict="step",
          why="good", evidence=evidence())  # fmt: skip
    trial(
        there, "going", id, "canary_judged", mode="canary", verdict="wait", why="2 of 412 failed", evidence=evidence()
    )
    seen = words(there, f"/apps/going/deploys/{id}", cookie)
    for said in (
        "canary at 25 %", "Going on: nothing speaks against it so far", "2 of 412 failed", "at the earliest: 50 %",
        "25 % to release 2, 75 % to release 1", "s left", "Release 1 stable", "Release 2 canary",
        "0.5 % 0.2–0.7 %, n 412",
        "48 ms 24–72 ms, n 4 210", "32 × as likely as not, decides at 1 000", "gets 25 %", "gets 5 % of the requests",
    ):  # fmt: skip
        assert said in seen, said
    html = there.page(f"/apps/going/deploys/{id}", cookie).text
    assert 'data-live="1000"' in html and '<noscript><meta http-equiv="refresh"' in html
    assert 'width="50.0%"' in html, "31.6 is half the way to 1000, since evidence multiplies"
    assert 'aria-current="step"' in html
    app = words(there, "/apps/going", cookie)
    assert "Release 2 gets 25 % of the requests" in app and "Watch it, promote it or roll it back" in app
    assert "canary 25 %" in words(there, "/", cookie)


def test_cannot_tell_says_how_much_is_missing_and_what_waits(there: World, cookie: str) -> None:
    id = on_trial(there, "held")
    trial(there, "held", id, "canary_stepped", mode="canary", step=2, weight=50, state="paused", verdict="cannot tell",
          why="too few", evidence=evidence(needs=2300))  # fmt: skip
    seen = words(there, f"/apps/held/deploys/{id}", cookie)
    assert "Cannot tell: held at 50 %, it needs about 2300 more requests" in seen
    assert "It keeps its share and waits for you" in seen and "held at 50 %" in seen


def test_what_the_judge_took_back_is_told_until_the_next_deploy(there: World, cookie: str) -> None:
    id = on_trial(there, "undone")
    rolled_back(there, "undone", id, "31 of 412 requests failed (7.5 %), beside 12 of 4210")
    app, seen = words(there, "/apps/undone", cookie), words(there, f"/apps/undone/deploys/{id}", cookie)
    assert "Release 2 was rolled back by itself" in app and "31 of 412 requests failed" in app
    assert "Rolled back: release 1 serves every request" in seen and "sure enough" in seen and "ended here" in seen
    assert "Try release 2 again on a share" in seen, "it may be tried again"
    release(there, "undone", 3, live=True)
    assert "rolled back by itself" not in words(there, "/apps/undone", cookie)


def test_a_watch_is_told_with_the_time_it_lasts(there: World, cookie: str) -> None:
    there.say("app_created", "watched", branch="main")
    release(there, "watched", 1, live=True)
    id = release(there, "watched", 2, live=True)
    trial(there, "watched", id, "canary_started", mode="watch", stable=1, weight=100, policy=POLICY | {"steps": []})
    seen = words(there, f"/apps/watched/deploys/{id}", cookie)
    assert "Live, and watched for 5 min more" in seen and "No request was seen yet" in seen
    assert "it is rolled back by itself" in seen
    assert "live, and watched for" in words(there, "/apps/watched", cookie)


def test_seen_for_free_has_numbers_with_intervals_charts_and_definitions(there: World, cookie: str) -> None:
    on_trial(there, "counted")
    traffic(there, "counted")
    html = there.page("/apps/counted", cookie).text
    seen = words(there, "/apps/counted", cookie)
    assert "Release 2 canary, 5 % of the requests" in seen and re.search(r"n \d", seen)
    assert html.count('<svg class="spark"') == 4 and "Requests per second of release 1 in the last 15 minutes" in html
    meant = {f"/numbers#{attributes['id']}" for attributes in Seen(there.page("/numbers", cookie).text).all("dt")}
    used = {link["href"] for link in Seen(html).all("a") if "/numbers" in (link["href"] or "")}
    assert used and used <= meant


def test_no_data_is_said_and_not_shown_as_nought(there: World, cookie: str) -> None:
    there.say("app_created", "fresh", branch="main")
    release(there, "fresh", 1, live=True)
    there.driver.replicas.append(Status("fresh.1.web.1", "fresh", 1, "web", 1, "asleep", 1, 4000))
    seen = words(there, "/apps/fresh", cookie)
    assert "no data yet" in seen and "asleep" in seen and "1 replica" in seen and "by load, from 0 to 4" in seen


# ---------------------------------------------------------------------------------------------- buttons


def test_canary_is_two_clicks_with_the_steps_filled_in(there: World, cookie: str) -> None:
    release(there, "hello", 4)
    there.say("deploy_failed", "hello", deploy="hello4", step="gated", message="no", hint="", tail=[])
    listed = Seen(there.page("/apps/hello", cookie).text)
    assert "/apps/hello/deploys/hello4" in [link["href"] for link in listed.all("a")]
    html = there.page("/apps/hello/deploys/hello4", cookie).text
    assert field(html, "release") == "4" and field(html, "steps") == "5, 25, 50"
    assert "Try release" not in there.page("/apps/hello/deploys/hello3", cookie).text, "it is live"


def test_buttons_are_guarded(there: World, cookie: str) -> None:
    csrf = field(there.page("/apps/hello/deploys/hello4", cookie).text, "csrf")
    before = there.ctx.ledger.head()
    for fields in (
        {"release": "4", "steps": "50,5"},
        {"release": "4", "steps": "x"},
        {"release": "-1"},
        {"release": ""},
    ):
        assert there.form("/apps/hello/canary", cookie, csrf=csrf, **fields).status == 422, fields
    for act in ("canary", "promote", "abort"):
        assert there.form(f"/apps/hello/{act}", cookie, release="4", deploy="x").status == 422
    for act in ("promote", "abort"):
        assert there.form(f"/apps/hello/{act}", cookie, csrf=csrf, deploy="hello3").status == 404
    assert there.ctx.ledger.head() == before
    reader = there.sign_in(there.token("app.read", owner="reader"))
    page = there.page("/apps/hello/deploys/hello4", reader).text
    assert "Canary</button>" not in page
    assert there.form("/apps/hello/canary", reader, release="4", csrf=field(page, "csrf")).status == 403


def test_roll_back_of_a_canary_and_only_of_the_one_that_was_shown(there: World, cookie: str) -> None:
    id = on_trial(there, "taken")
    csrf = field(there.page(f"/apps/taken/deploys/{id}", cookie).text, "csrf")
    assert there.form("/apps/taken/abort", cookie, csrf=csrf, deploy="taken1").status == 404
    answer = there.form("/apps/taken/abort", cookie, csrf=csrf, deploy=id)
    assert (answer.status, answer.headers["location"]) == (303, f"/apps/taken/deploys/{id}")
    assert "Taken back by hand: release 1 serves every request" in words(there, f"/apps/taken/deploys/{id}", cookie)


def test_a_button_of_a_page_that_is_too_old_does_nothing_and_says_where_to_go(there: World, cookie: str) -> None:
    id = on_trial(there, "stale")
    csrf = field(there.page(f"/apps/stale/deploys/{id}", cookie).text, "csrf")
    before = there.ctx.ledger.head()
    signed_out = there.form("/apps/stale/promote", "", csrf=csrf, deploy=id)
    assert signed_out.status == 401 and "You are not signed in any more. Nothing was done." in signed_out.text
    assert 'href="/login?next=/apps/stale"' in signed_out.text
    assert there.ctx.ledger.head() == before
    assert there.form("/apps/stale/abort", cookie, csrf=csrf, deploy=id).status == 303
    second = there.form("/apps/stale/promote", cookie, csrf=csrf, deploy=id)
    assert second.status == 409 and 'href="/apps/stale">Back to stale' in second.text


def test_jobs_credentials_and_trash_have_buttons_that_are_guarded(there: World, cookie: str) -> None:
    there.say("app_created", "stores", branch="main")
    release(there, "stores", 1, live=True)
    made = {"about": {"server": "gone"}, "hash": "h", "version": 1}
    there.say("resource_created", "stores", name="db", type="postgres", **made)
    there.say("resource_created", "stores", name="files", type="volume", **made | {"about": {"folder": "nowhere"}})
    there.say("resource_trashed", "stores", trash="t1", name="old", type="redis", until=2**53, about={}, version=1)
    jobs, stored = (there.page(f"/apps/stores/{page}", cookie).text for page in ("jobs", "resources"))
    assert field(jobs, "job") == "nightly" and field(stored, "trash") == "t1"
    links = [link["href"] for link in Seen(stored).all("a") if "/rotate" in (link["href"] or "")]
    assert links == ["/apps/stores/rotate?name=db"], "a folder has no password"
    assert "locked out" in words(there, links[0], cookie)
    for name in ("files", "absent", HOSTILE):
        assert there.page("/apps/stores/rotate?name=" + quote(name), cookie).status == 404
    csrf, before = field(jobs, "csrf"), there.ctx.ledger.head()
    for act, fields in (("jobs", {"job": "absent"}), ("rotate", {"name": "absent"}), ("restore", {"trash": "absent"})):
        assert there.form(f"/apps/stores/{act}", cookie, csrf=csrf, **fields).status == 404, act
        assert there.form(f"/apps/stores/{act}", cookie, **fields).status == 422, act
    reader = there.sign_in(there.token("app.read", owner="reader"))
    for page in ("jobs", "resources"):
        assert "Run now" not in words(there, f"/apps/stores/{page}", reader)
        assert "Restore" not in words(there, f"/apps/stores/{page}", reader)
    csrf = field(there.page("/apps/stores/jobs", reader).text, "csrf")
    assert there.form("/apps/stores/jobs", reader, csrf=csrf, job="nightly").status == 403
    other = there.sign_in(there.token("app.change:kept2", "app.read:kept2", owner="other"))
    csrf = field(there.page("/", other).text, "csrf")
    assert there.form("/apps/kept2/restore", other, csrf=csrf, trash="t1").status == 404
    done = {event.kind.partition("_")[0] for event in there.ctx.ledger.read(before[0])}
    assert not done & {"job", "resource", "deploy"}, done


# ---------------------------------------------------------------------------------------------- beside


def test_empty_pages_teach_and_full_ones_list(there: World, cookie: str) -> None:
    assert "[cron.nightly]" in words(there, "/apps/hello/jobs", cookie)
    assert "git push wend my-branch" in words(there, "/apps/hello/previews", cookie)
    assert "[resources.db]" in words(there, "/apps/hello/resources", cookie)
    now = int(time.time() * 1e6)
    there.say("app_created", "kept", branch="main")
    release(there, "kept", 1, live=True)
    there.say("app_created", "b--kept", branch="b", parent="kept", of_branch=HOSTILE, expires_at=now + 7200 * 10**6)
    there.say("job_started", "kept", run="j1", job=HOSTILE, due_at=now, release=1, cause="schedule")
    there.say("job_finished", "kept", run="j1", state="failed", ended=HOSTILE, ms=5123)
    there.say("job_skipped", "kept", run="j2", job="nightly", due_at=now, why=HOSTILE)
    made = {"about": {"server": "10.255.0.1:1", "password": "hunter2"}, "hash": "sealed-here", "version": 3}
    there.say("resource_created", "kept", name=HOSTILE, type="postgres", **made)
    there.say("resource_created", "kept", name="old", type="volume", **made)
    there.say("resource_trashed", "kept", trash="t9", name="old", type="volume", until=now + 3600 * 10**6, **made)
    assert "1 h 59 min" in words(there, "/apps/kept/previews", cookie)
    jobs = words(there, "/apps/kept/jobs", cookie)
    assert "0 3 * * *" in jobs and "skipped" in jobs and "5.1 s" in jobs
    stored = words(there, "/apps/kept/resources", cookie)
    assert "version 3, never changed" in stored and "Can be restored" in stored and "59 min" in stored
    for page in ("previews", "jobs", "resources"):
        html, data = there.page(f"/apps/kept/{page}", cookie).text, there.page(f"/apps/kept/{page}.json", cookie).text
        assert "hunter2" not in html + data and "sealed-here" not in html + data
        assert not [raw for raw in ("<img src=x", "<script>alert", "\u202e", "\x1b") if raw in html], page
        assert "⟨U+202E⟩" in html


def test_hostile_words_of_a_judge_are_text(there: World, cookie: str) -> None:
    id = on_trial(there, "evil", verdict="wait", why=HOSTILE, evidence=evidence())
    there.say("autoscaled", "evil", process=HOSTILE, before=1, after=2, why=HOSTILE)
    for path in ("/apps/evil", f"/apps/evil/deploys/{id}"):
        html = there.page(path, cookie).text
        assert "<img src=x" not in html and "<script>alert" not in html and "\u202e" not in html, path


# ---------------------------------------------------------------------------------------------- pure


def test_evidence_is_shown_on_a_scale_of_factors() -> None:
    assert [round(judged.way(seen, 1000), 2) for seen in (0.0, 1.0, 31.63, 1000.0, 1e9)] == [0, 0, 0.5, 1, 1]
    assert judged.way(float("inf"), 20) == 1.0 and judged.way(float("nan"), 20) == 0.0


def test_a_chart_keeps_its_gaps_and_its_edges() -> None:
    drawn = charts.line("x", "A & B", "<about>", [None, (0.5, 0.2, 9.0), (0.5, 0.4, 0.6), None, (1.0, 1.0, 1.0)], 1.0)
    assert drawn.count("<polyline") == 2 and drawn.count("<polygon") == 1
    assert "A &amp; B" in drawn and "&lt;about&gt;" in drawn
    heights = [float(point.split(",")[1]) for line in re.findall(r'points="([^"]+)"', drawn) for point in line.split()]
    assert all(0 <= height <= charts.HEIGHT for height in heights)
    assert charts.lately([], "x") == {}
