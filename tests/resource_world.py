"""The parts of a platform that is down, for acts that no door offers in the same way."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from wend import config
from wend.context import Context
from wend.serve import make_home, wire


@contextmanager
def context(home: Path, **given: str) -> Generator[Context]:
    make_home(home)
    ctx = wire(config.load(home, given))
    try:
        yield ctx
    finally:
        ctx.ledger.close()
