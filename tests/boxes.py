"""What the tests of the sandbox share: code in a box, and who is asking."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from wend.run import Box, Mount
from wend.run.oneoff import run
from wend.run.walls import interpreter

ROOT = os.geteuid() == 0
CHECKOUT = Path(__file__).parents[1]
PYTHON = getattr(sys, "_base_executable", "") or sys.executable
PLAIN = 12_345  # a user that nobody is

linux = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's: run these on a Linux machine")


def boxed(tmp_path: Path, code: str, *mounts: Mount, env: dict[str, str] | None = None, **given_values: object):
    """Run Python code in a box; returns how it ended and its lines."""
    lines: list[str] = []
    words = shlex.join([PYTHON, "-I", "-S", "-c", code])
    box = Box(words, cwd="/", mounts=(*mounts, *interpreter()), **given_values)  # type: ignore[arg-type]
    return run(box, env or {}, lines.append, home=tmp_path), lines
