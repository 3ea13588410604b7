"""What every act is given: the wiring, frozen, without verbs."""

from __future__ import annotations

from dataclasses import dataclass, field

from wend.config import Config
from wend.leases import Leases
from wend.ledger import Ledger
from wend.repos import Repos
from wend.route import Router
from wend.route.meter import Meter
from wend.run import Driver
from wend.runs import Runs


@dataclass(frozen=True)
class Actor:
    """Who acts. `kind`: human · agent · app · source · platform. `scopes`: what the token allows, as "verb" or
    "verb:app", where `*` stands for any; an agent acts `behalf` of a human. `watched`: git says that a person
    reads along at a terminal."""

    name: str
    kind: str = "human"
    scopes: tuple[str, ...] = ()
    behalf: str | None = None
    token: str | None = None
    watched: bool = False


PLATFORM = Actor("platform", "platform", ("*",))


@dataclass(frozen=True)
class Context:
    """The parts of a running control plane, and who is asking."""

    config: Config
    ledger: Ledger
    driver: Driver
    router: Router
    repos: Repos
    leases: Leases
    meter: Meter
    actor: Actor = PLATFORM
    runs: Runs = field(default_factory=Runs)
