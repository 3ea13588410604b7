"""The first process of a box's own process namespace: it starts the command, reaps, logs and brokers, and when it goes
the kernel ends everything else in there. It needs nobody: the shim above it may be killed."""

from __future__ import annotations

import _socket
import fcntl
import os
import struct
import time

from . import callers, filter, kernel, landlock, limits, names, root
from .broker import Broker, can_pin
from .job import Job
from .limits import Group
from .log import Log, Stream
from .loop import READ, Loop
from .reach import Reach

ENOUGH = 64 * 2**10
LOOK = 0.5  # seconds
FREEZES = 0.1  # seconds a command may take to stand still
PAGE = os.sysconf("SC_PAGE_SIZE")


class Keeper:
    """One life of a command. What happens is told on `report`, a line each: `up PID`, `missing TEXT`, `listens PORT`,
    `fail TEXT`, `nap` (it is ended, for it was asked and idle), `exit CODE SIGNAL`."""

    def __init__(self, job: Job, group: Group, serving: int, port: int, report: int) -> None:
        self.job, self.group, self.serving, self.port, self.report = job, group, serving, port, report
        self.loop = Loop()
        self.log = Stream(1, job.output, job.hidden) if job.once else Log(job.log, job.output, job.hidden)
        self.child = 0
        self.heard: set[int] = set()
        self.proc = -1
        self.asked = False

    def run(self) -> None:
        """Start the command and stay until it ended; never returns."""
        kernel.prctl(kernel.DUMPABLE, 0)
        self.signals = kernel.block_signals(kernel.CHLD, kernel.TERM, kernel.INT, kernel.HUP, kernel.USR1)
        self.output, output = os.pipe()
        channel, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        self.child = os.fork()
        if not self.child:
            become(self.job, self.group, theirs, output)
        os.close(output)
        theirs.close()
        os.set_blocking(self.output, False)
        self.channel = channel
        self.loop.watch(self.output, READ, self.read)
        self.loop.watch(self.signals, READ, self.signal)
        self.loop.watch(channel.fileno(), READ, self.hear)
        if self.job.memory and not self.group.has("memory"):
            self.weigh()
        if self.job.once:
            self.loop.watch(self.report, 0, lambda events: os._exit(1))
        while True:
            self.loop.turn()

    def tell(self, text: str) -> None:
        try:
            os.write(self.report, text.encode("utf-8", "replace")[:4000].replace(b"\n", b" ") + b"\n")
        except OSError:
            return  # the shim is dead; the command goes on

    def read(self, events: int) -> None:
        try:
            chunk = os.read(self.output, ENOUGH)
        except BlockingIOError:
            return
        if chunk:
            self.log.write(chunk)
        else:
            self.loop.drop(self.output)

    def hear(self, events: int) -> None:
        """News from the child until it has become the command (then the channel closes)."""
        data, extra, _, _ = self.channel.recvmsg(4096, _socket.CMSG_SPACE(16))
        if not data:
            self.loop.drop(self.channel.fileno())
            self.channel.close()
            return
        word, _, text = data.decode("utf-8", "replace").partition(" ")
        if word == "fds":
            self.network(text, struct.unpack(f"={len(extra[0][2]) // 4}i", extra[0][2]))
        elif word == "fail":
            self.log.mark(text)
            self.tell(f"fail {text}")
        else:
            self.tell(f"{word} {text}")

    def network(self, text: str, fds: tuple[int, ...]) -> None:
        """Take over the box's network: its calls, its lookups, its view of /proc."""
        listener, inside, self.proc = fds
        if landlock.version() < 4 and not can_pin():
            self.tell("missing pin: a connection, once made, is not tied to its peer on this kernel")
        broker = Broker(self.loop, listener, self.proc, Reach(self.port, self.job.reach), self.serving)
        broker.heard = self.note
        relay = names.Relay(self.loop, _socket.socket(fileno=inside))
        broker.names = relay.first
        self.loop.watch(listener, READ, broker.ready)

    def note(self, port: int) -> None:
        if port not in self.heard and len(self.heard) < 64:
            self.heard.add(port)
            self.tell(f"listens {port}")

    def weigh(self) -> None:
        """Where no memory group can be had: look twice a second, and end what holds more than it may."""
        if self.proc >= 0 and resident(self.proc) > (self.job.memory or 0):
            self.tell("oom")
            self.send(kernel.KILL)
        self.loop.at("weigh", time.monotonic() + LOOK, self.weigh)

    def signal(self, events: int) -> None:
        number = kernel.read_signal(self.signals)
        if number == kernel.CHLD:
            self.reap()
        elif number == kernel.USR1:
            self.nap()
        elif number:
            self.stop()

    def stop(self) -> None:
        """Ask politely once, then end it."""
        if self.asked:
            return
        self.asked = True
        self.send(kernel.TERM)
        self.loop.at("kill", time.monotonic() + self.job.grace, self.end)

    def nap(self) -> None:
        """End the command if nobody is connected to it. It stands still while that is looked at, so that it cannot
        take a caller whom its end would cut off: those who come now wait in the socket."""
        self.send(kernel.STOP)
        if self.stands_still() and not callers.connected(self.port):
            self.tell("nap")
            self.stop()
        self.send(kernel.CONT)

    def stands_still(self) -> bool:
        """Whether the command has stopped; it may be in the middle of a call that is ours to answer."""
        until = time.monotonic() + FREEZES
        while time.monotonic() < until:
            pid, status = os.waitpid(self.child, os.WUNTRACED | os.WNOHANG)
            if pid and not os.WIFSTOPPED(status):
                self.finish(os.waitstatus_to_exitcode(status))
            if pid:
                return True
            time.sleep(0.0005)
        return False

    def end(self) -> None:
        self.send(kernel.KILL)
        self.loop.at("end", time.monotonic() + 1, lambda: os._exit(1))

    def send(self, number: int) -> None:
        try:
            os.killpg(self.child, number)
        except ProcessLookupError:  # it has not come to its own group yet; what it blocks now, it gets later
            try:
                os.kill(self.child, number)
            except ProcessLookupError:
                return

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self.child:
                self.finish(os.waitstatus_to_exitcode(status))

    def last_news(self) -> None:
        """What the child said before it ended may be unread: its end and its words come on two descriptors, and which
        of them is seen first is chance."""
        while self.channel.fileno() >= 0:
            self.channel.setblocking(False)
            try:
                self.hear(READ)
            except BlockingIOError:
                return

    def finish(self, code: int) -> None:
        """The command ended: keep its last words, say how, and take everything that it left behind along."""
        self.last_news()
        for _ in range(1024):
            try:
                chunk = os.read(self.output, ENOUGH)
            except BlockingIOError:
                break
            if not chunk:
                break
            self.log.write(chunk)
        self.tell(f"exit {code}")
        try:
            self.log.close()
        finally:
            os._exit(0)


