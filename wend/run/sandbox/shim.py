"""The small process above one replica: it keeps the command alive, its port, and the account of how it goes.

It is started by the control plane and outlives it. Each life of the command has its own keeper; between two lives the
shim waits, longer each time. Everything it knows is in `state.json`, replaced by rename.
"""

from __future__ import annotations

import os
import sys
import time

import _socket

from . import filter, kernel, limits
from .broker import pin
from .job import Job, receive
from .keeper import Keeper
from .limits import Group
from .loop import READ, Loop
from .once import Once

FIRST, LONGEST, WELL = 0.1, 30.0, 30.0


def main() -> None:
    """Read a job and do it. A replica goes into the background; the exit code tells whether it is under way."""
    job = receive(0)
    if job.once:
        Once(job).run()
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        word = os.read(told, 4096).decode("utf-8", "replace")
        sys.stderr.write("" if word == "ok" else word or "the shim ended at once")
        os._exit(0 if word == "ok" else 1)
    os.setsid()
    os.chdir("/")
    background(f"{job.folder}/shim.err")
    try:
        shim = Shim(job)
    except OSError as error:
        os.write(tell, f"{error.strerror}: {error.filename}".encode())
        os._exit(1)
    os.write(tell, b"ok")
    os.close(tell)
    shim.run()


def background(errors: str) -> None:
    nothing = os.open("/dev/null", os.O_RDWR)
    err = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for fd, source in enumerate((nothing, nothing, err)):
        os.dup2(source, fd)
    os.close(nothing)
    os.close(err)


# ---------------------------------------------------------------------------------------------- one life


class Life:
    """A keeper that was started: its pid, and the pipe it reports on."""

    def __init__(self, job: Job, group: Group, serving: int, port: int) -> None:
        self.began = time.monotonic()
        self.ooms = group.ooms()
        self.report, report = os.pipe()
        told, tell = os.pipe()
        middle = os.fork()
        if not middle:
            os.close(self.report)
            os.close(told)
            part(job, group, serving, port, report, tell)
        os.close(report)
        os.close(tell)
        self.pid = int(os.read(told, 32) or 0)
        os.close(told)
        os.waitpid(middle, 0)
        self.rest = b""

    def news(self) -> list[str] | None:
        """The lines that have come; None when the keeper is gone."""
        data = os.read(self.report, 65536)
        if not data:
            os.close(self.report)
            return None
        *whole, self.rest = (self.rest + data).split(b"\n")
        return [line.decode("utf-8", "replace") for line in whole]


def part(job: Job, group: Group, serving: int, port: int, report: int, tell: int) -> None:
    """Fork the keeper into its own namespaces, and leave it. Never returns."""
    try:
        uid, gid = os.getuid(), os.getgid()
        kernel.unshare(kernel.NEWPID | (0 if uid == 0 else kernel.NEWUSER))
        if uid:
            for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
                limits.put("/proc/self", name, text)
        pid = os.fork()
        if not pid:
            os.close(tell)
            Keeper(job, group, serving, port, report).run()
        os.write(tell, str(pid).encode())
    except OSError as error:
        os.write(report, f"fail no namespaces here: {error.strerror} ({error.filename})\n".encode())
    except BaseException:
        sys.excepthook(*sys.exc_info())
        raise
    finally:
        os._exit(0)


def serve() -> tuple[int, int]:
    """A socket of the host's bound to a free port of its loopback, fit to be handed to an app; and the port."""
    made = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    made.bind(("127.0.0.1", 0))
    port: int = made.getsockname()[1]
    pin(made.fileno(), filter.only_serving())
    return made.detach(), port


# ---------------------------------------------------------------------------------------------- many lives


