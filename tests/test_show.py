"""How values look on a page, and whether their colours can be read."""

from __future__ import annotations

import re

import pytest

from wend.web import show


def test_numbers_and_times() -> None:
    assert [show.duration(ms) for ms in (0, 412, 3200, 125_000, 3_840_000, 183_600_000, None)] == [
        "0 ms", "412 ms", "3.2 s", "2 min 5 s", "1 h 4 min", "2 d 3 h", "–"]  # fmt: skip
    assert [show.size(count) for count in (None, 900, 9_330_688, 45_000_000, 3 * 2**40)] == [
        "–",
        "900 B",
        "8.9 MB",
        "43 MB",
        "3.0 TB",
    ]
    assert ">3 min ago<" in show.ago(1e6 * (1_000_000 - 200), lambda: 1_000_000.0) and 'title="1970-01-12' in show.ago(
        1e6 * 999_800
    )
    assert "never" in show.ago(None)
    assert all(
        b"<time" in show.log_line({"at": at, "source": "x", "text": ""}) for at in (0, 1e99, float("nan"), -1e99)
    )


def test_bars_fill_the_whole() -> None:
    steps = [{"step": "checked", "ms": 10, "at": 0}, {"step": "built", "ms": 30, "at": 40_000}]
    failed = {"state": "failed", "step": "built", "started_at": 0, "ended_at": 100_000, "message": "no"}
    made = show.bars(steps, failed)
    assert [(bar["x"], bar["width"], bar["state"]) for bar in made] == [
        (0, 10, "reached"),
        (10, 30, "reached"),
        (40, 60, "failed"),
    ]
    assert made[-1]["step"] == "released" and made[-1]["detail"] == "no"
    assert [show.after(step) for step in ("received", "drained", "done", "unheard-of")] == [
        "checked",
        "done",
        "done",
        "done",
    ]
    assert (
        show.bars([], {**failed, "state": "running", "ended_at": None, "message": None}, lambda: 1.0)[0]["width"] == 100
    )


def test_the_time_of_a_canary_is_a_step_and_counts_until_live() -> None:
    reached = (("gated", 60, 60), ("canary", 1, 61), ("live", 9, 20_070), ("done", 0, 20_080))
    steps = [{"step": step, "ms": ms, "at": at * 1000} for step, ms, at in reached]
    made = show.bars(steps, {"state": "done"})
    assert [(bar["step"], bar["ms"]) for bar in made[2:]] == [("judged", 20_000), ("live", 9)]
    assert show.live_ms(steps) == 20_070 and show.live_ms(steps[:2]) is None


def luminance(color: str) -> float:
    channels = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2's ratio, 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_contrast(scheme: str) -> None:
    css = (show.HERE / "static" / "wend.css").read_text()
    roots = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    assert len(roots) == 2
    colors = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", roots[scheme == "dark"]))
    on_card = [("text", under) for under in ("ground", "card", "soft", "bad-ground")]
    on_card += [
        (name, under) for name in ("muted", "accent", "good", "wait", "warn", "bad") for under in ("ground", "card")
    ]
    pairs = [
        *on_card,
        ("bad", "bad-ground"),
        ("muted", "bad-ground"),
        ("muted", "soft"),
        ("on-accent", "accent"),
        ("term-text", "term"),
        ("term-muted", "term"),
    ]
    poor = {
        pair: round(contrast(colors[pair[0]], colors[pair[1]]), 2)
        for pair in pairs
        if contrast(colors[pair[0]], colors[pair[1]]) < 4.5
    }
    assert poor == {}
