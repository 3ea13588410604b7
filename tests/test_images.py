"""What an image would start, told to whoever comes with one."""

from __future__ import annotations

import pytest

from wend.build import golden, images
from wend.build.rules import Tree
from wend.errors import Invalid


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('FROM x\nCMD ["gunicorn", "-b", "0.0.0.0:8000", "app:app"]', "gunicorn -b 0.0.0.0:8000 app:app"),
        ('FROM x\nENTRYPOINT ["sh", "-c"]\nCMD ["echo $HOME; run"]', "sh -c 'echo $HOME; run'"),
        ("FROM x AS made\nCMD make\nFROM y\ncmd ./serve \\\n  --port $PORT", "./serve    --port $PORT"),
        ("FROM x\nCMD a\nENTRYPOINT b", "b"),
        ("FROM x AS one\nCMD a\nFROM y", None),
        ("FROM x\nCMD [broken", "[broken"),
        ('FROM x\nCMD ["a", "\\u001b[31mred"]', None),
        ("FROM x\nCMD " + "a" * 500, None),
        ("", None),
    ],
)
def test_what_the_last_stage_starts(text: str, line: str | None) -> None:
    assert images.starts(text) == line


def test_where_no_path_fits_the_way_out_is_said() -> None:
    files = {"Dockerfile": 'FROM rust\nCMD ["./target/release/shop"]', "src/main.rs": ""}
    with pytest.raises(Invalid) as caught:
        golden.detect(files, files.get)
    assert "Dockerfile has no effect" in caught.value.hint and "`web: ./target/release/shop`" in caught.value.hint
    assert images.hint(Tree(frozenset(["Containerfile"]), lambda name: "FROM scratch")) == (
        "images are not built here, so Containerfile has no effect; add a Procfile with `web: COMMAND`"
    )
    with pytest.raises(Invalid) as caught:
        golden.detect(["src/main.rs"], files.get)
    assert caught.value.hint == "add a Procfile with the line `web: COMMAND`"