class Shim:
    """A replica from its start to its stop."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.loop = Loop()
        self.serving, self.port = serve() if job.port else (-1, 0)
        if job.port:
            job.env["PORT"] = str(self.port)
        prepare(job)
        self.group = limits.make(job)
        self.signals = kernel.block_signals(kernel.TERM, kernel.INT, kernel.CHLD, kernel.HUP)
        kernel.prctl(kernel.SUBREAPER, 1)
        self.wait = FIRST
        self.stopping = False
        me = os.getpid()
        self.state: dict[str, object] = {
            "id": job.id, "phase": "starting", "shim": [me, kernel.started(me)], "keeper": None, "pid": None,
            "port": self.port or None, "listens": [], "restarts": 0, "exit": None, "started": time.time(),
            "missing": [], "groups": self.group.folders, "unified": self.group.unified,
        }  # fmt: skip
        self.note()

    def run(self) -> None:
        self.loop.watch(self.signals, READ, self.signal)
        self.begin()
        while True:
            self.loop.turn()

    def begin(self) -> None:
        self.life = Life(self.job, self.group, self.serving, self.port)
        self.outcome: int | None = None
        keeper = [self.life.pid, kernel.started(self.life.pid)] if self.life.pid else None
        self.note(keeper=keeper, started=time.time(), listens=[], phase="starting", missing=[])
        self.loop.watch(self.life.report, READ, self.hear)

    def note(self, **changes: object) -> None:
        """Change the account of ourselves on disk, wholly or not at all."""
        self.state.update(changes)
        save(f"{self.job.folder}/state.json", self.state)

    def hear(self, events: int) -> None:
        lines = self.life.news()
        if lines is None:
            self.loop.drop(self.life.report)
            self.over()
            return
        for line in lines:
            self.learn(*line.partition(" ")[::2])

    def learn(self, word: str, text: str) -> None:
        if word == "up":
            self.note(pid=int(text), phase="stopping" if self.stopping else "up")
        elif word == "listens":
            self.note(listens=[*as_list(self.state["listens"]), int(text)])
        elif word in ("missing", "fail"):
            self.note(missing=[*as_list(self.state["missing"]), text])
        elif word == "exit":
            self.outcome = int(text)

    def over(self) -> None:
        """The keeper is gone, and with it all it kept. Say how it ended, and begin again or leave."""
        oom = self.group.ooms() > self.life.ooms
        ended = ending(self.outcome, oom)
        if self.serving >= 0:
            hush(self.serving)
        if self.stopping:
            self.note(exit=ended, phase="exited", pid=None)
            leave(self.job, self.group)
        lived = time.monotonic() - self.life.began
        self.wait = FIRST if lived >= WELL else self.wait
        self.note(exit=ended, phase="backoff", pid=None, restarts=as_int(self.state["restarts"]) + 1)
        self.loop.at("again", time.monotonic() + self.wait, self.begin)
        self.wait = min(self.wait * 2, LONGEST)

    def signal(self, events: int) -> None:
        number = kernel.read_signal(self.signals)
        if number == kernel.CHLD:
            reap()
        elif number in (kernel.TERM, kernel.INT):
            self.stop()

    def stop(self) -> None:
        if self.state["phase"] == "backoff":
            self.note(phase="exited")
            leave(self.job, self.group)
        self.stopping = True
        self.note(phase="stopping")
        if self.life.pid:
            os.kill(self.life.pid, kernel.TERM)
        self.loop.at("end", time.monotonic() + self.job.grace + 2, self.end)

    def end(self) -> None:
        if self.life.pid:
            os.kill(self.life.pid, kernel.KILL)


def as_list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def as_int(value: object) -> int:
    return value if isinstance(value, int) else 0


def ending(outcome: int | None, oom: bool) -> dict[str, object]:
    """How a life ended, in the words of `Exit`. Without word from the keeper, it was killed with its command."""
    number = 9 if outcome is None else -outcome if outcome < 0 else None
    code = outcome if outcome is not None and outcome >= 0 else None
    return {"code": code, "signal": number, "oom": oom and outcome != 0, "at": time.time()}


def hush(serving: int) -> None:
    """Stop listening in the name of an app that is gone: its callers are refused at once, and the port is kept."""
    try:
        _socket.socket(fileno=os.dup(serving)).shutdown(_socket.SHUT_RD)
    except OSError:
        return  # it never listened


def reap() -> None:
    while True:
        try:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                return
        except ChildProcessError:
            return


def leave(job: Job, group: Group) -> None:
    """Take away what the replica had, and end."""
    group.kill()
    for _ in range(100):
        if group.remove():
            break
        time.sleep(0.01)
    os.execv("/bin/rm", ["rm", "-rf", "--", job.folder])


def prepare(job: Job) -> None:
    """What needs the host's view: folders handed to the box's user, and the mapping for its overlays."""
    from .root import give

    os.makedirs(job.scratch, exist_ok=True)
    for source, _, mode in job.mounts:
        if job.uid and mode == "rw" and os.stat(source).st_uid != job.uid:
            give(source, job.uid)
    lower = next((source for source, _, mode in job.mounts if mode == "overlay"), None)
    job.users = mapping(lower, job.uid) if lower and job.uid else 0


def mapping(folder: str, uid: int) -> int:
    """A user namespace in which the folder's owner is `uid`; 0 when there is no need, or no way."""
    owner = os.stat(folder)
    if owner.st_uid == uid:
        return 0
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            kernel.unshare(kernel.NEWUSER)
            os.write(tell, b"x")
            time.sleep(10)  # ended from outside long before
        finally:
            os._exit(0)
    os.close(tell)
    try:
        if not os.read(told, 1):
            return 0
        limits.put(f"/proc/{child}", "uid_map", f"{owner.st_uid} {uid} 1")
        limits.put(f"/proc/{child}", "gid_map", f"{owner.st_gid} {uid} 1")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    finally:
        os.close(told)
        os.kill(child, kernel.KILL)
        os.waitpid(child, 0)


# ---------------------------------------------------------------------------------------------- state


def save(path: str, state: dict[str, object]) -> None:
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text_of(state) + "\n")
    os.rename(path + ".new", path)


def text_of(value: object) -> str:
    """JSON, for the few kinds of value a state holds."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{text_of(str(key))}: {text_of(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(text_of(item) for item in value) + "]"
    if isinstance(value, str):
        plain = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(mark if mark >= " " else f"\\u{ord(mark):04x}" for mark in plain) + '"'
    return "null" if value is None else repr(value).lower()
