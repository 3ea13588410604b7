"""The small process above one replica: it keeps the command alive, its port, and the account of how it goes.

It is started by the control plane and outlives it. Each life of the command has its own keeper; between two lives the
shim waits, longer each time. A command that may nap can be put to sleep: its socket listens on without it, and the
first caller wakes it. Everything the shim knows is in `state.json`, replaced by rename.
"""

from __future__ import annotations

import _socket
import os
import select
import time

from . import callers, filter, kernel, limits
from .broker import pin
from .job import Job, receive
from .life import Life
from .log import Log
from .loop import READ, Loop
from .once import Once, clear
from .prepare import prepare
from .state import Plain, State

FIRST, LONGEST, WELL = 0.1, 30.0, 30.0
QUEUE = 4096  # callers that may wait for a sleeper; the kernel has a limit of its own (net.core.somaxconn)


def main() -> None:
    """Read a job and do it. A replica goes into the background; the exit code tells whether it is under way."""
    job = receive(0)
    if job.once:
        Once(job).run()
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        word = os.read(told, 4096)
        os.write(2, b"" if word == b"ok" else word or b"the shim ended at once")
        os._exit(0 if word == b"ok" else 1)
    os.setsid()
    os.chdir("/")
    background(f"{job.folder}/shim.err")
    try:
        shim = Shim(job)
    except Exception as error:
        os.write(tell, f"{type(error).__name__}: {error}".encode())
        raise
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


def serve(fixed: int) -> tuple[int, int]:
    """A socket of the host's bound to this port of its loopback (0: a free one), fit to be handed to an app; and the
    port."""
    first = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    made = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    for one in (first, made):
        one.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    first.bind(("127.0.0.1", fixed))
    port: int = first.getsockname()[1]
    made.bind(("127.0.0.1", port))  # a port asked for by number stays with the socket when it stops listening
    first.close()
    pin(made.fileno(), filter.only_serving())
    return made.detach(), port


