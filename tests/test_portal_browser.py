"""The portal in a real browser on a real platform: by keyboard, without script, on a phone, and while things move."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house import House, Repo, small, until
from tests.signal_world import seed
from tests.trial_world import evidence, on_trial, rolled_back, traffic, trial
from tests.web_world import began, live_app, world
from wend.events import Fact

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here; install one: apt-get install -y chromium")
    api = pytest.importorskip("playwright.sync_api", reason="no playwright here; install it: uv pip install playwright")
    os.environ.setdefault("DBUS_SESSION_BUS_ADDRESS", "disabled:")
    with api.sync_playwright() as play:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
        opened = play.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def two_releases(platform: House, tmp_path_factory: pytest.TempPathFactory) -> Repo:
    repo = platform.repo("browsed", tmp_path_factory.mktemp("browsed") / "repo", word="one")
    assert repo.push()[0]
    repo.write({"app.py": (repo.folder / "app.py").read_text().replace("'one'", "'two'")})
    repo.commit("second version")
    taken, said = repo.push()
    assert taken, said
    return repo


def opened_page(browser: Any, errors: list[str], **options: Any) -> Any:
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(15_000)
    page.on("console", lambda said: errors.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return page


def press_until(page: Any, text: str) -> None:
    """Tab until the focus is on what says `text`."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText || ''").strip().startswith(text):
            return
    raise AssertionError(f"the keyboard never reaches {text!r}")


def test_roll_back_with_the_keyboard_alone(browser: Any, platform: House, two_releases: Repo) -> None:
    errors: list[str] = []
    page = opened_page(browser, errors)
    assert platform.get("browsed") == (200, "two")
    page.goto(f"http://127.0.0.1:{platform.listen}/apps/browsed")
    page.keyboard.type(platform.token)
    page.keyboard.press("Enter")
    page.wait_for_url("**/apps/browsed")
    press_until(page, "Roll back")
    page.keyboard.press("Enter")
    page.wait_for_url("**/rollback?release=1")
    press_until(page, "Roll back to release 1")
    page.keyboard.press("Enter")
    page.wait_for_url("**/deploys/*")
    page.get_by_text("went live").wait_for()
    assert platform.get("browsed") == (200, "one")
    assert errors == []


def test_the_log_grows_while_you_look(browser: Any, platform: House, two_releases: Repo) -> None:
    errors: list[str] = []
    page = opened_page(browser, errors)
    page.goto(platform.api("POST", "/api/signin", {"next": "/apps/browsed/logs"})[1]["url"])
    page.get_by_text("Following.").wait_for()
    before = page.locator("#log .line").count()
    assert "done" in platform.change("/api/apps/browsed/config", {"set": {"STAMP": str(time.time())}})[1]
    until(lambda: page.locator("#log .line").count() > before, what="a new line")
    assert errors == []


def test_pages_without_script_in_both_schemes_and_on_a_phone(browser: Any, platform: House, two_releases: Repo) -> None:
    errors: list[str] = []
    for scheme, width in (("light", 390), ("dark", 1440)):
        view = {"width": width, "height": 800}
        page = opened_page(browser, errors, java_script_enabled=False, color_scheme=scheme, viewport=view)
        page.goto(platform.api("POST", "/api/signin", {})[1]["url"])
        for path in ("/", "/apps/browsed", "/apps/browsed/logs", "/paths", "/ledger"):
            page.goto(f"http://127.0.0.1:{platform.listen}{path}")
            assert page.locator("h1").is_visible(), path
            box = page.locator("main").bounding_box()
            assert box["width"] <= width, (path, box)
        page.context.close()
    assert errors == []


def test_the_first_app_appears_by_itself(browser: Any, tmp_path: Path) -> None:
    errors: list[str] = []
    with world(tmp_path / "home") as fresh:
        page = opened_page(browser, errors)
        page.goto(fresh.ask("POST", "/api/signin", {}).json["url"])
        page.get_by_text("No app yet").wait_for()
        live_app(fresh)
        page.get_by_role("link", name="hello", exact=True).wait_for()
        page.context.close()
    assert errors == []


def test_a_deploy_moves_while_you_look(browser: Any, tmp_path: Path) -> None:
    errors: list[str] = []
    with world(tmp_path / "home") as there:
        live_app(there)
        began(there, "hello", "hello9", "under way")
        page = opened_page(browser, errors)
        page.goto(there.ask("POST", "/api/signin", {"next": "/apps/hello/deploys/hello9"}).json["url"])
        page.get_by_text("deploying").wait_for()
        there.say("deploy_failed", deploy="hello9", step="built", message="it broke <b>", hint="", tail=["last line"])
        page.get_by_role("heading", name="it broke <b>").wait_for()
        page.get_by_label("Its last lines").wait_for()
        page.context.close()
    assert errors == []


def test_a_canary_moves_while_you_look_and_a_button_goes_by_keyboard(browser: Any, tmp_path: Path) -> None:
    errors: list[str] = []
    with world(tmp_path / "home") as there:
        id = on_trial(there, "shop", verdict="wait", why="nothing yet", evidence=evidence())
        page = opened_page(browser, errors)
        page.goto(there.ask("POST", "/api/signin", {"next": f"/apps/shop/deploys/{id}"}).json["url"])
        page.get_by_role("heading", name="Going on").wait_for()
        trial(there, "shop", id, "canary_stepped", mode="canary", step=2, weight=50, state="paused",
              verdict="cannot tell", why="too <few>", evidence=evidence(needs=90))  # fmt: skip
        page.get_by_role("heading", name="Cannot tell: held at 50 %, it needs about 90 more requests").wait_for()
        press_until(page, "Roll back")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Taken back by hand").wait_for()
        page.context.close()
    assert errors == []


