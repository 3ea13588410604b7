"""The platform, except that it ends itself with SIGKILL when a deploy reaches the step named first: `before:gated` dies
before the step is written, `after:gated` right after; `fact:canary_stepped` right after the first fact of that kind is
in the ledger, `before:fact:…` before it."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from wend.journal import Journal
from wend.ledger.store import Store
from wend.serve import main

when, _, name = sys.argv.pop(1).partition(":")
kind = name.rpartition(":")[2] if "fact" in (when, name.partition(":")[0]) else ""
written = Journal.step


def step(self: Journal, this: str, *words: Any, **more: Any) -> None:
    if this == name and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    written(self, this, *words, **more)
    if this == name and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)


append = Store.append


def appended(self: Store, facts: Any, *words: Any, **more: Any) -> Any:
    """The real thing, unless a fact of the kind that is named is among them."""
    named = any(fact.kind == kind for fact in facts)
    if named and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    found = append(self, facts, *words, **more)
    if named:
        os.kill(os.getpid(), signal.SIGKILL)
    return found


Store.append = appended  # type: ignore[method-assign]
if name == "received":
    begin = Journal.begin

    def started(*words: Any, **more: Any) -> Journal:
        begin(*words, **more)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")

    Journal.begin = staticmethod(started)  # type: ignore[method-assign]
Journal.step = step  # type: ignore[method-assign]
sys.exit(main(sys.argv[1:]))
