"""The replicas an app should have, and where those it has can be reached. Decisions are pure; two thin acts start
and route them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from wend import build, resources, secrets
from wend.build import Artifact, store
from wend.context import Context
from wend.errors import Down
from wend.patches import Patches
from wend.resources import Granted
from wend.route import Backend, Route
from wend.run import Box, Limits, Mount, Replica, Status
from wend.run.launch import telling
from wend.state.questions import Release

MEMORY = 512 * 2**20
PROCESSES = 512
BESIDE = 25  # the share of the processor that a job or a one-off gets where an app gets 100
NONE = Patches()
ALIVE = frozenset({"starting", "up", "lost", "asleep"})


@dataclass(frozen=True)
class Outfit:
    """What a release's processes are given: its files, its resources and its environment, of which the variables named
    in `secrets` are secret."""

    artifact: Artifact
    granted: Granted
    env: dict[str, str]
    secrets: tuple[str, ...]

    @property
    def values(self) -> list[str]:
        """What must never be shown."""
        return sorted({part for name in self.secrets for part in telling(self.env[name])})


# ---------------------------------------------------------------------------------------------- pure


def wanted(settings: Mapping[str, Any], scale: int | None) -> int:
    """How many replicas of a process type: the count set by hand or by load, else wend.toml's, else one. (A process
    that may sleep has one replica, which does.)"""
    if scale is not None:
        return scale
    if settings.get("scaling"):
        return max(1, int(settings["scaling"]["min"]))
    return 1 if settings.get("replicas") is None else int(settings["replicas"])


def box(release: Release, command: str, settings: Mapping[str, Any], outfit: Outfit, port: bool) -> Box:
    """What a process of this release may see and use."""
    patch = release.declared.patches
    limits = Limits(
        memory=settings.get("memory") or MEMORY,
        pids=settings.get("processes") or PROCESSES,
        cpu=settings.get("cpu"),
        log=patch.log or Limits.log,
    )
    mounts = (Mount(outfit.artifact.root, "/app", "overlay"), *outfit.artifact.mounts, *outfit.granted.mounts)
    return Box(
        command,
        cwd=patch.cwd or "/app",
        user=release.app,
        mounts=mounts,
        limits=limits,
        port=port,
        reach=outfit.granted.reach,
        secrets=outfit.secrets,
        grace=float(settings.get("grace") or 10.0),
        boot=float(settings.get("boot") or 60.0),
        naps=port and bool(settings.get("scaling")) and settings["scaling"]["min"] == 0,
    )


def replicas(release: Release, outfit: Outfit, scale: Mapping[str, int]) -> list[Replica]:
    """Every replica of the release, numbered from 1."""
    found: list[Replica] = []
    for name, settings in release.processes.items():
        form = box(release, settings["command"], settings, outfit, name == "web")
        count = wanted(settings, scale.get(name))
        found += [Replica(release.app, release.number, name, index, form) for index in range(1, count + 1)]
    return found


def renumber(want: Iterable[Replica], have: Iterable[Status]) -> list[Replica]:
    """As many replicas of each process, by the numbers of those that are there; what is missing gets numbers that
    nobody has: a process that is lost or stopping may still serve under its own."""
    there = sorted(have, key=lambda status: status.index)
    staying = [status for status in there if status.phase not in ("lost", "stopping", "exited")]
    gone = {status.id for status in there if status not in staying}
    found: list[Replica] = []
    for replica in want:
        same = (replica.release, replica.process)
        status = next((one for one in staying if (one.release, one.process) == same), None)
        if status:
            staying.remove(status)
        taken = gone | {one.id for one in found} | {one.id for one in there}
        found.append(replace(replica, index=status.index) if status else fresh(replica, taken))
    return found


def fresh(replica: Replica, taken: set[str]) -> Replica:
    """The replica with the first number from its own on that nobody has."""
    while replica.id in taken:
        replica = replace(replica, index=replica.index + 1)
    return replica


def endpoints(have: Iterable[Status], release: int) -> tuple[tuple[str, int], ...]:
    """Where the release's web processes answer."""
    web = (status for status in have if status.release == release and status.process == "web")
    return tuple(("127.0.0.1", status.port) for status in web if status.phase in ALIVE and status.port)


def route(
    hosts: tuple[str, ...],
    have: list[Status],
    live: int | None,
    warm: Iterable[int],
    share: tuple[int, int] | None = None,
    sticky: bool = False,
    patches: Mapping[int, Patches] | None = None,
) -> Route:
    """All traffic to `live`, but the `share` (release, percent) of a canary that is there; the `warm` ones known to the
    proxy, without traffic. `patches`: those of each release; the route's is the one of `live`."""
    patched = patches or {}
    known = {number: endpoints(have, number) for number in {*warm, *([share[0]] if share else [])}}
    weights: dict[int, int] = {}
    if live is not None:
        known[live] = endpoints(have, live)
        taken = share[1] if share and known[share[0]] and known[live] else 0
        weights = {live: 100 - taken if known[live] else 0} | ({share[0]: taken} if share else {})
    backends = {
        number: Backend(weights.get(number, 0), found, patched.get(number, NONE).cluster)
        for number, found in known.items()
        if found or number == live
    }
    action = patched.get(live, NONE).route if live is not None else {}
    return Route(hosts, backends, sticky and share is not None, action)


# ---------------------------------------------------------------------------------------------- acts


def artifact(ctx: Context, release: Release) -> Artifact:
    """The release's artifact. Raises Down when retention removed it."""
    found = store.load(build_room(ctx), release.artifact)
    if found is None:
        raise Down(
            f"the files of {release.app}'s release {release.number} are gone",
            f"push commit {release.commit[:9]} again (with an empty commit on top), or roll back to another release",
        )
    return found


def build_room(ctx: Context) -> build.Room:
    """Where builds happen in this home, and their limits."""
    config = ctx.config
    return build.Room(
        config.home / "artifacts",
        config.home / "deps",
        config.home / "toolchains",
        seconds=config.build_seconds,
        memory=config.build_memory,
        disk=config.build_disk,
    )


def outfit(ctx: Context, release: Release) -> Outfit:
    """Everything the release's processes are given. The environment: the resources' addresses, the path's variables,
    wend.toml's, what people set, and ours; the later wins. Raises Down when retention removed the artifact."""
    made, granted = artifact(ctx, release), resources.grant(ctx, release)
    ours = {"WEND_APP": release.app, "WEND_RELEASE": str(release.number), "WEND_COMMIT": release.commit}
    opened = secrets.open_all(ctx, release.app, release.secrets)
    env = {**granted.env, **(made.env or {}), **release.env, **release.config, **opened, **ours}
    return Outfit(made, granted, env, tuple(sorted({*release.secrets, *granted.secrets})))


def start(ctx: Context, want: list[Replica], env: dict[str, str], have: Iterable[Status]) -> None:
    """Start those of `want` that are not there."""
    for step in ctx.driver.plan(want, have):
        if step.verb == "start":
            ctx.driver.apply(step, env)


def hosts(ctx: Context, app: str) -> tuple[str, ...]:
    """The host names the app answers to."""
    return (f"{app}.{ctx.config.domain}",)
