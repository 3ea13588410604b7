"""What an app keeps outside its releases: databases, caches and folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wend.context import Context
from wend.run import Mount
from wend.state.questions import Release


@dataclass(frozen=True)
class Granted:
    """What a release's processes get of its resources: variables (`secrets` names those that are secret), folders, and
    addresses that they may connect to."""

    env: Mapping[str, str] = field(default_factory=dict[str, str])
    mounts: tuple[Mount, ...] = ()
    reach: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


NOTHING = Granted()


def provide(ctx: Context, release: Release) -> None:
    """Make what the release declares and does not have yet, and see that each server answers. Raises Down naming the
    resource and its server."""


def grant(ctx: Context, release: Release) -> Granted:
    """What the release's processes get. Asks no server."""
    return NOTHING


def sweep(ctx: Context) -> None:
    """Purge what has been in the trash for its time."""
