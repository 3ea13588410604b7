"""Replicas on this machine: one folder each, kept by a shim that outlives us. Adopting them is reading folders."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from wend.errors import Bug, Down
from wend.poll import readable
from wend.run import Exit, Line, Replica, Status, Step
from wend.run.launch import command, describe, packed, uid_of
from wend.run.sandbox import callers, kernel
from wend.run.sandbox.limits import Group
from wend.run.tail import follow, last

KEPT_LOGS = 20
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Local:
    """The driver of this machine. Everything lies in `home`: `run/replicas/ID/` while it lives, `logs/APP/ID.log` and
    some time after."""

    can = frozenset({"sandbox", "limits", "exec", "logs"})

    def __init__(self, home: Path, without: tuple[str, ...] = ()) -> None:
        self.home = home
        self.without = without
        self.replicas = home / "run" / "replicas"
        self.log_root = home / "logs"

    # ------------------------------------------------------------------------------------------ deciding

    def plan(self, want: Iterable[Replica], have: Iterable[Status]) -> list[Step]:
        """The steps from `have` to `want`; starts come first. A lost or ended one that is wanted is replaced."""
        wanted = {replica.id: replica for replica in want}
        there = {status.id: status for status in have}
        healthy = {name for name, status in there.items() if status.phase not in ("exited", "lost")}
        starts = [Step("start", name, replica) for name, replica in wanted.items() if name not in healthy]
        unwanted = [name for name, status in there.items() if name not in wanted and status.phase != "stopping"]
        stops = [Step("stop", name) for name in unwanted]
        return starts + stops

    # ------------------------------------------------------------------------------------------ acts

    def apply(self, step: Step, env: dict[str, str]) -> None:
        """Do one step; returns when it is under way. Raises Down with the cause when a replica cannot be started."""
        if step.verb == "stop":
            self.ask(step.id)
        elif step.verb == "sleep":
            self.put_to_sleep(step.id)
        elif step.replica is None:
            raise Bug(f"the step start {step.id} has no replica")
        else:
            self.start(step.replica, env)

    def start(self, replica: Replica, env: dict[str, str]) -> None:
        folder = self.replicas / replica.id
        if folder.exists():
            status = self.read(folder)
            if status and status.phase not in ("exited", "lost"):
                return
            self.end(folder)
        logs = self.log_root / replica.app
        job = describe(replica.box, env, folder, replica.id, uid_of(self.home, replica.box.user), self.without)
        try:
            logs.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.mkdir(parents=True, mode=0o700)
            (folder / "replica.json").write_text(json.dumps(identity(replica)), encoding="utf-8")
        except OSError as error:
            raise Down(f"cannot make the folder of {replica.id}: {error.strerror}", "wend doctor") from error
        self.thin(logs)
        job["log"] = str(logs / f"{replica.id}.log")
        launch(replica.id, job, folder)

    def thin(self, logs: Path) -> None:
        """Keep the newest logs of an app, and those of replicas that are there."""
        old = sorted(logs.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)[KEPT_LOGS:]
        for path in old:
            if not (self.replicas / path.stem).exists():
                path.unlink(missing_ok=True)
                path.with_name(path.name + ".1").unlink(missing_ok=True)

    def ask(self, name: str) -> None:
        """Ask a replica to stop; returns at once. What nobody keeps any more is ended and cleared away here."""
        folder = self.replicas / name
        state = state_of(folder)
        if not send(state.get("shim"), signal.SIGTERM):
            self.end(folder)

    def put_to_sleep(self, name: str) -> None:
        """Ask a replica to sleep; returns at once. It does when it may and nobody is connected to it."""
        folder = self.replicas / name
        if identity_of(folder).get("naps"):  # the shim of an older version would die of this signal
            send(state_of(folder).get("shim"), signal.SIGUSR1)

    def end(self, folder: Path) -> None:
        """End whatever is left of a replica whose shim is gone, and clear it away."""
        state = state_of(folder)
        grace = float(identity_of(folder).get("grace", 10))
        if send(state.get("keeper"), signal.SIGTERM):
            wait(state.get("keeper"), grace + 1)
            send(state.get("keeper"), signal.SIGKILL)
            wait(state.get("keeper"), 5)
        group = group_of(state)
        group.kill()
        until = time.monotonic() + 5
        while not group.remove() and time.monotonic() < until:
            time.sleep(0.01)
        with suppress(FileNotFoundError):
            subprocess.run(["/bin/rm", "-rf", "--", str(folder)], check=True)

    def stop(self, app: str) -> None:
        """Stop all replicas of the app, and wait until nothing of them is left."""
        folders = [self.replicas / status.id for status in self.status(app)]
        for folder in folders:
            send(state_of(folder).get("shim"), signal.SIGTERM)
        for folder in folders:
            state = state_of(folder)
            grace = float(identity_of(folder).get("grace", 10))
            if not wait(state.get("shim"), grace + 4):
                send(state.get("shim"), signal.SIGKILL)
            self.end(folder)

    def sweep(self) -> list[str]:
        """Clear away replicas whose processes are all gone; returns their ids."""
        gone = [status.id for status in self.status() if status.phase == "exited"]
        for name in gone:
            self.end(self.replicas / name)
        return gone

    # ------------------------------------------------------------------------------------------ looking

    def status(self, app: str | None = None) -> list[Status]:
        """Every replica here, of one app or of all, by id."""
        if not self.replicas.is_dir():
            return []
        found = [self.read(folder) for folder in sorted(self.replicas.iterdir())]
        return [status for status in found if status and app in (None, status.app)]

    def read(self, folder: Path) -> Status | None:
        """A replica as its folder tells it; None when there is no such folder (any more)."""
        who, state = identity_of(folder), state_of(folder)
        if not who:
            return None
        ended = state.get("exit")
        phase = state.get("phase", "exited")
        if not alive(state.get("shim")):
            phase = "lost" if alive(state.get("keeper")) else "exited"
        rss, cpu = usage(state) if phase in ("up", "starting", "stopping", "lost") else (0, 0.0)
        return Status(
            id=folder.name, app=who["app"], release=who["release"], process=who["process"], index=who["index"],
            phase=phase, pid=state.get("pid"), port=state.get("port"), listens=tuple(state.get("listens", ())),
            restarts=state.get("restarts", 0), exit=Exit(**ended) if ended else None,
            started=state.get("started", 0.0), rss=rss, cpu=cpu,
        )  # fmt: skip

    def idle(self, id: str) -> bool:
        """Whether no connection is open at the replica's port: it can be stopped without cutting anybody off."""
        port = state_of(self.replicas / id).get("port")
        return not port or not callers.connected(port)

    def missing(self, name: str) -> list[str]:
        """The walls that this replica had to go without, in words."""
        return list(state_of(self.replicas / name).get("missing", ()))

    def logs(self, app: str, lines: int = 100, follow: bool = False) -> Iterator[Line]:
        """The last `lines` lines over the app's replicas in time order; with `follow`, then every new one."""
        return self.lines(self.log_root / app, lines, follow)

    def lines(self, folder: Path, count: int, going_on: bool) -> Iterator[Line]:
        marks = {path: path.stat().st_size for path in sorted(folder.glob("*.log"))}
        yield from last(marks, count)
        if going_on:
            yield from follow(folder, marks)


