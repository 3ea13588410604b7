"""Golden paths as products, an organisation's own, newer templates, and what is proposed to apps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.responses import RedirectResponse, Response

from wend import auth, defaults, paths, proposals
from wend.paths import catalogue, product, update
from wend.voice import telemetry
from wend.web import reading
from wend.web.body import Field
from wend.web.door import Address, Visit, any_app
from wend.web.pages import markdown, twin
from wend.web.show import Page
from wend.web.stream import Flow, told

Item = dict[str, Any]
SEE, MANAGE = "app.read", "paths.manage"


def own(visit: Visit) -> Path:
    return visit.ctx.config.home / "paths"


# ---------------------------------------------------------------------------------------------- the API


def listed(visit: Visit) -> list[Item]:
    return [reading.path_row(path) for path in paths.all(own(visit))]


def shown(visit: Visit) -> Item:
    """A path as a product."""
    return product.one(visit.ctx, visit.name)


def files(visit: Visit) -> Item:
    return catalogue.files_of(visit.ctx, visit.name)


ADDED = (Field("path", "text"), Field("url", "text"), Field("commit", "text"), Field("files", "table"))


def add(visit: Visit) -> Item:
    given = visit.read(*ADDED)
    return catalogue.add(visit.ctx, given["path"], given["url"], given["commit"], given["files"])


def remove(visit: Visit) -> Item:
    catalogue.remove(visit.ctx, visit.name)
    return {"path": visit.name, "removed": True}


def opinions(visit: Visit) -> list[Item]:
    """The defaults, with why they are as they are, and whether to think them over."""
    visit.query.done()
    return defaults.listed(visit.ctx)


def drift(visit: Visit) -> list[Item]:
    visit.query.done()
    return update.drift(visit.ctx)


def proposed(visit: Visit) -> list[Item]:
    visit.query.done()
    return proposals.listed(visit.ctx)


def renew(visit: Visit) -> Flow:
    """Propose the newest template to an app."""
    visit.read()
    return told(lambda say, gone: update.update(visit.ctx, visit.app, say))


# ---------------------------------------------------------------------------------------------- pages


def page(visit: Visit) -> Page:
    sees = auth.permits(visit.ctx.actor.scopes, "platform.read", None)
    held = defaults.listed(visit.ctx) if sees else []
    return Page("paths.html", product.products(visit.ctx), {"defaults": held})


def path_page(visit: Visit) -> Page:
    """One path: what it promises, how those on it fare, and who is behind it."""
    found, path = product.one(visit.ctx, visit.name), paths.get(visit.name, own(visit))
    found |= {"guide": reading.guide(path), "recognises": reading.recognises(path)}
    if visit.session:
        telemetry.opened(visit.ctx, visit.name)
    sees = auth.permits(visit.ctx.actor.scopes, "platform.read", None)
    behind = update.drift(visit.ctx, visit.name) if sees else []
    return Page("path.html", found, {"guide": markdown(found["guide"]), "drift": behind, "window": product.WINDOW})


def renew_form(visit: Visit) -> Response:
    """A proposal takes as long as its preview; the page that comes shows it."""
    update.update(visit.ctx, visit.app, lambda line: None)
    return RedirectResponse(f"/apps/{visit.app}", 303)


ADDRESSES: tuple[Address, ...] = (
    Address("GET", "/api/paths", SEE, listed, any_app),
    Address("GET", "/api/paths/drift", "platform.read", drift),
    Address("GET", "/api/defaults", "platform.read", opinions),
    Address("POST", "/api/paths", MANAGE, add),
    Address("GET", "/api/paths/{name}", SEE, shown, any_app),
    Address("DELETE", "/api/paths/{name}", MANAGE, remove),
    Address("GET", "/api/paths/{name}/files", SEE, files, any_app),
    Address("GET", "/api/proposals", "platform.read", proposed),
    Address("POST", "/api/apps/{app}/update", "app.push", renew),
    Address("POST", "/apps/{app}/update", "app.push", renew_form, page=True),
    *twin("/paths", SEE, page, target=any_app),
    *twin("/paths/{name}", SEE, path_page, target=any_app),
)
