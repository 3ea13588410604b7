"""The platform, except that it ends itself with SIGKILL when a deploy reaches the step named first: `before:gated` dies
before the step is written, `after:gated` right after."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from wend.journal import Journal
from wend.serve import main

when, _, name = sys.argv.pop(1).partition(":")
written = Journal.step


def step(self: Journal, this: str, *words: Any, **more: Any) -> None:
    if this == name and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    written(self, this, *words, **more)
    if this == name and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)


if name == "received":
    begin = Journal.begin

    def started(*words: Any, **more: Any) -> Journal:
        begin(*words, **more)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")

    Journal.begin = staticmethod(started)  # type: ignore[method-assign]
Journal.step = step  # type: ignore[method-assign]
sys.exit(main(sys.argv[1:]))
