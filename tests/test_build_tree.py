"""A pushed tree laid out as files: what stays, and what is refused before anything can follow it."""

from __future__ import annotations

import subprocess
import time
from threading import Event

import pytest

from tests.building import Repo
from wend.build.tree import Budget, lay_out
from wend.errors import Refused


def lay(repo: Repo, dest, tree: str | None = None, budget: Budget | None = None):
    return lay_out(repo.folder / ".git", tree or repo.source().tree, dest, Event(), budget)


def blob(repo: Repo, text: str) -> str:
    return repo.git("hash-object", "-w", "--stdin", stdin=text.encode())


def raw_tree(repo: Repo, *entries: tuple[str, str, str]) -> str:
    """A tree object as written, which git itself would not make: (mode, name, object)."""
    body = b"".join(f"{mode} {name}".encode() + b"\0" + bytes.fromhex(id) for mode, name, id in entries)
    return repo.git("hash-object", "-t", "tree", "-w", "--stdin", "--literally", stdin=body)


def test_files_modes_and_inner_links_stay_as_they_are(tmp_path):
    files = {
        "run.sh!": "#!/bin/sh\n", "deep/er/data.bin": b"\x00\xff\r\n" * 1000, "empty": "", "ünï cødé.txt": "é",
        "deep/up": ("link", "../run.sh"), "deep/dir": ("link", "er"), "dangling": ("link", "later/made.txt"),
    }  # fmt: skip
    repo = Repo(tmp_path / "repo", files)
    lay(repo, tmp_path / "out")
    out = tmp_path / "out"
    assert (out / "deep/er/data.bin").read_bytes() == b"\x00\xff\r\n" * 1000
    assert (out / "ünï cødé.txt").read_text() == "é"
    assert (out / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (out / "empty").stat().st_mode & 0o777 == 0o644
    assert (out / "deep/up").readlink() == tmp_path.__class__("../run.sh")
    assert (out / "deep/dir/data.bin").is_file()
    assert (out / "dangling").is_symlink()


def test_attributes_and_filters_are_never_applied(tmp_path):
    files = {
        ".gitattributes": "* text eol=crlf export-subst filter=evil\nhidden export-ignore\n",
        "v.txt": "$Format:%H$\n",
        "hidden": "x",
    }
    repo = Repo(tmp_path / "repo", files)
    repo.git("config", "filter.evil.smudge", f"touch {tmp_path}/smudged; cat")
    repo.git("config", "core.autocrlf", "true")
    lay(repo, tmp_path / "out")
    assert (tmp_path / "out/v.txt").read_bytes() == b"$Format:%H$\n"
    assert (tmp_path / "out/hidden").exists()
    assert not (tmp_path / "smudged").exists()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "../repo", "a/../../../x", ".."])
def test_a_link_that_leads_out_is_refused(tmp_path, target):
    repo = Repo(tmp_path / "repo", {"ok": "x", "bad": ("link", target)})
    with pytest.raises(Refused, match="leads out"):
        lay(repo, tmp_path / "out")


def test_a_link_that_leads_out_by_way_of_another_is_refused(tmp_path):
    repo = Repo(tmp_path / "repo", {"a/b/c/top": ("link", "../../.."), "bad": ("link", "a/b/c/top/../../outside")})
    with pytest.raises(Refused, match="'bad' leads out"):
        lay(repo, tmp_path / "out")


def test_a_file_is_never_written_through_a_link(tmp_path):
    repo = Repo(tmp_path / "repo")
    link, file = blob(repo, str(tmp_path)), blob(repo, "owned")
    inner = raw_tree(repo, ("100644", "pwned", file))
    with pytest.raises(Refused):
        lay(repo, tmp_path / "out", raw_tree(repo, ("120000", "d", link), ("40000", "d", inner)))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", ["..", ".", ".git", ".GIT", "a\nb/../.."])
def test_a_name_that_is_no_place_in_the_tree_is_refused(tmp_path, name):
    repo = Repo(tmp_path / "repo")
    inner = raw_tree(repo, ("100644", "config", blob(repo, "x")))
    mode, id = ("40000", inner) if "/" not in name else ("100644", blob(repo, "x"))
    with pytest.raises(Refused, match="not a safe path"):
        lay(repo, tmp_path / "out", raw_tree(repo, (mode, name, id)))
    assert not (tmp_path / "config").exists()


def test_two_entries_of_one_name_are_refused(tmp_path):
    repo = Repo(tmp_path / "repo")
    one, two = blob(repo, "1"), blob(repo, "2")
    with pytest.raises(Refused, match="twice"):
        lay(repo, tmp_path / "out", raw_tree(repo, ("100644", "a", one), ("100644", "a", two)))


def test_a_submodule_is_refused_with_what_to_do(tmp_path):
    repo = Repo(tmp_path / "repo", {"a": "1"})
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendor/lib")
    with pytest.raises(Refused, match=r"vendor/lib.*submodule"):
        lay(repo, tmp_path / "out", repo.git("write-tree"))


def test_a_tree_bomb_costs_no_more_than_its_budget(tmp_path):
    repo = Repo(tmp_path / "repo")
    tree = raw_tree(repo, *(("100644", f"f{n}", blob(repo, "x")) for n in range(10)))
    for _ in range(9):
        tree = raw_tree(repo, *(("40000", f"d{n}", tree) for n in range(10)))
    began = time.monotonic()
    with pytest.raises(Refused, match="too large"):
        lay(repo, tmp_path / "out", tree, Budget(entries=2000))
    assert time.monotonic() - began < 2
    assert not (tmp_path / "out").exists()


def test_too_many_bytes_and_cancelling_are_refused(tmp_path):
    repo = Repo(tmp_path / "repo", {"big": b"x" * 2**20})
    with pytest.raises(Refused, match="too large"):
        lay(repo, tmp_path / "out", budget=Budget(size=2**19))
    stop = Event()
    stop.set()
    with pytest.raises(Refused, match="cancelled"):
        lay_out(repo.folder / ".git", repo.source().tree, tmp_path / "out2", stop)


def test_a_tree_costs_two_processes_however_many_files_it_has(tmp_path, monkeypatch):
    repo = Repo(tmp_path / "repo", {f"d{n % 5}/f{n}.py": "x" * 500 for n in range(400)})
    source = repo.source().tree
    started = []
    popen = subprocess.Popen

    def counted(*words, **more):
        started.append(words)
        return popen(*words, **more)

    monkeypatch.setattr("wend.build.tree.subprocess.Popen", counted)
    lay(repo, tmp_path / "out", source)
    assert len(started) == 2
