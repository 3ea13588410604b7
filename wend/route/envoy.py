"""Routing with Envoy, driven by two files that it watches.

`home/run/envoy/` holds everything: `cds.json` (which releases there are) and `rds.json` (which host goes where) are
both the wanted state and what Envoy reads, always whole: they are replaced by rename. Envoy serves on without us.
Several control planes may share the folder: each change reads, decides and writes under one lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import threading
import time
from collections.abc import Generator, Iterable
from pathlib import Path

from wend.errors import Down, Refused
from wend.route import Route, Traffic, counters, daemon, xds
from wend.route.admin import Admin

TAKES = 10.0  # seconds a change may take until we say that it was not taken
STARTS = 20.0
LINGER = 5.0  # seconds a dropped release stays known: a worker may just have picked it for a request


class NotTaken(Down):
    """Envoy said no, and serves what it served before. `reason`: its words, with all of the file in them."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Envoy refused the change: {reason}", "the routes before it keep serving")
        self.reason = reason


class Envoy:
    """The Router on an Envoy of its own. `hops`: how many proxies before it may be believed about the client."""

    def __init__(self, home: Path, listen: tuple[str, int], hops: int = 0, workers: int = 2) -> None:
        self.folder = home / "run" / "envoy"
        self.listen = listen
        self.hops = hops
        self.workers = workers
        self.change = threading.Lock()
        self.counting = threading.Lock()
        self.tally = counters.Tally()
        self.dropped: dict[str, float] = {}
        self.parsed: dict[str, tuple[tuple[int, int, int], xds.Json]] = {}

    @contextlib.contextmanager
    def changing(self) -> Generator[None]:
        """One at a time, of all threads and all control planes on this home."""
        with self.change:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / "lock").open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield

    # ------------------------------------------------------------------------------------------ the process

    def up(self) -> None:
        with self.changing():
            same = self.make_files()
            running = daemon.recorded(self.folder)
            if running and running.alive() and not (same and self.answers()):
                daemon.stop(running)
            if not self.alive():
                daemon.port_free(self.listen, patience=2 if running else 0)
                self.wait_ready(daemon.start(self.folder, self.workers, self.listen[1]))
            self.settle()

    def down(self) -> None:
        with self.changing():
            if running := daemon.recorded(self.folder):
                daemon.stop(running)
            (self.folder / "pid").unlink(missing_ok=True)

    def alive(self) -> bool:
        """Whether the process runs; one small file is read."""
        running = daemon.recorded(self.folder)
        return running is not None and running.alive()

    def answers(self) -> bool:
        try:
            with Admin(self.folder) as admin:
                return admin.ready()
        except Down:
            return False

    def make_files(self) -> bool:
        """Write what is missing. Whether the start-up file is the one the running Envoy was started with."""
        for name, empty in (("cds", []), ("rds", [xds.route_configuration([], self.hops)])):
            if not self.path(name).exists():
                self.write(name, xds.response(1, empty))
        wanted = xds.bootstrap(self.listen, self.hops, daemon.HERE)
        same = self.path("bootstrap").exists() and self.load("bootstrap") == wanted
        if not same:
            self.write("bootstrap", wanted)
        return same

    def wait_ready(self, started: daemon.Process) -> None:
        deadline = time.monotonic() + STARTS
        while not self.answers():
            if not started.alive():
                raise Down(f"Envoy stopped at once: {self.complaint(0)}", f"read {self.folder / 'log'}")
            if time.monotonic() > deadline:
                raise Down(
                    f"Envoy was not ready after {STARTS:.0f} s: {self.complaint(0)}", f"read {self.folder / 'log'}"
                )
            time.sleep(0.01)

    def settle(self) -> None:
        """See that it serves what the files say, and that the files say no more than that: a change may have been cut
        off half-way, or an older version of us may have written them."""
        hosts, known = self.read()
        named = xds.named_clusters(hosts)
        self.agree("cds", [resource for name, resource in known.items() if name in named])
        self.agree("rds", [xds.route_configuration(hosts.values(), self.hops)])

    def agree(self, name: str, resources: list[xds.Json]) -> None:
        there = self.load(name)
        with Admin(self.folder) as admin:
            if there["resources"] != resources or admin.version(name) != there["version_info"]:
                self.publish(name, resources)

    # ------------------------------------------------------------------------------------------ the routes

    def set(self, app: str, route: Route) -> None:
        try:
            self.change_route(app, route)
        except NotTaken as error:
            if not (route.patch or any(backend.patch for backend in route.backends.values())):
                raise
            hint = "correct [hatch.proxy] in wend.toml; its fields are those of Envoy's RouteAction and Cluster"
            raise Refused(f"the proxy refuses the patch of {app}: {xds.plainly(error.reason)}", hint) from error

    def change_route(self, app: str, route: Route) -> None:
        with self.changing():
            hosts, known = self.read()
            route = xds.checked(app, route, hosts)
            before = xds.named_clusters(hosts)
            hosts[app] = xds.virtual_host(app, route)
            named = xds.named_clusters(hosts)
            self.drop(before - named, named)
            self.drop([name for name in known if name not in named and name not in self.dropped], ())
            new = {xds.cluster_name(app, r): xds.cluster(app, r, b) for r, b in route.backends.items()}
            changed = any(known.get(name) != resource for name, resource in new.items())
            if changed:
                self.remember(app)
                kept = {name: known[name] for name in known if name in named or self.lingers(name)}
                self.publish("cds", {**kept, **new}.values())
            self.publish("rds", [xds.route_configuration(hosts.values(), self.hops)])
            if changed:
                self.remember(app)

    def get(self, app: str) -> Route | None:
        with self.changing():
            hosts, known = self.read()
        return xds.read_route(hosts[app], known) if app in hosts else None

    def remove(self, app: str) -> None:
        with self.changing():
            hosts, _ = self.read()
            if app not in hosts:
                return
            before = xds.named_clusters(hosts)
            del hosts[app]
            self.drop(before - xds.named_clusters(hosts), set())
            self.publish("rds", [xds.route_configuration(hosts.values(), self.hops)])

    def drop(self, gone: Iterable[str], named: Iterable[str]) -> None:
        """Note what left the routes, here or by another control plane: it leaves Envoy with a later change, when no
        request can still be on its way."""
        self.dropped.update(dict.fromkeys(gone, time.monotonic()))
        for name in named:
            self.dropped.pop(name, None)

    def lingers(self, name: str) -> bool:
        return time.monotonic() - self.dropped.get(name, float("-inf")) < LINGER

    def read(self) -> tuple[dict[str, xds.Json], dict[str, xds.Json]]:
        return xds.virtual_hosts(self.load("rds")), xds.clusters(self.load("cds"))

    # ------------------------------------------------------------------------------------------ publishing

    def publish(self, name: str, resources: Iterable[xds.Json]) -> None:
        """Replace a file and wait until Envoy has taken it. Refused: the file goes back to what it was, and Down."""
        if not self.alive():
            raise Down("the proxy is not running, so nothing was changed", "run `wend up`")
        before = self.load(name)
        version = int(before["version_info"]) + 1
        mark = daemon.log_size(self.folder)
        self.write(name, xds.response(version, resources))
        try:
            self.taken(name, version, mark)
        except Down:
            self.write(name, xds.response(version + 1, before["resources"]))
            with contextlib.suppress(Down):  # the old content is in force either way; the first refusal is the news
                self.taken(name, version + 1, daemon.log_size(self.folder))
            raise

    def taken(self, name: str, version: int, mark: int) -> None:
        """Wait for the version to be in force. Raises Down with Envoy's reason."""
        deadline = time.monotonic() + TAKES
        with Admin(self.folder) as admin:
            while admin.version(name) != str(version):
                if reason := self.complaint(mark):
                    raise NotTaken(reason)
                if time.monotonic() > deadline:
                    raise Down(f"Envoy did not take the change in {TAKES:.0f} s", f"read {self.folder / 'log'}")
                time.sleep(0.0005)

    def complaint(self, mark: int) -> str:
        """Envoy's own words since then, if it refused something or cannot go on."""
        lines = [line for line in daemon.last_words(self.folder, mark).splitlines() if line]
        said = [line for line in lines if re.search(r"rejected|error|cannot|unable|fail", line, re.IGNORECASE)]
        return said[-1].removeprefix("Filesystem config update rejected: ")[:500] if said else ""

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def load(self, name: str) -> xds.Json:
        """The file's content; parsed again only when it is another file (it is only ever replaced)."""
        try:
            mark = self.mark(name)
            if self.parsed.get(name, (None, None))[0] != mark:
                self.parsed[name] = (mark, json.loads(self.path(name).read_bytes()))
            return self.parsed[name][1]
        except FileNotFoundError:
            raise Down("the proxy was never started here", "run `wend up`") from None
        except (OSError, ValueError) as error:
            hint = "move that folder away and run `wend up`: it routes every app again"
            raise Down(f"{self.path(name)} cannot be read: {error}", hint) from error

    def mark(self, name: str) -> tuple[int, int, int]:
        now = self.path(name).stat()
        return now.st_ino, now.st_mtime_ns, now.st_size

    def write(self, name: str, data: xds.Json) -> None:
        """All or nothing, also when the power fails: written beside it, synced, moved over it, folder synced."""
        beside = self.folder / f"{name}.json.new"
        try:
            with beside.open("wb") as file:
                file.write(json.dumps(data, separators=(",", ":")).encode())
                file.flush()
                os.fsync(file.fileno())
            beside.chmod(0o644)
            beside.replace(self.path(name))
            folder = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            self.parsed[name] = (self.mark(name), data)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise Down(
                f"cannot write {self.path(name)}: {error.strerror}", "make room on the disk, then try again"
            ) from error

    # ------------------------------------------------------------------------------------------ what it saw

    def stats(self, app: str) -> dict[int, Traffic]:
        return self.counted(f"^cluster\\.{app}/", [app]).get(app, {})

    def readings(self) -> dict[str, dict[int, Traffic]]:
        return self.counted("", None)

    def remember(self, app: str) -> None:
        """Envoy forgets what it counted of a release whose replicas change: read it before, and see the fall after."""
        with contextlib.suppress(Down):
            self.stats(app)

    def counted(self, pattern: str, apps: list[str] | None) -> dict[str, dict[int, Traffic]]:
        """The releases in force of these apps, or of all. Does not wait for a change under way."""
        with self.counting:
            with Admin(self.folder) as admin:
                seen = counters.parse(admin.counters(pattern))
            known = {app: xds.releases(host) for app, host in xds.virtual_hosts(self.load("rds")).items()}
            self.tally.keep(known)
            return {
                app: {n: self.tally.count(app, n, seen.get(app, {}).get(n, Traffic())) for n in releases}
                for app, releases in known.items()
                if apps is None or app in apps
            }

    def drain(self, app: str, release: int, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        name = f"^cluster\\.{app}/{release}\\.upstream_rq_active$"
        with Admin(self.folder) as admin:
            while counters.parse(admin.counters(name)).get(app, {}).get(release, Traffic()).active:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(0.005)
        return True
