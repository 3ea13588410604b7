"""The newest ledger checkpoint seen of each platform, kept on this machine: whoever holds one can show that a ledger
was cut off or rewritten afterwards."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path

SHAPE = re.compile(r"(\d{1,18})\.([0-9a-f]{64})\.([0-9a-f]{128})")


def file() -> Path:
    """Where checkpoints are kept: {platform: "SEQ.HASH.SIGNATURE"}; a platform here goes by its home, others by URL."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "wend" / "checkpoints.json"


def kept() -> dict[str, str]:
    """Every checkpoint kept. A file that cannot be read counts as none."""
    try:
        found = json.loads(file().read_text("utf-8"))
        return {str(who): str(text) for who, text in found.items() if SHAPE.fullmatch(str(text))}
    except (OSError, ValueError, AttributeError):
        return {}


def genuine(checkpoint: str, key: str) -> bool:
    """Whether the holder of this public key signed this checkpoint."""
    from wend.ledger.chain import Checkpoint  # late: cryptography takes a while to import
    from wend.ledger.chain import genuine as signed

    return bool(SHAPE.fullmatch(checkpoint)) and signed(Checkpoint.parse(checkpoint), key)


def remember(who: str, checkpoint: str | None) -> None:
    """Keep a checkpoint when it is the newest of its platform."""
    match = SHAPE.fullmatch(checkpoint or "")
    if not match or checkpoint is None:
        return
    known = kept()
    before = SHAPE.fullmatch(known.get(who, ""))
    if before is None or int(match[1]) > int(before[1]):
        write(known | {who: checkpoint})


def forget(who: str) -> None:
    """Drop what is kept of a platform, because it was made anew."""
    write({other: text for other, text in kept().items() if other != who})


def write(all: dict[str, str]) -> None:
    from wend.cli.site import write_private

    # Homes come and go, at the same address too; a checkpoint of one that is gone serves nobody.
    there = {who: text for who, text in all.items() if not who.startswith("/") or Path(who).exists()}
    # A machine where nothing can be kept still gets its answers; `wend ledger verify` says that it has no witness.
    with suppress(OSError):
        write_private(file(), json.dumps(there, indent=2))
