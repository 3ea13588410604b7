"""The rules of receiving one by one: what is decided, and what the repositories promise."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.git_world import Work, World, world
from wend import pkt, tree
from wend.errors import Down, Refused
from wend.judge import named_branch
from wend.receive import Change, choose, objection
from wend.repos import Repos, check_version, make, sweep
from wend.tree import Budget, Entry

FILE, DIR, LINK, MODULE = "100644", "40000", "120000", "160000"
FEW = Budget(blob=2**20, pack=2 * 2**20, entries=500, seconds=5)


@pytest.fixture(scope="module")
def w(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hostile"), FEW) as made:
        yield made


@pytest.fixture
def work(w: World, request: pytest.FixtureRequest) -> Work:
    return w.work(hashlib.sha256(request.node.name.encode()).hexdigest()[:12])


def entries(*paths: bytes) -> list[Entry]:
    return [Entry(FILE, "0" * 40, 1, path) for path in paths]


def test_five_findings_are_shown_and_the_rest_counted() -> None:
    found = tree.examine(entries(*(b"%d\n" % at for at in range(12))), Budget()).findings
    with pytest.raises(Refused) as caught:
        tree.refuse(found, Budget())
    assert caught.value.message.count("control character") == 5 and "and 7 more" in caught.value.message


def test_budgets_hold_over_the_whole_listing() -> None:
    with pytest.raises(Refused, match="1,000 bytes of files"):
        tree.examine([Entry(FILE, "0" * 40, 600, b"a"), Entry(FILE, "0" * 40, 600, b"b")], Budget(laid_out=1000))
    with pytest.raises(Refused, match="bytes of file names"):
        tree.examine(entries(b"a" * 200, b"b" * 200), Budget(listing=300))


PLACES = st.sampled_from([b"a", b"a/b", b"c", b"a/d/e"])
TARGETS = st.lists(st.sampled_from([b"..", b"a", b"b", b"c", b".", b"x"]), max_size=5).map(b"/".join)


@given(st.dictionaries(PLACES, TARGETS, max_size=4))
@settings(max_examples=150, deadline=None)
def test_a_link_that_is_let_in_stays_inside_on_a_real_disk(targets: dict[bytes, bytes]) -> None:
    """Against the kernel: what `escapes` lets in never resolves above the top."""
    with tempfile.TemporaryDirectory() as name:
        top = Path(name).resolve() / "top"
        top.mkdir()
        laid = {}
        for path, target in sorted(targets.items()):
            place = top / path.decode()
            if not target or any(path.startswith(other + b"/") for other in laid):
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists() and not place.is_symlink():
                place.symlink_to(target.decode())
                laid[path] = target
        for path in laid:
            real = os.path.realpath(top / path.decode())
            if not (real + "/").startswith(f"{top}/"):
                assert tree.escapes(path, laid), (path, laid, real)


def test_who_deploys_and_who_may_not() -> None:
    main = Change("0" * 40, "1" * 40, "refs/heads/main")
    side = Change("0" * 40, "1" * 40, "refs/heads/side")
    assert choose([main, side], "main", False, {}) == "main"
    assert objection(main, "main", False, False, {}) is None
    assert "nothing is live yet" in (objection(side, "main", False, False, {}) or "")
    assert objection(side, "main", True, True, {}) is None
    assert "reason" in (objection(main, "main", True, True, {"reason": " "}) or "")
    assert objection(main, "main", True, True, {"reason": "x"}) is None


def test_a_branch_that_wend_toml_names_is_a_branch() -> None:
    for good in ("main", "release/1.2", "x"):
        assert named_branch(f'branch = "{good}"'.encode()) == good
    for bad in ("../x", "a..b", "-x", "a/", "a.lock", "a b", "/a", "a//b", "refs/heads/\\u001b", ""):
        assert named_branch(f'branch = "{bad}"'.encode()) is None


def test_tidying_keeps_what_is_live(work: Work) -> None:
    for at in range(3):
        work.commit({"a": str(at)})
        work.push(app="tidy")
    assert len(work.world.packs("tidy")) == 3
    work.world.repos.tidy(work.world.repo("tidy"))
    assert len(work.world.packs("tidy")) == 1 and work.world.ref(app="tidy") == work("rev-parse", "HEAD")
    work.commit({"a": "more"})
    work.push(app="tidy")


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a repository to another uid needs root: run as root to cover it")
def test_a_repository_of_another_uid_is_served(work: Work) -> None:
    work.push(app="owned")
    repo = work.world.repo("owned")
    for path in (repo, *repo.rglob("*")):
        os.chown(path, 12345, 12345)
    work.commit({"a": "b"})
    work.push(app="owned")
    work("ls-remote", work.world.url("owned"))


def test_no_text_can_break_a_report_line() -> None:
    assert pkt.one_line("a\nb\r\x1b[31mc\u202e\u2028d\0") == "a b [31mc\u202ed"
    assert len(pkt.one_line("x" * 5000)) <= 900


def test_two_that_make_a_repository_make_one(tmp_path: Path) -> None:
    make(tmp_path / "a.git")
    (tmp_path / "a.git" / "objects" / "pack" / "kept").write_text("")
    make(tmp_path / "a.git")
    assert (tmp_path / "a.git" / "objects" / "pack" / "kept").exists() and len(list(tmp_path.iterdir())) == 1


def test_what_a_crash_left_is_swept(tmp_path: Path) -> None:
    make(tmp_path / "a.git")
    left = tmp_path / "a.git" / "objects" / "tmp_objdir-incoming-abc"
    left.mkdir()
    sweep(tmp_path / "a.git")
    assert left.exists()
    sweep(tmp_path / "a.git", older=-1)
    assert not left.exists()


def test_an_old_git_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "git"
    old.write_text("#!/bin/sh\necho git version 2.25.1\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Down, match=r"2\.25\.1; pushes need git 2\.29"):
        check_version()
    old.unlink()
    with pytest.raises(Down, match="git cannot be run"):
        Repos(tmp_path / "home").prepare()
