"""The hash chain: what is hashed, how a checkpoint is signed, and the check anyone can run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from wend.errors import Refused
from wend.events import Event

GENESIS = "0" * 64


def canonical(value: Any) -> bytes:
    """The one way a value is written for hashing: JSON, sorted keys, no spaces, UTF-8, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(
        "utf-8", "surrogatepass"
    )


def link(previous: str, seq: int, row: tuple[str, int, str, str, str, str | None, str | None, dict[str, Any]]) -> str:
    """The hash of an event: SHA-256(0x01 ‖ previous hash ‖ canonical bytes of seq and its eight columns), in hex.

    The leading byte keeps these hashes apart from those of texts (0x02) and from any other use of SHA-256."""
    return hashlib.sha256(b"\x01" + bytes.fromhex(previous) + canonical([seq, *row])).hexdigest()


def text_hash(body: bytes) -> str:
    """The name under which a text is kept beside the chain."""
    return hashlib.sha256(b"\x02" + body).hexdigest()


def columns(event: Event) -> tuple[str, int, str, str, str, str | None, str | None, dict[str, Any]]:
    """What of an event is hashed, in order."""
    return (event.id, event.at, event.kind, event.stream, event.actor, event.team, event.app, event.data)


def verify(events: Iterable[Event], witness: tuple[int, str] | None = None) -> tuple[int, str]:
    """Recompute the chain over all events from the first. The last one's number, which is how many there are, and its
    hash; Refused at the first bad one."""
    previous, seq = GENESIS, 0
    for event in events:
        if event.seq != seq + 1:
            raise Refused(f"the ledger has been tampered with: event {seq + 1} is missing", "restore a backup")
        seq = event.seq
        previous_hash, previous = previous, event.hash
        if link(previous_hash, seq, columns(event)) != event.hash:
            raise Refused(f"the ledger has been tampered with: event {seq} is not as written", "restore a backup")
        if witness and witness[0] == seq and witness[1] != event.hash:
            raise Refused(f"the ledger was rewritten: event {seq} is not the one a checkpoint witnessed")
    if witness and witness[0] > seq:
        raise Refused(f"the ledger was cut off: it ends at {seq}, a checkpoint witnessed {witness[0]}")
    return seq, previous


@dataclass(frozen=True)
class Checkpoint:
    """A signed statement that the ledger had this head. Whoever holds one can show a cut-off tail."""

    seq: int
    hash: str
    signature: str

    def __str__(self) -> str:
        return f"{self.seq}.{self.hash}.{self.signature}"

    @staticmethod
    def parse(text: str) -> Checkpoint:
        seq, hash, signature = text.split(".")
        return Checkpoint(int(seq), hash, signature)


class Signer:
    """The home's Ed25519 key, made on first use, 0600."""

    def __init__(self, file: Path) -> None:
        if not file.exists():
            raw = Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
            private_file(file, raw)
        self.key = Ed25519PrivateKey.from_private_bytes(file.read_bytes())

    def sign(self, head: tuple[int, str]) -> Checkpoint:
        """The checkpoint of this head."""
        return Checkpoint(*head, self.key.sign(statement(*head)).hex())

    def public(self) -> str:
        """The public key, 64 hex digits."""
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def statement(seq: int, hash: str) -> bytes:
    return f"wend ledger checkpoint\n{seq}\n{hash}\n".encode()


def genuine(checkpoint: Checkpoint, public: str) -> bool:
    """Whether the holder of this public key signed it."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(checkpoint.signature), statement(checkpoint.seq, checkpoint.hash))
    except (InvalidSignature, ValueError):
        return False
    return True


def private_file(file: Path, body: bytes) -> None:
    """Write a file that nobody else can read, whole or not at all."""
    import os

    temporary = file.with_name(file.name + ".new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(body)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.rename(file)
