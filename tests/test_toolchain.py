"""Which interpreters are found, and that looking for them never fails for want of permission."""

from __future__ import annotations

from pathlib import Path

import pytest

from wend.build import toolchain


def test_a_folder_that_is_missing_or_shut_holds_nothing(tmp_path: Path) -> None:
    assert toolchain.listed(str(tmp_path / "nowhere"), "*") == []
    (tmp_path / "python3.12").touch()
    assert toolchain.listed(str(tmp_path), "python3.*") == [tmp_path / "python3.12"]


def test_a_folder_of_somebody_else_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def shut(self: Path, pattern: str) -> list[Path]:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "glob", shut)
    assert toolchain.listed("/somebody/versions", "*") == []
