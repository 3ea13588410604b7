"""Where a browser, or a command at a terminal, is asked one question after a finished deploy."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from wend.journal import Say
from wend.surveys import answering, asking
from wend.surveys.asking import Invite
from wend.web.door import Visit, wants_json
from wend.web.stream import Item

FRESH = 600_000_000  # microseconds after a deploy in which its page may ask
TERMINAL = "terminal"  # what the command line says of itself in `Wend-Asks` when a person reads along
log = logging.getLogger(__name__)
Act = Callable[[Say, threading.Event], Item | None]


def after(visit: Visit, cause: str, act: Act) -> Act:
    """The act, and after it the question it brings, if any. An act that fails asks nothing."""

    def done(say: Say, gone: threading.Event) -> Item | None:
        begun = int(time.time() * 1e6)
        said = act(say, gone)
        read = visit.request.headers.get("wend-asks") == TERMINAL and visit.ctx.actor.kind == "human"
        found = quietly(lambda: asking.decide_after(visit.ctx, cause, visit.app, begun)) if read else None
        if found:
            say(f"  {found.line()}")
            asking.apart("shown", lambda: asking.shown(visit.ctx, found.id, TERMINAL))
        return said

    return done


def card(visit: Visit, deploy: dict[str, Any]) -> Invite | None:
    """The question on the page of one's own deploy, when it is done and fresh: the one it brings, or one that waits for
    an answer."""
    now = int(time.time() * 1e6)
    mine = visit.session is not None and visit.ctx.actor.kind == "human" and deploy["actor"] == visit.ctx.actor.name
    done = deploy["state"] == "done" and now - (deploy["ended_at"] or 0) < FRESH
    if not mine or not done or wants_json(visit.request) or visit.request.method != "GET":
        return None
    return quietly(lambda: due(visit, deploy))


def due(visit: Visit, deploy: dict[str, Any]) -> Invite | None:
    """The question that this deploy brings, written down as shown; or the one that waits."""
    event = asking.push_event(deploy["app"], deploy["commit"]) if deploy["cause"] == "push" else deploy["id"]
    found = asking.decide(visit.ctx, deploy["cause"], deploy["app"], event)
    if found:
        asking.shown(visit.ctx, found.id, "portal")
    return found or answering.waiting(visit.ctx)


def quietly(decide: Callable[[], Invite | None]) -> Invite | None:
    """What was decided; nothing where that went wrong. What was done is done, and a page is a page, whatever a question
    runs into."""
    try:
        return decide()
    except Exception:
        log.exception("a question after a deploy")
        return None
