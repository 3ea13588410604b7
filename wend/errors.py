"""What can go wrong, in the six ways a caller can act on.

Rooms raise these; doors map `status` to HTTP and `exit` to the process. The message says what happened, with the
value; `hint` says the next command.
"""

from __future__ import annotations


class WendError(Exception):
    """Base of every error a person may see. `status` is the HTTP status, `exit` the exit code of the command line."""

    status = 500
    exit = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def as_dict(self) -> dict[str, str]:
        """The error as it travels: `{"error", "message", "hint"}`, the same for people, scripts and agents."""
        kind = next((kind for kind in type(self).__mro__ if kind in BY_NAME.values()), Bug)
        return {"error": kind.__name__.lower(), "message": self.message, "hint": self.hint}


class Invalid(WendError):
    """What was asked for does not make sense as written."""

    status, exit = 422, 2


class NotFound(WendError):
    """There is no such thing here."""

    status, exit = 404, 3


class Refused(WendError):
    """It makes sense, and the answer is no: not allowed, or a gate said no."""

    status, exit = 403, 4


class Conflict(WendError):
    """It clashes with something that is so, or is happening, now."""

    status, exit = 409, 5


class Down(WendError):
    """Something this needs is not there, or is full; the same call may work later."""

    status, exit = 503, 6


class Bug(WendError):
    """Our fault: a promise inside the platform was broken."""

    status, exit = 500, 1


BY_NAME: dict[str, type[WendError]] = {
    kind.__name__.lower(): kind for kind in (Invalid, NotFound, Refused, Conflict, Down, Bug)
}


def from_dict(data: dict[str, str]) -> WendError:
    """The error that `as_dict` described, on the other side of a wire."""
    return BY_NAME.get(data.get("error", ""), Bug)(data.get("message", "unknown error"), data.get("hint", ""))
