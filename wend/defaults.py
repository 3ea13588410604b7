"""The defaults, as opinions: why each is as it is, and whether so many apps say otherwise that it should be another.

No facts of its own: it reads what live releases say. A default that many set by hand is a wrong default, not a need to
write better docs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from wend.context import Context
from wend.declared import Canary, Preview
from wend.fleet import MEMORY, PROCESSES
from wend.spec import Process
from wend.state import questions
from wend.state.questions import Release
from wend.stats import more_for_share, wilson

MOST = 0.2  # the share of apps that set it otherwise, beyond which it is thought over
CONDITION = "set otherwise by > 20 % of apps"
Item = dict[str, Any]


@dataclass(frozen=True)
class Default:
    """`says`: whether a live release has another value."""

    name: str
    value: str
    because: str
    other: Callable[[Release], bool]


def of_process(key: str, usual: Any) -> Callable[[Release], bool]:
    """Any of its processes has another value than what is usual, or than none."""
    return lambda release: any(one.get(key) not in (None, usual) for one in release.processes.values())


def of_web(key: str, usual: Any) -> Callable[[Release], bool]:
    return lambda release: release.processes.get("web", {}).get(key) not in (None, usual)


PROCESS, CANARY, PREVIEW = Process("web"), Canary(), Preview()
DEFAULTS = (
    Default("process.*.memory", f"{MEMORY // 2**20}M", "most web apps fit twice, and a leak is caught early",
            of_process("memory", MEMORY)),
    Default("process.*.processes", str(PROCESSES), "a fork bomb ends here, and no honest server comes near",
            of_process("processes", PROCESSES)),
    Default("process.*.replicas", "1", "one machine that restarts it in a second is simpler than two copies",
            lambda release: of_process("replicas", 1)(release) or of_process("scaling", None)(release)),
    Default("process.*.boot", f"{PROCESS.boot:g} s", "who waits longer has a problem that waiting hides",
            of_process("boot", PROCESS.boot)),
    Default("process.*.grace", f"{PROCESS.grace:g} s", "a request that takes longer is rarely worth a deploy's time",
            of_process("grace", PROCESS.grace)),
    Default("process.web.health", "/", "an answer on the first page says that it is up",
            of_web("health", "/")),
    Default("canary.steps", str(CANARY.steps), "a canary where there is traffic to judge it by, and none where not",
            lambda release: release.declared.canary.steps != CANARY.steps),
    Default("canary.watch", f"{CANARY.watch:g} s", "most bad releases show within minutes",
            lambda release: release.declared.canary.watch != CANARY.watch),
    Default("preview.hours", f"{PREVIEW.hours:g}", "a branch is looked at within three days, or not at all",
            lambda release: release.declared.preview.hours != PREVIEW.hours),
)  # fmt: skip


def standing(other: int, n: int) -> Item:
    """How many of n apps say otherwise, and whether the condition has come true: when the whole of Wilson's interval is
    beyond the share, and not when all of it is short of that."""
    share = wilson(other, n)
    if share is None:
        return {"holds": None, "says": "no data", "share": None, "n": 0}
    told = f"{other} of {n} apps say otherwise ({share.low:.0%}–{share.high:.0%})"
    if share.low > MOST:
        return {"holds": True, "says": f"think it over: {told}", "share": asdict(share), "n": n}
    if share.high < MOST:
        return {"holds": False, "says": told, "share": asdict(share), "n": n}
    more = f"{told}: cannot tell, needs about {max(1, more_for_share(other, n))} more"
    return {"holds": None, "says": more, "share": asdict(share), "n": n}


def listed(ctx: Context) -> list[Item]:
    """Every default with its reason, its condition, and where that stands."""
    with ctx.ledger.query() as db:
        apps = {one.name for one in questions.apps(db) if not one.parent}
        live: Mapping[str, Release] = {n: one for n, one in questions.live_releases(db).items() if n in apps}
    return [
        {"name": one.name, "value": one.value, "because": one.because, "reconsider": CONDITION}
        | {"reconsidered": standing(sum(one.other(release) for release in live.values()), len(live))}
        for one in DEFAULTS
    ]
