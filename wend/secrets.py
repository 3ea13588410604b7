"""Secrets: sealed with AES-256-GCM for one app, name and version; opened only on the way into a process.

Facts: secret_sealed, secret_changed.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wend.context import Context
from wend.errors import Bug, Down
from wend.events import Fact
from wend.ledger.chain import private_file, text_hash
from wend.state import questions

SHORTEST = 6  # a value shorter than this occurs in any text by chance; redacting it would only garble the log


def key(home: Path) -> bytes:
    """The home's key, 32 bytes in `secrets.key` (0600), made on first use. It is not in the database: a copy of one
    without the other opens nothing."""
    file = home / "secrets.key"
    if not file.exists():
        private_file(file, AESGCM.generate_key(256))
    found = file.read_bytes()
    if len(found) != 32:
        raise Down(f"{file} has {len(found)} bytes, not 32", "restore it from a backup")
    return found


def derived(home: Path, what: str) -> str:
    """A password of the platform's own for `what`, made of the home's key: it needs no place to be kept."""
    return hmac.new(key(home), f"wend {what}".encode(), "sha256").hexdigest()


def bound_to(app: str, name: str, version: int) -> bytes:
    """The associated data: a sealed text moved to another app, name or version does not open."""
    return f"app={app};name={name};v={version}".encode()


def seal(key: bytes, app: str, name: str, version: int, value: str) -> bytes:
    """Nonce (12 bytes) and ciphertext."""
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, value.encode("utf-8", "surrogatepass"), bound_to(app, name, version))


def unseal(key: bytes, app: str, name: str, version: int, sealed: bytes) -> str:
    """The value. Raises Bug when the text was altered or belongs elsewhere."""
    try:
        plain = AESGCM(key).decrypt(sealed[:12], sealed[12:], bound_to(app, name, version))
    except InvalidTag:
        raise Bug(f"the sealed text of {app}'s secret {name} v{version} does not open", "restore secrets.key") from None
    return plain.decode("utf-8", "surrogatepass")


def redact(text: str, values: Iterable[str]) -> str:
    """The text with every exact occurrence of a value blotted out, longest first."""
    for value in sorted({value for value in values if len(value) >= SHORTEST}, key=len, reverse=True):
        text = text.replace(value, "[secret]")
    return text


def put(ctx: Context, app: str, values: Mapping[str, str], lender: str | None = None) -> dict[str, dict[str, Any]]:
    """Seal new versions and record them; name → {version, hash}. They take effect with a release that names them.
    `lender`: the app whose secrets these are, when they are lent to a preview."""
    with ctx.ledger.query() as db:
        versions = questions.sealed_versions(db, app)
    made: dict[str, dict[str, Any]] = {}
    texts: dict[str, bytes] = {}
    for name, value in values.items():
        version = 1 + max((number for other, number, _ in versions if other == name), default=0)
        body = seal(key(ctx.config.home), app, name, version, value)
        texts[text_hash(body)] = body
        made[name] = {"version": version, "hash": text_hash(body)}
    origin = {"lender": lender} if lender else {}
    facts = [
        Fact("secret_sealed", f"app/{app}", {"name": name, **sealed, **origin}, actor=ctx.actor.name, app=app)
        for name, sealed in made.items()
    ]
    ctx.ledger.append(facts, texts=texts)
    return made


def open_all(ctx: Context, app: str, sealed: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """name → value of these sealed versions. Raises Down when one was erased."""
    opened: dict[str, str] = {}
    for name, which in sealed.items():
        body = ctx.ledger.text(which["hash"])
        if body is None:
            raise Down(
                f"secret {name} v{which['version']} of {app} was erased",
                f"set it again: wend secret set -a {app} {name}",
            )
        opened[name] = unseal(key(ctx.config.home), app, name, which["version"], body)
    return opened
