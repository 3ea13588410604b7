"""The smallest source there can be, to test the door with: a list of commits, and the secret in a header."""

from __future__ import annotations

from wend.errors import Invalid
from wend.ingest import Delivery, Heard, Unknown, parse, proof
from wend.ingest.telling import Telling


class Tiny:
    """`{"commits": [SHA]}`; "star" it does not know, and `{"broken": …}` is a mistake of ours."""

    def genuine(self, delivery: Delivery, secret: str, now: float) -> None:
        proof.signed(delivery, secret, "x-tiny", "sha256=")

    def read(self, delivery: Delivery) -> Heard:
        said = parse.json_of(delivery.body)
        if said == "star":
            raise Unknown("a star is nothing we know")
        if "broken" in said:
            raise ZeroDivisionError
        if not isinstance(said.get("commits"), list):
            raise Invalid("commits is no list")
        telling = Telling(delivery)
        for commit in said["commits"]:
            telling.change("acme/shop", parse.commit(commit), 1_700_000_000_000_000, author="ada@example.org")
        return telling.heard
