"""An interview in a real browser: by keyboard, on a phone, and without script."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.research_world import company
from tests.test_portal_browser import browser, opened_page, press_until
from tests.web_world import world
from wend.research import interviews, snapshots
from wend.research.snapshots import Said
from wend.state.delivery import DAY

__all__ = ["browser"]  # the fixture
LONG = "a-word-without-end-" * 12


def test_from_the_front_page_to_the_snapshot_with_the_keyboard_alone(browser: Any, tmp_path: Path) -> None:
    errors: list[str] = []
    with world(tmp_path / "home") as there:
        company(there.ctx)
        page = opened_page(browser, errors)
        page.goto(there.ask("POST", "/api/signin", {}).json["url"])
        press_until(page, "whom to ask")
        page.keyboard.press("Enter")
        page.wait_for_url("**/research")
        press_until(page, "Draw this week's people")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Whom to ask next").wait_for()
        page.locator(".people a").first.focus()
        page.keyboard.press("Enter")
        page.get_by_text("Tell me about the last time you deployed something.").wait_for()
        press_until(page, "Full")
        page.keyboard.press("Enter")
        page.get_by_label("The story").fill("10:05 opened the change\n40 min waited")
        page.get_by_label("Opportunities").fill("waited for a review | 40")
        press_until(page, "Keep it")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="What hurts").wait_for()
        assert page.get_by_text("points to no pain yet").is_visible()
        page.goto(f"http://127.0.0.1:{there.port}/")
        page.get_by_text("1 of 10 people heard.").wait_for()
        page.context.close()
    assert errors == []


@pytest.mark.parametrize(
    ("width", "scheme", "script"), [(1440, "dark", True), (390, "light", False), (320, "dark", True)]
)
def test_no_page_is_wider_than_its_screen(browser: Any, tmp_path: Path, width: int, scheme: str, script: bool) -> None:
    errors: list[str] = []
    with world(tmp_path / "home") as there, world(tmp_path / "fresh") as fresh:
        company(there.ctx)
        listed = interviews.schedule(there.ctx)
        written, due = (str(one["interview"]) for one in listed[:2])
        interviews.hold(there.ctx, written, "full")
        said = Said(LONG, LONG, LONG, (f"10:05 {LONG}",), (f"{LONG} | 5",), (LONG,))
        snapshots.write(there.ctx, int(written), said)
        interviews.hold(there.ctx, due, "full", int(time.time() * 1e6) - 9 * DAY)
        view = {"width": width, "height": 900}
        page = opened_page(browser, errors, java_script_enabled=script, color_scheme=scheme, viewport=view)
        paths = ["/", "/research", *(f"/research/{one['interview']}" for one in listed[:3])]
        for world_of, some in ((fresh, paths[:2]), (there, paths)):
            page.goto(world_of.ask("POST", "/api/signin", {}).json["url"])
            for path in some:
                page.goto(f"http://127.0.0.1:{world_of.port}{path}")
                page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width and page.locator("h1").first.is_visible(), (path, wide)
        page.context.close()
    assert errors == []
