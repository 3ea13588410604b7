"""Signed in to the portal: a cookie that names a token, never carries it; and the forms that only its pages can send.

The cookie is signed with a key derived from the home's secret key, so a restart of the platform signs nobody out.
Each request looks the token up again: one that is revoked or expired ends its sessions at once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from wend.context import Actor
from wend.errors import Invalid, Refused

LIFETIME = 12 * 3600  # seconds
LINK_LIFETIME = 300  # seconds
LINKS = 1000  # one-time links that may be open at once


@dataclass(frozen=True)
class Session:
    """A browser's session: the id of the token behind it, its end (Unix seconds), and its own random mark."""

    token: str
    until: int
    mark: str


@dataclass(frozen=True)
class Link:
    """A one-time sign-in link that was not followed yet."""

    token: str
    until: float


class Sessions:
    """Makes and reads cookies. What was signed out, and the open links, are remembered in this process alone: both
    are short-lived, and after a restart an open link is simply unknown."""

    def __init__(self, key: bytes) -> None:
        self.key = hmac.digest(key, b"wend portal session 1", "sha256")
        self.lock = threading.Lock()
        self.ended: dict[str, int] = {}
        self.links: dict[str, Link] = {}

    # ------------------------------------------------------------------------------------------ cookies

    def begin(self, token: str) -> Session:
        """A new session for the holder of the token with this id."""
        return Session(token, int(time.time()) + LIFETIME, secrets.token_urlsafe(16))

    def write(self, session: Session) -> str:
        """The cookie's value."""
        plain = json.dumps([session.token, session.until, session.mark]).encode()
        body = base64.urlsafe_b64encode(plain).decode().rstrip("=")
        return f"{body}.{self.mac('cookie', body)}"

    def read(self, cookie: str) -> Session | None:
        """The session of a cookie that we wrote, that is not over and not signed out; else None."""
        body, _, mac = cookie.partition(".")
        if not hmac.compare_digest(mac.encode("utf-8", "replace"), self.mac("cookie", body).encode()):
            return None
        session = Session(*json.loads(base64.urlsafe_b64decode(body + "==")))
        over = session.until <= time.time() or session.mark in self.ended
        return None if over else session

    def end(self, session: Session) -> None:
        """Sign out: the cookie is worth nothing from now on."""
        with self.lock:
            now = time.time()
            self.ended = {mark: until for mark, until in self.ended.items() if until > now}
            self.ended[session.mark] = session.until

    def form_token(self, session: Session) -> str:
        """What every form of this session carries, and nobody else can know."""
        return self.mac("form", session.mark)

    def mac(self, use: str, text: str) -> str:
        return hmac.new(self.key, f"{use}\n{text}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    # ------------------------------------------------------------------------------------------ links

    def mint(self, actor: Actor) -> str:
        """A code that signs the actor in once, within LINK_LIFETIME. Raises Refused for who has no token."""
        if actor.token is None:
            raise Refused(f"{actor.name} has no token to sign in with", "use a token of your own")
        code, now = secrets.token_urlsafe(24), time.time()
        with self.lock:
            self.links = {key: link for key, link in self.links.items() if link.until > now}
            while len(self.links) >= LINKS:
                self.links.pop(next(iter(self.links)))
            self.links[self.mac("link", code)] = Link(actor.token, now + LINK_LIFETIME)
        return code

    def redeem(self, code: str) -> str:
        """The id of the token behind a code, which works no second time. Raises Refused."""
        with self.lock:
            link = self.links.pop(self.mac("link", code), None)
        if link is None or link.until <= time.time():
            raise Refused("this sign-in link was used already, or is too old", "make a new one: `wend open --portal`")
        return link.token


# ---------------------------------------------------------------------------------------------- cookies and forms


def cookie_name(request: Request) -> str:
    """Over https the browser itself then guarantees that no app on a neighbouring host name set it."""
    return "__Host-wend" if request.url.scheme == "https" else "wend"


def set_cookie(request: Request, response: Response, value: str) -> None:
    secure = request.url.scheme == "https"
    age = LIFETIME if value else 0
    response.set_cookie(
        cookie_name(request), value, max_age=age, path="/", httponly=True, samesite="lax", secure=secure
    )


def check_origin(request: Request) -> None:
    """Raises Refused for a form that another site's page sent. Browsers say where a form comes from; what says nothing
    at all is no browser, and holds no cookie but its own."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    host = request.headers.get("host", "")
    ours = origin is None or (urlsplit(origin).netloc == host and origin != "null")
    if site not in ("same-origin", "none") or not ours:
        raise Refused("this form was sent by a page of another site", "open the portal itself and try again there")


def local(path: str | None) -> str:
    """The path when it leads back into the portal, else the first page."""
    fine = path and path.startswith("/") and path.isascii() and path.isprintable() and "\\" not in path
    return path if path and fine and not path.startswith("//") and not path.startswith("/login") else "/"


def check_form(expected: str, given: dict[str, str]) -> None:
    """Raises when a form does not carry its session's mark: Invalid without one, Refused with another's."""
    if "csrf" not in given:
        raise Invalid("the form is incomplete", "reload the page and try again")
    if not hmac.compare_digest(expected.encode(), given["csrf"].encode("utf-8", "replace")):
        raise Refused("this form belongs to another session", "reload the page and try again")
