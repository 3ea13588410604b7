"""What the proxy sees of every app, sampled and told: requests, errors and latency per release."""

from __future__ import annotations

from wend.context import Context


def sample(ctx: Context) -> None:
    """Read the proxy once and note it in the meter."""
