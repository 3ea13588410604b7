"""Canaries: a release gets a share of the traffic, is judged, and goes live or back.

Facts: canary_started, canary_stepped, canary_judged, canary_ended.
"""

from __future__ import annotations

from wend.context import Context


def drive(ctx: Context) -> None:
    """Judge every canary and watch that is under way, and act on the verdict."""