def test_no_page_is_wider_than_a_phone(browser: Any, tmp_path: Path) -> None:
    errors: list[str] = []
    long = "a-word-without-end-" * 12
    with world(tmp_path / "home") as there:
        live_app(there)
        on_trial(there, "shop", verdict="wait", why=long, evidence=evidence(needs=90))
        rolled_back(there, "back", on_trial(there, "back"), long)
        traffic(there, "shop", "back")
        now = int(time.time() * 1e6)
        there.say("app_created", "b--shop", branch=long, parent="shop", of_branch=long, expires_at=now * 2)
        there.say("job_started", "shop", run="j1", job=long, due_at=now, release=1, cause="schedule")
        there.say("resource_created", "shop", name=long, type="redis", about={}, hash="h", version=1)
        there.say("resource_trashed", "shop", trash="t", name=long, type="redis", about={}, version=1, until=now * 2)
        there.say("autoscaled", "shop", process="web", before=1, after=2, why=long)
        beside = [f"/apps/{app}/{page}" for app in ("shop", "hello") for page in ("previews", "jobs", "resources")]
        trials = ["/apps/shop/deploys/shop2", "/apps/back/deploys/back2", "/apps/shop", "/apps/back", "/apps/hello"]
        for script, width in ((True, 390), (False, 390), (True, 320)):
            page = opened_page(browser, errors, java_script_enabled=script, viewport={"width": width, "height": 800})
            page.goto(there.ask("POST", "/api/signin", {}).json["url"])
            for path in (*beside, *trials, "/numbers", "/"):
                page.goto(f"http://127.0.0.1:{there.port}{path}")
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, (path, wide)
            page.context.close()
    assert errors == []


def test_signals_on_a_phone_and_a_desk_with_the_keyboard_and_without_script(browser: Any, tmp_path: Path) -> None:
    errors: list[str] = []
    with world(tmp_path / "home") as there:
        seed(there.ctx.ledger, weeks=8)
        told = {"service": "a-word-without-end-" * 9, "team": "another-word-without-end-" * 6, "why": None}
        told |= {"source": "x", "repo": None, "since": 1, "until": None, "exempt": False}
        there.ctx.ledger.append([Fact("service_recorded", "service/x", told)])
        paths = ("/signals?weeks=104", "/signals/change_fail_rate", "/signals/nps", "/signals/access", "/ingest",
                 "/ledger/7")  # fmt: skip
        for script, width, scheme in ((True, 1440, "dark"), (False, 390, "light"), (True, 320, "dark")):
            view = {"width": width, "height": 900}
            page = opened_page(browser, errors, java_script_enabled=script, color_scheme=scheme, viewport=view)
            page.goto(there.ask("POST", "/api/signin", {}).json["url"])
            for path in paths:
                page.goto(f"http://127.0.0.1:{there.port}{path}")
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width and page.locator("h1").is_visible(), (path, wide)
            page.goto(f"http://127.0.0.1:{there.port}/signals")
            page.get_by_label("Of", exact=True).select_option("team:payments")
            press_until(page, "Show") if script else page.get_by_role("button", name="Show").focus()
            page.keyboard.press("Enter")
            page.wait_for_url("**/signals?scope=team%3Apayments&weeks=13")
            page.get_by_role("link", name="Change fail rate").click()
            page.get_by_role("heading", name="What is behind it").wait_for()
            page.locator(".evidence a").first.click()
            page.get_by_role("heading", name="Event").wait_for()
            page.context.close()
    assert errors == []


def test_a_job_runs_now_without_script(browser: Any, platform: House, tmp_path: Path) -> None:
    errors: list[str] = []
    cron = '[cron.report]\nschedule = "0 3 1 1 *"\ncommand = "echo done"\n'
    taken, said = platform.repo("clocked", tmp_path / "repo", {**small("one"), "wend.toml": cron}).push()
    assert taken, said
    page = opened_page(browser, errors, java_script_enabled=False)
    page.goto(platform.api("POST", "/api/signin", {"next": "/apps/clocked/jobs"})[1]["url"])
    page.get_by_text("never").wait_for()
    page.get_by_role("button", name="Run now").click()
    page.wait_for_url("**/apps/clocked/jobs")

    def ran() -> bool:
        page.reload()
        return page.get_by_role("cell", name="exited with code 0").count() == 1

    until(ran, what="the run")
    assert page.get_by_role("cell", name="by hand").count() == 1
    page.context.close()
    assert errors == []


def test_a_canary_in_two_clicks_and_promoted_in_two(browser: Any, platform: House, two_releases: Repo) -> None:
    errors: list[str] = []
    there = platform.api("GET", "/api/apps/browsed")[1]
    number = 3 - there["live"] if there["live"] in (1, 2) else 1
    page = opened_page(browser, errors)
    page.goto(platform.api("POST", "/api/signin", {"next": "/apps/browsed"})[1]["url"])
    page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=str(number), exact=True)).get_by_role(
        "link", name=str(number), exact=True
    ).click()
    page.get_by_role("button", name="Canary").click()
    page.get_by_text("canary at 5 %").wait_for()
    page.get_by_role("button", name="Promote").click()
    page.get_by_role("heading", name=f"Promoted: release {number} gets every request").wait_for()
    until(lambda: platform.api("GET", "/api/apps/browsed")[1]["live"] == number, what="the promoted release")
    page.context.close()
    assert errors == []
