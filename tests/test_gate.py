"""The gate's verdict is a pure function of what was seen: histories in, verdicts out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wend.gate import PATIENCE, Seen, judge

WEB = Seen("web", "/", 60.0, 100.0, port=5000)
WORKER = Seen("worker", None, 60.0, 100.0)


@pytest.mark.parametrize(
    ("seen", "now", "state", "words"),
    [
        (WEB, 101.0, "wait", ""),
        (replace(WEB, answer=200), 101.0, "well", ""),
        (replace(WEB, answer=404), 101.0, "well", ""),
        (replace(WEB, answer=500, answered=100.5), 101.0, "wait", ""),
        (replace(WEB, answer=500, answered=100.5), 101.0 + PATIENCE, "sick", "answers 500 at /"),
        (replace(WEB, ended="exited with code 3"), 100.2, "sick", "exited with code 3 after 200 ms"),
        (replace(WEB, listens=(8000,), astray=101.0), 102.0, "wait", ""),
        (replace(WEB, listens=(8000,), astray=101.0), 102.0 + PATIENCE, "sick", "port 8000, not on $PORT (5000)"),
        (WEB, 161.0, "sick", "did not listen on $PORT (5000) within 61 s"),
        (replace(WEB, answer="TimeoutError: timed out"), 161.0, "sick", "did not answer / within 61 s"),
        (WORKER, 101.0, "wait", ""),
        (replace(WORKER, up_since=100.1), 101.0, "wait", ""),
        (replace(WORKER, up_since=100.1), 102.0, "well", ""),
        (replace(WORKER, up_since=100.1, ended="killed: out of memory"), 102.0, "sick", "out of memory"),
    ],
)
def test_verdicts(seen: Seen, now: float, state: str, words: str) -> None:
    verdict = judge(seen, now, settle=1.5)
    assert verdict.state == state
    assert words in verdict.reason
    if state == "sick":
        assert verdict.hint, "a refusal always says what to do next"
