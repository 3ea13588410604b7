"""Whether a delivery comes from whom it says: signatures over the raw bytes and shared secrets, in constant time.

None of these can be had with an empty secret, and the reason of a refusal never says how much was right.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from wend.errors import Invalid, Refused
from wend.ingest import Delivery, parse

WINDOW = 300.0  # seconds between the time a sender signed and now; longer ago, it is someone repeating it


def mac(secret: str, body: bytes) -> bytes:
    return hmac.new(secret.encode(), body, hashlib.sha256).digest()


def same(given: str, wanted: str) -> bool:
    """Whether both are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def refused(delivery: Delivery, why: str) -> Refused:
    return Refused(f"the delivery to {delivery.source} is not genuine: {why}", "give the sender the source's secret")


def known(delivery: Delivery, secret: str) -> None:
    """Raises Refused when there is no secret to prove anything with."""
    if not secret:
        raise Refused(f"{delivery.source} has no secret", "set it up anew with one")


def signed(delivery: Delivery, secret: str, header: str, prefix: str) -> None:
    """`header` has the HMAC-SHA-256 of the body in hex behind `prefix`, or several, with commas: one must be right."""
    known(delivery, secret)
    wanted = prefix + mac(secret, delivery.body).hex()
    given = [part.strip() for part in delivery.headers.get(header, "").split(",")]
    if not any([same(part, wanted) for part in given]):
        raise refused(delivery, f"{header} does not sign its body")


def token(delivery: Delivery, secret: str, header: str) -> None:
    """`header` is the secret itself."""
    known(delivery, secret)
    if not same(delivery.headers.get(header, ""), secret):
        raise refused(delivery, f"{header} is not its secret")


def fresh(delivery: Delivery, time: str, now: float) -> None:
    """Raises Refused when `time`, as the sender wrote it, is more than 5 minutes away."""
    try:
        away = abs(now - parse.moment(time) / 1e6)
    except Invalid:
        raise refused(delivery, "its time is none") from None
    if away > WINDOW:
        raise refused(delivery, f"it was signed {away:.0f} s away from now; {WINDOW:.0f} s are allowed")


def zendesk(delivery: Delivery, secret: str, now: float) -> None:
    """HMAC-SHA-256 of the time and the body, in base64; both are in headers of Zendesk's."""
    known(delivery, secret)
    time = delivery.headers.get("x-zendesk-webhook-signature-timestamp", "")
    wanted = base64.b64encode(mac(secret, time.encode("utf-8", "replace") + delivery.body)).decode()
    if not same(delivery.headers.get("x-zendesk-webhook-signature", ""), wanted):
        raise refused(delivery, "x-zendesk-webhook-signature does not sign its body")
    fresh(delivery, time, now)


def ours(delivery: Delivery, secret: str, now: float) -> None:
    """For senders with no way of their own: `X-Wend-Signature: t=UNIX,v1=HEX`, the HMAC-SHA-256 of "UNIX.body" made
    within 5 minutes, or the secret itself as `Authorization: Bearer` or `X-Wend-Token`."""
    known(delivery, secret)
    headers = delivery.headers
    if "x-wend-signature" in headers:
        pairs = [part.strip().partition("=") for part in headers["x-wend-signature"].split(",")]
        parts = {key: value for key, _, value in pairs}
        time = parts.get("t", "")
        wanted = mac(secret, time.encode("utf-8", "replace") + b"." + delivery.body).hex()
        if not same(parts.get("v1", ""), wanted):
            raise refused(delivery, "x-wend-signature does not sign its body")
        return fresh(delivery, time, now)
    if "x-wend-token" in headers:
        return token(delivery, secret, "x-wend-token")
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not same(given.strip(), secret):
        raise refused(delivery, "neither X-Wend-Signature, X-Wend-Token nor Authorization: Bearer fits")
    return None
