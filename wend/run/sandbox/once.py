"""One command in a box, for a build, a release command or a person: its lines, its limits, and how it ended."""

from __future__ import annotations

import os
import time

from . import kernel, limits
from .job import Job
from .life import Life
from .limits import Group
from .loop import READ, Loop
from .prepare import prepare

GRACE = 3.0


class Once:
    """Runs in the foreground of the process that asked. That process reads lines `L TEXT` and at the end
    `X CODE OOM REASON` from descriptor 1, and closes descriptor 0 to end it all."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.loop = Loop()
        self.reason = ""

    def run(self) -> None:
        job = self.job
        prepare(job)
        self.group = limits.make(job)
        self.signals = kernel.block_signals(kernel.TERM, kernel.INT, kernel.CHLD, kernel.HUP)
        kernel.prctl(kernel.SUBREAPER, 1)
        self.life = Life(job, self.group, -1, 0)
        self.loop.watch(self.life.report, READ, self.hear)
        self.loop.watch(0, READ, lambda events: self.cut("cancelled"))
        self.loop.watch(self.signals, READ, self.signal)
        if job.seconds:
            self.loop.at("time", time.monotonic() + job.seconds, lambda: self.cut(f"stopped after {job.seconds:g} s"))
        if job.disk:
            self.loop.at("disk", time.monotonic() + 0.5, self.measure)
        while True:
            self.loop.turn()

    def hear(self, events: int) -> None:
        lines = self.life.news()
        if lines is None:
            self.over()
        for line in lines or []:
            word, _, text = line.partition(" ")
            self.life.learn(word, text)
            if word == "fail":
                self.reason = text

    def signal(self, events: int) -> None:
        number = kernel.read_signal(self.signals)
        if number in (kernel.TERM, kernel.INT, kernel.HUP):
            self.cut("cancelled")

    def cut(self, reason: str) -> None:
        """End it, politely at first; what still runs after that goes with the keeper."""
        if self.reason:
            return
        self.reason = reason
        self.loop.drop(0)
        os.kill(self.life.pid, kernel.TERM)
        self.loop.at("end", time.monotonic() + min(GRACE, self.job.grace), lambda: os.kill(self.life.pid, kernel.KILL))

    def measure(self) -> None:
        """Look how much the writable folders hold; the longer a look takes, the rarer it is."""
        began = time.monotonic()
        used = sum(size(source) for source, _, mode in self.job.mounts if mode == "rw")
        if used > (self.job.disk or 0):
            self.cut(f"stopped: {used} bytes on disk are more than the {self.job.disk} allowed")
            os.kill(self.life.pid, kernel.KILL)
        now = time.monotonic()
        self.loop.at("disk", now + max(0.5, 10 * (now - began)), self.measure)

    def over(self) -> None:
        code = -9 if self.life.outcome is None else self.life.outcome
        if code and not self.reason and self.group.crowded():
            self.reason = f"refused a process: {self.job.pids} were there, the most allowed"
        try:
            os.write(1, f"X {code} {int(self.life.oom())} {self.reason}\n".encode())
        except OSError:
            self.reason = "nobody listens"  # what is left of the command must go all the same
        clear(self.group, self.job.folder)


def clear(group: Group, folder: str) -> None:
    """Take away the groups and the folder, and become what does it. Never returns."""
    group.kill()
    for _ in range(100):
        if group.remove():
            break
        time.sleep(0.01)
    os.execv("/bin/rm", ["rm", "-rf", "--", folder])


def size(folder: str) -> int:
    """Bytes on disk below `folder`; links are not followed, and what vanishes meanwhile does not count."""
    total, left = 0, [folder]
    while left:
        try:
            entries = list(os.scandir(left.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                total += entry.stat(follow_symlinks=False).st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)
            except OSError:
                continue
    return total
