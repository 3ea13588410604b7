"""The network of a box: it has only its own loopback, and this acts for it in the host's.

The kernel hands over each bind and connect (seccomp user notification). Whatever is decided is done here, on our own
copy of the socket, so that nothing the process writes or swaps meanwhile changes it; only sockets that are not of the
internet families go on by themselves. A socket of the host's network is put in the place of the process's own, and is
pinned by a locked packet filter to the peer that was checked.
"""

from __future__ import annotations

import _socket
import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Callable

from . import filter, kernel
from .loop import WRITE, Loop
from .reach import INSIDE, NAMES, OUTSIDE, SERVING, Reach, unwrapped

RECEIVE, SEND, VALID, ADD = 0xC0502100, 0xC0182101, 0x40082102, 0x40182103
CONTINUE, INTO_PLACE = 1, 1
SOL, DOMAIN, KIND, ERROR, ATTACH, LOCK, COOKIE = 1, 39, 3, 4, 26, 44, 71
INET, STREAM = (2, 10), 1
SYN_SENT, CLOSED = 2, 7
KEPT = (
    (SOL, 9, 4), (SOL, 13, 8), (SOL, 20, 16), (SOL, 21, 16), (SOL, 10, 4), (SOL, 2, 4),  # keepalive … reuseaddr
    (6, 1, 4), (6, 4, 4), (6, 5, 4), (6, 6, 4), (6, 18, 4),  # nodelay, keepalive times, user timeout
)  # fmt: skip
DNS = (b"\x7f\0\0\x35", 53)


class Call:
    """One bind or connect that waits for our answer. `socket` is our own copy."""

    def __init__(self, notice: bytes, listener: int) -> None:
        self.id, self.pid, _, self.number = struct.unpack_from("=QIIi", notice)
        self.fd, self.address, self.size = struct.unpack_from("=IxxxxQI", notice, 32)
        self.listener = listener
        self.socket = -1

    def answer(self, error: int = 0, flags: int = 0) -> None:
        try:
            fcntl.ioctl(self.listener, SEND, bytearray(struct.pack("=QqiI", self.id, 0, -error, flags)))
        except OSError:
            return  # the caller died meanwhile

    def put(self, socket: int, close_on_exec: bool) -> None:
        """Put our socket where the caller's was."""
        flags = os.O_CLOEXEC if close_on_exec else 0
        fcntl.ioctl(self.listener, ADD, struct.pack("=QIIII", self.id, INTO_PLACE, socket, self.fd, flags))

    def still_there(self) -> bool:
        try:
            fcntl.ioctl(self.listener, VALID, struct.pack("=Q", self.id))
        except OSError:
            return False
        return True


def parse(raw: bytes) -> tuple[int, bytes, int]:
    """Family, address and port of a socket address; the address is empty when it is of another family."""
    family = int.from_bytes(raw[:2], "little") if len(raw) >= 2 else -1
    port = int.from_bytes(raw[2:4], "big")
    if family == 2 and len(raw) >= 16:
        return family, raw[4:8], port
    if family == 10 and len(raw) >= 24:
        return family, raw[8:24], port
    return family, b"", 0


def number(socket: int, level: int, name: int, size: int = 4) -> int:
    """A socket option as a number. Raises OSError when it is no socket."""
    buffer, length = ctypes.create_string_buffer(size), ctypes.c_uint(size)
    kernel.checked("getsockopt", kernel.LIBC.getsockopt(socket, level, name, buffer, ctypes.byref(length)))
    return int.from_bytes(buffer.raw, "little")


def copy_options(source: int, target: int) -> None:
    for level, name, size in KEPT:
        buffer, length = ctypes.create_string_buffer(size), ctypes.c_uint(size)
        if not kernel.LIBC.getsockopt(source, level, name, buffer, ctypes.byref(length)):
            kernel.LIBC.setsockopt(target, level, name, buffer, length)


def pin(socket: int, program: bytes) -> bool:
    """Attach a packet filter that nobody can take off again. False where only root may do so to a stream (newer
    kernels): there Landlock keeps the process from connecting a socket anew by itself."""
    code = ctypes.create_string_buffer(program)
    header = struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    if kernel.LIBC.setsockopt(socket, SOL, ATTACH, header, 16):
        return False
    return not kernel.LIBC.setsockopt(socket, SOL, LOCK, struct.pack("=i", 1), 4)


def can_pin() -> bool:
    probe = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        return pin(probe.fileno(), filter.only_serving())
    finally:
        probe.close()


