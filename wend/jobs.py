"""Commands that run by the clock.

Facts: job_started, job_finished, job_skipped.
"""

from __future__ import annotations

from wend.context import Context


def tick(ctx: Context) -> None:
    """Start what is due."""
