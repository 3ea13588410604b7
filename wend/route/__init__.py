"""The route plug: which release answers at which host, and in what share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

ROUTERS = {"envoy": "wend.route.envoy:Envoy"}


@dataclass(frozen=True)
class Backend:
    """The replicas of one release behind a host. `weight` is its share in percent; 0 keeps it warm and out of traffic.

    `endpoints` are (address, port) pairs on this machine. `patch`: fields of the proxy's own kind of backend, laid over
    ours."""

    weight: int
    endpoints: tuple[tuple[str, int], ...]
    patch: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Route:
    """Everything the proxy knows of one app: the host names it answers to, and its releases (key: release number).
    `sticky`: the same client address goes to the same release while the weights stay. `patch`: fields of the proxy's
    own kind of route, laid over ours."""

    hosts: tuple[str, ...]
    backends: dict[int, Backend]
    sticky: bool = False
    patch: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Traffic:
    """What the proxy saw of one release while it was in the routes. The counts go on when the proxy starts again, but
    begin anew with the control plane when they must; whoever keeps an older one must expect them to fall.

    `total`: requests handed to a process, each repeat counted; `ok` (below 400), `client_errors`, `server_errors`: what
    the clients got, once each; a request that no process took is a server error too. `connect_failures`: attempts, of
    which a request makes up to three. `active`: in flight now. `latency`: how many answers took at most so many
    milliseconds, as (upper edge, count up to it), rising; () when there were none. It is up to 0.5 s behind."""

    total: int = 0
    ok: int = 0
    client_errors: int = 0
    server_errors: int = 0
    connect_failures: int = 0
    active: int = 0
    latency: tuple[tuple[float, int], ...] = ()

    @property
    def answered(self) -> int:
        """Requests that got an answer, from the app or in its place."""
        return self.ok + self.client_errors + self.server_errors


class Router(Protocol):
    """Sends requests to releases. Every verb returns only when the proxy has taken the change, or raises Down with
    the proxy's own words; the last good configuration keeps serving either way."""

    def up(self) -> None:
        """Start the proxy, or adopt the one that is already running, and make sure it has the newest configuration."""
        ...

    def down(self) -> None:
        """Stop the proxy. (Leaving without `down` leaves it serving.)"""
        ...

    def alive(self) -> bool:
        """Whether the proxy's process runs; cheap enough for every tick of a clock."""
        ...

    def set(self, app: str, route: Route) -> None:
        """Make this the app's whole route. Weights sum to 100, or all are 0 (the app answers 503 with a reason).
        New backends are known to the proxy before traffic moves; dropped ones are drained of traffic, not cut."""
        ...

    def get(self, app: str) -> Route | None:
        """The route in force."""
        ...

    def remove(self, app: str) -> None:
        """Forget the app; its hosts answer 404."""
        ...

    def stats(self, app: str) -> dict[int, Traffic]:
        """Per release in force, what the proxy saw."""
        ...

    def readings(self) -> dict[str, dict[int, Traffic]]:
        """The stats of every app in force, in one question to the proxy."""
        ...

    def drain(self, app: str, release: int, seconds: float) -> bool:
        """Wait until the release has no request in flight; False when `seconds` passed first."""
        ...
