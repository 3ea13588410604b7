"""The replicas an app should have, and where those it has can be reached. Decisions are pure; two thin acts start
and route them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wend import build, secrets
from wend.build import Artifact, store
from wend.context import Context
from wend.errors import Down
from wend.route import Backend, Route
from wend.run import Box, Limits, Mount, Replica, Status
from wend.state.questions import Release

MEMORY = 512 * 2**20
PROCESSES = 512
ALIVE = frozenset({"starting", "up", "lost"})


# ---------------------------------------------------------------------------------------------- pure


def wanted(settings: Mapping[str, Any], scale: int | None) -> int:
    """How many replicas of a process type: the count set by hand, else wend.toml's, else one."""
    if scale is not None:
        return scale
    return 1 if settings.get("replicas") is None else int(settings["replicas"])


def box(
    app: str, command: str, settings: Mapping[str, Any], artifact: Artifact, port: bool, hidden: Iterable[str]
) -> Box:
    """What a process of this release may see and use."""
    limits = Limits(
        memory=settings.get("memory") or MEMORY,
        pids=settings.get("processes") or PROCESSES,
        cpu=settings.get("cpu"),
    )
    mounts = (Mount(artifact.root, "/app", "overlay"), *artifact.mounts)
    grace = float(settings.get("grace") or 10.0)
    return Box(command, user=app, mounts=mounts, limits=limits, port=port, grace=grace, secrets=tuple(sorted(hidden)))


def replicas(release: Release, artifact: Artifact, scale: Mapping[str, int], only: str | None = None) -> list[Replica]:
    """Every replica of the release (or of one process type), numbered from 1."""
    found: list[Replica] = []
    for name, settings in release.processes.items():
        if only is not None and name != only:
            continue
        form = box(release.app, settings["command"], settings, artifact, name == "web", release.secrets)
        count = wanted(settings, scale.get(name))
        found += [Replica(release.app, release.number, name, index, form) for index in range(1, count + 1)]
    return found


def renumber(want: Iterable[Replica], have: Iterable[Status]) -> list[Replica]:
    """The same replicas, but none with the number of one that is lost or stopping: its process may
    still serve under that name, so the replacement needs another."""
    lost = {status.id for status in have if status.phase in ("lost", "stopping")}
    taken = {status.id for status in have} | {replica.id for replica in want}
    return [fresh(replica, taken) if replica.id in lost else replica for replica in want]


def fresh(replica: Replica, taken: set[str]) -> Replica:
    index = replica.index
    while True:
        index += 1
        candidate = Replica(replica.app, replica.release, replica.process, index, replica.box)
        if candidate.id not in taken:
            taken.add(candidate.id)
            return candidate


def endpoints(have: Iterable[Status], release: int) -> tuple[tuple[str, int], ...]:
    """Where the release's web processes answer."""
    web = (status for status in have if status.release == release and status.process == "web")
    return tuple(("127.0.0.1", status.port) for status in web if status.phase in ALIVE and status.port)


def route(hosts: tuple[str, ...], have: list[Status], live: int | None, warm: Iterable[int]) -> Route:
    """All traffic to `live`; the `warm` ones known to the proxy, without traffic."""
    backends = {number: Backend(0, endpoints(have, number)) for number in warm if number != live}
    if live is not None:
        found = endpoints(have, live)
        backends[live] = Backend(100 if found else 0, found)
    return Route(
        hosts, {number: backend for number, backend in backends.items() if backend.endpoints or number == live}
    )


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


def environment(ctx: Context, release: Release, made: Artifact) -> dict[str, str]:
    """What the processes are told: the path's variables, then wend.toml's, then what people set, then ours."""
    ours = {"WEND_APP": release.app, "WEND_RELEASE": str(release.number), "WEND_COMMIT": release.commit}
    opened = secrets.open_all(ctx, release.app, release.secrets)
    return {**(made.env or {}), **release.env, **release.config, **opened, **ours}


def start(ctx: Context, want: list[Replica], env: dict[str, str], have: Iterable[Status]) -> None:
    """Start those of `want` that are not there."""
    for step in ctx.driver.plan(want, have):
        if step.verb == "start":
            ctx.driver.apply(step, env)


def hosts(ctx: Context, app: str) -> tuple[str, ...]:
    """The host names the app answers to."""
    return (f"{app}.{ctx.config.domain}",)
