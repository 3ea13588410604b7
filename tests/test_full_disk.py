"""A disk that becomes full, for real: a home on a small file system of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import SERVER, House, until


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """640 MB of memory, mounted. Needs root."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root; run the tests as root to include this one")
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=640m,mode=711", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here ({done.stderr.strip()}); allow it, as on a plain machine")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path, leave: int) -> Path:
    """Write until only `leave` bytes are free."""
    ballast = place / "ballast"
    with ballast.open("wb") as out:
        while (free := os.statvfs(place).f_bavail * os.statvfs(place).f_frsize - leave) > 0:
            out.write(b"\0" * min(free, 2**20))
            out.flush()
    return ballast


@pytest.mark.parametrize("leave", [0, 2**15, 2**18, 2**20])
def test_full_while_deploying(small_disk: Path, tmp_path: Path, leave: int) -> None:
    """However little is left when the push comes, the release before serves, the push gets one clear sentence, and
    when there is room again everything works."""
    house = House(small_disk / "home", {"WEND_DISK_FLOOR": "1"})
    try:
        house.up()
        repo = house.repo("cramped", tmp_path / "cramped")
        taken, said = repo.push()
        assert taken, said
        repo.change(app_py=SERVER.format(word="two"), padding="x" * 2**19)
        ballast = fill(small_disk, leave)
        taken, said = repo.push()
        word = "two" if taken else "one"
        assert house.get("cramped") == (200, word)
        if not taken:
            assert "Traceback" not in said
            assert any(words in said for words in ("disk", "space", "full")), said
        ballast.unlink()
        repo.change(app_py=SERVER.format(word="three"))
        taken, said = repo.push()
        assert taken, said
        assert house.get("cramped") == (200, "three")
        calm = lambda: not house.api("GET", "/api/apps/cramped")[1]["deploying"]  # noqa: E731
        until(calm, what="no deploy is stuck")
        assert house.api("GET", "/api/ledger/verify")[0] == 200
    finally:
        house.down()