class Shim:
    """A replica from its start to its stop."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.loop = Loop()
        prepare(job)
        self.serving, self.port = serve(job.fixed) if job.port else (-1, 0)
        if job.port:
            job.env["PORT"] = str(self.port)
        if job.port and "network" in job.without:
            os.close(self.serving)  # the app binds the port itself, in the host's network
            self.serving = -1
        self.group = limits.make(job)
        self.signals = kernel.block_signals(kernel.TERM, kernel.INT, kernel.CHLD, kernel.HUP, kernel.USR1)
        kernel.prctl(kernel.SUBREAPER, 1)
        self.wait = FIRST
        self.stopping, self.napping, self.living = False, False, False
        self.state = State(f"{job.folder}/state.json", job.id, self.port or None)
        self.state.shim = [os.getpid(), kernel.started(os.getpid())]
        self.state.groups, self.state.unified = self.group.folders, self.group.unified
        self.loop.watch(self.signals, READ, self.signal)
        self.begin()
        if not self.life.pid:
            raise OSError(1, " ".join(self.life.news() or ["the sandbox cannot be made"]), "unshare")

    def run(self) -> None:
        while True:
            self.loop.turn()

    def begin(self) -> None:
        self.life = Life(self.job, self.group, self.serving, self.port)
        self.living, state = True, self.state
        state.keeper = [self.life.pid, kernel.started(self.life.pid)] if self.life.pid else []
        state.started, state.phase, state.listens, state.missing = time.time(), "starting", [], []
        state.save()
        self.loop.watch(self.life.report, READ, self.hear)

    def hear(self, events: int) -> None:
        lines = self.life.news()
        if lines is None:
            self.loop.drop(self.life.report)
            self.over()
            return
        for line in lines:
            self.learn(*line.partition(" ")[::2])

    def learn(self, word: str, text: str) -> None:
        state = self.state
        if word == "up":
            state.pid, state.phase = int(text), "stopping" if self.stopping else "up"
        elif word == "listens":
            state.listens = [*state.listens, int(text)]
        elif word == "nap":
            self.doze()
        elif word in ("missing", "fail"):
            state.missing = [*state.missing, text]
        self.life.learn(word, text)
        state.save()

    def over(self) -> None:
        """The keeper is gone, and with it all it kept. Say how it ended, and begin again or leave."""
        state, self.living = self.state, False
        self.loop.forget("late")
        if self.napping and not self.stopping:
            self.sleep()
            return
        state.exit = ending(self.life.outcome, self.life.oom())
        state.pid, state.phase = None, "exited" if self.stopping else "backoff"
        if self.stopping:
            self.leave()
        hush(self.serving)
        if time.monotonic() - self.life.began >= WELL:
            self.wait = FIRST
        state.restarts += 1
        state.save()
        self.loop.at("again", time.monotonic() + self.wait, self.begin)
        self.wait = min(self.wait * 2, LONGEST)

    def signal(self, events: int) -> None:
        number = kernel.read_signal(self.signals)
        if number == kernel.CHLD:
            reap()
        elif number in (kernel.TERM, kernel.INT):
            self.stop()
        elif number == kernel.USR1 and self.serving >= 0 and self.job.naps and self.state.phase == "up":
            os.kill(self.life.pid, kernel.USR1)

    def doze(self) -> None:
        """The keeper found nobody connected and ends the command. Whoever calls from now on waits in the socket."""
        self.napping, self.state.phase = True, "asleep"
        listen(self.serving)

    def sleep(self) -> None:
        listen(self.serving)  # again, for a command that shuts its socket as it goes; before anybody is told
        self.state.pid, self.state.keeper = None, []
        self.state.save()
        self.loop.watch(self.serving, READ, self.wake)

    def wake(self, events: int) -> None:
        """Somebody called: start the command; it is handed the socket with everybody who waits in it."""
        self.loop.drop(self.serving)
        self.napping = False
        self.loop.at("again", 0.0, self.begin)
        self.loop.at("late", time.monotonic() + self.job.boot, self.late)

    def late(self) -> None:
        """It was woken and has let nobody in: end it, so that its callers hear of it, and go on with patience."""
        if waits(self.serving) and not callers.connected(self.port, accepted=True):
            Log(self.job.log, self.job.output).mark(f"woken, and took nobody in {self.job.boot:g} s: ended")
            self.end()

    def stop(self) -> None:
        if not self.living:
            self.leave()
        if self.stopping:
            return  # asked again: the time it was given runs from the first
        self.stopping, self.state.phase = True, "stopping"
        self.state.save()
        if self.life.pid:
            os.kill(self.life.pid, kernel.TERM)
        self.loop.at("end", time.monotonic() + self.job.grace + 2, self.end)

    def end(self) -> None:
        if self.life.pid:
            os.kill(self.life.pid, kernel.KILL)

    def leave(self) -> None:
        """End, with everything the replica had."""
        hush(self.serving)
        self.state.phase = "exited"
        self.state.save()
        clear(self.group, self.job.folder)


def ending(outcome: int | None, oom: bool) -> dict[str, Plain]:
    """How a life ended, in the words of `Exit`. Without word from the keeper, it was killed with its command."""
    number = 9 if outcome is None else -outcome if outcome < 0 else None
    code = outcome if outcome is not None and outcome >= 0 else None
    return {"code": code, "signal": number, "oom": oom, "at": time.time()}


def hush(serving: int) -> None:
    """Stop listening in the name of an app that is gone: its callers are refused at once, and the port is kept."""
    try:
        _socket.socket(fileno=os.dup(serving)).shutdown(_socket.SHUT_RD)
    except OSError:
        return  # it never listened, or there is none


def listen(serving: int) -> None:
    """Listen in the name of an app that sleeps; nothing is lost when the app listens (still)."""
    _socket.socket(fileno=os.dup(serving)).listen(QUEUE)


def waits(serving: int) -> bool:
    """Whether a caller waits to be let in."""
    looked = select.poll()
    looked.register(serving, READ)
    return bool(looked.poll(0))


def reap() -> None:
    while True:
        try:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                return
        except ChildProcessError:
            return
