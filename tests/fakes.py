"""Stand-ins that keep the promises of the contracts without any process behind them."""

from __future__ import annotations

from wend.errors import Conflict, Down, Invalid
from wend.route import Route, Traffic


class FakeRouter:
    """A Router in memory. `refuse`: the next change is refused with these words. `history`: every route taken."""

    def __init__(self) -> None:
        self.running = False
        self.refuse = ""
        self.routes: dict[str, Route] = {}
        self.history: list[tuple[str, Route | None]] = []
        self.seen: dict[tuple[str, int], Traffic] = {}

    def up(self) -> None:
        self.running = True

    def down(self) -> None:
        self.running = False

    def alive(self) -> bool:
        return self.running

    def set(self, app: str, route: Route) -> None:
        weights = [backend.weight for backend in route.backends.values()]
        if sum(weights) not in (0, 100) or min(weights, default=0) < 0:
            raise Invalid(f"the weights of {app} must sum to 100, or all be 0")
        hosts = tuple(host.lower() for host in route.hosts)
        if bad := [host for host in hosts if not host.isascii() or not host or set(host) & set(" \r\n")]:
            raise Invalid(f"{bad[0]!r} cannot be a host name")
        for name, other in self.routes.items():
            if name != app and {f"{app}.localhost", *hosts} & {f"{name}.localhost", *other.hosts}:
                raise Conflict(f"a host of {app} already belongs to {name}")
        self.change(app, Route(hosts, dict(route.backends)))

    def change(self, app: str, route: Route | None) -> None:
        if not self.running:
            raise Down("the proxy is not running, so nothing was changed", "run `wend up`")
        if self.refuse:
            words, self.refuse = self.refuse, ""
            raise Down(f"refused the change: {words}")
        self.routes.pop(app, None)
        if route is not None:
            self.routes[app] = route
        self.history.append((app, route))

    def get(self, app: str) -> Route | None:
        return self.routes.get(app)

    def remove(self, app: str) -> None:
        if app in self.routes:
            self.change(app, None)

    def stats(self, app: str) -> dict[int, Traffic]:
        route = self.routes.get(app)
        return {release: self.seen.get((app, release), Traffic()) for release in (route.backends if route else {})}

    def readings(self) -> dict[str, dict[int, Traffic]]:
        if not self.running:
            raise Down("the proxy is not running", "run `wend up`")
        return {app: self.stats(app) for app in self.routes}

    def drain(self, app: str, release: int, seconds: float) -> bool:
        return self.seen.get((app, release), Traffic()).active == 0
