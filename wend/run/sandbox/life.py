"""One life of a command: a keeper in namespaces of its own, and the pipe it reports on."""

from __future__ import annotations

import os
import time

from . import kernel, limits
from .job import Job
from .keeper import Keeper
from .limits import Group


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
        self.group = group
        self.outweighed = False
        self.outcome: int | None = None

    def learn(self, word: str, text: str) -> None:
        """Take note of how it ended."""
        if word == "oom":
            self.outweighed = True
        elif word == "exit":
            self.outcome = int(text)

    def oom(self) -> bool:
        """True when it ended because the kernel, or the keeper, took it for want of memory."""
        return self.outcome != 0 and (self.outweighed or self.group.ooms() > self.ooms)

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
        text = f"fail this machine lets nobody make namespaces: {error.strerror} ({error.filename})\n"
        os.write(report, text.encode())
    finally:
        os._exit(0)