# ---------------------------------------------------------------------------------------------- the parts


def launch(name: str, job: dict[str, object], folder: Path) -> None:
    """Start a shim; returns when its state is on disk. Raises Down with its own words."""
    try:
        done = subprocess.run(command(), input=packed(job), capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise Down(f"cannot start {name}: {error}", "wend doctor") from error
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise Down(f"cannot start {name}: {done.stderr.decode(errors='replace').strip()[-500:]}", "wend doctor")


def identity(replica: Replica) -> dict[str, Any]:
    return {
        "app": replica.app, "release": replica.release, "process": replica.process, "index": replica.index,
        "grace": replica.box.grace, "command": replica.box.command, "naps": replica.box.naps,
    }  # fmt: skip


def identity_of(folder: Path) -> dict[str, Any]:
    return table(folder / "replica.json")


def state_of(folder: Path) -> dict[str, Any]:
    return table(folder / "state.json")


def table(path: Path) -> dict[str, Any]:
    """A JSON table; empty when it is not there. A torn one cannot be: they are replaced by rename."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}


def group_of(state: dict[str, Any]) -> Group:
    return Group(state.get("groups", {}), bool(state.get("unified")))


def alive(process: Any) -> bool:
    """True while this very process lives; `process` is (pid, start time), so a pid that was used again is not it."""
    return bool(process) and kernel.started(process[0]) == process[1] != 0


def send(process: Any, number: int) -> bool:
    """Signal exactly this process; False when it is gone. The pidfd is taken first, so it cannot change under us."""
    try:
        fd = os.pidfd_open(process[0]) if process else -1
    except OSError:
        return False
    if fd < 0:
        return False
    try:
        if not alive(process):
            return False
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def wait(process: Any, seconds: float) -> bool:
    """Wait for this process to end; False when it still lives after `seconds`."""
    if not alive(process):
        return True
    try:
        fd = os.pidfd_open(process[0])
    except OSError:
        return True
    try:
        return bool(readable([fd], seconds)) or not alive(process)
    finally:
        os.close(fd)


def usage(state: dict[str, Any]) -> tuple[int, float]:
    """Resident bytes and CPU seconds of everything in the replica."""
    found = group_of(state).usage()
    if found:
        return found
    keeper = state.get("keeper") or (0, 0)
    rss, cpu = 0, 0.0
    for pid in descendants(keeper[0]):
        with suppress(OSError, IndexError):
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            rss += int(fields[21]) * PAGE
            cpu += (int(fields[11]) + int(fields[12])) / TICK
    return rss, cpu


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    left = [pid]
    while left:
        one = left.pop()
        with suppress(OSError):
            children = [int(word) for word in Path(f"/proc/{one}/task/{one}/children").read_text().split()]
            found += children
            left += children
    return found
