"""`wend new`: what comes out of every template is whole, and runs as it is."""

from __future__ import annotations

import pytest

from tests.building import Repo, build, get, need_registry, room, served
from wend import paths
from wend.errors import Conflict, Invalid

NAMES = [path.name for path in paths.all()]


@pytest.mark.parametrize("name", NAMES)
def test_a_new_app_has_everything_and_fits_its_own_path(tmp_path, name):
    made = paths.new(name, "my-shop", tmp_path / "my-shop")
    files = {file.relative_to(made).as_posix(): file for file in made.rglob("*") if file.is_file()}
    texts = {file: path.read_text(encoding="utf-8") for file, path in files.items()}
    assert {"README.md", ".gitignore", "wend.toml", paths.ANSWERS} <= set(files)
    assert not any("{{" in text or "{%" in text for file, text in texts.items() if not file.startswith("templates/"))
    assert not any(file.endswith((".lock", "-lock.json", ".jinja")) for file in files)
    assert any("test" in file or file == "check.py" for file in files), "it comes with a test"
    assert "My Shop is live" in "".join(texts.values())
    if name != "static-site":  # which names its path, since a folder of pages may also be something else's
        assert paths.detect(files, texts.get)[0].name == name
    assert "app: my-shop" in texts[paths.ANSWERS]


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(Conflict, match="not empty"):
        paths.new("procfile", "app", tmp_path)
    with pytest.raises(Invalid):
        paths.new("procfile", "Not A Name", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["python-web", "node-web", "static-site", "procfile"])
def test_a_new_app_builds_and_answers_as_it_is(tmp_path, name):
    need_registry()
    folder = paths.new(name, "my-shop", tmp_path / "my-shop")
    repo = Repo(folder)
    repo.commit({})
    made = build(repo, room(tmp_path))
    assert made.path == name
    with served(made, tmp_path) as url:
        status, page = get(url)
        assert status == 200 and "My Shop is live" in page
        assert get(url + "/healthz")[0] == (404 if name == "static-site" else 200)
        assert get(url + "/nothing")[0] == 404
