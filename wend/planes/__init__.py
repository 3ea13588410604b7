"""The control planes that share a database: which of them has a turn, which one leads, which there are.

A turn is held by a living process and ends with it, however it dies. `leader` is the turn of the one whose clocks run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

LEADER = "leader"

Hear = Callable[[dict[str, Any]], None]
Lost = Callable[[str], None]


class Planes(Protocol):
    """What a control plane knows of the others. Raises Down when the database does not answer."""

    shared: bool
    name: str

    def take(self, name: str) -> bool:
        """Take a turn, unless another plane has it; whether this one has it now. Never waits."""
        ...

    def leave(self, name: str) -> None:
        """Give a turn back."""
        ...

    def taken(self, name: str) -> bool:
        """Whether any plane has this turn."""
        ...

    def leads(self) -> bool:
        """Whether this plane leads; asks nobody."""
        ...

    def tell(self, words: dict[str, Any]) -> None:
        """Say something to the other planes. It may be lost."""
        ...

    def listen(self, hear: Hear, lost: Lost) -> None:
        """From now on: `hear` what others tell, and be told of a turn that was `lost` because the database was away."""
        ...

    def there(self) -> list[dict[str, Any]]:
        """The planes there are: `plane`, where it listens, and whether it `leads`."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


class Alone:
    """The only control plane of its home."""

    shared = False

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.held: set[str] = set()

    def take(self, name: str) -> bool:
        self.held.add(name)
        return True

    def leave(self, name: str) -> None:
        self.held.discard(name)

    def taken(self, name: str) -> bool:
        return name in self.held

    def leads(self) -> bool:
        return True

    def tell(self, words: dict[str, Any]) -> None:
        pass

    def listen(self, hear: Hear, lost: Lost) -> None:
        pass

    def there(self) -> list[dict[str, Any]]:
        return [{"plane": self.name, "leads": True}]

    def close(self) -> None:
        self.held.clear()
