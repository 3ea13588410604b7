"""Go apps. Apart, because fetching the toolchain compiles Go's own library once, which takes its time (it is kept)."""

from __future__ import annotations

from pathlib import Path

from tests.building import Repo, build, get, need_registry, room, served

EXAMPLE = Path(__file__).parent.parent / "examples" / "go"


def test_a_go_app_builds_and_runs_without_its_toolchain(tmp_path):
    need_registry()
    files = {file.name: file.read_bytes() for file in EXAMPLE.iterdir()}
    made = build(Repo(tmp_path / "repo", files), room(tmp_path))
    assert made.path == "go-web" and made.processes == {"web": "bin/hello"} and made.mounts == ()
    with served(made, tmp_path) as url:
        assert get(url) == (200, "Hello from Go!\n")
        assert get(url + "/nothing")[0] == 404