def attempt(verb: Callable[[int, bytes, int], int], socket: int, address: bytes) -> int:
    """bind or connect with a raw address; returns the errno, 0 when it worked."""
    return ctypes.get_errno() if verb(socket, address, len(address)) < 0 else 0


class Broker:
    """Answers for one box. `serving`: the host's socket for its port (-1: none); `heard(port)` is told what else it
    binds; `names()` gives the raw address of the host's name server; `proc`: a descriptor of the box's /proc or -1."""

    def __init__(self, loop: Loop, listener: int, proc: int, reach: Reach, serving: int) -> None:
        self.loop, self.listener, self.proc, self.reach, self.serving = loop, listener, proc, reach, serving
        self.heard: Callable[[int], None] = lambda port: None
        self.names: Callable[[], bytes] = lambda: b""
        mine = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
        self.cookie = number(mine.fileno(), SOL, COOKIE, 8)
        mine.close()

    def ready(self, events: int) -> None:
        """Take one call and answer it, now or when its connection stands."""
        notice = bytearray(80)
        try:
            fcntl.ioctl(self.listener, RECEIVE, notice)
        except OSError as error:
            if error.errno == errno.ENOENT and not events & ~1:
                return
            self.loop.drop(self.listener)
            return
        call = Call(bytes(notice), self.listener)
        try:
            self.take(call)
        except OSError as error:
            call.answer(error.errno or errno.EACCES)
            close(call.socket)

    def take(self, call: Call) -> None:
        call.socket = self.copy(call)
        if number(call.socket, SOL, DOMAIN) not in INET:
            close(call.socket)
            call.answer(flags=CONTINUE)
            return
        raw = kernel.read_memory(call.pid, call.address, min(call.size, 128))
        if not call.still_there():
            close(call.socket)
        elif call.number == filter.BIND:
            self.bind(call, raw)
        else:
            self.connect(call, raw)

    def copy(self, call: Call) -> int:
        try:
            process = kernel.syscall("pidfd_open", kernel.PIDFD_OPEN, call.pid, 0)
        except OSError:  # a thread; its process has the same descriptors
            process = kernel.pidfd(self.process_of(call.pid))
        try:
            return kernel.copy_fd(process, call.fd)
        finally:
            os.close(process)

    def process_of(self, thread: int) -> int:
        for line in self.look(f"{thread}/status").splitlines():
            if line.startswith("Tgid:"):
                return int(line[5:])
        raise OSError(errno.ESRCH, "no such thread")

    def look(self, path: str) -> str:
        """A file of the box's /proc."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.proc)
        try:
            return os.read(fd, 4096).decode()
        finally:
            os.close(fd)

    def closes_on_exec(self, call: Call) -> bool:
        try:
            text = self.look(f"{call.pid}/fdinfo/{call.fd}")
        except OSError:
            return True
        return any(line.startswith("flags:") and int(line[6:], 8) & os.O_CLOEXEC for line in text.splitlines())

    # ------------------------------------------------------------------------------------------ bind

    def bind(self, call: Call, raw: bytes) -> None:
        _, _, port = parse(raw)
        stream = number(call.socket, SOL, KIND) == STREAM
        if stream and port and port == self.reach.port and not self.is_host(call.socket):
            os.set_blocking(self.serving, os.get_blocking(call.socket))
            self.finish(call, self.serving)
            return
        failed = errno.EINVAL if self.is_host(call.socket) else attempt(kernel.LIBC.bind, call.socket, raw)
        if stream and port and not failed:
            self.heard(port)
        close(call.socket)
        call.answer(failed)

    def is_host(self, socket: int) -> bool:
        return number(socket, SOL, COOKIE, 8) == self.cookie

    def finish(self, call: Call, socket: int, error: int = 0) -> None:
        """Hand `socket` over and answer; ours stays open only when it is the serving one."""
        try:
            call.put(socket, self.closes_on_exec(call))
        except OSError as failure:
            error = failure.errno or errno.EACCES
        close(call.socket)
        if socket != self.serving:
            close(socket)
        call.answer(error)

    # ------------------------------------------------------------------------------------------ connect

    def connect(self, call: Call, raw: bytes) -> None:
        family, address, port = parse(raw)
        if self.is_host(call.socket):
            self.again(call, raw)
        elif not address:
            self.inside(call, raw)
        elif number(call.socket, SOL, KIND) != STREAM:
            self.datagram(call, raw, family, address, port)
        elif self.reach.decide(address, port) == INSIDE:
            self.inside(call, raw)
        else:
            self.stream(call, raw)

    def stream(self, call: Call, raw: bytes) -> None:
        """Connect beyond the box, or refuse. A socket of the host's never comes near `inside`."""
        _, address, port = parse(raw)
        where = self.reach.decide(address, port) if address else errno.EINVAL
        if where == OUTSIDE:
            self.outside(call, raw)
        elif where == NAMES:
            self.outside(call, self.names())
        elif where == SERVING:
            self.outside(call, inet((b"\x7f\0\0\1", port)))
        else:
            raise OSError(where if isinstance(where, int) else errno.EACCES, "denied")

    def again(self, call: Call, raw: bytes) -> None:
        """Another connect on a socket of ours: say how the first one goes, or begin anew with a fresh socket."""
        failed = number(call.socket, SOL, ERROR)
        state = number(call.socket, 6, 11, 1)  # TCP_INFO: the state is its first byte
        if failed:
            raise OSError(failed, "connect")
        if state == CLOSED:
            self.stream(call, raw)
        elif state != SYN_SENT:
            raise OSError(errno.EISCONN, "connect")
        elif not os.get_blocking(call.socket):
            raise OSError(errno.EALREADY, "connect")
        else:
            self.wait(call.socket, lambda error: self.reply(call, error))

    def reply(self, call: Call, error: int) -> None:
        close(call.socket)
        call.answer(error)

    def datagram(self, call: Call, raw: bytes, family: int, address: bytes, port: int) -> None:
        """Datagrams stay inside: a socket of the host's could send to anyone. Name lookups go to our relay."""
        where = self.reach.decide(address, port)
        if isinstance(where, int) or (where == OUTSIDE and port != 53):
            raise OSError(errno.EACCES if isinstance(where, int) else errno.ENETUNREACH, "denied")
        if where in (OUTSIDE, NAMES):
            raw = inet(DNS) if family == 2 else inet6(DNS)
        self.inside(call, raw)

    def inside(self, call: Call, raw: bytes) -> None:
        """Connect the caller's own socket in its own network."""
        if not os.get_blocking(call.socket):
            self.reply(call, attempt(kernel.LIBC.connect, call.socket, raw))
            return
        os.set_blocking(call.socket, False)
        failed = attempt(kernel.LIBC.connect, call.socket, raw)
        if failed == errno.EINPROGRESS:
            self.wait(call.socket, lambda error: self.inside_done(call, error))
        else:
            self.inside_done(call, failed)

    def inside_done(self, call: Call, error: int) -> None:
        os.set_blocking(call.socket, True)
        self.reply(call, error)

    def outside(self, call: Call, raw: bytes) -> None:
        """Connect a socket of the host's to exactly this address, and hand it over."""
        family, address, port = parse(raw)
        blocking = os.get_blocking(call.socket)
        made = _socket.socket(family, _socket.SOCK_STREAM).detach()
        try:
            copy_options(call.socket, made)
            pin(made, filter.only_from(wire(address), port))
            os.set_blocking(made, False)
            failed = attempt(kernel.LIBC.connect, made, raw)
        except OSError:
            close(made)
            raise
        if failed == errno.EINPROGRESS and blocking:
            self.wait(made, lambda error: self.outside_done(call, made, error))
        elif failed in (0, errno.EINPROGRESS):
            os.set_blocking(made, blocking)
            self.finish(call, made, failed)
        else:
            close(made)
            raise OSError(failed, "connect")

    def outside_done(self, call: Call, made: int, error: int) -> None:
        if error:
            close(made)
            self.reply(call, error)
            return
        os.set_blocking(made, True)
        self.finish(call, made)

    def wait(self, socket: int, done: Callable[[int], None]) -> None:
        """Call `done` with the outcome once the connection stands or failed."""

        def ready(events: int) -> None:
            self.loop.drop(socket)
            done(number(socket, SOL, ERROR))

        self.loop.watch(socket, WRITE, ready)


def wire(address: bytes) -> bytes:
    """The address as packets carry it: only a mapped one travels as IPv4."""
    return unwrapped(address) if address[:12] == bytes(10) + b"\xff\xff" and len(address) == 16 else address


def inet(to: tuple[bytes, int]) -> bytes:
    return struct.pack("=H", 2) + to[1].to_bytes(2, "big") + to[0] + bytes(8)


def inet6(to: tuple[bytes, int]) -> bytes:
    return struct.pack("=H", 10) + to[1].to_bytes(2, "big") + bytes(4) + bytes(10) + b"\xff\xff" + to[0] + bytes(4)


def close(fd: int) -> None:
    if fd >= 0:
        try:
            os.close(fd)
        except OSError:
            return
