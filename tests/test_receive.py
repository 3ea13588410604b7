"""What is kept out of a push: hostile objects through a real git, and the decisions about them one by one."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Iterator

import pytest

from tests.git_world import Work, World, until, world
from wend.tree import Budget

FILE, DIR, LINK, MODULE = "100644", "40000", "120000", "160000"
FEW = Budget(blob=2**20, pack=2 * 2**20, entries=500, seconds=5)


@pytest.fixture(scope="module")
def w(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hostile"), FEW) as made:
        yield made


@pytest.fixture
def work(w: World, request: pytest.FixtureRequest) -> Work:
    return w.work(hashlib.sha256(request.node.name.encode()).hexdigest()[:12])


def refused(work: Work, top: str, *words: str) -> str:
    """Push a hostile tree; it must be refused with these words and leave nothing. The transcript."""
    app = "t" + hashlib.sha256(top.encode()).hexdigest()[:10]
    before = len(work.world.engine.pushes)
    said = work.push(f"{work.head(top)}:refs/heads/main", app=app, code=1)
    assert "[remote rejected]" in said, said
    for word in words:
        assert word in said, said
    assert not work.world.packs(app) and not work.world.quarantines(app) and len(work.world.engine.pushes) == before
    until(lambda: [app for _, app, _ in work.world.engine.refused].count(app) == 1, "the record of the refusal")
    assert all(letter == "\n" or letter.isprintable() or letter == "\x1b" for letter in said)
    return said


# ---------------------------------------------------------------------------------------------- rows 1 to 7, 9 to 11


@pytest.mark.parametrize("name", [b"..", b"../evil", b"a/b", b".", b".git", b".GIT", b"/etc"])
def test_rows_1_and_2_paths_that_git_itself_refuses(work: Work, name: bytes) -> None:
    refused(work, work.tree((FILE, name, work.object("blob", b"x"))), "unpack")


@pytest.mark.parametrize("name", [b"GIT~1", b".git ", b".g\xe2\x80\x8cit"])
def test_row_2_names_that_are_dot_git_elsewhere(work: Work, name: bytes) -> None:
    refused(work, work.tree((FILE, name, work.object("blob", b"x"))), "hasDotgit")


@pytest.mark.parametrize(
    "text",
    [
        '[submodule "a"]\n\tpath = a\n\turl = --upload-pack=evil\n',
        '[submodule "../../hooks"]\n\tpath = a\n\turl = https://x/y\n',
        '[submodule "a"]\n\tpath = a\n\turl = https://x/y\n\tupdate = !evil\n',
        '[submodule "a"]\n\tpath = -a\n\turl = https://x/y\n',
    ],
)
def test_row_3_hostile_gitmodules(work: Work, text: str) -> None:
    refused(work, work.tree((FILE, b".gitmodules", work.object("blob", text.encode()))), "gitmodules")


def test_row_3_gitmodules_as_a_link(work: Work) -> None:
    refused(work, work.tree((LINK, b".gitmodules", work.object("blob", b"/etc/passwd"))), "gitmodulesSymlink")


def test_row_4_submodules_get_the_fix(work: Work) -> None:
    top = work.tree((MODULE, b"vendor", work("rev-parse", "HEAD")))
    said = refused(work, top, "a submodule", "git rm --cached 'vendor'")
    assert "pre-receive hook declined" in said


OUTSIDE = [b"/etc/passwd", b"../../../etc/passwd", b"..", b"sub/../../x", b"sub/up/../../x", b"lnk", b"lnk/../.."]


@pytest.mark.parametrize("target", OUTSIDE)
def test_row_5_links_that_lead_out(work: Work, target: bytes) -> None:
    sub = work.tree((LINK, b"up", work.object("blob", b"..")))
    top = work.tree((LINK, b"lnk", work.object("blob", target)), (DIR, b"sub", sub))
    refused(work, top, "'lnk': a link to", "outside the app")


@pytest.mark.parametrize(
    ("name", "word", "escaped"),
    [
        (b"a\nb", "a control character", r"'a\nb'"),
        (b"a\x1b[2Jb", "a control character", r"'a\x1b[2Jb'"),
        ("a\u202egnp.exe".encode(), "text-direction", r"'a\u202egnp.exe'"),
        ("a\u2028b".encode(), "a control character", r"'a\u2028b'"),
        ("a\u0085b".encode(), "a control character", r"'a\x85b'"),
        (b"a\xffb", "not UTF-8", r"'a\\xffb'"),
        (b"a\x7fb", "a control character", r"'a\x7fb'"),
    ],
)
def test_row_6_names_that_deceive(work: Work, name: bytes, word: str, escaped: str) -> None:
    refused(work, work.tree((FILE, name, work.object("blob", b"x"))), word, escaped)


def test_row_7_a_long_name(work: Work) -> None:
    refused(work, work.tree((FILE, b"n" * 5000, work.object("blob", b"x"))), "a name of 5000 bytes")


def deep(work: Work, depth: int) -> str:
    top = work.tree((FILE, b"f", work.object("blob", b"x")))
    objects = work.path / ".git" / "objects"
    for _ in range(depth):
        data = b"40000 d\0" + bytes.fromhex(top)
        data = b"tree %d\0" % len(data) + data
        top = hashlib.sha1(data).hexdigest()
        place = objects / top[:2]
        place.mkdir(exist_ok=True)
        (place / top[2:]).write_bytes(zlib.compress(data, 1))
    return top


def test_row_7_a_deep_path(work: Work) -> None:
    refused(work, deep(work, 300), "more than 100 folders deep", "and ")


def test_row_9_a_git_bomb_is_weighed_not_inflated(work: Work) -> None:
    zeros = work.object("blob", bytes(30 * 2**20))
    start = time.monotonic()
    refused(work, work.tree((FILE, b"zeros", zeros)), "'zeros': 30 MB, at most 1 MB fit", "git filter-repo")
    assert time.monotonic() - start < 4


def test_row_9_a_delta_that_claims_gigabytes_is_not_believed(work: Work) -> None:
    """A pack of two objects: 64 KB, and a delta of a few hundred KB that copies them into 3 GB."""
    base = bytes(2**16)
    copies = 3 * 2**30 // 2**16

    def varint(number: int) -> bytes:
        out = bytearray()
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        return bytes([*out, number])

    def item(kind: int, data: bytes, extra: bytes = b"") -> bytes:
        size = len(data)
        head = bytearray([kind << 4 | size & 15])
        size >>= 4
        while size:
            head[-1] |= 128
            head.append(size & 127)
            size >>= 7
        return bytes(head) + extra + zlib.compress(data)

    delta = varint(2**16) + varint(copies * 2**16) + b"\x80" * copies  # offset 0, size 0 means 64 KB
    name = hashlib.sha1(b"blob %d\0" % len(base) + base).digest()
    pack = b"PACK" + (2).to_bytes(4, "big") + (2).to_bytes(4, "big") + item(3, base) + item(7, delta, name)
    pack += hashlib.sha1(pack).digest()
    command = f"{'0' * 40} {'1' * 40} refs/heads/main\0 report-status side-band-64k".encode()
    body = b"%04x" % (len(command) + 4) + command + b"0000" + pack
    kind = "Content-Type: application/x-git-receive-pack-request\r\nConnection: close"
    head = f"POST /git/delta.git/git-receive-pack HTTP/1.1\r\n{kind}\r\nContent-Length: {len(body)}"
    answer = work.world.request(head, body)
    assert b"out of memory" in answer or b"Out of memory" in answer, answer
    assert not work.world.packs("delta")


def test_row_9_a_bomb_in_the_history_is_found_too(work: Work) -> None:
    bomb = work.head(work.tree((FILE, b"old", work.object("blob", bytes(2 * 2**20)))))
    top = work("commit-tree", "-p", bomb, "-m", "gone", work("rev-parse", "HEAD^{tree}"))
    said = work.push(f"{top}:refs/heads/main", app="history", code=1)
    assert "'old': 2 MB" in said and not work.world.packs("history")


def test_row_10_a_tree_bomb(work: Work) -> None:
    top = work.object("blob", b"x")
    kind = FILE
    for _ in range(10):
        top, kind = work.tree(*((kind, b"%d" % at, top) for at in range(10))), DIR
    start = time.monotonic()
    refused(work, top, "more than 500 files and folders")
    assert time.monotonic() - start < 2


def test_row_10_a_tree_bomb_without_a_single_file(work: Work) -> None:
    top = work.tree()
    for _ in range(10):
        top = work.tree(*((DIR, b"%d" % at, top) for at in range(10)))
    refused(work, top, "more than 500 files and folders")


TWINS = [(b"README", b"readme"), ("é".encode(), "e\u0301".encode()), ("ß".encode(), b"ss")]


@pytest.mark.parametrize(("one", "two"), TWINS)
def test_row_11_names_that_collide(work: Work, one: bytes, two: bytes) -> None:
    blob = work.object("blob", b"x")
    refused(work, work.tree(*((FILE, name, blob) for name in sorted((one, two)))), "only in case or accents")


# ---------------------------------------------------------------------------------------------- rows 12, 13, 24


def test_rows_12_and_13_hooks_settings_and_filters_that_were_pushed_are_never_read(work: Work) -> None:
    flag = work.path / "ran"
    script = f"#!/bin/sh\ntouch {flag}\n"
    for name in ("hooks/pre-receive", "hooks/update", ".githooks/post-receive", "hooks/post-update"):
        work.commit({name: script})
        (work.path / name).chmod(0o755)
    work.commit({
        "config": f"[core]\n\thooksPath = hooks\n\tfsmonitor = touch {flag}\n",
        ".gitattributes": "* filter=evil export-subst\n",
        ".gitconfig": f"[filter \"evil\"]\n\tsmudge = touch {flag}\n",
        ".lfsconfig": "[lfs]\n\turl = http://evil\n",
    })  # fmt: skip
    work.push(app="hooked")
    assert work.world.ref(app="hooked") == work("rev-parse", "HEAD")
    assert not flag.exists()


def test_row_12_a_repository_is_put_right_before_it_is_used(w: World, work: Work) -> None:
    flag = work.path / "ran"
    repo = w.repos.open("righted", create=True)
    hook = repo / "hooks" / "pre-receive"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\ntouch {flag}\n")
    hook.chmod(0o755)
    (repo / "config").write_text(f"[core]\n\tbare = true\n\thooksPath = {hook.parent}\n")
    (repo / "objects/info/alternates").write_text("/elsewhere/objects\n")
    work.push(app="righted")
    assert not flag.exists() and "hooksPath" not in (repo / "config").read_text()
    assert not (repo / "objects/info/alternates").exists()


def test_row_24_modes_that_set_rights_do_not_survive(work: Work) -> None:
    blob = work.object("blob", b"x")
    app = "modes"
    work.push(f"{work.head(work.tree((FILE, b'plain', blob), ('100755', b'run', blob)))}:refs/heads/main", app=app)
    work.push(f"{work.head(work.tree(('104755', b'suid', blob)))}:refs/heads/suid", app=app)
    laid = work.world.repos.run(work.world.repo(app), "ls-tree", "refs/heads/suid").split()
    assert laid[0] == b"100755"  # what git reads it as, so what is laid out
    for device in ("60000", "20000", "10000"):
        refused(work, work.tree((device, b"dev", blob)))


def test_the_environment_of_the_platform_does_not_reach_git(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"GIT_DIR", "GIT_CONFIG_PARAMETERS", "GIT_OBJECT_DIRECTORY", "WEND_SECRET", "LD_PRELOAD"}
    for name in names:
        monkeypatch.setenv(name, "/evil")
    assert not set(w.repos.env()) & names


# ---------------------------------------------------------------------------------------------- what is let in


def test_honest_trees_pass(work: Work) -> None:
    blob = work.object("blob", b"x")
    inside = work.tree((FILE, b"f", blob), (LINK, b"home", work.object("blob", "../Grüße".encode())))
    top = work.tree(
        (FILE, "Grüße".encode(), blob),
        (DIR, b"a", inside),
        (LINK, b"nowhere", work.object("blob", b"a/b/c/../../missing")),
        (FILE, "日本語 👩‍💻.txt".encode(), blob),
    )
    work.push(f"{work.head(top)}:refs/heads/main", app="honest")


def test_refs_that_are_neither_branch_nor_tag(work: Work) -> None:
    assert "neither a branch nor a tag" in work.push("HEAD:refs/notes/x", app="refs", code=1)
    work("tag", "-a", "v1", "-m", "note")
    said = work.push(work("rev-parse", "v1") + ":refs/heads/main", app="refs", code=1)
    assert "a branch must point to a commit" in said


def test_a_fsck_finding_reads_as_a_sentence(work: Work) -> None:
    raw = f"tree {work('rev-parse', 'HEAD^{tree}')}\nauthor broken\n\nx\n"
    commit = work.object("commit", raw.encode())
    assert "missingEmail" in work.push(f"{commit}:refs/heads/main", app="fsck", code=1)
