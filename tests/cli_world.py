"""What tests of the command line stand in: nobody's home, a stand-in platform, and the command itself."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fake_api import FakeApi
from wend import cli


class Terminal(io.StringIO):
    """Output that a person reads."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of the person who runs the tests: no logins, no home, no repository around."""
    for name in ("WEND_HOME", "WEND_URL", "WEND_TOKEN", "WEND_DEBUG", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def api(alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    with FakeApi(tmp_path / "fake") as fake:
        monkeypatch.setenv("WEND_URL", fake.url)
        monkeypatch.setenv("WEND_TOKEN", "wend_human_x")
        yield fake


@pytest.fixture
def wend(alone: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command: (exit code, stdout, stderr)."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main(list(words))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """Put a fresh terminal in the place of stdout."""

    def fresh() -> Terminal:
        shown = Terminal()
        monkeypatch.setattr(sys, "stdout", shown)
        return shown

    return fresh
