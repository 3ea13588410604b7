"""The web door: the API for programs, the portal for people, one way through for both, and git's addresses beside."""

from __future__ import annotations

from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from wend import secrets
from wend.context import Context
from wend.ledger.chain import Signer
from wend.web import (
    api,
    bets,
    deprecations,
    digest,
    guardrails,
    hatches,
    ingest,
    metrics,
    one_thing,
    pages,
    pains,
    paths,
    research,
    rightsize,
    signals,
    voice,
)
from wend.web.door import THREADS, Address, Gate, Web, unrouted
from wend.web.session import Sessions
from wend.web.show import Renderer
from wend.web.stream import Streams

ROOMS = (
    ingest, api, signals, bets, digest, voice, pains, one_thing, research, rightsize, guardrails, hatches, paths,
    deprecations, pages,
    metrics,
)  # fmt: skip
GIT = {"git-receive-pack": "app.push", "git-upload-pack": "app.read", "info/refs": "app.push or app.read"}


def app(ctx: Context, git_routes: list[Route], signer: Signer) -> Starlette:
    """The ASGI app. `state.verbs` names the verb behind every method and path; the git door asks for its own, which
    depend on what git wants to do."""
    web = Web(ctx, signer, Sessions(secrets.key(ctx.config.home)), Streams(), Renderer(), CapacityLimiter(THREADS))
    addresses = [address for room in ROOMS for address in room.ADDRESSES]
    made = Starlette(routes=[*routes(web, addresses), *git_routes], exception_handlers={HTTPException: unrouted(web)})
    made.state.verbs = {(address.method, address.path): address.verb for address in addresses} | git_verbs(git_routes)
    return made


def routes(web: Web, addresses: list[Address]) -> list[Route]:
    """One route per path, in the order of the table."""
    by_path: dict[str, list[Address]] = {}
    for address in addresses:
        by_path.setdefault(address.path, []).append(address)
    return [
        Route(path, Gate(web, these).enter, methods=[one.method for one in these], name=path.strip("/") or "home")
        for path, these in by_path.items()
    ]


def git_verbs(git_routes: list[Route]) -> dict[tuple[str, str], str]:
    return {
        (method, route.path): GIT[route.path.partition(".git/")[2]]
        for route in git_routes
        for method in (route.methods or set()) - {"HEAD"}
    }
