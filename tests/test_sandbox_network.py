"""What a box may connect to: by judgement of the address alone, and in a real box."""

from __future__ import annotations

import http.server
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.boxes import ROOT, boxed, linux
from wend.run.sandbox import names, reach
from wend.run.sandbox.loop import Loop


class Away(http.server.BaseHTTPRequestHandler):
    """Sends everybody to the control plane's port."""

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", f"http://{self.headers['X-To']}/")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def redirector():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Away)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def control():
    """A listener on the host's loopback, and how many it let in."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def visitors(server: socket.socket) -> int:
    count = 0
    while True:
        try:
            server.accept()[0].close()
            count += 1
        except BlockingIOError:
            return count


@linux
def test_reach_opens_one_address_and_a_redirect_is_a_new_connection(tmp_path: Path, redirector: int, control) -> None:
    port = control.getsockname()[1]
    code = (
        "import urllib.request, urllib.error\n"
        f"request = urllib.request.Request('http://127.0.0.1:{redirector}/', headers={{'X-To': '127.0.0.1:{port}'}})\n"
        "try: urllib.request.urlopen(request, timeout=3)\n"
        "except urllib.error.URLError as error: print(request.host, error.reason)"
    )
    _, lines = boxed(tmp_path, code, reach=(f"127.0.0.1:{redirector}",))
    assert len(lines) == 1
    assert "refused" in lines[0]
    assert visitors(control) == 0


@linux
def test_a_connect_that_does_not_block_goes_on_in_the_background(tmp_path: Path, control) -> None:
    port = control.getsockname()[1]
    code = (
        "import socket, select\n"
        "s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1); s.setblocking(False)\n"
        f"first = s.connect_ex(('127.0.0.1', {port}))\n"
        "select.select([], [s], [], 3)\n"
        "print(first in (0, 115), s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), s.getpeername()[1],\n"
        "      s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), s.getblocking(), s.get_inheritable())\n"
        f"print(s.connect_ex(('127.0.0.1', {port})), s.connect_ex(('127.0.0.1', {port})))"
    )
    _, lines = boxed(tmp_path, code, reach=(f"127.0.0.1:{port}",))
    assert lines == [f"True 0 {port} 1 False False", "106 106"]


@linux
def test_its_own_loopback_and_unix_sockets_work(tmp_path: Path) -> None:
    code = (
        "import socket, os\n"
        "for kind, at in ((socket.AF_INET, ('127.0.0.1', 0)), (socket.AF_INET6, ('::1', 0)),\n"
        "                 (socket.AF_UNIX, '/tmp/s'), (socket.AF_UNIX, '\\0abstract')):\n"
        "    a = socket.socket(kind); a.bind(at); a.listen(); b = socket.socket(kind); b.connect(a.getsockname())\n"
        "    c = a.accept()[0]; b.send(b'x'); print(c.recv(1).decode(), end=' ')\n"
        "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0))\n"
        "v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); v.connect(u.getsockname()); v.send(b'd')\n"
        "print(u.recv(1).decode())"
    )
    _, lines = boxed(tmp_path, code)
    assert lines == ["x x x x d"]


@linux
def test_an_address_that_changes_while_it_is_judged_changes_nothing(tmp_path: Path, control, redirector: int) -> None:
    """Threads rewrite the address and swap the descriptor all the time; only what was judged is connected."""
    port = control.getsockname()[1]
    code = f"""
import ctypes, os, socket, struct, threading, time
libc = ctypes.CDLL(None)
good = struct.pack('=H', 2) + struct.pack('!H', {redirector}) + bytes([127, 0, 0, 1]) + bytes(8)
evil = struct.pack('=H', 2) + struct.pack('!H', {port}) + bytes([127, 0, 0, 1]) + bytes(8)
unix = struct.pack('=H', 1) + b'/nowhere' + bytes(6)
shared = ctypes.create_string_buffer(good, 16)
until = time.monotonic() + 2
held = socket.create_connection(('127.0.0.1', {redirector}))
def swap():
    while time.monotonic() < until:
        for one in (good, evil, unix, bytes(16)):
            ctypes.memmove(shared, one, 16)
            os.dup2(held.fileno(), 200); os.dup2(mine.fileno(), 200)
