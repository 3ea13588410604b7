"""What is taken out when a hatch is needed no more: that and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from wend.errors import Refused
from wend.removal import without


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("build", 'a = 1\n[hatch.build]\ncommand = "x"\n\n[env]\nA = "1"\n', 'a = 1\n[env]\nA = "1"\n'),
        ("build", '[hatch.build]\ncommand = "x"\n', "\n"),
        ("build", "[hatch.other]\n# kept\n", "[hatch.other]\n# kept\n"),
        ("build", "[hatch.builder]\nreason = 'x'\n", "[hatch.builder]\nreason = 'x'\n"),
        ("build", "[hatch.\"build\"]\nreason = 'x'\n[x]\na = 1\n", "[x]\na = 1\n"),
        ("build", "[hatch.build]\nreason = 'x'\n\n# the shop's\n[env]\nA = '1'\n", "# the shop's\n[env]\nA = '1'\n"),
        ("proxy", "[hatch.proxy]\nreason = 'x'\n[hatch.proxy.route]\ntimeout = '1s'\n[x]\na = 1\n", "[x]\na = 1\n"),
        (
            "command",
            "[process.web]\ncommand = 'gunicorn app'\nmemory = '1G'\n[process.worker]\ncommand = 'work'\n",
            "[process.web]\nmemory = '1G'\n[process.worker]\ncommand = 'work'\n",
        ),
        (
            "limits",
            "[process.web]\nmemory = '8G'\nboot = 30\n[process.worker]\nprocesses = 9000 # many\ncommand = 'x'\n",
            "[process.web]\nboot = 30\n[process.worker]\ncommand = 'x'\n",
        ),
    ],
)
def test_the_hatch_goes_and_the_rest_stays(tmp_path: Path, kind: str, before: str, after: str) -> None:
    (tmp_path / "wend.toml").write_text(before)
    without(tmp_path, kind, {"web"})
    assert (tmp_path / "wend.toml").read_text() == after


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("build", "hatch = { build = { command = 'x' } }\n"),
        ("command", "[process.web]\ncommand = '''\nrun\n'''\n"),
        ("command", "[process]\nweb.command = 'run'\n"),
        ("build", "[env]\nA = '''\n[hatch.build]\n'''\n[hatch.build]\ncommand = 'x'\n"),
    ],
)
def test_what_only_a_person_can_change_is_left_alone(tmp_path: Path, kind: str, text: str) -> None:
    (tmp_path / "wend.toml").write_text(text)
    with pytest.raises(Refused, match="cannot be taken out"):
        without(tmp_path, kind, {"web"})
    assert (tmp_path / "wend.toml").read_text() == text


def test_files_that_are_not_there_or_not_ours_change_nothing(tmp_path: Path) -> None:
    assert without(tmp_path / "nowhere", "build") == {"removed": 0}
    (tmp_path / "elsewhere").write_text("[hatch.build]\ncommand = 'x'\n")
    (tmp_path / "wend.toml").symlink_to(tmp_path / "elsewhere")
    assert without(tmp_path, "build") == {"removed": 0}
    assert "build" in (tmp_path / "elsewhere").read_text()


def test_a_dockerfile_goes(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    assert without(tmp_path, "dockerfile") == {"removed": 1}
    assert list(tmp_path.iterdir()) == []
