"""People as pseudonyms: nobody is named in the ledger, and what is said of one can be erased.

The key is `people.key` in the home. Without it nobody can tell whose pseudonym is whose, and a database that is copied
without it names no one.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from wend.errors import Down
from wend.ledger.chain import private_file, text_hash


class Pseudonyms:
    """Makes them, always the same for the same key. `key`: 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self.key = key

    def of(self, identity: str) -> str:
        """Who this e-mail address or login is here: 16 hex digits. Upper and lower case are one."""
        return self.digest(identity.strip().lower())

    def author(self, commit: str, identity: str) -> tuple[str, bytes]:
        """(hash, body) of the side text that says who wrote a commit. The salt differs for every commit, so that a
        reader of the ledger cannot tell which commits have one author."""
        return self.text(commit, self.of(identity))

    def text(self, id: str, text: str) -> tuple[str, bytes]:
        """(hash, body) of a side text about `id`. Salted: nobody finds out what it says by trying."""
        body = f"{self.digest('salt ' + id)} {text}".encode("utf-8", "replace")
        return text_hash(body), body

    def digest(self, text: str) -> str:
        return hmac.new(self.key, text.encode("utf-8", "surrogatepass"), "sha256").hexdigest()[:16]


def pseudonyms(home: Path) -> Pseudonyms:
    """Those of this home; its key is made on first use, by whoever comes first."""
    file = home / "people.key"
    if not file.exists():
        made = home / f"people.key.{secrets.token_hex(8)}"
        private_file(made, secrets.token_bytes(32))
        try:
            os.link(made, file)
        except FileExistsError:
            pass  # another thread was first, and its key counts
        finally:
            made.unlink()
    key = file.read_bytes()
    if len(key) != 32:
        raise Down(f"{file} has {len(key)} bytes, not 32", "restore it from a backup")
    return Pseudonyms(key)
