"""The journal of a deploy: each step is written before the next begins, and told to whoever waits.

Facts: deploy_started, deploy_step_reached, deploy_failed, deploy_finished.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wend.context import Context
from wend.errors import Conflict, WendError
from wend.events import Fact

STEPS: dict[str, str] = {
    "received": "the commits, or the wish, arrived",
    "checked": "wend.toml is valid, there is room on the disk, a path fits",
    "built": "the artifact is there",
    "released": "the release is frozen and its release command has run",
    "started": "every new process is started",
    "gated": "every new process is well",
    "canary": "a share of the traffic goes to the release, and the judge looks on",
    "live": "the proxy sends traffic to the release",
    "drained": "the release before has no request in flight",
    "done": "nothing is left to do",
}
FORWARD = frozenset({"gated", "live", "drained"})  # past these a restart finishes the deploy; before them it undoes it

Say = Callable[[str], None]


def new_id() -> str:
    """An id that sorts by time: 9 base-36 digits of milliseconds, 4 random ones."""
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
    number, digits = int(time.time() * 1000), ""
    while number:
        number, digit = divmod(number, 36)
        digits = alphabet[digit] + digits
    return digits.rjust(9, "0") + "".join(secrets.choice(alphabet) for _ in range(4))


@dataclass
class Journal:
    """One deploy's journal. `began` and `last` are monotonic seconds."""

    ctx: Context
    app: str
    id: str
    say: Say
    began: float = field(default_factory=time.monotonic)
    last: float = field(default_factory=time.monotonic)
    reached: str = "received"

    @staticmethod
    def begin(ctx: Context, app: str, cause: str, say: Say, before: list[Fact] | None = None, **data: Any) -> Journal:
        """Write deploy_started (after the facts in `before`, in the same transaction). `data`: summary, commit, ref,
        release."""
        journal = Journal(ctx, app, new_id(), say)
        started = journal.fact("deploy_started", cause=cause, **data)
        ctx.ledger.append([*(before or []), started])
        return journal

    def fact(self, kind: str, **data: Any) -> Fact:
        """A fact of this deploy."""
        return Fact(kind, f"deploy/{self.id}", {"deploy": self.id, **data}, actor=self.ctx.actor.name, app=self.app)

    def step(self, name: str, detail: str = "", with_facts: list[Fact] | None = None, tell: bool = True) -> None:
        """Record that a step is reached, with the facts that belong to it, in one transaction."""
        now = time.monotonic()
        ms = round((now - self.last) * 1000)
        self.ctx.ledger.append([*(with_facts or []), self.fact("deploy_step_reached", step=name, ms=ms, detail=detail)])
        self.last, self.reached = now, name
        if tell:
            self.say(f"  {name:<9} {ms:>6} ms  {detail}".rstrip())

    def total(self) -> int:
        """Milliseconds since the deploy began."""
        return round((time.monotonic() - self.began) * 1000)

    def fail(self, error: WendError, tail: list[str]) -> None:
        """Record why the deploy ended. Its text is what the person saw."""
        words = {"step": self.reached, "message": error.message[:2000], "hint": error.hint[:500]}
        superseded = isinstance(error, Conflict)
        self.ctx.ledger.append([self.fact("deploy_failed", **words, tail=tail, superseded=superseded)])
