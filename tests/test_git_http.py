"""The git door, spoken to by a real git and by raw sockets: what a push looks like, and what rude clients get."""

from __future__ import annotations

import gzip
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.git_world import TOKEN, Work, World, read, until, world
from wend.errors import Refused
from wend.pipe import Limits
from wend.receive import short
from wend.tree import Budget

PUSH = "Content-Type: application/x-git-receive-pack-request"
POST = f"POST /git/hello.git/git-receive-pack HTTP/1.1\r\n{PUSH}"
ASK = "info/refs?service=git-receive-pack"
ODD = ["..%2f..%2fetc", "%2e%2e", "Hello", "a" * 300, "a%00b", "a%0ab", "-x", "a--b", "x.git%2f..%2fx", "%F0%9F%92%A9"]


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def gits(world: World) -> list[int]:
    """Git processes that run on this world's repositories now."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str(world.repos.root).encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


# ---------------------------------------------------------------------------------------------- pushes that work


def test_a_push_deploys_and_moves_the_branch(w: World) -> None:
    work = w.work()
    said = work("push", "-o", "note=hi=there", w.url(), "main")
    assert "remote: building" in said and "remote: live at http://hello.localhost" in said
    commit = work("rev-parse", "HEAD")
    assert w.ref() == commit
    (push,) = w.engine.pushes
    assert (push.app, push.actor.name, push.old, push.new) == ("hello", "ann", "0" * 40, commit)
    assert push.tree == work("rev-parse", "HEAD^{tree}")
    assert push.options == {"note": "hi=there"} and not push.forced
    assert not w.quarantines()


def test_a_clone_gets_it_back(w: World) -> None:
    work = w.work()
    work.push()
    work("clone", "-q", w.url(), "copy")
    assert (work.path / "copy" / "app.py").read_text() == "print(1)\n"
    work("-c", "protocol.version=0", "ls-remote", w.url())


def test_lines_arrive_while_the_deploy_runs(w: World) -> None:
    w.engine.gate = threading.Event()
    work = w.work()
    body = pack_of(work)
    with w.connect(f"{POST}\r\nContent-Length: {len(body)}", body) as wire:
        seen = b""
        while b"building" not in seen:
            seen += wire.recv(4096)
        assert w.engine.done == 0
        w.engine.gate.set()
        until(lambda: w.engine.done, "the deploy")


def test_a_refused_deploy_shows_its_reason_at_the_branch(w: World) -> None:
    w.engine.error = Refused("the release command failed\nwith code 3", "wend logs hello")
    said = w.work().push(code=1)
    assert "[remote rejected]" in said and "(the release command failed with code 3)" in said
    assert "remote:   try: wend logs hello" in said
    assert w.ref() == "0" * 40


def test_a_broken_engine_says_that_it_is_our_fault(w: World) -> None:
    w.engine.error = RuntimeError("secret detail")
    said = w.work().push(code=1)
    assert "our fault" in said and "secret detail" not in said


def test_a_big_push_is_chunked(w: World) -> None:
    work = w.work()
    (work.path / "noise").write_bytes(os.urandom(3 * 2**20))
    work("add", "-A")
    work("commit", "-qm", "noise")
    work.push()  # over http.postBuffer: a "0000" probe, then Transfer-Encoding: chunked
    assert w.ref() == work("rev-parse", "HEAD")


def test_other_branches_and_tags_are_kept(w: World) -> None:
    work = w.work()
    work.push()
    work("branch", "side")
    work("tag", "v1")
    said = work.push("side", "v1")
    assert "side is kept, not deployed: this app deploys from main" in said
    assert w.ref("refs/heads/side") == w.ref("refs/tags/v1") == w.ref()
    assert len(w.engine.pushes) == 1
    work.push("--delete", "side", "v1")
    assert w.ref("refs/heads/side") == w.ref("refs/tags/v1") == "0" * 40


def test_a_first_push_of_another_branch_is_told_how(w: World) -> None:
    work = w.work()
    said = work.push("HEAD:refs/heads/master", code=1)
    assert "git push wend master:main" in said and 'branch = "master"' in said and not w.engine.pushes
    work.commit({"wend.toml": 'branch = "master"\n'})
    work.push("HEAD:refs/heads/master")
    assert w.ref("refs/heads/master") == work("rev-parse", "HEAD")
    assert w.repos.branch(w.repo()) == "master"


def test_atomic_push_is_all_or_nothing(w: World) -> None:
    w.engine.error = Refused("no")
    work = w.work()
    work("tag", "v1")
    work("branch", "side")
    said = work.push("--atomic", "main", "side", code=1)
    assert said.count("[remote rejected]") == 2
    assert w.ref("refs/heads/side") == "0" * 40


# ---------------------------------------------------------------------------------------------- rows 14: history


def test_row_14_history_that_was_live_is_not_dropped_silently(w: World) -> None:
    work = w.work()
    first = work.push() and work("rev-parse", "HEAD")
    work.commit({"a": "1"})
    work.push()
    live = w.ref()
    work("reset", "-q", "--hard", first)
    work.commit({"a": "2"})
    assert "rejected" in work.push(code=1)  # the client's own check
    said = work.push("--force", code=1)
    assert '-o reason="..."' in said and w.ref() == live
    work("push", "--force", "-o", "reason=bad migration", w.url(), "HEAD:main")
    assert w.ref() == work("rev-parse", "HEAD")
    assert w.engine.pushes[-1].forced and w.engine.pushes[-1].options["reason"] == "bad migration"
    assert "forced: bad migration" in (w.repo() / "logs/refs/heads/main").read_text()
    assert "stays" in work.push("--delete", "main", code=1)


def test_two_pushes_at_once_do_not_overwrite_each_other(w: World) -> None:
    work = w.work()
    work.push()
    other = w.work("other", {"x": "1"})
    other("fetch", "-q", w.url(), "main")
    other("reset", "-q", "--hard", "FETCH_HEAD")
    mine, theirs = work.commit({"a": "mine"}), other.commit({"a": "theirs"})
    w.engine.gate, w.engine.repos = threading.Event(), w.repos
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(at.push, code=None) for at in (work, other)]
        until(lambda: len(w.engine.pushes) == 3, "both at the engine")
        w.engine.gate.set()
        said = sorted([job.result() for job in jobs], key=lambda text: "rejected" in text)
    assert w.ref() in (mine, theirs) and w.engine.done == 2
    assert "rejected" not in said[0] and f"somebody pushed {w.ref()[:9]} meanwhile" in said[1]


# ---------------------------------------------------------------------------------------------- who may come in


def test_a_wrong_token_is_401_and_says_so(w: World) -> None:
    said = w.work().push(code=128, token="wrong")
    assert "Authentication failed" in said
    answer = w.request(f"GET /git/hello.git/{ASK} HTTP/1.1\r\nConnection: close", token=None)
    assert b" 401 " in answer and b'www-authenticate: Basic realm="wend"' in answer
    assert not w.repo().exists()


def test_an_app_that_is_not_yours_is_403(w: World) -> None:
    said = w.work().push(app="secret", code=128)
    assert "remote: ann may not app.push secret" in said and not w.repo("secret").exists()


def test_an_unknown_app_cannot_be_cloned_and_asking_makes_nothing(w: World) -> None:
    work = w.work()
    assert "remote: there is no app 'ghost'" in work("clone", w.url("ghost"), "x", code=128)
    answer = w.request(f"GET /git/ghost.git/{ASK} HTTP/1.1\r\nConnection: close")
    assert b" 200 " in answer and b"push-options" in answer
    probe = f"POST /git/ghost.git/git-receive-pack HTTP/1.1\r\n{PUSH}\r\nConnection: close\r\nContent-Length: 4"
    assert b" 200 " in w.request(probe, b"0000")
    assert not w.repo("ghost").exists()


@pytest.mark.parametrize("path", ODD)
def test_names_are_checked_before_the_disk(w: World, path: str) -> None:
    before = sorted(w.tmp.rglob("*"))
    for address in (f"GET /git/{path}.git/{ASK}", f"POST /git/{path}.git/git-receive-pack"):
        answer = w.request(f"{address} HTTP/1.1\r\n{PUSH}\r\nContent-Length: 0\r\nConnection: close")
        assert answer.split(b" ")[1] in (b"404", b"422", b"400"), answer
    assert sorted(w.tmp.rglob("*")) == before


def test_what_is_not_git_is_turned_away(w: World) -> None:
    end = "HTTP/1.1\r\nConnection: close"
    assert b" 422 " in w.request(f"GET /git/hello.git/info/refs {end}")
    assert b" 422 " in w.request(f"GET /git/hello.git/info/refs?service=git-shell {end}")
    assert b" 422 " in w.request(f"POST /git/hello.git/git-receive-pack {end}\r\nContent-Length: 0")
    assert b" 404 " in w.request(f"GET /git/hello.git/config {end}")
    assert b" 405 " in w.request(f"GET /git/hello.git/git-receive-pack {end}")


# ---------------------------------------------------------------------------------------------- rude clients


def pack_of(work: Work, ref: str = "refs/heads/main") -> bytes:
    """The body of a first push, as git would send it."""
    commit = work("rev-parse", "HEAD")
    command = f"{'0' * 40} {commit} {ref}\0 report-status side-band-64k agent=test".encode()
    pack = work.raw("pack-objects", "--stdout", "--revs", "-q", feed=commit.encode())
    return b"%04x" % (len(command) + 4) + command + b"0000" + pack


def hang_up(wire: socket.socket) -> None:
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def test_leaving_in_the_middle_of_a_push_leaves_nothing(w: World) -> None:
    work = w.work(files={"noise": str(list(range(20000)))})
    body = pack_of(work)
    wire = w.connect(f"{POST}\r\nContent-Length: {len(body)}", body[: len(body) // 2])
    until(lambda: w.repo().exists() and w.quarantines(), "the quarantine")
    hang_up(wire)
    until(lambda: not w.quarantines() and not gits(w), "nothing left")
    until(lambda: not w.hooks.sessions, "the session's end")
    assert not w.packs() and not w.engine.pushes
    work.push()


def test_leaving_after_the_pack_arrived_lets_the_deploy_go_on(w: World) -> None:
    w.engine.gate = threading.Event()
    work = w.work()
    body = pack_of(work)
    wire = w.connect(f"{POST}\r\nContent-Length: {len(body)}", body)
    until(lambda: w.engine.pushes, "the deploy")
    hang_up(wire)
    time.sleep(0.2)  # gives the server the time in which it might wrongly stop the deploy
    w.engine.gate.set()
    until(lambda: w.ref() == work("rev-parse", "HEAD"), "the branch")
    until(lambda: not gits(w) and not w.hooks.sessions, "nothing left")


def test_row_15_a_dripping_push_is_ended_and_others_get_through(tmp_path: Path) -> None:
    with world(tmp_path, limits=Limits(idle=0.6)) as w:
        work = w.work()
        head = f"{POST}\r\nContent-Length: 100000"
        silent, dripping = w.connect(head, b"00"), w.connect(head, b"00")
        work.push()
        begun = time.monotonic()
        answer = b""
        dripping.settimeout(0.1)
        while time.monotonic() - begun < 5 and not answer:
            try:
                dripping.sendall(b"x")
                answer = dripping.recv(4096)
            except TimeoutError:
                continue
            except OSError:
                break
        assert time.monotonic() - begun < 4
        assert b" 408 " in read(silent)
        until(lambda: not gits(w) and not w.quarantines() and not w.hooks.sessions, "nothing left")


def test_row_15_many_pushes_of_one_leave_room_for_others(tmp_path: Path) -> None:
    with world(tmp_path, limits=Limits(each=3, all=5)) as w:
        head = f"{POST}\r\nContent-Length: 100000\r\nConnection: close"
        wires = [w.connect(head, b"00a0") for _ in range(3)]
        until(lambda: len(gits(w)) >= 3, "three pushes under way")
        for _ in range(20):
            answer = w.request(head, b"00a0")
            assert b" 429 " in answer and b"retry-after" in answer
        work = w.work()
        said = work.push(code=128)
        assert "429" in said and "you have 3 pushes or fetches running" in said
        work.push(token="bobs")
        for wire in wires:
            hang_up(wire)
        until(lambda: not w.hooks.sessions, "slots are free")
        work.push("HEAD:refs/heads/side")


def test_row_8_a_pack_over_the_limit_is_stopped_and_its_disk_reclaimed(tmp_path: Path) -> None:
    with world(tmp_path, Budget(pack=2 * 2**20)) as w:
        work = w.work()
        (work.path / "noise").write_bytes(os.urandom(12 * 2**20))
        work("add", "-A")
        work("commit", "-qm", "noise")
        said = work.push(code=1)
        assert "pack exceeds maximum allowed size (2.00 MiB)" in said
        assert not w.packs() and not w.quarantines() and not w.engine.pushes


def test_a_body_over_the_limit_is_413_before_it_is_read(w: World) -> None:
    head = f"{POST}\r\nContent-Length: {10**12}"
    assert b" 413 " in w.request(head + "\r\nConnection: close")


def test_gzip_bodies_are_read_and_bombs_are_not(tmp_path: Path) -> None:
    with world(tmp_path, limits=Limits(body=2**20)) as w:
        work = w.work()
        body = gzip.compress(pack_of(work))
        head = f"{POST}\r\nContent-Encoding: gzip\r\nConnection: close\r\n"
        assert b"ok refs/heads/main" in w.request(f"{head}Content-Length: {len(body)}", body)
        bomb = gzip.compress(b"0" * 2**26)
        assert b" 413 " in w.request(f"{head}Content-Length: {len(bomb)}", bomb)
        assert b" 422 " in w.request(f"{head}Content-Length: 4", b"junk")
        until(lambda: not gits(w) and not w.quarantines(), "nothing left")


def test_expect_100_continue(w: World) -> None:
    work = w.work()
    body = pack_of(work)
    head = f"{POST}\r\nExpect: 100-continue\r\nContent-Length: {len(body)}"
    with w.connect(head) as wire:
        assert b"100 Continue" in wire.recv(4096)
        wire.sendall(body)
        assert b"ok refs/heads/main" in read_until(wire, b"ok refs/heads/main")


def read_until(wire: socket.socket, word: bytes) -> bytes:
    data = b""
    while word not in data:
        chunk = wire.recv(65536)
        assert chunk, data
        data += chunk
    return data


# ---------------------------------------------------------------------------------------------- the hooks' door


def test_the_hook_socket_wants_a_ticket_and_a_deep_home_is_no_matter(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    with world(deep) as w:
        w.work().push()
        with short(w.repos.socket) as name, socket.socket(socket.AF_UNIX) as wire:
            wire.connect(name)
            wire.settimeout(3)
            socket.send_fds(wire, [b"."], [0, 1, 2])
            wire.sendall(b"hook=pre-receive\0WEND_TICKET=guess")
            wire.shutdown(socket.SHUT_WR)
            assert wire.recv(1) == b""
        assert w.repos.socket.stat().st_mode & 0o077 == 0


def test_the_token_reaches_no_process(w: World) -> None:
    w.engine.gate = threading.Event()
    work = w.work()
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(work.push)
        until(lambda: w.engine.pushes, "the deploy")
        for pid in gits(w):
            assert TOKEN.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
        w.engine.gate.set()
        job.result()
