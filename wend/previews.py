"""Previews: another branch of an app, running beside it for a while.

Facts: app_created, preview_renewed, app_destroyed.
"""

from __future__ import annotations

from wend.context import Context


def sweep(ctx: Context) -> None:
    """Remove previews whose time is over."""
