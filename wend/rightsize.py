"""How small it may be: the simplest topology that holds the measured load, what may shrink, and what to retire next.

No facts of its own: it reads what the clock measured (load_measured) and what runs.

What has to be held is the highest minute of all that was seen, HEADROOM times over. That a later hour is higher still
is possible; the chance is at most 1 - 0.05^(1/n) after n hours, 19 times out of 20 (the rule of three, exact).
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from wend import fleet
from wend.build import store
from wend.context import Context
from wend.state import load, questions
from wend.state.questions import Release

HEADROOM = 2.0  # the load may double before the topology has to change
FEW, WEEK = 24, 168  # hours below which nothing is said, and below which a weekend or a busy day was not seen
BACK = 13 * WEEK  # hours looked at
LARGEST = (64, 256 * 2**30)  # cores and bytes of a machine that everybody can get
GROWTH = 14  # days below which nothing is said of growth
FAR = 5 * 365  # days beyond which growth is none
LEAST = 32 * 2**20  # bytes of memory below which no limit is proposed
Item = dict[str, Any]


# ---------------------------------------------------------------------------------------------- pure


@dataclass(frozen=True)
class Topology:
    """`name`: cannot tell · smaller · this · larger · several. `share` of this machine that the highest minute used, by
    the scarcer of `cpu` and `memory`; `machines` of `cpus` cores and `memory` bytes each hold it with headroom."""

    name: str
    says: str
    n: int
    share: float | None = None
    scarce: str = ""
    machines: int = 1
    cpus: int = 0
    memory: int = 0
    risk: float | None = None


def topology(hours: Sequence[Mapping[str, Any]]) -> Topology:
    """The simplest that holds what these hours of all apps together were like."""
    n = len(hours)
    if n < FEW:
        return Topology("cannot tell", f"cannot tell yet, needs about {FEW - n} more hours of measuring", n)
    cpus, memory = int(hours[-1]["cpus"]), int(hours[-1]["memory"])
    need = (max(one["cpu_peak"] for one in hours), max(one["memory_peak"] for one in hours))
    shares = {"cores": need[0] / cpus, "memory": need[1] / memory}
    scarce = max(shares, key=lambda name: shares[name])
    share, risk = shares[scarce], 1 - 0.05 ** (1 / n)
    cores, room = math.ceil(need[0] * HEADROOM), math.ceil(need[1] * HEADROOM)
    seen = f"the highest minute of {n} hours used {percent(share)} of this machine's {scarce}"
    if share * HEADROOM <= 1:
        held = sized(cores, room)
        small = held[0] <= cpus // 2 and held[1] <= memory // 2
        more = f"; {shown(*held)} would do" if small else ""
        says = f"{seen}: one machine holds {1 / share:,.0f} times that{more}. Do not add a cluster" if share else seen
        name, fit = ("smaller", held) if small else ("this", (cpus, memory))
        return Topology(name, says, n, share, scarce, 1, *fit, risk)
    if cores <= LARGEST[0] and room <= LARGEST[1]:
        held = sized(cores, room)
        return Topology(
            "larger", f"{seen}: one larger machine holds it ({shown(*held)}). Do not add a cluster yet",
            n, share, scarce, 1, *held, risk,
        )  # fmt: skip
    count = max(math.ceil(cores / LARGEST[0]), math.ceil(room / LARGEST[1]))
    says = f"{seen}: that is {count} machines of {shown(*LARGEST)}, several control planes on one database"
    return Topology("several", says, n, share, scarce, count, *LARGEST, risk)


def sized(cores: int, room: int) -> tuple[int, int]:
    """The next machine as they are sold: cores and GiB are powers of two."""
    return 2 ** max(0, math.ceil(math.log2(max(1, cores)))), 2 ** max(29, math.ceil(math.log2(max(1, room))))


def shown(cpus: int, memory: int) -> str:
    return f"{cpus} {'core' if cpus == 1 else 'cores'}, {size(memory)}"


def size(amount: float) -> str:
    return f"{amount / 2**30:,.3g} GB" if amount >= 2**30 else f"{amount / 2**20:,.0f} MB"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "less than 1 %"


def growth(hours: Sequence[Mapping[str, Any]]) -> Item:
    """Of each day's highest minute, as a share of the machine: the slope per day with its 95 % interval (least squares,
    Student's t), and the first day on which a machine of this size may be too small, if it grows as fast as can be."""
    by_day = groupby(hours, key=lambda one: one["hour"] // 24)
    days = [(day, max(share_of(one) for one in some)) for day, some in by_day]
    if len(days) < GROWTH:
        says = f"cannot tell how it grows, needs {GROWTH - len(days)} more days"
        return {"n": len(days), "slope": None, "low": None, "high": None, "full_on": None, "says": says}
    from scipy import stats  # late: it takes long to import

    fitted: Any = stats.linregress([day for day, _ in days], [share for _, share in days])
    reach = float(stats.t.ppf(0.975, len(days) - 2)) * float(fitted.stderr)
    slope, newest = float(fitted.slope), days[-1][0]
    low, high = slope - reach, slope + reach
    found: Item = {"n": len(days), "slope": slope, "low": low, "high": high, "full_on": None}
    left = 1 / HEADROOM - max(share for _, share in days)
    if left <= 0:
        return found | {"full_on": newest, "says": "there is no headroom left"}
    soonest = left / high if high > 0 else math.inf
    if soonest > FAR:
        return found | {"says": "it does not grow into this machine's headroom within years"}
    words = "it grows" if low > 0 else "if it grows as fast as it may"
    says = f"{words}: the headroom may be used up in {soonest:,.0f} days"
    return found | {"full_on": newest + int(soonest), "says": says}


def share_of(hour: Mapping[str, Any]) -> float:
    return max(hour["cpu_peak"] / hour["cpus"], hour["memory_peak"] / hour["memory"])


@dataclass(frozen=True)
class Fit:
    """What an app may do without. `now` and `enough` in words; `change`: what brings it about."""

    app: str
    what: str
    now: str
    enough: str
    change: str
    n: int


def fits(app: str, release: Release, hours: Sequence[Mapping[str, Any]]) -> list[Fit]:
    """Replicas and memory limits of which an app has more than twice what it ever used. Two replicas, there to stay up
    while one is replaced, are no waste."""
    if len(hours) < FEW or len(release.processes) != 1:
        return []  # of several processes it is not known which used what
    process, settings = next(iter(release.processes.items()))
    count = max(int(one["replicas"]) for one in hours)
    cores, memory = (max(one[name] for one in hours) for name in ("cpu_peak", "memory_peak"))
    found: list[Fit] = []
    enough = max(2, math.ceil(cores * HEADROOM))
    if not settings.get("scaling") and (settings.get("replicas") or 1) > enough:
        change = f"[process.{process}] replicas = {enough}"
        told = f"{enough}: at most {cores:.2f} cores were used"
        found.append(Fit(app, "replicas", str(settings["replicas"]), told, change, len(hours)))
    limit = settings.get("memory")
    each = memory / max(1, count)
    held = max(LEAST, 2 ** math.ceil(math.log2(max(1.0, each * HEADROOM))))
    if limit and limit >= 2 * held:
        change = f'[process.{process}] memory = "{held // 2**20}M"'
        told = f"{size(held)}: at most {size(each)} were used"
        found.append(Fit(app, "memory", size(limit), told, change, len(hours)))
    return found


def sprawl(uses: Iterable[tuple[str, str, str]]) -> list[Item]:
    """How many ways there are to do the same thing: per job its ways with how many apps take each, from (job, way,
    app); jobs with most ways first."""
    jobs: dict[str, Counter[str]] = {}
    for job, way, _ in sorted(set(uses)):
        jobs.setdefault(job, Counter())[way] += 1
    found = {job: [{"way": way, "apps": n} for way, n in ways.most_common()] for job, ways in jobs.items()}
    told: list[Item] = [{"job": job, "ways": ways} for job, ways in found.items()]
    return sorted(told, key=lambda one: (-len(one["ways"]), one["job"]))


def retire_next(found: Iterable[Item]) -> Item | None:
    """The way that fewest apps take where more take another: retiring it moves least."""
    rarest = [(one["job"], one["ways"][-1], one["ways"][0]) for one in found if len(one["ways"]) > 1]
    rarest = [(job, few, most) for job, few, most in rarest if few["apps"] < most["apps"]]
    if not rarest:
        return None
    job, few, most = min(rarest, key=lambda one: (one[1]["apps"], -one[2]["apps"], one[0]))
    return {"job": job, "way": few["way"], "apps": few["apps"], "instead": most["way"], "instead_apps": most["apps"]}


# ---------------------------------------------------------------------------------------------- looks


def look(ctx: Context, now: float | None = None) -> Item:
    """What the size of everything should be, from the hours measured and what is live. `now`: Unix seconds."""
    since = int((time.time() if now is None else now) // 3600) - BACK
    with ctx.ledger.query() as db:
        hours, live = load.hours(db, since), questions.live_releases(db)
        mine = {name: load.hours(db, since, name) for name in live}
    ways = sprawl(use for name, release in sorted(live.items()) for use in uses(ctx, name, release))
    return {
        "topology": topology(hours).__dict__,
        "growth": growth(hours),
        "apps": [fit.__dict__ for name, release in sorted(live.items()) for fit in fits(name, release, mine[name])],
        "sprawl": ways,
        "retire": retire_next(ways),
        "measured": len(live),
    }


def uses(ctx: Context, app: str, release: Release) -> list[tuple[str, str, str]]:
    """(job, way, app): the ways this release does things."""
    room = fleet.build_room(ctx)
    made = store.load(room, release.artifact)
    sources = [Path(mount.source) for mount in (made.mounts if made else ())]
    tools = [source.relative_to(room.toolchains).parts[0] for source in sources if room.toolchains in source.parents]
    server = [(f"server of {release.path}", name, app) for name in program(release.processes.get("web"))]
    return [("golden path", release.path, app), *((tool.partition("-")[0], tool, app) for tool in tools), *server]


def program(process: Mapping[str, Any] | None) -> list[str]:
    """The name of what the process runs, behind `exec` and variables; none where the command is no plain one."""
    words = str((process or {}).get("command", "")).split()
    plain = [word for word in words if word != "exec" and "=" not in word]
    return [Path(plain[0]).name] if plain and not set(plain[0]) & set("'\"$(;&|") else []
