"""A thousand pushes at once from one person, each of which stops sending half-way: everybody else notices nothing."""

from __future__ import annotations

import base64
import select
import socket
import time
from pathlib import Path

from tests.house import SERVER, House

CROWD = 1000


def test_a_thousand_half_pushes_of_one_leave_the_others_alone(platform: House, tmp_path: Path) -> None:
    repo = platform.repo("calm", tmp_path / "calm")
    assert repo.push()[0]
    wanted = {"owner": "mallory", "kind": "human", "scopes": ["app.*"], "days": 1}
    token = platform.api("POST", "/api/tokens", wanted)[1]["token"]
    crowd = [half_push(platform, token, number) for number in range(CROWD)]
    try:
        repo.change(app_py=SERVER.format(word="two"))
        began = time.monotonic()
        taken, said = repo.push()
        assert taken, said
        assert time.monotonic() - began < 10
        assert platform.get("calm") == (200, "two")
        answers = first_lines(crowd, 10)
        assert answers.count(b"HTTP/1.1 429") >= CROWD - platform_limit(platform)
    finally:
        for sock in crowd:
            sock.close()


def platform_limit(platform: House) -> int:
    """How many pushes one person may have under way (the default of `pushes_at_once`)."""
    return int(platform.env.get("WEND_PUSHES_AT_ONCE", "4"))


def half_push(platform: House, token: str, number: int) -> socket.socket:
    """A push that announces more than it sends."""
    password = base64.b64encode(f"x:{token}".encode()).decode()
    head = (
        f"POST /git/crowd{number % 50}.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {password}\r\n"
        "Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 100000\r\n\r\n0099"
    )
    sock = socket.create_connection(("127.0.0.1", platform.listen), timeout=30)
    sock.sendall(head.encode())
    return sock


def first_lines(socks: list[socket.socket], seconds: float) -> list[bytes]:
    """The first twelve bytes of every answer that comes within `seconds`."""
    waiting, found, deadline = set(socks), list[bytes](), time.monotonic() + seconds
    poll = select.poll()
    by_fd = {sock.fileno(): sock for sock in socks}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    while waiting and time.monotonic() < deadline and len(found) < len(socks) - 4:
        for fd, _ in poll.poll(200):
            poll.unregister(fd)
            waiting.discard(by_fd[fd])
            found.append(by_fd[fd].recv(100)[:12])
    return found
