"""Replicas by measured load, and sleep when there is none.

Facts: autoscaled.
"""

from __future__ import annotations

from wend.context import Context


def tend(ctx: Context) -> None:
    """Look at every app that scales, and change its count or put it to sleep."""
