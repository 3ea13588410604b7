"""Wait until something can be read. `select.select` fails for descriptors above 1023, which a busy platform has."""

from __future__ import annotations

import select
from collections.abc import Iterable


def readable(fds: Iterable[int], seconds: float) -> list[int]:
    """Those of the descriptors that can be read, or have ended, within `seconds`; empty when none can."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return [fd for fd, _ in poll.poll(max(0.0, seconds) * 1000)]