mine = socket.socket(socket.AF_UNIX)
threading.Thread(target=swap).start()
done = 0
while time.monotonic() < until:
    with socket.socket() as s:
        done += libc.connect(s.fileno(), shared, 16) == 0
    libc.connect(200, shared, 16)
print(done > 0)
"""
    _, lines = boxed(tmp_path, code, reach=(f"127.0.0.1:{redirector}",))
    assert lines == ["True"]
    assert visitors(control) == 0


@linux
@pytest.mark.skipif(not ROOT, reason="a name server's port needs root: run as root")
def test_lookups_are_relayed_and_a_second_try_goes_to_the_next_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        socket.socket(type=socket.SOCK_DGRAM) as silent,
        socket.socket(type=socket.SOCK_DGRAM) as server,
        socket.socket(type=socket.SOCK_DGRAM) as inside,
        socket.socket(type=socket.SOCK_DGRAM) as client,
    ):
        silent.bind(("127.0.0.78", 53))
        server.bind(("127.0.0.77", 53))
        inside.bind(("127.0.0.1", 0))
        monkeypatch.setattr(names, "servers", lambda: ["127.0.0.78", "127.0.0.77"])
        loop = Loop()
        names.Relay(loop, inside)
        client.connect(inside.getsockname())
        for one in (silent, server, client):
            one.settimeout(5)
        for asked in (silent, server):
            client.send(b"\x12\x34 what is the address")
            loop.turn()
            data, back = asked.recvfrom(512)
            assert data == b"\x12\x34 what is the address"
        server.sendto(b"\x12\x34 this one", back)
        loop.turn()
        assert client.recv(512) == b"\x12\x34 this one"


DENIED = ("127.0.0.1", "0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255", "100.100.100.200")


DENIED_6 = ("::1", "::", "fe80::1", "ff02::1", "fd00:ec2::254", "::7f00:1", "2002:7f00:1::")


@pytest.mark.parametrize("text", [*DENIED, *DENIED_6])
def test_denied_addresses(text: str) -> None:
    assert reach.Reach(0, ()).decide(reach.packed(text), 80) != reach.OUTSIDE


@given(st.sampled_from(DENIED), st.sampled_from(["::ffff:{}", "64:ff9b::{}"]), st.integers(1, 65535))
def test_no_way_of_writing_a_denied_address_opens_it(text: str, form: str, port: int) -> None:
    assert reach.Reach(0, ()).decide(reach.packed(form.format(text)), port) != reach.OUTSIDE


@pytest.mark.parametrize("text", ["8.8.8.8", "10.1.2.3", "192.168.77.5", "2606:4700::1", "64:ff9b::808:808"])
def test_databases_and_the_world_are_open(text: str) -> None:
    assert reach.Reach(0, ()).decide(reach.packed(text), 5432) == reach.OUTSIDE


def test_exceptions_are_exact() -> None:
    rules = reach.Reach(4000, ("127.0.0.1:5432", "169.254.7.0/24:80", "[fe80::2]:*"))
    assert rules.decide(reach.packed("127.0.0.1"), 5432) == reach.OUTSIDE
    assert rules.decide(reach.packed("127.0.0.1"), 5433) == reach.INSIDE
    assert rules.decide(reach.packed("169.254.7.9"), 80) == reach.OUTSIDE
    assert rules.decide(reach.packed("169.254.8.9"), 80) != reach.OUTSIDE
    assert rules.decide(reach.packed("fe80::2"), 1) == reach.OUTSIDE
    assert rules.decide(reach.packed("::1"), 4000) == reach.SERVING