def resident(proc: int) -> int:
    """Bytes that all processes of a /proc but the first hold for themselves."""
    total = 0
    for name in os.listdir(proc):
        if name.isdigit() and name != "1":
            try:
                fd = os.open(f"{name}/statm", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
            except OSError:
                continue  # it ended meanwhile
            _, held, shared = os.read(fd, 128).split()[:3]
            total += (int(held) - int(shared)) * PAGE
            os.close(fd)
    return total


# ---------------------------------------------------------------------------------------------- becoming the command


def become(job: Job, group: Group, channel: _socket.socket, output: int) -> None:
    """Walk through every wall, then turn into the command. Never returns."""
    try:
        walls(job, group, channel)
        stand(job, output)
        arguments = ["sh", "-c", job.command]
        kernel.close_on_exec(3)
        os.execve("/bin/sh", arguments, job.env)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        channel.send(f"fail cannot start the process: {error.strerror}{where}"[:4000].encode())
    finally:
        os._exit(127)


def walls(job: Job, group: Group, channel: _socket.socket) -> None:
    channel.send(b"up " + os.readlink("/proc/self").encode())
    group.join()
    os.setsid()
    os.umask(0o022)
    kernel.unshare(kernel.NEWNS | kernel.NEWIPC | kernel.NEWUTS)
    kernel.LIBC.sethostname(b"app", 3)
    inside = own_network(job)
    for text in root.enter(job, names.resolver(inside is not None)):
        channel.send(f"missing {text}".encode())
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    limits.apply(job, group)
    lower(job)
    writable = [target for _, target, mode in job.mounts if mode != "ro"]
    if not landlock.confine(writable, network=inside is not None):
        channel.send(b"missing landlock: this kernel has none")
    listener = filter.install(broker=inside is not None)
    if inside is None:
        channel.send(b"missing network: this kernel cannot hand over network calls; the host's network is used")
    else:
        fds = struct.pack("=3i", listener, inside.fileno(), proc)
        channel.sendmsg([b"fds network"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, fds)])


def own_network(job: Job) -> _socket.socket | None:
    """Enter a network of our own with its loopback up; returns the lookup relay's socket, None when it cannot be."""
    if "network" in job.without:
        return None
    try:
        kernel.unshare(kernel.NEWNET)
        with_name = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
        fcntl.ioctl(with_name.fileno(), 0x8914, struct.pack("16sh22x", b"lo", 0x41))  # SIOCSIFFLAGS: up, running
        with_name.close()
        return names.listen()
    except OSError:
        return None


def lower(job: Job) -> None:
    """From here on as nobody in particular, for ever."""
    if job.uid:
        os.setgroups([])
        os.setresgid(job.uid, job.uid, job.uid)
    kernel.prctl(kernel.NO_NEW_PRIVS, 1)
    kernel.drop_bounding()
    if job.uid:
        os.setresuid(job.uid, job.uid, job.uid)
    kernel.drop_capabilities()


def stand(job: Job, output: int) -> None:
    """The command's folder, signals and first three descriptors."""
    try:
        os.chdir(job.cwd)
    except OSError as error:
        raise OSError(error.errno, "no such working folder", job.cwd) from error
    first = job.terminal if job.terminal >= 0 else job.input if job.input >= 0 else os.open("/dev/null", os.O_RDONLY)
    os.dup2(first, 0)
    for number in (1, 2):
        os.dup2(job.terminal if job.terminal >= 0 else output, number)
    if job.terminal >= 0:
        fcntl.ioctl(0, 0x540E, 0)  # TIOCSCTTY
    kernel.reset_signals()
